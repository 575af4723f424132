"""`bidsflow new-pipeline`: begin a BIDS App of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from bidsflow.cli.options import TARGET, USAGE, end_help

HELP_END = end_help(
    {
        "bidsflow new-pipeline my-measure": "write the folder my-measure",
        "bidsflow run ./my-measure BIDS_DIR OUTPUT_DIR participant group": "run it, as every other",
    },
    {0: "written"},
    USAGE, TARGET,
)  # fmt: skip


def new_pipeline(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Small letters, digits and dashes.", show_default=False)],
    into: Annotated[
        Path | None, typer.Option("--into", help="The folder to make (default: one of this name here).")
    ] = None,
    summary: Annotated[str, typer.Option("--summary", help="One sentence about what it does.")] = "",
) -> None:
    """Write the folder of a new BIDS App, which runs as it is, with its tests."""
    from bidsflow.app.scaffold import new_pipeline as write_folder

    target = into or Path(name)
    for path in write_folder(name, target, summary):
        typer.echo(path)
    folder = shlex.quote(str(target) if "/" in str(target) else f"./{target}")
    typer.echo(f"\nrun it:   bidsflow run {folder} BIDS_DIR OUTPUT_DIR participant group")
    typer.echo(f"test it:  pytest {folder}")
