"""What is read out of words, and what is not."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.convert.naming.guess import Guess, read_guess
from bidsflow.convert.naming.hintwords import body_part, hinted, look_alikes
from bidsflow.convert.naming.personwords import names_person
from bidsflow.convert.naming.reproin import read_reproin
from bidsflow.convert.naming.taskwords import read_task
from bidsflow.convert.naming.words import direction, is_reference
from bidsflow.dicom.series import Patient, Series
from tests.convert.naming import scans as s


def said(description: str, protocol: str = "", patient: Patient = s.ANNA) -> Series:
    return s.make(1, description, s.BOLD, protocol=protocol, patient=patient)


class CaseGiven(NamedTuple):
    text: str
    datatype: str
    suffix: str
    entities: str


GIVEN = [
    CaseGiven("func_task-rest_acq-x", "func", "bold", "task-rest acq-x"),
    CaseGiven("func-bold_task-fa_run-1", "func", "bold", "task-fa run-1"),
    CaseGiven("func_run+_task-rest", "func", "bold", "task-rest"),
    CaseGiven("anat-T1w", "anat", "T1w", ""),
    CaseGiven("WIP anat-T2w_acq-SPACE", "anat", "T2w", "acq-SPACE"),
    CaseGiven("PU:anat-T1w_ses-01", "anat", "T1w", ""),
    CaseGiven("dwi_dir-AP_acq-b2000__multi_shell", "dwi", "dwi", "dir-AP acq-b2000"),
    CaseGiven("fmap_dir-PA", "fmap", "", "dir-PA"),
    CaseGiven("func_task-rest_SBRef", "func", "bold", "task-rest"),
    CaseGiven("anat-T1w_acq-mprage_ND", "anat", "T1w", "acq-mprage"),
]


@pytest.mark.parametrize("case", GIVEN, ids=lambda case: case.text)
def test_a_name_after_reproin_is_read(case: CaseGiven) -> None:
    found = read_reproin(case.text)
    assert found is not None
    assert (found.datatype, found.suffix) == (case.datatype, case.suffix)
    assert " ".join("-".join(pair) for pair in found.entities) == case.entities


@pytest.mark.parametrize(
    "text",
    ["", "anat", "func", "ep2d_bold_task", "anatomy-T1w", "func_rest", "func_task-a_task-b", "dwi_foo-bar",
     "func_task-", "T1w", "sub-01_task-rest_bold", "fmap gre"],
)  # fmt: skip
def test_what_is_no_name_after_reproin_is_not_read(text: str) -> None:
    assert read_reproin(text) is None


TASKS = {
    "task-nback_bold": "nback", "bold_task_nback": "nback", "nback_task": "nback", "fMRI_stroop_run2": "stroop",
    "resting state": "rest", "rs-fMRI": "rest", "RS_BOLD_AP": "rest", "rfMRI_REST1_LR": "rest",
    "bold_forrest": "forrest",
    "rfMRI_AP": "rest", "MB8_rfMRI_64ch": "rest", "gfMRI_AP": "bold", "tfMRI_AP": "bold", "rfMRI_task-movie": "movie",
    "restaurant_bold": "restaurant", "arrest_fmri": "arrest", "tfMRI_WM_RL": "WM", "multitasking": "multitasking",
    "ep2d_bold": "bold", "cmrr_mbep2d_bold_2mm_mb8": "bold", "": "bold", "finger-tapping": "fingerTapping",
    "gfMRI_task_mb8_te39_tr735_fov210": "bold", "Tasks fMRI": "fmri", "tasks_nback": "nback", "taskswitch": "switch",
    "bold_task-1": "1", "fMRI task 2": "2", "nback TASK 2": "nback",
}  # fmt: skip


@pytest.mark.parametrize("text", TASKS)
def test_a_task_is_named_by_the_words(text: str) -> None:
    nobody = Patient("", "", "", "")
    assert read_task(said(text, patient=nobody)).label == TASKS[text]


def test_a_task_never_repeats_the_person() -> None:
    label = read_task(said("bold_Anna_FORREST_P7_faces")).label
    assert label == "p7Faces" or label == "faces"
    assert "anna" not in label.lower()
    assert "forrest" not in label.lower()


KIM = Patient("AB-77", "KIM NG LI MÜLLER SØREN", "", "")


@pytest.mark.parametrize(
    "label",
    ["kim", "li", "ng", "kimRest", "restLi", "liRest", "KIMRest", "REST2Ng", "preMuller", "mullersrest", "Mueller",
     "ab77x", "restKIM", "LIrest"],
)  # fmt: skip
def test_a_label_that_names_a_person_is_seen(label: str) -> None:
    who = Patient("AB77X", KIM.name, "", "") if label == "ab77x" else KIM
    assert names_person([label], who)


@pytest.mark.parametrize("label", ["listening", "skim", "kimono", "ngo", "milling", "3D", "ax", "rest", "77", "RestAB"])
def test_letters_of_a_short_name_inside_a_word_are_none(label: str) -> None:
    assert not names_person([label], KIM)


@pytest.mark.parametrize(
    ("text", "label"), [("bold_Li_faces", "faces"), ("Ng stroop", "stroop"), ("Kim-task-flanker", "flanker")]
)
def test_a_short_name_goes_from_a_task(text: str, label: str) -> None:
    assert read_task(said(text, patient=KIM)).label == label


BODY = {
    "t2_tse_sag_knee": "knee", "T2 LSPINE sag": "lspine", "L-Spine T1": "l-spine", "t2_cervical_sag": "cervical",
    "MRCP": "mrcp", "t2_liver": "liver", "t2_tse_hippocampus": "", "ship": "", "t2_tse_brain_spine": "",
    "chip_hand": "hand",    "dti_cardiac_gated": "", "t1 HWS": "hws", "t1_tse_tra": "", "headneck": "",
}  # fmt: skip


@pytest.mark.parametrize("text", BODY)
def test_words_name_parts_of_the_body(text: str) -> None:
    assert body_part(said(text)) == BODY[text]


@given(st.text(max_size=30))
def test_every_task_is_a_label(text: str) -> None:
    assert re.fullmatch(r"[0-9A-Za-z]+", read_task(said(text)).label)


HINTS = {
    "t1_mprage": {"T1w"}, "Sag 3D T1 BRAVO": {"T1w"}, "t2_space_sag": {"T2w"}, "T2*_fl2d": {"T2starw"},
    "t2_tirm_dark-fluid": {"T2w", "FLAIR"}, "Ax T2 FLAIR": {"FLAIR"}, "pd_tse": {"PDw"}, "updated": set(),
    "DTI_fieldmap": {"dwi", "fmap"}, "ep2d_bold_rest": {"bold"}, "forrest": set(), "topup_AP": {"fmap"}, "T10": set(),
    "function": {"bold"}, "Axi_T2mFFE": {"T2w", "T2starw"}, "M-FFE": {"T2starw"}, "comffe": set(),
    "nback_difficult": set(), "maths_different_numbers": set(), "ep2d_highBandwidth": set(), "diff_64": {"dwi"},
}  # fmt: skip


@pytest.mark.parametrize("text", HINTS)
def test_words_hint_at_suffixes(text: str) -> None:
    assert set(hinted(said(text))) == HINTS[text]


ALIKE = {
    "ep2d_perf": {"perfusion"}, "pCASL": {"perfusion"}, "basal ganglia": set(), "tof_fl3d": {"angiography"},
    "AAHead_Scout": {"localizer"}, "3Plane Loc": {"localizer"}, "Planning": set(), "ASSET Cal": {"calibration"},
    "t2_space_dir": {"double inversion"}, "dMRI_dir98_AP": set(), "dir-AP": set(), "mp2rage_INV1": {"MP2RAGE"},
    "unilateral": set(), "motor": set(), "mt_on": {"magnetization transfer"}, "b1map": {"B1 map"}, "b1000": set(),
    "perfect": set(), "Perfusion_Weighted": {"perfusion"}, "CBF_baseline": {"perfusion"}, "Perfuzja": {"perfusion"},
}  # fmt: skip


@pytest.mark.parametrize("text", ALIKE)
def test_words_tell_what_looks_alike(text: str) -> None:
    assert set(look_alikes(said(text))) == ALIKE[text]


WHOLE = {
    "FAST LOCALIZER": "localizer", "lokalisierer_3pl": "lokalisierer", "ep2d_perfusion": "perfusion",
    "Diffusion_3dir": "diffusion", "t1w_mprage": "t1w", "T2*_hemo": "t2*", "Straßendistorted_AP": "straßendistorted",
    "ep2d_reversed": "reversed", "pd+t2_tse": "t2",
}  # fmt: skip


@pytest.mark.parametrize("text", WHOLE)
def test_words_are_quoted_whole(text: str) -> None:
    assert WHOLE[text] in {*hinted(said(text)).values(), *look_alikes(said(text)).values()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("topup_AP", "AP"), ("EPI PE=RL", "RL"), ("AP_PA", ""), ("MAP", ""), ("head SI", "HF"), ("cap", ""), ("ap", "")],
)
def test_a_direction_stands_alone_in_capitals(text: str, expected: str) -> None:
    assert direction(said(text)) == expected


def test_a_reference_is_called_so() -> None:
    assert is_reference(said("bold_SBRef"))
    assert is_reference(s.sbref(1, "bold"))
    assert not is_reference(said("bold"))


GUESS = {"BidsGuess": ["func", "_acq-epfid2_dir-AP_run-3_bold"]}
AXIAL = {"ImageOrientationPatientDICOM": [1, 0, 0, 0, 1, 0]}
SAGITTAL = {"ImageOrientationPatientDICOM": [0, 1, 0, 0, 0, -1]}


@pytest.mark.parametrize(
    ("sidecar", "expected"),
    [
        ({**GUESS, **AXIAL, "PhaseEncodingDirection": "j-"}, Guess("func", "bold", "AP")),
        ({**GUESS, **AXIAL, "PhaseEncodingDirection": "i"}, Guess("func", "bold", "RL")),
        ({**GUESS, **SAGITTAL, "PhaseEncodingDirection": "j-"}, Guess("func", "bold", "HF")),
        ({**AXIAL, "PhaseEncodingDirection": "j"}, Guess("", "", "PA")),
        # a name has a direction, and no header tells the polarity
        ({**GUESS, **AXIAL, "PhaseEncodingAxis": "j"}, Guess("func", "bold")),
        ({**GUESS, "PhaseEncodingDirection": "j-"}, Guess("func", "bold")),
        ({**GUESS, **AXIAL, "PhaseEncodingDirection": "j?"}, Guess("func", "bold")),
        ({"BidsGuess": ["anat", "_acq-tfl3_run-2_T1w"]}, Guess("anat", "T1w")),
        ({"BidsGuess": "anat"}, Guess("", "")),
        ({"BidsGuess": ["anat"]}, Guess("", "")),
        ({}, Guess("", "")),
    ],
)
def test_a_guess_is_read(sidecar: dict[str, object], expected: Guess) -> None:
    assert read_guess(sidecar) == expected
