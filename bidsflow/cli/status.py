"""`bidsflow status`: what a dataset holds, what waits, what was set aside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import TARGET, USAGE, end_help

if TYPE_CHECKING:
    from bidsflow.convert.status import Standing

HELP_END = end_help(
    {
        "bidsflow status BIDS_DIR": "what is in, what waits for you, what was set aside and why",
        "bidsflow status BIDS_DIR --forget": "drop what it says of files of exports that are gone",
        "bidsflow status BIDS_DIR --json": "for a program, every image with digests of what it was made of",
    },
    {0: "nothing waits", 1: "images wait or failed, files are missing, or a commit is not finished"},
    USAGE, TARGET,
)  # fmt: skip


def status(
    bids_dir: Annotated[
        Path, typer.Argument(metavar="BIDS_DIR", help="A dataset that bidsflow has made.", show_default=False)
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="First forget the files that were set aside; the next run tells what is left."),
    ] = False,
) -> None:
    """Say how a dataset stands: what is in, what waits and what was set aside in earlier runs.

    Nothing is written but by --forget, and no export is read. UIDs are shown as hashes with a secret of the dataset.
    """
    import json
    from dataclasses import asdict

    from bidsflow.convert.pending import forget_files
    from bidsflow.convert.status import read_status
    from bidsflow.dataset.tree import Dataset, check_readable
    from bidsflow.errors import DatasetError

    dataset = Dataset(check_readable(bids_dir))
    if not dataset.state.is_dir():
        raise DatasetError(str(bids_dir), "bidsflow has converted nothing here", "Name a dataset that it has made")
    if forget:
        forget_files(dataset)
    found = read_status(dataset)
    if as_json:
        waiting = [
            {"path": one.path, "series_number": one.series_number, "status": one.status, "reason": one.reason}
            for one in found.waiting
        ]
        typer.echo(json.dumps({**asdict(found), "waiting": waiting}, indent=2))
    else:
        _print(found)
    if found.waiting or found.commits or any(one.missing for one in found.images):
        raise typer.Exit(1)


def _print(found: Standing) -> None:
    from itertools import groupby

    from bidsflow.cli.steps import SHOWN, consoles, printable
    from bidsflow.convert.drift.findings import count_words

    out, _ = consoles()
    for folder, members in groupby(found.images, key=lambda one: one.folder):
        out.print(f"[bold]{folder}[/]  {count_words(len(list(members)), 'image')}", soft_wrap=True)
    for image in found.images:
        for word, names in (("edited", image.edited), ("missing", image.missing)):
            for name in names:
                out.print(f"[yellow]{word}[/] {printable(name)}", soft_wrap=True)
    for companion in found.companions:
        if companion.state:
            said = "alone, its image has gone" if companion.state == "alone" else companion.state
            out.print(f"[yellow]{said}[/] {printable(companion.path)}", soft_wrap=True)
    for one in found.waiting:
        colour = "red" if one.status == "failed" else "yellow"
        out.print(f"[{colour}]{one.status}[/] {printable(f'{one.title}: {one.reason}')}", soft_wrap=True)
    for aside in found.quarantined[:SHOWN]:
        out.print(f"[yellow]set aside[/] {printable(f'{aside.path}: {aside.reason}')}", soft_wrap=True)
    if len(found.quarantined) > SHOWN:
        out.print(f"[yellow]set aside[/] {len(found.quarantined) - SHOWN} more; --json lists all")
    if found.commits:
        out.print(f"[yellow]{found.commits} commits are not finished[/]; the next convert finishes them")
    if found.at_work:
        out.print(f"{found.at_work} runs are at work")
    beside = f"{count_words(len(found.companions), 'file')} beside them, " if found.companions else ""
    counts = f"{count_words(len(found.images), 'image')}, {beside}{len(found.waiting)} waiting"
    out.print(f"{counts}, {count_words(len(found.quarantined), 'file')} set aside", soft_wrap=True)
