"""What a plan says of the visits of people: those that may be one, and those that have no place of their own. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bidsflow.convert.subjects import Key
from bidsflow.convert.visits import Visit
from bidsflow.dicom.series import Inventory


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
    notes = []
    for visit in neighbours:
        (sub, one), (_, other) = (place.sessions[study] for study in visit.studies)
        if all(study in before for study in visit.studies):
            continue
        if one == other and visit.certain:
            notes.append(
                f"sub-{sub}: two studies {visit.minutes} min apart are one visit, by their frame of reference; "
                "if they are two, give the second a session of its own in the plan"
            )
        elif one != other and not visit.certain:
            notes.append(
                f"sub-{sub}: ses-{one} and ses-{other} are {visit.minutes} min apart on one scanner; if they are one "
                "visit (a person registered again), give both one session in the plan"
            )
    here = {sub for study, (sub, ses) in place.sessions.items() if ses and study not in before}
    notes += [
        f"sub-{sub}: its first visit stays outside of a session, which is valid, but which not every tool expects; "
        "to move it, put ses-01 into its paths in the plan (docs/converting.md, Subjects and sessions)"
        for sub in sorted({sub for sub, ses in before.values() if not ses} & here)
    ]
    return tuple(notes)


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
