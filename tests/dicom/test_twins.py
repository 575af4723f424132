"""Copies under other UIDs are found by place and pixels."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import FileMetaDataset

from bidsflow.dicom.header import Header
from bidsflow.dicom.series import File, Instance, Patient, Series
from bidsflow.dicom.twins import find_twins


def write(path: Path, pixels: bytes) -> File:
    ds = pydicom.Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    ds.BitsAllocated = 16
    ds.add_new("PixelData", "OW", pixels)
    ds.save_as(path, implicit_vr=False, little_endian=True)
    return File(str(path), path.stat().st_size, 0)


@pytest.mark.parametrize(
    ("place", "pixels", "twins"),
    [
        ("0\\0\\5", b"\1\2", True),
        ("0.0\\-0\\5.000", b"\1\2", True),
        ("0\\0\\6", b"\1\2", False),
        ("0\\0\\5", b"\1\3", False),
    ],
)
def test_series_are_twins_where_place_and_pixels_are_equal(
    place: str, pixels: bytes, twins: bool, tmp_path: Path
) -> None:
    series = []
    for number, (where, data) in enumerate((("0\\0\\5", b"\1\2"), (place, pixels))):
        header = Header({"ImagePositionPatient": where})
        instance = Instance(write(tmp_path / f"{number}", data), header)
        series.append(
            Series(f"1.{number}", f"2.{number}", Patient("", "", "", ""), 3, "T1", "T1", "", (), (instance,), header)
        )
    assert find_twins(series) == ((("1.0", "1.1"),) if twins else ())
