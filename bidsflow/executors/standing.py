"""Where tasks stand that were submitted to a scheduler, from what they noted and from what it says.

A note is believed before the scheduler, which reports late and may keep no accounts; for what was killed only the
scheduler can say why. Where nobody knows, that is what is said.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bidsflow.errors import ToolError
from bidsflow.executors.base import Cause, Phase, Sight
from bidsflow.executors.batches import Batch, adopt, find_scheduler
from bidsflow.executors.script import LOGS, SCRATCH_FAILED, SETUP_FAILED, STATES

#: Bytes at the end of a log that are read for its last lines.
END_BYTES = 1 << 13
#: Exit codes of a command that was told to end: by SIGINT, which is also what bidsflow makes of SIGTERM, by SIGTERM, or
#: by SIGUSR2, which Grid Engine sends.
#: Shells add the number of a signal to 128; 255 is what a program gives that says no better.
_LAST_SIGNAL = 64
_TOLD = (130, 143, 140)
#: Lines at the end of a log in which it is looked for why a task failed, and what programs say whose memory ran out.
LAST_LINES = 20
_NO_MEMORY = ("MemoryError", "std::bad_alloc", "Cannot allocate memory", "Out of memory", "out of memory", "oom-kill")
#: Seconds for which a task that a scheduler has just been given may be unknown to it.
FRESH = 60.0


@dataclass(frozen=True, slots=True)
class Note:
    """What a task wrote down of its last attempt.

    Attributes
    ----------
    attempts : int
        How often it began; 0 where it never did.
    job : str
        ``JOB.INDEX`` of the last attempt.
    node : str
        Where that ran.
    began, ended : float
        When, seconds since the epoch; 0 where not.
    code : int or None
        Its exit code; None where it has not ended, or could not say so.
    """

    attempts: int = 0
    job: str = ""
    node: str = ""
    began: float = 0.0
    ended: float = 0.0
    code: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a task stands.

    Attributes
    ----------
    name : str
        Of the task.
    batch : Batch
        The last one that it was part of.
    number : int
        In that.
    phase : Phase
        Where it stands.
    cause : Cause
        The likely cause, where it failed.
    said : str
        A plain sentence on that, or what the scheduler says of one that waits.
    node : str
        Where it runs or ran.
    seconds, peak_gb : float
        Time and memory that it took, so far as known; else 0.
    attempts : int
        How often it began in this batch.
    log : Path or None
        What it printed.
    """

    name: str
    batch: Batch
    number: int
    phase: Phase
    cause: Cause = Cause.NONE
    said: str = ""
    node: str = ""
    seconds: float = 0.0
    peak_gb: float = 0.0
    attempts: int = 0
    log: Path | None = None

    @property
    def is_live(self) -> bool:
        """Whether it waits or runs."""
        return self.phase in (Phase.PENDING, Phase.RUNNING)


def read_notes(folder: Path) -> dict[int, Note]:
    """Return what the tasks of a batch noted, by number; those that never began are left out."""
    found = {}
    try:
        entries = list(os.scandir(folder / STATES))
    except FileNotFoundError:
        return {}
    for entry in entries:
        stem = entry.name.removesuffix(".txt")
        if stem.isdecimal():
            found[int(stem)] = read_note(Path(entry.path).read_text(errors="replace"))
    return found


def read_note(text: str) -> Note:
    r"""Return what a task noted, of its last attempt.

    Examples
    --------
    >>> read_note("100 started 18.3 n2\n160 ended 7\n").code
    7
    """
    note = Note()
    for line in text.splitlines():
        when, _, rest = line.partition(" ")
        word, _, detail = rest.partition(" ")
        if not when.isdecimal():
            continue
        if word == "started":
            job, _, node = detail.partition(" ")
            note = Note(note.attempts + 1, job, node, float(when))
        elif word == "ended" and detail.strip().isdecimal():
            note = replace(note, ended=float(when), code=int(detail))
    return note


@dataclass(slots=True)
class Desk:
    """Asks schedulers once for all batches.

    Attributes
    ----------
    silent : dict of str to str
        Why schedulers did not answer, by name.
    """

    silent: dict[str, str] = field(default_factory=dict)

    def adopt(self, room: Path, batch: Batch) -> Batch:
        """Return a batch with the id that a scheduler gave it, so far as that answers; see `adopt`."""
        try:
            return adopt(room, batch)
        except ToolError as error:
            self.silent[batch.request.executor] = str(error)
            return batch

    def look(self, jobs: Iterable[tuple[str, str]]) -> dict[tuple[str, str, int], Sight]:
        """Return what schedulers say of arrays (executor and id), by executor, id and number in the array."""
        asked: dict[str, dict[str, None]] = {}
        for executor, job in jobs:
            asked.setdefault(executor, {})[job] = None
        found: dict[tuple[str, str, int], Sight] = {}
        for name, ids in asked.items():
            try:
                sights = find_scheduler(name).look(tuple(ids))
            except ToolError as error:
                self.silent[name] = str(error)
                continue
            found |= {(name, job, index): sight for (job, index), sight in sights.items()}
        return found


