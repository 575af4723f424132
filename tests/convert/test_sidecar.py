"""Sidecars: what identifies goes, everything else stays."""

from __future__ import annotations

import pytest

from bidsflow.convert.sidecar import clean_sidecar, complete_sidecar, scrub_nifti
from bidsflow.dicom.person import person_pattern
from bidsflow.dicom.series import Patient


@pytest.mark.parametrize("patient", [Patient("001", "", "", ""), Patient("125", "Siemens Mr", "19800101", "M")])
def test_short_ids_and_odd_names_cost_no_metadata(patient: Patient) -> None:
    raw = {
        "Modality": "MR", "Manufacturer": "Siemens", "RepetitionTime": 2.125, "SliceTiming": [0.001, 0.125],
        "ImageType": ["ORIGINAL", "M", "MR"],
    }  # fmt: skip
    assert clean_sidecar(raw, person_pattern(patient)) == raw


@pytest.mark.parametrize("text", ["seq of Johnson", ["a", "JOHNSON^LI"], {"x": ["AB-12345"]}, "Li"])
def test_fields_that_name_the_person_go(text: object) -> None:
    raw = {"SequenceName": text, "EchoTime": 0.03}
    assert clean_sidecar(raw, person_pattern(Patient("AB-12345", "Johnson Li", "", ""))) == {"EchoTime": 0.03}


@pytest.mark.parametrize(
    "key", ["PatientName", "StudyInstanceUID", "AcquisitionDateTime", "SomeNewPatientField", "ADate"]
)
def test_fields_that_identify_by_their_kind_go(key: str) -> None:
    assert clean_sidecar({key: "x"}) == {}


def test_wiring_is_replaced_and_not_piled_up() -> None:
    once = complete_sidecar({"A": 1}, suffix="epi", field="one", intended_for=["bids::a"])
    assert complete_sidecar(once, suffix="epi") == {"A": 1}
    assert complete_sidecar(once, suffix="bold", corrected_by=["x", "y"]) == {"A": 1, "B0FieldSource": ["x", "y"]}


def test_header_keeps_its_size_and_loses_times_and_comments() -> None:
    header = bytearray(400)
    header[148:228] = b"TE=2.4;Time=091412.345;phase=1".ljust(80, b"\0")
    header[228:252] = b"a comment about Johnson ".ljust(24, b"\0")
    clean = scrub_nifti(bytes(header))
    assert len(clean) == 400
    assert b"0914" not in clean
    assert b"Johnson" not in clean
    assert clean[148:228].rstrip(b"\0") == b"TE=2.4;phase=1"
