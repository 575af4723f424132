"""Which visits of an export are those that a dataset has, where several share one StudyInstanceUID. Pure.

An export tells visits of one UID apart only where it holds several (`dicom.occasions`): one that comes alone, or that
is not the first of the dataset, is told from the days of what the dataset has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from bidsflow.convert.known import Image
from bidsflow.convert.subjects import Key, folder_of
from bidsflow.dicom.occasions import base_of, find_visits, name_visit, parse_day
from bidsflow.dicom.series import Inventory, Series
from bidsflow.names import parse_name

#: A visit may go over midnight.
_NIGHT = timedelta(days=1)


def settle_visits(inventory: Inventory, key: Key, taken: Mapping[Image, str], times: Mapping[str, str]) -> Inventory:
    """Return an inventory of which the visits that the dataset has are the studies that its key knows.

    Parameters
    ----------
    inventory : Inventory
        What the export holds, with its visits parted.
    key : Key
        Who is who in the dataset.
    taken : mapping of (str, int) to str
        The paths of images that the dataset holds, by SeriesInstanceUID and rank.
    times : mapping of str to str
        When these were acquired, by path, in dates that are moved.
    """
    places: dict[str, set[str]] = defaultdict(set)
    here = {one.uid for one in inventory.series}
    for uid, path in ((uid, path) for (uid, _), path in taken.items() if uid in here):
        places[uid].add(parse_name(path).folder)
    groups: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for one in inventory.series:
        groups[one.study_uid, one.patient.key].append(one)
    related = _group_related(key)
    named: dict[str, str] = {}
    for (study, _), members in groups.items():
        own = related.get(base_of(members[0]), ())
        held = {folder for one in members for folder in places.get(one.uid, ())}
        named |= dict.fromkeys((one.uid for one in members), _settle(study, members, own, held, key, times))
    return replace(inventory, series=tuple(replace(one, study_uid=named[one.uid]) for one in inventory.series))


def is_settled(inventory: Inventory, key: Key, taken: Mapping[Image, str]) -> bool:
    """Return whether nothing of an export can be a visit that shares its UID with another one of the dataset."""
    held, related = {uid for uid, _ in taken}, _group_related(key)
    known = {one.study_uid for one in inventory.series if one.uid in held}
    return all(
        base_of(one) not in related or (one.study_uid == base_of(one) and one.study_uid in known)
        for one in inventory.series
    )


def _group_related(key: Key) -> dict[str, list[str]]:
    """Return the studies of a key by their UID, which several visits may share."""
    related: dict[str, list[str]] = defaultdict(list)
    for study in key.sessions:
        related[study].append(study)
        base, _, day = study.rpartition(".")
        if len(day) == 8 and parse_day(day) is not None:
            related[base].append(study)
    return related


def _settle(
    study: str,
    members: Sequence[Series],
    related: Sequence[str],
    held: Collection[str],
    key: Key,
    times: Mapping[str, str],
) -> str:
    """Return what the study of a visit is called: as the key calls it where the dataset has its images, or its day."""
    homes = [one for one in related if folder_of(key.sessions[one]) in held]
    if homes:
        return study if study in homes else homes[0]
    base, day = base_of(members[0]), next(iter(find_visits(members)))
    if (name := name_visit(members[0], day)) in related:
        return name
    if base not in related or not day:
        return study
    began, days = parse_day(day), _find_days(key, base, times)
    if began is None or not days:
        return study
    return base if any(abs(began - one) <= _NIGHT for one in days) else name


def _find_days(key: Key, study: str, times: Mapping[str, str]) -> set[date]:
    """Return the days on which the images of a study's session were measured; none where that is not known."""
    place = key.sessions[study]
    shift, folder = key.shifts.get(place[0]), f"{folder_of(place)}/"
    if shift is None:
        return set()
    days = (parse_day(time.replace("-", "")) for path, time in times.items() if path.startswith(folder))
    return {day - timedelta(shift) for day in days if day is not None}
