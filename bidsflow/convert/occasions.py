"""Which visits of an export are those that a dataset has, where several share one StudyInstanceUID. Pure.

An export tells visits of one UID apart only where it holds several (`dicom.occasions`): one that comes alone, or that
is not the first of the dataset, is told from the days of what the dataset has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial

from bidsflow.convert.known import Image
from bidsflow.convert.subjects import Key, folder_of
from bidsflow.dicom.images import is_derived
from bidsflow.dicom.occasions import (
    Moment,
    base_of,
    find_measured,
    find_visits,
    is_plausible,
    lie_apart,
    name_visit,
    parse_day,
    parse_moment,
    read_moment,
)
from bidsflow.dicom.series import Inventory, Series
from bidsflow.names import home_of, parse_name

#: What BIDS writes between the digits of a moment.
_BETWEEN = str.maketrans("", "", "-:T")


def settle_visits(
    inventory: Inventory, key: Key, taken: Mapping[Image, str], read_times: Callable[[str], Mapping[str, str]]
) -> Inventory:
    """Return an inventory of which the visits that the dataset has are the studies that its key knows.

    Parameters
    ----------
    inventory : Inventory
        What the export holds, with its visits parted.
    key : Key
        Who is who in the dataset.
    taken : mapping of (str, int) to str
        The paths of images that the dataset holds, by SeriesInstanceUID and rank.
    read_times : callable
        Returns when the images of a folder were acquired, by path, in dates that are moved.
    """
    related = group_related(key.sessions)
    groups: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for one in inventory.series:
        if base_of(one) in related:
            groups[one.study_uid, one.patient.key].append(one)
    if not groups:
        return inventory
    places: dict[str, set[str]] = defaultdict(set)
    asked = {one.uid for members in groups.values() for one in members}
    for uid, path in ((uid, path) for (uid, _), path in taken.items() if uid in asked):
        places[uid].add(parse_name(path).folder)
    named: dict[str, str] = {}
    for (study, _), members in groups.items():
        folders = {one: folder_of(key.sessions[one]) for one in related[base_of(members[0])]}
        named |= _settle(members, _Candidates(study, folders, partial(_read_moments, key, folders, read_times)), places)
    return replace(
        inventory, series=tuple(replace(one, study_uid=named.get(one.uid, one.study_uid)) for one in inventory.series)
    )


def group_related(studies: Collection[str]) -> dict[str, list[str]]:
    """Return the studies of a key by their UID, which several visits may share."""
    related: dict[str, list[str]] = defaultdict(list)
    for study in studies:
        related[study].append(study)
        base, _, day = study.rpartition(".")
        if len(day) == 8 and parse_day(day) is not None:
            related[base].append(study)
    return related


def find_moments(key: Key, study: str, times: Mapping[str, str]) -> frozenset[Moment]:
    """Return when a study of a key was measured: the day that the key notes, and what its images have.

    Parameters
    ----------
    times : mapping of str to str
        When the images of its folder were acquired, in dates that are moved, by path. A person may have edited them.
    """
    place = key.sessions[study]
    shift, folder = key.shifts.get(place[0]), folder_of(place)
    found = {parse_moment(key.days.get(study, ""))}
    if shift is not None:
        found |= {_move_back(time, shift) for path, time in times.items() if home_of(path) == folder}
    return frozenset(one for one in found if one is not None)


def _move_back(time: str, shift: int) -> Moment | None:
    moved = parse_moment(time.translate(_BETWEEN))
    try:
        return None if moved is None else moved._replace(day=moved.day - timedelta(shift))
    except OverflowError:  # a day of the year 9999
        return None


def note_days(key: Key, inventory: Inventory, before: Key) -> Key:
    """Return a key with the days on which the visits began that it did not know before."""
    studies: dict[str, list[Series]] = defaultdict(list)
    for one in inventory.series:
        if one.study_uid in key.sessions and one.study_uid not in before.sessions:
            studies[one.study_uid].append(one)
    began = {study: day for study, members in studies.items() if (day := next(iter(find_visits(members))))}
    return replace(key, days={**key.days, **began})


def find_unsettled(
    inventory: Inventory, key: Key, held: Collection[str], times: Mapping[str, str], labelled: Collection[str] = ()
) -> dict[str, str]:
    """Return why nobody can say of which visit new series are, where the dataset has several of their UID, by UID.

    Parameters
    ----------
    inventory : Inventory
        With its visits settled.
    key : Key
        Who is who in the dataset.
    held : collection of str
        SeriesInstanceUIDs of what the dataset has.
    times : mapping of str to str
        When its images were acquired, in dates that are moved, by path.
    labelled : collection of str
        SeriesInstanceUIDs of what a study gives a session.
    """
    related = group_related(key.sessions)
    shared = {
        study
        for studies in related.values()
        if len({key.sessions[study] for study in studies}) > 1
        for study in studies
    }
    begun = _find_all_moments(key, shared & {one.study_uid for one in inventory.series}, times)
    asked = [one for one in inventory.series if one.study_uid in begun]
    sure = [one for one in asked if one.uid in held or _are_of([one], begun[one.study_uid])]
    frames = {(one.study_uid, frame) for one in sure if (frame := one.header.text("FrameOfReferenceUID"))}
    known = {*held, *labelled, *(one.uid for one in sure)}
    reason = (
        "the dataset has several visits with its StudyInstanceUID, and its date of acquisition does not tell of which "
        "it is: convert it together with the series that were measured with it, or decide on it in a plan (--bids-dir)"
    )
    return {
        one.uid: reason
        for one in asked
        if one.uid not in known and (one.study_uid, one.header.text("FrameOfReferenceUID")) not in frames
    }


def find_apart(inventory: Inventory, key: Key, fresh: Collection[str], times: Mapping[str, str]) -> set[str]:
    """Return the studies of a key that get series which were measured on other occasions, by dates that part nothing.

    Parameters
    ----------
    inventory, key, times
        As for `find_unsettled`.
    fresh : collection of str
        SeriesInstanceUIDs of what is converted for the first time.
    """
    new: dict[str, list[Series]] = defaultdict(list)
    for one in inventory.series:
        if one.study_uid in key.sessions and one.uid in fresh and not is_derived(one.header.words("ImageType")):
            new[one.study_uid].append(one)
    return {
        study
        for study, moments in _find_all_moments(key, new, times).items()
        if moments and any(read_moment(one) and not _are_of([one], moments) for one in new[study])
    }


def _find_all_moments(key: Key, studies: Collection[str], times: Mapping[str, str]) -> dict[str, frozenset[Moment]]:
    """Return when studies of a key were measured, by the times of all that the dataset has."""
    if not studies:
        return {}
    parted: dict[str, dict[str, str]] = defaultdict(dict)
    for path, time in times.items():
        parted[home_of(path)][path] = time
    return {study: find_moments(key, study, parted[folder_of(key.sessions[study])]) for study in studies}


def _read_moments(
    key: Key, folders: Mapping[str, str], read_times: Callable[[str], Mapping[str, str]]
) -> dict[str, frozenset[Moment]]:
    return {study: find_moments(key, study, read_times(folder)) for study, folder in folders.items()}


@dataclass(frozen=True, slots=True)
class _Candidates:
    """What a visit may be: the study as the export calls it, and the folders and times of those that the key has.

    The times are read where they are asked for: most of what comes again is known by its images.
    """

    study: str
    folders: Mapping[str, str]
    read_moments: Callable[[], Mapping[str, frozenset[Moment]]]

    def find_home(self, held: Collection[str]) -> str:
        """Return the study that has what stands in some folders, ``""`` for none."""
        homes = [one for one, folder in self.folders.items() if folder in held]
        return self.study if self.study in homes else next(iter(homes), "")

    def find_by_day(self, members: Sequence[Series], day: date | None) -> str:
        """Return the study of a day: one that the key has, or a new one; as the export calls it, where none tells."""
        if day is None:
            return self.study
        name, base = name_visit(members[0], f"{day:%Y%m%d}"), base_of(members[0])
        if name in self.folders:
            return name
        known = self.read_moments()
        near = [one for one, moments in known.items() if _are_of(members, moments)]
        if near:
            return near[0]
        if base not in self.folders:
            return self.study if self.study == base else name
        every = [moment.day for moments in known.values() for moment in moments]
        return name if known[base] and is_plausible(day, every) else base


def _settle(
    members: Sequence[Series], candidates: _Candidates, places: Mapping[str, Collection[str]]
) -> dict[str, str]:
    """Return what the study of each series of a visit is called: as the key calls it, or its day.

    Where the export cannot tell whether its series are of one visit, and the dataset has several, those of one frame of
    reference go together.
    """
    day = next(iter(find_visits(members)))
    several = len(_find_held(members, candidates, places)) > 1 or (not day and len(candidates.folders) > 1)
    units: dict[str, list[Series]] = defaultdict(list)
    for one in members:
        units[(one.header.text("FrameOfReferenceUID") or one.uid) if several else ""].append(one)
    named: dict[str, str] = {}
    for unit in units.values():
        held = _find_held(unit, candidates, places)
        home = candidates.find_home(held) if len(held) == 1 else ""
        home = home or candidates.find_by_day(unit, parse_day(next(iter(find_visits(unit)))))
        named |= {one.uid: candidates.find_home(places.get(one.uid, ())) or home for one in unit}
    return named


def _find_held(members: Sequence[Series], candidates: _Candidates, places: Mapping[str, Collection[str]]) -> set[str]:
    """Return the folders of candidates that hold some of a few series."""
    return {folder for one in members for folder in places.get(one.uid, ())} & {*candidates.folders.values()}


def _are_of(members: Sequence[Series], moments: Collection[Moment]) -> bool:
    """Return whether what was measured of a few series is of the occasion of some moments."""
    own = {moment for one in find_measured(members) if (moment := read_moment(one)) is not None}
    return any(not lie_apart(one, other) for one in own for other in moments)
