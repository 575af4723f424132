"""Put companions beside their images: whole or not at all, and nothing over what others wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from bidsflow.convert.companions.images import list_images
from bidsflow.convert.content import Stamp, is_same, stamp
from bidsflow.convert.memory import read_json, say_damaged
from bidsflow.dataset.draft import Draft
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import commit, locked, staging, storage_errors
from bidsflow.names import parse_name


@dataclass(frozen=True, slots=True)
class Companion:
    """A file that is to stand beside an image.

    Attributes
    ----------
    path : str
        Relative to the dataset, with its extension.
    data : bytes
        What it holds.
    """

    path: str
    data: bytes


class Fate(StrEnum):
    """What became of a companion."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    KEPT = "left alone"


@dataclass(frozen=True, slots=True)
class Placed:
    """A companion and what became of it.

    Attributes
    ----------
    path : str
        Relative to the dataset.
    fate : Fate
        What became of it.
    reason : str
        Why it was left alone.
    """

    path: str
    fate: Fate
    reason: str = ""


def place(
    dataset: Dataset, companions: Sequence[Companion], *, force: bool = False, dry: bool = False
) -> tuple[Placed, ...]:
    """Bring companions into a dataset, all in one commit, and return what became of each.

    What stands there and was not written by bidsflow, or was edited since, is left alone. Nothing is written beside
    images that another run has renamed or taken away meanwhile.

    Parameters
    ----------
    force : bool
        Replace what others wrote, too; it is put by in ``.bidsflow/replaced/``.
    dry : bool
        Only say what would become of each.

    Raises
    ------
    DatasetError
        If the memory of what was written is damaged, or the dataset cannot be written to.
    StorageError
        If the disk is full.
    """
    foreseen = _decide(dataset, companions, force=force)
    if dry or all(one.fate is not Fate.WRITTEN for one in foreseen):
        return foreseen
    with staging(dataset) as staged, storage_errors(dataset.root), locked(dataset):
        decided = _decide(dataset, companions, force=force)  # another run may have been here
        placed = tuple(_miss_image(dataset, one) if one.fate is Fate.WRITTEN else one for one in decided)
        new = {one.path for one in placed if one.fate is Fate.WRITTEN}
        draft = Draft(dataset, staged.tree())
        stamps = read_placed(dataset)
        for one in companions:
            if one.path in new:
                target = draft.place(one.path)
                target.write_bytes(one.data)
                stamps[one.path] = stamp(target)
        draft.write(memory_file(dataset), format_placed(stamps))
        commit(staged, draft.tree, (), sorted(path for path in new if (dataset.root / path).exists()))
    return placed


def _decide(dataset: Dataset, companions: Sequence[Companion], *, force: bool) -> tuple[Placed, ...]:
    stamps = read_placed(dataset)
    return tuple(_look(dataset, one, stamps.get(one.path), force=force) for one in companions)


def _look(dataset: Dataset, one: Companion, known: Stamp | None, *, force: bool) -> Placed:
    present = dataset.root / one.path
    if not present.exists():
        return Placed(one.path, Fate.WRITTEN)
    if present.is_file() and present.stat().st_size == len(one.data) and present.read_bytes() == one.data:
        return Placed(one.path, Fate.UNCHANGED)
    if force or (known is not None and is_same(present, known)):
        return Placed(one.path, Fate.WRITTEN)
    who = "it was changed by hand" if known is not None else "bidsflow did not write what stands there"
    return Placed(one.path, Fate.KEPT, f"{who}; --force replaces it")


def _miss_image(dataset: Dataset, one: Placed) -> Placed:
    """Return a companion as it is, or left alone where no image of its run is there."""
    if list_images(dataset.root, parse_name(one.path)):
        return one
    said = "its run has gone from there meanwhile, by another command; run the same command again"
    return replace(one, fate=Fate.KEPT, reason=said)


def stands_as_written(dataset: Dataset, paths: Sequence[str]) -> bool:
    """Return whether companions are all there, as bidsflow wrote them.

    Raises
    ------
    DatasetError
        If the memory of what was written is damaged.
    """
    stamps = read_placed(dataset) if paths else {}
    return all(
        path in stamps and (dataset.root / path).is_file() and is_same(dataset.root / path, stamps[path])
        for path in paths
    )


def read_placed(dataset: Dataset) -> dict[str, Stamp]:
    """Return the companions that bidsflow wrote, by path.

    Raises
    ------
    DatasetError
        If the memory of it is damaged.
    """
    file = dataset.state / "companions.json"
    try:
        return {str(name): Stamp(**values) for name, values in read_json(file).items()}
    except (TypeError, AttributeError) as error:
        raise say_damaged(file) from error


def memory_file(dataset: Dataset) -> str:
    """Return where it is remembered what bidsflow put beside images, relative to the dataset."""
    return str((dataset.state / "companions.json").relative_to(dataset.root))


def format_placed(stamps: Mapping[str, Stamp]) -> bytes:
    """Return that memory as it is stored."""
    return json.dumps({name: asdict(stamps[name]) for name in sorted(stamps)}, indent=1).encode()
