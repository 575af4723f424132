"""Labels and shifted dates."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from bidsflow.convert.subjects import Key, Sessions, assign
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Patient, Series


def make_series(study: str, patient: str, day: str) -> Series:
    header = Header({"StudyDate": day})
    person = Patient(patient, "", "", "")
    return Series(f"{study}.1", study, person, 1, "", "", day, (), (), header)


def test_labels_follow_the_order_of_the_first_study() -> None:
    key = assign([make_series("2", "B", "20240301"), make_series("1", "A", "20240401")], Key())
    assert key.sessions == {"2": ("01", ""), "1": ("02", "")}


def test_labels_that_were_given_stay() -> None:
    first = assign([make_series("1", "B", "20240401")], Key())
    both = assign([make_series("1", "B", "20240401"), make_series("2", "A", "20240301")], first)
    assert both.sessions == {"1": ("01", ""), "2": ("02", "")}


def test_two_studies_of_a_person_are_sessions() -> None:
    key = assign([make_series("1", "A", "20240301"), make_series("2", "A", "20240401")], Key())
    assert key.sessions == {"1": ("01", "01"), "2": ("01", "02")}


def test_no_sessions_where_none_are_wanted() -> None:
    key = assign([make_series("1", "A", "20240301"), make_series("2", "A", "20240401")], Key(), Sessions.NEVER)
    assert {session for _, session in key.sessions.values()} == {""}


@pytest.mark.parametrize("day", ["20240301", "19990615", "20240229", "19000101"])
def test_shift_keeps_the_day_of_the_week_and_lies_before_1925(day: str) -> None:
    true = date(int(day[:4]), int(day[4:6]), int(day[6:]))
    moved = true + timedelta(days=assign([make_series("1", "A", day)], Key()).shifts["01"])
    assert moved.weekday() == true.weekday()
    assert date(1900, 1, 1) <= moved <= date(1900, 1, 7)


def test_no_shift_where_no_date_is_known_until_one_is() -> None:
    key = assign([make_series("1", "A", "")], Key())
    assert key.shifts == {}
    assert assign([make_series("2", "A", "20240301")], key).shifts["01"] < -40000


def test_a_label_without_a_person_has_no_shift() -> None:
    assert assign([], Key({}, {}, {"01": -5})).shifts == {}


def test_person_whom_a_plan_gives_two_labels_has_a_shift_under_both() -> None:
    series = [make_series("1", "A", "20240301"), make_series("2", "A", "20240401")]
    key = assign(series, Key({series[0].patient.key: "B"}, {"1": ("A", ""), "2": ("B", "")}))
    assert key.shifts["A"] == key.shifts["B"]


@pytest.mark.parametrize(
    "who", ["ANONYMOUS", "NA", "-", "000", "s", "Subject", "TEST PATIENT", "no name", "De-identified"]
)
@pytest.mark.parametrize("as_name", [True, False])
def test_names_that_anybody_has_join_no_studies(who: str, *, as_name: bool) -> None:
    patient = Patient("", who, "", "M") if as_name else Patient(who, "", "", "M")
    series = [replace(make_series(uid, "", f"2024030{uid}"), patient=patient) for uid in ("1", "2")]
    assert assign(series, Key()).sessions == {"1": ("01", ""), "2": ("02", "")}


@pytest.mark.parametrize("who", ["ANON01", "Doe Test", "Subject 7", "0007", "NA12"])
def test_pseudonyms_join_studies(who: str) -> None:
    series = [make_series(uid, who, f"2024030{uid}") for uid in ("1", "2")]
    assert assign(series, Key()).sessions == {"1": ("01", "01"), "2": ("01", "02")}


def test_study_of_nobody_keeps_its_place_where_the_key_knew_a_person() -> None:
    known = Key({"\x1fANONYMOUS\x1f": "07"}, {"1": ("07", "")})
    one = replace(make_series("1", "", "20240301"), patient=Patient("", "ANONYMOUS", "", "M"))
    key = assign([one], known)
    assert key.sessions == known.sessions
    assert set(key.subjects.values()) == {"07"}
