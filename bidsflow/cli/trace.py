"""`bidsflow trace`: where a file came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bidsflow.cli.options import SOURCE, USAGE, end_help

HELP_END = end_help(
    {
        "bidsflow trace FILE": "where a derivative or a raw image came from",
        "bidsflow trace FILE --json": "for a program",
    },
    {0: "traced"},
    USAGE, SOURCE,
)  # fmt: skip


def trace(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A derivative, or a raw image.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Follow a file back: from a derivative to the raw image to the DICOM series, with what was run.

    The series is known where the dataset still has its private folder .bidsflow.
    """
    from bidsflow.app.trail import to_lines, trace_file

    origin = trace_file(file)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps(asdict(origin), indent=2))
        return
    for line in to_lines(origin):
        typer.echo(line)
