"""`bidsflow convert`: from exports to a BIDS dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import SessionsOption

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.convert.plan import Plan
    from bidsflow.convert.planner import Planned
    from bidsflow.convert.run import Result
    from bidsflow.dataset.tree import Dataset
    from bidsflow.dicom.series import Inventory


def convert(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXPORT... BIDS_DIR",
            help="Folders or files from the scanner, then the dataset.",
            show_default=False,
        ),
    ],
    plan_file: Annotated[
        Path | None, typer.Option("--plan", help="Carry out this plan (see bidsflow plan).", show_default=False)
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Series at the same time; 0: one per processor.")
    ] = 0,
    subject: Annotated[
        list[str] | None,
        typer.Option("--subject", help="Only this subject label; may be repeated.", show_default=False),
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option("--session", help="Only this session label; may be repeated.", show_default=False),
    ] = None,
    sessions: SessionsOption = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, write nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Convert again what is there, changes by hand included.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Convert exports into a BIDS dataset; no configuration is needed.

    A second run does only what is missing or changed. Ends with 0 when every planned image is on disk, with 1 when a
    series failed; images that are up for review do not count as planned.
    """
    from bidsflow.cli.steps import cache_file, consoles, default_jobs, plan_table, print_set_aside, progress_bar, take
    from bidsflow.convert.run import check_fit
    from bidsflow.convert.run import convert as carry_out
    from bidsflow.dataset.tree import Dataset, check_target, open_dataset

    if len(paths) < 2:
        raise typer.BadParameter("give at least one export and, last, the dataset: bidsflow convert EXPORT BIDS_DIR")
    *exports, bids_dir = paths
    out, err = consoles()
    dataset = Dataset(check_target(bids_dir, exports))
    index = cache_file(exports) if dry_run and not dataset.state.is_dir() else dataset.index_file
    if not dry_run:
        find_images(exports)
        open_dataset(bids_dir, exports)
    inventory = take(exports, index, err)
    planned = _planned(inventory, dataset, plan_file, sessions, jobs or default_jobs())
    chosen = _choose(planned.plan, subject or [], session or [])
    check_fit(chosen, inventory, str(plan_file or "plan"))
    if dry_run:
        out.print(plan_table(chosen))
        print_set_aside(inventory, err)
        return
    with progress_bar(err, "converting") as update:
        result = carry_out(
            chosen, inventory, dataset, planned.key, jobs=jobs or default_jobs(), force=force, progress=update
        )
    _report(result, inventory, dataset, out, err, as_json=as_json)
    if not result.complete:
        raise typer.Exit(1)


def find_images(exports: list[Path]) -> None:
    """Make sure that exports can be opened before a dataset is made for them.

    Raises
    ------
    SourceError
        If one does not exist or cannot be read.
    """
    from bidsflow.errors import SourceError

    for export in exports:
        if not export.exists():
            raise SourceError(str(export), "no such file or folder", "Check the path of the export")


def _planned(inventory: Inventory, dataset: Dataset, plan_file: Path | None, sessions: str, jobs: int) -> Planned:
    """Return the plan of a person, or our own, with the key that it follows."""
    from bidsflow.cli.steps import plan_inventory
    from bidsflow.convert.ledger import read_key, read_taken
    from bidsflow.convert.plan import from_tsv
    from bidsflow.convert.planner import follow_plan
    from bidsflow.convert.subjects import Sessions
    from bidsflow.errors import SourceError

    key = read_key(dataset)
    if plan_file is None:
        return plan_inventory(inventory, key, read_taken(dataset), Sessions(sessions), jobs)
    try:
        text = plan_file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            str(plan_file), f"the plan cannot be read ({error})", "Write one with: bidsflow plan EXPORT -o plan.tsv"
        ) from error
    return follow_plan(from_tsv(text, str(plan_file)), inventory, key)


def _choose(plan: Plan, subjects: list[str], sessions: list[str]) -> Plan:
    """Return the rows of some subjects and sessions.

    Raises
    ------
    PlanError
        If no row is left.
    """
    from bidsflow.convert.plan import NOT_APPLICABLE
    from bidsflow.errors import PlanError
    from bidsflow.names import parse_name

    if not subjects and not sessions:
        return plan
    wanted = {label.removeprefix("sub-") for label in subjects}, {label.removeprefix("ses-") for label in sessions}
    rows = []
    for row in plan.rows:
        if row.path == NOT_APPLICABLE:
            continue
        name = parse_name(row.path)
        if (not subjects or name.sub in wanted[0]) and (not sessions or name.ses in wanted[1]):
            rows.append(row)
    if not rows:
        raise PlanError("plan", ("no image belongs to the subjects and sessions that were asked for",))
    return replace(plan, rows=tuple(rows))


def _report(
    result: Result, inventory: Inventory, dataset: Dataset, out: Console, err: Console, *, as_json: bool
) -> None:
    """Say what was done, what failed, and what waits for a person."""
    import json

    from bidsflow.cli.steps import print_set_aside, printable
    from bidsflow.convert.run import Status

    if as_json:
        images = [
            {"path": one.row.path, "series_uid": one.row.series_uid, "status": one.status, "reason": one.reason}
            for one in result.outcomes
        ]
        reviews = [
            {"series_uid": row.series_uid, "series_number": row.series_number, "evidence": row.evidence}
            for row in result.reviews
        ]
        aside = [{"path": one.path, "reason": one.reason} for one in inventory.set_aside if not one.harmless]
        typer.echo(
            json.dumps({"complete": result.complete, "images": images, "review": reviews, "set_aside": aside}, indent=2)
        )
        return
    for one in result.outcomes:
        if one.status in (Status.FAILED, Status.EDITED):
            colour = "red" if one.status is Status.FAILED else "yellow"
            err.print(f"[{colour}]{one.status}[/] {printable(one.row.title)}: {printable(one.reason)}", soft_wrap=True)
    for row in result.reviews:
        err.print(f"[yellow]review[/] {printable(row.title)}: {printable(row.evidence)}", soft_wrap=True)
    print_set_aside(inventory, err)
    counts = [f"{result.count(status)} {status}" for status in Status if result.count(status)]
    counts += [f"{len(result.reviews)} for review"] if result.reviews else []
    counts += [f"{len(result.skipped)} skipped"] if result.skipped else []
    out.print(f"{dataset.root}: {', '.join(counts) or 'nothing to do'}", soft_wrap=True)
    if result.reviews:
        err.print("To decide what is up for review: bidsflow plan EXPORT --bids-dir BIDS_DIR -o plan.tsv, edit it, "
                  "then bidsflow convert EXPORT BIDS_DIR --plan plan.tsv", soft_wrap=True)  # fmt: skip
