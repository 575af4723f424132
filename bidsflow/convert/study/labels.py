"""Labels of subjects and sessions that a study gives. What a table or a header says of a person stays in here.

Messages name series and studies, never an ID or a name.
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from bidsflow.convert.study.spec import Sessions, Source, Study, Subjects, Table
from bidsflow.convert.subjects import Labels, is_someone_else, person_of
from bidsflow.dicom.series import Series
from bidsflow.errors import StudyError
from bidsflow.names import to_label

#: A key of a table, and a day (``YYYYMMDD``) or ``""``.
_Key = tuple[str, str]
_DAY = re.compile(r"(\d{4})[-./]?(\d\d)[-./]?(\d\d)")


@dataclass(frozen=True, slots=True)
class Tables:
    """What the tables of a study hold: labels by key, and by the day of the visit where the table has days."""

    subjects: Mapping[_Key, str] = field(default_factory=dict)
    sessions: Mapping[_Key, str] = field(default_factory=dict)


def read_tables(study: Study, folder: Path, where: str) -> Tables:
    """Return the tables that a study names.

    Parameters
    ----------
    study : Study
        What names them.
    folder : Path
        Of the study file; paths in it are relative to it.
    where : str
        Name of the study file, for messages.

    Raises
    ------
    StudyError
        If a table cannot be read, lacks a column, or gives one key two labels. No key is shown.
    """
    found = {}
    for name, table in (("subjects", study.subjects.table), ("sessions", study.sessions.table)):
        found[name] = {} if table is None else _read_table(table, folder, where, name)
    return Tables(found["subjects"], found["sessions"])


def _read_table(table: Table, folder: Path, where: str, name: str) -> dict[_Key, str]:
    try:
        text = (folder / table.path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise StudyError(where, (f"{name}.table: {table.path} cannot be read ({error.strerror})",)) from error
    except UnicodeDecodeError as error:
        raise StudyError(where, (f"{name}.table: {table.path} is not UTF-8",)) from error
    first = text.partition("\n")[0]
    mark = next((mark for mark in "\t;," if mark in first), ",")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=mark)
    try:
        names, rows = reader.fieldnames or (), [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise StudyError(where, (f"{name}.table: {table.path} is no table ({error})",)) from error
    columns = [column for column in (table.key, table.label, table.date) if column]
    absent = [column for column in columns if column not in names]
    if absent:  # what stands in the first line instead may be someone's data
        said = f"{table.path} has no column {' or '.join(map(repr, absent))} in its first line"
        raise StudyError(where, (f"{name}.table: {said}",))
    labels: dict[_Key, str] = {}
    problems = []
    for number, row in rows:
        key, day = _fold(row[table.key] or ""), _day((row[table.date] or "") if table.date else "")
        label = _clean(row[table.label] or "")
        line = f"{name}.table: line {number} of {table.path}"
        if table.date and key and not day:
            problems.append(f"{line} has no day such as 2024-03-04 in {table.date!r}")
        elif key and not label:
            problems.append(f"{line} has no letter or digit in {table.label!r}")
        elif labels.setdefault((key, day), label) != label:
            problems.append(f"{line} gives another label to what an earlier line has")
    if problems:
        raise StudyError(where, tuple(problems))
    return labels


def make_labels(
    study: Study, tables: Tables, series: Sequence[Series], folders: Mapping[str, str], where: str
) -> Labels:
    """Return the labels that a study gives to the studies of an inventory; one with two labels gets none.

    Parameters
    ----------
    study, tables : Study, Tables
        What the study says.
    series : sequence of Series
        Everything of the inventory.
    folders : mapping of str to str
        The folder of each series, by SeriesInstanceUID.
    where : str
        Name of the study file, for messages.

    Raises
    ------
    StudyError
        If two people get one label that no table gave them, or two days one session.
    """
    subjects: dict[str, str] = {}
    sessions: dict[str, str] = {}
    missing: dict[str, str] = {}
    studies: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        studies[one.study_uid].append(one)
    for uid, members in studies.items():
        for kind, said, table, found in (
            ("subject", study.subjects, tables.subjects, subjects),
            ("session", study.sessions, tables.sessions, sessions),
        ):
            if said.source is Source.NUMBER:
                continue
            titles: dict[str, str] = {}
            for one in members:
                titles.setdefault(_label_of(one, said, table, folders), f"series {one.title}")
            label, *others = titles
            name = PurePath(where).name
            if others:
                shown = " and ".join(list(titles.values())[:2])
                missing.setdefault(uid, f"{name} gives {shown}, which are of one study, different {kind} labels")
            elif label:
                found[uid] = label
            elif kind == "subject" or not study.sessions.optional:
                missing.setdefault(uid, f"no {kind} label by {name} ({_describe(said)})")
    problems = _find_shared(study, studies, subjects) + _find_crowded(studies, subjects, sessions)
    if problems:
        raise StudyError(where, tuple(problems))
    return Labels(subjects, sessions, missing, study.sessions.labels)


def _describe(said: Subjects | Sessions) -> str:
    if said.source is Source.TABLE:
        return "no line of the table is about it"
    return f"from {said.source}" + (f", pattern {said.pattern!r}" if said.pattern else "")


def _label_of(series: Series, said: Subjects | Sessions, table: Mapping[_Key, str], folders: Mapping[str, str]) -> str:
    by = said.source if said.table is None else said.table.by
    text = folders.get(series.uid, "") if by is Source.FOLDER else series.header.text(by.value).strip()
    if said.pattern:
        match = re.search(said.pattern, text)
        if match is None:
            return ""
        text = match["label"] if "label" in match.re.groupindex else match[1] if match.re.groups else match[0]
        text = text or ""
    if said.source is not Source.TABLE:
        return _clean(text)
    day = _day(series.header.text("StudyDate") or series.started[:8]) if said.table and said.table.date else ""
    return table.get((_fold(text), day), "")


def _fold(text: str) -> str:
    """Return a key so that case and blanks do not matter."""
    return "".join(text.split()).casefold()


def _day(text: str) -> str:
    match = _DAY.match(text.strip())
    return "".join(match.groups()) if match else ""


def _clean(text: str) -> str:
    return to_label(text.strip().removeprefix("sub-").removeprefix("ses-"))


def _find_shared(study: Study, studies: Mapping[str, Sequence[Series]], subjects: Mapping[str, str]) -> list[str]:
    """Return a sentence for each label that two people would share; a table may join IDs of one person on purpose."""
    if study.subjects.source is Source.TABLE:
        return []
    first: dict[str, Series] = {}
    problems = []
    for uid, label in subjects.items():
        one = studies[uid][0]
        other = first.setdefault(label.lower(), one)
        if _are_two(one, other) or subjects[other.study_uid] != label:
            problems.append(
                f"subjects: series {other.title} and series {one.title} are of two people by their headers, and both "
                f"would be sub-{label}; make the pattern longer, or say in a table who is who"
            )
    return problems


def _are_two(one: Series, other: Series) -> bool:
    """Return whether two series are of two people: IDs differ, or all else does (`subjects.is_someone_else`)."""
    ids = {one.patient.id, other.patient.id} - {""}
    return len(ids) > 1 or is_someone_else(person_of(one), person_of(other))


def _find_crowded(
    studies: Mapping[str, Sequence[Series]], subjects: Mapping[str, str], sessions: Mapping[str, str]
) -> list[str]:
    """Return a sentence for each session label that visits of one person on two days would share."""
    visits: dict[tuple[str, str], Series] = {}
    problems = []
    for uid, label in sessions.items():
        one = studies[uid][0]
        other = visits.setdefault((subjects.get(uid) or person_of(one), label.lower()), one)
        days = {each.header.text("StudyDate") or each.started[:8] for each in (one, other)}
        if len(days) > 1:
            problems.append(
                f"sessions: series {other.title} and series {one.title} are of two days, and both would be ses-{label}"
            )
    return problems
