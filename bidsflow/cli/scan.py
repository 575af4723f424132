"""`bidsflow scan`: what an export holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bidsflow.dicom.series import Inventory

_COLUMNS = (
    "patient", "study", "number", "description", "protocol_name", "kind", "matrix", "volumes", "images", "files",
    "problems",
)  # fmt: skip

_TITLES = {"patient": "pat", "number": "no.", "volumes": "vol", "images": "img"}


def scan(
    exports: Annotated[
        list[Path], typer.Argument(metavar="EXPORT...", help="Folders or files from the scanner.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, set-aside files included.")] = False,
    as_tsv: Annotated[bool, typer.Option("--tsv", help="Print tab-separated values.")] = False,
    set_aside: Annotated[bool, typer.Option("--set-aside", help="List every file that is not used, and why.")] = False,
    identified: Annotated[bool, typer.Option("--identified", help="Show patient IDs instead of pseudonyms.")] = False,
    no_index: Annotated[bool, typer.Option("--no-index", help="Neither use nor keep what was read before.")] = False,
) -> None:
    """Show what an export holds, one row per series.

    Reads headers only. What was read is kept in your cache folder (private to you), so that a second scan reads
    only what is new.
    """
    import json

    from bidsflow.cli.steps import cache_file, consoles, print_set_aside, take

    out, err = consoles()
    inventory = take(exports, None if no_index else cache_file(exports), err)
    rows = _rows(inventory, identified=identified)
    if as_json:
        aside = [{"path": one.path, "reason": one.reason, "harmless": one.harmless} for one in inventory.set_aside]
        notes = [str(collision) for collision in inventory.collisions]
        counts = {"read": inventory.n_read, "reused": inventory.n_reused}
        typer.echo(json.dumps({"series": rows, "set_aside": aside, "notes": notes, "files": counts}, indent=2))
        return
    if as_tsv:
        typer.echo("\t".join(_COLUMNS))
        for row in rows:
            typer.echo("\t".join(" ".join(str(row[column]).split()) or "n/a" for column in _COLUMNS))
        return
    _print_table(rows, out)
    n_files = sum(len(series.instances) for series in inventory.series)
    people = len(inventory.pseudonyms())
    err.print(
        f"{len(rows)} series, {n_files} files, {people} patient{'s' if people != 1 else ''} "
        f"({inventory.n_read} headers read, {inventory.n_reused} known from before)"
    )
    print_set_aside(inventory, err, everything=set_aside)


def _rows(inventory: Inventory, *, identified: bool) -> list[dict[str, object]]:
    from bidsflow.dicom.physics import classify

    names = inventory.pseudonyms()
    studies: dict[str, int] = {}
    rows = []
    for series in inventory.series:
        image = series.images[0]
        rows.append({
            "patient": series.patient.id if identified else names[series.patient.key],
            "study": studies.setdefault(series.study_uid, len(studies) + 1),
            "number": series.number,
            "description": series.description,
            "protocol_name": series.protocol_name,
            "kind": classify(series, image).kind.value,
            "matrix": "x".join(map(str, image.matrix)),
            "volumes": image.volumes,
            "images": len(series.images),
            "files": len(series.instances),
            "problems": "; ".join(series.problems),
            "series_uid": series.uid,
        })  # fmt: skip
    return rows


def _print_table(rows: list[dict[str, object]], out: "Console") -> None:  # noqa: UP037
    from rich.table import Table

    from bidsflow.cli.steps import printable

    table = Table(box=None, pad_edge=False, header_style="bold")
    shown = [column for column in _COLUMNS if column != "protocol_name" and any(row[column] for row in rows)]
    for column in shown:
        right = column in ("study", "number", "volumes", "images", "files")
        words = column in ("description", "kind", "problems")
        table.add_column(
            _TITLES.get(column, column), justify="right" if right else "left", overflow="fold",
            no_wrap=not words, min_width=12 if words else None,
        )  # fmt: skip
    for row in rows:
        cells = [printable(str(row[column])) for column in shown]
        if shown[-1] == "problems" and cells[-1]:
            cells[-1] = f"[yellow]{cells[-1]}[/]"
        table.add_row(*cells)
    out.print(table)


if TYPE_CHECKING:
    from rich.console import Console
