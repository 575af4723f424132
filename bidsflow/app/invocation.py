"""What a user asked of a pipeline, as one value: where from, where to, whom, with how much of the machine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from bidsflow.app.spec import Level

#: A value of a parameter.
Value: TypeAlias = bool | int | float | str

_UNITS = {"k": 1e-6, "m": 1e-3, "g": 1.0, "t": 1e3}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])i?b?", re.IGNORECASE)


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
    verbosity: int = 0
    prog: str = ""
    arguments: tuple[str, ...] = ()


def parse_memory(text: str) -> float:
    """Return an amount of memory in gigabytes.

    Raises
    ------
    ValueError
        If it has no unit (other programs take a bare number for megabytes or for gigabytes), or is none.

    Examples
    --------
    >>> parse_memory("8G"), parse_memory("500 MB"), parse_memory("1.5GiB")
    (8.0, 0.5, 1.5)
    """
    found = _MEMORY.fullmatch(text.strip())
    if found is None:
        bare = text.strip().replace(".", "", 1).isdigit()
        why = "has no unit, and programs disagree whether that means MB or GB" if bare else "is no amount of memory"
        raise ValueError(f"{text!r} {why}: write 8G or 8000M")
    amount = float(found[1]) * _UNITS[found[2].lower()]
    if not amount:
        raise ValueError("no memory at all is too little: write 8G or 8000M")
    return amount


def format_memory(amount: float) -> str:
    """Return gigabytes as `parse_memory` reads them, to the last digit.

    Examples
    --------
    >>> format_memory(8.0), format_memory(2.5e-05)
    ('8.0G', '0.000025G')
    """
    return f"{Decimal(repr(amount)):f}G"


def to_participant(text: str) -> str:
    """Return a label without its ``sub-``.

    Examples
    --------
    >>> to_participant("sub-01"), to_participant("01")
    ('01', '01')
    """
    return text.removeprefix("sub-")
