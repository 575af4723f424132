"""Real processes: what they say, how they end, that none is left behind."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bidsflow.executors import Ended, Job
from bidsflow.executors.local import EVENTS, run_jobs

#: Opens the pipe for events as `say`, so that a script can tell something.
SAY = f"""
import os, signal, subprocess, sys, time
def say(text): os.write(int(os.environ["{EVENTS}"]), text.encode())
"""


@dataclass
class Watch:
    """Notes everything that it is told; may stop at the first job with an exit code."""

    stop_at: int | None = None
    began_: list[str] = field(default_factory=list)
    said_: list[tuple[str, str]] = field(default_factory=list)
    ended_: list[tuple[str, int]] = field(default_factory=list)
    most: int = 0

    def began(self, job: Job) -> None:
        self.began_.append(job.name)
        self.most = max(self.most, len(self.began_) - len(self.ended_))

    def said(self, job: Job, line: str) -> None:
        self.said_.append((job.name, line))

    def ended(self, ended: Ended) -> bool:
        self.ended_.append((ended.job.name, ended.code))
        return ended.code != self.stop_at


def make_job(folder: Path, script: str, name: str = "one", *arguments: object) -> Job:
    return Job(name, (sys.executable, "-S", "-c", SAY + script, *map(str, arguments)), folder / f"{name}.log")


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pids: list[int], patience: float = 20.0) -> list[int]:
    until = time.monotonic() + patience
    while any(map(is_alive, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    return [pid for pid in pids if is_alive(pid)]


def test_jobs_run_in_order_when_one_at_a_time(tmp_path: Path) -> None:
    watch = Watch()
    ended = run_jobs([make_job(tmp_path, "", name) for name in "cab"], watch)
    assert watch.began_ == list("cab")
    assert [(one.job.name, one.code) for one in ended] == watch.ended_ == [("c", 0), ("a", 0), ("b", 0)]
    assert watch.most == 1


def test_no_more_jobs_than_asked_run_at_once(tmp_path: Path) -> None:
    watch = Watch()
    run_jobs([make_job(tmp_path, "time.sleep(0.05)", str(rank)) for rank in range(9)], watch, n_parallel=3)
    assert len(watch.ended_) == 9
    assert watch.most == 3


def test_jobs_run_at_once_when_allowed(tmp_path: Path) -> None:
    """Each waits for the file of the other: one after another they would never end."""
    script = """
mine, other = sys.argv[1:]
open(mine, "w").close()
while not os.path.exists(other): time.sleep(0.01)
"""
    one, two = tmp_path / "one.txt", tmp_path / "two.txt"
    jobs = [make_job(tmp_path, script, "one", one, two), make_job(tmp_path, script, "two", two, one)]
    assert {ended.code for ended in run_jobs(jobs, Watch(), n_parallel=2)} == {0}


def test_nothing_happens_when_there_is_no_job() -> None:
    assert run_jobs([], Watch()) == ()


def test_what_is_said_comes_by_lines_when_written_in_pieces(tmp_path: Path) -> None:
    watch = Watch()
    run_jobs([make_job(tmp_path, 'say("a b\\nc"); time.sleep(0.1); say("d\\n\\n"); say("\\u00e4\\nlost")')], watch)
    assert [line for _, line in watch.said_] == ["a b", "cd", "", "ä"]


def test_long_lines_come_whole(tmp_path: Path) -> None:
    watch = Watch()
    script = f'os.fdopen(int(os.environ["{EVENTS}"]), "w").write("x" * 3_000_000 + "\\n" + "y\\n" * 1000)'
    run_jobs([make_job(tmp_path, script)], watch)
    assert len(watch.said_[0][1]) == 3_000_000
    assert len(watch.said_) == 1001


def test_exit_code_and_signal_are_told(tmp_path: Path) -> None:
    jobs = [make_job(tmp_path, "sys.exit(7)", "exit"), make_job(tmp_path, "os.kill(os.getpid(), 9)", "kill")]
    watch = Watch()
    run_jobs(jobs, watch)
    assert watch.ended_ == [("exit", 7), ("kill", -signal.SIGKILL)]


def test_output_goes_to_the_log_and_is_added_to_it(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_text("before\n")
    run_jobs([make_job(tmp_path, 'print("out", flush=True); print("err", file=sys.stderr)')], Watch())
    assert (tmp_path / "one.log").read_text() == "before\nout\nerr\n"


def test_jobs_read_nothing_and_know_their_environment(tmp_path: Path) -> None:
    script = 'print(repr(sys.stdin.read()), os.environ["OMP_NUM_THREADS"])'
    run_jobs([make_job(tmp_path, script)], Watch(), environment={"OMP_NUM_THREADS": "3"})
    assert (tmp_path / "one.log").read_text() == "'' 3\n"


def test_command_that_cannot_start_stops_the_others(tmp_path: Path) -> None:
    script = 'print(os.getpid(), flush=True); say("here\\n"); time.sleep(600)'
    missing = Job("missing", (str(tmp_path / "no such program"),), tmp_path / "missing.log")
    with pytest.raises(FileNotFoundError):
        run_jobs([make_job(tmp_path, script), missing], Watch(), n_parallel=2)
    log = (tmp_path / "one.log").read_text()
    assert wait_until_gone([int(log)] if log else []) == []


def test_nothing_new_begins_when_the_watcher_wants_no_more(tmp_path: Path) -> None:
    watch = Watch(stop_at=5)
    jobs = [make_job(tmp_path, "sys.exit(5)", "bad"), make_job(tmp_path, "", "never")]
    assert [one.code for one in run_jobs(jobs, watch)] == [5]
    assert watch.began_ == ["bad"]


def test_what_runs_is_stopped_when_the_watcher_wants_no_more(tmp_path: Path) -> None:
    """The bad job ends once the other one is there."""
    here = tmp_path / "here"
    long = make_job(tmp_path, f'open({str(here)!r}, "w").write(str(os.getpid())); time.sleep(600)', "long")
    bad = make_job(tmp_path, f"while not os.path.exists({str(here)!r}): time.sleep(0.01)\nsys.exit(5)", "bad")
    ended = run_jobs([long, bad], Watch(stop_at=5), n_parallel=2)
    assert [one.job.name for one in ended] == ["bad"]
    assert wait_until_gone([int(here.read_text())]) == []


class Impatient(Watch):
    """Is interrupted by the first line that it hears."""

    def said(self, job: Job, line: str) -> None:
        super().said(job, line)
        raise KeyboardInterrupt


def test_interruption_ends_children_of_children(tmp_path: Path) -> None:
    script = """
