"""Exports that lack images, and studies that hold two people."""

from __future__ import annotations

from pathlib import Path

from bidsflow.convert.plan import Decision
from bidsflow.convert.planner import make_plan
from bidsflow.dicom.header import Header
from bidsflow.dicom.images import split_images
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Conflict, File, Instance
from bidsflow.phantom import write
from bidsflow.sources import find_files


def _slices(depths: list[float]) -> list[Instance]:
    values = {"ImageOrientationPatient": "1\\0\\0\\0\\1\\0", "Rows": "8", "Columns": "8"}
    return [
        Instance(File(f"{i}", 1, 1), Header({**values, "ImagePositionPatient": f"0\\0\\{depth}"}))
        for i, depth in enumerate(depths)
    ]


def test_a_gap_between_slices_is_said() -> None:
    instances = _slices([0, 3, 6, 12, 15, 18])
    _, problems = split_images(instances, instances[0].header)
    assert problems == ("slices are missing: a gap of 6.0 mm where slices lie 3.0 mm apart",)


def test_slices_at_equal_distance_have_no_gap() -> None:
    instances = _slices([0, 3, 6, 9, 12, 15])
    assert split_images(instances, instances[0].header)[1] == ()


def test_a_series_that_lacks_a_slice_is_put_before_a_person(tmp_path: Path) -> None:
    write(tmp_path, series=["t1w"])
    files = find_files([tmp_path / "dicom"]).files
    assert make_plan(take_inventory(files)).plan.rows[0].decision is Decision.CONVERT
    lost = [file for i, file in enumerate(files) if i != 20]
    row = make_plan(take_inventory(lost)).plan.rows[0]
    assert row.decision is Decision.REVIEW
    assert "missing" in row.evidence


def test_one_study_of_two_people_is_put_before_a_person(tmp_path: Path) -> None:
    import pydicom

    write(tmp_path, series=["t1w", "t2w"])
    export = tmp_path / "dicom"
    for path in sorted(p for p in export.rglob("*") if p.is_file()):
        dataset = pydicom.dcmread(path)
        if "t2" in str(dataset.SeriesDescription):
            dataset.PatientID, dataset.PatientName = "OTHER", "Other^Person"
            dataset.save_as(path)
    inventory = take_inventory(find_files([export]).files)
    assert Conflict.ONE_STUDY_TWO_PEOPLE in {collision.conflict for collision in inventory.collisions}
    assert {row.decision for row in make_plan(inventory).plan.rows} == {Decision.REVIEW}
