"""Conditions and numbers in the names of functional runs: what is a task, and what a run of one."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from bidsflow.convert.cohort import Cohort, protocol_of
from bidsflow.convert.known import Known
from bidsflow.convert.planner import make_plan
from bidsflow.dicom.series import Patient, Series
from tests.convert.naming import scans as s
from tests.convert.naming.scans import bold, inventory_of, make, plan_of, short

BERT = Patient("P8", "WALKER BERT", "19810101", "M")


class Names(NamedTuple):
    """What was typed for the runs of one session, in order of measurement, and their names."""

    typed: tuple[str, ...]
    named: tuple[str, ...]


CASES = (
    # conditions
    Names(("rest_EO", "rest_EC"), ("restEO", "restEC")),
    Names(("Resting State eyes open", "Resting State eyes closed"), ("restOpen", "restClosed")),
    Names(("rest pre-drug", "rest post-drug"), ("restPre", "restPost")),
    Names(("rsfMRI_pre", "rsfMRI_post"), ("restPre", "restPost")),
    Names(("rest", "rest_music"), ("rest", "restMusic")),
    Names(("motor rest block", "rest"), ("motorRestBlock", "rest")),
    Names(("motor vs rest",), ("motorVsRest",)),
    Names(("task-rest_EO", "task-rest_EC"), ("restEO", "restEC")),
    Names(("rest_EO", "rest_EC", "rest_EO"), ("restEO_run-1", "restEC", "restEO_run-2")),
    Names(("ABCD_fMRI_rest",), ("rest",)),
    Names(("rfMRI_AP", "tfMRI_AP"), ("rest", "bold")),
    Names(("rfMRI_AP", "rfMRI_PA", "tfMRI_faces_PA"), ("rest_run-1", "rest_run-2", "faces")),
    Names(("rfMRI_REST1_AP", "rfMRI_REST2_AP"), ("rest_run-1", "rest_run-2")),
    Names(("rest_EO",), ("restEO",)),
    Names(("rest_ec",), ("restEC",)),
    Names(("Resting State eyes closed",), ("restClosed",)),
    Names(("rest pre-drug",), ("restPre",)),
    Names(("rest_JS", "rest_MK"), ("restJS", "restMK")),
    Names(("rest_A", "rest_B"), ("restA", "restB")),
    Names(("rest", "rest_A", "rest_B"), ("rest", "restA", "restB")),
    Names(("faces", "faces_A", "faces_B"), ("faces", "facesA", "facesB")),
    Names(("task-memory_study", "task-memory_test"), ("memoryStudy", "memoryTest")),
    Names(("memory_study", "memory_test"), ("memoryStudy", "memoryTest")),
    Names(("faces_happy", "faces_sad"), ("facesHappy", "facesSad")),
    Names(("VR faces", "faces"), ("VRFaces", "faces")),
    # remarks tell none
    Names(("rest", "rest_bad"), ("rest_run-1", "rest_run-2")),
    Names(("rest", "rest_moved"), ("rest_run-1", "rest_run-2")),
    Names(("rest_incomplete", "rest"), ("rest_run-1", "rest_run-2")),
    Names(("rest_test", "rest"), ("rest_run-1", "rest_run-2")),
    Names(("rest", "rest_JS"), ("rest_run-1", "rest_run-2")),
    Names(("rest", "rest_retake"), ("rest_run-1", "rest_run-2")),
    Names(("rest", "rest_extra"), ("rest_run-1", "rest_run-2")),
    Names(("rest abgebrochen", "rest"), ("rest_run-1", "rest_run-2")),
    Names(("rest_EO", "rest_EO_JS", "rest_EC"), ("restEO_run-1", "restEO_run-2", "restEC")),
    Names(("rest", "rest_EO"), ("rest", "restEO")),
    Names(("faces", "faces_bad"), ("faces_run-1", "faces_run-2")),
    Names(("faces_JS", "faces"), ("faces_run-1", "faces_run-2")),
    Names(("task-faces", "task-faces_stopped"), ("faces_run-1", "faces_run-2")),
    # words of the measurement tell none
    Names(("rest_AP", "rest_PA"), ("rest_run-1", "rest_run-2")),
    Names(("rest_mb4", "rest_MB8_2mm"), ("rest_run-1", "rest_run-2")),
    Names(("rest", "rest_repeat"), ("rest_run-1", "rest_run-2")),
    Names(("rest SENSE", "WIP rest"), ("rest_run-1", "rest_run-2")),
    # numbers are runs
    Names(("rest2", "rest1"), ("rest_run-2", "rest_run-1")),
    Names(("rest1", "rest3"), ("rest_run-1", "rest_run-3")),
    Names(("SST 2", "SST 1"), ("SST_run-2", "SST_run-1")),
    Names(("fMRI_3", "fMRI_1"), ("fmri_run-3", "fmri_run-1")),
    Names(("ep2d_bold_2", "ep2d_bold_1"), ("bold_run-2", "bold_run-1")),
    Names(("faces2", "faces1"), ("faces_run-2", "faces_run-1")),
    Names(("faces_r2", "faces_r1"), ("faces_run-2", "faces_run-1")),
    Names(("faces_2_PA", "faces_1_AP"), ("faces_run-2", "faces_run-1")),
    Names(("BOLD2", "BOLD1"), ("bold_run-2", "bold_run-1")),
    Names(("faces", "faces2"), ("faces_run-1", "faces_run-2")),
    Names(("faces2", "faces"), ("faces_run-2", "faces_run-1")),
    Names(("faces_Run2", "faces_Run1"), ("faces_run-2", "faces_run-1")),
    # other scripts
    Names(("fMRI 左手", "fMRI 右手"), ("zuoShou", "youShou")),
    Names(("静息态", "任务"), ("jingXiTai", "renWu")),
    Names(("Лицо", "Покой"), ("litso", "pokoy")),
    Names(("휴식", "テスト"), ("hyuSig", "tesuto")),
    Names(("rest_左", "rest_右"), ("restZuo", "restYou")),
    Names(("Übung", "mémoire"), ("ubung", "memoire")),
    # numbers are none
    Names(("nback_2", "nback_0"), ("nback2", "nback0")),
    Names(("nback2", "nback0"), ("nback2", "nback0")),
    Names(("faces cond 2", "faces cond 1"), ("facesCond2", "facesCond1")),
    Names(("faces TR 2", "faces TR 1"), ("faces_run-1", "faces_run-2")),
    Names(("faces 3 mm", "faces 2 mm"), ("faces_run-1", "faces_run-2")),
    Names(("faces_64", "faces_32"), ("faces_run-1", "faces_run-2")),
    Names(("faces_2.5", "faces_1.5"), ("faces_run-1", "faces_run-2")),
    Names(("faces 12.05.21", "faces 11.05.21"), ("faces_run-1", "faces_run-2")),
    Names(("faces_2",), ("faces",)),
    Names(("faces2",), ("faces2",)),
    Names(("faces_2", "faces_2"), ("faces_run-1", "faces_run-2")),
    Names(("task-faces2", "task-faces1"), ("faces2", "faces1")),
    Names(("fMRI_task2", "fMRI_task1"), ("task2", "task1")),
)


def name_all(series: list[Series], person: str = "sub-01", **more: object) -> tuple[str, ...]:
    rows = [row for row in plan_of(series, **more) if row.path.startswith(person)]
    return tuple(short(row).removeprefix("func/task-").removesuffix("_bold") for row in rows)


@pytest.mark.parametrize("case", CASES, ids=lambda case: " + ".join(case.typed))
def test_names_of_one_session(case: Names) -> None:
    series = [bold(3 + 10 * rank, text, PhaseEncodingPositive=1) for rank, text in enumerate(case.typed)]
    assert name_all(series) == case.named


def test_number_of_the_series_is_no_run() -> None:
    assert name_all([bold(9, "faces_9"), bold(11, "faces_11")]) == ("faces_run-1", "faces_run-2")


def test_number_that_repeats_the_header_is_no_run() -> None:
    two, three = ({**s.BOLD, "SliceThickness": mm, "PixelSpacing": f"{mm}\\{mm}"} for mm in (2, 3))
    series = [make(3, "faces_3", three, volumes=200), make(4, "faces_2", two, volumes=200)]
    assert name_all(series) == ("faces_acq-3mm", "faces_acq-2mm")


@pytest.mark.parametrize("typed", [("faces", "faces2"), ("faces2", "faces")])
def test_number_that_is_a_value_of_all_runs_is_a_run(typed: tuple[str, ...]) -> None:
    tags = {**s.BOLD, "RepetitionTime": 2000, "SliceThickness": 2, "PixelSpacing": "2\\2"}
    series = [make(3 + rank, text, tags, volumes=200) for rank, text in enumerate(typed)]
    assert name_all(series) == tuple("faces_run-2" if text == "faces2" else "faces_run-1" for text in typed)


def test_number_that_tells_what_was_changed_is_no_run() -> None:
    plain, short = ({**s.BOLD, "RepetitionTime": tr} for tr in (3000, 2000))
    series = [make(3, "faces", plain, volumes=200), make(4, "faces2", short, volumes=200)]
    assert "faces_run-2" not in name_all(series)


def test_someone_with_one_condition_is_named_as_those_with_both() -> None:
    both = [bold(3, "rest_EO"), bold(4, "rest_EC")]
    assert name_all([*both, bold(3, "rest_ec", patient=BERT, study="1.2.4")], "sub-02") == ("restEC",)


def test_someone_with_one_load_or_run_is_named_as_those_with_both() -> None:
    both = [bold(3, "nback_0"), bold(4, "nback_2"), bold(5, "faces1"), bold(6, "faces2")]
    more = {"patient": BERT, "study": "1.2.4"}
    one = [bold(3, "nback_2", **more), bold(4, "faces2", **more)]
    assert name_all([*both, *one], "sub-02") == ("nback2", "faces_run-2")


def test_condition_that_the_dataset_knows_is_kept() -> None:
    taken = {("9.9", 1): "sub-07/func/sub-07_task-restEC_bold"}
    assert name_all([bold(3, "rest_ec_64ch")], taken=taken) == ("restEC",)


def test_run_that_the_dataset_knows_is_kept() -> None:
    taken = {
        ("9.9", 1): "sub-07/func/sub-07_task-faces_run-1_bold",
        ("9.8", 1): "sub-07/func/sub-07_task-faces_run-2_bold",
    }
    assert name_all([bold(3, "faces2")], taken=taken) == ("faces_run-2",)
    assert name_all([bold(3, "faces3")], taken=taken) == ("faces3",)


def test_task_with_a_number_that_the_dataset_knows_is_kept() -> None:
    taken = {(f"9.{task}", 1): f"sub-07/func/sub-07_task-faces{task}_bold" for task in (1, 2)}
    assert name_all([bold(3, "faces2"), bold(4, "faces1")], taken=taken) == ("faces2", "faces1")


def test_labels_with_numbers_that_the_dataset_has_are_not_mixed_with_runs() -> None:
    taken = {("9.9", 1): "sub-07/func/sub-07_task-faces1_bold"}
    assert name_all([bold(3, "faces1"), bold(4, "faces2")], taken=taken) == ("faces1", "faces2")
    assert name_all([bold(3, "faces2")], taken=taken) == ("faces2",)


def test_a_label_with_a_number_keeps_its_zero() -> None:
    taken = {("9.9", 1): "sub-07/func/sub-07_task-faces01_bold"}
    assert name_all([bold(3, "faces01"), bold(4, "faces02")], taken=taken) == ("faces01", "faces02")


def test_a_load_goes_with_those_that_the_dataset_has() -> None:
    taken = {("9.9", 1): "sub-07/func/sub-07_task-nback0_bold"}
    assert name_all([bold(3, "nback_2")], taken=taken) == ("nback2",)


def test_labels_with_numbers_give_way_to_runs_that_the_dataset_has_too() -> None:
    taken = {
        ("9.9", 1): "sub-07/func/sub-07_task-faces1_bold",
        ("9.8", 1): "sub-07/func/sub-07_task-faces_run-2_bold",
    }
    named = name_all([bold(3, "faces1"), bold(4, "faces2")], taken=taken)
    assert named == ("faces_run-1", "faces_run-2")


def test_a_remark_is_told_also_where_it_stands_alone() -> None:
    (row,) = plan_of([bold(3, "rest_bad")])
    assert short(row) == "func/task-rest_bold"
    assert "beside it stands bad, a remark on the run: look whether it is to be used" in row.evidence


def test_a_remark_on_a_task_that_the_dataset_has_makes_no_other() -> None:
    taken = {("9.9", 1): "sub-07/func/sub-07_task-faces_bold"}
    assert name_all([bold(3, "faces_bad")], taken=taken) == ("faces",)


class Labelled(NamedTuple):
    """A new run, the label that the dataset has of its protocol, and whether that is told."""

    typed: str
    label: str
    told: bool
    maker: str = "SIEMENS"


@pytest.mark.parametrize(
    "case",
    [
        Labelled("rest_EO", "rest", told=True),
        Labelled("rest_EO", "restEO", told=False),
        Labelled("rest_EO", "movie", told=False),
        Labelled("rest_EO", "rest", told=False, maker="GE MEDICAL SYSTEMS"),
    ],
)
def test_another_label_of_the_same_protocol_is_told(case: Labelled) -> None:
    series = bold(3, case.typed, Manufacturer=case.maker)
    held = f"sub-07/func/sub-07_task-{case.label}_bold"
    cohort = Cohort(lengths={held: (protocol_of(series, series.images[0]), 300)})
    planned = make_plan(inventory_of([series]), Known(taken={("9.9", 1): held}, cohort=cohort))
    notes = [note for note in planned.plan.notes if "by another label" in note]
    assert len(notes) == case.told
    assert all(f"sub-01/func/sub-01_task-restEO_bold and {held}" in note for note in notes)


def test_condition_is_evidence() -> None:
    rows = plan_of([bold(3, "rest_EO"), bold(4, "rest_EC")])
    assert "says rest and EO, which tells its runs apart" in rows[0].evidence


def test_words_that_no_label_holds_tell_runs_apart() -> None:
    rows = plan_of([bold(3, "fMRI rest 左"), bold(4, "fMRI rest 佐")])
    assert [str(row.decision) for row in rows] == ["review", "review"]
    assert "佐, which its label does not hold: say if they are one task" in rows[1].evidence


def test_same_words_that_no_label_holds_are_one_task() -> None:
    assert name_all([bold(3, "rest 左"), bold(4, "rest 左")]) == ("rest_run-1", "rest_run-2")


def test_script_is_evidence() -> None:
    assert "in Latin letters" in plan_of([bold(3, "Лицо")])[0].evidence
    assert "Latin" not in plan_of([bold(3, "Übung")])[0].evidence


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("KIM^CHEOLSU", "김철수 faces"),
        ("IVANOV^PETR", "Иванов faces"),
        ("WANG^WEI", "王伟 faces"),
        ("Wang^Wei=王^伟", "王伟faces"),
    ],
)
def test_name_of_the_person_in_another_script_is_in_no_path(name: str, typed: str) -> None:
    row = plan_of([bold(3, typed, patient=Patient("P9", name.replace("^", " "), "", ""))])[0]
    assert row.path == "n/a" or row.path.endswith("_task-faces_bold")
