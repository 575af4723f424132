"""BIDS Apps of others on a cluster: a task for each participant, each in a container, then the group level.

A task is the command of a laptop for one participant. What an app writes is its own affair: that a participant is done
is known from the exit code, which the script of the task noted.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bidsflow.app.choice import choose_participants
from bidsflow.app.cluster import Submission, hand_in, jobs_room, list_live, look
from bidsflow.app.command import LABEL_FLAGS, split_cluster
from bidsflow.app.invocation import Selection, to_participant
from bidsflow.app.spec import Level
from bidsflow.app.wrap import FOREIGN_VARIABLES, find_mentions, find_places, replace_paths
from bidsflow.dataset.write import storage_errors
from bidsflow.errors import DatasetError, InputError, OptionError
from bidsflow.executors.base import Phase, Request
from bidsflow.executors.batches import CPUS, MEMORY_GB, MEMORY_MB, TOLD, Batch, new_id, submitting
from bidsflow.executors.container import is_file_image
from bidsflow.executors.script import WORK
from bidsflow.executors.site import make_request

#: How the BIDS Apps standard spells the option; old apps know no other spelling.
_LABEL = "--participant_label"
_WORKS = ("-w", "--work-dir", "--work_dir")
#: Options of apps that say how many processors and how much memory (in megabytes) they use, and what stands for that.
_CPUS = ("--nthreads", "--nprocs", "--n-procs", "--n_procs")
_MEMORY: Mapping[str, tuple[str, float]] = {
    "--mem-mb": (MEMORY_MB, 1), "--mem_mb": (MEMORY_MB, 1),
    "--mem-gb": (MEMORY_GB, 1000), "--mem_gb": (MEMORY_GB, 1000),
}  # fmt: skip
_GROUP = "group"
#: What an app answers at once, for one who asks and not for tasks.
_ANSWERED = ("--help", "-h", "--version")
_SPARED = "--force-of-the-app"


@dataclass(frozen=True, slots=True)
class ForeignCall:
    """One call of a BIDS App of others.

    Attributes
    ----------
    name : str
        What the user calls it.
    bids_dir, output_dir : Path
        Absolute.
    levels : tuple of Level
        In order.
    words : tuple of str
        Options of the app, with full paths; without participants, work folder, and what is said of the cluster.
    labels : tuple of str
        Participants who were asked for, without ``sub-``; empty for all.
    label_flag : str
        How the app spells the option.
    work : tuple of str
        Option and folder of intermediate files; empty where nothing was said.
    request : Request
        Where it runs, and what a task may use.
    container : tuple of str
        Options of the image.
    force, dry_run : bool
        As the options of the same names.
    """

    name: str
    bids_dir: Path
    output_dir: Path
    levels: tuple[Level, ...]
    words: tuple[str, ...]
    labels: tuple[str, ...]
    label_flag: str
    work: tuple[str, ...]
    request: Request
    container: tuple[str, ...]
    force: bool = False
    dry_run: bool = False


def parse(name: str, arguments: Sequence[str], container: Sequence[str] = ()) -> ForeignCall:
    """Return what a command line asks for; what is not said of the cluster is the app's, and stays as it is.

    Parameters
    ----------
    name : str
        Of the app.
    arguments : sequence of str
        What follows on the command line, without the options of the container.
    container : sequence of str
        These.

    Raises
    ------
    OptionError
        If an option of the cluster is wrong, or the level of analysis is missing.
    InputError
        If a file that is named is not there.
    """
    asked = next((word for word in arguments if word in _ANSWERED), "")
    if asked:
        raise OptionError(
            f"{asked}: there is nothing to submit", "Leave --executor and --site away: it is answered here"
        )
    given, rest = split_cluster(_spare_force(arguments), f"bidsflow run {name}")
    rest = ["--force" if word == _SPARED else word for word in rest]
    if "per" in given:
        raise OptionError("--per: not for BIDS Apps of others", "Each participant is a task")
    spelled = next((one for word in arguments if (one := word.partition("=")[0]) in LABEL_FLAGS), _LABEL)
    start, out = find_places(rest)
    n_levels = next((n for n, word in enumerate(rest[out + 1 :]) if word not in (*Level,)), len(rest) - out - 1)
    levels = tuple(level for level in Level if level.value in rest[out + 1 : out + 1 + n_levels])
    if not levels:
        raise OptionError("the level of analysis is missing", "BIDS_DIR OUTPUT_DIR participant, or group, or both")
    mentions = find_mentions(rest, foreign=True)
    _check_there(one.path for one in mentions if not one.writable)
    words = replace_paths(rest, mentions, ())
    options = [*words[:start], *words[out + 1 + n_levels :]]
    work, options = _take_value(options, _WORKS)
    if work and given.get("scratch"):
        raise OptionError(f"--scratch and {work[0]}: both say where intermediate files go", "Leave one of them away")
    request, options = _weigh(options, given)
    request = replace(request, scratch="") if work else request  # it wins over that of a site profile
    return ForeignCall(
        name, Path(words[start]), Path(words[out]), levels, tuple(options),
        tuple(dict.fromkeys(map(to_participant, given.get("participant_label", ())))), spelled, work, request,
        tuple(container), force=given.get("force", False), dry_run=given.get("dry_run", False),
    )  # fmt: skip


def _spare_force(arguments: Sequence[str]) -> list[str]:
    """Return the words, a ``--force`` with a value marked as the app's own (``--force bbr`` of fMRIPrep)."""
    start = next((place for place, word in enumerate(arguments) if word in (*Level,)), len(arguments))
    following = [*arguments[1:], "-"]
    return [
        _SPARED if word == "--force" and place > start and not after.startswith("-") else word
        for place, (word, after) in enumerate(zip(arguments, following, strict=True))
    ]


