"""`bidsflow dump`: every element of a DICOM file, safe to paste into a bug report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import SOURCE, USAGE, end_help

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.text import Text

    from bidsflow.dicom.dump import DumpRow

_NAME_COLUMN = 62  # where values begin, unless deep nesting or a long name pushes them right
_MAX_VALUE = 160  # characters of one value that a line shows


HELP_END = end_help(
    {
        "bidsflow dump FILE": "every element, identifying values masked",
        "bidsflow dump FILE -t EchoTime -t 0018,0080": "some elements, with their place",
        "bidsflow dump FILE --json": "for a program",
    },
    {0: "shown", 1: "the file has none of the elements that were asked for"},
    USAGE, SOURCE,
)  # fmt: skip


def dump(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A DICOM file, plain or in gzip.", show_default=False, readable=False)
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="DICOM JSON with every value, nested as in the file.")
    ] = False,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag",
            "-t",
            metavar="TAG",
            help="Only this element, wherever it is nested: EchoTime, 0018,0081 or 00180081. May be repeated.",
            show_default=False,
        ),
    ] = None,
    identified: Annotated[
        bool, typer.Option("--identified", help="Show what may identify a person, a place or a date, too.")
    ] = False,
) -> None:
    """Show every element of one DICOM file.

    Names, IDs, dates, places, free text and unknown private elements are masked, so that the output can be shown to
    others; --identified shows them. Pixel data is never read.
    """
    from bidsflow.dicom import dump as dumping
    from bidsflow.errors import HeaderError, SourceError

    try:
        wanted = frozenset(dumping.parse_tag(text) for text in tag or ())
    except HeaderError as error:
        raise typer.BadParameter(error.reason, param_hint="--tag") from None
    dataset, problem = dumping.read_file(file)
    try:
        if as_json:
            n_found = _write_json(dumping.to_json(dataset, identified=identified), wanted)
        else:
            rows = dumping.rows(dataset, identified=identified)
            n_found = _write_rows(dumping.select_rows(rows, wanted) if wanted else rows, with_path=bool(wanted))
    except HeaderError as error:
        raise SourceError(str(file), error.reason) from None
    if problem:
        raise SourceError(str(file), problem)
    if not n_found:
        typer.echo(f"not in this file: {', '.join(sorted(wanted))}", err=True)
        raise typer.Exit(1)


def _write_json(document: dict[str, object], wanted: frozenset[str]) -> int:
    """Print a document, or the list of what was asked of it, and return how many elements those are."""
    import json

    from bidsflow.dicom.dump import select_json

    result: object = list(select_json(document, wanted)) if wanted else document
    typer.echo(json.dumps(result, indent=2, allow_nan=False))
    return len(result) if isinstance(result, (list, dict)) else 0


def _write_rows(rows: Iterable[DumpRow], *, with_path: bool) -> int:
    """Print a line per row and return how many there were."""
    from rich.console import Console

    console = Console(highlight=False)
    n_rows = n_masked = 0
    for row in rows:
        line = _format_path(row) if with_path else _format_row(row)
        if console.is_terminal:
            console.print(line, no_wrap=True, overflow="ellipsis", crop=not with_path, soft_wrap=with_path)
        else:
            typer.echo(line.plain.rstrip())
        n_rows += 1
        n_masked += row.masked
    if n_masked:
        noun = "value is" if n_masked == 1 else "values are"
        typer.echo(f"{n_masked} identifying {noun} masked; --identified shows them", err=True)
    return n_rows


def _format_row(row: DumpRow) -> Text:
    """Lay out a row in columns: tag, value representation, length, name, value."""
    from rich.text import Text

    from bidsflow.dicom.dump import shorten

    line = Text("  " * row.depth)
    if not row.vr:
        return line.append(row.name, "dim")
    length = str(row.length) if row.length >= 0 else "-"
    line.append(f"({row.tag})", "cyan").append(f" {row.vr:2}", "magenta").append(f" {length:>7}  ", "dim")
    line.append(row.name, "blue" if row.name.startswith("[") else "dim" if row.name == "?" else "bold")
    line.append(" " * max(_NAME_COLUMN - len(line), 2))
    return line.append(shorten(row.value, _MAX_VALUE), _value_style(row))


def _format_path(row: DumpRow) -> Text:
    """Lay out a row that was asked for by name: where it is, and its whole value."""
    from rich.text import Text

    line = Text(row.path, "bold")
    if not row.vr:
        return line
    line.append(f" ({row.tag})", "cyan").append(f" {row.vr}  ", "magenta")
    return line.append(row.value, _value_style(row))


def _value_style(row: DumpRow) -> str:
    if row.masked:
        return "yellow"
    return "dim" if row.vr == "SQ" or row.value.startswith("<") else ""
