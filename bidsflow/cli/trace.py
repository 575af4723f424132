"""`bidsflow trace`: where files came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bidsflow.cli.options import SOURCE, USAGE, end_help

HELP_END = end_help(
    {
        "bidsflow trace FILE": "where a derivative, a page, a table of the group or a raw image came from",
        "bidsflow trace out/sub-01/figures/*": "several files",
        "bidsflow trace FILE --json": "for a program; of several files, a list",
    },
    {0: "traced", SOURCE: "a file lies in no dataset, or nothing is known of it; the others are traced"},
    USAGE,
)  # fmt: skip


def trace(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Derivatives, pages, tables or raw images.", show_default=False),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Follow files back: from a derivative to the raw image to the DICOM series, with what was run.

    It says whether the files are still what they were then. A table or page of the group leads to the results of
    participants, a page or figure to the images it was drawn from. The series is known where the dataset still has its
    private folder .bidsflow.
    """
    import json
    from dataclasses import asdict

    from bidsflow.app.trail import to_lines, trace_file
    from bidsflow.errors import BidsflowError, InputError

    origins, errors = [], []
    for file in files:
        try:
            origins.append(trace_file(file))
        except BidsflowError as error:
            errors.append(error)
    if as_json and origins:
        plain = [asdict(origin) for origin in origins]
        typer.echo(json.dumps(plain if len(files) > 1 else plain[0], indent=2))
    elif origins:
        for origin in origins:
            typer.echo("\n".join(to_lines(origin)))
    if len(errors) > 1:
        raise InputError(f"{len(errors)} files cannot be traced\n" + "\n".join(f"  - {error}" for error in errors))
    if errors:
        raise errors[0]
