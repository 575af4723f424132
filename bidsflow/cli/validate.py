"""`bidsflow validate`: whether a dataset keeps to BIDS."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import INTERRUPTED, TOOL, USAGE, end_help

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

#: As the reference validator: the dataset was checked, and it has errors.
EXIT_INVALID = 16


HELP_END = end_help(
    {
        "bidsflow validate BIDS_DIR": "errors and warnings, grouped",
        "bidsflow validate BIDS_DIR --ignore-warnings": "errors only",
        "bidsflow validate BIDS_DIR --json": "every issue, for a program",
    },
    {0: "no errors (warnings do not count)", EXIT_INVALID: "the dataset has errors"},
    USAGE, TOOL, INTERRUPTED,
)  # fmt: skip


def validate(
    bids_dir: Annotated[
        Path, typer.Argument(metavar="BIDS_DIR", help="Where dataset_description.json is.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Every issue, in JSON of a stable form.")] = False,
    ignore_warnings: Annotated[bool, typer.Option("--ignore-warnings", help="Report errors only.")] = False,
    ignore_nifti_headers: Annotated[bool, typer.Option("--ignore-nifti-headers", help="Do not open images.")] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Validate the datasets below derivatives/, too.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help='JSON that ignores or regrades codes: {"ignore": [{"code": "EMPTY_FILE"}]}.',
            exists=True,
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    max_rows: Annotated[
        int | None,
        typer.Option(
            "--max-rows",
            min=-1,
            help="Rows to check of each table; -1 for all. By default 1000, and all participants.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check a dataset against the BIDS standard.

    Runs the reference validator of BIDS, which comes with bidsflow's extra `validate`, and groups what it says.
    """
    from bidsflow.validate import run

    _check_root(bids_dir)
    with _spinner(f"validating {bids_dir.name or bids_dir}"):
        report = run(
            bids_dir,
            ignore_warnings=ignore_warnings,
            ignore_nifti_headers=ignore_nifti_headers,
            recursive=recursive,
            config=config,
            max_rows=max_rows,
        )
    if as_json:
        from bidsflow.validate.render.json import render_json

        typer.echo(render_json(report))
    else:
        from rich.console import Console

        from bidsflow.validate.render.text import render_text

        console = Console(highlight=False)
        width = console.width if console.is_terminal else 100
        console.print(render_text(report, width=width), soft_wrap=True, end="")
    raise typer.Exit(0 if report.ok else EXIT_INVALID)


def _check_root(root: Path) -> None:
    """Refuse what no one means to validate: a file, or a folder that is not the root of a dataset."""
    if not root.is_dir():
        reason = "is not a folder" if root.exists() else "does not exist"
        raise typer.BadParameter(f"{root} {reason}", param_hint="BIDS_DIR")
    if (root / "dataset_description.json").exists():
        return
    above = next((up for up in root.absolute().parents if (up / "dataset_description.json").is_file()), None)
    hint = f"it lies within the dataset {above}" if above else "give the folder that holds this file"
    raise typer.BadParameter(f"{root} has no dataset_description.json: {hint}", param_hint="BIDS_DIR")


def _spinner(title: str) -> AbstractContextManager[object]:
    """Show on a terminal that something is going on; elsewhere nothing."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    return console.status(escape(title)) if console.is_terminal else contextlib.nullcontext()
