"""What headers said of people when their rows were written, so that a corrected header reaches ``participants.tsv``.

A cell that is as the headers said it follows them; one that a person has written stays, and that is told. One that a
person has emptied stays empty: who takes an age out of a table does not want it there.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bidsflow.convert.memory import read_json, say_damaged
from bidsflow.convert.people import participant_row
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.series import Series


@dataclass(frozen=True, slots=True)
class Said:
    """What headers said of a person.

    Attributes
    ----------
    first : str
        StudyInstanceUID of the visit that the age is of; ``""`` where that is not known.
    studies : mapping of str to mapping
        Age and sex by StudyInstanceUID, as cells of the table.
    """

    first: str = ""
    studies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to stand in a row, what is to be remembered, and what a person is told (no values)."""

    cells: Mapping[str, str]
    said: Said
    notes: tuple[str, ...] = ()


def settle(sub: str, present: Mapping[str, str] | None, series: Sequence[Series], before: Said | None) -> Settled:
    """Return what the row of a subject says of age and sex.

    Parameters
    ----------
    sub : str
        Its label.
    present : mapping of str to str or None
        The cells that the row has, none that is empty; None where there is no row.
    series : sequence of Series
        All of the subject that are to be converted.
    before : Said or None
        What was remembered; None in a dataset of an older version.
    """
    told = {key: cell for key, cell in participant_row(sub, series).items() if key != "participant_id"}
    old = before or Said()
    studies = {**old.studies, **{uid: {**old.studies.get(uid, {}), **one} for uid, one in _ask(sub, series).items()}}
    said = Said(old.first or min(series, key=lambda one: one.started or "9").study_uid, studies)
    there = present or {}
    cells = {**told, **there}
    notes = []
    for key in ("age", "sex"):
        was, now = (_tell(key, one) for one in (Said(said.first, old.studies), said))
        cell = there.get(key, "")
        if not cell and present is not None and len(was) == 1:
            cells.pop(key, None)
        if not cell or not now or now in (was, {cell}):
            continue
        if len(now) == 1 and was == {cell}:
            cells[key] = next(iter(now))
            notes.append(f"participants.tsv: the {key} of sub-{sub} follows its headers, which were corrected")
        elif was or before is None:
            why = "the headers of its visits disagree" if len(now) > 1 else "its headers say another"
            notes.append(f"participants.tsv: the {key} of sub-{sub} stays as it is, though {why}: look which is right")
    return Settled(cells, said, tuple(notes))


def _ask(sub: str, series: Sequence[Series]) -> dict[str, dict[str, str]]:
    """Return what the headers of each visit say."""
    visits: dict[str, list[Series]] = {}
    for one in series:
        visits.setdefault(one.study_uid, []).append(one)
    rows = {uid: participant_row(sub, some) for uid, some in visits.items()}
    return {uid: {key: cell for key, cell in row.items() if key != "participant_id"} for uid, row in rows.items()}


def _tell(key: str, said: Said) -> set[str]:
    """Return what headers say: the age at the first visit, the sex at any."""
    visits = [said.studies.get(said.first, {})] if key == "age" else list(said.studies.values())
    return {one[key] for one in visits if key in one}


def read_said(dataset: Dataset) -> dict[str, Said]:
    """Return what headers said of people, by label.

    Raises
    ------
    DatasetError
        If the memory of it is damaged.
    """
    stored = read_json(dataset.participants_file)
    try:
        return {
            sub: Said(str(one["first"]), {uid: dict(cells) for uid, cells in one["studies"].items()})
            for sub, one in stored.items()
        }
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise say_damaged(dataset.participants_file) from error


def inherit(known: Mapping[str, Said], labels: Sequence[str]) -> Said | None:
    """Return what is remembered of a person who has had several labels, None where nothing is."""
    found = [known[label] for label in labels if label in known]
    if not found:
        return None
    first = next((one.first for one in found if one.first), "")
    return Said(first, {uid: cells for one in found for uid, cells in one.studies.items()})


def format_said(known: Mapping[str, Said], gone: Collection[str]) -> bytes:
    """Return it as it is stored, a line for each person, without labels that nobody has any more."""
    kept = {sub: {"first": known[sub].first, "studies": known[sub].studies} for sub in sorted(known) if sub not in gone}
    lines = [f"{json.dumps(sub)}: {json.dumps(one, sort_keys=True)}" for sub, one in kept.items()]
    return ("{\n" + ",\n".join(lines) + "\n}").encode()
