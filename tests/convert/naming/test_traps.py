"""Sessions in which a plausible name would be a wrong one."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from bidsflow.convert.naming.draft import ENOUGH
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, PlanRow
from bidsflow.dicom.series import Patient
from tests.convert.test_planner import AP, DWI, EPI, FIELD, MPRAGE, PA, SPIN, Scan, build, plan_rows

FLASH = {**MPRAGE, "ScanningSequence": "GR", "SequenceVariant": "SP", "InversionTime": "", "EchoTime": "3",
         "RepetitionTime": "20", "FlipAngle": "21"}  # fmt: skip
GRE = {**FLASH, "MRAcquisitionType": "2D", "RepetitionTime": "500"}
TSE = {**MPRAGE, "ScanningSequence": "SE", "SequenceVariant": "SK", "InversionTime": "", "EchoTime": "96",
       "RepetitionTime": "6000"}  # fmt: skip
MOCO = {**EPI, "ImageType": "ORIGINAL\\PRIMARY\\M\\ND\\MOCO\\MOSAIC"}
PHASE = {**EPI, "ImageType": "ORIGINAL\\PRIMARY\\P\\ND"}
TOPUP = {**SPIN, **AP}


class Case(NamedTuple):
    scans: tuple[Scan, ...]
    rows: tuple[str, ...]


def bold(description: str, volumes: int = 200, **tags: str) -> Scan:
    return Scan(description, {**EPI, **tags}, volumes)


CASES = {
    "echoes of a gradient echo": Case(
        (Scan("qsm", FLASH, 1, (4, 10, 16)),), tuple(f"anat/echo-{n}_MEGRE: 3 echoes" for n in (1, 2, 3))
    ),
    "combined susceptibility": Case(
        (Scan("SWI_Images", {**FLASH, "ImageType": "ORIGINAL\\PRIMARY\\M\\SWI\\NORM"}),),
        ("review: ImageType says SWI",),
    ),
    "MP2RAGE without its sequence's name": Case(
        (
            Scan("mp2rage_INV1", {**MPRAGE, "InversionTime": "700"}),
            Scan("mp2rage_INV2", {**MPRAGE, "InversionTime": "2500"}),
        ),
        ("review: MP2RAGE", "review: MP2RAGE"),
    ),
    "time of flight that words alone name": Case((Scan("tof3d_tra", FLASH),), ("anat/angio: says tof",)),
    "angiography too fast for blood to flow in": Case(
        (Scan("mra", {**FLASH, "RepetitionTime": "5", "EchoTime": "1.5"}),), ("review: mra (angiography)",)
    ),
    "venography by susceptibility": Case((Scan("venogram", {**FLASH, "EchoTime": "20"}),), ("anat/T2starw",)),
    "T2 after a short repetition": Case((Scan("T2", {**TSE, "RepetitionTime": "1000"}),), ("anat/T2w: short",)),
    "a short repetition and no word for T2": Case((Scan("SE", {**TSE, "RepetitionTime": "1000"}),), ("review: short",)),
    "two inversion times": Case(
        (Scan("t1", {**MPRAGE, "InversionTime": "700"}), Scan("t1", {**MPRAGE, "InversionTime": "2500"})),
        ("review: inversion", "review: inversion"),
    ),
    "two flip angles": Case(
        (Scan("t1_fa21", FLASH), Scan("t1_fa6", {**FLASH, "FlipAngle": "6"})),
        ("anat/flip-2_VFA: flip angle", "anat/flip-1_VFA"),
    ),
    "dynamic angiography": Case((Scan("t1_twist", FLASH, 60),), ("review: 60 volumes",)),
    "one slice": Case((Scan("t2_shim", TSE),), ("anat/T2w",)),
    "derived of the original beside it": Case(
        (Scan("t1", MPRAGE), Scan("t1_rms", {**MPRAGE, "ImageType": "DERIVED\\PRIMARY\\OTHER", "EchoTime": "5"})),
        ("anat/T1w", "review: series 1 is an original"),
    ),
    "filtered, beside another protocol": Case(
        (
            Scan("t1", {**MPRAGE, "ImageType": "DERIVED\\PRIMARY\\OTHER"}),
            Scan("t1", {**MPRAGE, "RepetitionTime": "1800"}),
        ),
        ("anat/acq-TR2300_T1w: DERIVED", "anat/acq-TR1800_T1w"),
    ),
    "motion-corrected on the scanner": Case(
        (bold("bold_rest"), Scan("bold_rest", MOCO, 200)), ("func/task-rest_bold", "skip: corrected for motion")
    ),
    "only the motion-corrected images are there": Case((Scan("bold_rest", MOCO, 200),), ("review: motion",)),
    "the original belongs to another run": Case(
        (bold("bold_nback"), Scan("bold_rest", MOCO, 200)), ("func/task-nback_bold", "review: motion")
    ),
    "one original for two corrected runs": Case(
        (bold("bold_rest"), Scan("bold_rest", MOCO, 200), Scan("bold_rest", MOCO, 200)),
        ("func/task-rest_bold", "skip: corrected for motion", "review: motion"),
    ),
    "perfusion by contrast agent": Case((bold("ep2d_perf", 60),), ("review: perfusion",)),
    "labelling that only words name": Case((bold("WIP pCASL", 60),), ("review: perfusion",)),
    "a task of performance": Case((bold("performance_bold"),), ("func/task-performance_bold",)),
    "task inside a word": Case((bold("multitasking"),), ("func/task-multitasking_bold",)),
    "words for functional imaging": Case(
        (bold("tfMRI_WM"), bold("fMRT Ruhe"), bold("IRMf repos")),
        ("func/task-WM_bold", "func/task-ruhe_bold", "func/task-repos_bold"),
    ),
    "reference under a given name": Case(
        (bold("func_task-rest_SBRef", 1), bold("func_task-rest")), ("func/task-rest_sbref", "func/task-rest_bold")
    ),
    "phase under a given name": Case(
        (bold("func_task-rest"), Scan("func_task-rest", PHASE, 200, component="phase")),
        ("func/task-rest_part-mag_bold", "func/task-rest_part-phase_bold"),
    ),
    "reference of a field map": Case(
        (Scan("FieldMap_SBRef", TOPUP), Scan("FieldMap", TOPUP, 3)), ("skip: field map", "fmap/dir-AP_epi")
    ),
    "aborted with its reference": Case(
        (
            bold("bold_nback_SBRef", 1),
            bold("bold_nback", 40, PlannedVolumes="300"),
            bold("bold_nback_SBRef", 1),
            bold("bold_nback", 300, PlannedVolumes="300"),
        ),
        ("review: aborted", "review: 40 of 300", "func/task-nback_sbref", "func/task-nback_bold"),
    ),
    "the repeat was aborted": Case(
        (bold("bold_nback", 300, PlannedVolumes="300"), bold("bold_nback", 40, PlannedVolumes="300")),
        ("func/task-nback_bold", "review: 40 of 300"),
    ),
    "aborted, and nothing says what was planned": Case(
        (bold("bold_nback", 40), bold("bold_nback", 300)), ("review: 40 volumes", "func/task-nback_bold")
    ),
    "a short run in reverse": Case(
        (bold("bold_rest", 5, **PA), bold("bold_rest")), ("fmap/dir-PA_epi: reverse", "func/task-rest_bold")
    ),
    "direction unknown": Case((Scan("topup", SPIN, 2),), ("review: direction",)),
    "magnitudes of a field map in another series": Case(
        (Scan("gre_field_mapping", FIELD, 1, (4.92, 7.38)),), ("review: without a phase",) * 2
    ),
    "two contrasts in one series": Case(
        (Scan("pd+t2", TSE, 1, (11, 96)), Scan("t2", TSE)), ("anat/PDw", "anat/run-1_T2w", "anat/run-2_T2w")
    ),
    "tensor in the name of raw diffusion": Case(
        (Scan("DTI_TENSOR_64", DWI, 65, b_values=(0.0, 1000.0)),), ("dwi/dir-AP_dwi",)
    ),
}


def describe(row: PlanRow) -> str:
    """Return what a row says, without its subject."""
    if row.decision is not Decision.CONVERT:
        return str(row.decision)
    return row.path.removeprefix("sub-01/").replace("sub-01_", "")


@pytest.mark.parametrize("name", CASES)
def test_a_trap_is_seen(name: str) -> None:
    case = CASES[name]
    rows = plan_rows([build(scan, number) for number, scan in enumerate(case.scans, start=1)])
    for row, expected in zip(rows, case.rows, strict=True):
        want, _, said = expected.partition(": ")
        assert describe(row) == want, row.evidence
        assert said.lower() in row.evidence.lower()


PRIVATE = (
    "func_task-ANNA",
    "func_task-rest_acq-anna",
    "annastroop_bold",
    "bold_task-annas",
    "func_task-K4711B",
)


@pytest.mark.parametrize("description", PRIVATE)
def test_no_path_holds_the_name_of_a_person(description: str) -> None:
    who = Patient("K4711B", "LEE ANNA", "19800101", "F")
    (row,) = plan_rows([replace(build(bold(description), 1), patient=who)])
    assert row.decision is Decision.REVIEW
    assert row.path == NOT_APPLICABLE
    assert "person who was scanned" in row.evidence


@pytest.mark.parametrize("description", ["func_task-sleep", "func_task-bananas", "bold_rest"])
def test_letters_of_a_short_name_inside_a_word_are_no_name(description: str) -> None:
    (row,) = plan_rows([replace(build(bold(description), 1), patient=Patient("12", "LEE NAN", "19800101", "F"))])
    assert row.decision is Decision.CONVERT


@pytest.mark.parametrize(
    "description", ["func_task-li", "func_task-rest_acq-liPre", "bold_task-kimRest", "func_task-KIMrest"]
)
def test_no_path_holds_a_short_name(description: str) -> None:
    (row,) = plan_rows([replace(build(bold(description), 1), patient=Patient("12", "KIM LI", "19800101", "F"))])
    assert row.decision is Decision.REVIEW
    assert row.path == NOT_APPLICABLE


def test_a_direction_is_no_name() -> None:
    scans = (Scan("topup", {**SPIN, **AP}, 3), Scan("topup", {**SPIN, **PA}, 3))
    who = Patient("12", "PA MAY", "19800101", "F")
    rows = plan_rows([replace(build(scan, number), patient=who) for number, scan in enumerate(scans, start=1)])
    assert [describe(row) for row in rows] == ["fmap/dir-AP_epi", "fmap/dir-PA_epi"]


def test_what_words_leave_out_is_sure_enough_and_says_why() -> None:
    unknown = {**GRE, "ScanningSequence": "RM", "MRAcquisitionType": ""}
    for name, says in ("FAST LOCALIZER", "calls it a localizer (localizer)"), ("anat-scout", "calls it anat-scout"):
        (row,) = plan_rows([build(Scan(name, unknown), 1)])
        assert row.decision is Decision.SKIP
        assert says in row.evidence
        assert row.confidence >= ENOUGH
