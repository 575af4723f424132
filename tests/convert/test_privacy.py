"""Canaries in everything that identifies: none comes out, in no file, no name, no message."""

from __future__ import annotations

import gzip
import re
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from bidsflow.phantom import DIALECTS, make_sessions, write

from .conftest import Ran, finish, spawn

#: Values that must not come out, by keyword. Dates are true days; numbers have a length that no measurement has.
CANARIES = {
    "PatientName": "Kanarie^Zeldzaam^Q^Dr",
    "PatientID": "CANID-77123",
    "OtherPatientIDs": "CANOTHER-9",
    "OtherPatientNames": "Bijnaam^Kanarie",
    "PatientBirthName": "Kanariegeboren",
    "PatientMotherBirthName": "Kanariemoeder",
    "PatientAddress": "Kanariestraat 12",
    "PatientTelephoneNumbers": "555-CANARY",
    "PatientBirthDate": "19610823",
    "PatientComments": "canarycomment of the patient",
    "PatientWeight": "83.1415",
    "PatientSize": "1.8765",
    "EthnicGroup": "canaryethnic",
    "Occupation": "canaryjob",
    "MilitaryRank": "canaryrank",
    "AccessionNumber": "CANACC001",
    "StudyID": "CANSTUDY1",
    "StudyDescription": "canarystudy Kanarie",
    "SeriesDescription": "{} Zeldzaam_CANID-77123 Kanarie",
    "ProtocolName": "{}_Kanarie",
    "ImageComments": "canaryimage of Zeldzaam",
    "RequestedProcedureDescription": "canaryrequest Kanarie",
    "PerformedProcedureStepDescription": "canarystep Kanarie",
    "PerformedProcedureStepID": "CANSTEP1",
    "PerformedProcedureStepStartDate": "20240304",
    "PerformedProcedureStepStartTime": "091733.123",
    "AdmissionID": "CANADM1",
    "InstitutionName": "Canaryhospital",
    "InstitutionAddress": "Canaryroad 1",
    "InstitutionalDepartmentName": "Canarydepartment",
    "StationName": "CANARYSTATION",
    "DeviceSerialNumber": "CANSERIAL7",
    "ReferringPhysicianName": "Canarydoctor^Who",
    "PerformingPhysicianName": "Canaryperformer^Who",
    "OperatorsName": "Canaryoperator^Who",
    "RequestingPhysician": "Canaryrequester^Who",
    "PhysiciansOfRecord": "Canaryrecord^Who",
    "NameOfPhysiciansReadingStudy": "Canaryreader^Who",
    "AdditionalPatientHistory": "canaryhistory",
    "IssuerOfPatientID": "canaryissuer",
    "AcquisitionComments": "canaryacquisition Kanarie",
    "FrameComments": "canaryframe Kanarie",
    "ContrastBolusAgent": "canaryagent Kanarie",
    "ScheduledProcedureStepDescription": "canaryscheduled",
}
#: What to look for: words of the canaries, without those that a description keeps for good.
_COMMON = {"the", "patient", "image"}
WORDS = sorted({word.lower() for text in CANARIES.values() for word in re.findall(r"[\w.-]{3,}", text)} - _COMMON)
DATES = ("20240304", "2024-03-04", "20240401", "2024-04-01")


def put_canaries(export: Path) -> None:
    for path in sorted(export.rglob("*.dcm")):
        ds = dcmread(path)
        for keyword, value in CANARIES.items():
            setattr(ds, keyword, value.format(ds.get(keyword, "")))
        for sequence in ("RequestAttributesSequence", "ReferencedStudySequence"):
            item = Dataset()
            item.RequestedProcedureID = "CANREQ1"
            item.PatientID = CANARIES["PatientID"]
            setattr(ds, sequence, [item])
        ds.save_as(path)
    for rank, folder in enumerate(sorted(export.glob("*/*"))):  # their names are dates, and paths are for people
        folder.rename(folder.with_name(f"visit{rank}"))


def find_words(data: bytes) -> list[str]:
    text = data.decode("latin-1").lower()
    return [word for word in (*WORDS, *DATES) if re.search(rf"(?<![0-9a-z]){re.escape(word)}(?![0-9a-z])", text)]


