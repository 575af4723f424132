"""Run a pipeline on a cluster: a task for each participant or session, then the group level.

A task is the same command as on a laptop, for one participant. What is done is not submitted again, nor what waits or
runs. What was submitted is written down in the output folder (`executors.batches`); nothing else has to be remembered.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bidsflow.app import provenance, state
from bidsflow.app.choice import choose_participants
from bidsflow.app.config import format_config
from bidsflow.app.invocation import Invocation, OutputLayout
from bidsflow.app.outcome import Event, Tell
from bidsflow.app.places import check_places
from bidsflow.app.provenance import Input
from bidsflow.app.spec import Level, Pipeline
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import write_durably
from bidsflow.errors import BidsflowError, OptionError, ToolError
from bidsflow.executors.base import Cause, Phase, Request
from bidsflow.executors.batches import (
    CPUS,
    MEMORY,
    RUN,
    Batch,
    carry_over,
    find_scheduler,
    mark_cancelled,
    new_id,
    read_batches,
    read_edited,
    submit_batch,
    submitting,
    write_batch,
)
from bidsflow.executors.script import WORK
from bidsflow.executors.standing import Desk, Standing, stand
from bidsflow.names import parse_name

_CONFIG = "config.toml"
_GROUP = "group"


@dataclass(frozen=True, slots=True)
class Unit:
    """What one task has to do.

    Attributes
    ----------
    label, session : str
        Without ``sub-`` and ``ses-``; ``""`` for all sessions.
    """

    label: str
    session: str = ""

    @property
    def name(self) -> str:
        """For people: ``sub-01_ses-a``."""
        return f"sub-{self.label}" + (f"_ses-{self.session}" if self.session else "")

    def words(self, work_dir: Path | None) -> tuple[str, ...]:
        """Return what it adds to the command; sessions do not share a folder of intermediate files."""
        if not self.session:
            return ("--participant-label", self.label)
        work = ("--work-dir", str(work_dir / f"ses-{self.session}")) if work_dir else ()
        return ("--participant-label", self.label, "--session-label", self.session, *work)


@dataclass(frozen=True, slots=True)
class Submission:
    """What was submitted, or would be.

    Attributes
    ----------
    batches : tuple of Batch
        With the ids that the scheduler gave.
    folder : Path
        Where the scripts are.
    done, live : tuple of str
        Names of what is done and unchanged, and of what waits or runs already.
    notes : tuple of str
        What the user may not expect, a sentence each.
    """

    batches: tuple[Batch, ...]
    folder: Path
    done: tuple[str, ...] = ()
    live: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def jobs_room(output_dir: Path) -> Path:
    """Return where an output folder keeps what was submitted for it."""
    return Dataset(output_dir).state / "jobs"


def submit(pipeline: Pipeline, call: Invocation, tell: Tell = lambda event: None) -> Submission:
    """Submit the tasks of a run that are neither done, nor waiting, nor running.

    Raises
    ------
    OptionError
        If what was asked for cannot be meant.
    ToolError
        If the scheduler is not there, does not answer, or refuses.
    DatasetError
        If the output folder is not ours.
    """
    check_places(pipeline, call)
    if call.reports_only:
        raise OptionError("--reports-only: not on a cluster, it takes seconds", "Leave --executor or --site away")
    units = _list_units(call)
    settled = [] if call.force else [unit for unit in units if _is_settled(pipeline, call, unit)]
    done = tuple(unit.name for unit in settled)
    if call.dry_run:
        todo = [unit for unit in units if unit not in settled]
        return Submission(_plan(pipeline, call, todo), jobs_room(call.output_dir), done)
    dataset = state.open_derivatives(call.output_dir)
    room = jobs_room(dataset.root)
    with submitting(room):  # two at once see each other
        standings = look(room)
        live = list_live(standings, _label(pipeline))
        todo = [unit for unit in units if unit not in settled and not _overlaps(unit, live)]
        tell(Event("begin", value=len(todo), text=", ".join(done)))
        batches = _plan(pipeline, call, todo)
        _write_config(pipeline, call, room, batches)
        sent = hand_in(room, standings, batches)
    return Submission(sent, room, done, live)


def list_live(standings: Sequence[Standing], label: str) -> tuple[str, ...]:
    """Return what waits or runs of the participant level of an app, by the label of its arrays."""
    return tuple(
        one.name
        for one in standings
        if one.is_live and one.batch.level == Level.PARTICIPANT and one.batch.label == label
    )


def hand_in(room: Path, standings: Sequence[Standing], batches: Sequence[Batch]) -> tuple[Batch, ...]:
    """Submit arrays: a group level after all participants that wait or run, and in the place of one that waits.

    Parameters
    ----------
    room : Path
        Of the output folder; the caller holds it (`submitting`).
    standings : sequence of Standing
        Of what was submitted before.
    batches : sequence of Batch
        Participants first.

    Raises
    ------
    ToolError
        If the scheduler refuses.
    """
    sent = list[Batch]()
    for batch in batches:
        running = sorted({job for one in standings if one.is_live and one.batch.app == batch.app
                          and one.batch.level == Level.PARTICIPANT for job, _ in one.batch.jobs})  # fmt: skip
        after = (*running, *(job for one in sent for job, _ in one.jobs)) if batch.level == Level.GROUP else ()
        sent.append(_send(room, replace(batch, after=tuple(after))))
    if any(one.level == Level.GROUP for one in sent):
        _withdraw_group(room, [one for one in standings if one.batch.label in {each.label for each in sent}])
    if any(one.level == Level.PARTICIPANT for one in sent):
        _withdraw_blocked(room, [one for one in standings if one.batch.label in {each.label for each in sent}])
    return tuple(sent)


def look(room: Path, desk: Desk | None = None) -> tuple[Standing, ...]:
    """Return where all tasks stand that were submitted for an output folder.

    Raises
    ------
    ToolError
        If a scheduler does not answer, and no desk was given that would remember it.
    """
    strict = desk is None
    desk = desk or Desk()
    batches = [desk.adopt(room, batch) for batch in read_batches(room)]
    standings = stand(room, batches, desk)
    if strict and desk.silent:
        raise ToolError(*next(iter(desk.silent.items())))
    return tuple(one for one in standings if not any(_supersedes(other, one) for other in standings))


def _supersedes(later: Standing, one: Standing) -> bool:
    """Return whether a task was given out again since as a part of a larger one, or in parts."""
    if (later.batch.level, later.batch.label) != (one.batch.level, one.batch.label) or later.batch.id <= one.batch.id:
        return False
    return later.name.startswith(f"{one.name}_") or one.name.startswith(f"{later.name}_")


def _list_units(call: Invocation) -> list[Unit]:
    if Level.PARTICIPANT not in call.levels:
        return []
    labels = choose_participants(call.bids_dir, call.selection)
    if not call.per_session:
        return [Unit(label) for label in labels]
    units = []
    for label in labels:
        folders = sorted((call.bids_dir / f"sub-{label}").glob("ses-*"))
        sessions = [one.name.removeprefix("ses-") for one in folders if one.is_dir()]
        wanted = [one for one in sessions if not call.selection.sessions or one in call.selection.sessions]
        units += [Unit(label, one) for one in wanted] or ([] if sessions else [Unit(label)])
    return units


def _overlaps(unit: Unit, live: Sequence[str]) -> bool:
    """Return whether what a task would do waits or runs already, whole or in part."""
    whole = f"sub-{unit.label}"
    return unit.name in live or whole in live or (not unit.session and any(one.startswith(f"{whole}_") for one in live))


def _is_settled(pipeline: Pipeline, call: Invocation, unit: Unit) -> bool:
    """Return whether a task would find everything done: judged by sizes and times, without an index of the dataset.

    Where it is not sure it says no: the task looks itself, and ends at once.
    """
    dataset = Dataset(call.output_dir)
    marker = state.read_marker(dataset, unit.label)
    report = (f"sub-{unit.label}.html",) if pipeline.report else ()
    if marker.task != provenance.digest_task(pipeline, call.params) or not marker.files:
        return False
    if unit.label in state.read_failures(dataset, [unit.label]):
        return False
    if not all((dataset.root / name).is_file() for name in (*marker.files, *report)):
        return False
    there = _list_images(pipeline, call.bids_dir, unit)
    inputs = [one for one in marker.inputs.values() if not unit.session or _session_of(one) == unit.session]
    known = {each.name for one in inputs for each in one.files if ".nii" in each.name}
    if not there <= known or (not call.selection.leaves_images_out and there != known):
        return False
    return not any(provenance.find_change(call.bids_dir, one) for one in inputs)


def _list_images(pipeline: Pipeline, raw: Path, unit: Unit) -> set[str]:
    """Return the images of a task that a pipeline could read, by their paths below the dataset."""
    folder = raw / f"sub-{unit.label}" / (f"ses-{unit.session}" if unit.session else "")
    found = set()
    for query in pipeline.reads:
        for pattern in (f"{query.datatype}/*_{query.suffix}.nii*", f"*/{query.datatype}/*_{query.suffix}.nii*"):
            found |= {path.relative_to(raw).as_posix() for path in folder.glob(pattern)}
    return found


def _session_of(image: Input) -> str | None:
    """Return the session of an image, by the first of its files."""
    try:
        return parse_name(image.files[0].name).ses
    except (BidsflowError, IndexError):
        return None


def _label(pipeline: Pipeline) -> str:
    return f"bidsflow-{pipeline.name}"


def _plan(pipeline: Pipeline, call: Invocation, units: Sequence[Unit]) -> tuple[Batch, ...]:
    """Return what is to be submitted, without a folder and without an id of the scheduler."""
    label, made = _label(pipeline), new_id()
    batches = []
    if units:
        work = None if call.request.scratch else call.work_dir
        names, words = tuple(unit.name for unit in units), tuple(unit.words(work) for unit in units)
        command = _command(pipeline, call, Level.PARTICIPANT, made)
        batches.append(Batch(made, label, Level.PARTICIPANT, command, names, words, call.request, written=time.time()))
    if Level.GROUP in call.levels:
        small = replace(call.request, cpus=1, array_limit=0)
        command = _command(pipeline, call, Level.GROUP, made)
        batches.append(
            Batch(f"{made}-group", f"{label}-group", Level.GROUP, command, (_GROUP,), ((),), small, written=time.time())
        )
    return tuple(batches)


def _command(pipeline: Pipeline, call: Invocation, level: Level, made: str) -> tuple[str, ...]:
    """Return the command that all tasks have in common."""
    work = ("--work-dir", WORK if call.request.scratch else str(call.work_dir))
    config = jobs_room(call.output_dir) / made / _CONFIG
    return (
        *_program(pipeline, call), str(call.bids_dir), str(call.output_dir), level.value, "--config", str(config),
        *work, "--n-cpus", CPUS, "--mem", MEMORY, "--run-name", RUN, *(("--force",) if call.force else ()),
        *call.container,
    )  # fmt: skip


def _program(pipeline: Pipeline, call: Invocation) -> tuple[str, ...]:
    """Return how this pipeline is called from any folder, and with whatever PATH a node has."""
    words = shlex.split(call.prog)
    name = words[2] if words[:2] == ["bidsflow", "run"] and len(words) > 2 else pipeline.name
    return (sys.executable, "-m", "bidsflow", "run", str(Path(name).resolve()) if Path(name).is_dir() else name)


def _write_config(pipeline: Pipeline, call: Invocation, room: Path, batches: Sequence[Batch]) -> None:
    """Write the configuration that the tasks of one submission share."""
    if not batches:
        return
    made = batches[0].id.removesuffix("-group")
    everybody = replace(call.selection, participants=(), without=(), sessions=() if call.per_session else
                        call.selection.sessions)  # fmt: skip
    plain = replace(call, selection=everybody, layout=OutputLayout.BIDS)
    (room / made).mkdir(parents=True, exist_ok=True)
    write_durably(room / made / _CONFIG, format_config(pipeline, plain, made).encode())


def _send(room: Path, batch: Batch) -> Batch:
    """Write a batch, and submit it."""
    folder = write_batch(room, batch)
    try:
        return submit_batch(room, batch)
    except ToolError as error:
        hint = ". ".join(filter(None, (error.hint, f"The script is {folder / 'run.sh'}; nothing of it runs")))
        raise ToolError(error.tool, error.reason, hint) from error


def retry(room: Path, standings: Sequence[Standing], changes: dict[str, object]) -> tuple[Batch, ...]:
    """Submit again what failed, and the group level after it if there was one; return what was submitted.

    Parameters
    ----------
    room : Path
        Of the output folder.
    standings : sequence of Standing
        Of all tasks.
    changes : dict
        Fields of `Request` that are to be others: ``{"memory_gb": 16.0}``.

    Raises
    ------
    ToolError
        If the scheduler refuses.
    """
    by_batch: dict[str, list[Standing]] = {}
    for one in standings:
        if one.phase is Phase.FAILED and one.batch.level != Level.GROUP:
            by_batch.setdefault(one.batch.id, []).append(one)
    made, sent = new_id(), list[Batch]()
    for number, tasks in enumerate(by_batch.values()):
        old, name = tasks[0].batch, f"{made}-{number}"
        batch = Batch(
            name, old.label, old.level, _move_config(room, old, name), tuple(one.name for one in tasks),
            tuple(old.words[one.number - 1] for one in tasks), _change(old.request, changes), written=time.time(),
        )  # fmt: skip
        sent.append(_send_again(room, old, batch))
    for number, group in enumerate(one for one in standings if one.batch.level == Level.GROUP):
        app = group.batch.app  # of several, each has its own
        again = [job for one in sent if one.app == app for job, _ in one.jobs]
        if not again and group.phase is not Phase.FAILED:
            continue
        live = [job for one in standings if one.is_live and one.batch.app == app and one.batch.level != Level.GROUP
                for job, _ in one.batch.jobs]  # fmt: skip
        old, name = group.batch, f"{made}-{number}-group" if number else f"{made}-group"
        batch = Batch(
            name, old.label, old.level, _move_config(room, old, name), old.names, old.words,
            _change(old.request, changes), tuple(dict.fromkeys((*live, *again))), written=time.time(),
        )  # fmt: skip
        sent.append(_send_again(room, old, batch))
        _withdraw_group(room, [group])
    _withdraw_blocked(room, standings)
    return tuple(sent)


def _send_again(room: Path, old: Batch, batch: Batch) -> Batch:
    """Submit tasks of a batch once more; a script that a person has changed stays as it is."""
    script = read_edited(room, old)
    if script:
        script, batch = carry_over(script, old, batch)
    write_batch(room, batch, script)
    return submit_batch(room, batch)


def _move_config(room: Path, old: Batch, name: str) -> tuple[str, ...]:
    """Return the command of a batch with a configuration in the folder of another: older folders may be removed."""
    before = next((word for word in old.command if word.endswith(f"/{_CONFIG}") and word.startswith(f"{room}/")), "")
    if not before or not Path(before).is_file():
        return old.command
    now = room / name / _CONFIG
    now.parent.mkdir(parents=True, exist_ok=True)
    write_durably(now, Path(before).read_bytes())
    return tuple(str(now) if word == before else word for word in old.command)


def _withdraw_group(room: Path, standings: Sequence[Standing]) -> None:
    """Cancel a group level that waits: another one waits for more, and takes its place."""
    _withdraw(room, [one.batch for one in standings if one.batch.level == Level.GROUP and one.phase is Phase.PENDING])


def _withdraw_blocked(room: Path, standings: Sequence[Standing]) -> None:
    """Cancel arrays that wait in vain: their tasks were submitted again, and somebody may yet set them free."""
    live = {one.batch.id for one in standings if one.is_live}
    blocked = {one.batch.id: one.batch for one in standings if one.cause is Cause.BLOCKED}
    _withdraw(room, [batch for name, batch in blocked.items() if name not in live])


def _withdraw(room: Path, batches: Sequence[Batch]) -> None:
    for batch in batches:
        if batch.jobs:
            find_scheduler(batch.request.executor).cancel([job for job, _ in batch.jobs])
        mark_cancelled(room, batch)


def _change(request: Request, changes: dict[str, object]) -> Request:
    return replace(request, **changes)  # type: ignore[arg-type]
