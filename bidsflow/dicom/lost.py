"""What headers tell of images that an export lacks at its ends, where neither a gap nor a half volume shows it. Pure.

Only values are used whose meaning is the same in all that a maker measures. Where they could mean something else
(several orientations or volumes, what was computed of other images), nothing is said of slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Image, Instance
from bidsflow.dicom.tags import find_maker

#: What ImageType says of images that were computed of those of a measurement, and may be fewer (SWI, angiography).
_COMPUTED: Final = (
    "MIP", "MNIP", "MPR", "PROJ", "REFORMAT", "MINIMUM", "MAXIMUM", "SUB", "MEAN", "MAP", "COMP", "SCREEN",
)  # fmt: skip
#: What counts volumes, by the maker: repetitions of the sequence, or positions in time (PS3.3 C.7.6.2.1, C.8.3.1).
_COUNTERS: Final = ("TemporalPositionIdentifier", "AcquisitionNumber")


def find_lost_slices(images: Sequence[Image], shared: Header) -> str:
    """Return that an image has fewer slices than its header announces, ``""`` where it has them or nothing is sure.

    Parameters
    ----------
    images : sequence of Image
        Of one series.
    shared : Header
        The header of the series with what its maker's protocol adds.

    Notes
    -----
    Siemens: the slices of the protocol (`vendors.siemens`). GE: (0021,104F), locations of the acquisition before
    interpolation, and (0020,1002), images of the acquisition, which may count echoes; the lesser holds. Philips:
    (2001,1018), number of slices.
    """
    if len({one.orientation for one in images}) != 1 or any("Frames.Images" in one.header for one in images):
        return ""
    for image in images:
        here = image.matrix[2]
        announced = _count_announced(images, shared) if image.volumes == 1 and _is_measured(image.header) else 0
        if 1 < here < announced:
            return f"slices are missing in the export: {here} of {announced} are here ({_find_source(shared)})"
    return ""


def _is_measured(header: Header) -> bool:
    words = header.words("ImageType")
    computed = any(mark in word for word in words[2:] for mark in _COMPUTED)
    return tuple(words[:2]) == ("ORIGINAL", "PRIMARY") and header.integer("NumberOfFrames", 1) == 1 and not computed


def _count_announced(images: Sequence[Image], shared: Header) -> int:
    """Return the slices that a header announces for each image of a series, 0 where nothing sure does."""
    maker = find_maker(shared.text("Manufacturer"))
    if maker == "SIEMENS":
        return shared.integer("PlannedSlices")
    if maker == "PHILIPS":
        return shared.integer("PhilipsSlices")
    if maker != "GE":
        return 0
    locations, acquired = shared.integer("GeLocations"), shared.integer("ImagesInAcquisition")
    if locations > 0:
        return min(locations, acquired) if acquired > 0 else locations
    alone = len(images) == 1 and acquired < 2 * images[0].matrix[2]  # else it may count echoes or parts of the signal
    return acquired if alone else 0


def _find_source(shared: Header) -> str:
    maker = find_maker(shared.text("Manufacturer"))
    if maker == "SIEMENS":
        return "its protocol"
    return {"PHILIPS": "2001,1018", "GE": "0021,104F" if shared.integer("GeLocations") > 0 else "0020,1002"}[maker]


def find_lost_start(ordered: Sequence[Instance], images: Sequence[Image], shared: Header) -> tuple[str, bool]:
    """Return what numbers say of images before the first that came, ``""`` where nothing, and whether it is sure.

    Numbers that begin late are no witness alone: a scanner may count on from one series to the next. It is sure that
    whole volumes are missing where those that came are the last of what was planned, or where volumes are counted
    apart from images and both begin late by the same number of volumes.

    Parameters
    ----------
    ordered : sequence of Instance
        In order of acquisition.
    images : sequence of Image
        What they make.
    shared : Header
        The header of the series with what its maker's protocol adds.
    """
    numbers = sorted(one.header.integer("InstanceNumber") for one in ordered)
    volumes = images[0].volumes
    if numbers[0] < 2 or volumes < 2 or any(one.volumes != volumes for one in images) or len(numbers) % volumes:
        return "", False
    lost, rest = divmod(numbers[0] - 1, len(numbers) // volumes)
    follow = all(after - before == 1 for before, after in pairwise(numbers))
    if rest or not follow or not all(map(_is_original, images)):
        return "", False
    counts = [_count_volumes(ordered, keyword) for keyword in _COUNTERS]
    planned = shared.integer("PlannedVolumes") or shared.integer("NumberOfTemporalPositions")
    if planned == volumes or [*range(1, volumes + 1)] in counts:
        return "", False
    said = f"its images are numbered from {numbers[0]} to {numbers[-1]} (InstanceNumber)"
    paired = any(one.component != "magnitude" for one in images)  # may share its numbers with the magnitudes
    if [*range(lost + 1, lost + volumes + 1)] in counts or (planned == lost + volumes and not paired):
        whole = "its first volume is" if lost == 1 else f"its first {lost} volumes are"
        return f"{whole} missing in the export: {said}, and onsets would be counted from a later volume", True
    return f"{said}: look whether volumes before them are missing", False


def _is_original(image: Image) -> bool:
    return image.header.words("ImageType")[:1] in ((), ("ORIGINAL",))


def _count_volumes(ordered: Sequence[Instance], keyword: str) -> list[int]:
    """Return the distinct values of what counts volumes, ascending."""
    return sorted({one.header.integer(keyword) for one in ordered})
