"""Whether the images of a series are numbered as they were measured. Pure.

dcm2niix puts volumes into the order of their numbers. Archives and anonymisers may have given these anew, and then runs
come out with their volumes, or slices of several volumes, out of order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from bidsflow.dicom.header import Header
from bidsflow.dicom.pick import Pick

#: What images of one kind have in common.
_OF_KIND: Final = ("ImageOrientationPatient", "ImageType", "EchoTime", "InversionTime")
#: When an image was measured.
Moment = tuple[str, ...]


def find_disorder(headers: Iterable[Header]) -> str:
    """Return a clause that says that nothing tells the order of volumes, ``""`` where their numbers do.

    Images of one place are compared: no number may stand twice, and none may contradict the time, where each has a time
    of its own (some scanners write one time into all images of a series).

    Parameters
    ----------
    headers : iterable of Header
        Of single-frame images of one series, in any order.

    Examples
    --------
    >>> numbered = {"1": "090000.0", "2": "090004.0", "3": "090002.0"}
    >>> find_disorder(Header({"InstanceNumber": one, "AcquisitionTime": time}) for one, time in numbered.items())
    'its images are numbered otherwise than they were measured (InstanceNumber, AcquisitionTime)'
    """
    members: dict[tuple[str, ...], dict[str, list[tuple[int, Moment]]]] = defaultdict(lambda: defaultdict(list))
    kind_of, moment_of = Pick(*_OF_KIND), Pick("AcquisitionDate", "AcquisitionTime")
    for header in headers:
        at = header.text("ImagePositionPatient")
        members[kind_of(header)][at].append((header.integer("InstanceNumber"), moment_of(header)))
    runs = [run for places in members.values() for run in places.values()]
    if any(len({number for number, _ in run}) < len(run) for run in runs):
        return "its images have no numbers that tell which came first (InstanceNumber)"
    if any(map(_is_disordered, runs)):
        return "its images are numbered otherwise than they were measured (InstanceNumber, AcquisitionTime)"
    for places in members.values():
        numbered = sorted((number, at) for at, run in places.items() for number, _ in run)
        if _is_mixed([at for _, at in numbered]):
            return "its images are numbered neither volume by volume nor slice by slice (InstanceNumber)"
    return ""


def _is_disordered(members: Sequence[tuple[int, Moment]]) -> bool:
    """Return whether images that each have a time of their own were measured in another order than that of numbers."""
    moments = [moment for _, moment in sorted(members)]
    timed = all(time for _, time in moments)
    return timed and len(set(moments)) == len(moments) and moments != sorted(moments)


def _is_mixed(places: list[str]) -> bool:
    """Return whether places, in the order of numbers, are anything but whole volumes and then slices in turn.

    dcm2niix (v1.0.20260724) takes slices of several volumes for one where volumes run through space there and back.

    Examples
    --------
    >>> [_is_mixed(list(order)) for order in ("ababab", "aaabbb", "abaabb", "abbaab")]
    [False, False, False, True]
    """
    volume, done = list(dict.fromkeys(places)), 0
    if len(places) % len(volume):
        return False  # incomplete, which is told
    while places[done : done + len(volume)] == volume:
        done += len(volume)
    left = (len(places) - done) // len(volume)
    return places[done:] != [place for place in volume for _ in range(left)]
