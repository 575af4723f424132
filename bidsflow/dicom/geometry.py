"""Whether headers say where the voxels of an image lie. Pure.

dcm2niix takes what is missing or impossible for 1 mm, or for axial, and says nothing: such an image looks right and is
not. Source: PS3.3 C.7.6.2.1.1 (Image Plane: the direction cosines are of unit length and orthogonal) and 10.7.1.3
(Pixel Spacing: greater than zero).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

from bidsflow.dicom.header import Header

#: How far products of direction cosines may be off; they are rounded by some scanners.
_TOLERANCE: Final = 0.05
#: No voxel is smaller or larger (mm).
_SMALLEST: Final = 0.001
_LARGEST: Final = 1000.0
#: Places of one slice in several frames may lie as far apart (mm).
_NEAR: Final = 0.01


def find_fault(header: Header, orientation: tuple[float, ...]) -> str:
    r"""Return a clause that says what is wrong with the geometry of an image, ``""`` where nothing is.

    Parameters
    ----------
    header : Header
        Of its first instance or frame.
    orientation : tuple of float
        Direction cosines of rows and columns.

    Examples
    --------
    >>> values = {"PixelSpacing": "0\\0", "ImagePositionPatient": "1\\2\\3"}
    >>> find_fault(Header(values), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    'its voxels have no possible size (PixelSpacing 0\\0)'
    """
    if len(orientation) != 6:
        return "its slices have no direction (ImageOrientationPatient is missing)"
    rows, columns = orientation[:3], orientation[3:]
    products = (_dot(rows, rows) - 1, _dot(columns, columns) - 1, _dot(rows, columns))
    if not all(abs(value) < _TOLERANCE for value in products):  # NaN is no less than anything
        return f"its slices have no possible direction (ImageOrientationPatient {_show(orientation)})"
    spacing = header.numbers("PixelSpacing")
    if len(spacing) != 2:
        return "its voxels have no size (PixelSpacing is missing)"
    if not all(_SMALLEST <= value < _LARGEST for value in spacing):
        return f"its voxels have no possible size (PixelSpacing {_show(spacing)})"
    place = header.numbers("ImagePositionPatient")
    if len(place) != 3 or not all(map(math.isfinite, place)):
        return "its slices have no place (ImagePositionPatient is missing)"
    return ""


def run_one_way(places: Sequence[str]) -> bool:
    r"""Return whether places (ImagePositionPatient) follow each other through space in one direction.

    Examples
    --------
    >>> run_one_way(["0\\0\\1", "0\\0\\2", "0\\0\\3"]), run_one_way(["0\\0\\1", "0\\0\\3", "0\\0\\2"])
    (True, False)
    """
    points = [Header({"place": place}).numbers("place") for place in places]
    if any(len(point) != 3 for point in points):
        return True  # told elsewhere
    axis = max(zip(*points, strict=True), key=lambda one: max(one) - min(one))
    steps = [after - before for before, after in pairwise(axis)]
    return all(step > 0 for step in steps) or all(step < 0 for step in steps)


def unite_places(texts: Iterable[str]) -> dict[str, str]:
    r"""Return for each spelling of a place (ImagePositionPatient) the first spelling of the same place.

    Places are the same where dcm2niix takes them for the same (v1.0.20260724): in single precision, some 0.000004 mm.
    Of places that lie further apart it makes slices of their own, and mixes volumes.

    Examples
    --------
    >>> unite_places(["0\\0\\-10.0", "0\\0\\-10.00", "0\\0\\-10.0001"])
    {'0\\0\\-10.0': '0\\0\\-10.0', '0\\0\\-10.00': '0\\0\\-10.0', '0\\0\\-10.0001': '0\\0\\-10.0001'}
    """
    first: dict[object, str] = {}
    return {text: first.setdefault(_round(text), text) for text in dict.fromkeys(texts)}


def unite_near(texts: Iterable[str]) -> dict[str, str]:
    r"""Return for each spelling of a place (ImagePositionPatient) the first of those within a hundredth of a mm.

    No slices lie as near to each other: such places are one, with noise of computing. Frames know their slice by its
    number, and dcm2niix sorts them by that.

    Examples
    --------
    >>> unite_near(["0\\0\\1.0", "0\\0\\2.0", "0\\0\\1.0001"])
    {'0\\0\\1.0': '0\\0\\1.0', '0\\0\\1.0001': '0\\0\\1.0', '0\\0\\2.0': '0\\0\\2.0'}
    """
    points = {text: Header({"place": text}).numbers("place") for text in dict.fromkeys(texts)}
    if not points or any(len(point) != 3 for point in points.values()):
        return {text: text for text in points}
    spans = [max(axis) - min(axis) for axis in zip(*points.values(), strict=True)]
    main = spans.index(max(spans))
    first: dict[str, str] = {}
    latest = ""
    for text in sorted(points, key=lambda text: points[text][main]):
        near = latest and all(abs(a - b) < _NEAR for a, b in zip(points[text], points[latest], strict=True))
        latest = latest if near else text
        first[text] = latest
    return first


def _round(place: str) -> object:
    """Return a place in single precision; the text where it is none."""
    numbers = Header({"place": place}).numbers("place")
    return tuple(array("f", numbers)) if len(numbers) == 3 else place


def _dot(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _show(values: tuple[float, ...]) -> str:
    return "\\".join(f"{value:g}" for value in values)
