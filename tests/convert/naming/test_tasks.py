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
    Names(("task_heat_45C", "task_heat_48C"), ("heat45C", "heat48C")),
    Names(("rest_EO", "rest_EC"), ("restEO", "restEC")),
    Names(("Resting State eyes open", "Resting State eyes closed"), ("restOpen", "restClosed")),
    Names(("rest pre-drug", "rest post-drug"), ("restPreDrug", "restPostDrug")),
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
    Names(("rest pre-drug",), ("restPreDrug",)),
    Names(("rest_JS", "rest_MK"), ("restJS", "restMK")),
    Names(("rest_A", "rest_B"), ("restA", "restB")),
    Names(("rest", "rest_A", "rest_B"), ("rest", "restA", "restB")),
    Names(("faces", "faces_A", "faces_B"), ("faces", "facesA", "facesB")),
    Names(("task-memory_study", "task-memory_test"), ("memoryStudy", "memoryTest")),
    Names(("memory_study", "memory_test"), ("memoryStudy", "memoryTest")),
    Names(("faces_happy", "faces_sad"), ("facesHappy", "facesSad")),
    Names(("VR faces", "faces"), ("VRFaces", "faces")),
    Names(("rest_story", "rest_tones"), ("restStory", "restTones")),
    Names(("rest", "rest_story", "rest_tones"), ("rest", "restStory", "restTones")),
    Names(("rest_EO", "rest_story"), ("restEO", "restStory")),
    Names(("task-motor_left_hand",), ("motorLeftHand",)),
    Names(("task-span_fwd", "task-span_bwd"), ("spanFwd", "spanBwd")),
    Names(("task-span_rev",), ("spanRev",)),
    Names(("task_hand_R", "task_hand_L"), ("handR", "handL")),
    Names(("task_hand_R",), ("handR",)),
    Names(("task_hand", "task_hand_R", "task_hand_L"), ("hand", "handR", "handL")),
    Names(("hand_R2", "hand_R1", "hand_L1"), ("handR_run-2", "handR_run-1", "handL")),
    Names(("rest_R", "rest_L"), ("restR", "restL")),
    # beside a plain name, and beside names that differ by a condition, other words tell none
    Names(("rest", "rest_story"), ("rest_run-1", "rest_run-2")),
    Names(("rest_story",), ("rest",)),
    Names(("rest_EO", "rest", "rest_story"), ("restEO", "rest_run-1", "rest_run-2")),
    Names(("rest_EO_fixation", "rest_EC"), ("restEO", "restEC")),
    Names(("rest_EO_story", "rest_EC_tones"), ("restEO", "restEC")),
    # remarks tell none
    Names(("rest", "rest_rerun"), ("rest_run-1", "rest_run-2")),
    Names(("rest", "rest_neu"), ("rest_run-1", "rest_run-2")),
    Names(("rest", "rest_JS", "rest_MK"), ("rest_run-1", "rest_run-2", "rest_run-3")),
    Names(("faces", "faces_repeat"), ("faces_run-1", "faces_run-2")),
    Names(("MID", "MID_again"), ("MID_run-1", "MID_run-2")),
    Names(("fMRT_Sprache", "fMRT_Sprache_Wdh"), ("sprache_run-1", "sprache_run-2")),
    Names(("faces_repeat",), ("faces",)),
    Names(("faces_repeat", "faces_novel"), ("faces", "facesNovel")),
    Names(("repeat",), ("repeat",)),
    Names(("repeat faces", "faces"), ("faces_run-1", "faces_run-2")),
    Names(("faces", "faces_try2", "faces_PMU"), ("faces_run-1", "faces_run-2", "faces_run-3")),
    Names(("dots", "moving_dots"), ("dots", "movingDots")),
    Names(("faces", "faces_eyes"), ("faces", "facesEyes")),
    Names(("faces", "faces_part"), ("faces", "facesPart")),
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
    Names(("rest_PMU", "rest_physio"), ("rest_run-1", "rest_run-2")),
    Names(("rest_EO", "rest_PMU"), ("restEO", "rest")),
    Names(("rest", "rest_PMU_on"), ("rest_run-1", "rest_run-2")),
    Names(("rest_fatsat", "rest_shim"), ("rest_run-1", "rest_run-2")),
    Names(("rest_t1", "rest_sess1"), ("rest_run-1", "rest_run-2")),
    Names(("REST1a", "REST1b"), ("rest_run-1", "rest_run-2")),
    Names(("rsfMRI reverse blip", "rsfMRI"), ("rest_run-1", "rest_run-2")),
    Names(("task-rest_fwd", "task-rest_rev"), ("rest_run-1", "rest_run-2")),
    Names(("rest A>>P", "rest P>>A"), ("rest_run-1", "rest_run-2")),
    Names(("rest L-R", "rest EO R_L"), ("rest", "restEO")),
    Names(("rest MB off", "rest MB on"), ("rest_run-1", "rest_run-2")),
    # capitals tell none
    Names(("Faces", "faces"), ("faces_run-1", "faces_run-2")),
    Names(("FACES2", "faces_1"), ("faces_run-2", "faces_run-1")),
    Names(("func-bold_task-Faces", "faces"), ("Faces_run-1", "Faces_run-2")),
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
    Names(("faces_2",), ("faces_run-2",)),
    Names(("faces2",), ("faces_run-2",)),
    Names(("faces1",), ("faces",)),
    Names(("CO2_5%",), ("CO2",)),
    Names(("faces_3",), ("faces",)),  # as that of the series
    Names(("rest_0", "rest_1"), ("rest_run-0", "rest_run-1")),
    Names(("rest_EO_2", "rest_EC_2"), ("restEO_run-2", "restEC_run-2")),
    Names(("Rest Lauf 2", "Rest"), ("rest_run-2", "rest_run-1")),
    Names(("faces_Lauf2", "faces_Lauf1"), ("faces_run-2", "faces_run-1")),
    Names(("rest Nr. 2", "rest Nr. 1"), ("rest_run-2", "rest_run-1")),
    Names(("rest_2of2", "rest_1of2"), ("rest_run-2", "rest_run-1")),
    Names(("faces 2 of 3",), ("faces_run-2",)),
    Names(("rest", "rest_try2"), ("rest_run-1", "rest_run-2")),
    Names(("faces1", "faces2", "faces2_repeat"), ("faces_run-1", "faces_run-2", "faces_run-3")),
    # loads are none
    Names(("2-back", "0-back"), ("2back", "0back")),
    Names(("fMRI_0_back", "fMRI_2_back"), ("0back", "2back")),
    Names(("WM_2bk", "WM_0bk"), ("WM2bk", "WM0bk")),
    Names(("nback_1", "nback_2"), ("nback1", "nback2")),
    Names(("nback_2",), ("nback2",)),
    Names(("n-back 2", "n-back 0"), ("nBack2", "nBack0")),
    Names(("nback_02", "nback_01"), ("nback_run-2", "nback_run-1")),
    Names(("2-back_2", "2-back_1"), ("2back_run-2", "2back_run-1")),
    Names(
        ("nback_0_run1", "nback_2_run1", "nback_0_run2", "nback_2_run2"),
        ("nback0_run-1", "nback2_run-1", "nback0_run-2", "nback2_run-2"),
    ),
    Names(("task-nback_0_run-1", "task-nback_2_run-1"), ("nback0", "nback2")),
    Names(("task_nback_0back_1", "task_nback_2back_1"), ("nback0back", "nback2back")),
    Names(("pain_level_1_run1", "pain_level_2_run1"), ("painLevel1", "painLevel2")),
    Names(("rest_dose_1", "rest_dose_2"), ("restDose1", "restDose2")),
    Names(("run_2_back_pain", "run_1_back_pain"), ("backPain_run-2", "backPain_run-1")),
    # other scripts
    Names(("fMRI 左手", "fMRI 右手"), ("zuoShou", "youShou")),
    Names(("静息态", "任务"), ("jingXiTai", "renWu")),
    Names(("Лицо", "Покой"), ("litso", "pokoy")),
    Names(("휴식", "テスト"), ("hyuSig", "tesuto")),
    Names(("rest_左", "rest_右"), ("restZuo", "restYou")),
    Names(("rest", "rest 左"), ("rest", "restZuo")),
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
    Names(("faces_12",), ("faces",)),
    Names(("covid19",), ("covid19",)),
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
    assert name_all([bold(5, "faces2")], taken=taken) == ("faces_run-2",)
    assert name_all([bold(5, "faces3")], taken=taken) == ("faces_run-3",)


