"""Two studies are one visit where the person never left the scanner, and only there."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from bidsflow.convert.known import Known
from bidsflow.convert.planner import make_plan
from bidsflow.convert.subjects import Key, Sessions, assign
from bidsflow.dicom.grouping import find_collisions
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Conflict, Image, Inventory, Patient, Series

T1W = {"Modality": "MR", "ScanningSequence": "GR\\IR", "EchoTime": "3", "RepetitionTime": "2300",
       "InversionTime": "900", "MRAcquisitionType": "3D"}  # fmt: skip


def scan(study: str, number: int, started: str, frame: str = "", device: str = "S1", person: str = "A") -> Series:
    header = Header({**T1W, "StudyDate": started[:8], "FrameOfReferenceUID": frame, "DeviceSerialNumber": device})
    images = (Image(header, (64, 64, 30), 1, n_instances=1),)
    return Series(f"{study}.{number}", study, Patient(person, "", "", "F"), number, "t1", "t1", started, images, (),
                  header)  # fmt: skip


class Case(NamedTuple):
    """When the second study begins, and what else of it differs from the first, which ends at 10:00."""

    started: str
    frame: str = "1.9"
    device: str = "S1"
    person: str = "A"


FIRST = (scan("1", 1, "20240301093000", "1.9"), scan("1", 2, "20240301100000", "1.9"))
TWO_VISITS = {
    "another frame of reference": Case("20240301100900", "1.8"),
    "no frame of reference": Case("20240301100900", ""),
    "the next day": Case("20240302100900"),
    "hours later": Case("20240301121500"),
    "at the same time, in another frame of reference": Case("20240301095000", "1.8"),
    "another scanner": Case("20240301100900", "1.9", "S2"),
    "no time of day": Case("20240301"),
    "midnight, which is no time": Case("20240301000000"),
}


def sessions_of(case: Case, given: dict[str, str] | None = None) -> list[tuple[str, str]]:
    second = scan("2", 1, case.started, case.frame, case.device, case.person)
    places = assign((*FIRST, second), Key(), Sessions.AUTO, given).sessions
    return [places[study] for study in ("1", "2")]


def test_studies_with_one_frame_of_reference_that_follow_each_other_are_one_visit() -> None:
    assert sessions_of(Case("20240301100900")) == [("01", ""), ("01", "")]


def test_studies_that_alternate_in_one_frame_of_reference_are_one_visit() -> None:
    assert sessions_of(Case("20240301095000")) == [("01", ""), ("01", "")]


@pytest.mark.parametrize("name", TWO_VISITS)
def test_studies_with_less_in_common_are_two_visits(name: str) -> None:
    assert len(set(sessions_of(TWO_VISITS[name]))) == 2


def test_an_atlas_is_no_frame_of_reference_of_a_person() -> None:
    atlas = "1.2.840.10008.1.4.1.1"
    series = (scan("1", 1, "20240301093000", atlas), scan("2", 1, "20240301100000", atlas))
    assert len(set(assign(series, Key()).sessions.values())) == 2


def test_two_people_have_two_visits() -> None:
    assert sessions_of(Case("20240301100900", person="B")) == [("01", ""), ("02", "")]


def test_studies_that_the_protocol_gives_two_sessions_are_two() -> None:
    given = {"1": "pre", "2": "post"}
    assert sessions_of(Case("20240301100900"), given) == [("01", "pre"), ("01", "post")]


def test_three_studies_of_one_visit_share_a_session_beside_another_visit() -> None:
    series = (*FIRST, scan("2", 1, "20240301101000", "1.9"), scan("3", 1, "20240301110000", "1.9"),
              scan("4", 1, "20240401110000", "1.7"))  # fmt: skip
    assert list(assign(series, Key()).sessions.values()) == [("01", "01")] * 3 + [("01", "02")]


def test_study_joins_the_visit_that_the_dataset_has() -> None:
    key = Key({FIRST[0].patient.key: "7"}, {"2": ("7", "x")}, {"7": -40000})
    assert assign((*FIRST, scan("2", 1, "20240301100900", "1.9")), key).sessions["1"] == ("7", "x")


def test_second_study_of_a_visit_is_converted_into_a_dataset_without_sessions() -> None:
    first = make_plan(Inventory(FIRST, ()))
    taken = {(row.series_uid, row.image): row.path for row in first.plan.rows}
    both = Inventory((*FIRST, scan("2", 3, "20240301100900", "1.9")), ())
    (late,) = make_plan(both, Known(first.key, taken)).plan.rows[2:]
    assert (late.decision, late.path) == ("convert", "sub-01/anat/sub-01_run-3_T1w")


@pytest.mark.parametrize(
    ("frame", "says"),
    [("1.9", "sub-01: two studies 9 min apart are one visit"), ("1.8", "sub-01: ses-01 and ses-02 are 9 min apart")],
)
def test_visits_that_lie_close_are_noted_once(frame: str, says: str) -> None:
    inventory = Inventory((*FIRST, scan("2", 1, "20240301100900", frame)), ())
    planned = make_plan(inventory)
    (note,) = planned.plan.notes
    assert note.startswith(says)
    assert make_plan(inventory, Known(planned.key)).plan.notes == ()


@pytest.mark.parametrize(
    ("frames", "says"),
    [("1111", "sub-01: 4 studies (StudyInstanceUID), at most 10 min apart, are one visit"),
     ("1234", "sub-01: 4 sessions (ses-01 to ses-04) follow each other within 10 min")],
)  # fmt: skip
def test_studies_of_one_series_each_are_noted_in_one_line(frames: str, says: str) -> None:
    series = (scan(f"{n}", n, f"20240301{9 + n // 6:02d}{n % 6}000", f"1.{frame}") for n, frame in enumerate(frames))
    (note,) = make_plan(Inventory(tuple(series), ())).plan.notes
    assert note.startswith(says)


def test_sessions_of_two_days_are_not_noted_as_one_visit() -> None:
    times = ("20240301090000", "20240301100900", "20240501090000", "20240501101200")
    series = tuple(scan(f"{n}", 1, time, f"1.{n}") for n, time in enumerate(times))
    one, other = make_plan(Inventory(series, ())).plan.notes
    assert one.startswith("sub-01: ses-01 and ses-02 are 69 min apart")
    assert other.startswith("sub-01: ses-03 and ses-04 are 72 min apart")


@pytest.mark.parametrize(("person", "count"), [("", 2), ("ANONYMOUS", 7)])
def test_studies_of_nobody_are_noted_once(person: str, count: int) -> None:
    found = Inventory(tuple(scan(f"{n}", 1, f"2024{n:02d}01093000", person=person) for n in range(1, count + 1)), ())
    planned = make_plan(found)
    (note,) = planned.plan.notes
    assert note.startswith(f"{count} studies have neither an ID nor a name")
    assert ("sub-01, sub-02)" if count == 2 else "sub-05 and 2 more)") in note
    assert make_plan(found, Known(planned.key)).plan.notes == ()


@pytest.mark.parametrize("people", [("",), ("A", "B"), ("A", "")])
def test_one_study_of_nobody_and_studies_of_people_are_not_noted(people: tuple[str, ...]) -> None:
    series = (scan(f"{n}", 1, f"2024{n:02d}01093000", person=person) for n, person in enumerate(people, start=1))
    assert make_plan(Inventory(tuple(series), ())).plan.notes == ()


def people_of(*people: tuple[str, int], birth: str = "") -> tuple[Series, ...]:
    """Return studies of people, each so many, months apart."""
    return tuple(
        replace(scan(f"{rank}.{n}", 1, f"2024{n:02d}01093000"), patient=Patient(person, person, birth, ""))
        for rank, (person, count) in enumerate(people, start=1)
        for n in range(1, count + 1)
    )


def test_visits_that_only_an_id_tells_of_are_noted_once_for_all() -> None:
    found = Inventory(people_of(("STUDY01", 4), ("B", 2), ("C", 1)), ())
    planned = make_plan(found)
    (note,) = planned.plan.notes
    assert note.startswith("6 studies are taken for visits of sub-01, sub-02 since patient ID and name are the same")
    assert {row.decision for row in planned.plan.rows} == {"convert"}
    assert make_plan(found, Known(planned.key)).plan.notes == ()


def test_visits_of_people_with_a_birth_date_are_not_noted() -> None:
    assert make_plan(Inventory(people_of(("STUDY01", 4), birth="19800101"), ())).plan.notes == ()


def test_visits_that_protocols_name_are_not_noted() -> None:
    first, second = people_of(("A", 2))
    named = (replace(first, protocol_name="anat-T1w_ses-pre"), replace(second, protocol_name="anat-T1w_ses-post"))
    assert make_plan(Inventory(named, ())).plan.notes == ()


def test_first_visit_that_stays_outside_of_a_session_is_noted() -> None:
    first = make_plan(Inventory(FIRST, ()))
    both = Inventory((*FIRST, scan("2", 1, "20250301100900")), ())
    (note,) = make_plan(both, Known(first.key), sessions=Sessions.ALWAYS).plan.notes
    assert note.startswith("sub-01: its first visit stays outside of a session")


@pytest.mark.parametrize(
    ("started", "device", "expected"),
    [
        ("20240301094500", "S2", [Conflict.ONE_ID_TWO_PLACES]),
        ("20240301100500", "S2", [Conflict.ONE_ID_TWO_SCANNERS]),
        ("20240301094500", "S1", []),
        ("20240301", "S2", [Conflict.ONE_ID_TWO_SCANNERS]),
    ],
)
def test_one_id_in_two_scanners_at_one_time_is_two_people(started: str, device: str, expected: list[Conflict]) -> None:
    series = (*FIRST, scan("2", 1, started, "1.7", device))
    assert [one.conflict for one in find_collisions(series)] == expected
    rows = make_plan(Inventory(series, (), find_collisions(series))).plan.rows
    assert (Conflict.ONE_ID_TWO_PLACES in expected) == all(row.decision == "review" for row in rows)