def stand(room: Path, batches: Sequence[Batch], desk: Desk) -> tuple[Standing, ...]:
    """Return where each task stands, by the last batch that it was part of, in the order in which they were named.

    A scheduler is asked about batches only of which not all tasks have said how they ended.
    """
    notes = {batch.id: read_notes(room / batch.id) for batch in batches}
    last = {
        (batch.label, batch.level, name): (batch, number)
        for batch in batches
        for number, name in enumerate(batch.names, 1)
    }
    tasks = [(name, batch, number, notes[batch.id].get(number, Note())) for (*_, name), (batch, number) in last.items()]
    places = [_find_job(batch, number, note) for _, batch, number, note in tasks]
    open_ = [
        (batch.request.executor, place[0])
        for (_, batch, _, note), place in zip(tasks, places, strict=True)
        if place is not None and _is_open(note)
    ]
    sights = desk.look(open_)
    found = []
    for (name, batch, number, note), place in zip(tasks, places, strict=True):
        executor = batch.request.executor
        sight = sights.get((executor, *place)) if place is not None else None
        known = executor not in desk.silent
        if sight is None and note.attempts and note.code is None:  # it may have ended while the scheduler was asked
            note = _read_again(room / batch.id, number)
        found.append(judge(name, batch, number, note, sight, room / batch.id, asked=known))
    return tuple(found)


def _read_again(folder: Path, number: int) -> Note:
    return read_note((folder / STATES / f"{number}.txt").read_text(errors="replace"))


def _is_open(note: Note) -> bool:
    """Return whether a scheduler may know more of a task than it has noted: it goes on, or did not end well.

    Where only a part of it was killed for memory, it ends with an exit code like any other.
    """
    return note.code != 0


def _find_job(batch: Batch, number: int, note: Note) -> tuple[str, int] | None:
    """Return the id of the array that a task is in, and its number in that.

    A task that began says so itself: a person may have submitted the script by hand.
    """
    job, _, index = note.job.rpartition(".")
    if job and index.isdecimal():
        return job, int(index)
    fitting = [(job, offset) for job, offset in batch.jobs if offset < number <= offset + (batch.longest or number)]
    if not fitting:
        return None
    job, offset = max(fitting, key=lambda one: one[1])
    return job, number - offset


def judge(
    name: str, batch: Batch, number: int, note: Note, sight: Sight | None, folder: Path, *, asked: bool = True
) -> Standing:
    """Return where a task stands, from what it noted and from what the scheduler says.

    Parameters
    ----------
    name : str
        Of the task.
    batch : Batch
        Its batch.
    number : int
        Its number in that.
    note : Note
        What it noted.
    sight : Sight or None
        What the scheduler says, None where it says nothing.
    folder : Path
        Of the batch.
    asked : bool
        Whether the scheduler answered at all.
    """
    phase, cause, said = _weigh(batch, number, note, sight, asked=asked)
    log = folder / LOGS / f"{note.job}.log" if note.job else None
    if cause is Cause.ERROR and (sign := find_lack_of_memory(read_end(log, LAST_LINES))):
        cause, said = Cause.MEMORY, f"{said}, and its log ends with {sign!r}: retry with --mem"
    seconds = note.ended - note.began if note.ended and note.began else (sight.seconds if sight else 0.0)
    if phase is Phase.RUNNING and note.began:
        seconds = max(0.0, time.time() - note.began)
    node = "" if phase is Phase.PENDING else note.node or (sight.node if sight else "")
    return Standing(
        name, batch, number, phase, cause, said, node, seconds,
        sight.peak_gb if sight else 0.0, note.attempts, log if log and log.is_file() else None,
    )  # fmt: skip


def _weigh(batch: Batch, number: int, note: Note, sight: Sight | None, *, asked: bool) -> tuple[Phase, Cause, str]:
    if batch.refused and not note.attempts:
        return Phase.FAILED, Cause.BLOCKED, f"the scheduler did not take it: {batch.refused}"
    if sight is not None and sight.phase is Phase.PENDING:
        again = f"attempt {note.attempts + 1}" if note.attempts else ""
        return Phase.PENDING, Cause.NONE, ", ".join(filter(None, (again, sight.said)))
    if note.code == 0:
        return Phase.DONE, Cause.NONE, ""
    if sight is not None and sight.cause is Cause.BLOCKED:
        return Phase.FAILED, Cause.BLOCKED, f"it will never begin: {sight.said}"
    if note.code is not None:
        return Phase.FAILED, *_explain_code(batch, note.code, sight)
    if sight is not None and sight.phase is Phase.DONE:
        return Phase.DONE, Cause.NONE, ""
    if sight is not None and sight.phase is Phase.FAILED:
        return Phase.FAILED, *_explain_sight(batch, sight)
    if sight is not None:
        return Phase.RUNNING, Cause.NONE, ""
    return _guess(batch, number, note, asked=asked)


