"""Images of a dataset that someone has renamed by hand: they are found by their content. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

from bidsflow.convert.content import Stamp
from bidsflow.convert.ledger import read_ledger
from bidsflow.dataset.tree import Dataset
from bidsflow.digest import digest_file


def find_strays(dataset: Dataset, missing: Mapping[str, Stamp]) -> dict[str, str]:
    """Return where images that are missing seem to be, by their names; files are read only where the size is theirs.

    Parameters
    ----------
    dataset : Dataset
        What is there.
    missing : mapping of str to Stamp
        What was written, by paths relative to the dataset. Where that stands under a name that bidsflow did not give,
        it is taken for the same.
    """
    by_size: dict[int, list[str]] = defaultdict(list)
    for name, known in missing.items():
        by_size[known.size].append(name)
    ours = _list_written(dataset)
    found: dict[str, str] = {}
    for file in sorted(dataset.root.glob("sub-*/**/*.nii.gz")):
        path = str(file.relative_to(dataset.root))
        same = by_size.get(_measure(file), []) if path not in ours else []
        held = (one for one in same if one not in found and _holds(file, missing[one]))
        found |= dict.fromkeys(islice(held, 1), path)
    return found


def _list_written(dataset: Dataset) -> set[str]:
    """Return the files of all images that bidsflow wrote."""
    folders = [file.stem for file in (dataset.state / "ledger").glob("*.json")]
    return {name for folder in folders for entry in read_ledger(dataset, folder).values() for name in entry.files}


def _measure(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:  # a link of git-annex to content that is not here
        return -1


def _holds(file: Path, known: Stamp) -> bool:
    try:
        return digest_file(file, known.digest)[0] == known.digest
    except OSError:
        return False
