"""What became of the recordings of an export the last time, so that an unchanged log is not read again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bidsflow.convert.memory import read_json
from bidsflow.convert.pending import hash_uid
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import locked, write_durably
from bidsflow.errors import DatasetError

#: Answers that are kept: a study that is converted subject by subject has one for each.
_MOST = 512


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of some files.

    Attributes
    ----------
    made : tuple of str
        Paths of BIDS.
    unused : tuple of (int, str)
        Files that went nowhere, by their rank, and why.
    """

    made: tuple[str, ...]
    unused: tuple[tuple[int, str], ...]


def fingerprint(dataset: Dataset, files: Sequence[str], runs: Sequence[object]) -> str:
    """Return a text that is equal for the same files, unchanged, and the same runs; ``""`` where a file is gone.

    Parameters
    ----------
    files : sequence of str
        Their paths.
    runs : sequence of object
        Values with a telling `repr`.
    """
    try:
        stats = [os.stat(path) for path in files]  # noqa: PTH116 - paths are text here
    except OSError:
        return ""
    marks = [(path, one.st_size, one.st_mtime_ns, one.st_ino) for path, one in zip(files, stats, strict=True)]
    return hash_uid(dataset, repr((marks, runs)))


def recall(dataset: Dataset, mark: str) -> Answer | None:
    """Return the answer of the last time, None where there is none; a damaged memory is none."""
    entry = _read(dataset).get(mark) if mark else None
    try:
        return (
            None if entry is None else Answer(tuple(entry["made"]), tuple((int(n), str(s)) for n, s in entry["unused"]))
        )
    except (KeyError, TypeError, ValueError):
        return None


def remember(dataset: Dataset, mark: str, answer: Answer) -> None:
    """Keep an answer.

    Raises
    ------
    StorageError
        If the disk is full.
    """
    if not mark:
        return
    with locked(dataset):
        kept = {**_read(dataset), mark: {"made": answer.made, "unused": answer.unused}}
        text = json.dumps(dict(list(kept.items())[-_MOST:]), indent=1)
        write_durably(dataset.state / "recordings.json", text.encode(), mode=0o600)


def _read(dataset: Dataset) -> Mapping[str, dict[str, Any]]:
    try:
        return read_json(dataset.state / "recordings.json")
    except DatasetError:
        return {}