def test_task_with_a_number_that_the_dataset_knows_is_kept() -> None:
    taken = {(f"9.{task}", 1): f"sub-07/func/sub-07_task-faces{task}_bold" for task in (1, 2)}
    assert name_all([bold(3, "faces2"), bold(4, "faces1")], taken=taken) == ("faces2", "faces1")


def test_one_label_with_a_number_that_the_dataset_has_is_that_of_those_who_have_no_other() -> None:
    taken = {("9.9", 1): "sub-07/func/sub-07_task-faces1_bold"}
    assert name_all([bold(5, "faces1")], taken=taken) == ("faces1",)
    assert name_all([bold(5, "faces1"), bold(6, "faces2")], taken=taken) == ("faces_run-1", "faces_run-2")


def test_several_labels_with_numbers_that_the_dataset_has_are_not_mixed_with_runs() -> None:
    taken = {(f"9.{task}", 1): f"sub-07/func/sub-07_task-faces{task}_bold" for task in (1, 2)}
    assert name_all([bold(5, "faces3"), bold(6, "faces1")], taken=taken) == ("faces3", "faces1")


def test_a_label_with_a_number_keeps_its_zero() -> None:
    taken = {(f"9.{task}", 1): f"sub-07/func/sub-07_task-faces0{task}_bold" for task in (1, 2)}
    assert name_all([bold(3, "faces01"), bold(4, "faces02")], taken=taken) == ("faces01", "faces02")


