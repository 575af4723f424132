"""What headers say of images that an export lacks at its ends."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bidsflow.convert.plan import Decision
from bidsflow.convert.planner import make_plan
from bidsflow.dicom.grouping import group_series
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Instance, Series
from bidsflow.phantom import write
from bidsflow.sources import find_files

AXIAL, SAGITTAL = "1\\0\\0\\0\\1\\0", "0\\1\\0\\0\\0\\-1"
RAW = {"ImageType": "ORIGINAL\\PRIMARY\\M\\ND", "ImageOrientationPatient": AXIAL, "Modality": "MR"}
SIEMENS = {**RAW, "Manufacturer": "SIEMENS"}
GE = {**RAW, "Manufacturer": "GE MEDICAL SYSTEMS", "ImageType": "ORIGINAL\\PRIMARY\\OTHER"}
PHILIPS = {**RAW, "Manufacturer": "Philips", "ImageType": "ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE", "PhilipsSlices": 48}


def numbered(kit: Any, count: int, values: dict[str, Any], first: int = 1) -> list[Instance]:
    return [
        kit.instance(f"/{n}", SOPInstanceUID=f"1.{n}", InstanceNumber=n, **{"SeriesInstanceUID": "1.9", **values})
        for n in range(first, first + count)
    ]


def stack(kit: Any, slices: int, values: dict[str, Any], start: int = 1) -> list[Instance]:
    return [
        kit.instance(f"{start + s}", SOPInstanceUID=f"1.{start + s}", InstanceNumber=start + s, SeriesInstanceUID="1.9",
                     ImagePositionPatient=f"0\\0\\{3 * s}", **values)
        for s in range(slices)
    ]  # fmt: skip


def series_of(instances: list[Instance], **protocol: str) -> Series:
    ((series,), _) = group_series(instances, {instances[0].file.path: protocol})
    return series


class Stack(NamedTuple):
    values: dict[str, Any]
    protocol: dict[str, str]
    told: str


PLANNED = {"PlannedSlices": "48"}
STACKS = {
    "siemens": Stack(SIEMENS, PLANNED, "40 of 48 are here (its protocol)"),
    "siemens, all are here": Stack(SIEMENS, {"PlannedSlices": "40"}, ""),
    "siemens, more than planned": Stack(SIEMENS, {"PlannedSlices": "32"}, ""),
    "siemens, minimum over slices": Stack({**SIEMENS, "ImageType": "ORIGINAL\\PRIMARY\\MNIP\\ND"}, PLANNED, ""),
    "siemens, derived": Stack({**SIEMENS, "ImageType": "DERIVED\\PRIMARY\\MPR\\ND"}, PLANNED, ""),
    "another maker": Stack({**SIEMENS, "Manufacturer": "Canon", "ImagesInAcquisition": 48}, PLANNED, ""),
    "GE": Stack({**GE, "GeLocations": 48, "ImagesInAcquisition": 48}, {}, "40 of 48 are here (0021,104F)"),
    "GE, without private elements": Stack({**GE, "ImagesInAcquisition": 48}, {}, "40 of 48 are here (0020,1002)"),
    "GE, images of two echoes are counted": Stack({**GE, "GeLocations": 40, "ImagesInAcquisition": 80}, {}, ""),
    "GE, a multiple may be echoes": Stack({**GE, "ImagesInAcquisition": 80}, {}, ""),
    "GE, interpolated": Stack({**GE, "GeLocations": 20, "ImagesInAcquisition": 40}, {}, ""),
    "GE, one of several passes": Stack({**GE, "GeLocations": 48, "ImagesInAcquisition": 24}, {}, ""),
    "Philips": Stack(PHILIPS, {}, "40 of 48 are here (2001,1018)"),
    "Philips, a projection": Stack({**PHILIPS, "ImageType": "ORIGINAL\\PRIMARY\\PROJECTION IMAGE\\M\\FFE"}, {}, ""),
}


@pytest.mark.parametrize("name", STACKS)
def test_slices_that_a_header_announces_are_missed(kit: Any, name: str) -> None:
    case = STACKS[name]
    told = "; ".join(series_of(stack(kit, 40, case.values), **case.protocol).incomplete)
    assert told == (f"slices are missing in the export: {case.told}" if case.told else "")


def test_nothing_is_missed_of_slices_in_several_directions(kit: Any) -> None:
    other = stack(kit, 3, {**SIEMENS, "ImageOrientationPatient": SAGITTAL}, start=4)
    assert series_of([*stack(kit, 3, SIEMENS), *other], PlannedSlices="6").incomplete == ()


class Run(NamedTuple):
    count: int
    first: int
    values: dict[str, Any]
    planned: str
    told: str


MOSAIC = {**SIEMENS, "ImageType": "ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC", "MosaicSlices": 16}
PHASE = {**MOSAIC, "ImageType": "ORIGINAL\\PRIMARY\\P\\ND\\MOSAIC"}
RUNS = {
    "planned": Run(16, 5, MOSAIC, "20", "sure"),
    "all are here": Run(20, 1, MOSAIC, "20", ""),
    "stopped at the end": Run(16, 1, MOSAIC, "20", ""),
    "numbered on, and nothing is planned": Run(16, 5, MOSAIC, "", "perhaps"),
    "numbered on, and whole": Run(20, 21, MOSAIC, "20", ""),
    "the phases of a run that was stopped half way": Run(10, 11, PHASE, "20", "perhaps"),
    "stopped, and without its beginning": Run(10, 5, MOSAIC, "20", "perhaps"),
    "derived": Run(16, 5, {**MOSAIC, "ImageType": "DERIVED\\PRIMARY\\M\\MOSAIC"}, "20", ""),
}


def say_loss(series: Series) -> str:
    if any("missing in the export" in one for one in series.incomplete):
        return "sure"
    return "perhaps" if any("look whether" in one for one in series.problems) else ""


@pytest.mark.parametrize("name", RUNS)
def test_volumes_before_the_first_are_missed(kit: Any, name: str) -> None:
    case = RUNS[name]
    protocol = {"PlannedVolumes": case.planned} if case.planned else {}
    assert say_loss(series_of(numbered(kit, case.count, case.values, case.first), **protocol)) == case.told


@pytest.mark.parametrize(
    ("count_from", "told"), [(5, "sure"), (1, ""), (None, "perhaps")], ids=["late", "from one", "not at all"]
)
def test_what_counts_volumes_tells_whether_the_first_are_missing(kit: Any, count_from: int | None, told: str) -> None:
    files = numbered(kit, 10, MOSAIC, 5)
    if count_from is not None:
        files = [
            kit.instance(one.file.path, **one.header.values, AcquisitionNumber=count_from + n)
            for n, one in enumerate(files)
        ]
    assert say_loss(series_of(files)) == told


def test_a_number_far_from_the_others_costs_no_memory(kit: Any) -> None:
    far = kit.instance("/far", SOPInstanceUID="1.99", SeriesInstanceUID="1.9", InstanceNumber=10**6, **MOSAIC)
    tracemalloc.start()
    try:
        told = say_loss(series_of([*numbered(kit, 3, MOSAIC, 2), far]))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (told, peak < 4_000_000) == ("", True)


def lacks_start(dicom: Any) -> bool:
    return int(dicom.InstanceNumber) > 4


class Export(NamedTuple):
    dialect: str
    kind: str
    keeps: Callable[[Any], bool]
    told: str


EXPORTS = {
    "classic, the end of a volume": Export(
        "classic", "t1w", lambda d: int(d.InstanceNumber) <= 9, "Slices are missing"
    ),
    "classic, the begin of a volume": Export("classic", "t1w", lacks_start, "Slices are missing in the export"),
    "classic, 2D": Export("classic", "flair", lacks_start, "Slices are missing in the export"),
    "ge, the end of a volume": Export("ge", "t1w", lambda d: int(d.InstanceNumber) <= 9, "Slices are missing"),
    "classic, first volumes": Export("classic", "bold", lacks_start, "Its first 4 volumes are missing"),
    "enhanced, first volumes": Export("enhanced", "bold", lacks_start, "Its first 4 volumes are missing"),
    "classic, first weighting": Export("classic", "dwi", lambda d: int(d.InstanceNumber) > 1, "Its first volume is"),
}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_that_lacks_an_end_is_put_before_a_person(tmp_path: Path, name: str) -> None:
    import pydicom

    case = EXPORTS[name]
    write(tmp_path, series=[case.kind], dialect=case.dialect, size="tiny")
    files = find_files([tmp_path / "dicom"]).files
    whole = max(make_plan(take_inventory(files)).plan.rows, key=lambda row: row.n_volumes)
    assert whole.decision is Decision.CONVERT
    number = whole.series_number
    kept = [
        one
        for one in files
        if (dicom := pydicom.dcmread(one.path, stop_before_pixels=True)).SeriesNumber != number or case.keeps(dicom)
    ]
    assert len(kept) < len(files)
    (row,) = (row for row in make_plan(take_inventory(kept)).plan.rows if row.series_number == number)
    assert (row.decision, row.evidence.startswith(case.told)) == (Decision.REVIEW, True), row.evidence
