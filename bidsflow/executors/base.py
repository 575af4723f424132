"""What executors have in common: a job, how it ended, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """A command to run.

    Attributes
    ----------
    name : str
        For people; unique among the jobs of a run.
    command : tuple of str
        Program and arguments.
    log : Path
        Gets everything that the command prints.
    """

    name: str
    command: tuple[str, ...]
    log: Path


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended.

    Attributes
    ----------
    job : Job
        Which one.
    code : int
        Its exit code; the negative number of the signal that ended it.
    """

    job: Job
    code: int


class Watcher(Protocol):
    """Is told what happens to jobs while they run."""

    def began(self, job: Job) -> None:
        """Hear that a job has begun."""

    def said(self, job: Job, line: str) -> None:
        """Hear a line that a job wrote to its event pipe (`local.EVENTS`)."""

    def ended(self, ended: Ended) -> bool:
        """Hear that a job has ended; return whether to go on with the others."""
