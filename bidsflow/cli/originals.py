"""`bidsflow convert --keep-source`: what the command asks and says of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.convert.originals import Kept
    from bidsflow.convert.plan import Plan
    from bidsflow.dataset.tree import Dataset
    from bidsflow.dicom.series import Inventory


def check_keeping(dataset: Dataset, exports: Sequence[Path], cluster: object | None) -> None:
    """Refuse to keep what is kept already, and what tasks of a cluster would have to keep.

    Raises
    ------
    typer.BadParameter
        If so.
    """
    if cluster is not None:
        raise typer.BadParameter("--keep-source works on this machine only: convert on the cluster, then keep here")
    for export in exports:
        if dataset.root / "sourcedata" in (export.resolve(), *export.resolve().parents):
            raise typer.BadParameter(f"--keep-source: {export} lies in sourcedata of the dataset, and so is kept")


def keep(dataset: Dataset, inventory: Inventory, plan: Plan, *, dry: bool = False) -> tuple[Kept, ...]:
    """Keep the originals of what a plan converts; see `originals.keep_originals`."""
    from bidsflow.convert.originals import keep_originals

    return keep_originals(dataset, inventory, _places(plan), dry=dry)


def _places(plan: Plan) -> dict[str, str]:
    from bidsflow.convert.plan import Decision

    return {row.series_uid: row.path for row in plan.decided(Decision.CONVERT)}


def report_former(dataset: Dataset, inventory: Inventory, plan: Plan, console: Console) -> None:
    """Say which archives stand under labels that their studies have given up."""
    from bidsflow.convert.originals import find_former

    for name in find_former(dataset, inventory, _places(plan)):
        _print_former(name, console)


def _print_former(name: str, console: Console) -> None:
    console.print(f"[yellow]left behind[/] {name}: its study has another label now: move it, or delete it",
                  soft_wrap=True)  # fmt: skip


def report_kept(kept: Sequence[Kept], console: Console) -> None:
    """Say what was kept, and that it names people."""
    from bidsflow.cli.steps import SHOWN
    from bidsflow.convert.drift.findings import count_words

    new = [one for one in kept if one.archive]
    for one in new[:SHOWN]:
        console.print(f"{count_words(one.files, 'file')} in {one.archive}", soft_wrap=True)
    if len(new) > SHOWN:
        console.print(f"{len(new) - SHOWN} more archives in sourcedata/")
    for one in kept:
        if one.unread:
            said = f"{count_words(one.unread, 'original')} of {one.folder} cannot be read any more: run it once more"
            console.print(f"[red]not kept[/] {said}", soft_wrap=True)
    for name in dict.fromkeys(name for one in kept for name in one.former):
        _print_former(name, console)
    if new:
        said = "sourcedata/ holds the originals, with names, IDs and dates: leave it out of what you share"
        console.print(f"[yellow]private[/] {said}", soft_wrap=True)
