"""`bidsflow jobs`: how the tasks stand that were submitted to a cluster; retry what failed, cancel what runs."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bidsflow.cli.options import INTERRUPTED, STORAGE, TARGET, TOOL, USAGE, end_help

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.executors.standing import Desk, Standing

HELP_END = end_help(
    {
        "bidsflow jobs OUTPUT_DIR": "how everything stands",
        "bidsflow jobs OUTPUT_DIR --watch": "until nothing runs any more",
        "bidsflow jobs OUTPUT_DIR --retry --mem 16G --time 8h": "submit again what failed, with more of both",
        "bidsflow jobs OUTPUT_DIR --cancel": "cancel what waits and runs; what is done stays",
    },
    {0: "everything is done, or waits or runs", 1: "something failed"},
    USAGE, TOOL, TARGET, STORAGE, INTERRUPTED,
)  # fmt: skip
#: Tasks of a kind that are named one by one, and last lines of the log of one that failed.
SHOWN, LINES = 20, 5
#: Seconds between two looks: at first, and at most, where nothing happens.
QUICK, SLOW = 2.0, 60.0


def jobs(  # noqa: PLR0917 - typer declares options as parameters
    output_dir: Annotated[
        Path,
        typer.Argument(metavar="OUTPUT_DIR", help="As given to bidsflow run or convert.", show_default=False),
    ],
    retry: Annotated[bool, typer.Option("--retry", help="Submit again what failed.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel what waits and runs.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Look again until nothing runs any more.")] = False,
    mem: Annotated[str, typer.Option(metavar="16G", help="With --retry: memory of each task.")] = "",
    time_: Annotated[str, typer.Option("--time", metavar="8h", help="With --retry: time limit of each task.")] = "",
    cpus: Annotated[int, typer.Option(min=0, metavar="N", help="With --retry: processors of each task.")] = 0,
    partition: Annotated[str, typer.Option(metavar="NAME", help="With --retry: another partition or queue.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Name every task, not the first of each kind.")] = False,
) -> None:
    """Say how the tasks stand that were submitted to a cluster, why some failed, and what their logs say last.

    Told from what the tasks noted in the output folder and from what the scheduler knows.
    """
    from bidsflow.errors import OptionError

    changes = _read_changes(mem, time_, cpus, partition)
    if changes and not retry:
        raise OptionError("--mem, --time, --cpus and --partition go with --retry")
    if retry and cancel:
        raise OptionError("--retry and --cancel: one of both")
    room = _find_room(output_dir)
    if cancel:
        _cancel(room)
    if retry:
        _retry(room, changes)
    failed = _watch(room, watch=watch, as_json=as_json, everything=everything)
    raise typer.Exit(1 if failed and (watch or not retry) else 0)


def _read_changes(mem: str, time_: str, cpus: int, partition: str) -> dict[str, Any]:
    from bidsflow.errors import OptionError
    from bidsflow.executors.amounts import parse_memory, parse_time

    changes: dict[str, Any] = {}
    try:
        if mem:
            changes["memory_gb"] = parse_memory(mem)
        if time_:
            changes["minutes"] = parse_time(time_)
    except ValueError as error:
        raise OptionError(str(error)) from None
    return changes | ({"cpus": cpus} if cpus else {}) | ({"partition": partition} if partition else {})


def _find_room(output_dir: Path) -> Path:
    """Return where jobs are noted: of the folder itself, or of the only derivative dataset in it."""
    from bidsflow.app.cluster import jobs_room
    from bidsflow.errors import OptionError

    below = sorted(output_dir.glob("bidsflow-*")) if output_dir.is_dir() else []
    rooms = [room for room in map(jobs_room, (output_dir.absolute(), *below)) if room.is_dir()]
    if len(rooms) == 1:
        return rooms[0]
    if rooms:
        raise OptionError(f"{output_dir}: jobs of several pipelines", f"Give one of {', '.join(map(str, below))}")
    raise OptionError(f"{output_dir}: nothing was submitted for this folder", "See bidsflow run ... --executor slurm")


def _cancel(room: Path) -> None:
    from bidsflow.app.cluster import look
    from bidsflow.executors.base import Cause
    from bidsflow.executors.batches import find_scheduler, mark_cancelled, submitting

    with submitting(room):
        held = [one for one in look(room) if one.is_live or (one.cause is Cause.BLOCKED and one.batch.jobs)]
        live = {one.batch.id: one.batch for one in held if not one.batch.cancelled}
        for batch in live.values():
            find_scheduler(batch.request.executor).cancel([job for job, _ in batch.jobs])
            mark_cancelled(room, batch)
    ids = ", ".join(job for batch in live.values() for job, _ in batch.jobs)
    typer.echo(f"cancelled: {ids}" if live else "nothing waits or runs", err=True)


def _retry(room: Path, changes: dict[str, Any]) -> None:
    from bidsflow.app.cluster import look, retry
    from bidsflow.executors.batches import submitting

    with submitting(room):
        sent = retry(room, look(room), changes)
    for batch in sent:
        ids = ", ".join(job for job, _ in batch.jobs)
        edited = ", by run.sh as it was changed by hand" if batch.overrides else ""
        typer.echo(f"again: {len(batch.names)} {batch.level} as {batch.request.executor} job {ids}{edited}", err=True)
    if not sent:
        typer.echo("nothing has failed", err=True)


def _watch(room: Path, *, watch: bool, as_json: bool, everything: bool) -> bool:
    """Show how things stand, again and again if asked to; return whether something failed."""
    from bidsflow.app.cluster import look
    from bidsflow.cli.steps import consoles
    from bidsflow.executors.standing import Desk

    out, err = consoles()
    pause, before = QUICK, ""
    while True:
        desk = Desk()
        standings = look(room, desk)
        for reason in desk.silent.values():
            err.print(reason, markup=False, soft_wrap=True)
        live = any(one.is_live for one in standings)
        now = _count(standings)
        if watch and live:
            if now != before:
                err.print(f"{time.strftime('%H:%M:%S')} {now}", markup=False)
            pause = QUICK if now != before else min(SLOW, 1.5 * pause)
            before = now
            time.sleep(pause)
            continue
        if as_json:
            _print_json(standings, desk)
        else:
            _print(standings, room.parent.parent, out, everything=everything)
        return any(one.phase == "failed" for one in standings)


def _count(standings: Sequence[Standing]) -> str:
    from bidsflow.executors.base import Phase

    counts = {phase: sum(one.phase is phase for one in standings) for phase in Phase}
    return ", ".join(f"{count} {phase}" for phase, count in counts.items() if count) or "nothing was submitted"


def _print(standings: Sequence[Standing], output_dir: Path, out: Console, *, everything: bool) -> None:
    from bidsflow.executors.base import Phase
    from bidsflow.executors.standing import read_end

    out.print(_count(standings), markup=False)
    several = len({one.batch.app for one in standings}) > 1
    for phase in (Phase.FAILED, Phase.RUNNING, Phase.PENDING, Phase.DONE):
        own = [one for one in standings if one.phase is phase]
        named = own if everything else own[: SHOWN if phase is not Phase.DONE else 0]
        for one in named:
            out.print(_line(one, several=several), markup=False, soft_wrap=True)
            if phase is Phase.FAILED:
                for line in read_end(one.log, LINES):
                    out.print(f"    | {line}", markup=False, soft_wrap=True)
                if one.log is not None:
                    out.print(f"    log: {one.log}", markup=False, soft_wrap=True)
        if named and len(own) > len(named):
            out.print(f"  ... and {len(own) - len(named)} more {phase}: --all names them", markup=False)
    if any(one.phase is Phase.FAILED for one in standings):
        where = shlex.quote(str(output_dir))
        out.print(f"Again: bidsflow jobs {where} --retry [--mem 16G] [--time 8h]", markup=False, soft_wrap=True)


def _line(one: Standing, *, several: bool) -> str:
    name = f"{one.batch.app} {one.name}" if several else one.name
    said = f"{one.cause}: {one.said}" if one.cause else one.said
    took = f"{one.seconds / 60:.1f} min" if one.seconds else ""
    peak = f"{one.peak_gb:.1f} GB" if one.peak_gb >= 0.05 else ""
    again = f"attempt {one.attempts}" if one.attempts > 1 else ""
    return f"  {one.phase:<8}{name}  {', '.join(filter(None, (said, one.node, took, peak, again)))}".rstrip()


def _print_json(standings: Sequence[Standing], desk: Desk) -> None:
    import json

    from bidsflow.executors.standing import read_end

    tasks = [
        {
            "name": one.name, "app": one.batch.app, "level": one.batch.level,
            "phase": one.phase, "cause": one.cause, "reason": one.said,
            "batch": one.batch.id, "number": one.number, "job": [job for job, _ in one.batch.jobs], "node": one.node,
            "seconds": round(one.seconds, 1), "peak_gb": round(one.peak_gb, 3), "attempts": one.attempts,
            "log": str(one.log) if one.log else None,
            "log_end": list(read_end(one.log)) if one.phase == "failed" else [],
        }
        for one in standings
    ]  # fmt: skip
    typer.echo(json.dumps({"tasks": tasks, "silent": desk.silent}, indent=2))
