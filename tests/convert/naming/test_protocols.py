"""Protocols of one suffix get labels, their repeats get runs."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.convert.plan import Decision
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name
from tests.convert.naming import scans as s
from tests.convert.naming.scans import Row, check, make, plan_of, short

OBLIQUE = (1.0, 0.0, 0.0, 0.0, 0.72, -0.69)
STEEPER = (1.0, 0.0, 0.0, 0.0, 0.69, -0.72)


def t2(number: int, words: str = "t2_tse", **tags: Any) -> Series:
    return make(number, words, s.TSE, **tags)


def mm(plane: float, thick: float) -> dict[str, str]:
    return {"PixelSpacing": f"{plane}\\{plane}", "SliceThickness": f"{thick}"}


SESSIONS: dict[str, list[Row]] = {
    "repeats, whatever they are called": [(t2(1, "T2_1"), "anat/run-1_T2w"), (t2(2, "T2_2"), "anat/run-2_T2w")],
    "a repetition time that the scanner adapts": [
        (t2(1), "anat/run-1_T2w"), (t2(2, RepetitionTime=6300), "anat/run-2_T2w"),
    ],
    "slices tilted about 45 degrees": [
        (t2(1, orientation=OBLIQUE), "anat/run-1_T2w"), (t2(2, orientation=STEEPER), "anat/run-2_T2w"),
    ],
    "three planes": [
        (t2(1), "anat/acq-ax_T2w"), (t2(2, orientation=s.CORONAL), "anat/acq-cor_T2w"),
        (t2(3, orientation=s.SAGITTAL), "anat/acq-sag_T2w"),
    ],
    "isotropic voxels": [
        (make(1, "t1", s.MPRAGE, **mm(1, 1)), "anat/acq-1mm_T1w"),
        (make(2, "t1", s.MPRAGE, **mm(0.8, 0.8)), "anat/acq-0p8mm_T1w"),
    ],
    "high resolution in plane": [
        (t2(1, **mm(0.44, 2)), "anat/acq-0p44x2mm_T2w"), (t2(2, **mm(0.36, 2)), "anat/acq-0p36x2mm_T2w"),
    ],
    "two differences": [
        (t2(1), "anat/acq-axTE96_T2w"), (t2(2, EchoTime=140), "anat/acq-axTE140_T2w"),
        (make(3, "t2_space", s.SPACE), "anat/acq-3D_T2w"),
    ],
    "fat": [
        (make(1, "t1_se", s.SE_T1), "anat/T1w"), (make(2, "t1_se_x", s.SE_T1, ScanOptions="FS"), "anat/acq-fs_T1w"),
    ],
    "echoes and their parts share a label": [
        (make(1, "bold_a", s.BOLD, *s.echoes(12, 30), volumes=200),
         "func/task-a_acq-ME_echo-1_bold func/task-a_acq-ME_echo-2_bold"),
        (s.bold(2, "bold_a"), "func/task-a_bold"),
    ],
    "a reference has the label of its run": [
        (s.sbref(1, "bold_a_SBRef"), "func/task-a_acq-TE37_sbref"), (s.bold(2, "bold_a"), "func/task-a_acq-TE37_bold"),
        (s.bold(3, "bold_a", EchoTime=20), "func/task-a_acq-TE20_bold"),
    ],
    "tables of directions": [
        (make(1, "dMRI_dir98", s.DWI, volumes=99, b=s.SHELL), "dwi/acq-99vol_dir-AP_dwi:volumes"),
        (make(2, "dMRI_dir99", s.DWI, volumes=100, b=s.SHELL), "dwi/acq-100vol_dir-AP_dwi"),
    ],
    "given names stay": [
        (make(1, "anat-T2w", s.SPACE), "anat/T2w"), (t2(2), "anat/acq-ax_T2w"),
        (make(3, "anat-T2w_acq-x", s.SPACE), "anat/acq-x_T2w"),
    ],
    "no person in a label": [
        (t2(1, "t2_FORREST_stem", matrix=(320, 260, 30)), "anat/acq-stem_T2w"),
        (t2(2, "t2_ANNA_hippocampus", matrix=(320, 260, 24)), "anat/acq-hippocampus_T2w"),
    ],
    "a name inside a word is no label": [
        (t2(1, "t2_stemFORREST", matrix=(320, 260, 30)), "anat/run-1_T2w"),
        (t2(2, "t2_hippocampus", matrix=(320, 260, 24)), "anat/run-2_T2w"),
    ],
    "what is for a person does not count": [
        (t2(1), "anat/T2w"), (t2(2, "t2_knee", orientation=s.CORONAL), "review:knee"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SESSIONS)
def test_a_protocol_is_labelled_by_what_differs(name: str) -> None:
    wrong = check(SESSIONS[name])
    assert not wrong, "\n".join(wrong)


POOL = (
    {}, {"orientation": s.CORONAL}, {"EchoTime": 140}, {"MRAcquisitionType": "3D"}, mm(0.5, 3), mm(0.8, 0.8),
    {"ScanOptions": "FS"}, {"FlipAngle": 120}, {"RepetitionTime": 4000},
)  # fmt: skip


@given(st.lists(st.sampled_from(range(len(POOL))), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_labels_do_not_depend_on_the_order_of_scans(picks: list[int], dice: random.Random) -> None:
    def names(order: list[int]) -> list[str]:
        rows = plan_of([t2(number, **{**mm(1, 3), **POOL[pick]}) for number, pick in enumerate(order, start=1)])
        return sorted(short(row) for row in rows)

    assert names(picks) == names(dice.sample(picks, len(picks)))


@given(st.lists(st.sampled_from(range(len(POOL))), min_size=1, max_size=6))
def test_equal_scans_share_a_label_and_others_do_not(picks: list[int]) -> None:
    rows = plan_of([t2(number, **{**mm(1, 3), **POOL[pick]}) for number, pick in enumerate(picks, start=1)])
    labels = [parse_name(row.path).entity("acq") for row in rows if row.decision is Decision.CONVERT]
    assert len(labels) == len(picks)
    assert len(set(zip(picks, labels, strict=True))) == len(set(picks)) == len(set(labels))


def test_a_later_visit_changes_no_name() -> None:
    first = [t2(1), make(2, "t2_space", s.SPACE)]
    later = [t2(3, study="1.2.9", orientation=s.CORONAL), t2(4, study="1.2.9")]
    before = {row.series_uid: short(row) for row in plan_of(first)}
    after = {row.series_uid: short(row) for row in plan_of([*first, *later])}
    assert before.items() <= after.items()
