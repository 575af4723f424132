"""What was converted from what: the memory that lets a second run do only what is missing or changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bidsflow.convert.subjects import Key
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import write_durably
from bidsflow.dicom.series import Series
from bidsflow.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Stamp:
    """A file as it was when it was written.

    Attributes
    ----------
    size, mtime_ns : int
        A file with the same of both is taken for the same.
    digest : str
        BLAKE2b of its content, which decides where they differ.
    """

    size: int
    mtime_ns: int
    digest: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One converted image.

    Attributes
    ----------
    series_uid, image : str, int
        Where it came from.
    source : str
        Digest of the instances that it was made of.
    files : mapping of str to Stamp
        What was written, by path relative to the dataset.
    """

    series_uid: str
    image: int
    source: str
    files: Mapping[str, Stamp]


#: Entries by BIDS path without extension.
Ledger = dict[str, Entry]


def source_digest(series: Series) -> str:
    """Return a digest of the instances of a series that does not depend on where they lie or in which order."""
    lines = sorted(f"{one.header.text('SOPInstanceUID')} {one.file.size}" for one in series.instances)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=16).hexdigest()


def stamp(path: Path) -> Stamp:
    """Return what identifies the present content of a file."""
    status = path.stat()
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    return Stamp(status.st_size, status.st_mtime_ns, digest)


def is_same(path: Path, known: Stamp) -> bool:
    """Return whether a file still has the content that it was written with."""
    status = path.stat()
    if (status.st_size, status.st_mtime_ns) == (known.size, known.mtime_ns):
        return True
    return status.st_size == known.size and stamp(path).digest == known.digest


def read_ledger(dataset: Dataset, folder: str) -> Ledger:
    """Return what stands in one folder of a subject or session; empty where nothing was converted to it.

    Raises
    ------
    DatasetError
        If the ledger is damaged.
    """
    stored = _read_json(dataset.ledger_file(folder))
    try:
        return {
            path: Entry(
                entry["series_uid"], int(entry["image"]), entry["source"],
                {name: Stamp(**values) for name, values in entry["files"].items()},
            )
            for path, entry in stored.items()
        }  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged(dataset.ledger_file(folder)) from error


def format_ledger(ledger: Ledger) -> bytes:
    """Return a ledger as it is stored."""
    return json.dumps({path: asdict(ledger[path]) for path in sorted(ledger)}, indent=1).encode()


def read_taken(dataset: Dataset) -> dict[tuple[str, int], str]:
    """Return the BIDS path of every image that was converted, by SeriesInstanceUID and rank."""
    folders = [file.stem for file in sorted((dataset.state / "ledger").glob("*.json"))]
    ledgers = [read_ledger(dataset, folder) for folder in folders]
    return {(entry.series_uid, entry.image): path for ledger in ledgers for path, entry in ledger.items()}


def read_key(dataset: Dataset) -> Key:
    """Return the private key of a dataset; an empty one where it has none.

    Raises
    ------
    DatasetError
        If the key is damaged.
    """
    stored = _read_json(dataset.key_file)
    try:
        places = {study: (place[0], place[1]) for study, place in stored.get("sessions", {}).items()}
        shifts = {subject: int(days) for subject, days in stored.get("shifts", {}).items()}
        return Key(dict(stored.get("subjects", {})), places, shifts)
    except (IndexError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(dataset.key_file) from error


def write_key(dataset: Dataset, key: Key) -> None:
    """Store the private key, readable by its owner only."""
    text = json.dumps(asdict(key), indent=1, sort_keys=True)
    write_durably(dataset.key_file, text.encode(), mode=0o600)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise _damaged(path) from error
    if not isinstance(stored, dict):
        raise _damaged(path)
    return stored


def _damaged(path: Path) -> DatasetError:
    return DatasetError(
        str(path), "this file of bidsflow is damaged", "Restore it from a backup, or convert into a new folder"
    )
