"""Recordings beside the images of a conversion: put there, and told of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.convert.companions.logfiles import Unused
    from bidsflow.convert.companions.place import Placed
    from bidsflow.convert.planner import Planned
    from bidsflow.dataset.tree import Dataset
    from bidsflow.dicom.series import Inventory


@dataclass(frozen=True, slots=True)
class Beside:
    """What became of the recordings of an export.

    Attributes
    ----------
    placed : tuple of Placed
        Files of BIDS.
    unused : tuple of Unused
        Recordings that go nowhere, by paths that may be shown.
    """

    placed: tuple[Placed, ...] = ()
    unused: tuple[Unused, ...] = ()

    @classmethod
    def put(
        cls, dataset: Dataset, inventory: Inventory, exports: Sequence[Path], planned: Planned, *, force: bool,
        dry: bool = False,
    ) -> Beside:  # fmt: skip
        """Put the recordings of exports beside the runs that a dataset holds; a dry run only says what would be put.

        Raises
        ------
        DatasetError, StorageError
            If the dataset cannot be written to.
        """
        from bidsflow.convert.companions.logfiles import Unused
        from bidsflow.convert.companions.recordings import add_recordings
        from bidsflow.convert.ledger import read_taken
        from bidsflow.convert.plan import NOT_APPLICABLE, Decision
        from bidsflow.dicom.occasions import base_of
        from bidsflow.sources import show_aside

        stands, asked = read_taken(dataset), {row.series_uid for row in planned.plan.rows}
        rows = [row for row in planned.others if row.decision is Decision.CONVERT]  # to tell whose a recording is
        rows += planned.plan.decided(Decision.CONVERT) if dry else ()
        stands |= {(row.series_uid, row.image): row.path for row in rows}
        studies = {base_of(one) for one in inventory.series if one.uid in asked} if planned.others else None
        reviewed = (*planned.plan.decided(Decision.REVIEW), *planned.others)
        waiting = {
            (row.series_uid, row.image): row.path
            for row in reviewed
            if row.decision is Decision.REVIEW
            and row.path != NOT_APPLICABLE
            and (row.series_uid, row.image) not in stands
        }
        skipped = {
            (row.series_uid, row.image)
            for row in (*planned.plan.rows, *planned.others)
            if row.decision is Decision.SKIP
        } - stands.keys()
        placed, unused = add_recordings(
            dataset, inventory, stands, waiting=waiting, skipped=skipped, studies=studies, force=force, dry=dry
        )
        if not unused:
            return cls(placed)
        shown = {
            one.path: aside.path for one, aside in zip(inventory.set_aside, show_aside(inventory, exports), strict=True)
        }
        return cls(placed, tuple(Unused(shown[one.path], one.reason) for one in unused))


def report_beside(beside: Beside, err: Console, *, dry: bool = False) -> None:
    """Say what was put beside runs, or would be, and which recordings go nowhere and why."""
    from bidsflow.cli.steps import SHOWN, printable
    from bidsflow.convert.companions.place import Fate

    written = [one for one in beside.placed if one.fate is Fate.WRITTEN and one.path.endswith(".tsv.gz")]
    if written:
        said = (
            "recordings of pulse or breathing to put beside their runs" if dry else "recordings put beside their runs"
        )
        err.print(f"{len(written)} {said}", soft_wrap=True)
    lines = [f"{one.path}: {one.reason}" for one in beside.placed if one.reason]
    lines += [f"{one.path}: {one.reason}" for one in beside.unused]
    for line in lines[:SHOWN]:
        err.print(f"[yellow]recording[/] {printable(line)}", soft_wrap=True)
    if len(lines) > SHOWN:
        err.print(f"[yellow]recording[/] {len(lines) - SHOWN} more; --json lists all")
