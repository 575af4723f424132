"""Which series of an export were measured once and came twice, under other UIDs. Pure: `dicom.twins` reads pixels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bidsflow.convert.cohort import Cohort
from bidsflow.convert.people import shifted_time
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, PlanRow
from bidsflow.convert.subjects import Key, folder_of, person_of
from bidsflow.convert.times import has_moment
from bidsflow.dicom.series import Inventory, Series
from bidsflow.dicom.twins import has_time, moment_of
from bidsflow.names import home_of, parse_name, subject_of


@dataclass(frozen=True, slots=True)
class Copies:
    """An export without its copies.

    Attributes
    ----------
    inventory : Inventory
        What is left.
    rows : tuple of PlanRow
        What the plan says of the images of copies.
    doubts : mapping of str to str
        Why a person has to look at a series, by its UID: its images stand under two patients, or it is the rest of a
        study that the dataset has under other UIDs, or an acquisition that it has under another header.
    places : mapping of str to (str, str)
        Where the dataset has such studies: subject and session by StudyInstanceUID.
    """

    inventory: Inventory
    rows: tuple[PlanRow, ...] = ()
    doubts: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def part_copies(inventory: Inventory, key: Key, taken: Mapping[tuple[str, int], str], cohort: Cohort) -> Copies:
    """Return an export without series that it holds twice, or that the dataset has under another UID.

    Of copies the one is kept that the dataset has, else that of the larger study. What stands under two patients is
    kept, and is for a person: only one of them was scanned.

    Parameters
    ----------
    inventory : Inventory
        With its `twins`.
    key : Key
        Who is who in the dataset.
    taken : mapping of (str, int) to str
        The paths of images that the dataset holds, by SeriesInstanceUID and rank.
    cohort : Cohort
        When the images of the dataset were measured.
    """
    held = {uid: path for (uid, _), path in taken.items()}
    places: dict[str, tuple[str, str]] = {}
    by_uid = {series.uid: series for series in inventory.series}
    studies = Counter(series.study_uid for series in inventory.series)
    timed = _find_timed(inventory.series)
    reasons: dict[str, str] = {}
    doubts: dict[str, str] = {}
    for group in inventory.twins:
        twins = [by_uid[uid] for uid in group if uid in by_uid]
        twins.sort(key=lambda one: (one.uid not in held, -studies[one.study_uid], one.study_uid, one.uid))
        if len(twins) < 2:  # only a part of the export is looked at
            continue
        first = twins[0]
        if len({person_of(one) for one in twins if one.patient.is_named}) > 1:
            said = "the same pixels stand under two patients, of whom one was scanned: say who"
            doubts |= {one.uid: said for one in twins if one.uid not in held}
            continue
        said = f"a copy of series {first.number} of {{}} study, with the same pixels under other UIDs"
        reasons |= {one.uid: said.format("its" if one.study_uid == first.study_uid else "another") for one in twins[1:]}
    doubts |= _find_parts([one for one in inventory.series if one.uid in timed], {*reasons, *doubts, *held})
    for one in (one for one in inventory.series if one.uid in timed):
        uid, subject = cohort.moments.get(moment_of(one), ("", ""))
        if not uid or uid == one.uid or one.uid in held or one.uid in reasons:
            continue
        known = key.subjects.get(person_of(one), "")
        same = "a series of the same number, time and size under another UID"
        if known == subject or not one.patient.is_named:
            reasons[one.uid] = f"the dataset has it in sub-{subject}, from {same}"
            if uid in held and not _is_part(one, uid):
                where = parse_name(held[uid])
                places[one.study_uid] = where.sub, where.ses
        else:
            doubts[one.uid] = f"sub-{subject} of the dataset has {same}: say whose it is"
    rest = tuple(one for one in inventory.series if one.uid not in reasons)
    again = _find_again([one for one in rest if one.uid in timed and one.uid not in held], key, places, cohort)
    for uid, path in again.items():
        where = parse_name(path)
        places.setdefault(by_uid[uid].study_uid, (where.sub, where.ses))
    asked = set(map(folder_of, places.values()))
    dated = {home_of(path) for path, time in cohort.times.items() if home_of(path) in asked and has_moment(time)}
    doubts |= {
        one.uid: _tell_rest(places[one.study_uid], again.get(one.uid, ""), known=one.uid in timed, dated=dated)
        for one in rest
        if one.study_uid in places and one.uid not in {*held, *doubts}
    }
    rows = tuple(row for uid, reason in reasons.items() for row in _skip(by_uid[uid], reason))
    return Copies(replace(inventory, series=rest), rows, doubts, places)


def _is_part(series: Series, uid: str) -> bool:
    """Return whether the dataset has a series by the UID that its parts share (`dicom.parting`): it came alone then."""
    shared = series.header.text("SeriesInstanceUID")
    return shared != series.uid and (uid == shared or uid.startswith(f"{shared}."))


def _find_again(
    series: Sequence[Series], key: Key, places: Mapping[str, tuple[str, str]], cohort: Cohort
) -> dict[str, str]:
    """Return the image of the dataset that was acquired at the moment of a series, by its UID.

    It is asked of studies that the dataset does not know: what else was measured of a known one at that moment (a
    phase) comes under the UID of that study. The image has as many volumes as one of the series.
    """
    subjects = {one.uid: places.get(one.study_uid, (key.subjects.get(person_of(one), ""), ""))[0] for one in series}
    asked = set(subjects.values())
    standing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path, time in cohort.times.items():
        if (subject := subject_of(path)) in asked:
            standing[subject, time].append(path)
    found = {}
    for one in series:
        subject = subjects[one.uid]
        time = shifted_time(one.started, key.shifts.get(subject))
        volumes = {image.volumes for image in one.images}
        paths = [path for path in standing[subject, time] if cohort.lengths.get(path, ("", 0))[1] in volumes]
        if paths and (one.study_uid in places or one.study_uid not in key.sessions):
            found[one.uid] = paths[0]
    return found


def _tell_rest(place: tuple[str, str], path: str, *, known: bool, dated: Collection[str]) -> str:
    """Return why a series of a study that the dataset has under other UIDs is for a person.

    Parameters
    ----------
    place : tuple of (str, str)
        Where the study stands.
    path : str
        The image that was acquired at its moment, ``""`` for none.
    known : bool
        Whether its moment is known.
    dated : collection of str
        The folders of which it is known when their images were acquired.
    """
    said = f"its study is a copy of one that the dataset has in {folder_of(place)}, under other UIDs, and "
    if path:
        return (
            f"{said}it was measured at the moment of {path}, with as many volumes: the same acquisition under another "
            "header; skip it, unless it shows something else"
        )
    if known and folder_of(place) in dated:
        return f"{said}no image of its moment and volumes stands there: decide on it as on the original"
    return f"{said}no time tells whether it was converted: look at the images there, and skip it if it was"


def _find_timed(series: Sequence[Series]) -> set[str]:
    """Return the UIDs of series that their moment tells from those of other people.

    It does not where a whole study has one moment, which anonymisation sets; of one scan, where that is a full minute.
    """
    studies: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        if has_time(one):
            studies[one.study_uid].append(one)
    timed: set[str] = set()
    for members in studies.values():
        scans = len({one.protocol_name for one in members})
        if len({one.started for one in members}) > 1 or (scans == 1 and members[0].started[12:].strip("0.")):
            timed |= {one.uid for one in members}
    return timed


def _find_parts(series: Sequence[Series], settled: Collection[str]) -> dict[str, str]:
    """Return why series may be incomplete copies, by UID: another study has more images of the same number and time."""
    moments: dict[tuple[int, str, str], list[Series]] = defaultdict(list)
    for one in series:
        moments[one.number, one.description, one.started].append(one)
    doubts: dict[str, str] = {}
    for members in moments.values():
        whole = max(members, key=lambda one: len(one.instances))
        doubts |= {
            one.uid: f"another study has a series {one.number} of the same name and time with {len(whole.instances)} "
            f"files, and this one has {len(one.instances)}: it may be a part of it under new UIDs"
            for one in members
            if one.uid not in settled and one.study_uid != whole.study_uid and len(one.instances) < len(whole.instances)
        }
    return doubts


def _skip(series: Series, reason: str) -> list[PlanRow]:
    return [
        PlanRow(
            series.uid, rank, series.number, series.protocol_name, series.description, image.n_instances, image.volumes,
            Decision.SKIP, NOT_APPLICABLE, 1.0, f"{reason[:1].upper()}{reason[1:]}.",
        )
        for rank, image in enumerate(series.images, start=1)
    ]  # fmt: skip
