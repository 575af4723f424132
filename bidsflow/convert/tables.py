"""The tables around the images of a session: scans, sessions, participants, and the files that describe them.

Everything is staged in a draft. What people wrote into a table stays: their rows, columns and cells.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from bidsflow.convert.participants import Said, Settled, format_said, inherit, read_said, settle
from bidsflow.convert.people import shifted_time
from bidsflow.convert.place import Place
from bidsflow.convert.subjects import Key
from bidsflow.dataset import describe
from bidsflow.dataset.draft import Draft, read_table
from bidsflow.dataset.tree import STATE, Dataset
from bidsflow.dataset.tsv import MISSING
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name

PARTICIPANTS = "participants.tsv"
PARTICIPANT_COLUMNS = ("participant_id", "age", "sex")
_SCAN_COLUMNS = ("filename", "acq_time")
SESSION_COLUMNS = ("session_id", "acq_time")


def check_tables(dataset: Dataset, folders: Collection[str]) -> None:
    """Make sure that the tables that a conversion will add to can be read, before it begins.

    Raises
    ------
    DatasetError
        If one cannot be read without losing something.
    """
    keys = {PARTICIPANTS: "participant_id"}
    for place in map(Place.of, folders):
        keys |= {place.scans: "filename", place.sessions: "session_id"}
    for name, key in keys.items():
        if (dataset.root / name).is_file():
            read_table(dataset.root / name, key)


def read_scan(draft: Draft, path: str) -> dict[str, str]:
    """Return the row of an image in its table of scans, without when it was acquired; empty where there is none."""
    place = Place.of(parse_name(path).folder)
    name = f"{path}.nii.gz".removeprefix(f"{place.folder}/")
    found = next((row for row in draft.read_rows(place.scans, "filename") if row["filename"] == name), {})
    return {column: cell for column, cell in found.items() if column != "acq_time"}


def stage_scans(
    draft: Draft,
    place: Place,
    started: Mapping[str, str],
    fresh: Collection[str],
    key: Key,
    cells: Mapping[str, Mapping[str, str]],
) -> None:
    """Stage a row for each image of a session.

    Parameters
    ----------
    started : mapping of str to str
        When each image was acquired, by its path without extension.
    fresh : collection of str
        The images that are new or changed; rows of the others stay as they are.
    key : Key
        For the shifted dates.
    cells : mapping of str to mapping
        What rows said of images that have stood elsewhere, by their new path.
    """
    known = {row["filename"] for row in draft.read_rows(place.scans, "filename")}
    rows = []
    for path, when in started.items():
        name = f"{path}.nii.gz".removeprefix(f"{place.folder}/")
        if path in fresh or name not in known:
            time = {"acq_time": text} if (text := shifted_time(when, key.shifts.get(place.sub))) else {}
            rows.append({**cells.get(path, {}), "filename": name, **time})
    draft.write_rows(place.scans, rows, _SCAN_COLUMNS)


def read_session(draft: Draft, place: Place) -> dict[str, str]:
    """Return the row of a session in its table; empty where there is none."""
    rows = draft.read_rows(place.sessions, "session_id") if place.ses else []
    return next((row for row in rows if row["session_id"] == f"ses-{place.ses}"), {})


def stage_session(
    draft: Draft, place: Place, series: Sequence[Series], key: Key, former: Mapping[str, str] | None = None
) -> None:
    """Stage the row of a session, where the dataset has sessions: when its first scan began.

    Parameters
    ----------
    former : mapping of str to str, optional
        The row that the session had under another label; its cells are the session's.
    """
    if not place.ses:
        return
    start = shifted_time(min((one.started for one in series if one.started), default=""), key.shifts.get(place.sub))
    present = read_session(draft, place)
    row = {**_known(former or {}), **_known(present), "session_id": f"ses-{place.ses}"}
    if not present and not former:
        row["acq_time"] = start
    elif start and "acq_time" in row:  # else a person has taken it out
        row["acq_time"] = min(start, row["acq_time"])
    draft.write_rows(place.sessions, [_known(row)], SESSION_COLUMNS)


def _known(row: Mapping[str, str]) -> dict[str, str]:
    return {column: cell for column, cell in row.items() if cell not in ("", MISSING)}


def stage_participant(
    draft: Draft,
    sub: str,
    series: Sequence[Series],
    heir_of: Collection[str] = (),
    gone: Collection[str] = (),
    remove: Collection[str] = (),
) -> tuple[str, ...]:
    """Stage the row of a subject, and return what a person should know of it; see `participants.settle`.

    Parameters
    ----------
    series : sequence of Series
        All of the subject that are to be converted.
    heir_of : collection of str
        Labels that the subject has had: their cells are the subject's.
    gone : collection of str
        Labels under which no image is left. Their rows go, but for the label where the folder still holds files.
    remove : collection of str
        All files that go with this commit.
    """
    known = read_said(draft.dataset)
    settled = settle_participant(draft, sub, series, heir_of, known)
    nobody = {*gone, *heir_of} - {sub}
    if known.get(sub) != settled.said or not nobody.isdisjoint(known):
        name = str(draft.dataset.participants_file.relative_to(draft.dataset.root))
        draft.write(name, format_said({**known, sub: settled.said}, nobody))
    row = {**settled.cells, "participant_id": f"sub-{sub}"}
    bare = [{"participant_id": f"sub-{one}"} for one in gone if holds_files(draft, f"sub-{one}", remove)]
    stage_participants(draft, [row, *bare], [f"sub-{one}" for one in gone])
    return settled.notes


def settle_participant(
    draft: Draft, sub: str, series: Sequence[Series], heir_of: Collection[str], known: Mapping[str, Said]
) -> Settled:
    """Return what the row of a subject will say; `known` is what headers said before, by label."""
    rows = {row["participant_id"]: row for row in draft.read_rows(PARTICIPANTS, "participant_id")}
    labels = (*heir_of, sub)
    own = [rows[f"sub-{one}"] for one in labels if f"sub-{one}" in rows]
    present = {key: cell for row in own for key, cell in _known(row).items()}
    return settle(sub, present if own else None, series, inherit(known, labels))


def stage_participants(draft: Draft, rows: Sequence[Mapping[str, str]], drop: Collection[str] = ()) -> None:
    """Stage rows of participants, and describe the columns that bidsflow fills."""
    columns = draft.write_rows(PARTICIPANTS, rows, PARTICIPANT_COLUMNS, drop)
    name = "participants.json"
    present = draft.find(name)
    try:
        described = json.loads(present.read_bytes()) if present else {}
    except ValueError:
        return  # a person's file; the validator says what is wrong with it
    ours = json.loads(describe.participants_columns(columns))
    if isinstance(described, dict) and not ours.keys() <= described.keys():
        draft.write(name, describe.to_json({**ours, **described}).encode())


def leave_place(
    draft: Draft, place: Place, images: Collection[str], remove: Sequence[str], *, emptied: bool
) -> list[str]:
    """Stage the tables of a session that images have left, and return the tables that go because nothing is left.

    Parameters
    ----------
    images : collection of str
        Paths without extension of the images that have left.
    remove : sequence of str
        All files that go with this commit.
    emptied : bool
        Whether no image is left. The row of the session goes then, but for its label where the folder holds files.
    """
    gone = [f"{path}.nii.gz".removeprefix(f"{place.folder}/") for path in images]
    tables = []
    if not draft.write_rows(place.scans, [], _SCAN_COLUMNS, gone):
        tables.append(place.scans)
    if place.ses and emptied:
        name = f"ses-{place.ses}"
        bare = [{"session_id": name}] if holds_files(draft, place.folder, {*remove, *tables}) else []
        if not draft.write_rows(place.sessions, bare, SESSION_COLUMNS, [name]):
            tables.append(place.sessions)
    return [name for name in tables if draft.find(name) is not None]


def holds_files(draft: Draft, folder: str, without: Collection[str]) -> bool:
    """Return whether a folder will hold a file after a commit that removes some."""
    roots = (draft.dataset.root, draft.tree)
    files = (str(file.relative_to(root)) for root in roots for file in Path(root, folder).rglob("*") if file.is_file())
    return any(name not in without for name in files if not name.startswith(STATE))
