"""What a plan says beside its rows: labels of a study, tasks, short series, other matrices, patients in doubt."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from bidsflow.convert.cohort import protocol_of
from bidsflow.convert.identity import check_people
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.runs import key_of
from bidsflow.convert.study.apply import Rulebook
from bidsflow.convert.subjects import Key
from bidsflow.dicom.series import Inventory, Series
from bidsflow.dicom.tags import find_maker
from bidsflow.names import parse_name, task_of

_log = logging.getLogger(__name__)

#: An image: SeriesInstanceUID and rank in its series.
_RowKey = tuple[str, int]


def tell(inventory: Inventory, notes: Sequence[str]) -> tuple[str, ...]:
    """Return the notes of a plan: patients in doubt, which the commands tell themselves, and what is warned of here."""
    for note in notes:
        _log.warning("%s", note)
    return (*(str(collision) for collision in inventory.collisions), *notes)


def check_given_labels(rows: Sequence[PlanRow], by_uid: Mapping[str, Series], key: Key, book: Rulebook) -> list[str]:
    """Return what is to be said of the labels that a study gives; see `identity.check_people`."""
    labelled = any(book.gives_labels(series) for series in by_uid.values())
    return check_people(Plan(tuple(rows)), by_uid, key, book.name) if labelled else []


def note_short(rows: Sequence[PlanRow], taken: Collection[_RowKey]) -> tuple[str, ...]:
    """Return a note for each series that is converted although it ended too early, since nothing repeats it.

    Whether what the dataset has is made again, only the conversion knows: the export may hold another part of it.
    """
    held = "the dataset has an image of its series already"
    new = "it is converted: set its decision to skip if you do not want it"
    notes = (
        f"{parse_name(row.path).folder}: {row.title} is {row.repeat}; nothing repeats it, and "
        f"{held if key_of(row) in taken else new}"
        for row in rows
        if row.decision is Decision.CONVERT and row.repeat.startswith("short")
    )
    return tuple(dict.fromkeys(notes))  # the echoes of a run say the same


def note_shapes(rows: Sequence[PlanRow], shapes: Mapping[_RowKey, str]) -> dict[str, None]:
    """Return a note for each series that is converted with another matrix than others have."""
    look = "look whether slices were lost or the protocol was changed"
    return {
        f"{parse_name(row.path).folder}: {row.title}: {shapes[key_of(row)]}; {look}": None
        for row in rows
        if row.decision is Decision.CONVERT and key_of(row) in shapes
    }


def note_tasks(
    rows: Sequence[PlanRow],
    by_uid: Mapping[str, Series],
    taken: Collection[_RowKey],
    lengths: Mapping[str, tuple[str, int]],
    ruled: Collection[_RowKey],
) -> tuple[str, ...]:
    """Return a note for new runs whose task has one word more, or less, than the dataset has of the same protocol.

    Labels of older versions, or of exports that held less, may lack a condition. GE's protocols are whole examinations.

    Parameters
    ----------
    rows : sequence of PlanRow
        The images of the export, with the names that they are to have.
    by_uid : mapping of str to Series
        The series of the export.
    taken : collection of (str, int)
        Images that the dataset has.
    lengths : mapping of str to (str, int)
        `cohort.protocol_of` and volumes of these, by path.
    ruled : collection of (str, int)
        Images that a study names.
    """
    held: dict[str, dict[str, str]] = defaultdict(dict)
    for path, (protocol, _) in lengths.items():
        if task := task_of(path):
            held[protocol].setdefault(task, path)
    differ: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.decision is not Decision.CONVERT or key_of(row) in taken or key_of(row) in ruled:
            continue
        series, task = by_uid[row.series_uid], task_of(row.path)
        named = find_maker(series.header.text("Manufacturer")) != "GE"
        others = held.get(protocol_of(series, series.images[row.image - 1]), {}) if task and named else {}
        for other, path in others.items():
            if len(others) == 1 and _is_longer(task, other):
                differ.setdefault((task, other), f"{row.path} and {path}")
    if not differ:
        return ()
    return (
        f"the dataset calls the task of the same protocol by another label: {', '.join(differ.values())}; what it has "
        "keeps its name; to have one label for all, say which in code/study.toml (a [[series]] block with match and "
        "task)",
    )


def _is_longer(task: str, other: str) -> bool:
    """Return whether one of two labels is the other, and more."""
    ours, theirs = task.lower(), other.lower()
    return ours != theirs and (ours.startswith(theirs) or theirs.startswith(ours))
