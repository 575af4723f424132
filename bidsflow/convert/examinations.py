"""Which PARs, or DICOM series beside them, may be someone's whom the dataset has already. Pure.

A PAR has neither UIDs nor an ID. What a dataset holds of the same examination is told by its moment, and by names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from bidsflow.convert.cohort import Cohort
from bidsflow.convert.subjects import Key, person_of
from bidsflow.dicom.parrec import is_pair, mark_examination
from bidsflow.dicom.series import Inventory, Series, is_placeholder
from bidsflow.dicom.tags import find_maker
from bidsflow.dicom.twins import moment_of
from bidsflow.names import parse_name


def find_held_examinations(
    inventory: Inventory, key: Key, held: Collection[str], cohort: Cohort, labelled: Collection[str] = ()
) -> dict[str, str]:
    """Return why a person has to say whose series are, by their UID; those that the dataset holds are never among them.

    Parameters
    ----------
    inventory : Inventory
        What the export holds.
    key : Key
        Who is who in the dataset.
    held : collection of str
        SeriesInstanceUIDs of what the dataset holds.
    cohort : Cohort
        What it remembers of its images.
    labelled : collection of str
        SeriesInstanceUIDs of which a study says whose they are.
    """
    fresh = [one for one in inventory.series if one.uid not in held and one.uid not in labelled]
    known = {one.study_uid for one in inventory.series if one.uid in held}
    told: dict[str, str] = {}
    for one in fresh:
        reason = _find_rival(one, cohort) if is_pair(one) else ""
        if not reason and is_pair(one) and not one.patient.name and not one.patient.id and one.study_uid not in known:
            sub = key.sessions.get(one.study_uid, ("", ""))[0]
            reason = f"sub-{sub} of the dataset has an examination of this time, and no PAR names anyone" if sub else ""
        if reason:
            told.setdefault(one.study_uid, f"{reason}: say whose it is")
    doubts = {one.uid: told[one.study_uid] for one in fresh if is_pair(one) and one.study_uid in told}
    return doubts | {
        one.uid: f"{reason}: say whose it is" for one in fresh if (reason := _find_other(one, key, cohort))
    }


def follow_held(inventory: Inventory, taken: Mapping[tuple[str, int], str], key: Key) -> Key:
    """Return the key of a dataset with people and studies that DICOM tells of PARs which the dataset holds already."""
    held = {uid: path for (uid, _), path in taken.items()}
    subjects, sessions = dict(key.subjects), dict(key.sessions)
    for one in inventory.series:
        if is_pair(one) and one.uid in held and one.study_uid not in sessions:
            where = parse_name(held[one.uid])
            sessions[one.study_uid] = where.sub, where.ses
            subjects.setdefault(person_of(one), where.sub)
    return replace(key, subjects=subjects, sessions=sessions)


def _find_rival(series: Series, cohort: Cohort) -> str:
    """Return what is said where the dataset has another PAR of one examination and number."""
    _, subject = cohort.moments.get(moment_of(series), ("", ""))
    return f"sub-{subject} of the dataset has another PAR of its examination and number" if subject else ""


def _find_other(series: Series, key: Key, cohort: Cohort) -> str:
    """Return what is said where the dataset has the examination, or the person, from the other kind of files alone."""
    if series.study_uid in key.sessions and is_pair(series):
        return ""
    own, other = ("par", "dicom") if is_pair(series) else ("dicom", "par")
    subject = cohort.examinations.get(mark_examination(series, other), "")
    if subject and mark_examination(series, own) not in cohort.examinations:
        how = "DICOM" if other == "dicom" else "PAR/REC"
        return f"sub-{subject} of the dataset has this examination from {how}"
    return _find_namesake(series, key)


def _find_namesake(series: Series, key: Key) -> str:
    """Return what is said where the dataset has the name with an ID, which a PAR never has, or the other way round."""
    name, philips = series.patient.name, find_maker(series.header.text("Manufacturer")) == "PHILIPS"
    if is_placeholder(name) or not philips or person_of(series) in key.subjects:
        return ""
    for person, subject in key.subjects.items():
        number, named = [*person.split("\x1f"), ""][:2]
        if named == name and bool(number) != bool(series.patient.id):
            return f"sub-{subject} of the dataset has the same name, and of one of both no ID is known"
    return ""
