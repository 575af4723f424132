"""What a plan says of the visits of people: those that may be one, and those that have no place of their own. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bidsflow.convert.occasions import group_related
from bidsflow.convert.people import shifted_time
from bidsflow.convert.place import Place
from bidsflow.convert.subjects import Key, folder_of
from bidsflow.convert.visits import Visit
from bidsflow.dicom.occasions import base_of, seem_apart
from bidsflow.dicom.series import Inventory, Series
from bidsflow.names import home_of, subject_of

#: As many subjects are named in a note.
_FEW = 5


def find_crowded(
    inventory: Inventory, place: Key, taken: Mapping[tuple[str, int], str], joined: Mapping[str, str]
) -> dict[str, str]:
    """Return why series of a second visit must not join the first, in a dataset without sessions, by their UID."""
    visits = Counter(where for study, where in place.sessions.items() if study not in joined)
    known = {uid for uid, _ in taken}
    done = {joined.get(series.study_uid, series.study_uid) for series in inventory.series if series.uid in known}
    reason = (
        "a second study of this subject, in a dataset without sessions: --sessions always makes it a session beside "
        "the first visit, --sessions never takes both for one visit"
    )
    return {
        series.uid: reason
        for series in inventory.series
        if joined.get(series.study_uid, series.study_uid) not in done
        and place.sessions[series.study_uid][1] == ""
        and visits[place.sessions[series.study_uid]] > 1
    }


def note_visits(neighbours: Sequence[Visit], place: Key, before: Mapping[str, tuple[str, str]]) -> tuple[str, ...]:
    """Return what a person should know of the visits of a subject, once: when one of their studies is new."""
    fresh = [visit for visit in neighbours if not all(study in before for study in visit.studies)]
    joined: dict[tuple[str, str], list[Visit]] = defaultdict(list)
    apart: dict[tuple[str, str], list[Visit]] = {}  # those that follow each other, by the session of the last
    for visit in fresh:
        one, other = (place.sessions[study] for study in visit.studies)
        if one == other and visit.certain:
            joined[one].append(visit)
        elif one != other and not visit.certain:
            apart[other] = [*apart.pop(one, []), visit]
    notes = [_say_joined(where, visits) for where, visits in joined.items()]
    notes += [_say_apart(visits, place) for visits in apart.values()]
    here = {sub for study, (sub, ses) in place.sessions.items() if ses and study not in before}
    notes += [
        f"sub-{sub}: its first visit stays outside of a session, which is valid, but which not every tool expects; "
        "to move it, put ses-01 into its paths in the plan (docs/converting.md, Subjects and sessions)"
        for sub in sorted({sub for sub, ses in before.values() if not ses} & here)
    ]
    return tuple(notes)


def _say_joined(where: tuple[str, str], visits: Sequence[Visit]) -> str:
    minutes = max(visit.minutes for visit in visits)
    if len(visits) == 1:
        return (
            f"sub-{where[0]}: two studies {minutes} min apart are one visit, by their frame of reference; if they are "
            "two, give the second a session of its own in the plan"
        )
    return (
        f"{folder_of(where)}: {len({study for one in visits for study in one.studies})} studies (StudyInstanceUID), at "
        f"most {minutes} min apart, are one visit, by their frame of reference; if some are another visit, give them a "
        "session of their own in the plan"
    )


def _say_apart(visits: Sequence[Visit], place: Key) -> str:
    (sub, first), (_, last) = place.sessions[visits[0].studies[0]], place.sessions[visits[-1].studies[1]]
    minutes = max(visit.minutes for visit in visits)
    if len(visits) == 1:
        return (
            f"sub-{sub}: ses-{first} and ses-{last} are {minutes} min apart on one scanner; if they are one visit (a "
            "person registered again), give both one session in the plan"
        )
    return (
        f"sub-{sub}: {len(visits) + 1} sessions (ses-{first} to ses-{last}) follow each other within {minutes} min on "
        "one scanner, each with a StudyInstanceUID of its own; if they are one visit, give all of them one session in "
        "the plan"
    )


def note_parted(inventory: Inventory, place: Key, before: Collection[str]) -> tuple[str, ...]:
    """Return that visits with one StudyInstanceUID were parted by their days, once: when one of them is new.

    Parameters
    ----------
    inventory, place, before
        As for `note_nameless`.
    """
    parted = {one.study_uid: base_of(one) for one in inventory.series if one.study_uid != base_of(one)}
    if parted.keys() <= set(before):
        return ()
    shared, related = set(parted.values()), group_related(place.sessions)
    visits = {study for base in shared for study in related[base]}
    labels = sorted({place.sessions[study][0] for study in parted})
    folders = sorted({folder_of(place.sessions[study]) for study in visits})
    where = ", ".join(folders) if len(folders) <= _FEW else _name_few(labels)
    return (
        f"{len(visits)} visits ({where}) were measured days apart under {_count(len(shared))}, as anonymisers write "
        "that compute it from the person's ID: each is a visit of its own, by its date; if some are one visit, give "
        "them one session in the plan",
    )


def note_undivided(
    inventory: Inventory, place: Key, before: Collection[str], apart: Collection[str]
) -> tuple[str, ...]:
    """Return that a study whose dates lie days apart is taken for one visit, once: when it is new, or what comes late.

    Parameters
    ----------
    inventory, place, before
        As for `note_nameless`.
    apart : collection of str
        Studies of the dataset that get series of other days.
    """
    studies: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for one in inventory.series:
        if one.study_uid not in before:
            studies[one.study_uid, one.patient.key].append(one)
    new = {study for (study, _), series in studies.items() if seem_apart(series)}
    labels = sorted({place.sessions[study][0] for study in new.union(apart)})
    if not labels:
        return ()
    return (
        f"dates of series with one StudyInstanceUID lie days apart ({_name_few(labels)}), and do not show that they "
        "are of several visits (frames of reference, the time of the study or dates of acquisition speak against it): "
        "they are one visit; if they are several, give each a session of its own in the plan",
    )


def _count(studies: int) -> str:
    return "one StudyInstanceUID" if studies == 1 else f"{studies} StudyInstanceUIDs"


@dataclass(frozen=True, slots=True)
class Backward:
    """A new visit of which the label does not stand where its time does, among those of its subject.

    Attributes
    ----------
    new, held : str
        Folder of the visit, and of one that the dataset has: their labels are in one order, their times in the other.
    earlier : bool
        Whether the new one was measured before the other.
    studies : frozenset of str
        StudyInstanceUIDs of the new one.
    ruled : bool
        Whether a study gives both labels in the order of time.
    """

    new: str
    held: str
    earlier: bool
    studies: frozenset[str]
    ruled: bool


def find_backward(
    inventory: Inventory,
    place: Key,
    before: Key,
    times: Mapping[str, str],
    given: Mapping[str, str],
    order: Sequence[str] = (),
) -> tuple[Backward, ...]:
    """Return the new visits that are numbered against time: what the dataset has keeps its label.

    Parameters
    ----------
    inventory : Inventory
        What the export holds.
    place, before : Key
        Where studies are to stand, and where those stand that the dataset has.
    times : mapping of str to str
        When the images of the dataset were acquired, by path.
    given : mapping of str to str
        Labels that protocols or a study give to studies, which are no numbers of visits.
    order : sequence of str
        Labels that a study gives to numbered visits, the first visit first.
    """
    starts = _find_starts(inventory, place, times)
    held = set(before.sessions.values())
    fresh: dict[tuple[str, str], set[str]] = defaultdict(set)
    for series in inventory.series:
        where = place.sessions[series.study_uid]
        if where not in held and given.get(series.study_uid) != where[1]:
            fresh[where].add(series.study_uid)
    visits: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for one in sorted(held & starts.keys()):
        visits[one[0]].append(one)
    found = []
    for where, studies in sorted(fresh.items()):
        for other in visits[where[0]] if where in starts else ():
            ranks, earlier = (_rank(where[1], order), _rank(other[1], order)), starts[where] < starts[other]
            if 0 not in ranks and starts[where] != starts[other] and earlier != (ranks[0] < ranks[1]):
                ruled = {where[1], other[1]} <= {*order}
                found.append(Backward(folder_of(where), folder_of(other), earlier, frozenset(studies), ruled))
                break
    return tuple(found)


def _find_starts(inventory: Inventory, place: Key, times: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Return when each visit of the people of an export began, by subject and session, in dates that are moved."""
    every: dict[tuple[str, str], list[str]] = defaultdict(list)
    people = {place.sessions[series.study_uid][0] for series in inventory.series}
    for path, time in times.items():
        if subject_of(path) in people:
            visit = Place.of(home_of(path))
            every[visit.sub, visit.ses].append(time)
    for series in inventory.series:
        where = place.sessions[series.study_uid]
        every[where].append(shifted_time(series.started, place.shifts.get(where[0])))
    return {where: min(known) for where, some in every.items() if (known := [time for time in some if time])}