def _guess(batch: Batch, number: int, note: Note, *, asked: bool) -> tuple[Phase, Cause, str]:
    """Return where a task stands of which the scheduler says nothing."""
    began, sent = bool(note.attempts), _find_job(batch, number, note) is not None
    if not asked:
        return (Phase.RUNNING if began else Phase.PENDING), Cause.NONE, "the scheduler does not answer"
    if batch.cancelled:
        return Phase.FAILED, Cause.CANCELLED, "it was cancelled"
    if not sent and time.time() - max(batch.written, batch.submitted) < FRESH:
        return Phase.PENDING, Cause.NONE, "it is being submitted"
    if not sent:
        return Phase.FAILED, Cause.VANISHED, "it was never submitted: the submission was interrupted"
    if time.time() - max(batch.submitted, note.began) < FRESH:
        return (Phase.RUNNING if began else Phase.PENDING), Cause.NONE, "the scheduler does not know of it yet"
    if began:
        return Phase.FAILED, Cause.VANISHED, "it began and ended without a word: killed, or its node was lost"
    return Phase.FAILED, Cause.VANISHED, "it never began, and the scheduler knows nothing of it"


def _explain_code(batch: Batch, code: int, sight: Sight | None) -> tuple[Cause, str]:
    """Return why a task ended that could say how."""
    told = sight is not None and sight.phase is Phase.FAILED and sight.cause not in (Cause.ERROR, Cause.NONE)
    if told and sight is not None and sight.cause is not Cause.KILLED:
        return _explain_sight(batch, sight)
    if code == SETUP_FAILED and batch.request.setup:
        return Cause.ERROR, "a line of --setup failed on the node"
    if code == SCRATCH_FAILED and batch.request.scratch:
        said = "its folder could not be made on the node: no room, or a variable that is not set there"
        return Cause.ERROR, f"--scratch {batch.request.scratch}: {said}"
    if code == 137:
        return Cause.MEMORY, "it was killed: most often because it needed more memory than it was given"
    if code in _TOLD:
        cancelled = (Cause.CANCELLED, "it was cancelled") if batch.cancelled else None
        return cancelled or (Cause.KILLED, "it was told to end, by a person or the scheduler")
    if 128 < code <= 128 + _LAST_SIGNAL:
        return Cause.KILLED, f"signal {code - 128} ended it"
    if code == os.EX_UNAVAILABLE:  # what bidsflow ends with where there is no program or no image to run
        return Cause.ERROR, f"exit code {code}: something that it needs is not on the node, see its log"
    return Cause.ERROR, f"exit code {code}"


def _explain_sight(batch: Batch, sight: Sight) -> tuple[Cause, str]:
    """Return why a task ended that could not say so itself."""
    request, took = batch.request, f" after {sight.seconds / 60:.0f} min" if sight.seconds >= 60 else ""
    match sight.cause:
        case Cause.TIME:
            limit = f" of {request.minutes} min" if request.minutes else ""
            return Cause.TIME, f"the time limit{limit} ran out{took}; retry with --time"
        case Cause.MEMORY:
            limit = f" of {request.memory_gb:g} GB" if request.memory_gb else ""
            return Cause.MEMORY, f"it needed more memory than the limit{limit}; retry with --mem"
        case Cause.NODE:
            return Cause.NODE, f"its node failed ({sight.said}){took}; retry"
        case Cause.CANCELLED:
            return Cause.CANCELLED, f"it was cancelled ({sight.said}){took}"
        case Cause.KILLED | Cause.ERROR if batch.cancelled:
            return Cause.CANCELLED, "it was cancelled"
        case Cause.KILLED:
            return Cause.MEMORY, f"it was killed{took}: most often because it needed more memory; retry with --mem"
        case _:
            return Cause.ERROR, f"the scheduler says {sight.said}{took}"


def find_lack_of_memory(lines: Sequence[str]) -> str:
    """Return what says in the last lines of a log that memory ran out, ``""`` for nothing.

    Where a limit is one of addresses (Grid Engine's ``h_vmem``), nobody is killed: the program gets no more.

    Examples
    --------
    >>> find_lack_of_memory(["numpy.core._exceptions._ArrayMemoryError: Unable to allocate 9 GiB", "sub-01: FAILED"])
    'MemoryError'
    """
    return next((sign for sign in _NO_MEMORY for line in lines if sign in line), "")


def read_end(log: Path | None, lines: int = 5) -> tuple[str, ...]:
    """Return the last lines of a log that say something; it may be large."""
    if log is None:
        return ()
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - END_BYTES))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple([line.rstrip() for line in text.splitlines() if line.strip()][-lines:])
