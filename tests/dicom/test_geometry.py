"""An image whose place is not known, or cannot be, is never taken for one that has a place."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bidsflow.dicom.frames import summarise_frames
from bidsflow.dicom.geometry import find_fault
from bidsflow.dicom.grouping import group_series
from bidsflow.dicom.header import Header

GOOD = {
    "ImageOrientationPatient": "1\\0\\0\\0\\0.978148\\0.207912",
    "PixelSpacing": "3.5\\3.5",
    "ImagePositionPatient": "-112\\-80.5\\0",
}


def fault(**values: str) -> str:
    header = Header({**GOOD, **values})
    return find_fault(header, header.numbers("ImageOrientationPatient"))


def test_a_possible_geometry_has_no_fault() -> None:
    assert fault() == ""
    assert fault(ImageOrientationPatient="0.02\\0.99\\-0.01\\0\\0.01\\-1.01", PixelSpacing="0.05\\30") == ""


@pytest.mark.parametrize(
    ("keyword", "value", "says"),
    [
        ("ImageOrientationPatient", "", "no direction"),
        ("ImageOrientationPatient", "1\\0\\0", "no direction"),
        ("ImageOrientationPatient", "0\\0\\0\\0\\0\\0", "no possible direction"),
        ("ImageOrientationPatient", "1\\0\\0\\1\\0\\0", "no possible direction"),
        ("ImageOrientationPatient", "2\\0\\0\\0\\2\\0", "no possible direction"),
        ("PixelSpacing", "", "no size"),
        ("PixelSpacing", "3", "no size"),
        ("PixelSpacing", "0\\0", "no possible size"),
        ("PixelSpacing", "3\\-3", "no possible size"),
        ("PixelSpacing", "nan\\3", "no size"),
        ("PixelSpacing", "1e30\\1e30", "no possible size"),
        ("PixelSpacing", "1e-30\\1e-30", "no possible size"),
        ("ImagePositionPatient", "", "no place"),
        ("ImagePositionPatient", "1\\2", "no place"),
        ("ImagePositionPatient", "a\\b\\c", "no place"),
    ],
)
def test_what_is_missing_or_cannot_be_is_told(keyword: str, value: str, says: str) -> None:
    assert says in fault(**{keyword: value})


def test_a_series_without_a_geometry_says_so(kit: Any) -> None:
    (series,), _ = group_series([kit.instance(PixelSpacing="0\\0")], {})
    assert series.incomplete == ("its voxels have no possible size (PixelSpacing 0\\0)",)
    (series,), _ = group_series([kit.instance()], {})
    assert series.incomplete == ()


def slices(kit: Any, **odd: str) -> Any:
    """Return a series of eight slices, of which the fifth is odd."""
    files = [
        kit.instance(f"/{i}", SOPInstanceUID=f"1.{i}", InstanceNumber=i + 1,
                     **{"ImagePositionPatient": f"0\\0\\{i}", **(odd if i == 4 else {})})
        for i in range(8)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    return series


@pytest.mark.parametrize(
    ("keyword", "value", "says"),
    [
        ("PixelSpacing", "2\\2", "its slices have voxels of different sizes"),
        ("PixelSpacing", "", "its slices have voxels of different sizes"),
        ("ImagePositionPatient", "", "its slices have no place, 1 of 8"),
    ],
)
def test_a_slice_that_does_not_fit_the_others_is_told(keyword: str, value: str, says: str, kit: Any) -> None:
    assert any(one.startswith(says) for one in slices(kit, **{keyword: value}).incomplete)


def test_sizes_that_are_written_otherwise_are_the_same(kit: Any) -> None:
    assert slices(kit, PixelSpacing="3.000\\3.0000001").incomplete == ()


ORDERS = {
    "one volume after the other": ((0, 1, 2, 3, 0, 1, 2, 3), False),
    "from above": ((3, 2, 1, 0, 3, 2, 1, 0), False),
    "the last volume breaks off": ((0, 1, 2, 3, 0, 1), False),
    "interleaved": ((0, 2, 1, 3, 0, 2, 1, 3), True),
    "slice by slice": ((0, 0, 1, 1, 2, 2, 3, 3), True),
    "back and forth": ((0, 1, 2, 3, 3, 2, 1, 0), True),
}


@pytest.mark.parametrize("maker", ["SIEMENS", "Philips Medical Systems"])
@pytest.mark.parametrize("name", ORDERS)
def test_frames_that_dcm2niix_would_mix_are_told(name: str, maker: str, kit: Any) -> None:
    order, scattered = ORDERS[name]
    frames = [{"ImagePositionPatient": f"-112\\-80.5\\{place}"} for place in order]
    values = summarise_frames([{"ImageOrientationPatient": GOOD["ImageOrientationPatient"]}], frames)
    (series,), _ = group_series([kit.instance(**values, NumberOfFrames=len(order), Manufacturer=maker)], {})
    told = any("another order in the file than in space" in one for one in series.incomplete)
    assert told == (scattered and maker == "SIEMENS")  # of Philips, dcm2niix puts them into order


@pytest.mark.parametrize(
    ("noise", "shape"), [(0.0, (4, 3)), (1e-7, (4, 3)), (1e-5, (4, 3)), (0.002, (4, 3)), (0.3, (12, 1))]
)
@pytest.mark.parametrize("name", ["one volume after the other", "from above", "slice by slice"])
def test_places_of_frames_that_differ_by_noise_are_the_same(
    name: str, noise: float, shape: tuple[int, int], kit: Any
) -> None:
    order, scattered = ORDERS[name]
    course = enumerate(sorted(order * 3)[::2] if name == "slice by slice" else order[:4] * 3)
    where = ((-112 + noise * math.sin(rank), -80.5, place * 3.6 + noise * math.cos(rank)) for rank, place in course)
    frames = [{"ImagePositionPatient": "\\".join(f"{part:.8f}" for part in place)} for place in where]
    values = summarise_frames([{"ImageOrientationPatient": GOOD["ImageOrientationPatient"]}], frames)
    (series,), _ = group_series([kit.instance(**values, NumberOfFrames=len(frames), Manufacturer="SIEMENS")], {})
    (image,) = series.images
    assert (image.matrix[2], image.volumes) == shape
    told = any("another order in the file than in space" in one for one in series.incomplete)
    assert told == (scattered or noise > 0.1)
