"""Lay out one session as it will stand in the dataset: images, sidecars, and the tables around them.

Works in a draft only; `dataset.write.commit` brings it into the dataset.
"""

from __future__ import annotations

import filecmp
import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from bidsflow.convert.carrying import find_stale, stage_carried
from bidsflow.convert.cohort import name_protocol, protocol_of
from bidsflow.convert.companions.follow import move_companions
from bidsflow.convert.content import Content, Stamp, stamp
from bidsflow.convert.folder import EXTENSIONS, Session
from bidsflow.convert.ledger import Entry, Ledger, format_ledger, read_ledger
from bidsflow.convert.namesakes import note_scan
from bidsflow.convert.place import Place
from bidsflow.convert.plan import PlanRow
from bidsflow.convert.rewiring import Rewired, Rewiring, find_rewired, wire_session
from bidsflow.convert.shots import shoot_row, write_shot
from bidsflow.convert.sidecar import Json
from bidsflow.convert.subjects import Key
from bidsflow.convert.tables import (
    leave_place,
    read_scan,
    read_session,
    stage_participant,
    stage_scans,
    stage_session,
)
from bidsflow.convert.top import list_tasks, list_unused_tasks, name_program, stage_top
from bidsflow.dataset import describe
from bidsflow.dataset.draft import Draft
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.parrec import mark_examination
from bidsflow.dicom.series import Series
from bidsflow.dicom.twins import moment_of
from bidsflow.names import parse_name


@dataclass(frozen=True, slots=True)
class Converted:
    """One image, ready to be laid out.

    Attributes
    ----------
    row : PlanRow
        The plan for it.
    sidecar : dict
        Cleaned, without what only the session knows.
    files : dict of str to Path
        Staged files by extension: ``.nii.gz``, ``.bval``, ``.bvec``.
    stamps : dict of str to Stamp
        What they hold, by extension.
    content : Content
        Of the series that it was made of.
    notes : tuple of str
        What a person should know of it.
    fields : str
        `fields_digest` of what a study has put into the sidecar.
    carried : dict of str to Path
        Staged files that a person has edited, and that go along from the former name of the image, by extension.
    made : str
        `commands.note_command` of what made it.
    """

    row: PlanRow
    sidecar: Json
    files: Mapping[str, Path]
    stamps: Mapping[str, Stamp]
    content: Content
    notes: tuple[str, ...] = ()
    fields: str = ""
    carried: Mapping[str, Path] = field(default_factory=dict)
    made: str = ""


@dataclass(frozen=True, slots=True)
class Assembled:
    """What a commit does beside bringing in what is staged.

    Attributes
    ----------
    remove : tuple of str
        Files of the dataset that go away.
    rewiring : Rewiring
        The sidecars of images that stay and that change.
    notes : tuple of str
        What a person should know of the tables.
    """

    remove: tuple[str, ...]
    rewiring: Rewiring
    notes: tuple[str, ...] = ()


