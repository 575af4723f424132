"""What happens during a run, and what came of it, as values for whoever shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bidsflow.app.faults import Fault

OK, SOME_FAILED, INVALID_INPUT = 0, 1, 65


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens during a run, for whoever shows it.

    Attributes
    ----------
    kind : str
        ``validating``, ``indexing``, ``begin`` (`value` participants to run), ``started``, ``steps`` (`value` of
        them), ``step`` (one is done), ``writing``, ``done``, ``failed``, ``group``, ``note``.
    participant : str
        Label, ``""`` where it concerns all.
    text : str
        The step, the reason, the note.
    value : float
        A number, where the kind has one.
    """

    kind: str
    participant: str = ""
    text: str = ""
    value: float = 0.0


Tell = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run.

    Attributes
    ----------
    run_id : str
        Its name in ``logs/``.
    done, unchanged, failed, without : tuple of str
        Participants: done now; done before and unchanged; failed; without anything that the pipeline reads.
    faults : tuple of Fault
        What is wrong with the files of participants that were not even begun; they are among `failed`.
    pages : tuple of Path
        Pages that say what failed.
    group : bool
        Whether the group level ran.
    planned : tuple of str
        What a dry run would do, a line each.
    to_do : tuple of str
        Participants that a dry run would begin.
    """

    run_id: str
    done: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    pages: tuple[Path, ...] = ()
    group: bool = False
    planned: tuple[str, ...] = ()
    to_do: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """What the command returns: 65 where nobody could even be begun; the same for a dry run as for the run."""
        if not self.failed:
            return OK
        refused = {fault.participant for fault in self.faults}
        begun = self.done or self.unchanged or self.to_do or set(self.failed) - refused
        return SOME_FAILED if begun else INVALID_INPUT