def _check_there(paths: Iterable[str]) -> None:
    for path in paths:
        if not Path(path).exists():
            raise InputError(f"{path}: there is no such file or folder", "Check the path")


def _take_value(words: Sequence[str], flags: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return an option with its value, and the other words; the last one counts."""
    found: tuple[str, ...] = ()
    rest, waiting = list[str](), iter(words)
    for word in waiting:
        flag, sign, value = word.partition("=")
        if flag in flags:
            found = (flag, value if sign else next(waiting, ""))
            if not found[1]:
                raise OptionError(f"{flag}: expected a folder")
        else:
            rest.append(word)
    return found, rest


def _weigh(words: Sequence[str], given: Mapping[str, Any]) -> tuple[Request, list[str]]:
    """Return what a task may use, and the words of the app, in which what it is told of that may change with a retry.

    Where the user tells only the app how much it may use, the task gets as much.
    """
    request = make_request(given, memory_gb=0.0)
    words = list(words)
    for index, value in _find_amounts(words, _CPUS):
        if "n_cpus" not in given and value.isdecimal() and int(value):
            request = replace(request, cpus=int(value))
            words[index] = words[index].removesuffix(value) + CPUS
    for index, value in _find_amounts(words, tuple(_MEMORY)):
        flag = next(word for word in reversed(words[: index + 1]) if word.startswith("--")).partition("=")[0]
        if not given.get("mem") and value.isdecimal() and int(value):
            stand_in, megabytes = _MEMORY[flag]
            request = replace(request, memory_gb=round(int(value) * megabytes / 1000 / TOLD, 3))
            words[index] = words[index].removesuffix(value) + stand_in
    if not request.memory_gb and any(word.endswith((MEMORY_MB, MEMORY_GB)) for word in words):
        raise OptionError(f"{MEMORY_MB} and {MEMORY_GB}: nobody says how much memory", "Give --mem 16G")
    return request, words


def _find_amounts(words: Sequence[str], flags: Sequence[str]) -> list[tuple[int, str]]:
    """Return the places and texts of values of options."""
    found = []
    for index, word in enumerate(words):
        flag, sign, value = word.partition("=")
        if flag in flags:
            found.append((index, value) if sign else (index + 1, words[index + 1] if index + 1 < len(words) else ""))
    return found


def submit(call: ForeignCall) -> Submission:
    """Submit a task for each participant who is neither done, nor waits, nor runs; then the group level.

    Raises
    ------
    InputError
        If the dataset is none.
    OptionError
        If a participant is not in it.
    DatasetError
        If the output folder cannot be made, or would spoil the dataset.
    ToolError
        If the scheduler is not there, does not answer, or refuses.
    """
    raw, out = call.bids_dir.resolve(), call.output_dir.resolve()
    if out == raw or out in raw.parents:
        raise DatasetError(str(call.output_dir), "it is the dataset, or lies around it", "Choose another output folder")
    chosen = choose_participants(call.bids_dir, Selection(participants=call.labels))
    labels = chosen if Level.PARTICIPANT in call.levels else ()
    room = jobs_room(call.output_dir)
    if call.dry_run:
        done = _list_done(call, look(room), labels) if room.is_dir() else {}
        todo = [label for label in labels if f"sub-{label}" not in done]
        return Submission(_plan(call, todo), room, tuple(done), notes=_list_notes(call, done.values()))
    _open_room(room)
    with submitting(room):
        standings = look(room)
        done = _list_done(call, standings, labels)
        live = [name for name in list_live(standings, _label(call)) if name.removeprefix("sub-") in labels]
        todo = [label for label in labels if f"sub-{label}" not in (*done, *live)]
        sent = hand_in(room, standings, _plan(call, todo))
    return Submission(sent, room, tuple(done), tuple(live), _list_notes(call, done.values()))


def _open_room(room: Path) -> None:
    """Make the folders that say what was submitted; nobody else may read them."""
    try:
        with storage_errors(room):
            room.parent.parent.mkdir(parents=True, exist_ok=True)
            room.parent.mkdir(mode=0o700, exist_ok=True)
            room.mkdir(exist_ok=True)
    except OSError as error:
        raise DatasetError(str(room.parent.parent), f"cannot be written to ({error.strerror or error})") from error


def _label(call: ForeignCall) -> str:
    return f"bidsflow-{call.name}"


def _list_done(call: ForeignCall, standings: Iterable[Any], labels: Sequence[str]) -> dict[str, Batch]:
    """Return whose task has ended well, and what that was part of."""
    if call.force:
        return {}
    names = {f"sub-{label}" for label in labels}
    return {
        one.name: one.batch
        for one in standings
        if one.batch.label == _label(call) and one.batch.level == Level.PARTICIPANT
        and one.phase is Phase.DONE and one.name in names
    }  # fmt: skip


def _list_notes(call: ForeignCall, done: Iterable[Batch]) -> tuple[str, ...]:
    """Return what the user may not expect."""
    said, request, words = [], call.request, " ".join(call.words)
    command = _command(call, Level.PARTICIPANT)
    others = sum(batch.command != command for batch in done)
    if others:
        said.append(f"{others} of these with other options or another image: --force does them again")
    if request.cpus > 1 and CPUS not in words and not _find_amounts(call.words, _CPUS):
        said.append(f"{call.name} is not told that it has {request.cpus} processors: where it takes them write {CPUS}, "
                    f"such as --nthreads {CPUS}")  # fmt: skip
    if request.memory_gb and not any(one in words for one in (MEMORY_MB, MEMORY_GB, *_MEMORY)):
        said.append(f"{call.name} is not told that it has {request.memory_gb:g} GB: where it takes that write "
                    f"{MEMORY_MB} or {MEMORY_GB}, such as --mem-mb {MEMORY_MB}")  # fmt: skip
    image = call.container[call.container.index("--container") + 1] if "--container" in call.container else ""
    if not call.work and not request.scratch and is_file_image(image):
        said.append("without --work-dir or --scratch, intermediate files may fill the container's /tmp, which is small")
    return tuple(said)


def _plan(call: ForeignCall, labels: Sequence[str]) -> tuple[Batch, ...]:
    """Return what is to be submitted, without ids of the scheduler."""
    made, name, now = new_id(), _label(call), time.time()
    batches = []
    if labels:
        batches.append(Batch(
            made, name, Level.PARTICIPANT, _command(call, Level.PARTICIPANT), tuple(f"sub-{one}" for one in labels),
            tuple((call.label_flag, one, *_work(call, f"sub-{one}")) for one in labels), call.request, written=now,
        ))  # fmt: skip
    if Level.GROUP in call.levels:
        words = (*((call.label_flag, *call.labels) if call.labels else ()), *_work(call, _GROUP))
        request = replace(call.request, array_limit=0)
        batches.append(Batch(
            f"{made}-group", f"{name}-group", Level.GROUP, _command(call, Level.GROUP), (_GROUP,), (words,), request,
            written=now,
        ))  # fmt: skip
    return tuple(batches)


def _work(call: ForeignCall, name: str) -> tuple[str, ...]:
    """Return where a task has its intermediate files: most apps spoil those of another that runs at the same time."""
    return (call.work[0], str(Path(call.work[1], name))) if call.work else ()


def _command(call: ForeignCall, level: Level) -> tuple[str, ...]:
    """Return the command that all tasks have in common; the path of Python, as a node may have another PATH."""
    variables = [f"{name}={path}" for name in FOREIGN_VARIABLES if (path := os.environ.get(name, ""))]
    return (
        *(("env", *variables) if variables else ()), sys.executable, "-m", "bidsflow", "run", call.name,
        str(call.bids_dir), str(call.output_dir), level.value, *call.words,
        *(("--work-dir", WORK) if call.request.scratch else ()), *call.container,
    )  # fmt: skip
