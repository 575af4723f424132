"""What counts as evidence of a contrast agent."""

from __future__ import annotations

import pytest

from bidsflow.convert.naming.agent import Agent, agent_label, read_agent
from bidsflow.convert.naming.hintwords import agent
from bidsflow.dicom.header import Header
from tests.convert.naming import scans as s
from tests.convert.naming.scans import Row, check, make

DENIALS = (
    "NO",
    "None",
    "N",
    "0 ML",
    "0.0 ml",
    "no contrast",
    "NON CONTRAST",
    "w/o",
    "without Gd",
    "ohne KM",
    "N/A",
    "--",
)
NAMES = ("YES", "Y", "Gadovist", "10 ml Dotarem i.v.", "GADAVIST 7.5CC", "KM", "1", "CONTRAST", "Nanoparticle")


@pytest.mark.parametrize("text", DENIALS)
def test_what_people_type_for_none_is_a_denial(text: str) -> None:
    assert read_agent(Header({"ContrastBolusAgent": text})) is Agent.DENIED


@pytest.mark.parametrize("text", NAMES)
def test_any_other_text_names_an_agent(text: str) -> None:
    assert read_agent(Header({"ContrastBolusAgent": text})) is Agent.NAMED


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, Agent.SILENT),
        ({"ContrastBolusAgent": " "}, Agent.SILENT),
        ({"ContrastBolusAgentAdministered": "YES"}, Agent.GIVEN),
        ({"ContrastBolusAgentAdministered": "NO", "ContrastBolusAgent": "Dotarem"}, Agent.DENIED),
        ({"ImageType": "ORIGINAL\\PRIMARY\\POST_CONTRAST\\NONE"}, Agent.GIVEN),
        ({"FrameType": "ORIGINAL\\PRIMARY\\PRE_CONTRAST\\NONE", "ContrastBolusAgent": "Dotarem"}, Agent.DENIED),
    ],
)
def test_enhanced_objects_say_it_of_each_image(values: dict[str, str], expected: Agent) -> None:
    assert read_agent(Header(values)) is expected


@pytest.mark.parametrize(
    ("text", "label"),
    [("Gadovist 1.0", "gadolinium"), ("Gd-DTPA", "gadolinium"), ("MULTIHANCE", "gadolinium"), ("YES", "contrast"),
     ("Feraheme", "ferumoxytol"), ("given by Dr Miller", "contrast"), ("", "contrast")],
)  # fmt: skip
def test_a_label_never_repeats_free_text(text: str, label: str) -> None:
    assert agent_label(Header({"ContrastBolusAgent": text})) == label


WORDS = {
    "t1_mprage_sag_KM": "with", "Ax T1 +C": "with", "Ax T1 C+": "with", "T1 POST GD": "with",
    "t1 con contraste": "with", "T1_post": "with", "CE T1": "with", "t1_tse_fs+Gd": "with",
    "t1_nativ": "without", "T1 PRE": "without", "T1 w/o Gd": "without", "t1 ohne KM": "without", "Ax T1 C-": "without",
    "t1 sin contraste": "without",
    "T1 non-contrast": "without",
    "t2_posterior_fossa": "", "t1_highcontrast": "", "prep": "", "ac-pc": "", "pd+t2": "", "T1 SPACE": "",
    "precise": "",
}  # fmt: skip


@pytest.mark.parametrize("text", WORDS)
def test_words_say_whether_an_agent_was_given(text: str) -> None:
    given, without = agent(make(1, text, s.SE_T1))
    assert ("with" if given else "without" if without else "") == WORDS[text]


START = {"ContrastBolusAgent": "Dotarem", "ContrastBolusStartTime": "092000"}
SESSIONS: dict[str, list[Row]] = {
    "the time of the injection, typed into every series": [
        (make(1, "t1_mprage", s.MPRAGE, **START), "anat/T1w:given_later"),
        (make(6, "t1_mprage", s.MPRAGE, **START), "anat/ce-gadolinium_T1w:StartTime"),
    ],
    "the time of registration": [
        (make(1, "t1_mprage", s.MPRAGE, **START | {"ContrastBolusStartTime": "083000"}), "review:from_the_first"),
    ],
    "named once, then forgotten": [
        (make(1, "t1_se", s.SE_T1), "anat/T1w"),
        (make(2, "t1_se", s.SE_T1, ContrastBolusAgent="Dotarem"), "anat/ce-gadolinium_T1w"),
        (make(3, "t1_se", {**s.SE_T1, "orientation": s.CORONAL}), "review:earlier_series"),
        (make(4, "t2_tse", s.TSE), "anat/T2w"),
    ],
    "another visit knows nothing of it": [
        (make(1, "t1_se", s.SE_T1), "anat/T1w"),
        (make(2, "t1_se", s.SE_T1, ContrastBolusAgent="Dotarem"), "anat/ce-gadolinium_T1w"),
        (make(1, "t1_se", s.SE_T1, study="1.2.9"), "anat/T1w"),
    ],
    "only the localizer lacks it": [
        (make(1, "localizer", s.LOC, *s.THREE), "skip"),
        (make(2, "t1_se", s.SE_T1, ContrastBolusAgent="Dotarem"), "review:from_the_first"),
    ],
    "short runs, by the name of the sequence": [
        (s.bold(1, "FINGER_L", 60, SequenceFile="ep2d_bold", RepetitionTime=2000), "func/task-FINGERL_bold"),
        (s.bold(2, "VERBGEN", 60, SequenceFile="ep2d_fid", RepetitionTime=2000), "review:first_passage"),
    ],
    "words of another intervention": [
        (s.bold(1, "bold_rest_pre"), "func/task-restPre_bold"),
        (s.bold(2, "bold_rest_post"), "func/task-restPost_bold"),
    ],
    "a name that the protocol gives": [
        (make(1, "anat-T1w_ce-gd", s.MPRAGE, ContrastBolusAgent="Dotarem"), "anat/ce-gd_T1w"),
        (make(2, "anat-T1w_acq-post", s.MPRAGE), "anat/acq-post_T1w"),
    ],
}


@pytest.mark.parametrize("name", SESSIONS)
def test_an_agent_is_evidence_where_it_tells_series_apart(name: str) -> None:
    wrong = check(SESSIONS[name])
    assert not wrong, "\n".join(wrong)
