"""Who becomes which subject, and which study which session. Pure; the key itself is kept by `private`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from bidsflow.convert.visits import find_neighbours, join_studies
from bidsflow.dicom.occasions import base_of
from bidsflow.dicom.series import Series


class Sessions(StrEnum):
    """Whether names have a session."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Key:
    """The private key of a dataset: whose data stands where. Never printed, never part of what is shared.

    Attributes
    ----------
    subjects : mapping of str to str
        `Patient.key` to subject label.
    sessions : mapping of str to (str, str)
        StudyInstanceUID to subject and session label (``""`` where the dataset has no sessions).
    shifts : mapping of str to int
        Subject label to the days that are added to its dates; none for those of whom no date is known.
    former : mapping of str to str
        Folder of a subject or session that still holds files to the StudyInstanceUID of the visit that has left it:
        the files are of that visit.
    days : mapping of str to str
        StudyInstanceUID to the day (``YYYYMMDD``) on which its visit began: others may have the same UID.
    """

    subjects: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    shifts: Mapping[str, int] = field(default_factory=dict)
    former: Mapping[str, str] = field(default_factory=dict)
    days: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_sessions(self) -> bool:
        """Whether any study stands under a session."""
        return any(session for _, session in self.sessions.values())


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels that a study specification gives, by StudyInstanceUID; what stands in none gets a number.

    Attributes
    ----------
    subjects, sessions : mapping of str to str
        Labels.
    missing : mapping of str to str
        Why studies that should have one have none.
    order : tuple of str
        Labels of numbered sessions, the first visit first.
    """

    subjects: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()


NO_LABELS = Labels()


def folder_of(place: tuple[str, str]) -> str:
    """Return the folder of a subject and session label, relative to the dataset."""
    sub, ses = place
    return f"sub-{sub}/ses-{ses}" if ses else f"sub-{sub}"


#: Dates of every subject are moved so that the first lies here, on the same day of the week (BIDS: before 1925).
FIRST_DAY = date(1900, 1, 1)


def person_of(series: Series) -> str:
    """Return a text that is equal for the same person; each study is a person of its own where no one is named."""
    patient = series.patient
    return patient.key if patient.is_named else f"study\x1f{base_of(series)}"


def is_someone_else(person: str, other: str) -> bool:
    r"""Return whether two people as `person_of` writes them are two, beyond what a slip of the pen explains.

    They share neither ID nor name, or two of ID, name and date of birth contradict each other: names are anonymised
    alike, and numbers are given twice.

    Examples
    --------
    >>> is_someone_else("1\x1fDoe\x1f1980", "2\x1fDoe\x1f1980"), is_someone_else("1\x1fDoe\x1f1980", "2\x1fDoe\x1f1970")
    (False, True)
    """
    ours, theirs = person.split("\x1f"), other.split("\x1f")
    if min(len(ours), len(theirs)) < 3:
        return False
    shared = any(one and one == two for one, two in zip(ours[:2], theirs[:2], strict=True))
    return not shared or sum(bool(one and two and one != two) for one, two in zip(ours, theirs, strict=True)) > 1


def assign(
    series: Sequence[Series],
    key: Key,
    sessions: Sessions = Sessions.AUTO,
    given: Mapping[str, str] | None = None,
    labels: Labels = NO_LABELS,
) -> Key:
    """Return the key with a place for every study.

    Subjects and sessions that have a label keep it. New subjects are numbered in the order of their first study,
    sessions of a subject in the order of time. Studies of one visit share their session (see `visits`). With
    `Sessions.AUTO` there are sessions where someone has two visits, or where the dataset has them already.

    Parameters
    ----------
    series : sequence of Series
        Everything of the export.
    key : Key
        As the dataset has it, or empty.
    sessions : Sessions
        Whether names have a session.
    given : mapping of str to str, optional
        Session labels that the protocol gives, by StudyInstanceUID. They are taken where they are free.
    labels : Labels
        What a study specification gives. That goes before what the key has.
    """
    given = {**(given or {}), **labels.sessions}
    joined = join_studies(find_neighbours(group_people(series, labels), given))
    people: dict[str, dict[str, str]] = {}
    for one in sorted(series, key=lambda s: (s.header.text("StudyDate"), s.header.text("StudyTime"), s.study_uid)):
        start = one.header.text("StudyDate") or one.started[:8]
        owner = labels.subjects.get(one.study_uid) or person_of(one)
        people.setdefault(owner, {}).setdefault(one.study_uid, start)
    wanted = _wants_sessions(people, key, sessions, joined, given) or bool(
        labels.sessions and sessions is Sessions.AUTO
    )
    here = {one.study_uid for one in series}
    places = {**key.sessions, **_move({one: key.sessions[one] for one in here & key.sessions.keys()}, labels, wanted)}
    subjects, shifts = _rename(series, key, labels), _keep_shifts(series, key, labels)
    width = max(2, len(str(len(people) + len(subjects))))
    used, taken = {*key.subjects.values(), *subjects.values(), *labels.subjects.values()}, defaultdict(set)
    for label, session in places.values():
        taken[label].add(session or next(iter(labels.order), "1"))  # a visit without a session counts as the first
    for person, studies in people.items():
        subject = person if person in labels.subjects.values() else subjects.get(person, "")
        if not subject:
            subject = subjects[person] = _next_label(used, width)
            used.add(subject)
        for study in studies:
            visit = [one for one in studies if joined.get(one, one) == joined.get(study, study)]
            home = next((places[one] for one in visit if one in places), None)
            if wanted and study in labels.sessions:
                places[study] = (subject, labels.sessions[study])
            elif study not in places and home is not None and home[0] == subject:
                places[study] = home
            elif study not in places:
                label = next((given[one] for one in visit if one in given), "")
                free = label if label and label not in taken[subject] else _next_session(taken[subject], labels.order)
                session = free if wanted else ""
                places[study] = (subject, session)
            taken[subject].add(places[study][1])
        first = min((day for text in studies.values() if (day := parse_date(text))), default=None)
        shift = {} if first is None else {places[study][0]: _shift(first) for study in studies}
        shifts = {**shift, **shifts}
        used |= shift.keys()
    return Key(subjects, places, {label: days for label, days in shifts.items() if label in used}, days=key.days)


def _move(places: Mapping[str, tuple[str, str]], labels: Labels, wanted: bool) -> dict[str, tuple[str, str]]:
    """Return the places of studies with the labels that are given to them; those that had a number, by its rank."""
    by_number = {f"{rank:02d}": label for rank, label in enumerate(labels.order, start=1)}
    return {
        study: (
            labels.subjects.get(study, sub),
            labels.sessions.get(study, by_number.get(ses, ses)) if wanted else ses,
        )
        for study, (sub, ses) in places.items()
    }


def _rename(series: Sequence[Series], key: Key, labels: Labels) -> dict[str, str]:
    # Where it was not seen before that a name is anybody's, the key has no person for the study, and its place.
    placed = {
        person_of(one): key.sessions[one.study_uid][0]
        for one in series
        if one.study_uid in key.sessions and not one.patient.is_named
    }
    named = {person_of(one): labels.subjects[one.study_uid] for one in series if one.study_uid in labels.subjects}
    return {**placed, **key.subjects, **named}


def _keep_shifts(series: Sequence[Series], key: Key, labels: Labels) -> dict[str, int]:
    """Return the shifts of a key; who gets another label keeps the dates."""
    former = {labels.subjects.get(one.study_uid, ""): key.subjects.get(person_of(one), "") for one in series}
    kept = {label: key.shifts[old] for label, old in former.items() if label and old in key.shifts}
    return {**kept, **key.shifts}


def group_people(series: Sequence[Series], labels: Labels = NO_LABELS) -> dict[str, list[Series]]:
    """Return the series of each person: by the label that a study specification gives, else by `person_of`."""
    people: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        people[labels.subjects.get(one.study_uid) or person_of(one)].append(one)
    return people


def _wants_sessions(
    people: Mapping[str, Mapping[str, str]],
    key: Key,
    sessions: Sessions,
    joined: Mapping[str, str],
    given: Mapping[str, str],
) -> bool:
    if sessions is not Sessions.AUTO:
        return sessions is Sessions.ALWAYS
    if key.sessions:
        return key.has_sessions
    return bool(given) or any(len(studies.keys() - joined.keys()) > 1 for studies in people.values())


def _next_label(taken: Set[str], width: int) -> str:
    numbers, number = {int(label) for label in taken if label.isdecimal()}, 1
    while number in numbers:
        number += 1
    return f"{number:0{width}d}"


def _next_session(taken: Set[str], order: Sequence[str]) -> str:
    return next((label for label in order if label not in taken), "") or _next_label(taken, 2)


def parse_date(text: str) -> date | None:
    """Return the date of a DICOM text ``YYYYMMDD...``; None where it holds none."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _shift(first: date) -> int:
    """Return the days to add so that a date falls on the first such day of the week after `FIRST_DAY`."""
    target = FIRST_DAY + timedelta(days=(first.weekday() - FIRST_DAY.weekday()) % 7)
    return (target - first).days
