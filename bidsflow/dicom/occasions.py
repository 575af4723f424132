"""Part visits that came under one StudyInstanceUID. Pure.

A study is what was done on one occasion (PS3.3 A.1.2). Anonymisers that compute its UID of the ID of a person give all
visits of that person one. What was measured days apart was not measured on one occasion, whatever its UID says; but
dates are moved, set and taken away, so that visits are parted only where nothing else contradicts their days.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from bidsflow.dicom.header import Header
from bidsflow.dicom.images import is_derived
from bidsflow.dicom.series import Series

#: What has a date in a header, the nearest to the measurement first. Only the first tells visits apart: series are sent
#: and computed again later, and studies are registered again.
_CLOCKS = ("Acquisition", "Series", "Study")
#: Before this year there was no MRI of people: earlier dates were set.
_FIRST_YEAR = 1980
#: What lies further apart than this is a date that was set, rather than the next visit.
_LONGEST = timedelta(days=3653)
#: Where the days of two measurements differ, a longer break than this is one between visits; a night at the scanner has
#: shorter ones.
_BREAK = timedelta(hours=6)
#: How a day is written.
_DAY = "%Y%m%d"
#: What a series has in common with others of its visit where its own day does not tell.
_TIES = (("FrameOfReferenceUID",), ("StudyDate", "StudyTime"), ("AcquisitionDate",), ("SeriesDate",))
#: What only series of one occasion have in common: the person lay still, or was registered once.
_OCCASION = _TIES[:2]


class Moment(NamedTuple):
    """A day, and the time since its midnight; None where that is not known (anonymisers take times away)."""

    day: date
    time: timedelta | None


def part_studies(series: Sequence[Series]) -> tuple[Series, ...]:
    """Return series of which each visit is a study of its own.

    The first visit of a person under a UID keeps it; the others add their day to it.
    """
    members: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for one in series:
        members[one.study_uid, one.patient.key].append(one)
    given = {
        one.uid: name_visit(one, day)
        for some in members.values()
        for day, visit in list(find_visits(some).items())[1:]
        for one in visit
    }
    return tuple(replace(one, study_uid=given.get(one.uid, one.study_uid)) for one in series)


def name_visit(series: Series, day: str) -> str:
    """Return what stands for the StudyInstanceUID of a visit that has it in common with another one."""
    return f"{base_of(series)}.{day}"


def base_of(series: Series) -> str:
    """Return the StudyInstanceUID as the headers of a series have it."""
    return series.header.text("StudyInstanceUID") or series.study_uid


def find_visits(members: Sequence[Series]) -> dict[str, list[Series]]:
    """Return the series of a study by the day (``YYYYMMDD``) on which their visit began, the earlier visit first.

    The days are those of acquisition, which all that was measured has to have. In doubt it is one visit, by the day
    ``""`` where several are possible. What was computed, perhaps days later, goes with what it was computed of.
    """
    measured = find_measured(members)
    moments = _read_moments(measured, _CLOCKS[0])
    visits = _cluster([one for one in measured if one.uid in moments], moments)
    if len(visits) < 2:
        return {next(iter(visits), ""): list(members)}
    if len(moments) < len(measured) or not _are_occasions(visits, moments):
        return {"": list(members)}
    return _add_rest(visits, [one for one in members if one.uid not in moments])


def seem_apart(members: Sequence[Series]) -> bool:
    """Return whether some dates of what was measured in a study lie days apart, whether or not they can be believed.

    A day of acquisition that all have in common, and that a date of another kind confirms, is true of all.
    """
    measured = find_measured(members)
    common: Collection[date] = ()
    for kind in _CLOCKS:
        moments = _read_moments(measured, kind)
        days = {moment.day for moment in moments.values()}
        if not days.isdisjoint(common):
            return False
        if len(_cluster([one for one in measured if one.uid in moments], moments)) > 1:
            return True
        common = common or (days if len(moments) == len(measured) else ())
    return False


def is_plausible(day: date, days: Collection[date]) -> bool:
    """Return whether a day may be one of another visit of somebody who was measured on some days."""
    return day.year >= _FIRST_YEAR and min(abs(day - other) for other in days) <= _LONGEST


def read_moment(series: Series, kind: str = _CLOCKS[0]) -> Moment | None:
    """Return when a series was acquired, or another moment (``Series``, ``Study``); None where none is known."""
    if kind == "Acquisition":
        texts = series.header.text("AcquisitionDateTime"), series.header.text("AcquisitionDate")
        return parse_moment(series.started) if any(map(parse_day, texts)) else None
    return parse_moment(series.header.text(f"{kind}Date")[:8] + series.header.text(f"{kind}Time").replace(":", ""))


def parse_moment(text: str) -> Moment | None:
    """Return the moment that a text (``YYYYMMDDHHMMSS``) begins with; None where it begins with no day."""
    day = parse_day(text)
    return None if day is None else Moment(day, _parse_time(text[8:]))


def lie_apart(one: Moment, other: Moment) -> bool:
    """Return whether no visit has both moments, where it has none between: days, or a night, lie between them.

    Examples
    --------
    >>> evening, night = parse_moment("20240304235000"), parse_moment("20240305002000")
    >>> morning, some_time = parse_moment("20240305090000"), parse_moment("20240305")
    >>> lie_apart(evening, night), lie_apart(evening, morning), lie_apart(evening, some_time)
    (False, True, True)
    """
    first, last = sorted((one, other), key=_order)
    if first.time is None or last.time is None:
        return first.day != last.day
    return first.day != last.day and last.day - first.day + last.time - first.time > _BREAK


def find_measured(members: Sequence[Series]) -> list[Series]:
    """Return the series of a few that were not computed, perhaps days later; all where all were."""
    return [one for one in members if not is_derived(one.header.words("ImageType"))] or list(members)


def _read_moments(series: Sequence[Series], kind: str) -> dict[str, Moment]:
    return {one.uid: moment for one in series if (moment := read_moment(one, kind)) is not None}


def _are_occasions(visits: Mapping[str, Sequence[Series]], moments: Mapping[str, Moment]) -> bool:
    """Return whether groups of series by their days may be visits: neither their dates nor anything else denies it."""
    days = sorted({moment.day for moment in moments.values()})
    if days[0].year < _FIRST_YEAR or any(later - day > _LONGEST for day, later in pairwise(days)):
        return False
    if any(_share(visits.values(), tie) for tie in _OCCASION):
        return False
    every = [one for some in visits.values() for one in some]
    return all(len(some) > 1 or _may_be_visit(some[0], every, moments) for some in visits.values())


def _share(groups: Iterable[Sequence[Series]], keywords: Sequence[str]) -> bool:
    """Return whether two of some groups have something in common that only series of one occasion have."""
    seen: set[tuple[str, ...]] = set()
    for group in groups:
        every = {tuple(map(series.header.text, keywords)) for series in group}
        own = {texts for texts in every if all(text.strip("0.:") for text in texts)}
        if not seen.isdisjoint(own):
            return True
        seen |= own
    return False


def _may_be_visit(one: Series, every: Sequence[Series], moments: Mapping[str, Moment]) -> bool:
    """Return whether a single series may be all that there is of a visit.

    Its frame of reference has to tell it from the others, and it must not fill a gap among them by number and time of
    day: numbers begin anew with each visit.
    """
    others = [other for other in every if other is not one]
    at = moments[one.uid].time or timedelta(0)
    times = {other.uid: moments[other.uid].time or timedelta(0) for other in others}
    before = any(other.number < one.number and times[other.uid] <= at for other in others)
    after = any(other.number > one.number and times[other.uid] >= at for other in others)
    fills = before and after and all(other.number != one.number for other in others)
    return bool(one.header.text("FrameOfReferenceUID")) and not fills


def parse_day(text: str) -> date | None:
    """Return the day with which a date of DICOM begins; None where it begins with none."""
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _parse_time(text: str) -> timedelta | None:
    """Return a time of day; None where it is midnight, to which anonymisers set times."""
    digits = text[:6] if text[:6].isdecimal() else ""
    if not digits.strip("0"):
        return None
    return timedelta(hours=int(digits[:2]), minutes=int(digits[2:4] or 0), seconds=int(digits[4:6] or 0))


def _cluster(measured: Sequence[Series], moments: Mapping[str, Moment]) -> dict[str, list[Series]]:
    """Return series by the day on which their visit began: a new one begins after a break of days, or of a night."""
    visits: dict[str, list[Series]] = {}
    last: Moment | None = None
    day = ""
    for one in sorted(measured, key=lambda one: _order(moments[one.uid])):
        moment = moments[one.uid]
        if last is None or lie_apart(last, moment):
            day = moment.day.strftime(_DAY)
        visits.setdefault(day, []).append(one)
        last = moment
    return visits


def _order(moment: Moment) -> tuple[date, timedelta]:
    return moment.day, moment.time or timedelta(0)


def _add_rest(visits: Mapping[str, Sequence[Series]], rest: Sequence[Series]) -> dict[str, list[Series]]:
    """Return visits with the series whose own dates do not tell, each with those that it has something in common with.

    What has nothing in common with one visit alone goes with the last that had begun on its day, else with the first.
    """
    whole = {day: list(some) for day, some in visits.items()}
    for one in rest:
        homes = ([day for day, some in visits.items() if _are_tied(one.header, some, tie)] for tie in _TIES)
        home = next((found[0] for found in homes if len(found) == 1), "")
        begun = [day for day in visits if day <= one.started[:8]]
        whole[home or max(begun, default=min(visits))].append(one)
    return whole


def _are_tied(header: Header, visit: Sequence[Series], keywords: Sequence[str]) -> bool:
    own = [header.text(keyword) for keyword in keywords]
    return any(own) and any(own == [one.header.text(keyword) for keyword in keywords] for one in visit)
