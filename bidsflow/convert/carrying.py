"""Files that a person has edited, and that go along as they are where their image gets another name.

A move overwrites nothing. What a sidecar says of names follows: its task, and the images that it is intended for.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from bidsflow.convert.content import is_same, stamp
from bidsflow.convert.folder import Carried, Session
from bidsflow.convert.ledger import Entry, read_ledger
from bidsflow.convert.plan import PlanRow
from bidsflow.convert.rewiring import FieldChange, Rewired, wire_session
from bidsflow.convert.sidecar import WIRING, Json
from bidsflow.dataset import describe
from bidsflow.dataset.draft import Draft
from bidsflow.dataset.tree import Dataset
from bidsflow.names import parse_name


def set_by(dataset: Dataset, carried: Carried, folder: Path) -> dict[str, Path]:
    """Return the files of an image that go along, by extension, under a second name in a private folder.

    Another image may take the former name before this one is committed.
    """
    set_aside = {}
    for ext in carried.files:
        source, target = dataset.root / f"{carried.former}{ext}", folder / f"carried{ext}"
        if source.is_symlink():  # of git-annex: a link into the same folder would lead nowhere
            shutil.copy2(source, target)
        else:
            _link(source, target)
        set_aside[ext] = target
    return set_aside


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)


def stage_carried(
    draft: Draft,
    path: str,
    along: Carried,
    staged: Mapping[str, Path],
    entry: Entry,
    complete: Callable[[Json], Json],
    renamed: Mapping[str, str],
) -> Entry:
    """Stage what goes along with an image in the place of what was made anew, and return what is to be noted of it.

    Files that a person has edited keep the stamps that they had before, by which they are known to be edited.

    Parameters
    ----------
    draft : Draft
        Where the image is staged as it was made anew.
    path : str
        Its new BIDS path.
    along : Carried
        What goes along.
    staged : mapping of str to Path
        Where that lies, by extension; see `set_by`.
    entry : Entry
        Of the image as it was made anew.
    complete : callable
        Adds to its sidecar what the session says.
    renamed : mapping of str to str
        The new paths of images that move, by their former ones.
    """
    files = {} if along.whole else dict(entry.files)
    for ext, file in staged.items():
        name, known = f"{path}{ext}", along.entry.files[f"{along.former}{ext}"]
        if not along.whole and name not in files:
            continue  # an image of the new name has no such file: it is put by
        files[name] = known
        sidecar = _read_sidecar(file) if ext == ".json" else None
        if sidecar is None:
            file.replace(draft.place(name))
        elif not is_same(file, known):
            new = rename_in(sidecar, path, along.former, renamed)
            _stage_sidecar(draft.place(name), file, sidecar, new)
        else:
            draft.place(name).write_text(describe.to_json(complete(sidecar)), encoding="utf-8")
            files[name] = stamp(draft.tree / name)
    if along.whole:
        return replace(along.entry, files=files, ruled=entry.ruled)
    return replace(entry, files=files, fields=along.entry.fields if ".json" in along.files else entry.fields)


def _stage_sidecar(target: Path, file: Path, before: Json, now: Json) -> None:
    """Stage a sidecar that a person has edited: byte by byte, where it names nothing that has another name now."""
    if before == now:
        file.replace(target)
    else:
        target.write_text(describe.to_json(now), encoding="utf-8")


def find_stale(path: str, sidecar: Path, complete: Callable[[Json], Json]) -> list[Rewired]:
    """Return what a sidecar that goes along would say, had a person not edited it; names and wiring only."""
    found = _read_sidecar(sidecar) if sidecar.is_file() else None
    return [] if found is None else _compare(path, found, complete(found))


def foresee_stale(dataset: Dataset, session: Session, fresh: Collection[str]) -> list[Rewired]:
    """Return the same before anything is moved; `fresh` are the BIDS paths of the images that are new or changed."""
    along = {row: session.carried[image] for row in session.rows if (image := _image(row)) in session.carried}
    if not any(".json" in one.files for one in along.values()):
        return []
    folders = {session.folder, *(parse_name(path).folder for path in session.former.values())}
    wires = wire_session(dataset, {folder: read_ledger(dataset, folder) for folder in folders}, session, fresh)
    wired = {row.path: row for row in wires.rows}
    stale = []
    for row, one in along.items():
        found = _read_sidecar(dataset.root / f"{one.former}.json") if ".json" in one.files else None
        if found is not None and row.path in wired:
            now = rename_in(found, row.path, one.former, wires.renamed)
            stale += _compare(row.path, now, wires.complete(wired[row.path], now))
    return stale


def _compare(path: str, sidecar: Json, wanted: Json) -> list[Rewired]:
    keys = (key for key in (*WIRING, "TaskName") if _sort(sidecar.get(key)) != _sort(wanted.get(key)))
    fields = tuple(FieldChange(key, sidecar.get(key), wanted.get(key)) for key in keys)
    return [Rewired(f"{path}.json", fields, wanted)] if fields else []


def _sort(value: object) -> list[str]:
    """Return the items of a field in an order; a list of one is its item."""
    return sorted(map(str, value)) if isinstance(value, list) else [] if value is None else [str(value)]


def _image(row: PlanRow) -> tuple[str, int]:
    return row.series_uid, row.image


def _read_sidecar(file: Path) -> Json | None:
    """Return what a sidecar holds; None where a person left what is none."""
    try:
        found = json.loads(file.read_bytes())
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def rename_in(sidecar: Json, path: str, former: str, renamed: Mapping[str, str]) -> Json:
    """Return a sidecar that says the new names of what it named by the former ones; all else stays.

    Parameters
    ----------
    sidecar : dict
        As a person left it.
    path, former : str
        BIDS paths of its image, now and before.
    renamed : mapping of str to str
        The new paths of images that move, by their former ones.

    Examples
    --------
    >>> former, path = (f"sub-1/func/sub-1_task-{task}_bold" for task in ("movie", "film"))
    >>> rename_in({"TaskName": "movie", "Mine": 1}, path, former, {})
    {'TaskName': 'film', 'Mine': 1}
    """
    new = dict(sidecar)
    before, task = parse_name(former).entity("task"), parse_name(path).entity("task")
    if before and task and new.get("TaskName") == before:
        new["TaskName"] = task
    if (targets := new.get("IntendedFor")) is not None:
        names = {name: other for old, now in renamed.items() for name, other in _spell(old, now).items()}
        new["IntendedFor"] = (
            [names.get(str(one), one) for one in targets]
            if isinstance(targets, list)
            else names.get(str(targets), targets)
        )
    return new


def _spell(former: str, path: str) -> dict[str, str]:
    """Return how sidecars may name an image, before and now: by a URI, or within its subject."""
    old, new = f"{former}.nii.gz", f"{path}.nii.gz"
    return {f"bids::{old}": f"bids::{new}", old.partition("/")[2]: new.partition("/")[2]}
