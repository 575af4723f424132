"""What a user asked of a pipeline, as one value: where from, where to, whom, with how much of the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from bidsflow.app.spec import Level
from bidsflow.executors import Request

#: A value of a parameter.
Value: TypeAlias = bool | int | float | str


class OutputLayout(StrEnum):
    """Where derivatives stand below the output folder."""

    BIDS = "bids"
    NESTED = "nested"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which participants and which of their images.

    Attributes
    ----------
    participants, without : tuple of str
        Labels to take, all where empty, and labels to leave out; without ``sub-``.
    sessions, tasks, runs : tuple of str
        Labels; images that have the entity and another label are left out. Runs are compared as numbers.
    filters : mapping of str to mapping
        By suffix in small letters (``bold``): entities and what they must be, as fMRIPrep's filter files have it.
    """

    participants: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    filters: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def leaves_images_out(self) -> bool:
        """Whether images of a participant may be left out, whose derivatives are to stay."""
        return bool(self.sessions or self.tasks or self.runs or self.filters)


@dataclass(frozen=True, slots=True)
class Resources:
    """How much of the machine may be used.

    Attributes
    ----------
    n_procs : int
        Processors in all.
    omp_threads : int
        Threads of one step at most.
    memory_gb : float
        Memory in all.
    """

    n_procs: int
    omp_threads: int
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of a pipeline.

    Attributes
    ----------
    bids_dir : Path
        The raw dataset; only read.
    output_dir : Path
        As given; see `derivatives_dir`.
    levels : tuple of Level
        Levels of analysis, in order.
    work_dir : Path
        Intermediate files; what a second call can reuse.
    selection : Selection
        Which participants and images.
    resources : Resources
        How much of the machine.
    params : mapping of str to value
        Every parameter of the pipeline with its value.
    layout : OutputLayout
        Where derivatives stand below the output folder.
    derivatives : mapping of str to Path
        Other derivative datasets, by name.
    database_dir : Path or None
        Where the index of the dataset is kept; None keeps it in the work folder.
    skip_validation, reports_only, stop_on_first_crash, write_graph, monitor, clean_work, force, dry_run : bool
        As the options of the same names.
    request : Request
        Where it runs, and what a task on a cluster may use.
    per_session : bool
        Whether each session is a task on a cluster.
    container : tuple of str
        Options of the image that tasks of a cluster run in; empty for none.
    run_name : str
        What the run is called in ``logs/``, ``""`` for its time.
    verbosity : int
        -1 quiet, 0 as usual, 1 and 2 more.
    prog, arguments : str, tuple of str
        How the user called it, for pages that say how to run something again.
    """

    bids_dir: Path
    output_dir: Path
    levels: tuple[Level, ...]
    work_dir: Path
    resources: Resources
    selection: Selection = Selection()
    params: Mapping[str, Value] = field(default_factory=dict)
    layout: OutputLayout = OutputLayout.BIDS
    derivatives: Mapping[str, Path] = field(default_factory=dict)
    database_dir: Path | None = None
    skip_validation: bool = False
    reports_only: bool = False
    stop_on_first_crash: bool = False
    write_graph: bool = False
    monitor: bool = False
    clean_work: bool = False
    force: bool = False
    dry_run: bool = False
    request: Request = field(default_factory=Request)
    per_session: bool = False
    container: tuple[str, ...] = ()
    run_name: str = ""
    verbosity: int = 0
    prog: str = ""
    arguments: tuple[str, ...] = ()


def to_participant(text: str) -> str:
    """Return a label without its ``sub-``.

    Examples
    --------
    >>> to_participant("sub-01"), to_participant("01")
    ('01', '01')
    """
    return text.removeprefix("sub-")
