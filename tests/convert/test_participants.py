"""A corrected age or sex reaches ``participants.tsv``; what a person wrote there stays, and that is told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from .conftest import Ran
from .test_edits import rename
from .test_rerun import read_rows

Cli = Callable[..., Ran]


@pytest.fixture
def target(my_export: Path, tmp_path: Path, cli: Cli) -> Path:
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    return tmp_path / "bids"


def correct(folder: Path, **fields: str) -> None:
    for file in folder.rglob("*.dcm"):
        header = dcmread(file)
        for key, value in fields.items():
            setattr(header, key, value)
        header.save_as(file)


def read_row(target: Path, sub: str = "sub-01") -> dict[str, str]:
    return read_rows(target / "participants.tsv")[sub]


@pytest.mark.parametrize("relabel", [False, True])
def test_corrected_headers_reach_the_table(relabel: bool, my_export: Path, target: Path, cli: Cli) -> None:
    correct(my_export, PatientSex="F", PatientAge="071Y")
    said = cli("convert", my_export, target, "--dry-run").err
    sub = "sub-77" if relabel else "sub-01"
    ran = rename({"sub-01": sub}, my_export, target, cli) if relabel else cli("convert", my_export, target)
    assert ran.code == 0, ran.said
    assert read_row(target, sub) == {"participant_id": sub, "age": "71", "sex": "F"}
    for key in ("age", "sex"):
        assert f"the {key} of {sub} follows its headers, which were corrected" in ran.err
        assert f"the {key} of sub-01 follows its headers" in said
    assert "71" not in ran.err.replace(str(target), "")
    assert "participants.tsv" not in cli("convert", my_export, target).err


def test_cells_that_a_person_wrote_stay_and_that_is_told_once(my_export: Path, target: Path, cli: Cli) -> None:
    (target / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\t33.5\tO\n")
    assert "participants.tsv" not in cli("convert", my_export, target).err  # nothing in the headers has changed
    correct(my_export, PatientSex="F", PatientAge="071Y")
    ran = cli("convert", my_export, target)
    assert read_row(target) == {"participant_id": "sub-01", "age": "33.5", "sex": "O"}
    assert ran.err.count("stays as it is, though its headers say another") == 2
    assert "participants.tsv" not in cli("convert", my_export, target).err


def test_cells_that_a_person_emptied_stay_empty(my_export: Path, target: Path, cli: Cli) -> None:
    (target / "participants.tsv").write_text("participant_id\tage\tsex\nsub-01\tn/a\tM\n")
    shutil.rmtree(target / "sub-01")
    assert "written" in cli("convert", my_export, target).out
    assert read_row(target) == {"participant_id": "sub-01", "age": "n/a", "sex": "M"}
    correct(my_export, PatientAge="071Y")
    assert "71" not in cli("convert", my_export, target).err.replace(str(target), "")
    assert read_row(target)["age"] == "n/a"


def test_table_that_was_deleted_is_made_again(my_export: Path, target: Path, cli: Cli) -> None:
    before = read_row(target)
    (target / "participants.tsv").unlink()
    assert cli("convert", my_export, target, "--force").code == 0
    assert read_row(target) == before


def test_cell_that_headers_did_not_fill_before_is_filled(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    correct(my_export, PatientAge="", PatientBirthDate="")
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    correct(my_export, PatientAge="071Y")
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    assert read_row(tmp_path / "bids")["age"] == "71"


def test_dataset_of_an_older_version_tells_what_differs(my_export: Path, target: Path, cli: Cli) -> None:
    (target / ".bidsflow/private/participants.json").unlink()
    correct(my_export, PatientSex="F")
    ran = cli("convert", my_export, target)
    assert "the sex of sub-01 stays as it is, though its headers say another" in ran.err
    assert "the age" not in ran.err
    assert read_row(target)["sex"] == "M"


def test_another_visit_alone_does_not_change_the_age(my_export: Path, target: Path, cli: Cli) -> None:
    second = sorted(my_export.glob("*/*"))[1]
    correct(second, PatientAge="099Y")
    before = read_row(target)
    assert "participants.tsv" not in cli("convert", second, target).err
    assert read_row(target) == before


def test_visits_that_disagree_now_leave_the_sex(my_export: Path, target: Path, cli: Cli) -> None:
    correct(sorted(my_export.glob("*/*"))[1], PatientSex="F")
    ran = cli("convert", my_export, target)
    assert "the sex of sub-01 stays as it is, though the headers of its visits disagree" in ran.err
    assert read_row(target)["sex"] == "M"


def test_headers_without_age_and_sex_take_nothing_away(my_export: Path, target: Path, cli: Cli) -> None:
    before = read_row(target)
    correct(my_export, PatientSex="", PatientAge="", PatientBirthDate="")
    assert "participants.tsv" not in cli("convert", my_export, target).err
    assert read_row(target) == before


def test_damaged_memory_is_told(my_export: Path, target: Path, cli: Cli) -> None:
    (target / ".bidsflow/private/participants.json").write_text('{"01": 3}')
    ran = cli("convert", my_export, target)
    assert (ran.code, "participants.json" in ran.err) == (73, True)