def assemble(dataset: Dataset, tree: Path, session: Session, converted: Sequence[Converted], key: Key) -> Assembled:
    """Stage a session, and return what goes away and what changes with it. The caller holds the lock.

    Only what differs from the dataset is staged: nothing for a session that is as it should be.

    Parameters
    ----------
    dataset : Dataset
        As it is before the commit.
    tree : Path
        Empty folder that will mirror the dataset.
    session : Session
        What the plan says.
    converted : sequence of Converted
        The images that are new or changed; the others stay as they are, but for their wiring.
    key : Key
        For the shifted dates.
    """
    draft = Draft(dataset, tree)
    fresh = {one.row.path: one for one in converted}
    moved = {path: session.former[_image(one.row)] for path, one in fresh.items() if _image(one.row) in session.former}
    cells = {path: read_scan(draft, former) for path, former in moved.items()}
    ledgers = _open_ledgers(dataset, session, moved.values())
    ledger = ledgers[session.folder]
    wires = wire_session(dataset, ledgers, session, fresh)
    rewiring = find_rewired(dataset, ledgers, session, wires, fresh)
    rewired = {one.image: one for one in rewiring.rewired}
    left = _take_out(ledgers, fresh)
    remove = _list_outdated(dataset, left, fresh)
    by_hand, notes = list(rewiring.by_hand), tuple[str, ...]()
    there = wires.rows
    for row in there:
        if row.path in fresh:
            one, complete = fresh[row.path], partial(wires.complete, row)
            entry = _stage_image(draft, one, session, complete, left.get(row.path))
            if (along := session.carried.get(_image(row))) is not None:
                entry = stage_carried(draft, row.path, along, one.carried, entry, complete, wires.renamed)
                by_hand += find_stale(row.path, tree / f"{row.path}.json", complete) if ".json" in along.files else ()
            ledger[row.path] = entry
        else:
            ledger[row.path] = _rewire(draft, _restamp(ledger[row.path], session), rewired.get(row.path))
        if row.path in fresh or _image(row) in session.marks:  # else its series may be another one
            ledger[row.path] = _note_series(ledger[row.path], row, session.series[row.series_uid], key)
    for path in sorted(rewired.keys() - {row.path for row in there}):
        own = ledgers[parse_name(path).folder]
        own[path] = _rewire(draft, own[path], rewired[path])
    remove += _stage_ledgers(draft, ledgers)
    remove += move_companions(draft, {former: path for path, former in moved.items()})
    present = [row for row in there if row.path in fresh or os.path.lexists(dataset.root / f"{row.path}.nii.gz")]
    if present:  # else someone has taken all away, and no table is made of what is gone
        place = Place.of(session.folder)
        emptied = {folder for folder, own in ledgers.items() if not own}
        vacated = _group_places(path for path in left if path not in fresh)
        before = _read_left(draft, vacated, emptied, place.sub)
        gone = _find_gone(dataset, {Place.of(folder).sub for folder in emptied} - {place.sub}, remove)
        started = {row.path: session.series[row.series_uid].started for row in present}
        stage_scans(draft, place, started, fresh, key, cells)
        stage_session(draft, place, list(session.series.values()), key, before)
        for old, paths in vacated.items():  # once the row of the session has its new label: its table stays
            remove += leave_place(draft, old, paths, remove, emptied=old.folder in emptied)
        people = session.subject or tuple(session.series.values())
        notes = stage_participant(draft, place.sub, people, session.heir_of, gone, remove)
        tasks = list_tasks(row.path for row in there)
        programs = {name_program(session.series[one.row.series_uid]) for one in converted}
        stage_top(draft, tasks, programs, session.description, numbered=session.numbered)
        remove += list_unused_tasks(draft, left, tasks)
    return Assembled(tuple(remove), replace(rewiring, by_hand=tuple(by_hand)), notes)


def find_replaced(dataset: Dataset, tree: Path, fresh: Sequence[str], remove: Sequence[str]) -> list[str]:
    """Return the files of images that a commit replaces by others or takes away, and that would be lost.

    Parameters
    ----------
    dataset : Dataset
        As it is before the commit.
    tree : Path
        What `assemble` staged.
    fresh : sequence of str
        BIDS paths, without extension, of the images that are new or changed.
    remove : sequence of str
        What goes away. An image that moves is staged as it was, and is not lost; so is a companion.
    """
    staged = {f"{path}{ext}" for path in fresh for ext in EXTENSIONS if (tree / f"{path}{ext}").is_file()}
    by_size = defaultdict(list)
    for new in tree.rglob("*"):
        if new.is_file():
            by_size[new.stat().st_size].append(new)

    def is_lost(name: str) -> bool:
        old = dataset.root / name
        return old.is_file() and not any(filecmp.cmp(old, new, shallow=False) for new in by_size[old.stat().st_size])

    gone = {name for name in remove if name.startswith("sub-") and name.endswith(EXTENSIONS)}
    return sorted(name for name in staged | gone if is_lost(name))


def _image(row: PlanRow) -> tuple[str, int]:
    return row.series_uid, row.image


def _owner(entry: Entry | None) -> tuple[str, int] | None:
    return None if entry is None else (entry.series_uid, entry.image)


def _open_ledgers(dataset: Dataset, session: Session, former: Iterable[str]) -> dict[str, Ledger]:
    """Return the ledger of a session, and those of the folders that images of it come from, by folder."""
    folders = {session.folder, *(parse_name(path).folder for path in former)}
    return {folder: read_ledger(dataset, folder) for folder in sorted(folders)}


def _take_out(ledgers: Mapping[str, Ledger], fresh: Mapping[str, Converted]) -> dict[str, Entry]:
    """Take out of ledgers what the new images replace, under whatever name it stands, and return it by path."""
    images = {_image(one.row) for one in fresh.values()}
    left: dict[str, Entry] = {}
    for ledger in ledgers.values():
        for path in [path for path, entry in ledger.items() if path in fresh or _owner(entry) in images]:
            left[path] = ledger.pop(path)
    return left


def _list_outdated(dataset: Dataset, left: Mapping[str, Entry], fresh: Mapping[str, Converted]) -> list[str]:
    """Return the files of replaced images, and those of their names, that no new file takes the place of."""
    kept = {f"{path}{ext}" for path, one in fresh.items() for ext in (".json", *one.files)}
    names = [name for entry in left.values() for name in entry.files]
    names += [f"{path}{ext}" for path in fresh for ext in EXTENSIONS]  # not bidsflow's: here by force only
    return [name for name in dict.fromkeys(names) if name not in kept and os.path.lexists(dataset.root / name)]


