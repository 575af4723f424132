"""What a header leaves open and words or other images of the session tell, and what stays for a person."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from bidsflow.convert.links import Links, Standing
from tests.convert.naming import scans as s
from tests.convert.naming.scans import PA, Row, check, make, plan_of, short

TSE = {**s.TSE, **s.timed(50, 8100, 122)}
MERGE = s.ge("GR", "SS\\SK", "2D", **s.SLICES, **s.timed(10.8, 600, 30), EchoTrainLength=3)
FEW = {**s.DWI, "b": (0.0,)}
unweighted = partial(make, volumes=3)

OPEN: dict[str, Sequence[Row]] = {
    "between proton density and T2": [
        (make(1, "t2_tse_cor_hippocampus", TSE), "anat/T2w:between_proton_density"),
        (make(2, "pd_tse_cor", TSE, matrix=(256, 256, 30)), "review:evidence"),
        (make(3, "tse_cor", TSE, matrix=(320, 320, 30), RepetitionTime=4000), "review:evidence"),
    ],
    "echoes that were added up": [
        (make(1, "Ax C2", MERGE), "anat/T2starw:3_echoes"),
    ],
    "echoes that were added up, with the time of the first": [
        (make(2, "T2_mFFE", {**MERGE, **s.timed(3, 600, 30)}, matrix=(320, 320, 14)), "anat/T2starw:mffe"),
        (make(3, "GRE-ME", {**MERGE, **s.timed(3, 600, 30)}, matrix=(300, 300, 14)), "review:evidence"),
    ],
    "b=0 in both directions": [
        (unweighted(1, "ep2d_AP_B0", FEW), "fmap/dir-AP_epi:series_2"),
        (unweighted(2, "ep2d_PA_B0", FEW, PhaseEncodingPositive=PA), "fmap/dir-PA_epi:series_1"),
    ],
    "b=0 in both directions, twice": [
        (unweighted(1, "ep2d_AP_B0", FEW), "fmap/dir-AP_run-1_epi:series_2"),
        (unweighted(2, "ep2d_PA_B0", FEW, PhaseEncodingPositive=PA), "fmap/dir-PA_run-1_epi:series_1"),
        (unweighted(3, "ep2d_AP_B0", FEW, at=60), "fmap/dir-AP_run-2_epi:series_4"),
        (unweighted(4, "ep2d_PA_B0", FEW, at=61, PhaseEncodingPositive=PA), "fmap/dir-PA_run-2_epi:series_3"),
    ],
    "b=0 in both directions, without times": [
        (unweighted(1, "ep2d_AP_B0", FEW, at=None), "fmap/dir-AP_epi"),
        (unweighted(2, "ep2d_PA_B0", FEW, at=None, PhaseEncodingPositive=PA), "fmap/dir-PA_epi"),
    ],
    "b=0 in one direction": [
        (unweighted(1, "ep2d_AP_B0", FEW), "review:evidence"),
        (unweighted(2, "ep2d_AP_B0", FEW), "review:evidence"),
    ],
    "b=0 in directions that only words tell": [
        (unweighted(1, "ep2d_AP_B0", FEW, PhaseEncodingPositive=""), "review:evidence"),
        (unweighted(2, "ep2d_PA_B0", FEW, PhaseEncodingPositive=""), "review:evidence"),
    ],
    "b=0 that was to be a run": [
        (unweighted(1, "dti_AP", FEW, PlannedVolumes=65), "review:evidence"),
        (unweighted(2, "dti_PA", FEW, PhaseEncodingPositive=PA), "review:evidence"),
    ],
    "b=0 of other echo times": [
        (unweighted(1, "ep2d_AP_B0", FEW), "review:evidence"),
        (unweighted(2, "ep2d_PA_B0", {**FEW, "EchoTime": 60}, PhaseEncodingPositive=PA), "review:evidence"),
    ],
    "b=0 of other voxels": [
        (unweighted(1, "ep2d_AP_B0", FEW), "review:evidence"),
        (unweighted(2, "ep2d_PA_B0", FEW, matrix=(96, 96, 40), PhaseEncodingPositive=PA), "review:evidence"),
    ],
    "b=0 hours apart": [
        (unweighted(1, "ep2d_AP_B0", FEW), "review:evidence"),
        (unweighted(2, "ep2d_PA_B0", FEW, at=120, PhaseEncodingPositive=PA), "review:evidence"),
    ],
}  # fmt: skip


SAG = {**s.TSE, "orientation": s.SAGITTAL}
SCOUT = {**s.SCOUT3D, "BodyPartExamined": "CSPINE"}
CORD = {"BodyPartExamined": "CSPINE"}

SPINES: dict[str, Sequence[Row]] = {
    "of a cord alone": [
        (make(1, "loc", s.LOC, *s.THREE), "skip"),
        (make(2, "T1w", s.MPRAGE, **CORD), "anat/T1w"),
        (make(3, "T2w", SAG, **CORD), "anat/T2w:none_a_head"),
        (make(4, "DWI", s.DWI, volumes=35, b=(0.0, 800.0), **CORD), "dwi/dir-AP_dwi"),
        (make(5, "GRE-ME", s.FLASH3D, **s.timed(14, 600, 30), **CORD), "anat/T2starw"),
    ],
    "of several regions": [
        (make(1, "t2_tse_sag", SAG, BodyPartExamined="C-SPINE"), "anat/run-1_T2w"),
        (make(2, "t2_tse_sag", SAG, BodyPartExamined="TSPINE"), "anat/run-2_T2w"),
        (make(3, "t1_se_sag lumbar", s.SE_T1, BodyPartExamined="Lumbar spine"), "anat/T1w"),
    ],
    "beside a head": [
        (make(1, "t1_mprage", s.MPRAGE, BodyPartExamined="HEAD"), "anat/T1w"),
        (make(2, "t2_tse_sag", SAG, BodyPartExamined="NECK"), "review:NECK"),
    ],
    "beside a head under one value": [
        (make(1, "t1_tse_brain", s.SE_T1, **CORD), "anat/T1w"),
        (make(2, "t2_tse_sag", SAG, matrix=(320, 320, 15), PixelSpacing="0.7\\0.7"), "anat/T2w"),
        (make(3, "t2_tse_cspine", SAG, **CORD), "review:cspine"),
    ],
    "beside the scout of a head": [
        (make(1, "AAHead_Scout", SCOUT, *s.THREE), "skip"),
        (make(2, "t2_tse_sag", SAG, **CORD), "review:CSPINE"),
    ],
    "beside what says nothing": [
        (make(1, "t1_se_tra", s.SE_T1), "anat/T1w"),
        (make(2, "t2_tse_sag", SAG, **CORD), "review:CSPINE"),
    ],
    "beside a knee": [
        (make(1, "t1_se_sag", s.SE_T1, BodyPartExamined="KNEE"), "review:KNEE"),
        (make(2, "t2_tse_sag", SAG, **CORD), "review:CSPINE"),
    ],
    "in a coil for heads": [
        (make(1, "t2_tse_tra", SAG, ReceiveCoilName="Head_32", **CORD), "review:CSPINE"),
    ],
    "in a coil for spines under HEAD": [
        (make(1, "t2_sag", SAG, ReceiveCoilName="C_Spine+Neck_36", BodyPartExamined="HEAD"), "anat/T2w:none_a_head"),
        (make(2, "t1_se_sag", s.SE_T1, ReceiveCoilName="C_Spine+Neck_36", BodyPartExamined="SPINE"), "anat/T1w"),
    ],
    "vessels of a neck": [
        (make(1, "t1_tse_carotids", s.SE_T1, BodyPartExamined="NECK"), "review:NECK"),
        (make(2, "t2_tse_tra", s.TSE, BodyPartExamined="NECK"), "review:NECK"),
    ],
    "angiography of a neck": [
        (make(1, "t2_tse_tra", s.TSE, BodyPartExamined="NECK"), "review:NECK"),
        (make(2, "tof", s.TOF, BodyPartExamined="NECK"), "review:NECK"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SPINES)
def test_a_spine_is_named_where_no_image_of_its_session_is_of_a_head(name: str) -> None:
    wrong = check(SPINES[name])
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("held", "decision"),
    [((), "anat/T2w"), (("CSPINE",), "anat/T2w"), (("CSPINE", "HEAD"), "review"), (("",), "review")],
)
def test_a_spine_waits_beside_a_head_that_the_dataset_has_of_another_export(
    held: tuple[str, ...], decision: str
) -> None:
    stand = tuple(
        Standing(f"sub-01/anat/sub-01_acq-{rank}_T1w", f"9.{rank}", Links(), named=False, body_part=part)
        for rank, part in enumerate(held)
    )
    rows = plan_of([make(1, "t2_tse_sag", SAG, **CORD)], find_beside=lambda _folder, _uids: stand)
    assert [short(row) for row in rows] == [decision]


@pytest.mark.parametrize("name", OPEN)
def test_what_is_open_is_named_where_something_else_tells(name: str) -> None:
    wrong = check(OPEN[name])
    assert not wrong, "\n".join(wrong)
