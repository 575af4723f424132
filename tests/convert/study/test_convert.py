"""What a study does to a dataset: names, subjects and sidecars change with it, and only with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.convert.conftest import Ran, read_tree

Cli = Callable[..., Ran]
RULE = '[[series]]\nmatch = { kind = "gradient-echo EPI", n_volumes = ">1" }\n'


@pytest.fixture
def write_study(tmp_path: Path) -> Callable[[str], Path]:
    """Write a study file outside of the dataset."""

    def write(text: str) -> Path:
        file = tmp_path / "study.toml"
        file.write_text(f"version = 1\nname = 'Memory'\n{text}")
        return file

    return write


def foresee(cli: Cli, export: Path, target: Path, *more: object) -> dict[str, tuple[str, str]]:
    """Return what a conversion would do, by path."""
    ran = cli("convert", export, target, "--dry-run", "--json", *more)
    assert ran.code == 0, ran.err
    return {one["path"]: (one["change"], one["reason"]) for one in json.loads(ran.out)["changes"]}


def test_study_of_a_dataset_is_found_and_named(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    (target / "code").mkdir(parents=True)
    (target / "code" / "study.toml").write_text("version = 1\nname = 'Memory'\n" + RULE + "task = 'sleep'\n")
    ran = cli("convert", two_people, target)
    assert ran.code == 0, ran.err
    assert f"study {target}/code/study.toml (Memory): 1 rule for series" in ran.err
    assert (target / "sub-02/func/sub-02_task-sleep_bold.nii.gz").is_file()
    assert cli("status", target).code == 0


def test_changed_task_moves_images_and_says_so_before(
    two_people: Path, tmp_path: Path, cli: Cli, write_study: Callable[[str], Path]
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", two_people, target).code == 0
    file = write_study(RULE + "task = 'sleep'\n")
    changes = foresee(cli, two_people, target, "--study", file)
    assert changes["sub-01/func/sub-01_task-sleep_bold"][0] == "moved"
    ran = cli("convert", two_people, target, "--study", file)
    assert (ran.code, ran.out) == (0, f"{target}: 4 moved\n")
    names = set(read_tree(target))
    assert "sub-01/func/sub-01_task-sleep_bold.nii.gz" in names
    assert not any("task-rest" in name for name in names)
    assert {change for change, _ in foresee(cli, two_people, target, "--study", file).values()} == {"unchanged"}
    assert {change for change, _ in foresee(cli, two_people, target).values()} == {"unchanged"}
    assert cli("convert", two_people, target).code == 0  # without a study, all stays
    file = write_study("")
    assert {change for change, _ in foresee(cli, two_people, target, "--study", file).values()} == {"moved"}
    assert cli("convert", two_people, target, "--study", file).out == f"{target}: 4 moved\n"
    assert any("task-rest" in name for name in read_tree(target))


def test_sidecar_fields_are_written_and_a_change_of_them_is_seen(
    two_people: Path, tmp_path: Path, cli: Cli, write_study: Callable[[str], Path]
) -> None:
    target, sidecar = tmp_path / "bids", tmp_path / "bids/sub-01/func/sub-01_task-rest_bold.json"
    text = "[sidecar]\nInstitutionName = 'A clinic'\n" + RULE + "sidecar = { NumberOfVolumesDiscardedByUser = 2 }\n"
    assert cli("convert", two_people, target, "--study", write_study(text)).code == 0
    found = json.loads(sidecar.read_text())
    assert (found["InstitutionName"], found["NumberOfVolumesDiscardedByUser"]) == ("A clinic", 2)
    assert {one for one, _ in foresee(cli, two_people, target).values()} == {"unchanged"}
    changed = write_study(text.replace("= 2", "= 3"))
    changes = foresee(cli, two_people, target, "--study", changed)
    assert changes["sub-01/func/sub-01_task-rest_bold"] == ("again", "the study says other fields for its sidecar")
    assert changes["sub-01/func/sub-01_task-rest_sbref"] == ("unchanged", "")
    sidecar.write_text(sidecar.read_text().replace("A clinic", "Another"))
    assert cli("convert", two_people, target, "--study", changed).code == 0
    assert json.loads(sidecar.read_text())["InstitutionName"] == "Another"
    other = json.loads((target / "sub-02/func/sub-02_task-rest_bold.json").read_text())
    assert other["NumberOfVolumesDiscardedByUser"] == 3


def test_subjects_move_to_the_labels_of_a_table_that_is_not_shown(
    two_people: Path, tmp_path: Path, cli: Cli, write_study: Callable[[str], Path]
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", two_people, target).code == 0
    (tmp_path / "who.csv").write_text("PatientID;participant_id\nphantom00001;sub-A7\nPHANTOM00002;B8\n")
    file = write_study("[subjects]\nfrom = 'table'\ntable = { path = 'who.csv' }\n")
    ran = cli("convert", two_people, target, "--study", file)
    assert ran.code == 0, ran.err
    assert "PHANTOM" not in ran.said.upper().replace(str(tmp_path).upper(), "")
    assert sorted(one.name for one in target.glob("sub-*")) == ["sub-A7", "sub-B8"]
    assert "sub-A7" in (target / "participants.tsv").read_text()
    later = {path.partition("/")[0] for path in foresee(cli, two_people, target)}
    assert later == {"sub-A7", "sub-B8"}


def test_person_who_is_in_no_line_of_the_table_waits(
    two_people: Path, tmp_path: Path, cli: Cli, write_study: Callable[[str], Path]
) -> None:
    (tmp_path / "who.tsv").write_text("PatientID\tparticipant_id\nPHANTOM00002\t07\n")
    file = write_study("[subjects]\nfrom = 'table'\ntable = { path = 'who.tsv' }\n")
    ran = cli("convert", two_people, tmp_path / "bids", "--study", file)
    assert (ran.code, "No subject label by study.toml" in ran.err) == (0, True)
    assert [one.name for one in (tmp_path / "bids").glob("sub-*")] == ["sub-07"]
    (tmp_path / "who.tsv").write_text("PatientID\tparticipant_id\nPHANTOM00002\t07\nPHANTOM00001\t01\n")
    assert cli("convert", two_people, tmp_path / "bids", "--study", file).code == 0
    assert sorted(one.name for one in (tmp_path / "bids").glob("sub-*")) == ["sub-01", "sub-07"]


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "who.csv cannot be read"),
        ("PHANTOM00001,01\n", "who.csv has no column 'PatientID' or 'participant_id' in its first line"),
        ("PatientID,participant_id\nPHANTOM00001,01\nphantom00001,02\n", "line 3 of who.csv gives another label"),
        (f"PatientID,participant_id\nPHANTOM00001,{200_000 * 'x'}\n", "who.csv is no table"),
        ("PatientID,participant_id\nPHANTOM00001,--\n", "line 2 of who.csv has no letter or digit"),
    ],
)
def test_table_that_cannot_be_used_is_told_without_what_it_holds(
    two_people: Path, tmp_path: Path, cli: Cli, write_study: Callable[[str], Path], table: str, said: str
) -> None:
    if table:
        (tmp_path / "who.csv").write_text(table)
    file = write_study("[subjects]\nfrom = 'table'\ntable = { path = 'who.csv' }\n")
    ran = cli("plan", two_people, "--study", file)
    assert (ran.code, said in ran.err) == (65, True), ran.err
    assert "PHANTOM" not in ran.said.upper().replace(str(tmp_path).upper(), "")


def test_folder_gives_subjects_and_visits(
    small_export: Path, tmp_path: Path, cli: Cli, write_study: Callable[[str], Path]
) -> None:
    folders = sorted({path.relative_to(small_export).parts[0] for path in small_export.rglob("*") if path.is_file()})
    for rank, name in enumerate(folders, 1):
        (tmp_path / "export" / "lab-K9").mkdir(parents=True, exist_ok=True)
        (tmp_path / "export" / "lab-K9" / f"visit{rank}").symlink_to(small_export / name)
    text = "[subjects]\nfrom = 'folder'\npattern = 'lab-([A-Z0-9]+)'\n"
    file = write_study(text + "[sessions]\nfrom = 'folder'\npattern = 'visit(?P<label>[0-9])'\n")
    ran = cli("plan", tmp_path / "export", "--study", file, "--json")
    assert ran.code == 0, ran.err
    rows = json.loads(ran.out)["rows"]
    assert {"/".join(row["path"].split("/")[:2]) for row in rows} >= {"sub-K9/ses-1"}
    assert {row["path"].split("/")[0] for row in rows if row["path"] != "n/a"} == {"sub-K9"}


def test_description_of_the_dataset_is_filled_and_what_is_there_stays(
    two_people: Path, tmp_path: Path, cli: Cli, write_study: Callable[[str], Path]
) -> None:
    file = tmp_path / "bids" / "dataset_description.json"
    text = "[dataset]\nName = 'Sleep'\nAuthors = ['A. Author']\n"
    assert cli("convert", two_people, tmp_path / "bids", "--study", write_study(text)).code == 0
    found = json.loads(file.read_text())
    assert (found["Name"], found["Authors"], found["DatasetType"]) == ("Sleep", ["A. Author"], "raw")
    file.write_text(json.dumps({**found, "Name": "Dreams"}))
    more = write_study(text.replace("Sleep", "Naps") + "License = 'CC0'\n")
    assert cli("convert", two_people, tmp_path / "bids", "--study", more).code == 0
    found = json.loads(file.read_text())
    assert (found["Name"], found["License"]) == ("Dreams", "CC0")


@pytest.mark.parametrize(("text", "promised"), [("", True), ("[subjects]\nfrom = 'PatientID'\n", False)])
def test_readme_promises_labels_that_say_nothing_only_where_they_are_numbers(
    two_people: Path, tmp_path: Path, cli: Cli, write_study: Callable[[str], Path], text: str, promised: bool
) -> None:
    assert cli("convert", two_people, tmp_path / "bids", "--study", write_study(text)).code == 0
    said = (tmp_path / "bids" / "README").read_text()
    assert ("labels say nothing of the person" in said, "Dates are shifted" in said) == (promised, True)


def test_readme_takes_its_promise_back_where_a_study_relabels_people(
    two_people: Path, tmp_path: Path, cli: Cli, write_study: Callable[[str], Path]
) -> None:
    former, target = tmp_path / "bids", tmp_path / "renamed"
    assert cli("convert", two_people, former).code == 0
    former.rename(target)
    study = write_study("[subjects]\nfrom = 'PatientID'\n")
    assert cli("convert", two_people, target, "--study", study).code == 0
    assert "labels say nothing of the person" not in (target / "README").read_text()
    assert cli("convert", two_people, target).code == 0
    assert "labels say nothing of the person" not in (target / "README").read_text()
