"""Echoes that are series of their own: one run where they were measured together, runs of their own elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from bidsflow.convert.plan import PlanRow
from bidsflow.dicom.echoes import join_echoes
from bidsflow.dicom.series import Series
from tests.convert.naming import scans as s
from tests.convert.naming.scans import make, plan_of, short

TIMES = (13.0, 31.0, 49.0)
T1 = make(1, "t1", s.MPRAGE)


def run(
    first: int, *descriptions: str, at: float | None = 60.0, apart: float = 0.0, volumes: int = 300, **tags: Any
) -> list[Series]:
    """Return the echoes of a run, each a series; they begin `apart` minutes from each other."""
    return [
        echo(first + rank, descriptions[rank % len(descriptions)], rank, at=None if at is None else at + rank * apart,
             volumes=volumes, **tags)
        for rank in range(3)
    ]  # fmt: skip


def echo(number: int, description: str, rank: int, **more: Any) -> Series:
    given = {"protocol": "bold_me_movie", "EchoNumbers": rank + 1, **more}
    return make(number, description, {**s.BOLD, "EchoTime": TIMES[rank]}, **given)


def named(series: Sequence[Series]) -> list[str]:
    return [f"{short(row)}|{row.repeat}" if row.repeat else short(row) for row in rows_of(series)]


def rows_of(series: Sequence[Series]) -> list[PlanRow]:
    return [row for row in plan_of([T1, *series]) if row.series_uid != T1.uid]


def bolds(*labels: str) -> list[str]:
    return [f"func/task-{label}_bold" for label in labels]


MOVIE = bolds("movie_echo-1", "movie_echo-2", "movie_echo-3")
APART = bolds("movie_acq-TE13", "movie_acq-TE31", "movie_acq-TE49")
TWICE = bolds(*(f"movie_run-{number}_echo-{rank}" for number in (1, 2) for rank in (1, 2, 3)))
PHASE = "ORIGINAL\\PRIMARY\\P\\ND"


class Case(NamedTuple):
    series: list[Series]
    expected: list[str]


def megre(first: int, kind: str = s.RAW, component: str = "magnitude") -> list[Series]:
    parts = [s.Part(te=te, component=component, tags={"ImageType": kind}) for te in (5.0, 10.0, 15.0, 20.0)]
    return [
        make(first + rank, "gre_qsm", {**s.FLASH3D, "RepetitionTime": 35}, part, at=60, EchoNumbers=rank + 1)
        for rank, part in enumerate(parts)
    ]


CASES = {
    "alike in everything": Case(run(5, "bold_me_movie"), MOVIE),
    "echoes in the descriptions": Case(run(5, "bold_me_movie_E1", "bold_me_movie_E2", "bold_me_movie_E3"), MOVIE),
    "echoes as CMRR counts them": Case(run(5, "me_movie_E00_M", "me_movie_E01_M", "me_movie_E02_M"), MOVIE),
    "a word for each": Case(run(5, "movie_first", "movie_second", "movie_third"),
                            [one.replace("movie", "movieFirst") for one in MOVIE]),
    "within a repetition": Case(run(5, "bold_me_movie", apart=0.3 / 60), MOVIE),
    "no numbers of echoes": Case(run(5, "bold_me_movie", EchoNumbers=""), MOVIE),
    "runs of other echo times one after the other": Case(run(5, "bold_me_movie", apart=10), APART),
    "runs of other echo times, all first echoes": Case(run(5, "bold_me_movie", apart=10, EchoNumbers=1), APART),
    "numbers against times": Case(
        [echo(5 + rank, "bold_me_movie", rank, at=60, volumes=300, EchoNumbers=3 - rank) for rank in range(3)], MOVIE
    ),
    "measured twice": Case([*run(5, "bold_me_movie"), *run(8, "bold_me_movie", at=75)], TWICE),
    "a repeat that was stopped": Case(
        [*run(5, "bold_me_movie", PlannedVolumes=300), *run(8, "bold_me_movie", at=75, volumes=40, PlannedVolumes=300)],
        [*(f"{one}|keep" for one in MOVIE),
         *(f"review|aborted (40 of 300 volumes), series {number} is whole" for number in (5, 6, 7))],
    ),
    "a short third echo": Case(
        [*run(5, "bold_me_movie", PlannedVolumes=300)[:2], echo(7, "bold_me_movie", 2, at=60, volumes=200,
                                                                 PlannedVolumes=300)],
        [*MOVIE[:2], "review|short (200 of 300 volumes)"],
    ),
    "a short third echo, and the run again": Case(
        [*run(5, "bold_me_movie", PlannedVolumes=300)[:2],
         echo(7, "bold_me_movie", 2, at=60, volumes=200, PlannedVolumes=300),
         *run(8, "bold_me_movie", at=75, PlannedVolumes=300)],
        [*TWICE[:2], "review|short (200 of 300 volumes)", *TWICE[3:]],
    ),
    "with references": Case(
        [*(make(5 + rank, "bold_me_movie_SBRef", {**s.BOLD, "EchoTime": te}, volumes=1, at=59, EchoNumbers=rank + 1,
                protocol="bold_me_movie") for rank, te in enumerate(TIMES)), *run(8, "bold_me_movie")],
        [*(one.replace("_bold", "_sbref") for one in MOVIE), *MOVIE],
    ),
    "no times": Case([*run(5, "bold_me_movie", at=None), *run(8, "bold_me_movie", at=None)], TWICE),
    "no times, and numbers against echo times": Case(
        [echo(5 + rank, "bold_me_movie", 2 - rank, at=None, volumes=300, EchoNumbers=rank + 1) for rank in range(3)],
        APART[::-1],
    ),
    "no times, and runs of other echo times": Case(run(5, "bold_me_movie", at=None, EchoNumbers=1), APART),
    "anatomy with a phase for each": Case(
        [*megre(5), *megre(9, PHASE, "phase")],
        [f"anat/echo-{rank}_part-{part}_MEGRE" for part in ("mag", "phase") for rank in (1, 2, 3, 4)],
    ),
    "spin echoes stay proton density and T2": Case(
        [make(5, "pd+t2", {**s.TSE, "EchoTime": 11}, at=60, EchoNumbers=1),
         make(6, "pd+t2", {**s.TSE, "EchoTime": 96}, at=60, EchoNumbers=2)],
        ["anat/PDw", "anat/T2w"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_echoes_in_series_of_their_own(name: str) -> None:
    series, expected = CASES[name]
    assert named(series) == expected


def test_missing_echo_is_told() -> None:
    first, _, third = run(5, "bold_me_movie")
    rows = rows_of([first, third])
    assert [row.path.rpartition("/")[2] for row in rows] == [
        "sub-01_task-movie_echo-1_bold", "sub-01_task-movie_echo-3_bold"]  # fmt: skip
    assert all(row.evidence.startswith("Echo 2 is missing in the export (there are 1 and 3)") for row in rows)


UNNUMBERED = {"EchoNumbers": ""}


@pytest.mark.parametrize(("lost", "left"), [(0, "2 and 3"), (1, "1 and 3")])
def test_echo_that_another_run_of_its_protocol_has_is_missed(lost: int, left: str) -> None:
    again = run(15, "bold_me_movie", at=90, **UNNUMBERED)
    del again[lost]
    rows = rows_of([*run(5, "bold_me_movie", **UNNUMBERED), *again])
    assert [short(row) for row in rows[:3]] == MOVIE
    said = f"Echo {lost + 1} is missing in the export (there are {left}; another run of its protocol has 13 and 31"
    assert [row.evidence.startswith(said) for row in rows[3:]] == [True, True]
    assert [row.path.split("echo-")[1][0] for row in rows[3:]] == left.split(" and ")


def test_echo_that_waits_is_not_missed() -> None:
    first, second, third = run(5, "bold_me_movie", **UNNUMBERED)
    waiting = replace(second, incomplete=("a slice is missing",))
    rows = rows_of([first, waiting, third])
    assert [row.path.split("echo-")[1][0] for row in rows] == ["1", "2", "3"]
    assert "missing in the export" not in " ".join(row.evidence for row in rows)


def test_fewer_echoes_from_the_first_on_are_no_loss() -> None:
    series = [*run(5, "bold_me_movie", **UNNUMBERED), *run(15, "bold_me_movie", at=90, **UNNUMBERED)[:2]]
    assert named(series) == TWICE[:5]


def test_other_echo_times_are_numbered_by_themselves() -> None:
    other = [replace(one, images=tuple(replace(image, echo_time=image.echo_time + 1) for image in one.images))
             for one in run(15, "bold_me_movie", at=90, **UNNUMBERED)]  # fmt: skip
    assert not [one for one in named([*run(5, "bold_me_movie", **UNNUMBERED), *other]) if one == "review"]


def test_a_run_that_is_all_there_is_needs_no_other_time() -> None:
    rows = plan_of(run(5, "bold_me_movie", **UNNUMBERED))
    assert [short(row) for row in rows] == MOVIE


@pytest.mark.parametrize("at", [None, -540.0])
def test_series_without_a_time_that_are_all_there_is_stay_apart(at: float | None) -> None:
    rows = plan_of(run(5, "bold_me_movie", at=at, **UNNUMBERED))
    assert [short(row) for row in rows] == APART


def test_two_runs_at_one_moment_that_are_all_there_is_stay_apart() -> None:
    rows = plan_of([*run(5, "bold_me_movie", **UNNUMBERED), *run(15, "bold_me_movie", **UNNUMBERED)])
    assert not any("_echo-" in row.path for row in rows)


def test_short_echo_says_which_it_is_compared_with() -> None:
    first, second, _ = run(5, "bold_me_movie")
    row = rows_of([first, second, echo(7, "bold_me_movie", 2, at=60, volumes=20)])[2]
    said = (
        "Images of this echo are missing in the export: it holds 20 volumes, and echo 1 of the same run (series 5) 300"
    )
    assert row.evidence.startswith(said)
    assert row.path.endswith("task-movie_echo-3_bold")


@pytest.mark.parametrize("started", ["20220711246199.5", "20229911100000", "2022071110", "x"])
def test_times_that_are_none_stop_nothing(started: str) -> None:
    series = [replace(one, started=started) for one in run(5, "bold_me_movie")]
    assert [one.images[0].echo for one in join_echoes(series)] == [1, 2, 3]  # by their numbers


def test_sent_twice_echoes_are_two_measurements() -> None:
    once = run(5, "bold_me_movie")
    again = [replace(one, uid=f"{one.uid}.9", number=one.number + 100) for one in once]
    joined = join_echoes([T1, *again, *once])
    assert [one.measurement for one in joined] == ["", *[f"{once[0].uid}.9"] * 3, *[once[0].uid] * 3]


def test_half_a_copy_is_no_echo() -> None:
    once = run(5, "bold_me_movie")
    assert join_echoes([T1, *once, replace(once[0], uid="9.9", number=105)]) == (
        T1, *once, replace(once[0], uid="9.9", number=105))  # fmt: skip