def test_a_load_goes_with_those_that_the_dataset_has() -> None:
    taken = {("9.9", 1): "sub-07/func/sub-07_task-nback0_bold"}
    assert name_all([bold(3, "nback_2")], taken=taken) == ("nback2",)


def test_a_run_of_a_load_without_a_number_is_no_load() -> None:
    taken = {(f"9.{load}", 1): f"sub-07/func/sub-07_task-nback{load}_bold" for load in (0, 2)}
    assert name_all([bold(5, "nback_02")], taken=taken) == ("nback_run-2",)


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
    rows = plan_of([bold(3, "rest_EO"), bold(4, "rest_story")])
    assert "says rest and EO, which is a condition" in rows[0].evidence
    assert "says rest and story, which tells its runs apart" in rows[1].evidence


def test_a_word_that_makes_no_other_task_is_told() -> None:
    plain, other = plan_of([bold(3, "rest"), bold(4, "rest_story")])
    assert "beside it stands story, to which no run of the session has a counterpart" in other.evidence
    assert "beside it" not in plain.evidence


class Coded(NamedTuple):
    """Two names, of which the second is encoded from P to A, and what they become."""

    typed: tuple[str, str]
    named: tuple[str, str]


@pytest.mark.parametrize(
    "case",
    [
        Coded(("rest_L", "rest_R"), ("rest_dir-AP", "rest_dir-PA")),
        Coded(("task-faces_fwd", "task-faces_rev"), ("faces_dir-AP", "faces_dir-PA")),
        Coded(("task-faces", "task-faces_rev"), ("faces_dir-AP", "faces_dir-PA")),
        Coded(("task-hand_L", "task-hand_R"), ("handL", "handR")),
    ],
    ids=lambda case: " + ".join(case.typed),
)
def test_words_for_the_course_of_phase_encoding_tell_no_conditions(case: Coded) -> None:
    series = [bold(3 + rank, text, PhaseEncodingPositive=1 - rank) for rank, text in enumerate(case.typed)]
    assert name_all(series) == case.named


