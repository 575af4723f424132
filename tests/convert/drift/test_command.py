"""`bidsflow check` on an export, on the dataset that is made of it, and against a study."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from bidsflow.phantom import make_sessions, write
from tests.convert.conftest import Ran

#: Of the person and the day in the phantom's headers.
PERSON = ("Phantom", "PHANTOM", "1970")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the scans of four people: the second has another TR, the third lacks a run."""
    root = tmp_path_factory.mktemp("drift")
    write(root / "scan", sessions=make_sessions(4, 1), series=("sbref", "rest", "t1w"))
    folder = root / "scan" / "dicom"
    people: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.dcm")):
        people.setdefault(str(dcmread(path, specific_tags=["PatientID"]).PatientID), []).append(path)
    _, second, third, _ = people.values()
    for path in second:
        ds = dcmread(path)
        if "T1w" in ds.SeriesDescription or "t1" in ds.SeriesDescription.lower():
            ds.RepetitionTime = float(ds.RepetitionTime) + 300
            ds.save_as(path)
    for path in third:
        if "t1" in dcmread(path).SeriesDescription.lower():
            path.unlink()
    return folder


def test_export_is_held_against_the_cohort(cli: Callable[..., Ran], export: Path) -> None:
    ran = cli("check", export, "--json")
    assert ran.code == 1
    found = json.loads(ran.out)["findings"]
    assert [(one["subject"], one["kind"], one["parameter"]) for one in found] == [
        ("02", "changed", "RepetitionTime"), ("03", "missing", ""),
    ]  # fmt: skip
    assert not any(word in ran.said for word in PERSON)


def test_dataset_gives_the_same_findings_as_its_export(cli: Callable[..., Ran], export: Path, tmp_path: Path) -> None:
    assert cli("convert", export, tmp_path / "bids").code == 0
    ran = cli("check", tmp_path / "bids", "--json", "--html", tmp_path / "page.html")
    found = json.loads(ran.out)["findings"]
    assert [(one["subject"], one["kind"], one["parameter"]) for one in found] == [
        ("02", "changed", "RepetitionTime"), ("03", "missing", ""),
    ]  # fmt: skip
    assert "sub-03" in (tmp_path / "page.html").read_text()


def test_study_says_what_is_expected(cli: Callable[..., Ran], export: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text('version = 1\n[[expected]]\nname = "anat/*T1w"\n[[expected]]\nname = "func/*"\nruns = [0, 9]\n')
    ran = cli("check", export, "--study", study)
    assert ran.code == 1
    assert "missing" in ran.out
    assert "study" in ran.out
    assert ran.out.count("\n") == 3, ran.out


def test_study_of_a_dataset_counts_by_itself(cli: Callable[..., Ran], export: Path, tmp_path: Path) -> None:
    target = tmp_path / "bids"
    assert cli("convert", export, target).code == 0
    (target / "code").mkdir()
    (target / "code/study.toml").write_text("version = 1\n[[expected]]\nname = 'anat/T2w'\n")
    ran = cli("check", target, "--json")
    assert {one["name"] for one in json.loads(ran.out)["findings"] if one["kind"] == "missing"} == {"anat/T2w"}
    assert "code/study.toml" in ran.err


def test_alike_visits_end_with_nothing(cli: Callable[..., Ran], export: Path, tmp_path: Path) -> None:
    one = sorted(path for path in export.iterdir())[0]
    copy = shutil.copytree(one, tmp_path / "export")
    ran = cli("check", copy)
    assert ran.code == 0
    assert "too few" in ran.err


def test_first_study_of_an_export_knows_the_voxels_and_directions_of_the_next_subject(
    cli: Callable[..., Ran], tmp_path: Path
) -> None:
    write(tmp_path / "first", sessions=make_sessions(1, 1), series=("rest", "t1w", "dwi"))
    study = tmp_path / "study.toml"
    assert cli("study", "init", tmp_path / "first" / "dicom", "-o", study).code == 0
    assert cli("check", tmp_path / "first" / "dicom", "--study", study).code == 0
    for path in (tmp_path / "first" / "dicom").rglob("*.dcm"):
        ds = dcmread(path)
        if "t1" in ds.SeriesDescription.lower():
            ds.PixelSpacing = [spacing * 1.1 for spacing in ds.PixelSpacing]
        elif "rest" in ds.SeriesDescription.lower():
            ds.InPlanePhaseEncodingDirection = "ROW"
        ds.save_as(path)
    ran = cli("check", tmp_path / "first" / "dicom", "--study", study, "--json")
    found = json.loads(ran.out)["findings"]
    assert [(one["name"], one["kind"], one["parameter"]) for one in found] == [
        ("anat/T1w", "changed", "PixelSpacing"),
        ("func/task-rest_bold", "changed", "PhaseEncodingDirection"),
    ]


def test_dataset_without_mr_images_is_not_called_alike(cli: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "bids").mkdir()
    (tmp_path / "bids" / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    ran = cli("check", tmp_path / "bids")
    assert ran.code == 0
    assert "nothing differs" not in ran.said
    assert "holds no MR images" in ran.said
    (tmp_path / "study.toml").write_text('version = 1\n[[expected]]\nname = "anat/T1w"\n')
    assert cli("check", tmp_path / "bids", "--study", tmp_path / "study.toml").code == 1