inner = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
say(f"{os.getpid()} {inner.pid}\\n")
time.sleep(600)
"""
    watch = Impatient()
    with pytest.raises(KeyboardInterrupt):
        run_jobs([make_job(tmp_path, script)], watch)
    assert wait_until_gone([int(pid) for pid in watch.said_[0][1].split()]) == []


def test_interruption_kills_what_does_not_listen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bidsflow.executors.local.GRACE", 0.2)
    script = 'signal.signal(signal.SIGTERM, signal.SIG_IGN); say(f"{os.getpid()}\\n"); time.sleep(600)'
    watch = Impatient()
    with pytest.raises(KeyboardInterrupt):
        run_jobs([make_job(tmp_path, script)], watch)
    assert wait_until_gone([int(watch.said_[0][1])]) == []


def test_second_interruption_kills_at_once(tmp_path: Path) -> None:
    """A user who presses Ctrl-C again does not want to wait, and must not leave a process behind."""
    script = f"""
from bidsflow.executors import Job
from bidsflow.executors.local import run_jobs
from tests.executors.test_local import SAY, make_job
import os, signal, threading
from pathlib import Path
class Watch:
    def began(self, job): pass
    def said(self, job, line):
        print(line, flush=True)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        raise KeyboardInterrupt
    def ended(self, ended): return True
deaf = 'signal.signal(signal.SIGTERM, signal.SIG_IGN); say(f"{{os.getpid()}}\\\\n"); time.sleep(600)'
run_jobs([make_job(Path({str(tmp_path)!r}), deaf)], Watch())
"""
    import subprocess

    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in done.stderr
    assert wait_until_gone([int(done.stdout)]) == []
    assert time.monotonic() - began < 600  # the sleep of the job


def test_job_has_ended_when_its_children_hold_the_pipe(tmp_path: Path) -> None:
    """A worker that outlives its process keeps the pipe for events open; the job has ended all the same."""
    script = """
pid = os.fork()
if pid == 0:
    time.sleep(600)
    os._exit(0)
say(f"{pid}\\n")
os.kill(os.getpid(), signal.SIGKILL)
"""
    watch = Watch()
    run_jobs([make_job(tmp_path, script)], watch)
    assert watch.ended_ == [("one", -signal.SIGKILL)]
    assert wait_until_gone([int(watch.said_[0][1])]) == []


def test_job_leaves_no_process_behind_when_it_ends_well(tmp_path: Path) -> None:
    script = """
inner = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
say(f"{inner.pid}\\n")
"""
    watch = Watch()
    run_jobs([make_job(tmp_path, script)], watch)
    assert watch.ended_ == [("one", 0)]
    assert wait_until_gone([int(watch.said_[0][1])]) == []


def test_two_hundred_jobs_leave_no_open_files(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    jobs = [Job(str(rank), ("true",), tmp_path / f"{rank}.log") for rank in range(200)]
    assert len(run_jobs(jobs, Watch(), n_parallel=8)) == 200
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
