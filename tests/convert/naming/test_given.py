"""What ReproIn names give beyond the name of one image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bidsflow.convert.naming.reproin import given_sessions
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


def _tell(inventory: Inventory, names: list[str], *, again: str = "") -> tuple[str, ...]:
    """Return the notes of a plan of two series under some names; `again`: the second is of a visit a month later."""
    first, second = inventory.series
    one, two = replace(first, protocol_name=names[0]), replace(second, protocol_name=names[1])
    if again:
        own = {"StudyDate": "20300101", "FrameOfReferenceUID": "1", "StudyInstanceUID": again}
        header = replace(two.header, values={**two.header.values, **own})
        two = replace(two, study_uid=again, header=header, started="20300101120000")
    return make_plan(replace(inventory, series=(one, two))).plan.notes


def test_sessions_that_disagree_in_one_study_are_told(inventory: Inventory) -> None:
    assert _tell(inventory, ["anat-T1w_ses-pre", "func_ses-post_task-rest"]) == (
        "sub-01: the protocols of one study name ses-post and ses-pre, and none is taken for its session; give it in "
        "the plan, or in study.toml ([sessions])",
    )
    assert _tell(inventory, ["anat-T1w_ses-pre", "func_task-rest"]) == ()


def test_visit_that_does_not_get_the_session_of_its_protocols_is_told(inventory: Inventory) -> None:
    assert _tell(inventory, ["anat-T1w_ses-pre", "func_ses-pre_task-rest"], again="1.9") == (
        "sub-01/ses-01: its protocols name ses-pre, which another visit of the subject has; if its session is not "
        "ses-01, give it in the plan, or in study.toml ([sessions])",
    )
    assert _tell(inventory, ["anat-T1w_ses-pre", "func_ses-post_task-rest"], again="1.9") == ()
