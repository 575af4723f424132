"""Navigators of anatomical scans are EPIs of low resolution, and no runs.

Names of sequences are those of MGH's navigators as sidecars and protocols of ABCD and HCP studies write them.
"""

from __future__ import annotations

import pytest

from tests.convert.naming import scans as s
from tests.convert.naming.scans import Row, bold, check, make

NAV = {
    "matrix": (32, 32, 32), "ScanningSequence": "EP", "SequenceVariant": "SK", "MRAcquisitionType": "3D",
    "Manufacturer": "SIEMENS", "ImageType": "ORIGINAL\\PRIMARY\\M\\ND\\NORM\\MOSAIC", **s.timed(6.4, 15, 2),
}  # fmt: skip
NAMED = {**NAV, "SequenceName": "*ABCD3d1_32ns"}
T1 = {**s.MPRAGE, "SequenceFile": "tfl_mgh_epinav_ABCD"}
T2 = {**s.SPACE, "SequenceFile": "space_mgh_epinav_ABCD"}

SESSIONS: dict[str, list[Row]] = {
    "of ABCD, with their setters": [
        (make(1, "T1w_MPR_vNav_setter", NAMED, SequenceFile="ep_moco_nav_set_ABCD"), "skip:ABCD"),
        (make(2, "T1w_MPR_vNav", {**NAMED, "SequenceFile": "tfl_mgh_epinav_ABCD"}, volumes=143), "skip:tracks"),
        (make(3, "T1w_MPR_vNav", T1), "anat/T1w"),
        (make(4, "T2w_SPC_vNav_setter", NAMED, SequenceFile="ep_moco_nav_set_ABCD"), "skip"),
        (make(5, "T2w_SPC_vNav", {**NAMED, "SequenceFile": "space_mgh_epinav_ABCD"}, volumes=110), "skip"),
        (make(6, "T2w_SPC_vNav", T2), "anat/T2w"),
        (bold(7, "rfMRI_REST"), "func/task-rest_bold"),
    ],
    "the sequence's name alone": [(make(1, "anat1", NAMED, volumes=143), "skip:ABCD3d1")],
    "the file of an anatomical sequence": [
        (make(1, "anat1", {**NAV, "SequenceFile": "tse_vfl_moco"}, volumes=110), "skip:tse"),
        (make(2, "anat2", {**NAV, "SequenceFile": "tfl_mgh_multiecho_epinav_711"}, volumes=110), "skip:epinav"),
    ],
    "words and a small flip angle": [(make(1, "T1_vNavs", NAV, volumes=143), "skip:2_degrees")],
    "words for the course of epis": [(make(1, "epi_navs", NAV, volumes=143), "skip:2_degrees")],
    "tasks of navigation": [
        (bold(1, "epi_nav_learn"), "func/task-navLearn_bold"),
        (bold(2, "EPI_navigation_1"), "func/task-navigation_run-1_bold"),
        (bold(3, "EPI_navigation_2"), "func/task-navigation_run-2_bold"),
        (bold(4, "EPI navigation rest"), "func/task-rest_bold"),
        (bold(5, "vnav_maze"), "func/task-vnavMaze_bold"),
    ],
    "a task of navigation whose header lost its flip angle": [
        (bold(1, "epi_nav_learn", FlipAngle=""), "func/task-navLearn_bold"),
    ],
    "a task of navigation that is measured in three dimensions": [
        (make(1, "epi_nav_learn", {**NAV, "FlipAngle": 15}, volumes=300), "func/task-navLearn_bold"),
        (
            make(2, "epi_nav_maze", {**NAV, "FlipAngle": "", "matrix": (96, 96, 60)}, volumes=300),
            "func/task-navMaze_bold",
        ),
    ],
    "words without a flip angle": [(make(1, "T1_vNavs", {**NAV, "FlipAngle": ""}, volumes=143), "review:navigators")],
    "diffusion with navigators": [
        (
            make(1, "DTI_vNav", {**s.DWI, "SequenceFile": "ep2d_diff_vnav"}, volumes=65, b=(0, 1000)),
            "dwi/dir-AP_dwi",
        )
    ],
}


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS.keys())
def test_navigator_is_no_run(session: list[Row]) -> None:
    assert check(session) == []


def test_navigator_in_doubt_has_no_proposal() -> None:
    row = s.plan_of([make(1, "T1_vNavs", {**NAV, "FlipAngle": ""}, volumes=143)])[0]
    assert row.path == "n/a"
