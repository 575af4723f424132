"""What a run could not do is remembered until a later one does it."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from .conftest import Ran, read_times
from .test_rerun import make_plan

Cli = Callable[..., Ran]
BOLD = "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold"


@pytest.fixture
def target(my_export: Path, tmp_path: Path, cli: Cli) -> Path:
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    return tmp_path / "bids"


def look(cli: Cli, target: Path, code: int = 0) -> dict[str, Any]:
    ran = cli("status", target, "--json")
    assert ran.code == code, ran.said
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_what_is_in_is_listed_with_where_it_came_from(my_export: Path, target: Path, cli: Cli) -> None:
    before = read_times(target)
    found = look(cli, target)
    assert read_times(target) == before
    assert (found["waiting"], found["quarantined"], found["commits"], found["at_work"]) == ([], [], 0, 0)
    files = {str(one.relative_to(target)).removesuffix(".nii.gz") for one in target.glob("sub-*/**/*.nii.gz")}
    assert {one["path"] for one in found["images"]} == files
    assert all(one["series"] and one["source"] and one["instances"] for one in found["images"])
    said = cli("status", target)
    assert "sub-01/ses-01" in said.out
    uids = {entry["series_uid"] for ledger in (target / ".bidsflow" / "ledger").glob("*.json")
            for entry in json.loads(ledger.read_text()).values()}  # fmt: skip
    assert uids
    assert not any(uid in said.out + json.dumps(found) for uid in uids)


def test_hashes_of_series_are_equal_within_a_dataset_only(
    my_export: Path, target: Path, tmp_path: Path, cli: Cli
) -> None:
    assert cli("convert", my_export, tmp_path / "other").code == 0
    here, there = (
        {one["path"]: one["series"] for one in look(cli, root)["images"]} for root in (target, tmp_path / "other")
    )
    assert here.keys() == there.keys()
    assert not set(here.values()) & set(there.values())
    assert here == {one["path"]: one["series"] for one in look(cli, target)["images"]}


def test_edited_and_missing_files_are_told(target: Path, cli: Cli) -> None:
    (target / f"{BOLD}.nii.gz").unlink()
    edited = f"{BOLD.replace('ses-01', 'ses-02')}.json"
    (target / edited).write_text("{}")
    images = {one["path"]: one for one in look(cli, target, 1)["images"]}
    assert images[BOLD]["missing"] == [f"{BOLD}.nii.gz"]
    assert images[BOLD.replace("ses-01", "ses-02")]["edited"] == [edited]
    said = cli("status", target).out
    assert f"missing {BOLD}.nii.gz" in said
    assert f"edited {edited}" in said


def test_what_failed_waits_until_it_is_done(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target, "--session", "02").code == 0
    obstacle = target / f"{BOLD}.nii.gz"
    obstacle.parent.mkdir(parents=True)
    obstacle.write_bytes(b"")
    assert cli("convert", my_export, target).code == 1
    (waiting,) = look(cli, target, 1)["waiting"]
    assert (waiting["path"], waiting["status"]) == (BOLD, "failed")
    assert "in the way" in waiting["reason"]
    assert cli("convert", my_export, target, "--session", "02").code == 0  # says nothing of it
    assert len(look(cli, target, 1)["waiting"]) == 1
    obstacle.unlink()
    assert cli("convert", my_export, target).code == 0
    assert look(cli, target)["waiting"] == []


def test_what_is_in_doubt_waits_until_it_is_decided(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target, name = tmp_path / "bids", "sub-01/ses-01/fmap/sub-01_ses-01_dir-PA_epi"
    for decision, waiting in (("review", [("review", name)]), ("skip", [])):

        def decide(row: dict[str, str], decision: str = decision) -> None:
            row["decision"] = decision if row["path"] == name else row["decision"]

        plan = make_plan(my_export, target, cli, decide)
        assert cli("convert", my_export, target, "--plan", plan).code == 0
        plan.unlink()
        found = look(cli, target, int(bool(waiting)))
        assert [(one["status"], one["path"]) for one in found["waiting"]] == waiting


def test_files_that_were_set_aside_are_listed_until_they_are_gone(my_export: Path, target: Path, cli: Cli) -> None:
    odd = my_export / "odd.7z"
    odd.write_bytes(b"7z\xbc\xaf\x27\x1c rest")
    assert cli("convert", my_export, target).code == 1
    assert look(cli, target)["quarantined"] == [{"path": "odd.7z", "reason": "a 7z archive"}]
    odd.unlink()
    assert cli("convert", my_export, target).code == 0
    assert look(cli, target)["quarantined"] == []


def test_a_commit_that_is_not_finished_and_a_run_at_work_are_told(target: Path, cli: Cli) -> None:
    (target / ".bidsflow" / "journal" / "dead.json").write_text('{"moves": [], "remove": []}')
    for name in ("run-dead", "run-alive"):
        (target / ".bidsflow" / "staging" / name).mkdir()
        (target / ".bidsflow" / "staging" / name / "owner").touch()
    with (target / ".bidsflow" / "staging" / "run-alive" / "owner").open() as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        found = look(cli, target, 1)
    assert (found["commits"], found["at_work"]) == (1, 1)


def test_a_folder_of_others_is_told(tmp_path: Path, cli: Cli) -> None:
    ran = cli("status", tmp_path)
    assert ran.code == 73
    assert "bidsflow has converted nothing here" in ran.said


def test_first_run_that_converts_nothing_remembers_what_is_up_for_review(tmp_path: Path, cli: Cli) -> None:
    plan, target = tmp_path / "plan.tsv", tmp_path / "bids"
    assert cli("phantom", tmp_path / "scan", "--series", "rest").code == 0
    assert cli("plan", tmp_path / "scan" / "dicom", "-o", plan).code == 0
    plan.write_text(plan.read_text().replace("\tconvert\t", "\treview\t"))
    assert cli("convert", tmp_path / "scan" / "dicom", target, "--plan", plan).code == 0
    (waiting,) = look(cli, target, 1)["waiting"]
    assert waiting["status"] == "review"
    assert [one.name for one in target.iterdir()] == [".bidsflow"]
    assert cli("convert", tmp_path / "scan" / "dicom", target).code == 0
    assert look(cli, target)["waiting"] == []


def test_file_that_was_set_aside_is_settled_by_whoever_looks_at_its_place(
    my_export: Path, target: Path, tmp_path: Path, cli: Cli
) -> None:
    odd = my_export / "P001" / "odd.7z"
    odd.write_bytes(b"7z\xbc\xaf\x27\x1c rest")
    assert cli("convert", my_export, target).code == 1
    stored = (target / ".bidsflow" / "pending.json").read_text()
    assert str(my_export) not in stored
    for other, left in ((tmp_path / "other", 1), (my_export / "P001", 1), (my_export / "P001", 0)):
        if not other.exists():
            shutil.copytree(my_export / "P001", other, ignore=shutil.ignore_patterns("*.7z"))
        if not left:
            odd.unlink()
        assert cli("convert", other, target).code == int(odd.exists() and other in odd.parents)
        assert len(look(cli, target)["quarantined"]) == left


def test_what_was_set_aside_can_be_forgotten(my_export: Path, target: Path, cli: Cli) -> None:
    (my_export / "odd.7z").write_bytes(b"7z\xbc\xaf\x27\x1c rest")
    assert cli("convert", my_export, target).code == 1
    assert "odd.7z" not in cli("status", target, "--forget").out
    assert look(cli, target)["quarantined"] == []
    assert cli("convert", my_export, target).code == 1
    assert len(look(cli, target)["quarantined"]) == 1


def test_corrected_pixels_beside_an_edited_sidecar_wait(my_export: Path, target: Path, cli: Cli) -> None:
    sidecar = target / f"{BOLD}.json"
    sidecar.write_text(json.dumps({**json.loads(sidecar.read_text()), "Mine": 1}))
    assert cli("convert", my_export, target).code == 0
    assert look(cli, target)["waiting"] == []  # an edit alone is nothing to decide
    for file in sorted(my_export.glob("*/*"))[0].rglob("*BOLD_rest/*.dcm"):
        header = dcmread(file)
        header.PixelData = bytes(len(header.PixelData))
        header.save_as(file)
    assert cli("convert", my_export, target).code == 0
    (waiting,) = look(cli, target, 1)["waiting"]
    assert (waiting["path"], waiting["status"]) == (BOLD, "left alone")
    assert "its series has changed, but" in waiting["reason"]
    assert cli("convert", my_export, target, "--force").code == 0
    assert look(cli, target)["waiting"] == []


def test_damaged_note_of_what_waits_can_be_deleted(my_export: Path, target: Path, cli: Cli) -> None:
    note = target / ".bidsflow" / "pending.json"
    note.write_text("{")
    for words in ((), ("--dry-run",)):
        ran = cli("convert", my_export, target, *words)
        assert (ran.code, "Delete it" in ran.err, "backup" in ran.err) == (73, True, False)
    note.unlink()
    assert cli("convert", my_export, target).code == 0
