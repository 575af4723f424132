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


@dataclass(slots=True)
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    pipe: int
    pending: bytes = b""

    def lines(self, data: bytes) -> list[str]:
        *whole, self.pending = (self.pending + data).split(b"\n")
        return [line.decode(errors="replace") for line in whole]


@dataclass(slots=True)
class _Pool:
    environment: Mapping[str, str]
    watcher: Watcher
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    @property
    def n_running(self) -> int:
        return len(self.selector.get_map())

    def start(self, job: Job) -> None:
        read, write = os.pipe()
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
        self.selector.register(read, selectors.EVENT_READ, _Running(job, process, read))
        self.watcher.began(job)

    def wait(self) -> list[Ended]:
        """Pass on what jobs say until some have ended, and return how."""
        ended = []
        for key, _ in self.selector.select(timeout=1.0):
            running: _Running = key.data
            data = os.read(running.pipe, 65536)
            for line in running.lines(data):
                self.watcher.said(running.job, line)
            if not data:
                ended.append(self._finish(running))
        return ended

    def _finish(self, running: _Running) -> Ended:
        self.selector.unregister(running.pipe)
        os.close(running.pipe)
        return Ended(running.job, running.process.wait())

    def stop(self) -> None:
        """End all that runs, and wait for it: first asked, then forced."""
        left = [key.data for key in self.selector.get_map().values()]
        for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            for running in left:
                with suppress(ProcessLookupError):
                    os.killpg(running.process.pid, number)
            until = time.monotonic() + patience
            for running in left:
                with suppress(subprocess.TimeoutExpired):
                    running.process.wait(max(0.0, until - time.monotonic()))
        for running in left:
            self._finish(running)


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
        while waiting or pool.n_running:
            while waiting and pool.n_running < max(1, n_parallel):
                pool.start(waiting.popleft())
            for one in pool.wait():
                ended.append(one)
                if not watcher.ended(one):
                    return tuple(ended)
    finally:
        pool.stop()
        pool.selector.close()
    return tuple(ended)
