"""What goes along with images that get another name: companions, tables, and what people put beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bidsflow.phantom import make_sessions, write
from bidsflow.phantom.physio import write_logs

from .conftest import Ran, read_tree

Cli = Callable[..., Ran]
EVENTS = "time,end,what\n1.0,1,left\n3.0,1,right\n"
MAP = """[events.motor]
logs = "{subject}_{session}.csv"
start = 0
onset = "time"
duration = "end"
trial_type = "what"
"""
RELABEL = "version = 1\n[subjects]\nfrom = 'PatientID'\npattern = '(?P<label>\\d+)'\n"


@pytest.fixture(scope="module")
def visits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person, two visits, each with a task and a log of pulse. Read only."""
    root = tmp_path_factory.mktemp("visits")
    truth = write(root / "scan", sessions=make_sessions(1, 2), series=("task",))
    write_logs(root / "scan", truth, form="cmrr")
    return root / "scan" / "dicom"


@pytest.fixture
def full(visits: Path, tmp_path: Path, cli: Cli) -> Path:
    """A dataset of it with events; `study.toml` beside it calls the person otherwise."""
    for session in ("1", "2"):
        (tmp_path / f"1_{session}.csv").write_text(EVENTS)
    (tmp_path / "events.toml").write_text(MAP)
    (tmp_path / "study.toml").write_text(RELABEL)
    assert cli("convert", visits, tmp_path / "bids").code == 0
    assert cli("events", tmp_path / "bids", "--map", tmp_path / "events.toml").code == 0
    return tmp_path / "bids"


def test_person_with_another_label_leaves_no_table_and_no_companion_behind(full: Path, visits: Path, cli: Cli) -> None:
    before = read_tree(full)
    beside = sum("_events" in name or "_physio" in name for name in before)
    ran = cli("convert", visits, full, "--study", full.parent / "study.toml", "--dry-run")
    assert f"{beside} files of events and recordings would move along" in ran.out
    assert read_tree(full) == before
    ran = cli("convert", visits, full, "--study", full.parent / "study.toml")
    assert ran.code == 0, ran.said
    assert "left behind" not in ran.err
    assert not (full / "sub-01").exists()
    after = read_tree(full)
    label = next(full.glob("sub-*")).name
    assert {name.replace("sub-01", label) for name in before} == after.keys()
    assert "sub-01" not in (full / "participants.tsv").read_text()
    events = "ses-02/func/sub-01_ses-02_task-motor_events.tsv"
    assert after[f"{label}/{events.replace('sub-01', label)}"] == before[f"sub-01/{events}"]
    assert "4 unchanged" not in cli("events", full, "--map", full.parent / "events.toml").out


def rename(name: str, label: str) -> str:
    return name.replace("sub-01", label)


def test_edited_companion_moves_and_keeps_its_edits_and_a_strange_one_stays(full: Path, visits: Path, cli: Cli) -> None:
    events = full / "sub-01/ses-01/func/sub-01_ses-01_task-motor_events.tsv"
    mine = full / "sub-01/ses-02/func/sub-01_ses-02_task-motor_desc-mine_events.tsv"
    events.write_text("onset\tduration\n1\t1\n")
    mine.write_text("onset\tduration\n2\t1\n")
    ran = cli("convert", visits, full, "--study", full.parent / "study.toml")
    assert [line.partition(":")[0] for line in ran.err.splitlines() if "left behind" in line] == [
        f"left behind {mine.relative_to(full)}"
    ]
    label = next(one.name for one in full.glob("sub-*") if one.name != "sub-01")
    assert Path(rename(str(events), label)).read_text() == "onset\tduration\n1\t1\n"
    assert "changed by hand" in cli("events", full, "--map", full.parent / "events.toml").err
    assert mine.is_file()


