"""Magnitude and phase, run and reference, that come in two exports: named after what stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest

from bidsflow.convert.known import Known
from bidsflow.convert.links import Links, Standing, sources
from bidsflow.convert.plan import Decision
from bidsflow.convert.planner import make_plan
from bidsflow.convert.shots import read_shot, shoot_row, write_shot
from bidsflow.dicom.series import Series
from tests.convert.naming import scans as s
from tests.convert.naming.scans import bold, inventory_of, make, phase, sbref


def plan_in_turn(*exports: Sequence[Series]) -> dict[int, str]:
    """Return the names of what is converted, by series and image, of exports that come one after another."""
    known, standing = Known(), dict[tuple[str, int], Standing]()
    for export in exports:
        planned = make_plan(inventory_of(export), known)
        by_uid = {series.uid: series for series in inventory_of(export).series}
        for row in planned.plan.decided(Decision.CONVERT):
            shot = read_shot(
                write_shot(shoot_row(row, by_uid[row.series_uid]), -40000), row.series_uid, row.image, -40000
            )
            links = Links(row.b0_identifier, sources(row))
            standing[row.series_uid, row.image] = Standing(row.path, row.series_uid, links, named=False, shot=shot)

        def find_beside(_folder: str, uids: Collection[str]) -> tuple[Standing, ...]:
            return tuple(one for one in standing.values() if one.series_uid not in uids)

        taken = {image: one.path for image, one in standing.items()}
        known = replace(known, key=planned.key, taken=taken, find_beside=find_beside)
    return {image: one.path.removeprefix("sub-01/").replace("sub-01_", "") for image, one in standing.items()}


class Case(NamedTuple):
    """Two exports in order of arrival, and the names where they differ from those of one conversion."""

    first: tuple[Series, ...]
    second: tuple[Series, ...]
    names: tuple[str, ...] = ()


def pha(number: int, at: float) -> Series:
    return make(number, "bold_nback", s.BOLD, phase(), volumes=300, at=at)


def untimed(series: Series) -> Series:
    return replace(series, started="")


RUNS = bold(1, "bold_nback", at=5), bold(3, "bold_nback", at=15)
PHASES = pha(2, 5), pha(4, 15)
SWI = tuple(make(number, "gre", {**s.SWI, "EchoTime": te}, at=5) for number, te in ((1, 15), (2, 25)))
SWI_PHASES = tuple(make(number, "gre", {**s.SWI, "EchoTime": te}, phase(), at=5) for number, te in ((3, 15), (4, 25)))
MEGRE = make(1, "megre", s.SWI, *s.echoes(5, 10, 15), at=5)
MEGRE_PHASES = make(2, "megre", s.SWI, *(phase(te=te) for te in (5, 10, 15)), at=5)
REFERENCES = sbref(1, "bold_nback_SBRef"), sbref(3, "bold_nback_SBRef")
REFERENCED = bold(2, "bold_nback"), bold(4, "bold_nback")
CASES = {
    "phase first": Case(PHASES[:1], RUNS[:1]),
    "phases first": Case(PHASES, RUNS),
    "phases first, times are gone": Case(
        tuple(map(untimed, PHASES)), tuple(map(untimed, RUNS))
    ),
    "phases of a susceptibility scan first": Case(SWI_PHASES, SWI),
    "phases of three echoes first": Case((MEGRE_PHASES,), (MEGRE,)),
    "references last": Case(REFERENCED, REFERENCES),
    "one reference last": Case((*REFERENCED, REFERENCES[0]), REFERENCES[1:]),
    "phase last": Case(RUNS[:1], PHASES[:1], ("task-nback_bold", "task-nback_part-phase_bold")),
    "phase of the second run last": Case(
        RUNS, PHASES[1:], ("task-nback_run-1_bold", "task-nback_run-2_bold", "task-nback_run-2_part-phase_bold")
    ),
    "another run with its phase last": Case(
        RUNS[:1],
        (RUNS[1], PHASES[1]),
        ("task-nback_bold", "task-nback_run-2_part-mag_bold", "task-nback_run-2_part-phase_bold"),
    ),
    "phase of another geometry last": Case(
        RUNS[:1],
        (make(4, "bold_nback", s.BOLD, phase(), volumes=300, matrix=(90, 90, 60)),),
        ("task-nback_bold", "task-nback_run-2_part-phase_bold"),
    ),
    "phase of another task last": Case(
        (bold(1, "bold_rest", at=5),), (pha(4, 15),), ("task-rest_bold", "task-nback_part-phase_bold")
    ),
    "phase of another run last": Case(
        RUNS[:1], PHASES[1:], ("task-nback_bold", "task-nback_run-2_part-phase_bold")
    ),
    "phase of another task last, times are gone": Case(
        (untimed(bold(1, "bold_rest")),), (untimed(pha(4, 15)),), ("task-rest_bold", "task-nback_part-phase_bold")
    ),
    "phase of another task last, all have one time": Case(
        (bold(1, "bold_rest", at=5),), (pha(4, 5),), ("task-rest_bold", "task-nback_part-phase_bold")
    ),
    "phases of three echoes last": Case(
        (MEGRE,),
        (MEGRE_PHASES,),
        (*(f"echo-{echo}_MEGRE" for echo in (1, 2, 3)), *(f"echo-{echo}_part-phase_MEGRE" for echo in (1, 2, 3))),
    ),
    "reference of another direction waits": Case(
        REFERENCED[:1], (sbref(1, "bold_nback_SBRef", {**s.BOLD, "PhaseEncodingPositive": s.PA}),),
        ("task-nback_bold",),
    ),
    "reference of another task waits": Case(REFERENCED[:1], (sbref(1, "bold_rest_SBRef"),), ("task-nback_bold",)),
    "reference after its run waits": Case(RUNS[:1], REFERENCES[1:], ("task-nback_bold",)),
    "reference of a lost run waits": Case(
        (bold(6, "bold_nback", at=125),), (sbref(3, "bold_nback_SBRef", at=5),), ("task-nback_bold",)
    ),
    "reference of the next number is that of a run, whatever clocks say": Case(
        (bold(6, "bold_nback", at=125),), (sbref(5, "bold_nback_SBRef", at=65),)
    ),
    "reference of a lost run waits, times are gone": Case(
        (untimed(bold(16, "bold_nback")),), (untimed(sbref(3, "bold_nback_SBRef")),), ("task-nback_bold",)
    ),
    "reference beside a later run waits": Case(
        (), (sbref(3, "bold_nback_SBRef", at=5), bold(6, "bold_nback", at=125)), ("task-nback_bold",)
    ),
    "second reference of a run waits": Case(
        (REFERENCES[0], REFERENCED[0]), (sbref(8, "bold_nback_SBRef", at=8),), ("task-nback_sbref", "task-nback_bold")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_comes_late_is_named_after_what_stands(name: str) -> None:
    case = CASES[name]
    found = plan_in_turn(case.first, case.second)
    if case.names:
        assert sorted(path.partition("/")[2] for path in found.values()) == sorted(case.names)
    else:
        assert found == plan_in_turn([*case.first, *case.second])


def test_a_reference_that_waits_is_named_when_its_run_has_come() -> None:
    """It is given again, which a second run on its export does."""
    found = plan_in_turn(REFERENCES, REFERENCED, REFERENCES)
    assert found == plan_in_turn([*REFERENCES, *REFERENCED])


def test_a_phase_waits_for_its_own_magnitude_under_its_own_name() -> None:
    """The run of another task stands; it gets the phase of its own."""
    rest, own = bold(1, "bold_rest", at=5), bold(3, "bold_nback", at=15)
    rest_phase = make(2, "bold_rest", s.BOLD, phase(), volumes=300, at=5)
    found = plan_in_turn((rest,), (pha(4, 15),), (own,), (rest_phase,))
    assert {uid: path.partition("/")[2] for (uid, _), path in found.items()} == {
        rest.uid: "task-rest_bold",
        rest_phase.uid: "task-rest_part-phase_bold",
        own.uid: "task-nback_part-mag_bold",
        pha(4, 15).uid: "task-nback_part-phase_bold",
    }


def test_a_phase_is_of_its_moment_whatever_a_person_called_its_magnitude() -> None:
    """Whoever wrote another task into a plan gets the phase under that."""
    first = bold(1, "bold_rest", at=5)
    found = plan_in_turn(
        (first, bold(3, "bold_rest", at=15)), (make(2, "bold_nback", s.BOLD, phase(), volumes=300, at=5),)
    )
    assert sorted(path.partition("/")[2] for path in found.values())[1:] == [
        "task-rest_run-1_part-phase_bold",
        "task-rest_run-2_bold",
    ]


def test_a_reference_of_a_lost_run_leaves_its_place_to_the_true_one() -> None:
    run, lost, true = (
        bold(6, "bold_nback", at=125),
        sbref(3, "bold_nback_SBRef", at=5),
        sbref(5, "bold_nback_SBRef", at=124),
    )
    found = plan_in_turn((run,), (lost,), (true,))
    assert {uid: path.partition("/")[2] for (uid, _), path in found.items()} == {
        run.uid: "task-nback_bold",
        true.uid: "task-nback_sbref",
    }
