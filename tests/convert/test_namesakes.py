"""Series to which one SeriesInstanceUID was given, and that come in two exports: neither replaces the other."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydicom import dcmread

from bidsflow.convert.cohort import name_protocol, protocol_of
from bidsflow.convert.content import source_digest
from bidsflow.convert.namesakes import Likeness, Made, compare, note_scan, read_scan
from bidsflow.convert.plan import from_tsv
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Series
from bidsflow.dicom.twins import moment_of
from bidsflow.phantom import make_sessions, write
from bidsflow.sources.folder import find_files

from .conftest import Ran, finish, read_tree, spawn
from .test_at_once import convert_at_once

Cli = Callable[..., Ran]
UID = "1.2.3.99"
T1W, T2W = "sub-01/anat/sub-01_T1w", "sub-01/anat/sub-01_T2w"
#: Folders of two series, and what their images are called.
PAIRS = {
    "contrasts": (("*_t1_*", T1W), ("*_t2_*", T2W)),
    "tasks": (
        ("*_BOLD_rest", "sub-01/func/sub-01_task-rest_bold"),
        ("*_BOLD_motor", "sub-01/func/sub-01_task-motor_bold"),
    ),
}


def make_exports(root: Path, pair: tuple[tuple[str, str], ...]) -> list[Path]:
    """Write two series with one UID: both in one export, and each in one of its own."""
    write(root / "scan", sessions=make_sessions(1, 1), size="tiny", series=("t1w", "t2w", "rest", "task"))
    whole = root / "whole"
    exports = [whole]
    for pattern, _ in pair:
        (folder,) = (one for one in (root / "scan" / "dicom").rglob(pattern) if one.is_dir())
        for file in sorted(folder.iterdir()):
            header = dcmread(file)
            header.SeriesInstanceUID = UID
            header.save_as(file)
        exports.append(root / folder.name)
        for export in (whole, exports[-1]):
            shutil.copytree(folder, export / folder.name)
    return exports


@pytest.fixture
def contrasts(tmp_path: Path) -> list[Path]:
    return make_exports(tmp_path, PAIRS["contrasts"])


def change_entries(target: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the ledger of a dataset, as an earlier version would have written it."""
    (ledger,) = (target / ".bidsflow" / "ledger").glob("*.json")
    entries = json.loads(ledger.read_bytes())
    for entry in entries.values():
        change(entry)
    ledger.write_text(json.dumps(entries))


def read_image(target: Path, image: str) -> dict[str, bytes]:
    return {name: data for name, data in read_tree(target).items() if name.startswith(f"{image}.")}


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("old", [False, True])
def test_series_of_a_second_export_gets_a_name_of_its_own(pair: str, old: bool, tmp_path: Path, cli: Cli) -> None:
    whole, first, second = make_exports(tmp_path, PAIRS[pair])
    target, ((_, one), (_, other)) = tmp_path / "bids", PAIRS[pair]
    assert cli("convert", first, target).code == 0
    if old:
        change_entries(target, lambda entry: entry.pop("scan"))
    before = read_image(target, one)
    assert f"{other}\n" in cli("convert", second, target, "--dry-run").out
    assert cli("convert", second, target).code == 0
    assert before.keys() == {f"{one}.nii.gz", f"{one}.json"}
    assert read_image(target, one) == before
    assert read_image(target, other).keys() == {f"{other}.nii.gz", f"{other}.json"}
    tree = read_tree(target)
    for export in (first, second, whole):
        ran = cli("convert", export, target)
        assert ran.code == 0, ran.said
        assert read_tree(target) == tree


def test_series_of_an_export_is_that_which_came_with_another_one(
    contrasts: list[Path], tmp_path: Path, cli: Cli
) -> None:
    whole, first, second = contrasts
    assert cli("convert", whole, tmp_path / "bids").code == 0
    tree = read_tree(tmp_path / "bids")
    for export in (first, second):
        assert "1 unchanged" in cli("convert", export, tmp_path / "bids").out
    assert read_tree(tmp_path / "bids") == tree


def test_person_decides_where_nothing_tells(contrasts: list[Path], tmp_path: Path, cli: Cli) -> None:
    _, first, second = contrasts
    target, plan = tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("convert", first, target).code == 0
    change_entries(target, lambda entry: entry.update(scan="", shot="", protocol="", named_protocol=""))
    before = read_image(target, T1W)
    ran = cli("convert", second, target)
    said = "may be another one under the same SeriesInstanceUID"
    assert (ran.code, said in ran.err) == (1, True), ran.said
    assert read_image(target, T1W) == before
    assert cli("plan", second, "-o", tmp_path / "alone.tsv").code == 0
    ran = cli("convert", second, target, "--plan", tmp_path / "alone.tsv")
    assert (ran.code, said in ran.err) == (1, True), ran.said
    assert read_image(target, T1W) == before
    assert cli("plan", second, "--bids-dir", target, "-o", plan).code == 0
    (row,) = from_tsv(plan.read_text()).rows
    assert (row.decision, said in row.evidence) == ("review", True)
    plan.write_text(plan.read_text().replace("\treview\t", "\tconvert\t"))
    assert cli("convert", second, target, "--plan", plan).code == 0
    assert read_image(target, T1W) != before