def test_companion_does_not_go_over_a_file_of_someone_else(full: Path, visits: Path, cli: Cli) -> None:
    events = "sub-01/ses-01/func/sub-01_ses-01_task-motor_events.tsv"
    taken = full / rename(events, "sub-00001")
    taken.parent.mkdir(parents=True)
    taken.write_text("theirs")
    ran = cli("convert", visits, full, "--study", full.parent / "study.toml")
    assert ran.code == 0, ran.said
    assert taken.read_text() == "theirs"
    assert (full / events).is_file()
    assert (full / events).with_suffix(".json").is_file()
    assert f"left behind {events}: something stands under its new name" in ran.err


def test_rows_of_a_former_label_go_with_its_last_file(full: Path, visits: Path, cli: Cli) -> None:
    study = full.parent / "study.toml"
    notes = full / "sub-01/ses-01/notes.txt"
    notes.write_text("mine")
    assert cli("convert", visits, full, "--study", study).code == 0
    table = full / "participants.tsv"
    assert "sub-01\t" in table.read_text()
    assert (full / "sub-01/sub-01_sessions.tsv").is_file()
    notes.unlink()
    assert cli("convert", visits, full, "--study", study).code == 0
    assert "sub-01\t" not in table.read_text()
    assert not list((full / "sub-01").rglob("*.tsv"))


def test_row_of_a_former_label_stays_where_someone_has_written_in_it(full: Path, visits: Path, cli: Cli) -> None:
    study, table = full.parent / "study.toml", full / "participants.tsv"
    (full / "sub-01/notes.txt").write_text("mine")
    assert cli("convert", visits, full, "--study", study).code == 0
    table.write_text(table.read_text().replace("sub-01\tn/a", "sub-01\t40"))
    (full / "sub-01/notes.txt").unlink()
    assert cli("convert", visits, full, "--study", study).code == 0
    assert "sub-01\t40" in table.read_text()


def test_status_tells_of_companions_that_are_edited_missing_or_alone(full: Path, cli: Cli) -> None:
    func = full / "sub-01/ses-01/func"
    (func / "sub-01_ses-01_task-motor_events.tsv").write_text("mine")
    (func / "sub-01_ses-01_task-motor_events.json").unlink()
    for image in (full / "sub-01/ses-02/func").glob("*_bold.*"):
        image.unlink()
    said = cli("status", full).out
    assert "edited sub-01/ses-01/func/sub-01_ses-01_task-motor_events.tsv" in said
    assert "missing sub-01/ses-01/func/sub-01_ses-01_task-motor_events.json" in said
    assert "alone, its image has gone sub-01/ses-02/func/sub-01_ses-02_task-motor_events.tsv" in said


def test_person_who_is_split_by_another_label_is_told(full: Path, visits: Path, cli: Cli) -> None:
    study = full.parent / "study.toml"
    next(full.glob("sub-01/ses-01/func/*_bold.nii.gz")).write_bytes(b"\x1f\x8b")  # damaged
    said = "sub-01 keeps 1 image of the person who is sub-00001 now"
    before = read_tree(full)
    assert said in cli("convert", visits, full, "--study", study, "--dry-run").err
    assert read_tree(full) == before
    assert said in cli("convert", visits, full, "--study", study).err
    assert "sub-01 keeps" not in cli("convert", visits, full, "--study", study, "--force").err
    assert not list(full.glob("sub-01/**/*_bold.*"))


def test_cells_of_a_session_go_with_the_visit_though_an_image_stays(tmp_path: Path, cli: Cli) -> None:
    export, target, study = tmp_path / "scan" / "dicom", tmp_path / "bids", tmp_path / "study.toml"
    write(tmp_path / "scan", sessions=make_sessions(1, 2), series=("t1w", "task"), size="tiny")
    assert cli("convert", export, target).code == 0
    (target / "sub-01" / "sub-01_sessions.tsv").write_text("session_id\tmood\nses-01\tgood\nses-02\tbad\n")
    study.write_text(f"{RELABEL}[[exclude]]\nn_volumes = 1\n")
    assert "sub-01 keeps 2 images" in cli("convert", export, target, "--study", study).err
    for label in ("01", "00001"):
        table = (target / f"sub-{label}" / f"sub-{label}_sessions.tsv").read_text()
        assert table == "session_id\tmood\nses-01\tgood\nses-02\tbad\n"
