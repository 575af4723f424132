"""What comes after the rest of its session: what stands keeps its name, and what is new gets one beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bidsflow.convert.known import Known
from bidsflow.convert.plan import Decision, Plan
from bidsflow.convert.planner import make_plan
from bidsflow.dicom.series import Inventory, Series
from tests.convert.naming import scans as s
from tests.convert.naming.scans import make

ADC = "DERIVED\\PRIMARY\\DIFFUSION\\ADC\\ND"


def plan_late(first: Sequence[Series], export: Sequence[Series], names: Mapping[int, str] | None = None) -> Plan:
    """Return the plan of an export for a dataset that has what a first export gave, or other names for its series."""
    planned = make_plan(Inventory(tuple(first), ()))
    taken = {
        (row.series_uid, row.image): (names or {}).get(row.series_number, row.path)
        for row in planned.plan.decided(Decision.CONVERT)
    }
    return make_plan(Inventory(tuple(export), ()), Known(planned.key, taken)).plan


def names_of(plan: Plan) -> dict[int, str]:
    """Return the names of what is converted, without subject and datatype, by number of the series."""
    return {row.series_number: row.path.partition("_")[2] for row in plan.decided(Decision.CONVERT)}


def test_diffusion_run_that_comes_after_its_maps_is_counted_among_runs() -> None:
    before = [
        make(1, "dti_PA", s.DWI, volumes=33, b=s.SHELL, PhaseEncodingPositive=0),
        make(4, "dti_AP_ADC", s.DWI, ImageType=ADC, protocol="dti_AP"),
    ]
    late = make(3, "dti_AP", s.DWI, volumes=33, b=s.SHELL)
    assert names_of(plan_late(before, [*before, late])) == {1: "dir-PA_dwi", 3: "dir-AP_dwi", 4: "dir-AP_ADC"}
    held = plan_late(before, [*before, late], {4: "sub-01/dwi/sub-01_run-2_ADC"})  # an older dataset
    assert names_of(held) == {1: "dir-PA_dwi", 3: "dir-AP_dwi", 4: "run-2_ADC"}


def test_image_of_a_run_that_the_dataset_has_gets_its_number() -> None:
    first, second = make(1, "rest", s.BOLD, volumes=200), make(3, "rest", s.BOLD, volumes=200)
    reference = make(2, "rest_SBRef", s.BOLD)
    held = {1: "sub-01/func/sub-01_task-rest_bold", 3: "sub-01/func/sub-01_task-rest_run-2_bold"}
    plan = plan_late([first, second], [first, reference, second], held)
    assert names_of(plan)[2] == "task-rest_run-2_sbref"


def test_run_that_comes_late_gets_the_last_number_which_is_told_with_times() -> None:
    runs = [make(number, "rest", s.BOLD, volumes=200) for number in (1, 2, 3)]
    plan = plan_late(runs[1:], runs)
    assert names_of(plan) == {1: "task-rest_run-3_bold", 2: "task-rest_run-1_bold", 3: "task-rest_run-2_bold"}
    (note,) = plan.notes
    assert note.startswith(
        "sub-01: the runs of sub-01/func/sub-01_task-rest_bold are not numbered in the order of time"
    )
    assert "(run-1 at 09:10, run-2 at 09:15, run-3 at 09:05)" in note
    assert "--bids-dir" in note
    assert "2022" not in note


def test_run_that_comes_late_and_is_the_last_is_not_told() -> None:
    runs = [make(number, "rest", s.BOLD, volumes=200) for number in (1, 2, 3)]
    assert plan_late(runs[:2], runs).notes == ()


def test_numbers_that_the_protocol_gives_against_time_are_not_told() -> None:
    runs = [make(number, f"func-bold_task-rest_run-{run}", s.BOLD, volumes=200) for number, run in ((1, 2), (2, 1))]
    plan = plan_late(runs[1:], runs)
    assert names_of(plan) == {1: "task-rest_run-2_bold", 2: "task-rest_run-1_bold"}
    assert plan.notes == ()


def test_labels_that_only_one_conversion_would_give_are_told() -> None:
    first = make(1, "t1_mprage", s.MPRAGE)
    other = make(2, "t1_mprage", {**s.MPRAGE, "EchoTime": 4.5})
    (note,) = plan_late([first], [first, other]).notes
    whole = names_of(plan_late([], [first, other]))
    assert f"in one conversion sub-01/anat/sub-01_T1w would be sub-01_{whole[1]};" in note
    assert plan_late([first, other], [first, other]).notes == ()


def test_run_without_a_number_beside_numbers_is_told() -> None:
    first, second, third = (make(number, "rest", s.BOLD, volumes=200) for number in (1, 2, 3))
    (note,) = plan_late([first, second], [third]).notes
    assert "are runs of one name, and in one conversion each would have a number" in note
