"""Series that came twice, under UIDs of their own: an archive that writes new UIDs sends what was sent before.

Copies under the same UIDs are dropped where files are read (`inventory`). Here nothing but the UIDs, and perhaps the
patient, was changed. Headers tell which series may be copies, pixels whether they are.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bidsflow.dicom.parrec import SCAN, is_pair
from bidsflow.dicom.series import Instance, Series
from bidsflow.dicom.source import inflated
from bidsflow.errors import HeaderError


def mark_series(series: Series) -> tuple[object, ...]:
    """Return what a series has in common with its copies: how and when it was measured, but neither UIDs nor people."""
    header = series.header
    images = tuple((one.matrix, one.volumes, one.echo_time, one.component, one.n_instances) for one in series.images)
    kind = header.text("Manufacturer"), header.text("ImageType"), header.text("RepetitionTime")
    return series.number, series.description, series.started, kind, images


def moment_of(series: Series) -> str:
    """Return a digest that a series shares with its copies alone; ``""`` where the time of day is not known.

    A PAR has no time of its own, and shares what its examination and number make with those that differ in pixels.
    """
    if is_pair(series):
        return series.header.text(SCAN) if series.header.text("StudyTime") else ""
    mark = repr(mark_series(series)).encode()
    return hashlib.blake2b(mark, digest_size=12).hexdigest() if has_time(series) else ""


def has_time(series: Series) -> bool:
    """Return whether the moment of a series is known; anonymisation sets it to midnight, or takes it away."""
    return bool(series.started[8:].strip("0."))


def find_twins(series: Sequence[Series]) -> tuple[tuple[str, ...], ...]:
    """Return the SeriesInstanceUIDs of series that hold the same pixels, those of each group together.

    Pixels are read of series that may be copies only, which were measured at one place: of their first, middle and last
    instance. Noise makes those of two measurements differ. Where anonymisation has taken the times, the place is what
    tells people apart, so that not all of an export is read.
    """
    return tuple(
        tuple(sorted(one.uid for one in twins))
        for alike in _group(mark_series, [one for one in series if one.instances])
        for near in _group(_place_series, alike)
        for twins in _group(_digest_pixels, near)
    )


def _group(key: Callable[[Series], object], series: Iterable[Series]) -> list[list[Series]]:
    """Return the series that have a key in common with others; ``""`` is none."""
    groups: dict[object, list[Series]] = defaultdict(list)
    for one in series:
        groups[key(one)].append(one)
    return [some for common, some in groups.items() if len(some) > 1 and common != ""]


def _digest_pixels(series: Series) -> str:
    """Return a digest of some of the pixels of a series, ``""`` where they cannot be read or show nothing."""
    digest = hashlib.blake2b(digest_size=16)
    shown = False
    for one in _choose(series):
        pixels = _read_pixels(one)
        shown = shown or bool(pixels.strip(b"\0"))
        digest.update(pixels)
    return digest.hexdigest() if shown else ""


def _place_series(series: Series) -> tuple[object, ...]:
    """Return where the instances of which pixels are read lie in the patient, in mm to three digits."""
    keywords = ("ImagePositionPatient", "ImageOrientationPatient")
    return tuple(
        tuple(round(number, 3) + 0.0 for keyword in keywords for number in one.header.numbers(keyword))
        for one in _choose(series)
    )


def _choose(series: Series) -> list[Instance]:
    """Return the first, the middle and the last instance of a series."""
    ordered = sorted(series.instances, key=_place)
    return [ordered[rank] for rank in sorted({0, len(ordered) // 2, len(ordered) - 1})]


def _place(one: Instance) -> tuple[int, int, str]:
    header = one.header
    return header.integer("AcquisitionNumber"), header.integer("InstanceNumber"), header.text("ImagePositionPatient")


def _read_pixels(one: Instance) -> bytes:
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        if one.beside is not None:
            return Path(one.beside.path).read_bytes()
        read = dcmread(io.BytesIO(b"".join(inflated(one.file.path))), force=True)
        return bytes(read.PixelData)
    except (HeaderError, InvalidDicomError, OSError, AttributeError, ValueError):
        return b""
