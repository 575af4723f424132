"""Volumes that are numbered otherwise than they were measured are told, and no others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from bidsflow.dicom.frames import summarise_frames
from bidsflow.dicom.grouping import group_series
from bidsflow.dicom.inventory import take_inventory
from bidsflow.phantom import write
from bidsflow.sources import find_files

#: Number and time of the volumes of a run, in the order of measurement, and what is said of it.
RUNS = {
    "in order": ([1, 2, 3, 4], ["090000", "090002", "090004", "090006"], ""),
    "one time for all": ([1, 2, 3, 4], ["090000"] * 4, ""),
    "no times, as after anonymisation": ([1, 2, 3, 4], [""] * 4, ""),
    "with gaps": ([3, 7, 9, 20], ["090000", "090002", "090004", "090006"], ""),
    "numbered anew": ([2, 1, 4, 3], ["090000", "090002", "090004", "090006"], "numbered otherwise"),
    "over midnight, one date for all": ([1, 2, 3, 4], ["235957", "235959", "000001", "000003"], ""),
    "over midnight twice": ([1, 2, 3, 4], ["235957", "000001", "235959", "000003"], "numbered otherwise"),
    "without leading zeros": ([1, 2, 3, 4], ["95958.5", "95959", "100000.5", "10:00:01"], ""),
    "without leading zeros, anew": ([2, 1, 3, 4], ["95958.5", "95959", "100000.5", "10:00:01"], "numbered otherwise"),
    "all have one number": ([1, 1, 1, 1], ["090000", "090002", "090004", "090006"], "no numbers"),
    "no numbers, no times": ([0, 0, 0, 0], [""] * 4, "no numbers"),
}


@pytest.mark.parametrize("name", RUNS)
def test_order_of_volumes(name: str, kit: Any) -> None:
    numbers, times, says = RUNS[name]
    files = [
        kit.instance(f"/{i}-{z}", SOPInstanceUID=f"1.{i}.{z}", InstanceNumber=number * 3 + z if number > 1 else number,
                     AcquisitionDate="20240304", AcquisitionTime=time, ImagePositionPatient=f"0\\0\\{z}")
        for i, (number, time) in enumerate(zip(numbers, times, strict=True))
        for z in range(3)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    said = [one for one in series.incomplete if "instances are missing" not in one]
    assert [says in one for one in said] == ([True] if says else [])


def test_a_run_over_midnight_is_in_order(kit: Any) -> None:
    files = [
        kit.instance(f"/{number}", SOPInstanceUID=f"1.{number}", InstanceNumber=number, AcquisitionDate=day,
                     AcquisitionTime=time)
        for number, (day, time) in enumerate([("20240304", "235959"), ("20240305", "000001")], start=1)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    assert series.incomplete == ()


@pytest.mark.parametrize(
    ("order", "says"),
    [
        ("012012", ""),
        ("001122", ""),
        ("012210", "neither volume by volume nor slice by slice"),
        ("210012", "neither volume by volume nor slice by slice"),
        ("001221", "neither volume by volume nor slice by slice"),
        ("012001122", "neither volume by volume nor slice by slice"),
        ("021021", "neither volume by volume nor slice by slice"),
        ("220011", "neither volume by volume nor slice by slice"),
        ("210210", ""),
        ("210120", "neither volume by volume nor slice by slice"),
    ],
)
def test_order_of_slices(order: str, says: str, kit: Any) -> None:
    files = [
        kit.instance(
            f"/{number}", SOPInstanceUID=f"1.{number}", InstanceNumber=number, ImagePositionPatient=f"0\\0\\{z}",
            Manufacturer="GE MEDICAL SYSTEMS",
        )
        for number, z in enumerate(order, start=1)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    assert [says in one for one in series.incomplete] == ([True] if says else [])


@pytest.mark.parametrize(
    ("maker", "held"),
    [
        ("GE MEDICAL SYSTEMS", False),
        ("Philips", False),
        ("Siemens Healthineers", True),
        ("CANON_MEC", True),
        ("", True),
    ],
)
def test_slices_in_turn_are_an_order_of_some_makers(maker: str, held: bool, kit: Any) -> None:
    files = [
        kit.instance(f"/{number}", SOPInstanceUID=f"1.{number}", InstanceNumber=number,
                     ImagePositionPatient=f"0\\0\\{number // 2}", Manufacturer=maker)
        for number in range(8)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    assert ["slice by slice, in which dcm2niix would mix volumes" in one for one in series.incomplete] == [True] * held


def test_numbers_of_a_single_volume_do_not_matter(kit: Any) -> None:
    files = [kit.instance(f"/{z}", SOPInstanceUID=f"1.{z}", InstanceNumber=1, ImagePositionPatient=f"0\\0\\{z}")
             for z in range(5)]  # fmt: skip
    (series,), _ = group_series(files, {})
    assert series.incomplete == ()


def test_volumes_before_slices_are_no_order_of_any_maker(kit: Any) -> None:
    """dcm2niix gets them right by the private elements of Philips, which anonymisers remove."""
    files = [
        kit.instance(f"/{number}", SOPInstanceUID=f"1.{number}", InstanceNumber=number, Manufacturer="Philips Medical",
                     ImagePositionPatient=f"0\\0\\{z}")
        for number, z in enumerate("012001122", start=1)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    assert ["neither volume by volume nor slice by slice" in one for one in series.incomplete] == [True]


def test_mosaics_of_someone_who_moves_there_and_back_are_in_order(kit: Any) -> None:
    files = [
        kit.instance(f"/{number}", SOPInstanceUID=f"1.{number}", InstanceNumber=number,
                     ImagePositionPatient=f"0\\0\\{z}", ImageType="ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC", MosaicSlices="4")
        for number, z in enumerate("0110", start=1)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    assert [one.volumes for one in series.images] == [4]
    assert series.incomplete == ()


@pytest.mark.parametrize("order", ["volumes", "slices"])
@pytest.mark.parametrize("end", ["0", "0000000001", "e0"])
def test_places_that_are_spelled_in_two_ways_are_the_same(order: str, end: str, kit: Any) -> None:
    files = [
        kit.instance(
            f"/{t}{z}", SOPInstanceUID=f"1.{t}.{z}",
            InstanceNumber=1 + (6 * t + z if order == "volumes" else 3 * z + t),
            ImagePositionPatient=f"0\\-0.0\\-{z}.5" if t else f"0.0\\0\\-{z}.5{end}", Manufacturer="Philips",
        )
        for t in range(3)
        for z in range(6)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    assert series.incomplete == ()
    assert [(one.matrix[2], one.volumes) for one in series.images] == [(6, 3)]


@pytest.mark.parametrize(("slices", "noise"), [(6, "0001"), (2, "0001"), (6, "00001")])
def test_places_that_dcm2niix_takes_for_others_are_held(slices: int, noise: str, kit: Any) -> None:
    files = [
        kit.instance(f"/{t}{z}", SOPInstanceUID=f"1.{t}.{z}", InstanceNumber=slices * t + z + 1,
                     ImagePositionPatient=f"0\\0\\-1{z}.5{noise if t else ''}")
        for t in range(2)
        for z in range(slices)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    assert series.incomplete[0] == (
        "its slices move by less than 0.01 mm, for which dcm2niix would mix them (ImagePositionPatient)"
    )


#: Places in the order of numbers, `.` for an image that is missing, and whether that is told, and disorder.
TORN = {
    "volumes": ("01201.01..12", True, False),
    "volumes, a whole one missing": ("012...012012", True, False),
    "volumes down": ("21.210.102.0", True, False),
    "slices": ("00.01.1122.2", True, False),
    "nothing is missing": ("010122210210", False, True),
    "the first is missing, which nobody tells": (".12012012.0120.", False, True),
    "volumes that go there and back": ("01221.01.2.0", True, True),
}


@pytest.mark.parametrize("name", TORN)
def test_images_that_are_missing_are_no_disorder(name: str, kit: Any) -> None:
    order, missing, disorder = TORN[name]
    files = [
        kit.instance(
            f"/{number}", SOPInstanceUID=f"1.{number}", InstanceNumber=number, ImagePositionPatient=f"0\\0\\{z}"
        )
        for number, z in enumerate(order, start=1)
        if z != "."
    ]
    (series,), _ = group_series(files, {})
    said = " ".join(series.incomplete)
    assert ("instances are missing in the export" in said, "neither volume by volume" in said) == (missing, disorder)


#: How files of whole volumes are numbered anew, and what is said of it.
RENUMBERED: dict[str, tuple[Callable[[int], int | None], str]] = {
    "as measured": (lambda number: number, ""),
    "against the time": (lambda number: 21 - number, "numbered otherwise than they were measured"),
    "two of a number": (lambda number: max(number, 2), "have no numbers that tell which came first"),
    "none": (lambda number: None, "have no numbers that tell which came first"),
}


@pytest.fixture(scope="module")
def enhanced(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of a run that each hold the frames of one volume. Read only."""
    root = tmp_path_factory.mktemp("enhanced")
    write(root, series=["bold"], dialect="enhanced", size="tiny")
    files = [Path(one.path) for one in find_files([root / "dicom"]).files]
    return [one for one in files if pydicom.dcmread(one, stop_before_pixels=True).SeriesDescription == "BOLD_rest"]


