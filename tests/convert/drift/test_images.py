"""Of a dataset, sidecars and the headers of images are read; of an export, its headers: both say the same."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bidsflow.convert.drift.images import observe_dataset
from bidsflow.convert.drift.observation import Observation


def save(root: Path, path: str, shape: tuple[int, ...], sidecar: dict[str, object], axes: str = "RAS") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    flips = [-2.0 if axis in "LPI" else 2.0 for axis in axes]
    nib.save(nib.Nifti1Image(np.zeros(shape, np.int16), np.diag([*flips, 1])), file)  # type: ignore[attr-defined]
    file.with_name(file.name.replace(".nii.gz", ".json")).write_text(json.dumps(sidecar))


def observe(root: Path) -> Observation:
    (one,) = observe_dataset(root)
    return one


def test_image_says_what_its_sidecar_and_header_say(tmp_path: Path) -> None:
    sidecar = {"RepetitionTime": 2, "SoftwareVersions": ["syngo", "MR"], "PhaseEncodingDirection": "j-",
               "ImageType": ["ORIGINAL", "M"], "PulseSequenceDetails": "%SiemensSeq%\\ep2d_bold"}  # fmt: skip
    save(tmp_path, "sub-1/ses-a/func/sub-1_ses-a_task-rest_run-2_bold.nii.gz", (4, 4, 3, 5), sidecar)
    (tmp_path / "task-rest_bold.json").write_text(json.dumps({"FlipAngle": 80, "RepetitionTime": 3}))
    one = observe(tmp_path)
    assert (one.subject, one.session, one.name) == ("1", "a", "func/task-rest_bold")
    assert one.parameters == {
        "RepetitionTime": 2.0, "FlipAngle": 80.0, "SoftwareVersions": "syngo, MR", "ImageType": "ORIGINAL M",
        "Sequence": "ep2d_bold", "Volumes": 5, "Matrix": (4.0, 4.0, 3.0), "VoxelSize": (2.0, 2.0, 2.0),
        "PhaseEncodingDirection": "AP",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("said", "axes", "means"), [("j", "RAS", "PA"), ("j", "LPS", "AP"), ("i-", "RAS", "RL"), ("k", "RAS", "FH")]
)
def test_phase_encoding_is_that_of_the_patient(said: str, axes: str, means: str, tmp_path: Path) -> None:
    save(tmp_path, "sub-1/fmap/sub-1_epi.nii.gz", (4, 4, 3), {"PhaseEncodingDirection": said}, axes)
    assert observe(tmp_path).parameters["PhaseEncodingDirection"] == means


def test_scanner_is_numbered_and_its_serial_number_hidden(tmp_path: Path) -> None:
    for rank, serial in enumerate(("167024", "167024", "45160")):
        save(tmp_path, f"sub-{rank}/anat/sub-{rank}_T1w.nii.gz", (4, 4, 3), {"DeviceSerialNumber": serial})
    assert [one.parameters["Scanner"] for one in observe_dataset(tmp_path)] == ["scanner 1", "scanner 1", "scanner 2"]


def test_shells_come_from_the_table_of_gradients(tmp_path: Path) -> None:
    save(tmp_path, "sub-1/dwi/sub-1_dwi.nii.gz", (4, 4, 3, 4), {})
    (tmp_path / "sub-1/dwi/sub-1_dwi.bval").write_text("0 995 1005 2000\n")
    assert observe(tmp_path).parameters["BValues"] == (0, 1000, 2000)


def test_what_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "sub-1/anat"
    folder.mkdir(parents=True)
    (folder / "sub-1_T1w.nii.gz").write_bytes(b"")
    (folder / "sub-1_T1w.json").write_text("{")
    assert observe(tmp_path).parameters == {}
