"""Images that someone has renamed by hand are found, and not made a second time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Ran, read_tree
from .test_rerun import read_rows

Cli = Callable[..., Ran]
FUNC = "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold"


@pytest.fixture
def target(my_export: Path, tmp_path: Path, cli: Cli) -> Path:
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    return tmp_path / "bids"


def rename_by_hand(target: Path, old: str, new: str) -> None:
    """Rename a subject as people do: folder, names, texts."""
    (target / old).rename(target / new)
    for file in sorted((target / new).rglob("*")):
        if file.is_file() and file.suffix in (".json", ".tsv"):
            file.write_text(file.read_text().replace(old, new))
        if old in file.name:
            file.rename(file.with_name(file.name.replace(old, new)))
    table = target / "participants.tsv"
    table.write_text(table.read_text().replace(old, new))


def test_person_who_was_renamed_by_hand_is_not_doubled(my_export: Path, target: Path, cli: Cli) -> None:
    rename_by_hand(target, "sub-01", "sub-77")
    before = read_tree(target)
    said = cli("convert", my_export, target, "--dry-run")
    ran = cli("convert", my_export, target)
    assert (said.code, ran.code) == (1, 1)
    assert read_tree(target) == before
    assert list(read_rows(target / "participants.tsv")) == ["sub-77"]
    for one in (said.out, ran.err):
        assert (
            f"it is missing, and seems to be {FUNC.replace('sub-01', 'sub-77')}.nii.gz: bidsflow changes names" in one
        )
    assert "lost files" not in ran.err
    waits = cli("status", target)
    assert (waits.code, "8 waiting" in waits.out) == (1, True)
    rename_by_hand(target, "sub-77", "sub-01")
    assert cli("convert", my_export, target).out == f"{target}: 8 unchanged\n"
    assert "0 waiting" in cli("status", target).out


def test_force_makes_again_what_was_renamed_by_hand(my_export: Path, target: Path, cli: Cli) -> None:
    image = target / f"{FUNC}.nii.gz"
    image.rename(target / f"{FUNC.replace('task-rest', 'task-film')}.nii.gz")
    ran = cli("convert", my_export, target)
    assert (ran.code, "1 failed" in ran.out, image.exists()) == (1, True, False)
    assert (
        f"{FUNC.rpartition('/')[2]}.nii.gz"
        in (target / FUNC).parent.parent.joinpath("sub-01_ses-01_scans.tsv").read_text()
    )
    assert cli("convert", my_export, target, "--force").code == 0
    assert image.exists()


def test_copy_beside_the_image_is_no_matter(my_export: Path, target: Path, cli: Cli) -> None:
    shutil.copy(target / f"{FUNC}.nii.gz", target / f"{FUNC.replace('task-rest', 'task-film')}.nii.gz")
    assert cli("convert", my_export, target).out == f"{target}: 8 unchanged\n"


def test_files_that_are_made_again_are_told_before(my_export: Path, target: Path, cli: Cli) -> None:
    for name in (f"{FUNC}.nii.gz", f"{FUNC.replace('_bold', '_sbref')}.json"):
        (target / name).unlink()
    ran = cli("convert", my_export, target)
    assert ran.code == 0
    assert "note the dataset has lost files of 2 images, which are made again" in ran.err
    assert "lost files" not in cli("convert", my_export, target).err