def test_hands_are_no_conditions_where_phase_encoding_runs_between_them() -> None:
    sideways = {"InPlanePhaseEncodingDirection": "ROW"}
    typed = ("task-motor_L", "task-motor_R")
    series = [bold(3 + rank, text, **sideways, PhaseEncodingPositive=rank) for rank, text in enumerate(typed)]
    assert {one.partition("_")[0] for one in name_all(series)} == {"motor"}


def test_words_that_philips_adds_are_in_no_label() -> None:
    typed = ("WIP fMRI_task1 SENSE", "fMRI_emo_sense", "fMRI_emo_SENSE2")
    assert name_all([make(3 + rank, text, s.PH_FEEPI, volumes=200) for rank, text in enumerate(typed)]) == (
        "task1", "emo_run-1", "emo_run-2",
    )  # fmt: skip


def test_a_load_of_one_person_makes_no_tasks_of_the_runs_of_others() -> None:
    zero = [bold(3, "rest_0"), bold(4, "rest_1"), bold(5, "rest_dose_1"), bold(6, "rest_dose_2")]
    more = {"patient": BERT, "study": "1.2.4"}
    named = name_all([*zero, bold(7, "rest_1", **more), bold(8, "rest_2", **more)], "sub-02")
    assert named == ("rest_run-1", "rest_run-2")


class Exports(NamedTuple):
    """What was typed for the runs of two people, and the names of all of them, in order."""

    first: tuple[str, ...]
    second: tuple[str, ...]
    named: tuple[str, ...]


@pytest.mark.parametrize(
    "case",
    [
        Exports(("rest",), ("rest_EO",), ("rest", "restEO")),
        Exports(("rest_EO", "rest_EC"), ("rest_ec",), ("restEO", "restEC", "restEC")),
        Exports(("rest", "rest_PMU"), ("rest_PMU",), ("rest_run-1", "rest_run-2", "rest")),
        Exports(("faces1",), ("faces1", "faces2"), ("faces", "faces_run-1", "faces_run-2")),
        Exports(("faces2",), ("faces1", "faces2"), ("faces_run-2", "faces_run-1", "faces_run-2")),
        Exports(("nback_0", "nback_2"), ("nback_2",), ("nback0", "nback2", "nback2")),
        Exports(("rest_0", "rest_1"), ("rest_1", "rest_2"), ("rest_run-0", "rest_run-1", "rest_run-1", "rest_run-2")),
        Exports(("task_hand_R",), ("task_hand_L", "task_hand_R"), ("handR", "handL", "handR")),
        Exports(("MID_again",), ("MID",), ("MID", "MID")),
        Exports(("rest", "rest_story"), ("rest_story",), ("rest_run-1", "rest_run-2", "rest")),
    ],
    ids=lambda case: " + ".join((*case.first, *case.second)),
)
def test_exports_in_any_order_have_the_names_of_one(case: Exports) -> None:
    first = [bold(10 + 10 * rank, text) for rank, text in enumerate(case.first)]
    second = [bold(10 + 10 * rank, text, patient=BERT, study="1.2.4") for rank, text in enumerate(case.second)]
    assert name_all([*first, *second]) + name_all([*first, *second], "sub-02") == case.named
    names = dict(zip([one.uid for one in (*first, *second)], case.named, strict=True))
    for ours, theirs in ((first, second), (second, first)):
        taken = {(one.uid, 1): f"sub-07/func/sub-07_task-{names[one.uid]}_bold" for one in theirs}
        assert name_all(ours, taken=taken) == tuple(names[one.uid] for one in ours)


def test_one_task_is_spelled_alike_for_all() -> None:
    more = {"patient": BERT, "study": "1.2.4"}
    series = [bold(3, "FACES"), bold(4, "MOTOR RT HAND"), bold(5, "Faces", **more), bold(6, "Motor Rt Hand", **more)]
    assert name_all(series) == name_all(series, "sub-02") == ("faces", "motorRtHand")


def test_a_task_is_spelled_as_the_dataset_has_it() -> None:
    taken = {("9.9", 1): "sub-07/func/sub-07_task-FACES_bold"}
    assert name_all([bold(3, "faces"), bold(4, "Faces")], taken=taken) == ("FACES_run-1", "FACES_run-2")


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
