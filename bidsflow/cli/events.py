"""`bidsflow events`: what happened during runs, from the logs of stimulus programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import SOURCE, STORAGE, TARGET, USAGE, end_help

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bidsflow.convert.companions.tasks import Added
    from bidsflow.dataset.tree import Dataset
    from bidsflow.names import BidsName
    from bidsflow.validate import Issue

HELP_END = end_help(
    {
        "bidsflow events BIDS_DIR --map events.toml": "make _events.tsv of logs, as the tables in the file say",
        "bidsflow events BIDS_DIR": "as the events tables of BIDS_DIR/code/study.toml say",
        "bidsflow events BIDS_DIR --map events.toml --dry-run": "see which logs fit and can be read",
        "bidsflow events BIDS_DIR --template FOLDER": "a commented events.toml, and headers for runs without events",
    },
    {0: "every log was made into events", 1: "a log was refused, or events were left alone or are not valid"},
    USAGE, SOURCE, TARGET, STORAGE,
)  # fmt: skip

_TEMPLATE = """\
# How logs become _events.tsv: bidsflow events BIDS_DIR --map THIS_FILE
# A table for each task. Nothing but what is named here is taken over from a log.
{tables}"""
_TABLE = """
[events.{task}]
logs = "logs/{places}.csv"  # from the folder of this file; {{subject}} {{session}} {{run}}, and *
format = "table"         # table (tabs, commas or semicolons), psychopy, presentation or eprime
#unit = "s"              # of the log's times: s, ms, 0.1ms or us; presentation has 0.1ms, eprime ms
start = 0                # times count from the first volume; or a column; or the row of the first pulse:
#start = {{ column = "time", where = {{ event = "trigger" }} }}
onset = "onset"          # columns of the log, by name
duration = "duration"    # a column, or seconds
trial_type = "condition"
#where = {{ event = ["picture", "sound"] }}  # rows that are events; without it all that have an onset
#[events.{task}.columns]
#response_time = "rt"
#[events.{task}.levels.trial_type]
#left = "A picture of a left hand"
"""


def events(
    bids_dir: Annotated[
        Path, typer.Argument(metavar="BIDS_DIR", help="A dataset that bidsflow has made.", show_default=False)
    ],
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            help="Tables that say where logs lie and how they are read; default: BIDS_DIR/code/study.toml.",
            show_default=False,
        ),
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option("--template", help="Write templates into a new folder, outside the dataset.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, write nothing.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace events that others wrote or edited.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON what was done.")] = False,
    identified: Annotated[bool, typer.Option("--identified", help="Name the logs, which may name people.")] = False,
) -> None:
    """Make _events.tsv of the logs of stimulus programs, beside the runs that they belong to.

    PsychoPy, Presentation, E-Prime and plain tables are read, as a table of yours says. A log that cannot be read is
    refused with its line. Without logs, --template writes headers to fill in; the dataset never gets an empty one.
    """
    from bidsflow.dataset.tree import STATE, Dataset, check_readable, check_target
    from bidsflow.errors import DatasetError

    map_file = map_file if template is not None else map_file or _find_map(bids_dir)
    if (map_file is None) == (template is None):
        raise typer.BadParameter(
            "give --map FILE, or tables [events.TASK] in BIDS_DIR/code/study.toml, to make events; --template FOLDER "
            "to begin"
        )
    dataset = Dataset(check_readable(bids_dir) if dry_run or template else check_target(bids_dir))
    if not (dataset.root / STATE).is_dir():
        raise DatasetError(str(bids_dir), "bidsflow has converted nothing here", "Name a dataset that it has made")
    if template is not None:
        _write_templates(dataset, template)
    elif map_file is not None and not _add(
        dataset, map_file, dry=dry_run, force=force, as_json=as_json, identified=identified
    ):
        raise typer.Exit(1)


def _find_map(bids_dir: Path) -> Path | None:
    """Return the study of a dataset if it says how logs are read, or if no one can tell: its reader says why."""
    import os
    import tomllib

    from bidsflow.convert.study.apply import HOME

    home = bids_dir / HOME
    try:
        return home if "events" in tomllib.loads(home.read_text(encoding="utf-8-sig")) else None
    except (OSError, ValueError):
        return home if os.path.lexists(home) else None


def _add(dataset: Dataset, map_file: Path, *, dry: bool, force: bool, as_json: bool, identified: bool) -> bool:
    """Make events, say what came of it, and return whether all of it is good."""
    from bidsflow.convert.companions.place import Fate
    from bidsflow.convert.companions.tasklogs import read_map
    from bidsflow.convert.companions.tasks import add_events
    from bidsflow.errors import SourceError
    from bidsflow.validate import validate_paths

    try:
        text = map_file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise SourceError(str(map_file), f"it cannot be read ({reason})", "Begin with --template FOLDER") from error
    added = add_events(dataset, read_map(text, str(map_file)), map_file.absolute().parent, force=force, dry=dry)
    written = {one.path for one in added.placed if one.fate is Fate.WRITTEN and not dry}
    errors: tuple[Issue, ...] = ()
    if written:
        report = validate_paths(dataset.root, sorted(written), cache=False, ignore_warnings=True)
        errors = tuple(one for one in report.errors if one.location.lstrip("/") in written)
    _report(added, errors, dry=dry, as_json=as_json, identified=identified)
    return not added.refused and not errors and all(one.fate is not Fate.KEPT for one in added.placed)


def _report(added: Added, errors: tuple[Issue, ...], *, dry: bool, as_json: bool, identified: bool) -> None:
    import json
    from dataclasses import asdict

    from bidsflow.cli.steps import consoles, printable
    from bidsflow.convert.companions.place import Fate

    if as_json:
        content = asdict(added) | {"errors": [{"code": one.code, "location": one.location} for one in errors]}
        for one in content["refused"]:
            one["path"] = one["path"] if identified else "***"
        typer.echo(json.dumps(content, indent=2))
        return
    out, err = consoles()
    for refused in added.refused:
        shown = f"{refused.where} ({refused.path})" if identified else refused.where
        err.print(f"[red]refused[/] {printable(f'{shown}: {refused.reason}')}", soft_wrap=True)
    for placed in added.placed:
        if placed.reason:
            err.print(f"[yellow]{placed.fate}[/] {printable(f'{placed.path}: {placed.reason}')}", soft_wrap=True)
    for path in added.without:
        err.print(f"[yellow]no log[/] {path}", soft_wrap=True)
    for said in added.disordered:
        err.print(f"[yellow]note[/] {printable(said)}", soft_wrap=True)
    for task in added.unknown:
        known = ", ".join(added.tasks) or "none"
        err.print(f"[yellow]note[/] no run has task-{task}; the dataset has {known}", soft_wrap=True)
    for issue in errors:
        err.print(f"[red]not valid[/] {printable(issue.location)}: {issue.code}", soft_wrap=True)
    tables = [one for one in added.placed if one.path.endswith(".tsv")]
    counts = [f"{sum(one.fate is fate for one in tables)} {fate}" for fate in Fate]
    summary = f"{'would be: ' if dry else ''}{', '.join(counts)}, {len(added.refused)} refused"
    out.print(f"events {summary}, {len(added.without)} runs without a log", soft_wrap=True)


def _suggest_places(names: Sequence[BidsName]) -> str:
    """Return the places that tell the logs of a task apart: sessions and runs only where there are several."""
    several_runs = len({(name.sub, name.ses) for name in names}) < len(names)
    places = ["{subject}", *(["ses{session}"] if any(name.ses for name in names) else []), names[0].entity("task"),
              *(["run{run}"] if several_runs else [])]  # fmt: skip
    return "_".join(places)


def _write_templates(dataset: Dataset, folder: Path) -> None:
    """Write a map and a header for each run that has no events, into a new folder outside of the dataset."""
    from bidsflow.cli.steps import consoles
    from bidsflow.convert.companions.tasks import list_runs
    from bidsflow.dataset.files import save_bytes
    from bidsflow.errors import DatasetError, StorageError

    target = folder.resolve()
    if dataset.root in (target, *target.parents):
        raise DatasetError(str(folder), "it lies in the dataset, which gets no templates", "Name a folder outside")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(str(folder), "it is not an empty folder", "Name a new one: nothing is overwritten")
    open_runs = [name for name in list_runs(dataset) if not (dataset.root / str(name)).exists()]
    names = [name for name in open_runs if not name.entity("task").lower().startswith("rest")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(str(folder), error.strerror or str(error)) from error
    tasks = sorted({name.entity("task") for name in names})
    tables = "".join(
        _TABLE.format(task=task, places=_suggest_places([one for one in names if one.entity("task") == task]))
        for task in tasks
    )
    save_bytes([_TEMPLATE.format(tables=tables).encode()], folder / "events.toml")
    for name in names:
        save_bytes([b"onset\tduration\ttrial_type\n"], folder / f"{name.stem}.tsv")
    out, err = consoles()
    out.print(f"{len(names)} headers and events.toml in {folder}", soft_wrap=True, markup=False)
    if len(names) < len(open_runs):
        err.print(f"{len(open_runs) - len(names)} runs at rest have none: they need no events", soft_wrap=True)
