"""Whom a person's plan makes of whom: told, or refused where it cannot be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bidsflow.convert.identity import check_people
from bidsflow.convert.plan import Plan, PlanRow
from bidsflow.convert.planner import make_plan
from bidsflow.convert.subjects import Key, person_of
from bidsflow.dicom.series import Inventory, Series
from bidsflow.errors import PlanError

from .test_planner import BERND, SCANS, build

T1W, T2W, REST = SCANS[0], SCANS[1], SCANS[3]
ONE_VISIT = tuple(build(scan, number) for number, scan in enumerate((T1W, T2W, REST), start=1))
TWO_VISITS = (*ONE_VISIT, build(T1W, 1, day=1))


def check(series: tuple[Series, ...], change: Callable[[PlanRow], PlanRow]) -> list[str]:
    plan = make_plan(Inventory(series, ())).plan
    return check_people(Plan(tuple(map(change, plan.rows))), {one.uid: one for one in series}, Key(), "plan.tsv")


def moved(row: PlanRow, sub: str) -> PlanRow:
    return replace(row, path=row.path.replace("sub-01", f"sub-{sub}"))


def test_one_image_of_a_study_under_another_subject_is_refused_with_its_row() -> None:
    with pytest.raises(PlanError) as caught:
        check(ONE_VISIT, lambda row: moved(row, "10") if row.series_number == 2 else row)
    (problem,) = caught.value.problems
    assert problem.startswith("series 2 (t2_tse): it goes to sub-10, and other images of its study to sub-01;")


def test_study_that_is_halved_is_refused_with_both_halves() -> None:
    with pytest.raises(PlanError) as caught:
        check(ONE_VISIT[:2], lambda row: moved(row, "10") if row.series_number == 2 else row)
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["series 1 (t1_mprage)", "series 2 (t2_tse)"]


def test_two_people_whom_the_headers_of_one_study_name_may_be_parted() -> None:
    other = replace(ONE_VISIT[1], patient=BERND)
    assert check((ONE_VISIT[0], other), lambda row: moved(row, "02") if row.series_uid == other.uid else row) == []


def test_person_whose_visits_are_parted_is_told() -> None:
    (note,) = check(TWO_VISITS, lambda row: moved(row, "03") if row.series_uid == TWO_VISITS[3].uid else row)
    assert note.startswith("one person is sub-01 and sub-03 by the plan (")


def test_study_that_is_parted_into_sessions_is_told() -> None:
    def change(row: PlanRow) -> PlanRow:
        return replace(
            row, path=row.path.replace("anat/sub-01", "ses-02/anat/sub-01_ses-02") if "T1w" in row.path else row.path
        )

    (note,) = check(ONE_VISIT, change)
    assert note.startswith("series 1 (t1_mprage) goes to sub-01/ses-02, and other images of its study to sub-01; if")


def visit_beside(home: tuple[str, str], own: str) -> list[str]:
    """Check a plan for ses-02 of sub-01, whose ses-01 holds files of a visit that has another place now."""
    key = Key({person_of(ONE_VISIT[0]): own}, {"other": home}, {}, {"sub-01/ses-01": "other"})
    rows = (replace(row, path=row.path.replace("sub-01/", "sub-01/ses-02/").replace("sub-01_", "sub-01_ses-02_"))
            for row in make_plan(Inventory(ONE_VISIT, ())).plan.rows)  # fmt: skip
    return check_people(Plan(tuple(rows)), {one.uid: one for one in ONE_VISIT}, key, "plan.tsv")


def test_label_that_holds_files_of_someone_else_is_refused() -> None:
    assert visit_beside(("01", "03"), own="01") == []
    with pytest.raises(PlanError, match="sub-01/ses-01 still holds files of someone who is sub-09/ses-01 now"):
        visit_beside(("09", "01"), own="02")
