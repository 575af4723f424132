"""What a person writes into a plan is held against the images, before anything is written."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from bidsflow.convert.fit import check_fit, note_oddities, note_unplanned
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Image, Inventory, Patient, Series
from bidsflow.errors import PlanError

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
TYPES = {"magnitude": "ORIGINAL\\PRIMARY\\M\\ND", "phase": "ORIGINAL\\PRIMARY\\P\\ND", "": "ORIGINAL\\PRIMARY"}
EPI = {"ScanningSequence": "EP", "SequenceName": "epfid2d1_64"}
DWI = {"ScanningSequence": "EP", "SequenceName": "ep_b1000"}
FIELD = {"ScanningSequence": "GR", "SequenceFile": "gre_field_mapping"}
HZ = {"RescaleType": "HZ"}
MPRAGE = {"ScanningSequence": "GR\\IR", "EchoTime": "3", "RepetitionTime": "2300", "InversionTime": "900",
          "MRAcquisitionType": "3D"}  # fmt: skip
TSE = {"ScanningSequence": "SE", "EchoTime": "96", "RepetitionTime": "6000"}
ASL = {"ScanningSequence": "EP", "ImageType": "ORIGINAL\\PRIMARY\\ASL"}


class Case(NamedTuple):
    """An image, the name that a person gives it, and what must be said of that."""

    path: str
    tags: dict[str, str]
    volumes: int = 1
    says: str = ""
    component: str = "magnitude"
    b_values: tuple[float, ...] = ()


def make(case: Case, number: int = 1) -> tuple[PlanRow, Series]:
    shown = "phase" if case.component == "phase" else ("magnitude" if case.component else "")
    header = Header({"Modality": "MR", "ImageType": TYPES[shown], "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
                     **case.tags})  # fmt: skip
    image = Image(header, (64, 64, 30), case.volumes, component=case.component or "magnitude", orientation=AXIAL,
                  b_values=case.b_values, n_instances=9)  # fmt: skip
    series = Series(f"1.{number}", "1", Patient("P1", "", "", ""), number, "scan", "", "", (image,), (), header)
    path = f"sub-01/{case.path.split('/')[0]}/sub-01_{case.path.split('/')[1]}"
    return PlanRow(series.uid, 1, number, "", "scan", 9, case.volumes, Decision.CONVERT, path, 0.5, ""), series


IMPOSSIBLE = {
    "one volume for a run": Case("func/task-a_bold", EPI, 1, "has several volumes, and this image has one"),
    "one volume of CBV": Case("func/task-a_cbv", EPI, 1, "has several volumes"),
    "anatomy with volumes": Case("anat/T1w", MPRAGE, 5, "a T1w has one volume, and this image has 5"),
    "magnitude with volumes": Case("fmap/magnitude1", FIELD, 2, "a magnitude1 has one volume"),
    "a run for a reference": Case("func/task-a_sbref", EPI, 200, "one or few volumes"),
    "anatomy for diffusion": Case("dwi/dwi", MPRAGE, 1, "needs b-values"),
    "phase that is a magnitude": Case("fmap/phasediff", FIELD, 1, "by its headers it is a magnitude image"),
    "magnitude that is a phase": Case("fmap/magnitude1", FIELD, 1, "it is a phase image", "phase"),
    "field without Hz": Case("fmap/fieldmap", FIELD, 1, "its Units are unknown", "phase"),
    "part that is another": Case("func/task-a_part-phase_bold", EPI, 99, "part-phase, but by its headers it is a mag"),
    "labelling": Case("perf/asl", ASL, 60, "requires aslcontext.tsv, ArterialSpinLabelingType"),
    "PET": Case("pet/pet", {"Modality": "PT"}, 60, "the tracer"),
}  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_name_that_its_image_cannot_have_is_refused(name: str) -> None:
    row, series = make(IMPOSSIBLE[name])
    with pytest.raises(PlanError) as caught:
        check_fit(Plan((row,)), Inventory((series,), ()), "mine.tsv")
    (problem,) = caught.value.problems
    assert problem.startswith("series 1 (scan): ")
    assert IMPOSSIBLE[name].says in problem


def test_an_m0_scan_without_its_run_is_refused() -> None:
    row, series = make(Case("perf/m0scan", {**ASL, "RepetitionTime": "2000"}))
    with pytest.raises(PlanError) as caught:
        check_fit(Plan((row,)), Inventory((series,), ()), "mine.tsv")
    assert caught.value.problems == (
        "series 1 (scan): as m0scan BIDS requires IntendedFor, and no asl of its session is converted",
    )


UNUSUAL = {
    "reference of three volumes": Case("func/task-a_sbref", EPI, 3, "usually has one volume, and this image has 3"),
    "T2w with volumes": Case("anat/T2w", TSE, 2, "usually has one volume"),
    "another contrast": Case("anat/T1w", TSE, 1, "by its physics it is T2-weighted"),
    "run that is no EPI": Case("func/task-a_bold", MPRAGE, 50, "by its physics it is T1-weighted"),
    "anatomy that is an EPI": Case("anat/T2w", EPI, 1, "by its physics it is gradient-echo EPI"),
    "run that is labelling": Case("func/task-a_bold", ASL, 50, "by its physics it is arterial spin labelling"),
    "run that is diffusion": Case("func/task-a_bold", DWI, 50, "it is diffusion-weighted", "magnitude", (0.0, 1000.0)),
    "EPI of diffusion that is none": Case("fmap/dir-AP_epi", FIELD, 1, "it is dual-echo gradient echo"),
    "diffusion without b-values": Case("dwi/dwi", DWI, 30, "no b-values are in its headers"),
    "diffusion of one volume": Case("dwi/dwi", DWI, 1, "one volume only", "magnitude", (1000.0,)),
    "diffusion without weighting": Case("dwi/dwi", DWI, 5, "no weighted volume", "magnitude", (0.0,)),
    "phase without part": Case("func/task-a_bold", EPI, 50, "which BIDS names with part-", "phase"),
    "field without its magnitude": Case("fmap/fieldmap", HZ, 1, "BIDS wants the magnitude", "phase"),
    "screen capture": Case("anat/T1w", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, 1, "a screen capture"),
}  # fmt: skip


BLIP = {**EPI, "InPlanePhaseEncodingDirection": "COL", "PhaseEncodingPositive": "0"}
ACROSS = {**EPI, "InPlanePhaseEncodingDirection": "ROW", "ImageOrientationPatient": r"1\0\0\0\1\0"}
PAIRS = {
    "an axis": ((Case("fmap/dir-AP_epi", ACROSS), {}), (Case("fmap/dir-RL_epi", ACROSS), {}),
                "runs along the axis of R and L"),
    "directions": ((Case("fmap/dir-AP_epi", BLIP), {}), (Case("fmap/dir-PA_epi", BLIP), {}), "runs PA"),
    "magnitudes": ((Case("fmap/magnitude1", FIELD), {"echo_time": 7.4}),
                   (Case("fmap/magnitude2", FIELD), {"echo_time": 4.9}), "by its echo time (7.4 ms) it is echo 2"),
    "echoes": ((Case("func/task-a_echo-1_bold", EPI, 9), {"echo_time": 30.0}),
               (Case("func/task-a_echo-2_bold", EPI, 9), {"echo_time": 10.0}), "by its echo time (30 ms) it is echo 2"),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_names_that_were_exchanged_against_the_header_are_noted(name: str) -> None:
    *cases, says = PAIRS[name]
    made = [make(case, number) for number, (case, _) in enumerate(cases, start=1)]
    series = [replace(one, images=(replace(one.images[0], **changes),))
              for (_, one), (_, changes) in zip(made, cases, strict=True)]  # fmt: skip
    rows = [row for row, _ in made]
    note, *others = note_oddities(Plan(tuple(rows)), Inventory(tuple(series), ()))
    assert note.endswith(says)
    assert note.startswith("series 1 (scan) is to be sub-01/")
    assert len(others) == (1 if name in ("magnitudes", "echoes") else 0)
    right = [replace(row, path=other.path) for row, other in zip(rows, rows[::-1], strict=True)]
    assert len(note_oddities(Plan(tuple(right)), Inventory(tuple(series), ()))) == (
        1 if name in ("directions", "an axis") else 0
    )


@pytest.mark.parametrize("name", UNUSUAL)
def test_what_is_only_unusual_is_noted_and_goes_on(name: str) -> None:
    row, series = make(UNUSUAL[name])
    plan, inventory = Plan((row,)), Inventory((series,), ())
    check_fit(plan, inventory, "mine.tsv")
    (note,) = note_oddities(plan, inventory)
    assert note.startswith("series 1 (scan) is to be ")
    assert UNUSUAL[name].says in note


USUAL = (
    Case("func/task-a_bold", EPI, 200), Case("func/task-a_sbref", EPI), Case("anat/T1w", MPRAGE),
    Case("dwi/dwi", DWI, 30, "", "magnitude", (0.0, 1000.0)), Case("fmap/phasediff", FIELD, 1, "", "phase"),
    Case("fmap/phasediff", FIELD, 1, "", ""),  # no header says which part it is
    Case("fmap/magnitude1", FIELD), Case("fmap/dir-AP_epi", EPI, 3), Case("anat/FLAIR", {}, 1),
    Case("func/task-a_part-phase_bold", EPI, 99, "", "phase"), Case("anat/MEGRE", FIELD),
)  # fmt: skip


@pytest.mark.parametrize("case", USUAL, ids=lambda case: case.path)
def test_nothing_is_said_of_a_name_that_fits(case: Case) -> None:
    row, series = make(case)
    plan, inventory = Plan((row,)), Inventory((series,), ())
    check_fit(plan, inventory, "mine.tsv")
    assert note_oddities(plan, inventory) == ()


def test_every_row_that_does_not_fit_is_named() -> None:
    made = [make(case, number) for number, case in enumerate(IMPOSSIBLE.values(), start=1)]
    with pytest.raises(PlanError) as caught:
        check_fit(Plan(tuple(row for row, _ in made)), Inventory(tuple(series for _, series in made), ()), "mine.tsv")
    assert len(caught.value.problems) == len(IMPOSSIBLE)


def test_what_a_plan_leaves_out_is_told_and_what_it_skips_is_not() -> None:
    made = [make(Case("fmap/magnitude1", FIELD), number) for number in range(1, 6)]
    images = [one.images * count for (_, one), count in zip(made, (1, 1, 1, 3, 3), strict=True)]
    series = tuple(replace(one, images=own) for (_, one), own in zip(made, images, strict=True))
    rows = [row for row, _ in made]
    here = (rows[0], replace(rows[1], decision=Decision.SKIP), replace(rows[3], image=2), rows[4])
    notes = note_unplanned(Plan(here), Inventory(series, ()))
    assert notes == (
        "series 3 scan: not in the plan, nothing is done with it",
        "series 4 scan, image 1 and 3 of 3: not in the plan, nothing is done with it",
        "series 5 scan, image 2 and 3 of 3: not in the plan, nothing is done with it",
    )


def test_series_that_a_plan_leaves_out_are_counted_where_they_are_many() -> None:
    series = tuple(make(Case("fmap/magnitude1", FIELD), number)[1] for number in range(1, 31))
    notes = note_unplanned(Plan(()), Inventory(series, ()))
    assert (len(notes), notes[-1]) == (21, "10 more series are not in the plan, or not with all their images")
