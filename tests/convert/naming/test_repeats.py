"""Runs that were stopped, that are short, or that were measured again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil, floor
from statistics import median
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.convert.cohort import Cohort, Usual, find_usual, name_protocol, protocol_of, summarise
from bidsflow.convert.known import Known
from bidsflow.convert.plan import Decision, PlanRow, check_rows
from bidsflow.convert.planner import make_plan
from bidsflow.dicom.series import Patient, Series
from tests.convert.naming import scans as s
from tests.convert.naming.scans import ANNA, bold, inventory_of, make, plan_of, sbref, short


def person(number: int) -> Patient:
    return Patient(f"Q{number}", f"PERSON {number}", "19810101", "M")


def others(volumes: Sequence[int], description: str = "bold_rest", **more: Any) -> list[Series]:
    """Return one run of each of several people."""
    return [
        bold(5, description, count, patient=person(rank), study=f"1.9.{rank}", **more)
        for rank, count in enumerate(volumes, start=1)
    ]


def back(number: int, description: str, volumes: int = 300, **more: Any) -> Series:
    """Return a run whose phase encoding runs from back to front."""
    return bold(number, description, volumes, PhaseEncodingPositive=s.PA, **more)


def of_anna(series: Sequence[Series], **more: Any) -> list[PlanRow]:
    own = {one.uid for one in series if one.patient == ANNA}
    return [row for row in plan_of(series, **more) if row.series_uid in own]


GE = {"Manufacturer": "GE MEDICAL SYSTEMS"}


class Case(NamedTuple):
    """Series, and for each the short name or decision, with what the column says behind a bar."""

    series: list[Series]
    expected: tuple[str, ...]


CASES = {
    "stopped and repeated": Case(
        [sbref(1, "bold_a_SBRef"), bold(2, "bold_a", 40, PlannedVolumes=300), sbref(3, "bold_a_SBRef"),
         bold(4, "bold_a", PlannedVolumes=300)],
        ("review|aborted (40 of 300 volumes), repeated by series 4",
         "review|aborted (40 of 300 volumes), repeated by series 4", "func/task-a_sbref|", "func/task-a_bold|keep"),
    ),
    "stopped, and repeated under a name that says so": Case(
        [sbref(1, "rest_SBRef"), bold(2, "rest", 40, PlannedVolumes=300), sbref(3, "rest_rerun_SBRef"),
         bold(4, "rest_rerun", PlannedVolumes=300)],
        ("review|aborted (40 of 300 volumes), repeated by series 4",
         "review|aborted (40 of 300 volumes), repeated by series 4",
         "func/task-rest_sbref|", "func/task-rest_bold|keep"),
    ),
    "shorter, of another condition": Case(
        [bold(1, "rest_EO", 40), bold(2, "rest_EC")], ("func/task-restEO_bold|", "func/task-restEC_bold|"),
    ),
    "stopped twice": Case(
        [bold(1, "bold_a", 40, PlannedVolumes=300), bold(2, "bold_a", 3, PlannedVolumes=300),
         bold(3, "bold_a", PlannedVolumes=300)],
        ("review|aborted (40 of 300 volumes), repeated by series 3",
         "review|aborted (3 of 300 volumes), repeated by series 3", "func/task-a_bold|keep"),
    ),
    "two runs, of which one was stopped": Case(
        [bold(1, "bold_a", PlannedVolumes=300), bold(2, "bold_a", 40, PlannedVolumes=300),
         bold(3, "bold_a", PlannedVolumes=300)],
        ("func/task-a_run-1_bold|keep", "review|aborted (40 of 300 volumes), repeated by series 3",
         "func/task-a_run-2_bold|keep"),
    ),
    "three runs, and one was stopped": Case(
        [*(bold(n, "bold_a", PlannedVolumes=300) for n in (1, 2, 3)), bold(4, "bold_a", 40, PlannedVolumes=300)],
        (*(f"func/task-a_run-{n}_bold|keep" for n in (1, 2, 3)),
         "review|aborted (40 of 300 volumes), series 1 is whole"),
    ),
    "the repeat was stopped": Case(
        [bold(1, "bold_a", PlannedVolumes=300), bold(2, "bold_a", 40, PlannedVolumes=300)],
        ("func/task-a_bold|keep", "review|aborted (40 of 300 volumes), series 1 is whole"),
    ),
    "the repeat was stopped, too": Case(
        [bold(1, "bold_a", 40, PlannedVolumes=300), bold(2, "bold_a", 200, PlannedVolumes=300)],
        ("review|aborted (40 of 300 volumes), repeated by series 2", "func/task-a_bold|short (200 of 300 volumes)"),
    ),
    "short and alone": Case(
        [bold(2, "bold_a", 40, PlannedVolumes=300)], ("func/task-a_bold|short (40 of 300 volumes)",)
    ),
    "diffusion that was cut": Case(
        [make(2, "dti", s.DWI, volumes=20, b=s.SHELL, PlannedVolumes=65),
         make(3, "dti", s.DWI, volumes=65, b=s.SHELL, PlannedVolumes=65)],
        ("review|aborted (20 of 65 volumes), repeated by series 3", "dwi/dir-AP_dwi|keep"),
    ),
    "diffusion that was stopped before its weighted volumes": Case(
        [make(2, "dti", s.DWI, b=(0.0,), PlannedVolumes=65),
         make(3, "dti", s.DWI, volumes=65, b=s.SHELL, PlannedVolumes=65)],
        ("review|aborted (1 of 65 volumes), repeated by series 3", "dwi/dir-AP_dwi|keep"),
    ),
    "a half of a field map that was measured as diffusion": Case(
        [make(2, "dti", s.DWI, b=(0.0,), PlannedVolumes=1),
         make(3, "dti", s.DWI, volumes=65, b=s.SHELL, PlannedVolumes=65)],
        ("fmap/dir-AP_epi|", "dwi/dir-AP_dwi|"),
    ),
    "a half that was stopped on purpose, against the run": Case(
        [make(2, "dti", {**s.DWI, "PhaseEncodingPositive": s.PA}, b=(0.0,), PlannedVolumes=65),
         make(3, "dti", s.DWI, volumes=65, b=s.SHELL, PlannedVolumes=65)],
        ("fmap/dir-PA_epi|", "dwi/dir-AP_dwi|"),
    ),
    "a run of few volumes against the same task": Case(
        [bold(1, "REST_AP"), back(2, "REST_PA", 8, PlannedVolumes=300), back(3, "REST_PA", PlannedVolumes=300)],
        ("func/task-rest_dir-AP_bold|", "review|aborted (8 of 300 volumes), repeated by series 3",
         "func/task-rest_dir-PA_bold|keep"),
    ),
    "a run of few volumes against another task, and nothing is planned": Case(
        [bold(1, "task-rest_AP"), back(2, "task-nback_PA", 8), back(3, "task-nback_PA")],
        ("func/task-rest_bold|", "review|perhaps aborted (8 volumes), series 3 has 300", "func/task-nback_bold|keep"),
    ),
    "a run of few volumes that was not repeated, against another": Case(
        [bold(1, "REST_AP"), back(2, "REST_PA", 8, PlannedVolumes=300)],
        ("func/task-rest_bold|", "review|"),
    ),
    "two stopped runs of few volumes against each other": Case(
        [bold(1, "REST_AP", 8, PlannedVolumes=300), bold(2, "REST_AP"),
         back(3, "REST_PA", 8, PlannedVolumes=300), back(4, "REST_PA")],
        ("review|aborted (8 of 300 volumes), repeated by series 2", "func/task-rest_dir-AP_bold|keep",
         "review|aborted (8 of 300 volumes), repeated by series 4", "func/task-rest_dir-PA_bold|keep"),
    ),
    "few volumes where other people have many, against a run": Case(
        [bold(4, "bold_rest_AP"), back(5, "bold_rest_PA", 8), *others([300] * 3, "bold_rest_PA")],
        ("func/task-rest_bold|", "review|"),
    ),
    "few volumes under the name of a run, as they were planned": Case(
        [bold(1, "REST_AP"), back(2, "REST_PA", PlannedVolumes=300), back(3, "REST_PA", 8, PlannedVolumes=8)],
        ("func/task-rest_dir-AP_bold|", "func/task-rest_dir-PA_bold|", "review|"),
    ),
    "half of a field map that was planned with few volumes": Case(
        [bold(1, "REST_AP"), back(2, "REST_PA", 3, PlannedVolumes=5)],
        ("func/task-rest_bold|", "fmap/dir-PA_epi|"),
    ),
    "nothing is planned, and nobody else was scanned": Case(
        [bold(1, "bold_a", 40, **GE), bold(2, "bold_a", 300, **GE)],
        ("review|perhaps aborted (40 volumes), series 2 has 300", "func/task-a_bold|keep"),
    ),
    "two whole runs": Case(
        [bold(1, "bold_a"), bold(2, "bold_a")], ("func/task-a_run-1_bold|", "func/task-a_run-2_bold|")
    ),
    "all echoes of a stopped run": Case(
        [make(1, "bold_me", s.BOLD, *s.echoes(12, 30), volumes=9, PlannedVolumes=99),
         make(2, "bold_me", s.BOLD, *s.echoes(12, 30), volumes=99, PlannedVolumes=99)],
        (*["review|aborted (9 of 99 volumes), repeated by series 2"] * 2, "func/task-bold_echo-1_bold|keep",
         "func/task-bold_echo-2_bold|keep"),
    ),
    "anatomy again": Case(
        [make(1, "t1", s.MPRAGE), bold(2, "bold_a"), make(3, "t1", s.MPRAGE), make(4, "t1", s.MPRAGE)],
        ("anat/run-1_T1w|repeated by series 3", "func/task-a_bold|", "anat/run-2_T1w|repeated by series 4",
         "anat/run-3_T1w|repeats series 3"),
    ),
    "shorter than three other people": Case(
        [bold(5, "bold_rest", 200), *others([300, 300, 300])], ("func/task-rest_bold|short (200 of 300 volumes)",)
    ),
    "what others have tells which of two is whole": Case(
        [bold(5, "bold_rest", 280, **GE), bold(6, "bold_rest", 300, **GE), *others([280, 290, 310, 300], **GE)],
        ("func/task-rest_run-1_bold|", "func/task-rest_run-2_bold|"),
    ),
    "two other people are too few": Case([bold(5, "bold_rest", 200), *others([300, 300])], ("func/task-rest_bold|",)),
    "others whose runs were stopped count as little as the longest does": Case(
        [bold(5, "bold_rest", 300), *others([300, 12, 300, 300])], ("func/task-rest_bold|",)
    ),
    "other people differ among themselves": Case(
        [bold(5, "bold_rest", 280), *others([280, 300, 320])], ("func/task-rest_bold|",)
    ),
    "other people had another protocol": Case(
        [bold(5, "bold_rest", 200), *others([300] * 4, "bold_film")], ("func/task-rest_bold|",)
    ),
    "other people had other physics": Case(
        [bold(5, "bold_rest", 200), *others([300] * 4, RepetitionTime=1400)], ("func/task-rest_bold|",)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_repeats_are_told(name: str) -> None:
    case = CASES[name]
    rows = of_anna(case.series)
    assert tuple(f"{short(row)}|{row.repeat}" for row in rows) == case.expected


@pytest.mark.parametrize("name", CASES)
def test_every_decision_may_be_set_to_convert_alone(name: str) -> None:
    rows = [row for row in of_anna(CASES[name].series) if row.path != "n/a"]
    assert len({row.path for row in rows}) == len(rows)


def test_a_stopped_run_is_proposed_under_a_name_that_the_dataset_does_not_have() -> None:
    taken = {("1.9", 1): "sub-01/func/sub-01_task-a_run-2_bold"}
    series = [
        sbref(1, "bold_a_SBRef"),
        bold(2, "bold_a", 40, PlannedVolumes=300),
        bold(4, "bold_a", PlannedVolumes=300),
    ]
    paths = [row.path.rsplit("/", 1)[1] for row in plan_of(series, taken=taken)]
    assert paths == ["sub-01_task-a_run-3_sbref", "sub-01_task-a_run-3_bold", "sub-01_task-a_bold"]


def test_nothing_is_proposed_under_a_name_that_the_dataset_has_for_another_image() -> None:
    taken = {("1.9", 1): "sub-01/anat/sub-01_T1w", ("1.8", 1): "sub-01/anat/sub-01_run-2_T1w"}
    series = [replace(make(1, "t1_mprage", s.MPRAGE), incomplete=("it lacks slices",)), make(2, "t2_tse", s.TSE)]
    rows = plan_of(series, taken=taken)
    assert [(row.decision, row.path) for row in rows] == [
        (Decision.REVIEW, "sub-01/anat/sub-01_run-3_T1w"), (Decision.CONVERT, "sub-01/anat/sub-01_T2w"),
    ]  # fmt: skip
    assert rows[0].evidence.endswith("The run that is proposed is free.")


ONE_NAME = {
    "corrected twice": [
        make(3, "ORIG Ax T2", s.GE_FSE, EchoTime=100, protocol="Ax T2", at=9),
        make(300, "PU:Ax T2", s.GE_FSE, EchoTime=100, protocol="Ax T2", at=9),
    ],
    "echoes that may separate water and fat": [make(1, "t1_vibe", s.FLASH3D, *s.echoes(1.23, 2.46, 3.69))],
    "magnitudes and phases of such echoes": [
        make(1, "t1_vibe", s.FLASH3D, *s.echoes(1.2, 2.4, 3.6), *(s.phase(te=te) for te in (1.2, 2.4, 3.6)))
    ],
}  # fmt: skip


@pytest.mark.parametrize("taken", [False, True], ids=["new dataset", "dataset that has the names"])
@pytest.mark.parametrize("name", ONE_NAME)
def test_who_converts_all_that_is_proposed_gets_a_file_of_each(name: str, taken: bool) -> None:
    rows = plan_of(ONE_NAME[name])
    held = {(f"9.{row.series_uid}", row.image): row.path for row in rows} if taken else {}
    rows = plan_of(ONE_NAME[name], taken=held)
    assert {row.decision for row in rows} == {Decision.REVIEW}
    assert check_rows([replace(row, decision=Decision.CONVERT) for row in rows]) == []
    assert not {row.path for row in rows} & set(held.values())


def test_a_stopped_run_keeps_its_field_map_for_the_person_who_wants_it() -> None:
    series = [s.magnitudes(1), s.phase_difference(2), *(bold(n, "bold_a", 150 * (n - 2), PlannedVolumes=300)
                                                      for n in (3, 4))]  # fmt: skip
    stopped = next(row for row in plan_of(series) if row.series_number == 3)
    assert (stopped.decision, stopped.path, stopped.b0_source) == (
        Decision.REVIEW, "sub-01/func/sub-01_task-a_run-2_bold", "gre1",
    )  # fmt: skip


def test_a_run_that_is_short_and_alone_is_warned_of() -> None:
    (note,) = make_plan(inventory_of([bold(2, "bold_a", 40, PlannedVolumes=300)])).plan.notes
    assert note == (
        "sub-01: series 2 (bold_a) is short (40 of 300 volumes); nothing repeats it, and it is converted: set its "
        "decision to skip if you do not want it"
    )


def test_of_a_short_run_that_the_dataset_has_nobody_says_that_it_is_converted() -> None:
    """It may be another part of its series, which replaces nothing."""
    series = bold(2, "bold_a", 40, PlannedVolumes=300)
    known = Known(taken={(series.uid, 1): "sub-01/func/sub-01_task-a_bold"})
    (note,) = make_plan(inventory_of([series]), known).plan.notes
    assert note.endswith("nothing repeats it, and the dataset has an image of its series already")


def test_a_run_whose_last_volume_is_not_whole_gives_way_to_the_repeat() -> None:
    cut = "a volume is incomplete: 1190 images do not fill volumes of 32 slices"
    first = replace(bold(1, "bold_a", 38, **GE), incomplete=(cut,), problems=(cut,))
    rows = plan_of([first, bold(2, "bold_a", 38, **GE)])
    assert [row.repeat for row in rows] == ["aborted (its last volume is not whole), repeated by series 2", "keep"]
    assert rows[0].decision is Decision.REVIEW


def test_people_of_the_dataset_count_as_those_of_the_export() -> None:
    run = bold(5, "bold_rest", 200)
    people = {"07": 300, "08": 300, "09": 300}
    before = Cohort({protocol_of(run, run.images[0]): people})
    assert [row.repeat for row in plan_of([run], cohort=before)] == ["short (200 of 300 volumes)"]
    assert [row.repeat for row in plan_of([run], cohort=Cohort({"x": people}))] == [""]


class Unlisted(dict[str, int]):
    """Tells of one person, and refuses to go through all."""

    def __iter__(self) -> Iterator[str]:
        raise AssertionError("everyone was gone through")

    items = values = __iter__  # type: ignore[assignment]


def test_everyone_is_counted_once_and_not_gone_through_for_each_person() -> None:
    run = bold(5, "bold_rest", 200)
    protocol = protocol_of(run, run.images[0])
    everyone = {"01": 200, "07": 300, "08": 300, "09": 320}
    cohort = Cohort({protocol: Unlisted(everyone)}, counts={protocol: Counter(everyone.values())})
    assert find_usual(cohort, [run], "01") == {(run.uid, 1): summarise([300, 300, 320])}
    assert find_usual(cohort, [run], "10") == {(run.uid, 1): summarise([200, 300, 300, 320])}


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_usual_is_the_median_and_its_deviation(volumes: list[int]) -> None:
    middle = median(volumes)
    spread = median(abs(one - middle) for one in volumes)
    assert summarise(volumes) == Usual(floor(middle), ceil(middle - 3 * 1.4826 * spread), len(volumes))


def t1(person_: Patient, slices: int, study: str = "1.2.3", **more: Any) -> Series:
    tags = {**s.MPRAGE, "matrix": (256, 240, slices), **more}
    return make(2, "t1_mprage", tags, patient=person_, study=study)


def t1s(*slices: int) -> list[Series]:
    return [t1(person(rank), count, f"1.9.{rank}") for rank, count in enumerate(slices, start=1)]


class Peers(NamedTuple):
    own: Series
    others: list[Series]
    told: bool


PEERS = {
    "fewer slices than four others": Peers(t1(ANNA, 160), t1s(176, 176, 176, 176), True),
    "as many as others": Peers(t1(ANNA, 176), t1s(176, 176, 176, 160), False),
    "others but for one": Peers(t1(ANNA, 160), t1s(176, 176, 176, 176, 160), True),
    "others differ": Peers(t1(ANNA, 160), t1s(176, 176, 176, 168, 192), False),
    "two others": Peers(t1(ANNA, 160), t1s(176, 176), False),
    "another kind of image": Peers(t1(ANNA, 160, ImageType=s.NORM), t1s(176, 176, 176, 176), False),
}


@pytest.mark.parametrize("name", PEERS)
def test_another_matrix_than_others_have_is_noted(name: str) -> None:
    own, others_, told = PEERS[name]
    plan = make_plan(inventory_of([own, *others_])).plan
    (row,) = (row for row in plan.rows if row.series_uid == own.uid)
    assert row.decision is Decision.CONVERT
    assert ("it has 256 x 240 x 160 voxels, and 4 other people have 256 x 240 x 176" in row.evidence) is told
    assert [note.endswith("look whether slices were lost or the protocol was changed") for note in plan.notes
            if "t1_mprage" in note and row.path.split("/")[0] in note] == [True] * told  # fmt: skip


def test_two_matrices_that_everyone_has_under_one_protocol_are_not_noted() -> None:
    both = [replace(one, uid=f"{one.uid}.{rank}", number=rank) for rank, slices in enumerate((160, 176), start=2)
            for one in t1s(*[slices] * 5)]  # fmt: skip
    rows = make_plan(inventory_of(both)).plan.rows
    assert [row.decision for row in rows] == [Decision.CONVERT] * 10
    assert not [row.evidence for row in rows if "other people have" in row.evidence]


def test_the_matrices_of_the_dataset_count_as_those_of_the_export() -> None:
    own = t1(ANNA, 160)
    before = Cohort(shapes={name_protocol(own, own.images[0]): {n: frozenset({(256, 240, 176)}) for n in "789"}})
    (row,) = plan_of([own], cohort=before)
    assert "3 other people have 256 x 240 x 176" in row.evidence


class Held(NamedTuple):
    """What the dataset has of the names ``task-a_bold``, ``task-a_run-2_bold``, and volumes of the new run."""

    volumes: tuple[int, ...]
    new: int
    planned: int
    told: bool


HELD = {
    "stopped": Held((40,), 300, 300, True),
    "stopped, and nothing is planned": Held((40,), 300, 0, True),
    "nearly as long, and nothing is planned": Held((280,), 300, 0, False),
    "whole": Held((300,), 300, 300, False),
    "the new one is shorter": Held((40,), 30, 300, False),
    "one of two is whole": Held((40, 300), 300, 300, False),
    "all were stopped": Held((40, 50), 300, 300, True),
}


@pytest.mark.parametrize("name", HELD)
def test_a_shorter_run_under_its_name_is_said_of_a_repeat(name: str) -> None:
    volumes, count, planned, told = HELD[name]
    run = bold(5, "bold_a", count, **({"PlannedVolumes": planned} if planned else {}))
    protocol = protocol_of(run, run.images[0])
    paths = ["sub-01/func/sub-01_task-a_bold", "sub-01/func/sub-01_task-a_run-2_bold"][: len(volumes)]
    cohort = Cohort(lengths={path: (protocol, held) for path, held in zip(paths, volumes, strict=True)})
    taken = {("1.7", rank): path for rank, path in enumerate(paths)}
    (row,) = plan_of([run], taken=taken, cohort=cohort)
    assert ("The dataset has a shorter run under sub-01/func/sub-01_task-a_bold (40 of 300" in row.evidence) is told


def test_another_protocol_under_the_name_of_a_run_is_no_shorter_run() -> None:
    path = "sub-01/func/sub-01_task-a_bold"
    rows = plan_of([bold(5, "bold_a", 300)], taken={("1.7", 1): path}, cohort=Cohort(lengths={path: ("other", 4)}))
    assert "shorter" not in rows[0].evidence
