"""Copies that the scanner corrected for motion, and what it computed of functional runs, are no runs."""

from __future__ import annotations

import pytest

from bidsflow.convert.plan import NOT_APPLICABLE
from tests.convert.naming import scans as s
from tests.convert.naming.scans import Row, Tags, check, make, plan_of

MOCO = "ORIGINAL\\PRIMARY\\M\\ND\\MOCO\\MOSAIC"
DICO = "ORIGINAL\\PRIMARY\\M\\ND\\MOCO\\DICO\\MOSAIC"
REST: Tags = {"protocol": "ep2d_bold_rest", "volumes": 200}


def run(number: int = 3, description: str = "ep2d_bold_rest", volumes: int = 200) -> Row:
    return make(number, description, s.BOLD, volumes=volumes), "func/task-rest_bold"


SESSIONS: dict[str, list[Row]] = {
    "the results of Siemens' online analysis": [
        run(),
        (make(4, "MoCoSeries", s.BOLD, ImageType=MOCO, **REST), "skip:copy_of_series_3"),
        (make(5, "EvaSeries_GLM", s.BOLD, ImageType=MOCO, **{**REST, "volumes": 199}), "skip:computed_of_series_3"),
        (make(6, "EvaSeries_GLM", s.BOLD, ImageType="DERIVED\\PRIMARY\\M\\ND\\MOCO\\T_TEST", **REST), "skip"),
        (make(7, "MoCoSeries_DiCo", s.BOLD, ImageType=DICO, **REST), "skip:copy_of_series_3"),
    ],
    "a protocol that says it is corrected (UIH)": [
        (make(3, "epi_bold_rest", s.UIH_BOLD, volumes=240), "func/task-rest_bold"),
        (
            make(4, "epi_bold_rest_MOCO", s.UIH_BOLD, volumes=240, ImageType="DERIVED\\PRIMARY\\MOCO\\M"),
            "skip:copy_of_series_3",
        ),
    ],
    "results without a run": [
        (make(5, "EvaSeries_GLM", s.BOLD, ImageType=MOCO, **REST), "review:no_run_goes_with_it"),
        (make(6, "FUNC: faces t-map", s.GE_EPI), "review:t-map"),
    ],
    "tasks that are called as results are": [
        (make(3, "T-map_learning_1", s.BOLD, volumes=200), "func/task-TMapLearning_run-1_bold"),
        (make(4, "T-map_learning_2", s.BOLD, volumes=200), "func/task-TMapLearning_run-2_bold"),
        (make(5, "t-map", s.BOLD, ImageType=MOCO, volumes=200), "review:t-map"),
        (make(6, "t-map", s.BOLD, ImageType="DERIVED\\PRIMARY\\M\\ND", volumes=200), "review:t-map"),
    ],
    "a copy of other length": [
        run(),
        (make(4, "MoCoSeries", s.BOLD, ImageType=MOCO, **{**REST, "volumes": 150}), "review:200_volumes,_and_this_150"),
    ],
    "two copies of one kind": [
        run(),
        (make(4, "MoCoSeries", s.BOLD, ImageType=MOCO, **REST), "skip"),
        (make(5, "MoCoSeries", s.BOLD, ImageType=MOCO, **REST), "review:has_another_copy"),
    ],
    "of another protocol": [
        run(),
        (
            make(4, "nback_MoCo", s.BOLD, ImageType=MOCO, volumes=200, protocol=""),
            "review:original_is_not_in_the_export",
        ),
    ],
}


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS.keys())
def test_copy_and_result_are_no_runs(session: list[Row]) -> None:
    assert check(session) == []


def test_result_in_doubt_has_no_proposal() -> None:
    row = plan_of([make(5, "EvaSeries_GLM", s.BOLD, ImageType=MOCO, **REST)])[0]
    assert row.path == NOT_APPLICABLE