def _rank(session: str, order: Sequence[str]) -> int:
    """Return which visit a label says that it is, 0 where it does not; one without a session counts as the first."""
    if session in order:
        return order.index(session) + 1
    return int(session) if session.isdecimal() else 0 if session else 1


def doubt_backward(backward: Sequence[Backward], inventory: Inventory, order: Sequence[str]) -> dict[str, str]:
    """Return why series must not get a label of a study that contradicts their time, by their UID."""
    reasons = {
        study: f"its visit was measured {'before' if one.earlier else 'after'} {one.held}, so that it is not "
        f"{_session(one.new)}: the study gives its labels in the order of time ({', '.join(order)}); first give "
        f"{_session(one.held)} its right label (plan its export with --bids-dir, change the session in the paths, and "
        "convert with it), then convert this one"
        for one in backward
        if one.ruled
        for study in one.studies
    }
    return {series.uid: reasons[series.study_uid] for series in inventory.series if series.study_uid in reasons}


def note_backward(backward: Sequence[Backward]) -> tuple[str, ...]:
    """Return what is to be said of visits that are numbered against time."""
    return tuple(
        f"{one.new} was measured {'before' if one.earlier else 'after'} {one.held}, which keeps its label: the "
        "sessions of this subject are not numbered in the order of time; to have them so, change the sessions in plans "
        "of their exports (--bids-dir), one visit after the other, each to a label that is free"
        for one in backward
        if not one.ruled
    )


