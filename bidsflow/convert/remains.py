"""Files beside images that keep a name which their image has given up (events, recordings). Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsflow.convert.companions.place import read_placed
from bidsflow.convert.ledger import read_ledger
from bidsflow.dataset.tree import Dataset
from bidsflow.errors import BidsflowError
from bidsflow.names import BidsName, parse_name

#: Tables that bidsflow keeps itself.
_TABLES = ("_scans.tsv", "_scans.json", "_sessions.tsv", "_sessions.json")
_IMAGES = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Remain:
    """A file under a name that images had before.

    Attributes
    ----------
    path : str
        Relative to the dataset.
    now : str
        The present path of the image that it stood beside, or where all images of its folder are.
    ours : bool
        Whether bidsflow put it there; it could not follow its image then.
    """

    path: str
    now: str
    ours: bool = False

    def __str__(self) -> str:
        why = "something stands under its new name" if self.ours else "bidsflow did not write it"
        return (
            f"{self.path}: {why}, so it keeps its name; what it stood beside is now {self.now}. "
            "Rename it if it belongs to that"
        )


def find_remains(dataset: Dataset, moved: Mapping[str, str]) -> tuple[Remain, ...]:
    """Return the files that belong to images which have got other names, or are alone in their folders.

    A file belongs to an image if it has no other entities than that, as events of all echoes have. Images of others
    (with their sidecars) are their own.

    Parameters
    ----------
    dataset : Dataset
        After the images have moved.
    moved : mapping of str to str
        The present path of each by its former path.
    """
    found: dict[str, Remain] = {}
    placed = read_placed(dataset) if moved else {}
    for folder in sorted({parse_name(path).folder for path in moved}):
        ledger = read_ledger(dataset, folder)
        ours = {name for entry in ledger.values() for name in entry.files}
        gone = {path: now for path, now in moved.items() if parse_name(path).folder == folder}
        stay = [parse_name(path) for path in ledger if path not in moved.values()]
        strangers = [name for name in _list_files(dataset.root, folder) if name not in ours]
        for name in strangers:
            now = _find_image(name, strangers, gone, stay)
            if not now and not ledger:
                now = " and ".join(sorted({parse_name(path).folder for path in gone.values()}))
            if now:
                found[name] = Remain(name, now, name in placed)
    return tuple(found.values())


def _list_files(root: Path, folder: str) -> list[str]:
    """Return the files of a subject or session; those of a subject's sessions are not its own."""
    files = (file for file in sorted((root / folder).rglob("*")) if not file.is_dir())
    names = [str(file.relative_to(root)) for file in files]
    return [name for name in names if not name.endswith(_TABLES) and (folder.count("/") or "/ses-" not in name)]


def _find_image(name: str, strangers: Sequence[str], gone: Mapping[str, str], stay: Iterable[BidsName]) -> str:
    """Return where an image is now that a file belonged to, ``""`` where it belongs to one that stays, or to none."""
    stem = name.partition(".")[0]
    if any(f"{stem}{ext}" in strangers for ext in _IMAGES):
        return ""
    try:
        own = parse_name(name)
    except BidsflowError:
        return ""
    if any(_belongs(own, image) for image in stay):
        return ""
    found = [path for path in gone if _belongs(own, parse_name(path))]
    return gone[min(found, key=lambda path: (path.endswith("_sbref"), path))] if found else ""


def _belongs(own: BidsName, image: BidsName) -> bool:
    entities = {pair for pair in own.entities if pair[0] != "recording"}
    return own.datatype == image.datatype and entities <= set(image.entities)
