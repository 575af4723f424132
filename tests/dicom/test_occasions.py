"""What was measured days apart was not measured on one occasion, whatever its StudyInstanceUID says."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from bidsflow.dicom.header import Header
from bidsflow.dicom.occasions import part_studies, seem_apart
from bidsflow.dicom.series import Image, Patient, Series

ORIGINAL, DERIVED = "ORIGINAL\\PRIMARY\\M", "DERIVED\\SECONDARY"


class Scan(NamedTuple):
    """One series: when it was acquired, and the other dates that it has."""

    started: str
    study: str = ""
    series: str = ""
    kind: str = ORIGINAL
    acquired: bool = True
    frame: str = ""
    person: str = "A"


def series_of(scan: Scan, number: int) -> Series:
    values = {
        "StudyInstanceUID": "1.2", "ImageType": scan.kind, "FrameOfReferenceUID": scan.frame,
        "AcquisitionDate": scan.started[:8] if scan.acquired else "", "StudyDate": scan.study[:8],
        "StudyTime": scan.study[8:], "SeriesDate": scan.series[:8], "SeriesTime": scan.series[8:],
    }  # fmt: skip
    header = Header({keyword: text for keyword, text in values.items() if text})
    image = Image(header, (64, 64, 30), 1)
    person = Patient(scan.person, "", "", "")
    return Series(f"1.{number}", "1.2", person, number, "", "", scan.started, (image,), (), header)


class Case(NamedTuple):
    scans: tuple[Scan, ...]
    studies: tuple[str, ...]


CASES = {
    "one morning": Case((Scan("20240304090000"), Scan("20240304100000")), ("", "")),
    "four weeks apart, in any order": Case(
        (Scan("20240401090000", frame="2"), Scan("20240401093000", frame="2"), Scan("20240304090000", frame="1")),
        (".20240401", ".20240401", ""),
    ),
    "on following days": Case(
        (Scan("20240304090000", frame="1"), Scan("20240305090000", frame="2")), ("", ".20240305")
    ),
    "over midnight": Case((Scan("20240304235000", frame="1"), Scan("20240305002000", frame="2")), ("", "")),
    "morning and evening of one day": Case(
        (Scan("20240304080000", frame="1"), Scan("20240304200000", frame="2")), ("", "")
    ),
    "following days, and times were taken away": Case(
        (Scan("20240304"), Scan("20240304"), Scan("20240305000000"), Scan("20240305"), Scan("20240306"),
         Scan("20240306000000.000")),
        ("", "", ".20240305", ".20240305", ".20240306", ".20240306"),
    ),
    "over midnight, and times were taken away": Case(
        (Scan("20240304", frame="1"), Scan("20240304", frame="1"), Scan("20240305", frame="1")), ("", "", "")
    ),
    "following days, and one late time of the study for all": Case(
        (Scan("20240304090000", "20240304230000", frame="1"), Scan("20240305090000", "20240305230000", frame="2")),
        ("", ".20240305"),
    ),
    "days apart, and times were taken away": Case(
        (Scan("20240304", frame="1"), Scan("20240307", frame="2")), ("", ".20240307")
    ),
    "computed days later": Case(
        (Scan("20240304090000", frame="1"), Scan("20240311090000", kind=DERIVED, frame="2")), ("", "")
    ),
    "computed of the second visit": Case(
        (Scan("20240304090000", frame="1"), Scan("20240401090000", frame="2"),
         Scan("", "", "20240415090000", DERIVED, acquired=False, frame="2")),
        ("", ".20240401", ".20240401"),
    ),
    "computed of nobody knows what, after the second visit": Case(
        (Scan("20240304090000", frame="1"), Scan("20240401090000", frame="2"),
         Scan("20240402090000", kind=DERIVED, acquired=False)),
        ("", ".20240401", ".20240401"),
    ),
    "several series each, without a frame of reference": Case(
        (Scan("20240304090000"), Scan("20240304093000"), Scan("20240401090000"), Scan("20240401093000")),
        ("", "", ".20240401", ".20240401"),
    ),
    "one series each, without a frame of reference": Case((Scan("20240304090000"), Scan("20240401090000")), ("", "")),
    "one frame of reference": Case(
        (Scan("20240304090000", frame="1"), Scan("20240304091000", frame="1"), Scan("20240401090000", frame="2"),
         Scan("20240401091000", frame="1")),
        ("", "", "", ""),
    ),
    "one time of the study": Case(
        (Scan("20240304090000", "20240304085500", frame="1"), Scan("20240401090000", "20240304085500", frame="2")),
        ("", ""),
    ),
    "one of them before there was MRI": Case(
        (Scan("20240304090000", frame="1"), Scan("19000101090000", frame="2")), ("", "")
    ),
    "decades apart": Case((Scan("20240304090000", frame="1"), Scan("20000101090000", frame="2")), ("", "")),
    "one series among the others, by number and time of day": Case(
        (Scan("20240304090000", frame="1"), Scan("20240401091000", frame="2"), Scan("20240304092000", frame="1")),
        ("", "", ""),
    ),
    "every series has a date of its own, and a frame": Case(
        tuple(Scan(f"202403{4 + 3 * n:02}09{n}000", frame=str(n)) for n in range(5)), ("",) * 5
    ),
    "one date of acquisition for all, set": Case(
        (Scan("19000101090000", "20240304090000", frame="1"), Scan("19000101090000", "20240401090000", frame="2")),
        ("", ""),
    ),
    "a study that was registered again": Case(
        (Scan("20240304090000", "20240304090000", frame="1"), Scan("20240304093000", "20240311090000", frame="2")),
        ("", ""),
    ),
    "a date of study for all, set": Case(
        (Scan("20240304090000", "19000101", frame="1"), Scan("20240401090000", "19000101", frame="2")),
        ("", ".20240401"),
    ),
    "a date of acquisition is missing": Case(
        (Scan("20240304090000", "20240304", frame="1"), Scan("20240401090000", "20240401", frame="2"),
         Scan("20240304", "20240304", acquired=False, frame="1")),
        ("", "", ""),
    ),
    "dates of series and studies only": Case(
        (Scan("", "20240304090000", "20240304", acquired=False, frame="1"),
         Scan("", "20240401090000", "20240401", acquired=False, frame="2")),
        ("", ""),
    ),
    "no dates": Case((Scan("", acquired=False, frame="1"), Scan("", acquired=False, frame="2")), ("", "")),
    "two people": Case((Scan("20240304090000", frame="1"), Scan("20240401090000", person="B", frame="2")), ("", "")),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_visits_under_one_uid_are_told_by_their_days(name: str) -> None:
    case = CASES[name]
    found = part_studies([series_of(scan, number) for number, scan in enumerate(case.scans)])
    assert [one.study_uid.removeprefix("1.2") for one in found] == list(case.studies)


@pytest.mark.parametrize(
    ("name", "apart"),
    [
        ("one morning", False),
        ("over midnight", False),
        ("one frame of reference", True),
        ("a date of acquisition is missing", True),
        ("one date of acquisition for all, set", True),
        ("a study that was registered again", False),
        ("no dates", False),
    ],
)
def test_dates_that_lie_apart_are_seen_also_where_they_are_not_believed(name: str, apart: bool) -> None:
    assert seem_apart([series_of(scan, number) for number, scan in enumerate(CASES[name].scans)]) is apart
