"""A cluster on this machine, small enough for tests: `sbatch` and its kin keep notes, a test says when tasks run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: All programs in one; a job is a folder with ``about.json`` and a file for each task, which holds its state.
_PROGRAM = """#!{python} -S
import json, os, pathlib, sys
ROOT = pathlib.Path({root!r})
name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
options = dict(word[2:].partition("=")[::2] for word in words if word.startswith("--"))
plain = [word for word in words if not word.startswith("-")]
jobs = sorted((one for one in ROOT.glob("jobs/[0-9]*") if (one / "about.json").exists()), key=lambda one: int(one.name))
if (ROOT / "down").exists():
    sys.exit("error: Unable to contact slurm controller (connect failure)")

def about(job):
    return json.loads((job / "about.json").read_text())

def tasks(job):
    return sorted((int(one.name), one.read_text()) for one in (job / "tasks").iterdir())

if name == "sbatch":
    if (ROOT / "refuse").exists():
        sys.exit("sbatch: error: Batch job submission failed: Invalid partition name specified")
    number = 1
    while True:
        try:
            (ROOT / "jobs" / str(number)).mkdir(parents=True)
            break
        except FileExistsError:
            number += 1
    job = ROOT / "jobs" / str(number)
    (job / "tasks").mkdir()
    count = int(options["array"].partition("%")[0].removeprefix("1-"))
    for index in range(1, count + 1):
        (job / "tasks" / str(index)).write_text("PENDING")
    text = pathlib.Path(plain[0]).read_text()
    title = next(line for line in text.splitlines() if line.startswith("#SBATCH --job-name=")).partition("=")[2]
    told = dict(name=title, folder=os.getcwd(), script=plain[0], arguments=plain[1:], options=options)
    (job / "about.new").write_text(json.dumps(told))
    (job / "about.new").rename(job / "about.json")
    print(number)
elif name == "squeue" and "name" in options:
    print(*(job.name for job in jobs if about(job)["name"] == options["name"]), sep="\\n")
elif name == "squeue":
    for job in jobs:
        for index, state in tasks(job):
            state, _, reason = state.partition(" ")
            if state in ("PENDING", "RUNNING"):
                print(job.name, index, state, "n1" if state == "RUNNING" else "", reason or "Priority", "0:01", sep="|")
elif name == "sacct" and (ROOT / "no-accounts").exists():
    sys.exit("Slurm accounting storage is disabled")
elif name == "sacct" and "name" in options:
    print(*(job.name for job in jobs if about(job)["name"] == options["name"]), sep="\\n")
elif name == "sacct":
    for job in jobs:
        for index, state in tasks(job) if job.name in options["jobs"].split(",") else ():
            if not state.startswith("PENDING"):
                print(f"{{job.name}}_{{index}}", *state.split(" ", 1)[:1], "0:0", "n1", "61", "", sep="|")
elif name == "scancel":
    for job in jobs:
        for index, state in tasks(job) if job.name in plain else ():
            if state.startswith(("PENDING", "RUNNING")):
                (job / "tasks" / str(index)).write_text("CANCELLED")
elif name == "sinfo":
    print("main*|1000000|256|infinite")
elif name == "scontrol" and words[:2] == ["show", "config"]:
    print("MaxArraySize            = 1001")
elif name == "scontrol":
    sys.exit("slurm_load_jobs error: Invalid job id specified")
"""


@dataclass(frozen=True)
class Cluster:
    """A cluster in a folder."""

    root: Path

    @property
    def path(self) -> str:
        """The PATH on which its programs come first."""
        return os.pathsep.join((str(self.root / "bin"), os.environ["PATH"]))

    @property
    def jobs(self) -> dict[int, dict[str, Any]]:
        """What was submitted, by number."""
        found = {int(one.parent.name): json.loads(one.read_text()) for one in self.root.glob("jobs/*/about.json")}
        return dict(sorted(found.items()))

    def switch(self, trouble: str, *, on: bool = True) -> None:
        """Let the controller be ``down``, or ``refuse`` what is submitted, or have ``no-accounts``; or not any more."""
        (self.root / trouble).touch() if on else (self.root / trouble).unlink()

    def put(self, job: int, state: str, indices: Collection[int] = ()) -> None:
        """Say how tasks stand."""
        for one in (self.root / "jobs" / str(job) / "tasks").iterdir():
            if not indices or int(one.name) in indices:
                one.write_text(state)

    def run(self) -> None:
        """Run everything that waits, the jobs one after another, the tasks of each at once."""
        for job, about in self.jobs.items():
            tasks = self.root / "jobs" / str(job) / "tasks"
            waiting = [one for one in tasks.iterdir() if one.read_text() == "PENDING"]
            started = {one: _start(job, int(one.name), about) for one in waiting}
            for one in started:
                one.write_text("RUNNING")
            for one, process in started.items():
                one.write_text("FAILED" if process.wait(timeout=300) else "COMPLETED")


def _start(job: int, index: int, about: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    folder = Path(about["folder"])
    told = {"SLURM_ARRAY_JOB_ID": str(job), "SLURM_ARRAY_TASK_ID": str(index), "SLURMD_NODENAME": "n1"}
    with (folder / "logs" / f"{job}.{index}.log").open("ab") as log:
        return subprocess.Popen(
            ["bash", about["script"], *about["arguments"]], cwd=folder, env={**os.environ, **told},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip


def make_cluster(root: Path) -> Cluster:
    """Return a cluster in a new folder."""
    (root / "bin").mkdir(parents=True)
    (root / "jobs").mkdir()
    for name in ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo"):
        program = root / "bin" / name
        program.write_text(_PROGRAM.format(python=sys.executable, root=str(root)))
        program.chmod(0o755)
    return Cluster(root)


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


Command = Callable[..., Ran]
