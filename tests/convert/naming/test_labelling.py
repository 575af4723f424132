"""Labelled blood among the images of a session: what is named, and what waits for a person with the reason."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from bidsflow.convert.naming.decide import draft_image
from bidsflow.convert.naming.doubts import skip_corrected
from bidsflow.convert.naming.labelling import doubt_lone_maps, heed_given_labels, settle_m0
from bidsflow.dicom.series import Series
from tests.convert.naming import scans as s

PASL = {**s.BOLD, "SequenceFile": "ep2d_pasl", "ImageType": "ORIGINAL\\PRIMARY\\ASL\\NONE\\ND\\MOSAIC"}
LABELS = "arterial spin labelling, of which nothing tells aslcontext.tsv"
WORDS = "and no header speaks of arterial spin labelling"


class Case(NamedTuple):
    series: Series
    decision: str
    name: str
    says: str


CASES = {
    "PASL of VE": Case(s.make(3, "pasl", PASL, volumes=91), "review", "perf/asl", LABELS),
    "M0 by its words": Case(s.make(3, "pasl_2d_m0", PASL, volumes=1), "convert", "perf/m0scan", "calls it M0 (m0)"),
    "M0 without a repetition time": Case(
        s.make(3, "M0", {**PASL, "RepetitionTime": ""}), "review", "perf/m0scan", "needs RepetitionTimePreparation"
    ),
    "run that names its M0": Case(s.make(3, "pasl_with_M0", PASL, volumes=91), "review", "perf/asl", LABELS),
    "2D of Wang, whose ImageType says nothing (dcm_qa_asl)": Case(
        s.make(9, "pcasl_2d", {**s.BOLD, "SequenceFile": "ep2d_pcasl_ve11c"}, volumes=100), "review", "perf/asl", LABELS
    ),
    "its M0 (dcm_qa_asl)": Case(
        s.make(10, "pcasl_2d_m0", {**s.BOLD, "SequenceFile": "ep2d_pcasl_ve11c", "RepetitionTime": 2000}), "convert",
        "perf/m0scan", "calls it M0 (m0)",
    ),
    "Oxford (dcm_qa_asl)": Case(
        s.make(20, "jw_tgse_PCASL_6PLDs", {**PASL, "SequenceFile": "jw_tgse_VEPCASL"}, volumes=96), "review",
        "perf/asl", LABELS,
    ),
    "a few volumes that are named after their M0": Case(
        s.make(3, "pasl_with_M0", PASL, volumes=3), "review", "perf/asl", LABELS
    ),
    "3D of GE": Case(
        s.make(3, "3D ASL", s.ge("RM", "NONE", "3D", "3dasl", **s.timed(10, 4800)), volumes=2), "review", "perf/asl",
        LABELS,
    ),
    "source of Philips": Case(
        s.make(202, "SOURCE - pCASL", s.PH_FEEPI, volumes=60), "review", "perf/asl", f"says pcasl (perfusion), {WORDS}"
    ),
    "M0 of Philips": Case(s.make(203, "pCASL M0", s.PH_FEEPI), "review", "perf/m0scan", WORDS),
    "difference of Philips": Case(
        s.make(201, "pCASL", s.PH_FEEPI, ImageType="ORIGINAL\\PRIMARY\\PERFUSION\\FFE\\PERFUSION\\FFE"),
        "review", "perf/asl", WORDS,
    ),
    "flow map": Case(
        s.make(28, "relCBF", PASL, ImageType="DERIVED\\PRIMARY\\ASL\\RCBF"), "skip", "/", "derived from other images"
    ),
    "derived from what": Case(
        s.make(29, "asl", PASL, ImageType="DERIVED\\PRIMARY\\ASL\\NONE"), "review", "perf/asl",
        "ImageType begins with DERIVED",
    ),
    "basal ganglia": Case(s.make(3, "bold_basal", s.BOLD, volumes=200), "convert", "func/bold", "gradient echo"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_labelled_blood_is_named_and_says_what_it_lacks(case: Case) -> None:
    draft = draft_image(case.series, case.series.images[0], 1, {})
    assert (draft.decision.value, f"{draft.datatype}/{draft.suffix}") == (case.decision, case.name)
    assert case.says in "; ".join(draft.evidence)


def test_what_a_study_says_of_all_images_changes_nothing_of_labelled_blood() -> None:
    draft = draft_image(CASES["source of Philips"].series, CASES["source of Philips"].series.images[0], 1, {})
    assert heed_given_labels(draft, {"InstitutionName": "x"}) is draft
    given = {
        "aslcontext": ["control", "label"] * 30, "ArterialSpinLabelingType": "PCASL", "LabelingDuration": 1.8,
        "PostLabelingDelay": 1.8, "BackgroundSuppression": True, "RepetitionTimePreparation": 4.5,
    }  # fmt: skip
    named = heed_given_labels(draft, given)
    assert (named.decision.value, named.suffix) == ("convert", "asl")


def test_maps_are_left_out_only_beside_the_run_that_they_were_made_of() -> None:
    flow = s.make(28, "relCBF", PASL, ImageType="DERIVED\\PRIMARY\\ASL\\RCBF")
    run = draft_image(CASES["PASL of VE"].series, CASES["PASL of VE"].series.images[0], 1, {})
    map_ = draft_image(flow, flow.images[0], 1, {})
    assert [one.decision.value for one in doubt_lone_maps([run, map_])] == ["review", "skip"]
    (alone,) = doubt_lone_maps([map_])
    assert (alone.decision.value, alone.suffix) == ("review", "asl")
    assert "the run that it was made of is not in the export" in alone.evidence[0]


def test_a_run_that_the_scanner_corrected_is_a_copy_of_the_one_before() -> None:
    run = s.make(3, "pasl", PASL, volumes=91)
    moco = s.make(4, "MoCoSeries", PASL, protocol="pasl", volumes=90, ImageType="ORIGINAL\\PRIMARY\\ASL\\NONE\\MOCO")
    drafts = skip_corrected([draft_image(one, one.images[0], 1, {}) for one in (run, moco)])
    assert [one.decision.value for one in drafts] == ["review", "skip"]
    assert drafts[1].evidence[0].startswith("a copy of series 3, corrected for motion on the scanner")


def test_an_m0_that_no_run_is_there_for_waits() -> None:
    m0 = s.make(3, "pasl_m0", PASL, volumes=1)
    (draft,) = settle_m0([draft_image(m0, m0.images[0], 1, {})])
    assert draft.decision.value == "review"
    assert draft.evidence[0] == "an M0 scan without a run of arterial spin labelling that is converted"


def test_labelling_that_words_name_is_not_called_the_passage_of_an_agent() -> None:
    (row,) = s.plan_of([s.make(201, "pCASL", s.PH_FEEPI, ImageType="ORIGINAL\\PRIMARY\\PERFUSION\\FFE")])
    assert "pcasl" in row.evidence
    assert "agent" not in row.evidence
