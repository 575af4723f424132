"""Run jobs as processes of this machine, a few at a time."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bidsflow.executors.base import Ended, Job, Watcher

#: Environment variable with the number of the file descriptor on which a job may tell what it is doing, by lines.
EVENTS = "BIDSFLOW_EVENTS"
#: Seconds that a job has to end by itself when everything is stopped.
GRACE = 10.0
#: Seconds after which it is looked whether a job has ended that did not close its event pipe.
MOMENT = 0.2


@dataclass(slots=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    pipe: int
    pending: bytes = b""

    def lines(self, data: bytes) -> list[str]:
        *whole, self.pending = (self.pending + data).split(b"\n")
        return [line.decode(errors="replace") for line in whole]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all that it has started."""
        with suppress(ProcessLookupError, PermissionError):  # macOS: where only ended processes are left
            os.killpg(self.process.pid, number)


@dataclass(slots=True)
class _Pool:
    environment: Mapping[str, str]
    watcher: Watcher
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    running: list[_Running] = field(default_factory=list)

    def start(self, job: Job) -> None:
        read, write = os.pipe()
        os.set_blocking(read, False)
        job.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with job.log.open("ab") as log:
                process = subprocess.Popen(
                    job.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **self.environment, EVENTS: str(write)},
                    pass_fds=(write,),
                    start_new_session=True,  # its own group, so that all of it can be stopped at once
                )
        except BaseException:
            os.close(read)
            raise
        finally:
            os.close(write)
        running = _Running(job, process, read)
        self.running.append(running)
        self.selector.register(read, selectors.EVENT_READ, running)
        self.watcher.began(job)

    def wait(self) -> list[Ended]:
        """Pass on what jobs say for a moment, and return those that have ended."""
        for key, _ in self.selector.select(timeout=MOMENT):
            self._listen(key.data)
        return [self._finish(one) for one in tuple(self.running) if one.process.poll() is not None]

    def _listen(self, running: _Running) -> bool:
        """Pass on what a job has said since; return whether there may be more."""
        try:
            data = os.read(running.pipe, 1 << 16)
        except BlockingIOError:
            return False
        for line in running.lines(data):
            self.watcher.said(running.job, line)
        if not data:
            self.selector.unregister(running.pipe)
            with suppress(subprocess.TimeoutExpired):  # it is about to end
                running.process.wait(MOMENT)
        return bool(data)

    def _finish(self, running: _Running) -> Ended:
        """Hear the last words of a process that has ended, and end what it has left behind."""
        running.signal(signal.SIGKILL)  # a child that lives on would hold the pipe open
        while running.pipe in self.selector.get_map() and self._listen(running):
            pass
        self._forget(running)
        return Ended(running.job, running.process.wait())

    def _forget(self, running: _Running) -> None:
        self.running.remove(running)
        if running.pipe in self.selector.get_map():
            self.selector.unregister(running.pipe)
        os.close(running.pipe)

    def stop(self) -> None:
        """End all that runs, and wait for it: first asked, then forced; forced at once if interrupted meanwhile."""
        try:
            self._end_all(signal.SIGTERM)
        finally:
            self._end_all(signal.SIGKILL)
            for running in tuple(self.running):
                self._forget(running)
            self.selector.close()

    def _end_all(self, number: signal.Signals) -> None:
        for running in self.running:
            running.signal(number)
        until = time.monotonic() + GRACE
        for running in self.running:
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(max(0.0, until - time.monotonic()))


def run_jobs(
    jobs: Sequence[Job], watcher: Watcher, *, n_parallel: int = 1, environment: Mapping[str, str] | None = None
) -> tuple[Ended, ...]:
    """Run jobs, and return how each ended, in the order in which they did.

    Where the watcher wants no more, what still runs is stopped; that and what never began is left out.

    Parameters
    ----------
    jobs : sequence of Job
        What to run, in this order.
    watcher : Watcher
        Is told what happens; may say that nothing new shall begin.
    n_parallel : int
        How many may run at once.
    environment : mapping of str to str, optional
        Variables beside those of this process.

    Raises
    ------
    KeyboardInterrupt
        If the user interrupts; every process has ended then.
    OSError
        If a command cannot be started.
    """
    pool = _Pool(environment or {}, watcher)
    waiting, ended = deque(jobs), list[Ended]()
    try:
        while waiting or pool.running:
            while waiting and len(pool.running) < max(1, n_parallel):
                pool.start(waiting.popleft())
            for one in pool.wait():
                ended.append(one)
                if not watcher.ended(one):
                    return tuple(ended)
    finally:
        pool.stop()
    return tuple(ended)
