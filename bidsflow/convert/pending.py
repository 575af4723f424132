"""What runs could not do, remembered until a later run does it: images in doubt or failed, files that were set aside.

One private file of the dataset, written under its lock, so that runs on several machines keep each other's.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType

from bidsflow.convert.memory import read_json
from bidsflow.convert.plan import PlanRow
from bidsflow.convert.survey import Outcome, Status
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import locked, write_durably
from bidsflow.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Waiting:
    """An image that is planned, or could be, and is not in the dataset as it is planned.

    Attributes
    ----------
    series_uid, image : str, int
        Which.
    series_number, title : int, str
        How people know its series.
    path : str
        BIDS path that it has or that was proposed; ``n/a`` where there is none.
    status : str
        ``review``, ``failed``, or ``left alone`` where edits stand against what is to be done.
    reason : str
        Why.
    """

    series_uid: str
    image: int
    series_number: int
    title: str
    path: str
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A file of an export that is not used, and that someone may miss.

    Attributes
    ----------
    path : str
        Within its export, persons and days masked.
    reason : str
        Why.
    """

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies, told by hashes.

    Attributes
    ----------
    hashes : tuple of str
        Of its path and of every folder around it, by `hash_uid`: whoever looks into one of these, looks at the file.
    """

    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pending:
    """What waits.

    Attributes
    ----------
    images : tuple of Waiting
        By path and series.
    files : tuple of (Quarantined, Place)
        What was set aside, and where it lies.
    """

    images: tuple[Waiting, ...] = ()
    files: tuple[tuple[Quarantined, Place], ...] = ()


def read_pending(dataset: Dataset) -> Pending:
    """Return what waits.

    Raises
    ------
    DatasetError
        If the file is damaged.
    """
    try:
        stored = read_json(dataset.pending_file)
        images = tuple(Waiting(**one) for one in stored.get("images", ()))
        listed = stored.get("files", ())
        files = tuple(
            (Quarantined(one["path"], one["reason"]), Place(tuple(one["within"])))
            for one in (listed if isinstance(listed, list) else ())  # else of an older version: it is told again
        )
    except (DatasetError, TypeError, AttributeError, KeyError) as error:
        hint = "Delete it: the next run tells again what waits in its exports"
        raise DatasetError(str(dataset.pending_file), "this file of bidsflow is damaged", hint) from error
    return Pending(images, files)


def note_images(
    dataset: Dataset,
    outcomes: Iterable[Outcome],
    reviews: Iterable[PlanRow],
    skipped: Iterable[PlanRow],
    shared: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Remember what failed and what is in doubt, and forget what is done or skipped.

    Parameters
    ----------
    outcomes : iterable of Outcome
        What became of images.
    reviews, skipped : iterable of PlanRow
        The other rows of the plan.
    shared : mapping of str to int
        `namesakes.count_images` of the export: images that are not there since the series of a UID were parted.

    Raises
    ------
    StorageError
        If the disk is full.
    """
    fresh = {_image(row): _wait(row, "review", row.evidence) for row in reviews}
    settled = {_image(row) for row in skipped}
    for one in outcomes:
        if one.status is Status.FAILED or one.waits:
            fresh[_image(one.row)] = _wait(one.row, one.status.value, one.reason)
        else:
            settled.add(_image(one.row))
    with locked(dataset):
        before = read_pending(dataset)
        kept = {(one.series_uid, one.image): one for one in before.images}
        settled |= {(uid, rank) for uid, rank in kept if rank > shared.get(uid, rank)}
        merged = {image: one for image, one in {**kept, **fresh}.items() if image in fresh or image not in settled}
        ordered = sorted(merged.values(), key=lambda one: (one.path, one.series_number, one.series_uid, one.image))
        _store(dataset, Pending(tuple(ordered), before.files))


def note_files(dataset: Dataset, exports: Sequence[Path], files: Sequence[tuple[str, Quarantined]]) -> None:
    """Remember what was set aside of some exports, in the place of what earlier runs set aside of the same places.

    Parameters
    ----------
    exports : sequence of Path
        What was looked through. A file that was set aside of another export is settled where it lies in one of these.
    files : sequence of (str, Quarantined)
        What was set aside of them, with its absolute path.

    Raises
    ------
    StorageError
        If the disk is full.
    """
    name = cache(partial(hash_uid, dataset))  # of folders that many files share
    looked = {name(str(export.absolute())) for export in exports}
    fresh = [
        (one, Place((hash_uid(dataset, path), *(name(str(folder)) for folder in Path(path).parents))))
        for path, one in files
    ]
    with locked(dataset):
        before = read_pending(dataset)
        kept = [(one, place) for one, place in before.files if not looked & set(place.hashes)]
        merged = sorted([*kept, *fresh], key=lambda pair: (pair[0].path, pair[0].reason, pair[1].hashes))
        _store(dataset, Pending(before.images, tuple(merged)))


def forget_files(dataset: Dataset) -> int:
    """Forget what was set aside, and return how many files that were; what is still there, the next run tells again.

    Raises
    ------
    StorageError
        If the disk is full.
    """
    with locked(dataset):
        before = read_pending(dataset)
        _store(dataset, Pending(before.images))
    return len(before.files)


def _store(dataset: Dataset, pending: Pending) -> None:
    if pending == read_pending(dataset):
        return
    content = {
        "images": [asdict(one) for one in pending.images],
        "files": [{**asdict(one), "within": place.hashes} for one, place in pending.files],
    }
    write_durably(dataset.pending_file, json.dumps(content, indent=1).encode(), mode=0o600)


def _image(row: PlanRow) -> tuple[str, int]:
    return row.series_uid, row.image


def _wait(row: PlanRow, status: str, reason: str) -> Waiting:
    return Waiting(row.series_uid, row.image, row.series_number, row.full_title, row.path, status, reason)


def hash_uid(dataset: Dataset, uid: str) -> str:
    """Return a name for a UID that tells nothing without the dataset's secret, ``""`` where it has none.

    UIDs of some scanners are the time of the scan: a plain digest of them could be found by trying all times.
    """
    try:
        secret = dataset.secret_file.read_bytes()
    except OSError:
        return ""
    return hashlib.blake2b(uid.encode(errors="surrogateescape"), key=secret[:64], digest_size=12).hexdigest()


def make_secret(dataset: Dataset) -> None:
    """Make the dataset's secret, if it has none. The caller holds the lock."""
    if not dataset.secret_file.exists():
        write_durably(dataset.secret_file, secrets.token_bytes(32), mode=0o600)
