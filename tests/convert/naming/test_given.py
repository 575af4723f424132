"""What ReproIn names give beyond the name of one image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bidsflow.convert.naming.words import given_sessions
from bidsflow.convert.planner import make_plan
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Header, Inventory, Patient, Series
from bidsflow.phantom import write
from bidsflow.sources import find_files

ANNA = Patient("P7", "MEYER ANNA", "19900101", "F")


def _series(name: str, study: str = "1.2") -> Series:
    return Series(name, study, ANNA, 1, name, name, "", (), (), Header())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["anat-scout_ses-pre", "func_task-rest"], {"1.2": "pre"}),
        (["func_ses-02_task-rest"], {"1.2": "02"}),
        (["anat-scout_ses-pre", "func_ses-post_task-rest"], {}),
        (["anat-scout_ses-anna"], {}),
        (["ep2d_ses-pre"], {}),
    ],
)
def test_session_of_a_study_is_what_its_names_agree_on(names: list[str], expected: dict[str, str]) -> None:
    assert given_sessions([_series(name) for name in names]) == expected


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Inventory:
    root: Path = tmp_path_factory.mktemp("export")
    write(root, size="tiny", series=["t1w", "rest"])
    return take_inventory(find_files([root / "dicom"]).files)


def test_given_session_stands_in_every_name_of_the_study(inventory: Inventory) -> None:
    first, *others = inventory.series
    named = replace(inventory, series=(replace(first, protocol_name="anat-T1w_ses-pre"), *others))
    assert {row.path.split("/")[1] for row in make_plan(named).plan.rows} == {"ses-pre"}
