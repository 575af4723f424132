"""What a plan has to know of a dataset: names, and the wiring of images that it does not convert. Reads only."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from bidsflow.convert.content import is_same
from bidsflow.convert.known import Known
from bidsflow.convert.ledger import (
    Entry,
    Ledger,
    read_cohort,
    read_ledger,
    read_made,
    read_ruled,
    read_skipped,
    read_taken,
)
from bidsflow.convert.links import Held, Standing, read_links
from bidsflow.convert.namesakes import settle_series
from bidsflow.convert.occasions import settle_visits
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.private import read_key, read_shifts
from bidsflow.convert.shots import read_shot
from bidsflow.convert.times import read_times
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.series import Inventory
from bidsflow.names import home_of, parse_name

#: An image: SeriesInstanceUID and rank in its series.
_Image = tuple[str, int]


def read_known(dataset: Dataset) -> Known:
    """Return what a dataset holds and remembers, as far as a plan has to know it.

    Raises
    ------
    DatasetError
        If a file of bidsflow is damaged.
    """
    return Known(
        key=read_key(dataset),
        taken=read_taken(dataset),
        ruled=read_ruled(dataset),
        skipped=read_skipped(dataset),
        made=read_made(dataset),
        cohort=read_cohort(dataset),
        look_up=partial(read_held, dataset),
        find_beside=partial(find_beside, dataset),
    )


def meet_dataset(dataset: Dataset, inventory: Inventory) -> Inventory:
    """Return an inventory of which the series and visits that a dataset has are called as it calls them.

    Raises
    ------
    DatasetError
        If a file of bidsflow is damaged.
    """
    inventory = settle_series(inventory, read_made(dataset))
    return settle_visits(inventory, read_key(dataset), read_taken(dataset), partial(read_times, dataset))


def find_beside(dataset: Dataset, folder: str, uids: Collection[str]) -> tuple[Standing, ...]:
    """Return the images of a folder that are of none of some series, by SeriesInstanceUID.

    Raises
    ------
    DatasetError
        If a file of bidsflow is damaged.
    """
    entries = {path: entry for path, entry in read_ledger(dataset, folder).items() if entry.series_uid not in uids}
    return _stand(dataset, entries, ())


def read_held(dataset: Dataset, rows: Sequence[PlanRow]) -> dict[str, Held]:
    """Return what a dataset holds beside the images that rows convert, by folder.

    Parameters
    ----------
    rows : sequence of PlanRow
        All rows of a plan.

    Raises
    ------
    DatasetError
        If a ledger is damaged.
    """
    planned = {(row.series_uid, row.image): row.path for row in rows if row.decision is Decision.CONVERT}
    named = {(row.series_uid, row.image) for row in rows}
    folders = {parse_name(path).folder for path in planned.values()}
    ledgers = {folder: read_ledger(dataset, folder) for folder in sorted(folders)}
    if all((entry.series_uid, entry.image) in planned for ledger in ledgers.values() for entry in ledger.values()):
        return {}
    taken = read_taken(dataset)
    stand: dict[str, dict[str, str]] = defaultdict(dict)
    for image, path in planned.items():
        if image in taken:
            stand[home_of(path)][path] = taken[image]
    return {
        folder: read_folder(dataset, ledger, stand[folder], named, planned.keys()) for folder, ledger in ledgers.items()
    }


def read_folder(
    dataset: Dataset,
    ledger: Ledger,
    stand: Mapping[str, str],
    named: Collection[_Image],
    converted: Collection[_Image],
) -> Held:
    """Return what one folder holds beside the images that are converted; no sidecar is read where that is nothing.

    Parameters
    ----------
    ledger : Ledger
        Of the folder.
    stand : mapping of str to str
        Where images that are to be converted into the folder stand now, by the path that they are to have.
    named, converted : collection of (str, int)
        The images that the plan speaks of, and those that it converts, into whatever folder.
    """
    staying = _stand(dataset, {path: one for path, one in ledger.items() if _owner(one) not in converted}, named)
    return Held(
        {path: read_links(_read_sidecar(dataset, old)) for path, old in stand.items()} if staying else {}, staying
    )


def _stand(dataset: Dataset, entries: Mapping[str, Entry], named: Collection[_Image]) -> tuple[Standing, ...]:
    """Return the images of a ledger that are there, as they are wired and were measured."""
    there = {path: entry for path, entry in entries.items() if (dataset.root / f"{path}.nii.gz").exists()}
    shifts = read_shifts(dataset) if there else {}
    sidecars = {path: _read_sidecar(dataset, path) for path in there}
    return tuple(
        Standing(
            path, entry.series_uid, read_links(sidecars[path]), _owner(entry) in named,
            read_shot(entry.shot, entry.series_uid, entry.image, shifts.get(parse_name(path).sub)),
            _is_edited(dataset, f"{path}.json", entry), body_part=str(sidecars[path].get("BodyPart", "")),
        )
        for path, entry in there.items()
    )  # fmt: skip


def _is_edited(dataset: Dataset, name: str, entry: Entry) -> bool:
    """Return whether a sidecar is not as it was written."""
    return (
        name not in entry.files
        or not (dataset.root / name).is_file()
        or not is_same(dataset.root / name, entry.files[name])
    )


def _owner(entry: Entry) -> _Image:
    return entry.series_uid, entry.image


def _read_sidecar(dataset: Dataset, path: str) -> dict[str, object]:
    try:
        sidecar = json.loads((dataset.root / f"{path}.json").read_bytes())
    except (FileNotFoundError, ValueError):  # a person's doing
        return {}
    return sidecar if isinstance(sidecar, dict) else {}
