"""What BIDS requires and the headers tell."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from bidsflow.convert.supply import agree_on_repetition, note_polarity, supply_echo_times, supply_fields
from bidsflow.dicom.header import Header
from bidsflow.names import BidsName

from .conftest import Ran

Cli = Callable[..., Ran]
BOLD = BidsName("01", "func", "bold", entities=(("task", "rest"),))
PHASEDIFF = BidsName("01", "fmap", "phasediff")


def test_repetition_time_of_a_run_comes_from_the_header_where_dcm2niix_leaves_it_out() -> None:
    assert supply_fields({}, BOLD, Header({"RepetitionTime": "2000"})) == {"RepetitionTime": 2.0}


def test_repetition_time_stays_what_dcm2niix_says() -> None:
    assert supply_fields({"RepetitionTime": 0.8}, BOLD, Header({"RepetitionTime": "2000"})) == {"RepetitionTime": 0.8}


def test_volume_timing_needs_no_repetition_time() -> None:
    assert "RepetitionTime" not in supply_fields({"VolumeTiming": [0, 9]}, BOLD, Header({"RepetitionTime": "2000"}))


@pytest.mark.parametrize(
    ("part", "known", "expected"),
    [("phase", {}, "arbitrary"), ("phase", {"Units": "rad"}, "rad"), ("mag", {}, None), ("", {}, None)],
)
def test_phases_have_units(part: str, known: dict[str, object], expected: str | None) -> None:
    name = BidsName("01", "anat", "MEGRE", entities=(("echo", "1"), *([("part", part)] if part else [])))
    assert supply_fields(known, name, Header({})).get("Units") == expected


AXIAL = Header({"ImageOrientationPatient": r"1\0\0\0\1\0"})
UPSIDE_DOWN = Header({"ImageOrientationPatient": r"1\0\0\0\-1\0"})
SAGITTAL = Header({"ImageOrientationPatient": r"0\1\0\0\0\-1"})
OBLIQUE = Header({"ImageOrientationPatient": r"0.8\0.6\0\-0.6\0.8\0"})


@pytest.mark.parametrize(
    ("direction", "axis", "header", "expected"),
    [
        ("AP", "j", AXIAL, "j-"), ("PA", "j", AXIAL, "j"), ("LR", "i", AXIAL, "i-"), ("RL", "i", AXIAL, "i"),
        ("AP", "j", UPSIDE_DOWN, "j"), ("AP", "i", SAGITTAL, "i"), ("HF", "j", SAGITTAL, "j-"),
        ("AP", "j", OBLIQUE, "j-"),
    ],
)  # fmt: skip
def test_polarity_of_an_epi_field_map_comes_from_its_name_where_the_axis_agrees(
    direction: str, axis: str, header: Header, expected: str
) -> None:
    name = BidsName("01", "fmap", "epi", entities=(("dir", direction),))
    before = {"PhaseEncodingAxis": axis, "EstimatedTotalReadoutTime": 0.03}
    filled = supply_fields(before, name, header)
    assert filled["PhaseEncodingDirection"] == expected
    assert filled["TotalReadoutTime"] == 0.03
    (note,) = note_polarity(before, filled, name)
    assert f"PhaseEncodingDirection {expected} follows from dir-{direction}" in note


def test_a_polarity_that_headers_tell_stays_and_is_no_note() -> None:
    name = BidsName("01", "fmap", "epi", entities=(("dir", "AP"),))
    before = {"PhaseEncodingDirection": "j"}
    after = supply_fields(before, name, AXIAL)
    assert after == before
    assert note_polarity(before, after, name) == ()


@pytest.mark.parametrize("header", [Header(), SAGITTAL])
def test_polarity_stays_out_where_the_orientation_does_not_carry_it(header: Header) -> None:
    name = BidsName("01", "fmap", "epi", entities=(("dir", "AP"),))
    assert "PhaseEncodingDirection" not in supply_fields({"PhaseEncodingAxis": "j"}, name, header)


def test_polarity_stays_out_where_the_axis_contradicts_the_name() -> None:
    name = BidsName("01", "fmap", "epi", entities=(("dir", "AP"),))
    assert "PhaseEncodingDirection" not in supply_fields({"PhaseEncodingAxis": "i"}, name, AXIAL)


def test_echo_times_of_a_phase_difference_come_from_its_magnitudes() -> None:
    filled = supply_echo_times({}, PHASEDIFF, {"magnitude1": 4.92, "magnitude2": 7.38, "phasediff": 7.38})
    assert filled["EchoTime1"] == pytest.approx(0.00492)
    assert filled["EchoTime2"] == pytest.approx(0.00738)


def test_echo_times_are_not_invented_without_both_magnitudes() -> None:
    assert supply_echo_times({}, PHASEDIFF, {"magnitude1": 4.92}) == {}


def _nifti_header(volumes: int, step: float, unit: int) -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 4, 8, 8, 4, volumes, 1, 1, 1)
    struct.pack_into("<f", header, 92, step)
    header[123] = unit
    return bytes(header)


def test_time_step_of_a_run_becomes_its_repetition_time() -> None:
    fixed = agree_on_repetition(_nifti_header(10, 2.5, 10), {"RepetitionTime": 0.8})
    assert struct.unpack_from("<f", fixed, 92)[0] == pytest.approx(0.8)
    assert fixed[123] == 10
    assert len(fixed) == 352


@pytest.mark.parametrize(
    ("volumes", "step", "unit", "sidecar"),
    [
        (10, 0.8, 10, {"RepetitionTime": 0.8}),
        (10, 800.0, 18, {"RepetitionTime": 0.8}),
        (1, 2.5, 10, {"RepetitionTime": 0.8}),
        (10, 2.5, 10, {}),
    ],
)
def test_time_step_stays_where_it_agrees_or_nothing_is_known(
    volumes: int, step: float, unit: int, sidecar: dict[str, object]
) -> None:
    header = _nifti_header(volumes, step, unit)
    assert agree_on_repetition(header, sidecar) == header


@pytest.mark.parametrize("said", ["-2000", "0", None])
def test_run_with_an_impossible_repetition_time_waits_for_a_study(
    said: str | None, two_people: Path, tmp_path: Path, cli: Cli
) -> None:
    export, target = Path(shutil.copytree(two_people / "P001", tmp_path / "export")), tmp_path / "bids"
    for file in export.rglob("*.dcm"):
        header = dcmread(file)
        header.RepetitionTime = said
        header.save_as(file)
    ran = cli("convert", export, target)
    assert (ran.code, ran.out) == (0, f"{target}: 1 written, 1 for review\n"), ran.said
    told = f"a RepetitionTime of {said} ms, and BIDS requires a true one" if said else "no RepetitionTime"
    assert f"its headers say {told}".lower() in ran.err.lower()
    assert not list(target.rglob("*_bold.nii.gz"))
    study = tmp_path / "study.toml"
    study.write_text(
        'version = 1\n[[series]]\nmatch = { SeriesDescription = "BOLD_rest" }\nsidecar = { RepetitionTime = 2.5 }\n'
    )
    assert cli("convert", export, target, "--study", study).out == f"{target}: 1 written, 1 unchanged\n"
    (bold,) = target.rglob("sub-*_bold.json")
    assert json.loads(bold.read_text())["RepetitionTime"] == 2.5
    assert cli("validate", target, "--ignore-warnings").code == 0
    assert cli("convert", export, target).out == f"{target}: 2 unchanged\n"
