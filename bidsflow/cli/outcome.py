"""What came of a conversion, for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.cli.companions import Beside
    from bidsflow.convert.changes import Foresight
    from bidsflow.convert.plan import Plan
    from bidsflow.convert.rewiring import Rewired
    from bidsflow.convert.run import Result
    from bidsflow.dataset.tree import Dataset
    from bidsflow.sources import Aside


def report_problems(result: Result, left: Sequence[str], err: Console) -> None:
    """Say what failed, what was left alone, and what waits for a person."""
    from bidsflow.cli.steps import SHOWN, print_reviews, printable
    from bidsflow.convert.run import Status

    for one in result.outcomes:
        if one.reason:
            colour = "red" if one.status is Status.FAILED else "yellow"
            title = printable(one.row.full_title)
            err.print(f"[{colour}]{one.status}[/] {title}: {printable(one.reason)}", soft_wrap=True)
    for issue in result.errors[:SHOWN]:
        what = f"{issue.code} {issue.subcode}".strip()
        err.print(f"[red]not valid[/] {printable(issue.place)}: {what}", soft_wrap=True)
    if len(result.errors) > SHOWN:
        err.print(f"[red]not valid[/] {len(result.errors) - SHOWN} more errors")
    _print_rewired(result.rewired, err)
    for path in left[:SHOWN]:
        err.print(
            f"[yellow]left alone[/] {path}: converted before, and not to be converted by this plan", soft_wrap=True
        )
    if len(left) > SHOWN:
        err.print(f"[yellow]left alone[/] {len(left) - SHOWN} more images that were converted before")
    for remain in result.remains[:SHOWN]:
        err.print(f"[yellow]left behind[/] {printable(str(remain))}", soft_wrap=True)
    if len(result.remains) > SHOWN:
        err.print(f"[yellow]left behind[/] {len(result.remains) - SHOWN} more files that bidsflow did not write")
    print_reviews(result.reviews, err)


def _print_rewired(rewired: Sequence[Rewired], console: Console) -> None:
    """Say which sidecars of images that stay say something else of field maps, and what."""
    from bidsflow.cli.steps import SHOWN, printable

    for one in rewired[:SHOWN]:
        fields = "; ".join(map(str, one.fields))
        console.print(f"[yellow]rewired[/] {printable(f'{one.path}: {fields}')}", soft_wrap=True)
    if len(rewired) > SHOWN:
        console.print(f"[yellow]rewired[/] {len(rewired) - SHOWN} more sidecars; --json lists all", soft_wrap=True)


def _list_rewired(rewired: Sequence[Rewired]) -> list[dict[str, object]]:
    """Return the same for machines; null is a field that is absent."""
    return [
        {
            "path": one.path,
            "fields": {field.key: {"before": field.before, "after": field.after} for field in one.fields},
        }
        for one in rewired
    ]


def _count_rewired(rewired: Sequence[Rewired]) -> list[str]:
    from bidsflow.convert.drift.findings import count_words

    return [f"{count_words(len(rewired), 'sidecar')} rewired"] if rewired else []


def print_changes(
    plan: Plan, foresight: Foresight, left: Sequence[str], along: Mapping[str, str], out: Console
) -> None:
    """Say what would become of the images of a plan: one by one where something is changed, counted elsewhere."""
    from collections import Counter

    from bidsflow.cli.steps import SHOWN, printable
    from bidsflow.convert.changes import Change
    from bidsflow.convert.drift.findings import count_words
    from bidsflow.convert.plan import Decision

    prospects = foresight.prospects
    told = [one for one in prospects if one.reason]
    for one in told[:SHOWN]:
        colour = "red" if one.change is Change.IMPOSSIBLE else "yellow"
        out.print(f"[{colour}]{one.change}[/] {printable(f'{one.row.path}: {one.reason}')}", soft_wrap=True)
    if len(told) > SHOWN:
        out.print(f"{len(told) - SHOWN} more that are not new; --json lists all", soft_wrap=True)
    _print_rewired(foresight.rewired, out)
    for path in left[:SHOWN]:
        out.print(f"[yellow]left[/] {path}: converted before, and not to be converted by this plan", soft_wrap=True)
    if len(left) > SHOWN:
        out.print(f"[yellow]left[/] {len(left) - SHOWN} more; --json lists all", soft_wrap=True)
    if along:
        out.print(f"{count_words(len(along), 'file')} of events and recordings would move along", soft_wrap=True)
    counts = Counter(one.change for one in prospects)
    done = [f"{counts[change]} {change}" for change in Change if counts[change]] or ["nothing to convert"]
    others = {"for review": plan.decided(Decision.REVIEW), "skipped": plan.decided(Decision.SKIP)}
    aside = [f"{len(rows)} {what}" for what, rows in others.items() if rows]
    said = ", ".join([*done, *_count_rewired(foresight.rewired), *aside])
    out.print(f"To be done: {said}", soft_wrap=True)


def list_changes(foresight: Foresight, left: Sequence[str], along: Mapping[str, str]) -> dict[str, object]:
    """Return for machines what would become of the images of a plan, and of what goes along with them."""
    changes = [{"path": one.row.path, "change": one.change.value, "reason": one.reason} for one in foresight.prospects]
    return {
        "changes": changes,
        "rewired": _list_rewired(foresight.rewired),
        "left": list(left),
        "companions": dict(along),
    }


def report_counts(result: Result, dataset: Dataset, out: Console, err: Console) -> None:
    """Say what was done, and how to go on."""
    from bidsflow.cli.steps import printable
    from bidsflow.convert.drift.findings import count_words
    from bidsflow.convert.run import Status

    counts = [f"{result.count(status)} {status}" for status in Status if result.count(status)]
    counts += _count_rewired(result.rewired)
    counts += [f"{count_words(len(result.errors), 'error')} of BIDS: see bidsflow validate"] if result.errors else []
    counts += [] if result.outcomes else ["nothing to convert"]
    counts += [f"{len(result.reviews)} for review"] if result.reviews else []
    counts += [f"{len(result.skipped)} skipped"] if result.skipped else []
    out.print(f"{printable(str(dataset.root))}: {', '.join(counts)}", soft_wrap=True)
    if result.reviews:
        err.print("To decide what is up for review: bidsflow plan EXPORT --bids-dir BIDS_DIR -o plan.tsv, edit it, "
                  "then bidsflow convert EXPORT BIDS_DIR --plan plan.tsv", soft_wrap=True)  # fmt: skip
    elif not result.outcomes:
        err.print("To see why nothing is converted: bidsflow plan EXPORT", soft_wrap=True)


def report_json(
    result: Result, notes: Sequence[str], left: Sequence[str], aside: Sequence[Aside], beside: Beside, *, complete: bool
) -> None:
    """Print the same as JSON, with the notes of the plan, what was set aside and whether all of the export is there.

    A log may keep it: no UIDs, which hold the time of the scan and the scanner's number on some scanners.
    """
    import json
    from dataclasses import asdict

    images = [
        {"path": one.row.path, "series_number": one.row.series_number, "status": one.status, "reason": one.reason}
        for one in result.outcomes
    ]
    reviews = [
        {"path": row.path, "series_number": row.series_number, "evidence": row.evidence} for row in result.reviews
    ]
    content = {
        "complete": complete, "images": images, "rewired": _list_rewired(result.rewired),
        "left": list(left), "review": reviews,
        "errors": [
            {"code": one.code, "subcode": one.subcode, "location": one.location, "message": one.message}
            for one in result.errors
        ],
        "recordings": [*map(asdict, beside.placed), *map(asdict, beside.unused)],
        "left_behind": [asdict(one) for one in result.remains],
        "notes": list(notes), "set_aside": [asdict(one) for one in aside if not one.harmless],
    }  # fmt: skip
    typer.echo(json.dumps(content, indent=2))
