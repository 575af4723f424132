"""What the process of one participant has to do, how it is handed over, and whether it is done already."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidsflow.app import provenance, state
from bidsflow.app.inputs import Participant
from bidsflow.app.invocation import Invocation
from bidsflow.app.provenance import Input
from bidsflow.app.spec import Pipeline
from bidsflow.dataset.tree import Dataset

#: Environment variable with the id of the run, by which steps know whether their result is of this one.
RUN_ID = "BIDSFLOW_RUN"
#: Said of a process that had no time to say anything.
KILLED = "killed: most often because the machine ran out of memory; give --mem, or fewer --n-cpus"


@dataclass(frozen=True, slots=True)
class Task:
    """What one process has to do.

    Attributes
    ----------
    pipeline : Pipeline
        What to run.
    participant : Participant
        On what.
    invocation : Invocation
        How.
    inputs : mapping of str to Input
        What the images hold, by BIDS URI.
    run_id : str
        Of the call.
    n_procs, threads : int
        Steps at once, and threads of each.
    memory_gb : float
        For all steps together.
    search : tuple of str
        Where Python finds the pipeline.
    """

    pipeline: Pipeline
    participant: Participant
    invocation: Invocation
    inputs: Mapping[str, Input]
    run_id: str
    n_procs: int = 1
    threads: int = 1
    memory_gb: float = 2.0
    search: tuple[str, ...] = ()

    @property
    def params(self) -> Any:
        """The parameters, as an instance of the pipeline's dataclass."""
        return self.pipeline.params(**self.invocation.params)

    @property
    def title(self) -> str:
        """The name of its files in the logs; tasks of a cluster share the folder of a run, one for each session."""
        sessions = self.invocation.selection.sessions if self.invocation.run_name else ()
        return f"sub-{self.participant.label}" + "".join(f"_ses-{one}" for one in sessions)

    @property
    def work(self) -> Path:
        """Where its intermediate files are."""
        return self.invocation.work_dir / f"bidsflow-{self.pipeline.name}" / f"sub-{self.participant.label}"

    @property
    def log(self) -> Path:
        """What its process prints; two runs may be at work."""
        return self.work.parent / f"{self.run_id}_sub-{self.participant.label}.log"

    @property
    def digest(self) -> str:
        """What changes where everybody has to be done again."""
        return provenance.digest_task(self.pipeline, self.invocation.params)


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, for a page that people read.

    Attributes
    ----------
    step : str
        Name of the step; ``""`` where no step had begun.
    inputs : tuple of (str, str)
        What it was given.
    trace : str
        The traceback.
    """

    step: str
    inputs: tuple[tuple[str, str], ...]
    trace: str

    @property
    def reason(self) -> str:
        """The last line of the traceback."""
        lines = [line for line in self.trace.strip().splitlines() if line and not line[0].isspace()]
        return lines[-1].removeprefix("bidsflow.errors.") if lines else "unknown"


def is_done(task: Task) -> bool:
    """Return whether a participant is done, from the same inputs with the same parameters, and nothing is missing."""
    dataset = Dataset(task.invocation.output_dir)
    marker = state.read_marker(dataset, task.participant.label)
    if marker.task != task.digest or not marker.files:
        return False
    report = (f"sub-{task.participant.label}.html",) if task.pipeline.report else ()
    if not all((dataset.root / name).exists() for name in (*marker.files, *report)):
        return False
    known = {uri: one.digest for uri, one in marker.inputs.items()}
    asked = {uri: one.digest for uri, one in task.inputs.items()}
    return asked.items() <= known.items() if task.invocation.selection.leaves_images_out else asked == known


def write_task(task: Task) -> Path:
    """Write down what a process has to do, and return where."""
    path = task.log.with_suffix(".task")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps((task.search, pickle.dumps(task))))
    return path


def read_task(path: Path) -> Task:
    """Return what a process has to do; its file is removed."""
    search, data = pickle.loads(path.read_bytes())
    path.unlink()
    sys.path[:0] = [one for one in search if one not in sys.path]
    task: Task = pickle.loads(data)
    return task
