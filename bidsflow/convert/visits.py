"""Which studies are one visit of one person: a person who is registered again stays in the scanner. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from bidsflow.dicom.series import Series

#: Studies that lie further apart than this (seconds) are two visits, whatever else they share.
LONGEST_BREAK = 2 * 3600.0
#: Begins the frames of reference of atlases (DICOM PS3.6, table A-2), which many people share.
_WELL_KNOWN = "1.2.840.10008."


@dataclass(frozen=True, slots=True)
class Visit:
    """Studies of one person that follow each other, and whether they are one visit.

    Attributes
    ----------
    studies : tuple of (str, str)
        StudyInstanceUIDs, the earlier first.
    minutes : int
        Between the beginning of the last series of one and the first of the other; 0 where they overlap.
    certain : bool
        True where they share a frame of reference, which no one can lie in twice (PS3.3 C.7.4.1.1.1).
    """

    studies: tuple[str, str]
    minutes: int
    certain: bool


@dataclass(frozen=True, slots=True)
class _Study:
    uid: str
    first: float
    last: float
    device: str
    frames: frozenset[str]
    given: str


def find_neighbours(
    people: Mapping[str, Sequence[Series]], given: Mapping[str, str] | None = None
) -> tuple[Visit, ...]:
    """Return the studies that follow each other on one day and one scanner.

    Parameters
    ----------
    people : mapping of str to sequence of Series
        The series of each person.
    given : mapping of str to str, optional
        Session labels that the protocol gives, by StudyInstanceUID: two labels are two visits.
    """
    found = []
    for series in people.values():
        for one, other in pairwise(_list_studies(series, given or {})):
            gap = other.first - one.last
            same_day = one.first // 86400 == other.first // 86400
            two_names = one.given and other.given and one.given != other.given
            if same_day and gap <= LONGEST_BREAK and one.device == other.device and not two_names:
                minutes = max(0, round(gap / 60))  # a visit that was registered as two studies may alternate
                found.append(Visit((one.uid, other.uid), minutes, bool(one.frames & other.frames)))
    return tuple(found)


def _list_studies(series: Sequence[Series], given: Mapping[str, str]) -> list[_Study]:
    """Return the studies of which the time of every series is known, in order."""
    members: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        members[one.study_uid].append(one)
    studies = []
    for uid, some in members.items():
        times = [seconds_of(one.started) for one in some]
        known = [time for time in times if time is not None and time % 86400]
        if len(known) == len(times):
            headers = [one.header for one in some]
            frames = {header.text("FrameOfReferenceUID") for header in headers} - {""}
            device = ",".join(sorted({header.text("DeviceSerialNumber") for header in headers}))
            own = frozenset(frame for frame in frames if not frame.startswith(_WELL_KNOWN))
            studies.append(_Study(uid, min(known), max(known), device, own, given.get(uid, "")))
    return sorted(studies, key=lambda study: (study.first, study.uid))


def join_studies(visits: Sequence[Visit]) -> dict[str, str]:
    """Return the first study of its visit for each study that joins another; others are visits of their own."""
    first: dict[str, str] = {}
    for visit in visits:
        if visit.certain:
            one, other = visit.studies
            first[other] = first.get(one, one)
    return first


def seconds_of(started: str) -> float | None:
    """Return a time as `Series.started` has it in seconds since an arbitrary midnight; None without a time of day.

    Examples
    --------
    >>> seconds_of("20220711120517.5") - seconds_of("20220710120500")
    86417.5
    """
    try:
        day = date(int(started[:4]), int(started[4:6]), int(started[6:8])).toordinal()
        hours, minutes = int(started[8:10]), int(started[10:12])
        return 86400.0 * day + 3600.0 * hours + 60.0 * minutes + float(started[12:] or 0)
    except ValueError:
        return None