def unpack(path: Path) -> bytes:
    """Return what a file says: its text, or the header of an image, whose voxels may hold any bytes."""
    if path.name.endswith(".nii.gz"):
        return gzip.decompress(path.read_bytes())[:352]
    return path.read_bytes()


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_no_canary_comes_out(dialect: str, tmp_path: Path) -> None:
    write(tmp_path / "scan", series=("localizer", "fieldmap", "rest", "dwi"), dialect=dialect, size="tiny")
    export, target = tmp_path / "scan" / "dicom", tmp_path / "bids"
    put_canaries(export)
    broken = next(export.rglob("*rest*/*.dcm"))
    broken.with_name("broken.dcm").write_bytes(broken.read_bytes()[:900])
    runs = [
        finish(spawn("-vv", "convert", export, target)),
        finish(spawn("-vv", "convert", export, target, "--json")),
        finish(spawn("plan", export, "-o", tmp_path / "plan.tsv")),
    ]
    assert [ran.code for ran in runs] == [1, 1, 0], runs  # an image was cut short
    assert "written" in runs[0].out
    for ran in runs:
        assert find_words(ran.said.encode()) == [], ran.said
    assert find_words((tmp_path / "plan.tsv").read_bytes()) == []
    found = {}
    for path in target.rglob("*"):
        name = str(path.relative_to(target))
        if name.startswith(".bidsflow"):
            continue
        found[name] = find_words(name.encode()) + (find_words(unpack(path)) if path.is_file() else [])
    found["CHANGES"] = [word for word in found["CHANGES"] if word not in DATES]
    assert {name: words for name, words in found.items() if words} == {}


def test_no_canary_in_the_message_of_a_failure(tmp_path: Path) -> None:
    write(tmp_path / "scan", series=("sbref", "rest"))
    export = tmp_path / "scan" / "dicom"
    put_canaries(export)
    for path in export.rglob("*rest/*.dcm"):
        ds = dcmread(path)
        ds.PixelSpacing = [0, 0]
        ds.save_as(path)
    ran = finish(spawn("-vv", "convert", export, tmp_path / "bids"))
    assert ran.code in (0, 1)
    assert find_words(ran.said.encode()) == [], ran.said


def test_bidsflows_own_files_are_for_their_owner_only(small_export: Path, tmp_path: Path) -> None:
    assert finish(spawn("convert", small_export, tmp_path / "bids", umask=0)).code == 0
    state = tmp_path / "bids" / ".bidsflow"
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "private" / "key.json").stat().st_mode & 0o777 == 0o600
    assert (state / "inventory.sqlite").stat().st_mode & 0o777 == 0o600
    state.chmod(0o755)
    assert finish(spawn("convert", small_export, tmp_path / "bids")).code == 0
    assert state.stat().st_mode & 0o777 == 0o750


def test_dates_lie_before_1925_and_intervals_are_right(
    small_export: Path, tmp_path: Path, cli: Callable[..., Ran]
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", small_export, target).code == 0
    true = [session.start for session in make_sessions(1, 2)]
    shown = [line.split("\t")[1] for line in (target / "sub-01" / "sub-01_sessions.tsv").read_text().splitlines()[1:]]
    days = [date.fromisoformat(text[:10]) for text in shown]
    assert all(day.year < 1925 for day in days)
    assert days[1] - days[0] == true[1].date() - true[0].date()
    assert [day.weekday() for day in days] == [start.weekday() for start in true]
    for session in ("ses-01", "ses-02"):
        text = (target / "sub-01" / session / f"sub-01_{session}_scans.tsv").read_text()
        assert all(line.split("\t")[1] < "1925" for line in text.splitlines()[1:])


def test_true_day_of_one_series_does_not_come_through(
    two_people: Path, tmp_path: Path, cli: Callable[..., Ran]
) -> None:
    export = Path(shutil.copytree(two_people / "P001", tmp_path / "export"))
    for path in export.rglob("*.dcm"):
        ds = dcmread(path)
        ds.StudyDate = "19000101"  # as some anonymisers write it, and leave the others as they are
        ds.save_as(path)
    assert cli("convert", export, tmp_path / "bids").code == 0
    for table in (tmp_path / "bids").rglob("*_scans.tsv"):
        assert "2024" not in table.read_text()


def test_person_without_name_and_id_is_a_person_per_study(
    two_people: Path, tmp_path: Path, cli: Callable[..., Ran]
) -> None:
    export = Path(shutil.copytree(two_people, tmp_path / "export"))
    for path in export.rglob("*.dcm"):
        ds = dcmread(path)
        ds.PatientID = ds.PatientName = ds.PatientBirthDate = ""
        ds.save_as(path)
    assert cli("convert", export, tmp_path / "bids").code == 0
    assert sorted(one.name for one in (tmp_path / "bids").glob("sub-*")) == ["sub-01", "sub-02"]
