"""Participants at work: a process for each, as many at once as the machine allows, and what they say."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bidsflow.app import logs
from bidsflow.app.invocation import Invocation, Resources
from bidsflow.app.outcome import Event, Tell
from bidsflow.app.participant import build_flow
from bidsflow.app.task import KILLED, Failure, Task, write_task
from bidsflow.dataset.tree import Dataset
from bidsflow.errors import BidsflowError, PipelineError
from bidsflow.executors import Ended, Job
from bidsflow.executors.local import run_jobs

if TYPE_CHECKING:
    from bidsflow.app.workflow import Flow

#: Threads that a lone participant's steps get where nobody says how many.
MOST_THREADS = 4
#: Variables that bound the threads of numerical libraries.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip


@dataclass(slots=True)
class Watch:
    """Collects what the participants' processes say."""

    tell: Tell
    stop_early: bool
    failures: dict[str, list[Failure]] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def began(self, job: Job) -> None:
        """Hear that a process has begun."""
        self.tell(Event("started", job.name))

    def said(self, job: Job, line: str) -> None:
        """Hear a line of what it tells."""
        try:
            said = json.loads(line)
        except ValueError:
            return
        match said.get("event") if isinstance(said, dict) else None:
            case "steps":
                self.tell(Event("steps", job.name, value=said["total"]))
            case "step" if said["status"] != "start":
                self.tell(Event("step", job.name, said["step"]))
            case "waiting":
                text = f"sub-{job.name}: another run is at work on it; it goes on when that has ended"
                self.tell(Event("note", job.name, text))
            case "writing":
                self.tell(Event("writing", job.name))
            case "failed":
                inputs = tuple((str(key), str(value)) for key, value in said["inputs"])
                self.failures.setdefault(job.name, []).append(Failure(said["step"], inputs, said["trace"]))

    def ended(self, ended: Ended) -> bool:
        """Hear how it ended; return whether to go on with the others."""
        name = ended.job.name
        if ended.code == 0:
            self.done.append(name)
            self.tell(Event("done", name))
            return True
        self.failed.append(name)
        if name not in self.failures:
            self.failures[name] = [Failure("", (), _explain_end(ended))]
        self.tell(Event("failed", name, f"{self.failures[name][0].step}: {self.failures[name][0].reason}".lstrip(": ")))
        return not self.stop_early


def _explain_end(ended: Ended) -> str:
    """Return why a process ended that had no time to say so."""
    if ended.code == -9:
        return KILLED
    if ended.code < 0:
        return f"the process was ended by signal {-ended.code}"
    return f"the process ended with exit code {ended.code}; see its log"


@dataclass(frozen=True, slots=True)
class Share:
    """How participants share a machine.

    Attributes
    ----------
    at_once : int
        Participants that run at the same time.
    n_procs, threads : int
        Steps of each at once, and threads of a step.
    memory_gb : float
        Memory of each.
    """

    at_once: int
    n_procs: int
    threads: int
    memory_gb: float


def share_machine(participants: int, resources: Resources, memory_gb: float) -> Share:
    """Return how participants share a machine: as many at once as processors and memory allow.

    Parameters
    ----------
    participants : int
        How many are to run.
    resources : Resources
        What may be used.
    memory_gb : float
        What each needs.
    """
    most = min(MOST_THREADS, resources.n_procs) if participants == 1 else 1
    threads = resources.omp_threads or most
    fit = int(resources.memory_gb // memory_gb)
    at_once = max(1, min(participants, resources.n_procs // threads, fit))
    n_procs = max(1, resources.n_procs // at_once)
    return Share(at_once, n_procs, min(threads, n_procs), resources.memory_gb / at_once)


def run_tasks(tasks: Sequence[Task], share: Share, dataset: Dataset, call: Invocation, watch: Watch) -> None:
    """Run the processes of participants, and let `watch` hear what they say."""
    jobs = []
    for task in tasks:
        mine = replace(task, n_procs=share.n_procs, threads=share.threads, memory_gb=share.memory_gb)
        command = (sys.executable, "-m", "bidsflow.app", str(write_task(mine)))
        jobs.append(Job(task.participant.label, command, task.log))
    threads = dict.fromkeys(THREAD_VARIABLES, str(share.threads))
    if call.write_graph:
        path = dataset.root / "logs" / tasks[0].run_id / "graph.dot"
        logs.write_graph(build(tasks[0]), path)
    try:
        run_jobs(jobs, watch, n_parallel=share.at_once, environment={**threads, "PYTHONHASHSEED": "0"})
    finally:
        for job in jobs:
            job.log.with_suffix(".task").unlink(missing_ok=True)  # of those that never began


def build(task: Task) -> Flow:
    """Return the workflow of a participant, built in this process: only to be looked at."""
    try:
        return build_flow(task)
    except BidsflowError:
        raise
    except Exception as error:  # a pipeline may raise anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}"
        reason = f"its workflow cannot be built ({type(error).__name__}: {error}; {where})"
        raise PipelineError(task.pipeline.name, reason) from error