def test_what_both_were_taken_for_one_series_is_not_made_again(contrasts: list[Path], tmp_path: Path, cli: Cli) -> None:
    whole, first, _ = contrasts
    target = tmp_path / "bids"
    assert cli("convert", first, target).code == 0
    members = take_inventory(find_files([whole]).files).series
    mixed = replace(members[0], instances=tuple(one for series in members for one in series.instances))
    made = {"source": source_digest(mixed), "instances": len(mixed.instances), "content": "", "scan": ""}
    made |= {"protocol": "of a mixture", "named_protocol": "of a mixture", "moment": "of a mixture"}
    change_entries(target, lambda entry: entry.update(made))
    waiting = {"series_uid": UID, "image": 2, "series_number": 1, "title": "t1", "path": "n/a", "status": "review"}
    Dataset(target).pending_file.write_text(json.dumps({"images": [{**waiting, "reason": "Two series."}], "files": []}))
    assert cli("status", target).code == 1
    before = read_tree(target)
    ran = cli("convert", whole, target)
    assert ran.code == 0, ran.said
    assert "1 written, 1 unchanged" in ran.out
    after = read_tree(target)
    assert after.keys() - before.keys() == {f"{T2W}.nii.gz", f"{T2W}.json"}
    assert read_image(target, T1W).items() <= before.items()
    assert cli("status", target).code == 0


def test_plan_that_is_older_than_the_dataset_is_followed(contrasts: list[Path], tmp_path: Path, cli: Cli) -> None:
    _, first, second = contrasts
    target, plan = tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("plan", second, "-o", plan).code == 0
    assert cli("convert", first, target).code == 0
    before = read_image(target, T1W)
    ran = cli("convert", second, target, "--plan", plan)
    assert ran.code == 0, ran.said
    assert read_image(target, T1W) == before
    assert read_image(target, T2W)


def test_plan_of_one_series_is_not_followed_with_the_other(contrasts: list[Path], tmp_path: Path, cli: Cli) -> None:
    whole, first, second = contrasts
    target, plan = tmp_path / "bids", tmp_path / "plan.tsv"
    assert cli("plan", second, "-o", plan).code == 0
    assert cli("convert", first, target).code == 0
    before = read_image(target, T1W)
    ran = cli("convert", whole, target, "--plan", plan)
    assert (ran.code, "physics" in ran.said) == (0, False), ran.said
    assert before
    assert read_image(target, T1W) == before
    assert read_image(target, T2W)


def test_series_of_one_uid_that_come_at_once_do_not_replace_each_other(contrasts: list[Path], tmp_path: Path) -> None:
    exports, target = contrasts[1:], tmp_path / "bids"
    ran = convert_at_once(exports, target)
    assert sorted(one.code for one in ran) == [0, 1]
    assert sum("the dataset has another series under its SeriesInstanceUID" in one.err for one in ran) == 1
    assert len(list(target.rglob("*.nii.gz"))) == 1
    for export in exports:
        assert finish(spawn("convert", export, target)).code == 0
    assert read_image(target, T1W)
    assert read_image(target, T2W)


class Case(NamedTuple):
    before: tuple[int, str, str]
    now: tuple[int, str, str]
    likeness: Likeness


CASES = {
    "as it was": Case((3, "rest", "rest 1"), (3, "rest", "rest 1"), Likeness.SAME),
    "another spelling": Case((3, "rest", "Rest_1"), (3, "rest", "rest 1"), Likeness.SAME),
    "a description more": Case((3, "rest", ""), (3, "rest", "motor"), Likeness.SAME),
    "no names any more": Case((3, "rest", ""), (3, "", ""), Likeness.SAME),
    "nothing but physics": Case((0, "", ""), (0, "", ""), Likeness.SAME),
    "another description": Case((3, "", "rest 1"), (3, "", "motor"), Likeness.UNCLEAR),
    "the number is gone": Case((3, "rest", ""), (0, "rest", ""), Likeness.SAME),
    "both differ": Case((3, "rest", ""), (5, "motor", ""), Likeness.OTHER),
    "the number alone": Case((3, "rest", "1"), (5, "rest", "2"), Likeness.UNCLEAR),
    "no words": Case((3, "rest", ""), (5, "", ""), Likeness.UNCLEAR),
    "no number and other words": Case((3, "rest", ""), (0, "motor", ""), Likeness.UNCLEAR),
}


def label(series: Series, words: tuple[int, str, str]) -> Series:
    number, protocol, description = words
    return replace(series, number=number, protocol_name=protocol, description=description)


@pytest.mark.parametrize("name", CASES)
def test_number_and_protocol_tell_series_apart(name: str, contrasts: list[Path]) -> None:
    case = CASES[name]
    (series,) = take_inventory(find_files([contrasts[1]]).files).series
    before, now = label(series, case.before), label(series, case.now)
    number, names = read_scan(note_scan(before)) or (0, None)
    assert compare(Made(number, names, protocol_of(before, before.images[0])), now, 1) is case.likeness


def test_another_protocol_at_another_time_is_in_doubt_whatever_its_name(contrasts: list[Path]) -> None:
    one, other = (take_inventory(find_files([export]).files).series[0] for export in contrasts[1:])
    made = Made(1, None, protocol_of(one, one.images[0]), name_protocol(one, one.images[0]), moment_of(one))
    assert compare(made, label(one, (1, "", "")), 1) is Likeness.SAME
    assert compare(made, replace(one, number=1), 1) is Likeness.SAME
    assert compare(made, replace(other, number=1), 1) is Likeness.UNCLEAR
    noted = replace(made, names=(read_scan(note_scan(other)) or (0, frozenset()))[1])
    assert compare(noted, replace(other, number=1), 1) is Likeness.UNCLEAR
    assert compare(replace(noted, moment=moment_of(other)), replace(other, number=1), 1) is Likeness.UNCLEAR


@pytest.mark.parametrize("text", ["", "x", "-3 ab", "1.5"])
def test_what_is_no_note_of_a_scan_tells_nothing(text: str) -> None:
    assert read_scan(text) is None
