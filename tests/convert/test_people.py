"""What the tables say of people, and what no text may say of them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from bidsflow.convert.people import age_in_years, participant_row, shifted_time
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Patient, Series

PERSON = Patient("AB-12345", "Johnson Li", "19800102", "F")


def make_series(values: dict[str, str], patient: Patient = PERSON, started: str = "20240304090500") -> Series:
    header = Header(values)
    return Series("1.2", "1", patient, 3, values.get("SeriesDescription", ""), "", started, (), (), header)


class CaseAge(NamedTuple):
    age: str
    born: str
    expected: str


AGES = [
    CaseAge("034Y", "", "34"),
    CaseAge("34Y", "", "34"),
    CaseAge("018M", "", "1.50"),
    CaseAge("030M", "", "2.5"),
    CaseAge("006W", "", "0.11"),
    CaseAge("010D", "", "0.03"),
    CaseAge("095Y", "", "89"),
    CaseAge("090Y", "19300101", "89"),
    CaseAge("", "19800305", "43"),
    CaseAge("", "19800304", "44"),
    CaseAge("", "19100304", "89"),
    CaseAge("000Y", "", ""),
    CaseAge("", "", ""),
    CaseAge("", "20250101", ""),
    CaseAge("old", "18xx", ""),
]


@pytest.mark.parametrize("case", AGES, ids=str)
def test_age_is_what_the_header_tells(case: CaseAge) -> None:
    header = Header({"PatientAge": case.age, "PatientBirthDate": case.born, "StudyDate": "20240304"})
    assert age_in_years(header) == case.expected


def test_row_leaves_out_what_is_not_known() -> None:
    unknown = make_series({}, Patient("", "", "", ""))
    assert participant_row("01", [unknown]) == {"participant_id": "sub-01"}


def test_row_leaves_out_a_sex_that_is_contradicted() -> None:
    two = [make_series({}), make_series({}, replace(PERSON, sex="M"))]
    assert "sex" not in participant_row("01", two)


def test_age_is_that_of_the_first_scan() -> None:
    late, early = make_series({"PatientAge": "036Y"}, started="20260101"), make_series({"PatientAge": "034Y"})
    assert participant_row("01", [late, early])["age"] == "34"


@pytest.mark.parametrize(
    ("started", "shift"),
    [
        ("", -44720),
        ("20220711", None),
        ("20220711120517", 0),
        ("00010101", -44720),
        ("99991231", 44720),
        ("20221301", -44720),
        ("junk", -44720),
    ],
)
def test_no_time_where_none_is_known_or_the_true_day_would_show(started: str, shift: int | None) -> None:
    assert shifted_time(started, shift) == ""


def test_time_without_a_clock_is_midnight() -> None:
    assert shifted_time("20220711", -44720) == "1900-02-01T00:00:00"
