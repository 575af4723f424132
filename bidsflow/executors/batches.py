"""Arrays of tasks that are submitted to a scheduler, written down in a folder each.

The folder has the script, the list of tasks, what the tasks noted, what they printed. Nothing else has to be
remembered; `standing` can be asked tomorrow, from another machine, and when the scheduler has forgotten.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import secrets
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from bidsflow import __version__
from bidsflow.dataset.write import storage_errors, write_durably
from bidsflow.errors import DatasetError, ToolError
from bidsflow.executors.ask import is_unanswered
from bidsflow.executors.base import Request, Scheduler
from bidsflow.executors.script import (
    LOGS,
    SCRIPT,
    STATES,
    TASKS,
    format_tasks,
    write_script,
)

_ABOUT = "batch.json"
#: Executors that come with bidsflow; others are found by the entry-point group.
KNOWN = ("local", "slurm", "sge")
GROUP = "bidsflow.executors"
#: Words of a command that stand for processors, gigabytes and the id of the batch: a retry may give others.
CPUS, MEMORY, RUN = "{cpus}", "{memory}", "{run}"
#: Words, or values after an equals sign, that stand for what a program of others is told of its memory: `TOLD` of what
#: the task may use, in whole megabytes or gigabytes. Such programs count what they plan, not all that they take.
MEMORY_MB, MEMORY_GB, TOLD = "{mem_mb}", "{mem_gb}", 0.9


@dataclass(frozen=True, slots=True)
class Batch:
    """An array of tasks, as it was submitted.

    Attributes
    ----------
    id : str
        The name of its folder; sorts by time.
    label : str
        For people, and for the scheduler: ``bidsflow-qc``.
    level : str
        What the tasks do, for those who wrote them: ``participant``, ``group``.
    command : tuple of str
        Common to all tasks; `CPUS`, `MEMORY` and `RUN` stand for what this batch gives them.
    names : tuple of str
        Of the tasks, in the order of their numbers, which begin with 1.
    words : tuple of tuple of str
        What each adds to the command.
    request : Request
        What each may use.
    after : tuple of str
        Ids of arrays of the scheduler that have to end first.
    jobs : tuple of (str, int)
        Ids that the scheduler gave, and how many tasks come before the first of each; several where the scheduler
        takes no array as long.
    submitted : float
        When, seconds since the epoch.
    cancelled : bool
        Whether a person has cancelled it.
    written : float
        When it was made, seconds since the epoch; a moment later it is submitted.
    refused : str
        Why the scheduler did not take it, ``""`` where it did.
    longest : int
        The most tasks that one of its arrays has; 0 where one array has all.
    digest : str
        Of the script as bidsflow would write it: another one was changed by hand.
    overrides : tuple of str
        What is said to the scheduler at submission, and wins over the header of a script that was changed by hand.
    """

    id: str
    label: str
    level: str
    command: tuple[str, ...]
    names: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    request: Request
    after: tuple[str, ...] = ()
    jobs: tuple[tuple[str, int], ...] = ()
    submitted: float = 0.0
    cancelled: bool = False
    written: float = 0.0
    refused: str = ""
    longest: int = 0
    digest: str = ""
    overrides: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[tuple[int, int], ...]:
        """How many tasks come before each of its arrays, and how many are in it."""
        longest = self.longest or max(1, len(self.names))
        return tuple((start, min(longest, len(self.names) - start)) for start in range(0, len(self.names), longest))

    @property
    def app(self) -> str:
        """What runs, for people: ``qc``, also of its group level."""
        return self.label.removeprefix("bidsflow-").removesuffix("-group")

    @property
    def title(self) -> str:
        """What the scheduler calls it; no other batch is called so."""
        return f"{self.label}-{self.id}"


def find_scheduler(name: str) -> Scheduler:
    """Return a scheduler by its name.

    Raises
    ------
    ToolError
        If there is none of this name, or it cannot be loaded.
    """
    if name == "slurm":
        from bidsflow.executors.slurm import Slurm

        return Slurm()
    if name == "sge":
        from bidsflow.executors.sge import Sge

        return Sge()
    others = {one.name: one for one in entry_points(group=GROUP)}
    if name not in others:
        raise ToolError(name, "there is no such executor", f"Choose from {', '.join((*KNOWN, *others))}")
    try:
        made: Scheduler = others[name].load()()
    except Exception as error:  # an installed package may raise anything
        raise ToolError(name, f"this executor cannot be loaded ({type(error).__name__}: {error})") from error
    return made


def new_id() -> str:
    """Return a name for a batch that sorts by time (UTC), also within a second: of a task, the last batch counts."""
    now = time.time_ns()
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now // 10**9))
    return f"{moment}-{now // 1000 % 10**6:05x}{secrets.token_hex(2)}"


@contextmanager
def submitting(room: Path) -> Iterator[None]:
    """Keep other submissions for a folder waiting; they see what this one has submitted.

    Not the lock of commits: schedulers take their time, and tasks must not wait for them.

    Raises
    ------
    StorageError
        If the disk is full or read-only.
    """
    with storage_errors(room):
        room.mkdir(exist_ok=True)
        handle = (room / "lock").open("w")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def write_batch(room: Path, batch: Batch, script: str = "") -> Path:
    """Write the folder of a batch, and return it: nothing is submitted yet.

    Parameters
    ----------
    room : Path
        Where batches are.
    batch : Batch
        What is to be submitted.
    script : str
        Its script, where a person has changed one (`carry_over`); else it is written as `draft_script` has it.

    Raises
    ------
    StorageError
        If the disk is full.
    DatasetError
        If a path holds a line break.
    """
    folder, batch = room / batch.id, _divide(batch)
    for name in (STATES, LOGS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    draft = draft_script(room, batch)
    batch = replace(batch, digest=_digest(draft))
    try:
        tasks = format_tasks(batch.words)
    except ValueError as error:
        raise DatasetError(str(folder), f"a task cannot be written down: {error}") from error
    write_durably(folder / TASKS, tasks.encode())
    write_durably(folder / SCRIPT, (script or draft).encode(errors="surrogateescape"), mode=0o755)
    _keep(folder, batch)
    return folder


def _divide(batch: Batch) -> Batch:
    """Return a batch that knows whether the scheduler takes it in one array; where nobody can say, it does."""
    try:
        longest = max(1, find_scheduler(batch.request.executor).longest_array)
    except ToolError:
        return batch
    return replace(batch, longest=longest if longest < len(batch.names) else 0)


def draft_script(room: Path, batch: Batch) -> str:
    """Return the script of a batch; nothing is written."""
    scheduler = find_scheduler(batch.request.executor)
    parts = [
        (scheduler.speak(batch.title, batch.request, count).submit, start) for start, count in _divide(batch).parts
    ]
    dialect = scheduler.speak(batch.title, batch.request, len(batch.names))
    command = [_fill(word, batch) for word in batch.command]
    made_by = f"bidsflow {__version__}"
    return write_script(room / batch.id, batch.label, command, batch.request, dialect, made_by, parts)


def _digest(script: str) -> str:
    return hashlib.sha256(script.encode(errors="surrogateescape")).hexdigest()


def read_edited(room: Path, batch: Batch) -> str:
    """Return the script of a batch where a person has changed it, else ``""``."""
    try:
        script = (room / batch.id / SCRIPT).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    return script if batch.digest and _digest(script) != batch.digest else ""


def carry_over(script: str, old: Batch, new: Batch) -> tuple[str, Batch]:
    """Return a script that a person has changed as that of another batch, and that batch with what the script lacks.

    What stands in it for the batch itself is replaced (its name, its folder, what the program is told of its means);
    what the tasks may use is said to the scheduler at submission, so that no line of the header has to be found.
    """
    for (before, word), (_, other) in zip(_in_pairs(old), _in_pairs(new), strict=True):
        if word != other:
            script = script.replace(f"{before}{word}", f"{before}{other}")
    asked = [find_scheduler(one.request.executor).speak(one.title, one.request, len(one.names)) for one in (old, new)]
    script = script.replace(f"{asked[0].submit} {SCRIPT}", f"{asked[1].submit} {SCRIPT}").replace(old.id, new.id)
    more = [line.partition(" ")[2] for line in asked[1].header if line not in asked[0].header]
    return script, replace(new, overrides=(*old.overrides, *(word for line in more for word in shlex.split(line))))


def _in_pairs(batch: Batch) -> list[tuple[str, str]]:
    """Return the words of a command as the script has them, each with the option that it is the value of."""
    words = [shlex.quote(_fill(word, batch)) for word in batch.command]
    return [
        (f"{words[index - 1]} " if index and words[index - 1].startswith("--") else "", word)
        for index, word in enumerate(words)
    ]


def _fill(word: str, batch: Batch) -> str:
    """Return a word of a command with what this batch gives it."""
    memory = batch.request.memory_gb
    given = {
        CPUS: str(batch.request.cpus), MEMORY: f"{memory:g}G", RUN: batch.id,
        MEMORY_MB: str(max(1, int(1000 * TOLD * memory + 0.5))), MEMORY_GB: str(max(1, int(TOLD * memory + 0.01))),
    }  # fmt: skip
    flag, sign, value = word.rpartition("=")
    return f"{flag}{sign}{given.get(value, value)}"


def submit_batch(room: Path, batch: Batch) -> Batch:
    """Submit a batch that was written, and return it with the ids that the scheduler gave.

    Raises
    ------
    ToolError
        If the scheduler refuses; what it took of a batch in several arrays is cancelled. If it does not answer any
        more; then `adopt` tells later what it took.
    """
    scheduler = find_scheduler(batch.request.executor)
    folder, jobs = room / batch.id, list[tuple[str, int]]()
    written = read_batch(folder)
    batch = replace(batch, longest=written.longest, digest=written.digest)
    for offset, count in batch.parts:
        try:
            job = scheduler.submit(
                folder, SCRIPT, count, batch.request, offset=offset, after=batch.after, overrides=batch.overrides
            )
        except ToolError as error:
            known = [one for one, _ in jobs]
            taken = [one for one in scheduler.find(batch.title) if one not in known] if is_unanswered(error) else []
            if not taken:
                _keep(folder, replace(batch, refused=error.reason))
                if jobs:
                    scheduler.cancel([one for one, _ in jobs])
                raise
            job = taken[0]  # it was only slow to say so
        jobs.append((job, offset))
        batch = replace(batch, jobs=tuple(jobs), submitted=time.time())
        _keep(folder, batch)
    return batch


def adopt(room: Path, batch: Batch) -> Batch:
    """Return a batch whose submission was interrupted with the ids that the scheduler has given it meanwhile.

    Its arrays were submitted in their order, so that the ids that are not written down are those of the next ones.

    Raises
    ------
    ToolError
        If the scheduler does not answer.
    """
    if _is_settled(batch):
        return batch
    ids = find_scheduler(batch.request.executor).find(batch.title)
    now = read_batch(room / batch.id)  # who submits it may have been told meanwhile
    known = [job for job, _ in now.jobs]
    jobs = [*known, *(one for one in ids if one not in known)]
    if _is_settled(now) or len(jobs) == len(known):
        return now
    starts = (start for start, _ in now.parts)
    now = replace(now, jobs=tuple(zip(jobs, starts, strict=False)), submitted=now.submitted or time.time())
    _keep(room / batch.id, now)
    return now


def _is_settled(batch: Batch) -> bool:
    """Return whether all ids of a batch are known that it will ever have."""
    return batch.cancelled or bool(batch.refused) or len(batch.jobs) >= len(batch.parts)


def mark_cancelled(room: Path, batch: Batch) -> None:
    """Note that a person has cancelled a batch."""
    _keep(room / batch.id, replace(batch, cancelled=True))


def _keep(folder: Path, batch: Batch) -> None:
    text = json.dumps(asdict(batch), indent=1, ensure_ascii=False)
    write_durably(folder / _ABOUT, text.encode(errors="surrogateescape"))


def read_batch(folder: Path) -> Batch:
    """Return the batch of a folder.

    Raises
    ------
    DatasetError
        If it is damaged.
    """
    try:
        stored: dict[str, Any] = json.loads((folder / _ABOUT).read_bytes())
        request: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in stored["request"].items()
        }
        return Batch(
            id=folder.name,
            label=stored["label"],
            level=stored["level"],
            command=tuple(stored["command"]),
            names=tuple(stored["names"]),
            words=tuple(tuple(one) for one in stored["words"]),
            request=Request(**request),
            after=tuple(stored["after"]),
            jobs=tuple((str(job), int(offset)) for job, offset in stored["jobs"]),
            submitted=float(stored["submitted"]),
            cancelled=bool(stored["cancelled"]),
            written=float(stored.get("written", 0)),
            refused=str(stored.get("refused", "")),
            longest=int(stored.get("longest", 0)),
            digest=str(stored.get("digest", "")),
            overrides=tuple(map(str, stored.get("overrides", ()))),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        hint = "Move the folder away; what its tasks have done stays"
        raise DatasetError(str(folder / _ABOUT), "the note of what was submitted is damaged", hint) from error


def read_batches(room: Path) -> tuple[Batch, ...]:
    """Return all batches of a folder, the oldest first."""
    return tuple(read_batch(one.parent) for one in sorted(room.glob(f"*/{_ABOUT}")))
