"""What is written is BIDS, as the reference validator and our own read it, and nothing in it is invented."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from bidsflow.phantom import DIALECTS, write
from bidsflow.validate import run
from tests.validate.defects.verdicts import ask_reference, find_reference

from .conftest import Ran

Cli = Callable[..., Ran]
PROGRAM = find_reference()
pytestmark = [
    pytest.mark.validator,
    pytest.mark.skipif(PROGRAM is None, reason="the reference validator is not installed (extra `dev`)"),
]


def find_errors(root: Path) -> list[str]:
    assert PROGRAM
    theirs = ask_reference(PROGRAM, root, "headers")
    assert theirs is not None
    errors = [f"{code} {location}" for _, code, _, severity, location in theirs if severity == "error"]
    return errors + [f"{issue.code} {issue.location}" for issue in run(root, ignore_warnings=True, cache=False)]


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_dataset_is_valid(dialect: str, tmp_path: Path, cli: Cli) -> None:
    write(tmp_path / "scan", dialect=dialect, size="tiny")
    assert cli("convert", tmp_path / "scan" / "dicom", tmp_path / "bids").code == 0
    assert find_errors(tmp_path / "bids") == []


@pytest.mark.parametrize(
    ("age", "sex", "row"),
    [
        ("018M", "F", "sub-01\t1.50\tF"),
        ("093Y", "O", "sub-01\t89\tO"),
        ("", "M", "sub-01\tM"),
        ("006W", "", "sub-01\t0.11"),
        ("", "", "sub-01"),
    ],
)
def test_participants_say_what_is_known_and_no_more(
    age: str, sex: str, row: str, two_people: Path, tmp_path: Path, cli: Cli
) -> None:
    export = Path(shutil.copytree(two_people / "P001", tmp_path / "export"))
    for path in export.rglob("*.dcm"):
        ds = dcmread(path)
        ds.PatientAge, ds.PatientSex, ds.PatientBirthDate = age, sex, ""
        ds.save_as(path)
    assert cli("convert", export, tmp_path / "bids").code == 0
    assert (tmp_path / "bids" / "participants.tsv").read_text().splitlines()[1] == row
    described = tmp_path / "bids" / "participants.json"
    columns = [name for name, value in (("age", age), ("sex", sex)) if value]
    assert described.exists() == bool(columns)
    if columns:
        assert list(json.loads(described.read_text())) == columns


def test_dataset_is_valid_after_images_have_moved(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target, plan = tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("convert", my_export, target).code == 0
    assert cli("plan", my_export, "--bids-dir", target, "-o", plan).code == 0
    plan.write_text(plan.read_text().replace("ses-02", "ses-late").replace("sub-01", "sub-7").replace("rest_", "nap_"))
    assert cli("convert", my_export, target, "--plan", plan).code == 0
    assert find_errors(target) == []


def test_dataset_of_people_of_whom_little_is_known_is_valid(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    export = Path(shutil.copytree(two_people, tmp_path / "export"))
    for path in (export / "P001").rglob("*.dcm"):
        ds = dcmread(path)
        ds.PatientAge, ds.PatientSex, ds.PatientBirthDate = "006W", "", ""
        ds.save_as(path)
    assert cli("convert", export, tmp_path / "bids").code == 0
    assert find_errors(tmp_path / "bids") == []