def _group_places(images: Iterable[str]) -> dict[Place, list[str]]:
    """Return the images that have left by the place that they have left."""
    places: dict[Place, list[str]] = defaultdict(list)
    for path in images:
        places[Place.of(parse_name(path).folder)].append(path)
    return places


def _read_left(draft: Draft, places: Iterable[Place], emptied: Collection[str], sub: str) -> dict[str, str]:
    """Return the row that a session had in the places that its images have left.

    That is of a session that is empty now, or of a subject who has become `sub`, with the same visits.
    """
    row: dict[str, str] = {}
    for place in places:
        if place.folder in emptied or place.sub != sub:
            row = {**read_session(draft, place), **row}
    return row


def _find_gone(dataset: Dataset, subjects: Collection[str], remove: Collection[str]) -> list[str]:
    """Return which of some subjects have no image any more once the ledgers that go have gone."""
    if not subjects:
        return []
    files = (dataset.state / "ledger").glob("*.json")
    stay = (file for file in files if str(file.relative_to(dataset.root)) not in remove)
    return sorted(set(subjects) - {file.stem.partition("_")[0].removeprefix("sub-") for file in stay})


def _stage_ledgers(draft: Draft, ledgers: Mapping[str, Ledger]) -> list[str]:
    """Stage the ledgers that have changed, and return those that go away because they are empty."""
    empty = []
    for folder, ledger in ledgers.items():
        name = str(draft.dataset.ledger_file(folder).relative_to(draft.dataset.root))
        if ledger:
            draft.write(name, format_ledger(ledger))
        elif draft.find(name) is not None:
            empty.append(name)
    return empty


def _stage_image(
    draft: Draft, one: Converted, session: Session, complete: Callable[[Json], Json], before: Entry | None
) -> Entry:
    """Stage the files of an image but for those that a person has edited, which keep the stamps that they had."""
    path = one.row.path
    edited = {name: before.files[name] for name in session.kept if before is not None and name in before.files}
    for ext, source in one.files.items():
        if f"{path}{ext}" not in edited:
            source.replace(draft.place(f"{path}{ext}"))
    files = {f"{path}{ext}": known for ext, known in one.stamps.items()}
    if f"{path}.json" not in edited:
        text = describe.to_json(complete(one.sidecar))
        files[f"{path}.json"] = stamp(draft.write(f"{path}.json", text.encode()))
    series = session.series[one.row.series_uid]
    content, image = one.content, series.images[one.row.image - 1]
    return Entry(
        one.row.series_uid, one.row.image, content.source, files | edited, len(series.instances), content.digest,
        content.marks, one.fields, protocol_of(series, image), one.row.n_volumes, moment_of(series),
        _note_ruled(session, before, _image(one.row)), mark_examination(series), name_program(series),
        content.numbers, name_protocol(series, image), image.matrix, made=one.made,
    )  # fmt: skip


def _note_series(entry: Entry, row: PlanRow, series: Series, key: Key) -> Entry:
    """Return an entry with what an earlier version has not noted of its series."""
    shot = entry.shot or write_shot(shoot_row(row, series), key.shifts.get(parse_name(row.path).sub))
    return replace(entry, shot=shot, scan=entry.scan or note_scan(series))


def _note_ruled(session: Session, before: Entry | None, image: tuple[str, int]) -> tuple[str, ...]:
    """Return what a study has given of a name; without one, what it had given before."""
    if session.ruled is not None:
        return tuple(sorted(session.ruled.get(image, ())))
    return before.ruled if before is not None and (before.series_uid, before.image) == image else ()


def _restamp(entry: Entry, session: Session) -> Entry:
    """Return an entry that knows its files, and those that it was made of, by their new times."""
    seen = session.seen
    fresh = {
        name: seen[name] for name, known in entry.files.items() if name in seen and seen[name].digest == known.digest
    }
    image = entry.series_uid, entry.image
    return replace(
        entry,
        files={**entry.files, **fresh},
        marks=session.marks.get(image, entry.marks),
        # A name that was to change and has not is none of what the study gives now.
        ruled=entry.ruled if image in session.former else _note_ruled(session, entry, image),
    )


def _rewire(draft: Draft, entry: Entry, rewired: Rewired | None) -> Entry:
    """Stage the sidecar of an image that stays, where the session around it has changed its wiring."""
    if rewired is None:
        return entry
    text = describe.to_json(rewired.sidecar).encode()
    return replace(entry, files={**entry.files, rewired.path: stamp(draft.write(rewired.path, text))})
