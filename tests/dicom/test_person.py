"""Names, IDs and days are found in texts and paths, and nothing else is."""

from __future__ import annotations

import os

import pytest

from bidsflow.dicom.person import hide_people, person_pattern
from bidsflow.dicom.series import Patient

PERSON, OTHER = Patient("AB-12345", "JOHNSON LI", "19800102", "F"), Patient("777123", "ROE JANE", "", "")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("BOLDJohnsonRest", "BOLD***Rest"),
        ("t1 li", "t1 ***"),
        ("slice_list", "slice_list"),
        ("rest_AB-12345", "rest_***"),
        ("rest 12345", "rest ***"),
        ("born 19800102", "born ***"),
        ("born19800102", "born19800102"),
    ],
)
def test_person_is_found_in_a_text(text: str, hidden: str) -> None:
    pattern = person_pattern(PERSON)
    assert pattern is not None
    assert pattern.sub("***", text) == hidden


@pytest.mark.parametrize(
    ("name", "text", "hidden"),
    [
        ("MÜLLER JÖRG", "fMRI_Mueller_run1", "fMRI_***_run1"),
        ("MÜLLER JÖRG", "muller fmri", "*** fmri"),
        ("MUELLER EVA", "task müller", "task ***"),
        ("SØREN", "soeren_rest", "***_rest"),
        ("VAN DER BERG", "fmri_vanderBerg", "fmri_***"),
        ("O'NEIL SEAN", "fmri ONeil", "fmri ***"),
    ],
)
def test_person_is_found_in_every_spelling(name: str, text: str, hidden: str) -> None:
    pattern = person_pattern(Patient("7", name, "", ""))
    assert pattern is not None
    assert pattern.sub("***", text) == hidden


def test_id_of_four_digits_is_found_as_a_word() -> None:
    pattern = person_pattern(Patient("4711", "", "", ""))
    assert pattern is not None
    assert pattern.sub("***", "ep2d_4711_bold b4711") == "ep2d_***_bold b4711"


@pytest.mark.parametrize("patients", [(), (Patient("", "", "", ""),), (Patient("01", "", "", ""),)])
def test_no_one_is_found_where_headers_name_no_one(patients: tuple[Patient, ...]) -> None:
    assert person_pattern(*patients) is None


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("Johnson^Li/JANE_ROE/777123/IM1", "***^***/***_***/***/IM1"),
        ("20240304_091500/2024-03-04/x.2024.03.04", "***_091500/***/x.***"),
        ("MR.1.3.12.2.1107.5.2.43.2024030409.dcm/0001.2.3.dcm", "MR.***.dcm/0001.2.3.dcm"),
        ("20241345/2024-0304", "20241345/2024-0304"),
        ("born_04.03.1970/04-03-2024", "born_***/***"),
        ("Mu\u0308ller", "Müller"),
        (os.fsdecode("Ø_Roe".encode("latin-1")), "Ø_***"),
    ],
)
def test_path_names_no_one(path: str, hidden: str) -> None:
    assert hide_people(path, person_pattern(PERSON, OTHER)) == hidden
