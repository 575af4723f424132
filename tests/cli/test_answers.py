"""Plans and sidecars held against made-up truths: every way to be right or wrong."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from bidsflow.cli.answers import Answer, Verdict, Written, compare_content, compare_names, count_verdicts
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.phantom import ImageTruth, SeriesTruth, SessionTruth, Truth

T1W = ImageTruth("anat", "T1w", (), 0.003)
DWI = ImageTruth("dwi", "dwi", (("dir", "AP"),), 0.08)
EPI = ImageTruth("fmap", "epi", (("dir", "AP"),), 0.06)


def make_series(*names: ImageTruth, skip: str = "", slice_times: tuple[float, ...] = ()) -> SeriesTruth:
    return SeriesTruth(
        key="x", folder="x", uid="1.2.3", number=4, description="x", start="", files=1, outputs=1, shape=(4, 4, 2),
        affine=(), planned=1, names=names, skip=skip, repetition_time=2.0, phase_encoding="j-" if slice_times else "",
        echo_spacing=0.0005, total_readout=0.0155, slice_times=slice_times,
        b_values=(0.0, 1000.0) if DWI in names else (), directions=(), motion=(), onsets=(), block=0.0, percent=0.0,
    )  # fmt: skip


def make_truth(*series: SeriesTruth) -> Truth:
    session = SessionTruth(
        subject="01", session="", patient_id="", patient_name="", study_uid="1.2", start="", folder="", pose=(),
        shim=(), marker=(), active=(), active_radius=0.0, field_map="", field_affine=(), label_map="", label_affine=(),
        series=series,
    )  # fmt: skip
    return Truth(1, 0, "classic", "small", "dicom", (), (session,))


def make_row(path: str, decision: Decision = Decision.CONVERT, image: int = 1, uid: str = "1.2.3") -> PlanRow:
    return PlanRow(uid, image, 4, "", "x", 1, 1, decision, path, 0.9, "Because.")


class Case(NamedTuple):
    name: str
    names: tuple[ImageTruth, ...]
    rows: tuple[PlanRow, ...]
    verdicts: tuple[Verdict, ...]


CASES = [
    Case("same", (T1W,), (make_row("sub-01/anat/sub-01_T1w"),), (Verdict.SAME,)),
    Case("other suffix", (T1W,), (make_row("sub-01/anat/sub-01_T2w"),), (Verdict.OTHER,)),
    Case("other subject", (T1W,), (make_row("sub-02/anat/sub-02_T1w"),), (Verdict.OTHER,)),
    Case("longer", (T1W,), (make_row("sub-01/anat/sub-01_run-1_T1w"),), (Verdict.OTHER,)),
    Case("shorter", (DWI,), (make_row("sub-01/dwi/sub-01_dwi"),), (Verdict.SHORTER,)),
    Case("other direction", (DWI,), (make_row("sub-01/dwi/sub-01_dir-PA_dwi"),), (Verdict.OTHER,)),
    Case("half of a pair without direction", (EPI,), (make_row("sub-01/fmap/sub-01_epi"),), (Verdict.OTHER,)),
    Case("skipped", (T1W,), (make_row("n/a", Decision.SKIP),), (Verdict.MISSED,)),
    Case("not in the plan", (T1W,), (), (Verdict.MISSED,)),
    Case("asked", (T1W,), (make_row("sub-01/anat/sub-01_T1w", Decision.REVIEW),), (Verdict.ASKED,)),
    Case("left out", (), (make_row("n/a", Decision.SKIP), make_row("n/a", Decision.SKIP, 2)), (Verdict.LEFT_OUT,) * 2),
    Case("extra", (), (make_row("sub-01/anat/sub-01_T1w"),), (Verdict.EXTRA,)),
    Case("unknown series", (), (make_row("sub-01/anat/sub-01_T1w", uid="9"),), (Verdict.EXTRA,)),
    Case("one of two", (T1W, DWI), (make_row("sub-01/anat/sub-01_T1w"),), (Verdict.SAME, Verdict.MISSED)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verdict(case: Case) -> None:
    answers = compare_names(Plan(case.rows), [make_truth(make_series(*case.names))])
    assert tuple(one.verdict for one in answers) == case.verdicts


def test_images_are_matched_by_rank_not_by_order() -> None:
    rows = (make_row("sub-01/dwi/sub-01_dir-AP_dwi", image=2), make_row("sub-01/anat/sub-01_T1w", image=1))
    answers = compare_names(Plan(rows), [make_truth(make_series(T1W, DWI))])
    assert [one.verdict for one in answers] == [Verdict.SAME, Verdict.SAME]


def test_verdicts_are_counted_with_those_that_do_not_occur() -> None:
    counts = count_verdicts([Answer("x", "a", "a", Verdict.SAME)])
    assert counts[Verdict.SAME] == 1
    assert set(counts) == set(Verdict)
    assert sum(counts.values()) == 1


Found = dict[str, str]


def check(
    sidecar: dict[str, object], *, shape: tuple[int, ...] = (4, 4, 2), bvals: tuple[float, ...] = ()
) -> dict[str, str]:
    """Return what is said of a run with two slices: same, absent or other."""
    image = Written(make_row("sub-01/func/sub-01_task-x_bold"), shape, sidecar, bvals)
    tallies = compare_content([image], [make_truth(make_series(DWI, slice_times=(0.0, 1.0)))])
    return {one.what: "same" if one.same else "absent" if one.absent else "other" for one in tallies}


RIGHT = {
    "EchoTime": 0.08, "RepetitionTime": 2, "PhaseEncodingDirection": "j-", "TotalReadoutTime": 0.0155,
    "SliceTiming": [0.0, 1.0025],
}  # fmt: skip


def test_sidecar_that_is_right() -> None:
    assert set(check(RIGHT, bvals=(0, 1000)).values()) == {"same"}


def test_sidecar_that_is_silent() -> None:
    found = check({})
    assert found.pop("Matrix and volumes") == "same"
    assert set(found.values()) == {"absent"}
    assert len(found) == 6


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("EchoTime", 80), ("RepetitionTime", 2.1), ("PhaseEncodingDirection", "j"), ("TotalReadoutTime", 0.016),
        ("SliceTiming", [0.0, 1.1]), ("SliceTiming", [0.0]), ("RepetitionTime", "2"),
    ],
)  # fmt: skip
def test_sidecar_that_is_wrong(key: str, value: object) -> None:
    assert check({**RIGHT, key: value})[key] == "other"


def test_image_that_is_wrong() -> None:
    found = check(RIGHT, shape=(4, 4, 2, 7), bvals=(0, 990))
    assert (found["Matrix and volumes"], found["b-values"]) == ("other", "other")
