"""Field maps of two scans of a gradient echo, at two echo times.

The tags are those of a Discovery MR (DV26) in medimages4tests, "Ax Field map (TE 4.9)": magnitude, phase, real and
imaginary part in one series.
"""

from __future__ import annotations

from typing import Any

import pytest

from bidsflow.dicom.series import Series
from tests.convert.naming import scans as s
from tests.convert.naming.scans import Part, Row, check, make, plan_of

_FGRE = s.ge("GR", "SS\\SP\\SK", "2D", "fgre", matrix=(256, 256, 60))
_PLAIN = "Ax 2D GRE"


def _scan(number: int, te: float, name: str = "Ax Field map (TE {te:g})", **more: Any) -> Series:
    parts = [Part(component=one) for one in more.pop("parts", ("magnitude", "phase", "real", "imaginary"))]
    return make(number, name.format(te=te), {**_FGRE, **s.timed(te, 50, 45)}, *parts, **more)


_FIRST = "fmap/magnitude1:(4.9_and_7.3_ms) fmap/phase1 skip:the_real_part skip"
_SECOND = "fmap/magnitude2 fmap/phase2 skip skip:the_imaginary_part"
_LONE = "review:no_scan_of_another_echo_time review review review"
_REST = make(9, "fMRI rest", s.GE_EPI, volumes=150)

SESSIONS: dict[str, list[Row]] = {
    "two scans": [
        (_scan(4, 4.9), _FIRST),
        (_scan(5, 7.3), _SECOND),
        (_REST, "func/task-rest_bold:corrected_by_field_map_gre1"),
    ],
    "the later echo first": [(_scan(4, 7.3), _SECOND), (_scan(5, 4.9), _FIRST)],
    "something else between": [
        (_scan(4, 4.9), _FIRST),
        (make(5, "t1", s.GE_BRAVO), "anat/T1w"),
        (_scan(6, 7.3), _SECOND),
    ],
    "magnitude and phase only": [
        (_scan(4, 4.9, parts=("magnitude", "phase")), "fmap/magnitude1 fmap/phase1"),
        (_scan(5, 7.3, parts=("magnitude", "phase")), "fmap/magnitude2 fmap/phase2"),
    ],
    "measured twice": [
        (_scan(4, 4.9), "fmap/run-1_magnitude1 fmap/run-1_phase1 skip skip"),
        (_scan(5, 7.3), "fmap/run-1_magnitude2 fmap/run-1_phase2 skip skip"),
        (_scan(7, 4.9), "fmap/run-2_magnitude1 fmap/run-2_phase1 skip skip"),
        (_scan(8, 7.3), "fmap/run-2_magnitude2 fmap/run-2_phase2 skip skip"),
    ],
    "one was scanned again": [(_scan(4, 4.9), _LONE), (_scan(5, 7.3), _LONE), (_scan(6, 7.3), _LONE)],
    "only one is there": [(_scan(4, 4.9), _LONE)],
    "nobody calls them field maps": [
        (_scan(4, 4.9, _PLAIN), "review:no_words_call_it_so review review review"),
        (_scan(5, 7.3, _PLAIN), "review:no_words_call_it_so review review review"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SESSIONS)
def test_two_scans_of_two_echo_times_are_one_field_map(name: str) -> None:
    assert check(SESSIONS[name]) == []


@pytest.mark.parametrize(
    ("second", "more"),
    [
        (4.9, {}),
        (13.5, {}),
        (7.3, {"FlipAngle": 10}),
        (7.3, {"RepetitionTime": 20}),
        (7.3, {"matrix": (128, 128, 60)}),
        (7.3, {"parts": ("magnitude",)}),
    ],
    ids=["one echo time", "a late echo", "another angle", "another repetition time", "other voxels", "no phase"],
)
def test_what_is_no_second_echo_makes_no_map(second: float, more: dict[str, Any]) -> None:
    rows = plan_of([_scan(4, 4.9), _scan(5, second, **more)])
    assert not any(row.b0_identifier or (row.decision == "convert" and "fmap" in row.path) for row in rows)


def test_three_echo_times_measure_the_decay() -> None:
    rows = plan_of([_scan(4, 4.9), _scan(5, 7.3), _scan(6, 9.7), _scan(7, 12.1)])
    assert not any(row.b0_identifier for row in rows)
