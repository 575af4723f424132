"""Companions follow their images: where the images of a run get another name, so do its events and recordings."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from bidsflow import schema
from bidsflow.convert.companions.images import OF_IMAGES, belongs, list_images
from bidsflow.convert.companions.place import format_placed, memory_file, read_placed
from bidsflow.dataset.draft import Draft
from bidsflow.dataset.tree import Dataset
from bidsflow.names import BidsName, parse_name


def move_companions(draft: Draft, moved: Mapping[str, str]) -> list[str]:
    """Stage the companions of images under their new names, and return the former ones, which go. Edits go along.

    Only what bidsflow has put there moves, and never over a file that stays; the rest keeps its name.

    Parameters
    ----------
    draft : Draft
        Of the commit that moves the images.
    moved : mapping of str to str
        The new path of each image by its former path, both without extension.

    Raises
    ------
    DatasetError
        If the memory of what was put there is damaged.
    """
    targets = find_moves(draft.dataset, moved)
    if not targets:
        return []
    for old, new in targets.items():
        shutil.copy2(draft.dataset.root / old, draft.place(new))  # with its time, by which its stamp knows it
    stamps = read_placed(draft.dataset)
    kept = {path: one for path, one in stamps.items() if path not in targets}
    draft.write(memory_file(draft.dataset), format_placed({**kept, **{targets[old]: stamps[old] for old in targets}}))
    return [old for old in targets if old not in targets.values()]


def find_moves(dataset: Dataset, moved: Mapping[str, str]) -> dict[str, str]:
    """Return where companions go with images that get another name, by their former path; see `move_companions`."""
    targets = _aim(dataset.root, read_placed(dataset), moved) if moved else {}
    while blocked := {
        _stem(old) for old, new in targets.items() if new not in targets and (dataset.root / new).exists()
    }:  # a table does not go without its sidecar
        targets = {old: new for old, new in targets.items() if _stem(old) not in blocked}
    return targets


def _stem(path: str) -> str:
    return path.partition(".")[0]


def _aim(root: Path, paths: Collection[str], moved: Mapping[str, str]) -> dict[str, str]:
    """Return where companions that are there are to go, by their former path."""
    found = {}
    for path in paths:
        name = parse_name(path)
        images = [one for one in map(parse_name, moved) if belongs(name, one)]
        if not images or not (root / path).is_file():
            continue
        suffix = min(images, key=lambda one: (one.suffix == "sbref", one.suffix)).suffix
        now = {moved[str(one)] for one in images if one.suffix == suffix}
        targets = {_rename(name, parse_name(one)) for one in now}
        target = next(iter(targets))
        stay = any(one.suffix == suffix and str(one.with_ext("")) not in moved for one in list_images(root, name))
        if len(targets) == 1 and schema.allows(target) and not stay:
            found[path] = str(target)
    return found


def _rename(name: BidsName, image: BidsName) -> BidsName:
    pairs = tuple(pair for pair in image.entities if pair[0] not in OF_IMAGES)
    new = BidsName(image.sub, image.datatype, name.suffix, name.ext, image.ses, pairs)
    return new.with_entity("recording", name.entity("recording"))