@pytest.mark.parametrize("name", RENUMBERED)
def test_files_of_whole_volumes_are_numbered_as_they_were_measured(
    enhanced: list[Path], tmp_path: Path, name: str
) -> None:
    renumber, told = RENUMBERED[name]
    for rank, file in enumerate(enhanced):
        dicom = pydicom.dcmread(file)
        dicom.InstanceNumber = renumber(int(dicom.InstanceNumber))
        dicom.save_as(tmp_path / f"{rank}.dcm")
    (series,) = take_inventory(find_files([tmp_path]).files).series
    assert len(series.instances) == 20
    assert [told in one for one in series.incomplete] == ([True] if told else [])


@pytest.mark.parametrize("name", [name for name in RENUMBERED if RENUMBERED[name][1].startswith("numbered")])
def test_files_with_uids_of_their_own_are_numbered_as_they_were_measured(
    enhanced: list[Path], tmp_path: Path, name: str
) -> None:
    renumber, told = RENUMBERED[name]
    for rank, file in enumerate(enhanced):
        dicom = pydicom.dcmread(file)
        dicom.SeriesInstanceUID += f".{rank}"
        dicom.InstanceNumber = renumber(int(dicom.InstanceNumber))
        dicom.save_as(tmp_path / f"{rank}.dcm")
    (series,) = take_inventory(find_files([tmp_path]).files).series
    assert series.parts == 20
    assert [told in one for one in series.incomplete] == [True]
    assert "(InstanceNumber, AcquisitionDateTime)" in series.incomplete[0]


@pytest.mark.parametrize(("sign", "told"), [(1, ""), (-1, "numbered otherwise than they were measured")])
def test_frames_in_files_of_their_own_are_numbered_as_they_were_measured(kit: Any, sign: int, told: str) -> None:
    files = [
        kit.instance(
            f"/{t}/{k}", SOPInstanceUID=f"1.{t}.{k}", InstanceNumber=100 + 4 * sign * t + k,
            AcquisitionDateTime=f"202403040900{2 * t:02}.5",
            **summarise_frames([], [{"ImagePositionPatient": f"0\\0\\{k}"}]),
        )
        for t in range(4)
        for k in range(4)
    ]  # fmt: skip
    (series,), _ = group_series(files, {})
    assert [told in one for one in series.incomplete if "numbered" in one] == ([True] if told else [])
