"""Images that came again under another name and ID, with the same UIDs: a person decides, once."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread

from bidsflow.convert.plan import from_tsv
from bidsflow.phantom import make_sessions, write

from .conftest import SERIES, Ran, read_tree
from .test_rerun import REST, make_plan

Cli = Callable[..., Ran]
BOLD = REST.replace("ses-01/", "").replace("ses-01_", "")
STRANGER = "by name and ID it is someone else's than that of sub-01 now"


def rename(export: Path) -> Path:
    """Return a copy of an export in which the person has a pseudonym."""
    again = Path(shutil.copytree(export, export.with_name("again")))
    for file in again.rglob("*.dcm"):
        header = dcmread(file)
        header.PatientName, header.PatientID = "Pseudo^Nym", "PN07"
        header.save_as(file)
    return again


@pytest.fixture
def again(tmp_path: Path, cli: Cli) -> Path:
    """An export whose images the dataset `bids` has under another name."""
    write(tmp_path / "scan", size="tiny", sessions=make_sessions(1, 1), series=SERIES)
    assert cli("convert", tmp_path / "scan" / "dicom", tmp_path / "bids").code == 0
    return rename(tmp_path / "scan" / "dicom")


def decide(decision: str, *paths: str) -> Callable[[dict[str, str]], None]:
    def change(row: dict[str, str]) -> None:
        row["decision"] = decision if not paths or row["path"] in paths else "skip"

    return change


def test_plan_asks_a_person_about_images_that_would_stay(again: Path, tmp_path: Path, cli: Cli) -> None:
    ran = cli("convert", again, tmp_path / "bids")
    assert (ran.code, ran.err.count(f"{STRANGER}; the image stays as it is (decide by a plan: ")) == (1, 4), ran.said
    ran = cli("plan", again, "--bids-dir", tmp_path / "bids", "--tsv")
    rows = from_tsv(ran.out).rows
    assert {str(row.decision) for row in rows} == {"review"}
    assert BOLD in {row.path for row in rows}
    said = f"{STRANGER}: skip it, and the image stays as it is; convert it if they are one person, and it is replaced"
    assert all(said in row.evidence for row in rows)
    assert not any("PN07" in row.evidence or "PSEUDO" in row.evidence.upper() for row in rows)


def test_images_that_a_person_skips_stay_without_a_failure(again: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    before = read_tree(target)
    assert cli("convert", again, target).code == 1
    plan = make_plan(again, target, cli, decide("skip"))
    for words in (("--plan", plan), ()):
        ran = cli("convert", again, target, *words)
        assert (ran.code, ran.out) == (0, f"{target}: nothing to convert, 4 skipped\n"), ran.said
        assert ran.err.count("left alone") == 4
        assert read_tree(target) == before
    assert cli("status", target).code == 0
    planned = from_tsv(cli("plan", again, "--bids-dir", target, "--tsv").out)
    assert all(str(row.decision) == "skip" and STRANGER in row.evidence for row in planned.rows)


def test_images_of_one_person_are_made_again(again: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    before = read_tree(target)
    ran = cli("convert", again, target, "--plan", make_plan(again, target, cli, decide("convert")))
    assert (ran.code, ran.out) == (0, f"{target}: 4 written\n"), ran.said
    assert "joins sub-01, who is someone else by name and ID" in ran.err
    assert read_tree(target) == before
    assert cli("convert", again, target).out == f"{target}: 4 unchanged\n"
    assert cli("convert", tmp_path / "scan" / "dicom", target).out == f"{target}: 4 written\n"


def test_one_image_of_them_keeps_its_field_map(again: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    before = read_tree(target)
    ran = cli("convert", again, target, "--plan", make_plan(again, target, cli, decide("convert", BOLD)))
    assert (ran.code, ran.out) == (0, f"{target}: 1 written, 3 skipped\n"), ran.said
    assert read_tree(target) == before


def test_plan_that_asked_no_one_is_still_refused(again: Path, tmp_path: Path, cli: Cli) -> None:
    target, plan = tmp_path / "bids", tmp_path / "alone.tsv"
    before = read_tree(target)
    assert cli("plan", again, "-o", plan).code == 0
    ran = cli("convert", again, target, "--plan", plan)
    assert ran.code == 65
    assert "plan again with --bids-dir, which asks you" in ran.err
    assert read_tree(target) == before


def test_series_that_the_dataset_lacks_of_a_study_of_someone_else_is_for_a_person(tmp_path: Path, cli: Cli) -> None:
    export, target = tmp_path / "scan" / "dicom", tmp_path / "bids"
    write(tmp_path / "scan", size="tiny", sessions=make_sessions(1, 1), series=SERIES)
    again = rename(export)
    for file in export.rglob("*BOLD_rest/*.dcm"):
        file.unlink()
    assert cli("convert", export, target).code == 0
    rows = from_tsv(cli("plan", again, "--bids-dir", target, "--tsv").out).rows
    (late,) = (row for row in rows if row.path == BOLD)
    assert str(late.decision) == "review"
    assert STRANGER[1:] in late.evidence
    cli("convert", again, target)
    assert not (target / f"{BOLD}.nii.gz").exists()
    ran = cli("convert", again, target, "--plan", make_plan(again, target, cli, decide("convert", BOLD)))
    assert (ran.code, ran.out) == (0, f"{target}: 1 written, 3 skipped\n"), ran.said
    assert (target / f"{BOLD}.nii.gz").exists()


def test_another_scan_under_the_uid_of_an_image_does_not_replace_it(tmp_path: Path, cli: Cli) -> None:
    """An anonymiser has given two series one UID and one number, and they come in two exports."""
    export, bids = tmp_path / "scan" / "dicom", tmp_path / "bids"
    write(tmp_path / "scan", size="tiny", sessions=make_sessions(1, 1), series=("t1w", "rest"))
    for file in export.rglob("*.dcm"):
        header = dcmread(file)
        header.SeriesInstanceUID, header.SeriesNumber = "1.2.826.0.1.9", 1
        header.save_as(file)
    anatomy, run = sorted({file.parent for file in export.rglob("*.dcm")})
    assert cli("convert", run, bids).code == 0
    before = read_tree(bids)
    ran = cli("convert", anatomy, bids)
    assert (ran.code, "it may be another one under the same SeriesInstanceUID" in ran.err) == (1, True)
    assert read_tree(bids) == before


def test_run_that_was_sent_again_with_more_volumes_replaces_it(tmp_path: Path, cli: Cli) -> None:
    export, bids = tmp_path / "scan" / "dicom", tmp_path / "bids"
    write(tmp_path / "scan", size="tiny", sessions=make_sessions(1, 1), series=("rest",))
    files = sorted(export.rglob("*.dcm"), key=lambda file: int(dcmread(file).InstanceNumber))
    late = tmp_path / "late"
    late.mkdir()
    for file in files[15:]:
        shutil.move(file, late / file.name)
    assert cli("convert", export, bids).code == 0
    ran = cli("convert", export, late, bids)
    assert (ran.code, "1 written" in ran.out) == (0, True), ran.said
