"""Whether the images of a series are numbered as they were measured. Pure.

dcm2niix puts volumes into the order of their numbers. Archives and anonymisers may have given these anew, and then runs
come out with their volumes, or slices of several volumes, out of order.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from typing import Final

from bidsflow.dicom.geometry import run_one_way, unite_places
from bidsflow.dicom.header import Header
from bidsflow.dicom.pick import Pick
from bidsflow.dicom.tags import find_maker

#: What images of one kind have in common.
_OF_KIND: Final = ("ImageOrientationPatient", "ImageType", "EchoTime", "InversionTime")
#: A run goes over midnight where a time after the first comes before the second (HHMMSS).
LATE, EARLY = "200000", "040000"
#: Makers of which dcm2niix understands volumes whose slices are numbered in turn.
_BY_SLICE: Final = ("GE", "PHILIPS")
#: When an image was measured: date and time.
Moment = tuple[str, ...]
#: Number of an image, and when it was measured.
_Numbered = tuple[int, Moment]


def find_disorder(
    headers: Iterable[Header], *, whole: bool = False, lacking: bool = False, joined: bool = False
) -> str:
    """Return a clause that says that nothing tells the order of volumes, ``""`` where their numbers do.

    Images of one place are compared: no number may stand twice, and none may contradict the time, where each has a time
    of its own (some scanners write one time into all images of a series). The numbers have to go volume by volume or
    slice by slice, one way through space: otherwise dcm2niix (v1.0.20260724) takes slices of several volumes for one,
    unless private elements of the maker tell it better, which anonymisers remove. Slice by slice is an order that it
    understands of GE and Philips only.

    Parameters
    ----------
    headers : iterable of Header
        Of the files of one series, in any order: single-frame images, or files of whole volumes.
    whole : bool
        Whether each is a volume (a mosaic, a file of frames): places then tell nothing but that someone moved.
    lacking : bool
        Whether images are known to be missing: gaps that they leave among the numbers are then no disorder.
    joined : bool
        Whether they are parts with UIDs of their own, in which numbers may begin anew.

    Examples
    --------
    >>> numbered = {"1": "090000.0", "2": "090004.0", "3": "090002.0"}
    >>> find_disorder(Header({"InstanceNumber": one, "AcquisitionTime": time}) for one, time in numbered.items())
    'its images are numbered otherwise than they were measured (InstanceNumber, AcquisitionTime)'
    """
    makers: set[str] = set()
    clocks: set[str] = set()
    members: dict[tuple[str, ...], dict[str, list[_Numbered]]] = defaultdict(lambda: defaultdict(list))
    kind_of, moment_of = Pick(*_OF_KIND), Pick("AcquisitionDate", "AcquisitionTime", "AcquisitionDateTime")
    for header in headers:
        makers.add(header.text("Manufacturer"))
        at = "" if whole else header.text("ImagePositionPatient")
        date, time, both = moment_of(header)
        clocks.add("AcquisitionTime" if time else "AcquisitionDateTime")
        members[kind_of(header)][at].append((header.integer("InstanceNumber"), _read_moment(date, time, both)))
    united = [_unite(places) for places in members.values()]
    kinds = [places for places in united if all(map(_is_numbered, places.values()))]
    if len(kinds) < len(united) and not joined:
        return "its images have no numbers that tell which came first (InstanceNumber)"
    if any(_is_disordered(run) for places in kinds for run in places.values()):
        return f"its images are numbered otherwise than they were measured (InstanceNumber, {min(clocks, key=len)})"
    for places in kinds:
        numbered = sorted((number, at) for at, run in places.items() for number, _ in run)
        if _is_mixed([at for _, at in numbered]) and not (lacking and _is_torn(numbered)):
            return "its images are numbered neither volume by volume nor slice by slice (InstanceNumber)"
        if _go_by_slice([at for _, at in numbered]) and not all(find_maker(one) in _BY_SLICE for one in makers):
            return "its images are numbered slice by slice, in which dcm2niix would mix volumes (InstanceNumber)"
    return ""


def _read_moment(date: str, time: str, both: str) -> Moment:
    """Return when an image was measured; enhanced objects say it in one element (AcquisitionDateTime)."""
    return (date, time) if time else (both[:8], re.split(r"[+-]", both[8:])[0])


def _unite(places: Mapping[str, list[_Numbered]]) -> Mapping[str, list[_Numbered]]:
    """Return the images of each place, whose spellings may differ."""
    first = unite_places(places)
    united: dict[str, list[_Numbered]] = defaultdict(list)
    for text, run in places.items():
        united[first[text]] += run
    return united


def _is_numbered(members: Sequence[_Numbered]) -> bool:
    """Return whether each of some images has a number of its own."""
    return len({number for number, _ in members}) == len(members)


def _is_disordered(members: Sequence[_Numbered]) -> bool:
    """Return whether images that each have a time of their own were measured in another order than that of numbers."""
    moments = [moment for _, moment in sorted(members)]
    if not all(time for _, time in moments) or len(set(moments)) < len(moments):
        return False
    clocks = [(date, _clock(time)) for date, time in moments]
    back = [(before, after) for before, after in pairwise(clocks) if after <= before]
    # over midnight, where each image has the date of the whole run, or none
    night = [one for one in back if one[0][0] == one[1][0] and one[0][1] >= LATE and one[1][1] < EARLY]
    return len(back) > len(night) or len(night) > 1


def _clock(time: str) -> str:
    """Return a time whose text compares as times do: some writers leave leading zeros out, or put colons in."""
    whole, point, rest = time.replace(":", "").partition(".")
    return whole.zfill(6) + point + rest


def _is_mixed(places: list[str]) -> bool:
    """Return whether places, in the order of numbers, are those of neither volumes nor slices in turn.

    Examples
    --------
    >>> [_is_mixed(list(order)) for order in ("ababab", "aaabbb", "abaabb", "abbaab")]
    [False, False, True, True]
    """
    volume = list(dict.fromkeys(places))
    count, rest = divmod(len(places), len(volume))
    if rest:
        return False  # incomplete, which is told
    by_volume, by_slice = volume * count, [place for place in volume for _ in range(count)]
    return places not in (by_volume, by_slice) or not run_one_way(volume)


def _go_by_slice(places: Sequence[str]) -> bool:
    """Return whether the second place of several is the first again, of a volume that has more than one."""
    return len(set(places)) > 1 and places[0] == places[1]


def _is_torn(numbered: Sequence[tuple[int, str]]) -> bool:
    r"""Return whether numbered places are those of volumes or slices in turn of which some are missing.

    Examples
    --------
    >>> low, high = "0\\0\\1", "0\\0\\2"
    >>> _is_torn([(1, low), (4, high), (5, low), (6, high)]), _is_torn([(1, low), (2, high), (4, low), (5, high)])
    (True, False)
    """
    volume = dict.fromkeys(at for _, at in numbered)
    turns = {(number - 1) % len(volume): at for number, at in numbered}
    if len(turns) == len(volume) and all(turns[(number - 1) % len(volume)] == at for number, at in numbered):
        return run_one_way([turns[turn] for turn in sorted(turns)])
    return len(list(groupby(at for _, at in numbered))) == len(volume) and run_one_way(list(volume))
