"""One measurement that the scanner stored in several ways: with filters, or as it was."""

from __future__ import annotations

import pytest

from tests.convert.naming import scans as s
from tests.convert.naming.scans import Row, Tags, check, make

FILTERED = s.NORM
MOSAIC = "ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC"
GE: Tags = {"at": 10, "protocol": "Brain"}


def t1(number: int, kind: str, expected: str, at: float | None = None) -> Row:
    return make(number, "t1_mprage", s.MPRAGE, ImageType=kind, at=at), expected


SESSIONS: dict[str, list[Row]] = {
    "times were removed": [
        t1(3, s.RAW, "anat/rec-nonorm_T1w"),
        t1(4, FILTERED, "anat/rec-norm_T1w:reconstructions"),
        (make(5, "t2", s.TSE, at=None), "anat/T2w"),
    ],
    "all have one time": [
        t1(3, s.RAW, "anat/rec-nonorm_T1w", at=3),
        t1(4, FILTERED, "anat/rec-norm_T1w", at=3),
        (make(5, "t2", s.TSE, at=3), "anat/T2w"),
    ],
    "all have midnight": [
        t1(3, s.RAW, "anat/rec-nonorm_T1w", at=-540),
        t1(4, FILTERED, "anat/rec-norm_T1w", at=-540),
    ],
    "measured twice, without times": [
        t1(3, s.RAW, "anat/rec-nonorm_run-1_T1w"),
        t1(4, FILTERED, "anat/rec-norm_run-1_T1w"),
        t1(5, s.RAW, "anat/rec-nonorm_run-2_T1w"),
        t1(6, FILTERED, "anat/rec-norm_run-2_T1w"),
    ],
    "repeated with the same filter, without times": [
        t1(3, FILTERED, "anat/run-1_T1w"),
        t1(4, FILTERED, "anat/run-2_T1w"),
    ],
    "apart from each other, without times": [
        t1(3, s.RAW, "review:no_time_tells"),
        (make(4, "t2", s.TSE, at=None), "anat/T2w"),
        t1(5, FILTERED, "review:no_time_tells"),
    ],
    "runs, without times": [
        (make(3, "rest_ND", s.BOLD, volumes=200, protocol="rest", ImageType=MOSAIC, at=None),
         "func/task-rest_rec-nonorm_bold"),
        (make(4, "rest", s.BOLD, volumes=200, ImageType="ORIGINAL\\PRIMARY\\M\\ND\\NORM\\MOSAIC", at=None),
         "func/task-rest_rec-norm_bold"),
    ],
    "GE's original, at one moment": [
        (make(3, "Sag T1 BRAVO", s.GE_BRAVO, **GE), "anat/T1w:reconstructions"),
        (make(300, "ORIG: Sag T1 BRAVO", s.GE_BRAVO, **GE), "anat/rec-orig_T1w:begins_with_ORIG"),
        (make(4, "Ax T2", s.GE_FSE, **s.timed(90, 5000, 125)), "anat/T2w"),
    ],
    "GE's original, without times": [
        (make(3, "rest", s.GE_EPI, volumes=200, at=None, protocol="Brain"), "func/task-rest_bold"),
        (make(4, "Ax T2", s.GE_FSE, at=None, **s.timed(90, 5000, 125)), "anat/T2w"),
        (make(300, "ORIG: rest", s.GE_EPI, volumes=200, at=None, protocol="Brain"), "func/task-rest_rec-orig_bold"),
    ],
    "nothing tells which is which": [
        (make(3, "Sag T1", s.GE_BRAVO, **GE), "review:does_not_tell"),
        (make(300, "Sag T1 copy", s.GE_BRAVO, **GE), "review:does_not_tell"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("session", SESSIONS.values(), ids=SESSIONS.keys())
def test_reconstructions_are_one_measurement(session: list[Row]) -> None:
    assert check(session) == []
