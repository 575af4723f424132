"""Series are what headers say, whatever folders and numbers say."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bidsflow.dicom.grouping import Gate, clean, find_collisions, group_series, in_order, patient_of, refuse, when
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Conflict, Instance


def series_of(kit: Any, uid: str, count: int = 3, **values: object) -> list[Instance]:
    return [
        kit.instance(f"/{uid}/{i}", SeriesInstanceUID=uid, SOPInstanceUID=f"{uid}.{i}", InstanceNumber=i, **values)
        for i in range(1, count + 1)
    ]


def test_series_are_told_by_uid_not_by_number_or_folder(kit: Any) -> None:
    both = [
        *[kit.instance("/same/a", SeriesInstanceUID="1.1", SeriesNumber="5", SOPInstanceUID="9.1")],
        *[kit.instance("/same/b", SeriesInstanceUID="1.2", SeriesNumber="5", SOPInstanceUID="9.2")],
        *[kit.instance("/else/c", SeriesInstanceUID="1.1", SeriesNumber="7", SOPInstanceUID="9.3")],
    ]
    series, aside = group_series(both, {})
    assert [(one.uid, len(one.instances)) for one in series] == [("1.1", 2), ("1.2", 1)]
    assert aside == ()


def test_the_order_of_files_changes_nothing(kit: Any) -> None:
    files = [*series_of(kit, "1.1", 9, PatientID="A"), *series_of(kit, "1.2", 5, PatientID="A", EchoTime="3")]
    expected = group_series(files, {})
    for seed in range(3):
        random.Random(seed).shuffle(files)
        assert group_series(files, {}) == expected


def test_instances_stand_in_order_of_acquisition(kit: Any) -> None:
    files = [kit.instance(str(i), AcquisitionNumber=a, InstanceNumber=i, SOPInstanceUID=f"1.{i}")
             for a, i in ((2, 1), (1, 10), (1, 2))]  # fmt: skip
    assert [one.header.integer("InstanceNumber") for one in in_order(files)] == [2, 10, 1]


@pytest.mark.parametrize("odd", [{"PatientID": "B"}, {"StudyInstanceUID": "7.7"}, {"PatientName": "Roe^Jane"}])
def test_instances_that_contradict_their_series_are_set_aside(kit: Any, odd: dict[str, str]) -> None:
    files = series_of(kit, "1.1", 5, PatientID="A", PatientName="Doe^John")
    stranger = kit.instance("/x", SeriesInstanceUID="1.1", SOPInstanceUID="8.8",
                            **{"PatientID": "A", "PatientName": "Doe^John", **odd})  # fmt: skip
    (series,), aside = group_series([stranger, *files], {})
    assert len(series.instances) == 5
    assert [one.path for one in aside] == ["/x"]
    assert not aside[0].harmless


def test_a_protocol_reaches_the_header_of_its_series(kit: Any) -> None:
    files = series_of(kit, "1.1")
    (series,), _ = group_series(files, {"/1.1/1": {"SequenceFile": "ep2d_bold"}})
    assert series.header.text("SequenceFile") == "ep2d_bold"
    assert files[0].header.text("SequenceFile") == ""


def test_gaps_in_instance_numbers_are_told(kit: Any) -> None:
    files = series_of(kit, "1.1", 10)
    del files[3:5]
    (series,), _ = group_series(files, {})
    assert series.problems == ("2 of 10 instances are missing in the export",)


def test_odd_headers_are_told_once(kit: Any) -> None:
    files = [
        Instance(one.file, Header(one.header.values, "complete", ("no DICOM preamble",)))
        for one in series_of(kit, "1.1")
    ]
    (series,), _ = group_series(files, {})
    assert series.problems == ("no DICOM preamble",)


def test_texts_lose_their_control_characters(kit: Any) -> None:
    assert clean("a\x1b[31mb\r\n\0c\x85") == "a [31mb c"
    (series,), _ = group_series(series_of(kit, "1.1", SeriesDescription="../$(rm)\x07", SeriesNumber="3"), {})
    assert series.title == "3 ../$(rm)"


def test_descriptions_do_not_name_the_person(kit: Any) -> None:
    person = {"PatientName": "Johnson^Li", "PatientID": "AB-12345", "PatientBirthDate": "19800102"}
    words = {"SeriesDescription": "BOLDJohnson rest AB-12345", "ProtocolName": "t1_li 19800102 list"}
    (series,), _ = group_series(series_of(kit, "1.1", **person, **words), {})
    assert (series.description, series.protocol_name) == ("BOLD*** rest ***", "t1_*** *** list")
    assert series.header.text("SeriesDescription") == words["SeriesDescription"]


def test_what_is_set_aside_tells_whose_it_is(kit: Any) -> None:
    report = kit.instance("/x", "absent", SOPClassUID="1.2.840.10008.5.1.4.1.1.88.22", PatientID="A", Rows="")
    answer = refuse(report.header)
    assert answer is not None
    assert answer[2].id == "A"
    stranger = kit.instance("/y", SeriesInstanceUID="1.1", SOPInstanceUID="8.8", PatientID="B")
    _, (aside,) = group_series([stranger, *series_of(kit, "1.1", 5, PatientID="A")], {})
    assert aside.patient is not None
    assert aside.patient.id == "B"


# --- who and when ----------------------------------------------------------------------------------------------------


def test_spelling_does_not_split_a_person() -> None:
    names = ["Doe^John", "DOE^JOHN^", "doe john", "Doe,John", "Doe^John^^^"]
    assert {patient_of(Header({"PatientName": name, "PatientID": "A"})).key for name in names} == {"A\x1fDOE JOHN\x1f"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"AcquisitionDateTime": "20240131101112.5+0100"}, "20240131101112.5"),
        ({"AcquisitionDate": "20240131", "AcquisitionTime": "101112.25"}, "20240131101112.25"),
        ({"AcquisitionDate": "20240131", "AcquisitionTime": "10:11:12"}, "20240131101112"),
        ({"AcquisitionDate": "20240131", "AcquisitionTime": "soon"}, "20240131"),
        ({"AcquisitionDate": "soon", "StudyDate": "20240131", "StudyTime": "10"}, "2024013110"),
        ({"StudyDate": "20240131", "StudyTime": "100000", "AcquisitionTime": "101112.5"}, "20240131101112.5"),
        ({"StudyDate": "20240131", "StudyTime": "235000", "AcquisitionTime": "001112"}, "20240201001112"),
        (
            {"StudyDate": "20240131", "StudyTime": "100000", "AcquisitionTime": "000000.0", "SeriesTime": "101500"},
            "20240131101500",
        ),
        ({"StudyDate": "20240131", "StudyTime": "100000", "AcquisitionTime": "000000"}, "20240131100000"),
        ({"StudyDate": "20240131", "AcquisitionTime": "001112"}, "20240131001112"),
        ({"SeriesDate": "20240131", "SeriesTime": "101500", "AcquisitionTime": "101112"}, "20240131101500"),
        ({"StudyDate": "20241332", "StudyTime": "235000", "AcquisitionTime": "001112"}, "20241332001112"),
        ({"AcquisitionDateTime": "yesterday"}, ""),
        ({}, ""),
    ],
)
def test_the_time_is_taken_from_the_best_of_the_dates(values: dict[str, str], expected: str) -> None:
    assert when(Header(values)) == expected


@pytest.mark.parametrize(
    ("times", "start"),
    [(("235959", "000001"), "20240304235959"), (("000001", "003000"), "20240304000001"),
     (("090000", "235959"), "20240304090000"), (("", "235959"), "20240304")],
    ids=["over midnight, with the date of the first", "after midnight", "a long day", "a time is missing"],
)  # fmt: skip
def test_a_series_begins_with_its_first_image(kit: Any, times: tuple[str, ...], start: str) -> None:
    ((series,), _) = group_series(
        [kit.instance(f"/{n}", SOPInstanceUID=f"1.{n}", AcquisitionDate="20240304", AcquisitionTime=time)
         for n, time in enumerate(times)], {},
    )  # fmt: skip
    assert series.started == start


@pytest.mark.parametrize(
    ("people", "conflict"),
    [
        ([{"PatientID": "A", "PatientName": "Doe"}, {"PatientID": "A", "PatientName": "Roe"}],
         Conflict.ONE_ID_TWO_PEOPLE),
        ([{"PatientID": "A", "PatientSex": "M"}, {"PatientID": "A", "PatientSex": "F"}], Conflict.ONE_ID_TWO_PEOPLE),
        ([{"PatientID": "A", "DeviceSerialNumber": "1"}, {"PatientID": "A", "DeviceSerialNumber": "2"}],
         Conflict.ONE_ID_TWO_SCANNERS),
        ([{"PatientID": "A", "Manufacturer": "SIEMENS"}, {"PatientID": "A", "Manufacturer": "GE MEDICAL SYSTEMS"}],
         Conflict.ONE_ID_TWO_SCANNERS),
        ([{"PatientID": "A", "PatientName": "Doe", "PatientBirthDate": "19800101"},
          {"PatientID": "B", "PatientName": "DOE^", "PatientBirthDate": "19800101"}], Conflict.ONE_PERSON_TWO_IDS),
        ([{"PatientID": "A", "PatientName": "Doe"}, {"PatientID": "B", "PatientName": "Doe"}], None),
        ([{"PatientID": "A", "PatientName": "Doe"}, {"PatientID": "A"}], None),
        ([{"PatientID": "A", "PatientSex": "M"}, {"PatientID": "A"}], None),
        ([{"PatientID": "A", "Manufacturer": "SIEMENS", "DeviceSerialNumber": "1"},
          {"PatientID": "A", "Manufacturer": "Siemens Healthineers"}], None),
        ([{"PatientID": "", "PatientName": "Doe"}, {"PatientID": "", "PatientName": "Roe"}], None),
        ([{"PatientID": "ANON", "PatientName": "Doe"}, {"PatientID": "ANON", "PatientName": "Roe"}], None),
    ],
)  # fmt: skip
def test_doubtful_people_are_told(kit: Any, people: list[dict[str, str]], conflict: Conflict | None) -> None:
    files = [
        one for i, person in enumerate(people) for one in series_of(kit, f"1.{i}", StudyInstanceUID=f"2.{i}", **person)
    ]
    series, aside = group_series(files, {})
    assert aside == ()
    assert [one.conflict for one in find_collisions(series)] == ([conflict] if conflict else [])


@pytest.mark.parametrize(
    ("values", "pixels", "reason", "harmless"),
    [
        ({}, "complete", None, False),
        ({"SOPClassUID": "1.2.840.10008.1.3.10"}, "absent", "DICOMDIR", True),
        ({"Rows": "", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.22"}, "absent", "a structured report", True),
        ({"Rows": "", "SOPClassUID": "$(rm)"}, "absent", "an unknown class", True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66"}, "absent", "raw data", True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "absent", "segmentation", True),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4.2"}, "absent", "spectroscopy", True),
        ({"Rows": "", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "absent", "a document", True),
        ({"Rows": "", "SOPClassUID": "1.3.12.2.1107.5.9.1"}, "absent", "spectroscopy, a protocol", True),
        ({}, "absent", "pixel data is missing", False),
        ({}, "truncated", "truncated", False),
        ({"Rows": "0"}, "complete", "no rows", False),
        ({"Rows": "-5"}, "complete", "no rows", False),
        ({"Columns": ""}, "complete", "no rows or no columns", False),
        ({"SOPInstanceUID": ""}, "complete", "SOPInstanceUID is missing", False),
        ({"SOPInstanceUID": "../../../etc/passwd"}, "complete", "not a UID", False),
        ({"SeriesInstanceUID": "1." + "2" * 64}, "complete", "not a UID", False),
        ({"SeriesInstanceUID": ""}, "complete", "SeriesInstanceUID is missing", False),
        ({"StudyInstanceUID": "a b"}, "complete", "not a UID", False),
        ({"SeriesInstanceUID": "1.2\n"}, "complete", "not a UID", False),
    ],
)
def test_what_cannot_be_part_of_a_series_is_refused(
    kit: Any, values: dict[str, str], pixels: str, reason: str | None, harmless: bool
) -> None:
    answer = refuse(kit.instance("/x", pixels, **values).header)
    if reason is None:
        assert answer is None
    else:
        assert answer is not None
        assert reason in answer[0]
        assert answer[1] is harmless


def test_gate_refuses_what_is_refused_alone() -> None:
    """What was seen before, in whichever order, changes no verdict."""
    good = {
        "SOPInstanceUID": "1.2",
        "SeriesInstanceUID": "1.3",
        "StudyInstanceUID": "1.4",
        "Rows": "64",
        "Columns": "64",
    }
    odd = [
        {},
        {"SOPInstanceUID": "1.5"},
        {"SOPInstanceUID": ""},
        {"SOPInstanceUID": "no UID"},
        {"SeriesInstanceUID": "x"},
        {"StudyInstanceUID": ""},
        {"Rows": "0"},
        {"Columns": ""},
        {"SOPClassUID": "1.2.840.10008.1.3.10"},
    ]
    headers = [Header(good | change, pixels) for change in odd for pixels in ("complete", "truncated", "absent")]
    for first in range(len(headers)):
        gate = Gate()
        for header in (*headers[first:], *headers[:first], *headers):
            assert gate.refuse(header) == refuse(header)