def _session(folder: str) -> str:
    return folder.rpartition("/")[2]


def note_nameless(
    inventory: Inventory, place: Key, before: Collection[str], settled: Collection[str]
) -> tuple[str, ...]:
    """Return that studies without ID and name became subjects of their own, once: when one of them is new.

    Parameters
    ----------
    inventory : Inventory
        What the export holds.
    place : Key
        Where studies stand.
    before : collection of str
        Studies that the dataset knows.
    settled : collection of str
        Studies of which a study specification gives the subject.
    """
    studies = {one.study_uid for one in inventory.series if not one.patient.is_named} - set(settled)
    labels = sorted({place.sessions[study][0] for study in studies})
    if len(labels) < 2 or studies <= set(before):
        return ()
    return (
        f"{len(studies)} studies have neither an ID nor a name of the person, so each is a subject of its own "
        f"({_name_few(labels)}); if some are visits of one person, give them one subject, and a session each, in the "
        "paths of the plan, or in study.toml ([subjects])",
    )


def note_unproven(
    inventory: Inventory, place: Key, before: Collection[str], settled: Collection[str], joined: Mapping[str, str]
) -> tuple[str, ...]:
    """Return that ID and name alone made visits of one person of several studies, once: when one of them is new.

    Anonymisers write one ID and one name into the studies of many people, and take away what would tell them apart.

    Parameters
    ----------
    inventory, place, before
        As for `note_nameless`.
    settled : collection of str
        Studies of which a study specification gives the subject, or a protocol the session.
    joined : mapping of str to str
        Studies that are one visit with another: see `visits.join_studies`.
    """
    people: dict[str, list[Series]] = defaultdict(list)
    for one in inventory.series:
        if one.patient.is_named and one.study_uid not in settled:
            people[one.patient.key].append(one)
    labels, count = set(), 0
    for series in people.values():
        studies = {one.study_uid for one in series} - joined.keys()
        bare = not any(one.patient.birth_date or one.patient.sex for one in series)
        if bare and len(studies) > 1 and not studies <= set(before):
            labels |= {place.sessions[study][0] for study in studies}
            count += len(studies)
    if not labels:
        return ()
    return (
        f"{count} studies are taken for visits of {_name_few(sorted(labels))} since patient ID and name are the same; "
        "no birth date and no sex confirm that it is one person each: if an anonymiser gave several people one ID, "
        "give each a subject of their own in study.toml ([subjects]), or in the paths of the plan",
    )


def _name_few(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _FEW} more" if len(labels) > _FEW else ""
    return ", ".join(f"sub-{label}" for label in labels[:_FEW]) + more


def note_sessions(
    named: Mapping[str, Collection[str]], place: Key, before: Collection[str], settled: Collection[str]
) -> tuple[str, ...]:
    """Return which session labels of protocols are not taken, and why, once: when their study is new.

    Parameters
    ----------
    named : mapping of str to collection of str
        The labels that protocols give, by StudyInstanceUID: see `words.find_sessions`.
    place : Key
        Where studies stand.
    before : collection of str
        Studies that the dataset knows.
    settled : collection of str
        Studies of which a study specification gives the session.
    """
    notes = []
    for study, labels in named.items():
        sub, ses = place.sessions[study]
        if study in before or study in settled:
            continue
        where, said = f"sub-{sub}/ses-{ses}" if ses else f"sub-{sub}", [f"ses-{label}" for label in sorted(labels)]
        advice = "give it in the plan, or in study.toml ([sessions])"
        if len(said) > 1:
            notes.append(
                f"{where}: the protocols of one study name {' and '.join(said)}, and none is taken for its session; "
                f"{advice}"
            )
        elif ses and ses not in labels:
            why = ", which another visit of the subject has" if (sub, min(labels)) in place.sessions.values() else ""
            notes.append(f"{where}: its protocols name {said[0]}{why}; if its session is not ses-{ses}, {advice}")
    return tuple(sorted(notes))
