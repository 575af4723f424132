"""What may be someone's whom the dataset has already, as PAR/REC or as DICOM, is for a person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bidsflow.convert.cohort import Cohort
from bidsflow.convert.examinations import find_held_examinations, follow_held
from bidsflow.convert.subjects import Key
from bidsflow.dicom.header import Header
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.parrec import REC_BYTES, mark_examination
from bidsflow.dicom.series import Inventory, Patient, Series
from bidsflow.sources.folder import find_files
from tests.parrec import T1, write_pair


@pytest.fixture
def pair(tmp_path: Path) -> Series:
    write_pair(tmp_path, T1)
    return take_inventory(find_files([tmp_path]).files).series[0]


@pytest.fixture
def dicom(pair: Series) -> Series:
    """The same examination as DICOM has it."""
    values = {key: text for key, text in pair.header.values.items() if key != REC_BYTES}
    patient = Patient("77", "DOE JANE", "19800101", "F")
    return replace(pair, uid="1.2", study_uid="1.2.3", header=Header(values), patient=patient)


def find(series: Series, key: Key = Key(), *examinations: str) -> list[str]:  # noqa: B008 - frozen
    cohort = Cohort(examinations=dict.fromkeys(examinations, "05"))
    return list(find_held_examinations(Inventory((series,), ()), key, (), cohort).values())


def test_examination_that_the_dataset_has_in_the_other_way_is_for_review(pair: Series, dicom: Series) -> None:
    said = "sub-05 of the dataset has this examination from {}: say whose it is"
    assert find(dicom, Key(), mark_examination(pair)) == [said.format("PAR/REC")]
    assert find(pair, Key(), mark_examination(dicom)) == [said.format("DICOM")]


def test_examination_that_the_dataset_has_in_the_same_way_is_not(pair: Series, dicom: Series) -> None:
    for one in (pair, dicom):
        assert find(one, Key(), mark_examination(one)) == []
        assert find(one, Key(), mark_examination(pair), mark_examination(dicom)) == []


def test_name_that_the_dataset_has_with_an_id_or_without_is_for_review(pair: Series, dicom: Series) -> None:
    keys = {"pair": Key({pair.patient.key: "05"}), "dicom": Key({dicom.patient.key: "05"})}
    said = ["sub-05 of the dataset has the same name, and of one of both no ID is known: say whose it is"]
    assert (find(dicom, keys["pair"]), find(pair, keys["dicom"])) == (said, said)
    assert (find(dicom, keys["dicom"]), find(pair, keys["pair"])) == ([], [])
    no_one = replace(dicom, patient=replace(dicom.patient, name="ANONYMOUS"))
    assert find(no_one, Key({"\x1fANONYMOUS\x1f": "05"})) == []


def test_what_the_dataset_holds_or_a_study_labels_is_in_no_doubt(pair: Series, dicom: Series) -> None:
    cohort = Cohort(examinations={mark_examination(pair): "05"})
    for held, labelled in (((dicom.uid,), ()), ((), (dicom.uid,))):
        assert find_held_examinations(Inventory((dicom,), ()), Key(), held, cohort, labelled) == {}


def test_study_of_a_pair_that_the_dataset_holds_stays_with_it(pair: Series) -> None:
    joined = replace(pair, study_uid="1.2.3", patient=Patient("77", "DOE JANE", "", ""))
    key = follow_held(Inventory((joined,), ()), {(pair.uid, 1): "sub-05/anat/sub-05_T1w"}, Key())
    assert (key.sessions, set(key.subjects.values())) == ({"1.2.3": ("05", "")}, {"05"})
