"""The originals are kept where asked for: all of them, once, never changed."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from bidsflow.cli.originals import report_kept
from bidsflow.convert.ledger import read_taken
from bidsflow.convert.originals import keep_originals
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.inventory import take_inventory
from bidsflow.phantom import make_sessions, write
from bidsflow.phantom.physio import write_logs
from bidsflow.sources import find_files

from .conftest import Ran, read_times

Cli = Callable[..., Ran]
FIRST = "sourcedata/sub-01/ses-01/sub-01_ses-01_dicom"


def read_members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def test_every_file_of_a_session_is_kept_as_it_was(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    ran = cli("convert", my_export, target, "--keep-source")
    assert ran.code == 0, ran.said
    assert "names, IDs and dates" in ran.err
    kept = [one for file in target.rglob("*_dicom.tar.gz") for one in read_members(file).values()]
    assert sorted(kept) == sorted(file.read_bytes() for file in my_export.rglob("*.dcm"))
    listed = dict(line.split("  ")[::-1] for line in (target / f"{FIRST}.sha256").read_text().splitlines())
    members = read_members(target / f"{FIRST}.tar.gz")
    assert listed == {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    private = [target / f"{FIRST}.tar.gz", *(target / FIRST).parents[:3]]
    assert [one.stat().st_mode & 0o077 for one in private] == [0, 0, 0, 0]
    assert cli("validate", target).code == 0


def test_second_run_writes_nothing_and_bytes_are_reproducible(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target, other = tmp_path / "bids", tmp_path / "other"
    assert cli("convert", my_export, target, "--keep-source").code == 0
    before = read_times(target)
    assert cli("convert", my_export, target, "--keep-source").code == 0
    assert read_times(target) == before
    moved = shutil.copytree(my_export, tmp_path / "elsewhere" / "export")
    assert cli("convert", moved, other, "--keep-source").code == 0
    assert (other / f"{FIRST}.tar.gz").read_bytes() == (target / f"{FIRST}.tar.gz").read_bytes()
    assert cli("convert", moved, target, "--keep-source").code == 0
    assert not list(target.rglob("*_dicom-2.tar.gz"))


def test_late_files_go_into_a_further_part(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target, late = tmp_path / "bids", tmp_path / "late"
    series = sorted(my_export.glob("P001/*/*rest*"))[0]
    shutil.move(series, late)
    assert cli("convert", my_export, target, "--keep-source").code == 0
    first = (target / f"{FIRST}.tar.gz").read_bytes()
    shutil.move(late, series)
    assert cli("convert", my_export, target, "--keep-source", "--dry-run").code == 0
    assert not (target / f"{FIRST}-2.tar.gz").exists()
    assert cli("convert", my_export, target, "--keep-source").code == 0
    assert (target / f"{FIRST}.tar.gz").read_bytes() == first
    assert sorted(read_members(target / f"{FIRST}-2.tar.gz").values()) == sorted(
        file.read_bytes() for file in series.iterdir()
    )


def test_archive_that_has_lost_its_list_is_left_alone(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target, "--keep-source").code == 0
    (target / f"{FIRST}.sha256").unlink()
    first = (target / f"{FIRST}.tar.gz").read_bytes()
    for _ in range(2):
        ran = cli("convert", my_export, target, "--keep-source")
        assert ran.code == 0, ran.said
    assert (target / f"{FIRST}.tar.gz").read_bytes() == first
    assert read_members(target / f"{FIRST}-2.tar.gz") == read_members(target / f"{FIRST}.tar.gz")
    assert not (target / f"{FIRST}-3.tar.gz").exists()


def test_nothing_is_kept_unless_asked_for(my_export: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("convert", my_export, tmp_path / "bids").code == 0
    assert not (tmp_path / "bids" / "sourcedata").exists()


@pytest.mark.parametrize("more", [(), ("--executor", "slurm")])
def test_what_cannot_be_kept_is_refused(more: tuple[str, ...], my_export: Path, tmp_path: Path, cli: Cli) -> None:
    target = tmp_path / "bids"
    export = my_export if more else Path(shutil.copytree(my_export, target / "sourcedata" / "export"))
    ran = cli("convert", export, target, "--keep-source", *more)
    assert ran.code == 2
    assert "--keep-source" in ran.err
    assert not list(tmp_path.rglob("*.tar.gz"))


def test_recordings_and_reports_of_a_session_are_kept_with_it(tmp_path: Path, cli: Cli) -> None:
    export, target = tmp_path / "scan" / "dicom", tmp_path / "bids"
    truth = write(tmp_path / "scan", sessions=make_sessions(2, 1), series=("rest",))
    write_logs(tmp_path / "scan", truth, form="cmrr")
    assert cli("convert", export, target, "--keep-source").code == 0
    archives = sorted(target.rglob("*_dicom.tar.gz"))
    kept = [one for archive in archives for one in read_members(archive).values()]
    assert sorted(kept) == sorted(file.read_bytes() for file in export.rglob("*.dcm"))
    assert [sum("a_recording_of_pulse" in name for name in read_members(one)) for one in archives] == [1, 1]
    before = read_times(target)
    assert cli("convert", export, target, "--keep-source").code == 0
    assert read_times(target) == before


def test_archives_under_a_former_label_are_told_though_none_is_asked_for(
    my_export: Path, tmp_path: Path, cli: Cli
) -> None:
    target, study = tmp_path / "bids", tmp_path / "study.toml"
    assert cli("convert", my_export, target, "--keep-source").code == 0
    study.write_text("version = 1\n[subjects]\nfrom = 'PatientID'\npattern = '\\d+'\n")
    ran = cli("convert", my_export, target, "--study", study)
    assert f"left behind {FIRST}.tar.gz: its study has another label now" in ran.err


@pytest.mark.parametrize("change", ["gone", "no file"])
def test_original_that_cannot_be_read_any_more_is_told_and_kept_later(
    change: str, my_export: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], cli: Cli
) -> None:
    lost, target = sorted(my_export.rglob("*.dcm"))[0], tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0
    inventory = take_inventory(find_files([my_export]).files)
    paths = {uid: path for (uid, _), path in read_taken(Dataset(target)).items()}
    data = lost.read_bytes()
    lost.unlink()
    if change == "no file":
        lost.mkdir()
    first, *others = keep_originals(Dataset(target), inventory, paths)
    assert (first.unread, [one.unread for one in others]) == (1, [0] * len(others))
    assert all(one.archive for one in others)
    assert len(read_members(target / f"{FIRST}.tar.gz")) == first.files > 1
    report_kept([first], Console(width=200))
    said = capsys.readouterr().out
    assert "not kept 1 original of sub-01/ses-01 cannot be read any more: run it once more" in said
    if change == "no file":
        lost.rmdir()
    lost.write_bytes(data)
    assert cli("convert", my_export, target, "--keep-source").code == 0
    assert list(read_members(target / f"{FIRST}-2.tar.gz").values()) == [data]
