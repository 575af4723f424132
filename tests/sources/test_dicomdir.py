"""What a DICOMDIR lists and what is gone from its disc is missed; a DICOMDIR stands for its disc."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import config
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from bidsflow.dicom.series import SetAside
from bidsflow.sources import find_files, miss_files


def make_disc(root: Path, listed: list[list[str]]) -> Path:
    """Write a disc that lists files, and return its DICOMDIR."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, "1.2.3"
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    index = FileDataset(None, {}, preamble=bytes(128), file_meta=meta)
    records = []
    with config.disable_value_validation():
        for names in listed:
            record = Dataset()
            record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", names
            records.append(record)
        patient = Dataset()
        patient.DirectoryRecordType = "PATIENT"
        index.DirectoryRecordSequence = [patient, *records]
        root.mkdir()
        index.save_as(root / "DICOMDIR", enforce_file_format=True)
    return root / "DICOMDIR"


def make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_files_that_are_gone_are_missed(tmp_path: Path, case: type[str]) -> None:
    index = make_disc(tmp_path / "disc", [["DICOM", "PA1", "IM1"], ["DICOM", "PA1", "IM2"], ["SOLO"]])
    make(index.parent / case("DICOM") / case("PA1") / case("IM1"))
    found = miss_files(find_files([tmp_path]))
    reason = "2 of the 3 files that it lists are not there"
    assert found.set_aside == (SetAside(str(index), reason),)
    assert found.files == find_files([tmp_path]).files


def test_a_dicomdir_stands_for_its_disc(tmp_path: Path) -> None:
    index = make_disc(tmp_path / "disc", [["IM1"]])
    make(index.parent / "IM1")
    assert find_files([index]) == find_files([index.parent])
    assert miss_files(find_files([index])).set_aside == ()


@pytest.mark.parametrize("damage", [slice(0, 0), slice(0, 300), slice(140, None), slice(0, -7)])
def test_a_damaged_dicomdir_says_nothing(tmp_path: Path, damage: slice) -> None:
    index = make_disc(tmp_path / "disc", [["IM1"]])
    make(index.parent / "IM1")
    index.write_bytes(index.read_bytes()[damage])
    assert miss_files(find_files([tmp_path])).set_aside == ()


def test_names_that_lead_elsewhere_are_not_followed(tmp_path: Path) -> None:
    index = make_disc(tmp_path / "disc", [["..", "IM1"], ["/etc", "passwd"]])
    assert miss_files(find_files([index.parent])).set_aside == ()
