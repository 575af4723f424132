"""Maps in Hz and their magnitudes, where each is a series of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bidsflow.convert.fit import check_fit
from bidsflow.convert.plan import Decision, Plan
from tests.convert.naming import scans as s
from tests.convert.naming.scans import Row, check, inventory_of, make, plan_of

HZ = {"RescaleType": "Hz"}
B0 = {"ImageType": "ORIGINAL\\PRIMARY\\B0 MAP\\B0\\UNSPECIFIED", "EchoTime": "0"}
#: A spoiled gradient echo in 3D: by itself it may be weighted by T1.
GE_3D = {**s.ge("GR", "SS\\SP", "3D", "fgre3d"), "matrix": (128, 128, 36), **s.timed(4.9, 30, 10)}
T1 = make(1, "t1", s.GE_BRAVO)

SESSIONS: dict[str, list[Row]] = {
    "GE, one moment": [
        (T1, "anat/T1w"),
        (make(5, "B0map", s.GE_B0, at=20), "fmap/magnitude:series_6,_a_field_map_in_Hz"),
        (make(6, "FieldMap: Hz", s.GE_B0, at=20, **HZ), "fmap/fieldmap"),
        (make(9, "fMRI rest", s.GE_EPI, volumes=150), "func/task-rest_bold:corrected_by_field_map_map1"),
    ],
    "Philips, one moment, the map first": [
        (T1, "anat/T1w"),
        (make(801, "B0 NS", {**s.PH_FFE, **B0}, at=20), "fmap/fieldmap"),
        (make(802, "B0 NS", s.PH_FFE, at=20), "fmap/magnitude"),
    ],
    "measured twice": [
        (T1, "anat/T1w"),
        (make(5, "B0map", GE_3D, at=20), "fmap/run-1_magnitude"),
        (make(6, "B0map", GE_3D, at=20, **HZ), "fmap/run-1_fieldmap"),
        (make(7, "B0map", GE_3D, at=30), "fmap/run-2_magnitude"),
        (make(8, "B0map", GE_3D, at=30, **HZ), "fmap/run-2_fieldmap"),
    ],
    "one after the other": [
        (T1, "anat/T1w"),
        (make(5, "B0map", GE_3D, at=20), "review:beside_series_6,_a_field_map_in_Hz"),
        (make(6, "B0map", GE_3D, at=22, **HZ), "review:unless_series_5_beside_it_is_that"),
    ],
    "anonymisation has set one time for all": [
        (make(1, "t1", s.GE_BRAVO, at=0), "anat/T1w"),
        (make(5, "B0map", GE_3D, at=0), "review:beside_series_6"),
        (make(6, "B0map", GE_3D, at=0, **HZ), "review:unless_series_5"),
    ],
    "two of one moment": [
        (T1, "anat/T1w"),
        (make(5, "B0map", GE_3D, at=20), "review"),
        (make(6, "B0map", GE_3D, at=20), "review:beside_series_7"),
        (make(7, "B0map", GE_3D, at=20, **HZ), "review"),
    ],
    "of one protocol that gives the name": [
        (T1, "anat/T1w"),
        (make(5, "fmap_acq-b0", GE_3D, at=20), "fmap/acq-b0_magnitude"),
        (make(6, "fmap_acq-b0", GE_3D, at=20, **HZ), "fmap/acq-b0_fieldmap"),
    ],
    "a map that has its magnitude needs no other": [
        (make(4, "Sag T1 spgr", {**GE_3D, "FlipAngle": 20}, at=19), "anat/T1w"),
        (
            make(5, "B0map", GE_3D, s.Part(), s.Part(component="real", tags=HZ), at=20),
            "fmap/magnitude fmap/fieldmap",
        ),
    ],
}  # fmt: skip
#: Series beside a map in Hz that are no magnitudes of it, and why.
OTHERS = {
    "inverted": {**GE_3D, "InversionTime": 900},
    "a spin echo": {**s.GE_FSE, "matrix": (128, 128, 36)},
    "other voxels": {**GE_3D, "matrix": (256, 256, 36)},
    "another thickness": {**GE_3D, "SliceThickness": 1},
    "another repetition time": {**GE_3D, "RepetitionTime": 8},
    "another flip angle": {**GE_3D, "FlipAngle": 25},
    "a phase": {**GE_3D, "ImageType": "ORIGINAL\\PRIMARY\\P\\ND"},
}


@pytest.mark.parametrize("name", SESSIONS)
def test_magnitude_in_a_series_of_its_own_is_found(name: str) -> None:
    assert check(SESSIONS[name]) == []


def test_what_may_be_a_magnitude_is_proposed_as_one() -> None:
    series = [one for one, _ in SESSIONS["one after the other"]]
    rows = plan_of(series)
    assert [row.path.rpartition("/")[2] for row in rows] == ["sub-01_T1w", "sub-01_magnitude", "sub-01_fieldmap"]
    accepted = tuple(replace(row, decision=Decision.CONVERT) for row in rows)
    check_fit(Plan(accepted), inventory_of(series), "plan")


@pytest.mark.parametrize("at", [20, 22], ids=["one moment", "one after the other"])
@pytest.mark.parametrize("name", OTHERS)
def test_what_the_headers_tell_from_the_map_is_no_magnitude_of_it(name: str, at: int) -> None:
    part = s.Part(component="phase") if name == "a phase" else s.Part()
    other = make(5, "B0map", {"SliceThickness": 4, **OTHERS[name]}, part, at=20)
    field = make(6, "B0map", {**GE_3D, "SliceThickness": 4}, at=at, **HZ)
    rows = plan_of([T1, other, field])
    assert not any(row.path.endswith("magnitude") for row in rows)
    assert (rows[-1].decision, rows[-1].evidence[:43]) == (
        Decision.REVIEW, "A field map without its magnitude images; R",
    )  # fmt: skip


def test_of_two_series_of_other_names_neither_is_the_magnitude_of_the_map_beside_it() -> None:
    rows = plan_of([T1, make(5, "Sag 3D SPGR", GE_3D, at=20), make(6, "B0map", GE_3D, at=22, **HZ)])
    assert not any(row.path.endswith("magnitude") for row in rows)
