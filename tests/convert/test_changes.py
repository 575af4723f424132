"""A dry run says of each image what would become of it, and what it says comes true."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from .conftest import Ran, read_tree
from .test_rerun import make_plan

Cli = Callable[..., Ran]
BOLD = "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold"


def foresee(cli: Cli, *words: object, code: int = 0) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Return what a dry run says of each image, and what would be left."""
    ran = cli("convert", *words, "--dry-run", "--json")
    assert ran.code == code, ran.said
    told = json.loads(ran.out)
    return {one["path"]: (one["change"], one["reason"]) for one in told["changes"]}, told["left"]


@pytest.fixture
def target(my_export: Path, tmp_path: Path, cli: Cli) -> Path:
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    return tmp_path / "bids"


def test_everything_is_new_and_nothing_is_written(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    changes, left = foresee(cli, my_export, tmp_path / "bids")
    assert set(changes.values()) == {("new", "")}
    assert not (tmp_path / "bids").exists()
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    assert {str(one.relative_to(tmp_path / "bids")) for one in (tmp_path / "bids").glob("sub-*/**/*.nii.gz")} == {
        f"{path}.nii.gz" for path in changes
    }
    assert left == []


def look_at(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return all of a dataset, bidsflow's own included: when each file and folder was changed, and what it holds."""
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in (root, *root.rglob("*"))
    }


@pytest.mark.parametrize("known", [True, False], ids=["with an index", "without an index"])
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_dry_run_changes_nothing_in_a_dataset(
    packed: bool, known: bool, my_export: Path, target: Path, cli: Cli, tmp_path: Path
) -> None:
    for file in my_export.rglob("*BOLD_rest*/*.dcm"):
        header = dcmread(file)
        header.ImageComments = "sent again"
        header.save_as(file)
    if packed:
        my_export = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", my_export))
    if not known:
        (target / ".bidsflow" / "inventory.sqlite").unlink()
    (target / f"{BOLD}.json").unlink()
    before = look_at(target)
    for words in ((), ("--force",), ("--keep-source",), ("--subject", "01")):
        assert cli("convert", my_export, target, *words, "--dry-run").code == 0
        assert look_at(target) == before
    assert cli("plan", my_export, "--bids-dir", target).code == 0
    assert cli("check", target).code in (0, 1)
    assert look_at(target) == before


def test_what_is_there_is_told_apart(my_export: Path, target: Path, cli: Cli) -> None:
    (target / f"{BOLD}.nii.gz").unlink()
    (target / f"{BOLD.replace('ses-01', 'ses-02')}.json").write_text("{}")
    before = read_tree(target)
    changes, _ = foresee(cli, my_export, target)
    assert changes[BOLD] == ("again", "files of it are missing")
    assert changes[BOLD.replace("ses-01", "ses-02")][0] == "left alone"
    assert Counter(change for change, _ in changes.values()) == {
        "again": 1,
        "left alone": 1,
        "unchanged": len(changes) - 2,
    }
    assert read_tree(target) == before
    forced, _ = foresee(cli, my_export, target, "--force")
    assert set(forced.values()) == {("again", "asked for by --force")}


def test_corrected_pixels_are_a_change(my_export: Path, target: Path, cli: Cli) -> None:
    for file in my_export.rglob("*BOLD_rest*/*.dcm"):
        header = dcmread(file)
        header.PixelData = bytes(len(header.PixelData))
        header.save_as(file)
    changes, _ = foresee(cli, my_export, target)
    assert changes[BOLD] == ("again", "its series has changed")


def test_a_move_and_what_is_left_are_told(my_export: Path, target: Path, cli: Cli, tmp_path: Path) -> None:
    def change(row: dict[str, str]) -> None:
        if row["path"] == BOLD:
            row["path"] = BOLD.replace("task-rest", "task-other")
        elif row["path"].endswith("ses-01_dir-PA_epi"):
            row["decision"] = "skip"

    plan = make_plan(my_export, target, cli, change)
    changes, left = foresee(cli, my_export, target, "--plan", plan)
    assert changes[BOLD.replace("task-rest", "task-other")] == ("moved", f"it stands under {BOLD}")
    assert left == ["sub-01/ses-01/fmap/sub-01_ses-01_dir-PA_epi"]
    said = cli("convert", my_export, target, "--plan", plan, "--dry-run").out
    assert "To be done: 1 moved" in said


def test_what_is_in_the_way_is_told(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    obstacle = tmp_path / "bids" / f"{BOLD}.nii.gz"
    assert cli("convert", my_export, tmp_path / "bids", "--session", "02").code == 0
    obstacle.parent.mkdir(parents=True)
    obstacle.write_bytes(b"")
    changes, _ = foresee(cli, my_export, tmp_path / "bids", code=1)  # as the run would
    assert changes[BOLD][0] == "impossible"
    assert "in the way" in changes[BOLD][1]
    assert cli("convert", my_export, tmp_path / "bids").code == 1


def test_what_is_for_review_is_counted(my_export: Path, target: Path, cli: Cli) -> None:
    def change(row: dict[str, str]) -> None:
        row["decision"] = "skip" if "epi" in row["path"] else "review"

    plan = make_plan(my_export, target, cli, change)
    said = cli("convert", my_export, target, "--plan", plan, "--dry-run").out
    assert said.endswith("To be done: nothing to convert, 4 for review, 4 skipped\n")


def test_part_of_an_export_that_cannot_be_read_counts_in_a_dry_run(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    (my_export / "gone").symlink_to(tmp_path / "nowhere")
    assert cli("convert", my_export, tmp_path / "bids", "--dry-run").code == 1
    assert cli("convert", my_export, tmp_path / "bids").code == 1
