"""What a header leaves open and words or other images of the session tell, and what stays for a person."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pytest

from tests.convert.naming import scans as s
from tests.convert.naming.scans import PA, Row, check, make

TSE = {**s.TSE, **s.timed(50, 8100, 122)}
MERGE = s.ge("GR", "SS\\SK", "2D", **s.SLICES, **s.timed(10.8, 600, 30), EchoTrainLength=3)
FEW = {**s.DWI, "b": (0.0,)}
unweighted = partial(make, volumes=3)

OPEN: dict[str, Sequence[Row]] = {
    "between proton density and T2": [
        (make(1, "t2_tse_cor_hippocampus", TSE), "anat/T2w:between_proton_density"),
        (make(2, "pd_tse_cor", TSE, matrix=(256, 256, 30)), "review:evidence"),
        (make(3, "tse_cor", TSE, matrix=(320, 320, 30)), "review:evidence"),
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


@pytest.mark.parametrize("name", OPEN)
def test_what_is_open_is_named_where_something_else_tells(name: str) -> None:
    wrong = check(OPEN[name])
    assert not wrong, "\n".join(wrong)
