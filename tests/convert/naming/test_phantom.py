"""The plan of the phantom, against what the phantom knows of itself, in every dialect."""

from __future__ import annotations

from pathlib import Path

import pytest

from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.planner import make_plan
from bidsflow.dicom.inventory import take_inventory
from bidsflow.names import parse_name
from bidsflow.phantom import DIALECTS, SeriesTruth, Truth, write
from bidsflow.sources import find_files


@pytest.fixture(scope="module", params=sorted(DIALECTS))
def planned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Truth, list[PlanRow]]:
    root: Path = tmp_path_factory.mktemp(request.param)
    truth = write(root, dialect=request.param, size="tiny")
    inventory = take_inventory(find_files([root / truth.export]).files)
    return truth, list(make_plan(inventory).plan.rows)


def expected(series: SeriesTruth) -> set[tuple[str, str, frozenset[tuple[str, str]]]]:
    return {(one.datatype, one.suffix, frozenset(map(tuple, one.entities))) for one in series.names}


def found(rows: list[PlanRow]) -> set[tuple[str, str, frozenset[tuple[str, str]]]]:
    names = [parse_name(row.path) for row in rows if row.decision is Decision.CONVERT]
    return {(name.datatype, name.suffix, frozenset(name.entities)) for name in names}


def test_every_series_is_planned_as_it_was_scanned(planned: tuple[Truth, list[PlanRow]]) -> None:
    truth, rows = planned
    for series in truth.series:
        ours = [row for row in rows if row.series_uid == series.uid]
        if not series.skip:
            assert found(ours) == expected(series), series.description
        elif "aborted" in series.skip:
            assert {row.decision for row in ours} == {Decision.REVIEW}
            assert all(f"{series.shape[3]} of {series.planned} planned volumes" in row.evidence for row in ours)
        else:
            assert {row.decision for row in ours} == {Decision.SKIP}, series.description


def test_every_run_is_corrected_by_the_pair_of_its_geometry(planned: tuple[Truth, list[PlanRow]]) -> None:
    _, rows = planned
    pair = {row.b0_identifier for row in rows if row.path.endswith("_epi")}
    assert len(pair) == 1
    runs = [row for row in rows if row.decision is Decision.CONVERT and row.path.endswith(("bold", "dwi", "sbref"))]
    assert {row.b0_source for row in runs} == pair
    assert len({row.b0_identifier for row in rows if "phase" in row.path}) == 1
