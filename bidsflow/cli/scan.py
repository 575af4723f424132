"""`bidsflow scan`: what an export holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import INTERRUPTED, SOURCE, STORAGE, USAGE, StudyOption, end_help

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bidsflow.convert.study.apply import StudyFile
    from bidsflow.dicom.series import Inventory

_COLUMNS = (
    "patient", "study", "number", "description", "protocol_name", "kind", "matrix", "volumes", "images", "files",
    "problems",
)  # fmt: skip

_TITLES = {"number": "no.", "kind": "measured", "volumes": "vol", "images": "img"}
#: The columns of the table, and how wide a terminal must be to show each; problems then stand below the description.
_ROOM = {
    "number": 0, "description": 0, "kind": 0, "rule": 0, "matrix": 70, "volumes": 0, "images": 90, "files": 50,
    "problems": 110,
}  # fmt: skip


HELP_END = end_help(
    {
        "bidsflow scan EXPORT": "the series of a folder, a disc, or several of them",
        "bidsflow scan EXPORT --tsv > series.tsv": "for a spreadsheet",
        "bidsflow scan EXPORT --json": "for a program",
        "bidsflow scan EXPORT --study study.toml": "which rule of your study is about which series",
        "bidsflow scan EXPORT --set-aside --identified": "every file that is not used, with its whole path",
    },
    {0: "the export was read"},
    USAGE, SOURCE, STORAGE, INTERRUPTED,
)  # fmt: skip


def scan(
    exports: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXPORT...", help="Folders or files from the scanner.", show_default=False, readable=False
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with the files that are not used.")] = False,
    as_tsv: Annotated[bool, typer.Option("--tsv", help="Print tab-separated values.")] = False,
    set_aside: Annotated[bool, typer.Option("--set-aside", help="List every file that is not used, and why.")] = False,
    identified: Annotated[
        bool,
        typer.Option("--identified", help="Show patient IDs, UIDs (with --json) and whole paths, which are masked."),
    ] = False,
    study: StudyOption = None,
    no_index: Annotated[bool, typer.Option("--no-index", help="Neither use nor keep what was read before.")] = False,
) -> None:
    """Show what an export holds, one row per series.

    Reads headers only, and changes nothing. What was read is kept in your cache folder (private to you), so that a
    second scan reads only what is new. Names, IDs, UIDs and days in paths are shown as ***.
    """
    from bidsflow.cli.steps import cache_file, consoles, open_study, opened, print_set_aside

    if as_json and as_tsv:
        raise typer.BadParameter("--json and --tsv exclude each other: choose one")
    err = consoles()[1]
    in_force = open_study(study, None, err)
    with opened(exports, None if no_index else cache_file(exports), err) as inventory:
        rows = _rows(inventory, identified=identified)
        columns: tuple[str, ...] = _COLUMNS
        if in_force is not None:
            rows, columns = _add_rules(rows, inventory, exports, in_force), (*_COLUMNS, "rule")
        if as_json:
            _print_json(rows, inventory, exports, identified=identified)
        elif as_tsv:
            typer.echo("\t".join(columns))
            for row in rows:
                typer.echo("\t".join(" ".join(str(row[column]).split()) or "n/a" for column in columns))
        else:
            _print_summary(rows, inventory)
            print_set_aside(inventory, exports, err, everything=set_aside, identified=identified)


def _print_json(rows: list[dict[str, object]], inventory: Inventory, exports: list[Path], *, identified: bool) -> None:
    import json
    from dataclasses import asdict

    from bidsflow.sources import show_aside

    aside = [asdict(one) for one in show_aside(inventory, exports, identified=identified)]
    notes = [str(collision) for collision in inventory.collisions]
    counts = {"read": inventory.n_read, "reused": inventory.n_reused}
    typer.echo(json.dumps({"series": rows, "set_aside": aside, "notes": notes, "files": counts}, indent=2))


def _print_summary(rows: list[dict[str, object]], inventory: Inventory) -> None:
    from bidsflow.cli.steps import consoles

    out, err = consoles()
    print_rows(rows, out)
    n_files = sum(len(series.instances) for series in inventory.series)
    err.print(
        f"{len(rows)} series, {n_files} files, {count_people(inventory)} "
        f"({inventory.n_read} headers read, {inventory.n_reused} known from before)"
    )


def count_people(inventory: Inventory) -> str:
    """Return how many people the headers name, and how many studies name nobody: each of these may be anyone's."""
    people = len({one.patient.key for one in inventory.series if one.patient.is_named})
    nameless = len({one.study_uid for one in inventory.series if not one.patient.is_named})
    named = f"{people} patient{'s' if people != 1 else ''}"
    unknown = f"{nameless} stud{'ies' if nameless != 1 else 'y'} without an ID or a name"
    if not nameless:
        return named
    return f"{named} and {unknown}" if people else unknown


def _rows(inventory: Inventory, *, identified: bool) -> list[dict[str, object]]:
    from bidsflow.dicom.physics import classify

    names = inventory.pseudonyms()
    studies: dict[str, int] = {}
    rows: list[dict[str, object]] = []
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
            **({"series_uid": series.uid} if identified else {}),
        })  # fmt: skip
    return rows


def _add_rules(
    rows: list[dict[str, object]], inventory: Inventory, exports: list[Path], study: StudyFile
) -> list[dict[str, object]]:
    """Return the rows with the place of the rules of a study that are about the images of each series."""
    from bidsflow.convert.study.apply import lay_over

    book = lay_over(study, inventory, exports)
    places = [dict.fromkeys(book.find_place(one, image) for image in one.images) for one in inventory.series]
    return [{**row, "rule": " ".join(filter(None, some))} for row, some in zip(rows, places, strict=True)]


def print_rows(rows: list[dict[str, object]], out: Console) -> None:
    """Print a table of the series for each study, with as many columns as there is room for."""
    from itertools import groupby

    from bidsflow.cli.steps import print_table, printable

    studies = [list(members) for _, members in groupby(rows, key=lambda row: (row["patient"], row["study"]))]
    for members in studies:
        if len(studies) > 1:
            out.print(f"[bold]{printable(str(members[0]['patient']))}, study {members[0]['study']}[/]")
        print_table(_make_table(members, out.width), out)


def _make_table(rows: list[dict[str, object]], width: int) -> Table:
    from rich.table import Table

    from bidsflow.cli.steps import printable

    shown = [column for column, need in _ROOM.items() if width >= need and any(row.get(column) for row in rows)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in shown:
        words = column in ("description", "kind", "problems")
        table.add_column(
            _TITLES.get(column, column),
            justify="right" if column in ("number", "volumes", "images", "files") else "left",
            overflow="fold",
            no_wrap=not words,
        )
    for row in rows:
        cells = {column: printable(str(row[column])) for column in (*shown, "problems")}
        problems = f"[yellow]{cells['problems']}[/]" if cells["problems"] else ""
        if "problems" in shown:
            cells["problems"] = problems
        elif problems:
            cells["description"] += f"\n{problems}"
        table.add_row(*(cells[column] for column in shown))
    return table
