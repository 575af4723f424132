"""How runs and field maps of whole sessions are wired and numbered, from series as values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.convert.links import Links, Standing
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.subjects import Sessions
from bidsflow.dicom.series import Series
from tests.convert.naming import scans as s
from tests.convert.naming.scans import AP, PA, bold, make, plan_of, sbref, short

OTHER_GRID = {"matrix": (140, 140, 92)}


def blip(number: int, direction: int, volumes: int = 3, **more: Any) -> Series:
    return make(number, "topup", s.SE_EPI, volumes=volumes, PhaseEncodingPositive=direction, **more)


def wiring(series: Sequence[Series], **more: Any) -> dict[str, str]:
    """Return ``identifier>source`` of every converted image by its short name."""
    rows = [row for row in plan_of(series, **more) if row.decision is Decision.CONVERT]
    return {short(row): f"{row.b0_identifier}>{row.b0_source}" for row in rows}


def row_of(series: Sequence[Series], number: int) -> PlanRow:
    return next(row for row in plan_of(series) if row.series_number == number)


def test_a_gradient_map_is_one_field_with_all_of_its_images() -> None:
    assert wiring([s.magnitudes(1), s.phase_difference(2), bold(3, "bold_a")]) == {
        "fmap/magnitude1": "gre1>", "fmap/magnitude2": "gre1>", "fmap/phasediff": "gre1>",
        "func/task-a_bold": ">gre1",
    }  # fmt: skip


def test_each_run_takes_the_map_before_it() -> None:
    series = [
        s.magnitudes(1), s.phase_difference(2), bold(3, "bold_a"),
        s.magnitudes(4), s.phase_difference(5), bold(6, "bold_b"), sbref(7, "bold_c_SBRef"), bold(8, "bold_c"),
    ]  # fmt: skip
    found = wiring(series)
    assert found["func/task-a_bold"] == ">gre1"
    assert found["func/task-b_bold"] == found["func/task-c_bold"] == found["func/task-c_sbref"] == ">gre2"
    assert found["fmap/run-1_phasediff"] == "gre1>"
    assert found["fmap/run-2_magnitude2"] == "gre2>"


def test_the_nearest_after_is_taken_where_none_is_before() -> None:
    series = [bold(1, "bold_a"), s.magnitudes(4), s.phase_difference(5), s.magnitudes(6), s.phase_difference(7)]
    assert wiring(series)["func/task-a_bold"] == ">gre1"


def test_the_same_shim_counts_more_than_time() -> None:
    series = [
        s.magnitudes(1, ShimSetting="1"), s.phase_difference(2, ShimSetting="1"),
        s.magnitudes(3, ShimSetting="2"), s.phase_difference(4, ShimSetting="2"), bold(5, "bold_a", ShimSetting="1"),
    ]  # fmt: skip
    assert wiring(series)["func/task-a_bold"] == ">gre1"
    assert "the same shim" in row_of(series, 5).evidence


def test_another_shim_corrects_nothing_and_this_is_said() -> None:
    series = [
        s.magnitudes(1, ShimSetting="1"), s.phase_difference(2, ShimSetting="1"), bold(5, "bold_a", ShimSetting="2"),
    ]  # fmt: skip
    assert wiring(series)["func/task-a_bold"] == ">"
    assert "no field map fits: the shim was changed after series 2" in row_of(series, 5).evidence
    (note,) = s.make_plan(s.inventory_of(series)).plan.notes
    assert note.startswith("sub-01: series 5: no field map fits: ")
    assert "write gre1 into the b0_source" in note


def test_the_same_geometry_counts_more_than_time() -> None:
    series = [blip(1, AP), blip(2, PA), blip(3, AP, **OTHER_GRID), blip(4, PA, **OTHER_GRID), bold(5, "bold_a")]
    found = wiring(series)
    assert found["func/task-a_bold"] == ">pepolar1"
    assert found["fmap/dir-AP_run-2_epi"] == found["fmap/dir-PA_run-2_epi"] == "pepolar2>"


def test_pairs_for_function_and_for_diffusion_stay_apart() -> None:
    series = [
        blip(1, AP), blip(2, PA), bold(3, "bold_a"),
        make(4, "dwi_b0_AP", s.DWI, volumes=2, b=(0.0,)),
        make(5, "dwi_b0_PA", s.DWI, volumes=2, b=(0.0,), PhaseEncodingPositive=PA),
        make(6, "dwi_64", s.DWI, volumes=65, b=s.SHELL),
    ]  # fmt: skip
    found = wiring(series)
    assert found["func/task-a_bold"] == ">pepolar1"
    assert found["dwi/dir-AP_dwi"] == ">pepolar2"


def test_one_direction_is_a_field_together_with_the_run_against_it() -> None:
    series = [blip(1, PA), bold(2, "bold_a"), bold(3, "bold_b")]
    assert wiring(series) == {
        "fmap/dir-PA_epi": "pepolar1>", "func/task-a_bold": "pepolar1>pepolar1", "func/task-b_bold": ">pepolar1",
    }  # fmt: skip
    assert "one half of field map pepolar1" in row_of(series, 2).evidence


def test_one_direction_alone_corrects_nothing() -> None:
    series = [blip(1, AP), bold(2, "bold_a")]
    assert set(wiring(series).values()) == {">"}
    assert "no image of the opposite direction" in row_of(series, 1).evidence


def test_directions_of_another_shim_or_axis_make_no_pair() -> None:
    assert set(wiring([blip(1, AP, ShimSetting="1"), blip(2, PA, ShimSetting="2")]).values()) == {">"}
    across = blip(2, AP, InPlanePhaseEncodingDirection="ROW")
    assert set(wiring([blip(1, AP), across]).values()) == {">"}


def test_a_repeated_half_pairs_with_its_neighbour() -> None:
    found = wiring([blip(1, AP), blip(2, AP), blip(3, PA), bold(4, "bold_a")])
    assert found["fmap/dir-AP_run-2_epi"] == found["fmap/dir-PA_epi"] == "pepolar1>"
    assert found["fmap/dir-AP_run-1_epi"] == ">"
    assert found["func/task-a_bold"] == ">pepolar1"


ORDER = "the nearest by series number before it; less certain, since no times tell the order"


@pytest.mark.parametrize("at", [None, 180.0])
def test_without_times_series_numbers_tell_the_order(at: float | None) -> None:
    first, second = ([blip(n, AP, at=at), blip(n + 1, PA, at=at)] for n in (1, 4))
    runs = [bold(n, f"bold_{task}", at=at, matrix=(104, 104, 72)) for n, task in ((3, "a"), (6, "b"))]
    series = [*first, *second, *runs]
    found = wiring(series)
    assert (found["func/task-a_bold"], found["func/task-b_bold"]) == (">pepolar1", ">pepolar2")
    assert ORDER in row_of(series, 3).evidence
    assert ORDER in row_of(series, 6).evidence
    assert "series number" not in row_of([*first, runs[0]], 3).evidence


def test_without_times_and_numbers_nothing_is_guessed_among_equals() -> None:
    maps = [s.magnitudes(1, at=None), s.phase_difference(2, at=None), s.magnitudes(3, at=None)]
    series = [*maps, s.phase_difference(4, at=None), bold(5, "bold_a", at=None)]
    unknown = [*series, make(5, "t1", s.MPRAGE, at=None, uid="1.2.3.6")]
    assert wiring(series)["func/task-a_bold"] == ">gre2"
    assert wiring(unknown)["func/task-a_bold"] == ">"
    assert "nothing tells which of 2 field maps" in row_of(unknown, 5).evidence
    assert wiring([*maps[:2], series[-1]])["func/task-a_bold"] == ">gre1"


def test_echoes_and_phases_share_the_field_of_their_run() -> None:
    series = [
        s.magnitudes(1), s.phase_difference(2),
        make(3, "bold_me", s.BOLD, *s.echoes(12, 30, 48), volumes=200),
        bold(4, "bold_a"), make(5, "bold_a_Pha", s.BOLD, s.phase(), volumes=300, at=20, protocol="bold_a"),
    ]  # fmt: skip
    runs = {name: wires for name, wires in wiring(series).items() if name.startswith("func")}
    assert len(runs) == 5
    assert set(runs.values()) == {">gre1"}


def test_labels_tell_sessions_apart() -> None:
    first = [s.magnitudes(1), s.phase_difference(2), bold(3, "bold_a")]
    second = [
        s.magnitudes(1, study="1.2.9"), s.phase_difference(2, study="1.2.9"), bold(3, "bold_a", study="1.2.9"),
    ]  # fmt: skip
    rows = plan_of([*first, *second])
    assert {row.b0_identifier for row in rows} - {""} == {"gre1ses01", "gre1ses02"}
    one_visit = plan_of([*first, *second], sessions=Sessions.NEVER)
    assert {row.b0_identifier for row in one_visit} - {""} == {"gre1", "gre2"}
    assert [row.path.rsplit("/")[-1] for row in one_visit if row.path.endswith("bold")] == [
        "sub-01_task-a_run-1_bold", "sub-01_task-a_run-2_bold",
    ]  # fmt: skip


def test_a_later_export_gives_no_label_twice() -> None:
    old = [s.magnitudes(1), s.phase_difference(2)]
    there = plan_of(old)
    taken = {(row.series_uid, row.image): row.path for row in there}
    stand = tuple(Standing(row.path, row.series_uid, Links(row.b0_identifier), named=False) for row in there)
    new = [s.magnitudes(11), s.phase_difference(12), bold(13, "bold_a")]
    rows = plan_of(new, taken=taken, find_beside=lambda _folder, _uids: stand)
    assert not {row.b0_identifier for row in rows} & {row.b0_identifier for row in plan_of(old)} - {""}
    assert {row.path.rsplit("_", 2)[1] for row in rows if "/fmap/" in row.path} == {"run-2"}


def test_a_phase_that_comes_later_joins_the_run_of_its_magnitude() -> None:
    first, second = bold(1, "bold_a"), bold(3, "bold_a")
    late = make(2, "bold_a_Pha", s.BOLD, s.phase(), volumes=300, at=5, protocol="bold_a")
    taken = {(first.uid, 1): "sub-01/func/sub-01_task-a_bold"}
    paths = {row.series_number: row.path.rsplit("/", 1)[1] for row in plan_of([first, late, second], taken=taken)}
    assert paths[1] == "sub-01_task-a_bold"
    assert paths[2] == "sub-01_task-a_part-phase_bold"
    assert paths[3] == "sub-01_task-a_run-2_part-mag_bold"


def test_a_reference_moves_with_its_run() -> None:
    taken = {("1.2.3.99", 1): "sub-01/func/sub-01_task-a_bold"}
    rows = plan_of([sbref(1, "bold_a_SBRef"), bold(2, "bold_a")], taken=taken)
    assert [short(row) for row in rows] == ["func/task-a_run-2_sbref", "func/task-a_run-2_bold"]


PROTOCOL = (
    s.magnitudes(1), s.phase_difference(2), blip(3, AP), blip(4, PA), sbref(5, "bold_a_SBRef"), bold(6, "bold_a"),
    bold(7, "bold_b"), make(8, "dwi", s.DWI, volumes=65, b=s.SHELL),
    make(9, "dwi_b0", s.DWI, volumes=2, b=(0.0,), PhaseEncodingPositive=PA), make(10, "t1", s.MPRAGE),
    make(11, "bold_a_rev", s.BOLD, volumes=5, PhaseEncodingPositive=PA),
)  # fmt: skip
KINDS = {row.series_uid: {row.path.split("/")[1]} for row in plan_of(PROTOCOL)}


@given(st.sets(st.sampled_from(range(len(PROTOCOL)))))
def test_what_is_missing_makes_nothing_else_wrong(lost: set[int]) -> None:
    rows = plan_of([one for rank, one in enumerate(PROTOCOL) if rank not in lost])
    measured = {row.b0_identifier for row in rows}
    for row in rows:
        assert row.decision is not Decision.CONVERT or row.path.split("/")[1] in KINDS[row.series_uid], row
        assert row.b0_source in measured | {""}


# -- what only the axis is known of, and GE -------------------------------------------------------------------------

COLUMNS, ROWS = {"InPlanePhaseEncodingDirection": "COL"}, {"InPlanePhaseEncodingDirection": "ROW"}
AS_USUAL, TURNED = {**COLUMNS, "PhaseEncodingPositive": 1}, {**COLUMNS, "PhaseEncodingPositive": 0}


def test_typed_directions_make_a_field_where_no_header_tells_the_polarity() -> None:
    typed = {"PhaseEncodingPositive": ""}
    series = [
        make(1, "topup_AP", s.SE_EPI, volumes=3, **typed), make(2, "topup_PA", s.SE_EPI, volumes=3, **typed),
        bold(3, "bold_a", **typed),
    ]  # fmt: skip
    assert wiring(series) == {
        "fmap/dir-AP_epi": "pepolar1>", "fmap/dir-PA_epi": "pepolar1>", "func/task-a_bold": ">pepolar1"
    }  # fmt: skip
    assert "runs AP (description; the header tells the axis, not the polarity)" in row_of(series, 1).evidence


def test_a_typed_direction_that_the_axis_contradicts_is_for_review() -> None:
    series = [make(1, "topup_AP", s.SE_EPI, volumes=3, **{**ROWS, "PhaseEncodingPositive": ""})]
    row = row_of(series, 1)
    assert row.decision is Decision.REVIEW
    assert row.evidence.startswith("The header and the description contradict each other on the direction")
    assert "the description says AP, but by the header phase encoding runs along the axis of R and L" in row.evidence


def test_a_protocol_that_gives_a_direction_across_the_axis_is_for_review() -> None:
    series = [make(1, "fmap-epi_dir-AP", s.SE_EPI, volumes=3, **{**ROWS, "PhaseEncodingPositive": ""})]
    row = row_of(series, 1)
    assert row.decision is Decision.REVIEW
    assert "runs along the axis of R and L" in row.evidence


def test_a_run_whose_words_the_axis_contradicts_has_no_direction() -> None:
    across = {**ROWS, "PhaseEncodingPositive": ""}
    series = [bold(1, "rest_AP", **across), bold(2, "rest_PA", **across)]
    assert set(wiring(series)) == {"func/task-rest_run-1_bold", "func/task-rest_run-2_bold"}


def test_opposite_runs_of_ge_have_their_directions() -> None:
    series = [make(1, "rest", s.GE_EPI, volumes=30, **AS_USUAL), make(2, "rest", s.GE_EPI, volumes=30, **TURNED)]
    assert set(wiring(series)) == {"func/task-rest_dir-AP_bold", "func/task-rest_dir-PA_bold"}


def test_a_few_reversed_volumes_of_ge_are_a_field_map_whatever_is_typed() -> None:
    reverse, forward = (
        {"RectilinearPhaseEncodeReordering": "LINEAR"},
        {"RectilinearPhaseEncodeReordering": "REVERSE_LINEAR"},
    )
    series = [
        make(1, "rest PA", s.GE_EPI, volumes=30, **COLUMNS, **forward),
        make(2, "rest AP", s.GE_EPI, volumes=4, **COLUMNS, **reverse),
    ]
    assert wiring(series) == {"func/task-rest_bold": "pepolar1>pepolar1", "fmap/dir-PA_epi": "pepolar1>"}


def test_runs_of_ge_with_one_polarity_are_no_field_map_whatever_is_typed() -> None:
    series = [make(1, "rest AP", s.GE_EPI, volumes=30, **TURNED), make(2, "rest PA", s.GE_EPI, volumes=4, **TURNED)]
    assert not any("pepolar" in found for found in wiring(series).values())
