"""Series that a scanner gave a UID for each volume, or for each slice, are whole; others stay apart."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bidsflow.dicom.grouping import group_series
from bidsflow.dicom.series import Instance, Series

SIEMENS = {"Manufacturer": "Siemens Healthineers", "SeriesNumber": "7", "SeriesTime": "101500.5", "PatientID": "A"}


def volumes(kit: Any, count: int = 3, slices: int = 4, first: int = 0, **values: object) -> list[Instance]:
    """Return volumes as Siemens' interoperability format has them: a UID for each, numbers that begin anew."""
    return [
        kit.instance(
            f"/{first + volume}/{place}", SeriesInstanceUID=f"1.{first + volume}",
            SOPInstanceUID=f"1.{first + volume}.{place}", InstanceNumber=place + 1,
            AcquisitionTime=f"1015{first + volume:02d}.5", ImagePositionPatient=f"0\\0\\{place}",
            **{**SIEMENS, **values},
        )
        for volume in range(count) for place in range(slices)
    ]  # fmt: skip


def group(files: list[Instance]) -> tuple[Series, ...]:
    series, aside = group_series(files, {})
    assert aside == ()
    return series


def test_volumes_with_uids_of_their_own_are_one_series(kit: Any) -> None:
    files = volumes(kit, 12)
    random.Random(1).shuffle(files)
    (series,) = group(files)
    assert (series.uid, series.parts, series.images[0].volumes, series.images[0].matrix[2]) == ("1.0", 12, 12, 4)
    assert {group(volumes(kit, count))[0].uid for count in (2, 11, 20)} == {"1.0"}  # it grows, and stays what it is
    times = [one.header.text("AcquisitionTime") for one in series.instances]
    assert times == sorted(times)
    assert "the scanner gave its parts 12 SeriesInstanceUIDs" in series.problems
    assert series.incomplete == ()


def test_slices_with_uids_of_their_own_are_one_series(kit: Any) -> None:
    files = [
        kit.instance(f"/{place}/{time}", SeriesInstanceUID=f"1.{place}", SOPInstanceUID=f"1.{place}.{time}",
                     InstanceNumber=time * 4 + place + 1, ImagePositionPatient=f"0\\0\\{place}",
                     **{**SIEMENS, "Manufacturer": "CANON_MEC"})
        for place in range(4) for time in range(5)
    ]  # fmt: skip
    (series,) = group(files)
    assert (series.parts, series.images[0].volumes, series.images[0].matrix[2]) == (4, 5, 4)
    assert [one.header.integer("InstanceNumber") for one in series.instances] == list(range(1, 21))


def test_volumes_of_echoes_are_one_series_where_imagetype_counts_them(kit: Any) -> None:
    files = [
        one for echo in (1, 2, 3)
        for one in volumes(kit, 2, 4, 2 * echo, EchoTime=str(13 * echo), EchoNumbers=str(echo),
                           ImageType=f"ORIGINAL\\PRIMARY\\M\\TE{echo}\\ND")
    ]  # fmt: skip
    (series,) = group(files)
    assert series.parts == 6
    assert [(one.echo, one.volumes) for one in series.images] == [(1, 2), (2, 2), (3, 2)]


@pytest.mark.parametrize(
    "other",
    [
        {"SeriesNumber": "8"},
        {"SeriesTime": "102000.5"},
        {"SeriesDescription": "another"},
        {"ImageType": "DERIVED\\PRIMARY\\DIFFUSION\\ADC"},
        {"ImageType": "ORIGINAL\\PRIMARY\\P\\ND"},
        {"StudyInstanceUID": "9.9"},
        {"PatientID": "B"},
        {"Rows": "128"},
        {"DeviceSerialNumber": "2"},
    ],
    ids=lambda values: next(iter(values)),
)
def test_what_differs_in_more_than_the_uid_stays_apart(kit: Any, other: dict[str, str]) -> None:
    series = group([*volumes(kit, 2), *volumes(kit, 2, first=2, **other)])
    assert sorted(one.parts for one in series) == [2, 2]


@pytest.mark.parametrize("maker", ["GE MEDICAL SYSTEMS", "Philips", "UIH", ""])
def test_series_of_one_number_of_other_makers_stay_apart(kit: Any, maker: str) -> None:
    assert [one.parts for one in group(volumes(kit, Manufacturer=maker))] == [1, 1, 1]


def test_series_without_a_number_stay_apart(kit: Any) -> None:
    assert [one.parts for one in group(volumes(kit, SeriesNumber=""))] == [1, 1, 1]


def test_a_series_that_was_sent_again_under_another_uid_stays_apart(kit: Any) -> None:
    again = [
        kit.instance(
            f"/again/{rank}", **{**one.header.values, "SeriesInstanceUID": "2.1", "SOPInstanceUID": f"2.1.{rank}"}
        )
        for rank, one in enumerate(volumes(kit, 1))
    ]
    assert [one.parts for one in group([*volumes(kit, 1), *again])] == [1, 1]


def test_the_first_part_gives_the_uid_however_uids_sort(kit: Any) -> None:
    files = [one for number, uid in enumerate(("1.9", "1.10", "1.2")) for one in volumes(kit, 1, first=number)]
    renamed = [
        kit.instance(one.file.path, **{**one.header.values, "SeriesInstanceUID": ("1.9", "1.10", "1.2")[rank // 4]})
        for rank, one in enumerate(files)
    ]
    (series,) = group(renamed)
    assert (series.uid, series.parts) == ("1.9", 3)
