"""An archive is converted as the folder that it holds, and nothing that was unpacked stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bidsflow.phantom import write
from tests.cli.test_mistakes import run
from tests.convert.conftest import read_tree


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scan")
    write(root, size="tiny", series=["t1w", "fmap", "rest"])
    return root / "dicom"


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder for temporary files, which no test leaves anything in."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def pack(export: Path, path: Path) -> Path:
    kinds = {".zip": "zip", ".tar": "tar", ".gz": "gztar"}
    made = shutil.make_archive(str(path.with_name("made")), kinds[path.suffix], export.parent, export.name)
    return Path(made).rename(path)


@pytest.mark.parametrize("name", ["export.zip", "export.tar.gz"])
def test_archive_is_converted_as_its_folder(name: str, export: Path, tmp_path: Path, temporary: Path) -> None:
    archive = pack(export, tmp_path / name)
    for source, root in ((export, tmp_path / "1" / "bids"), (archive, tmp_path / "2" / "bids")):
        assert run("convert", source, root).code == 0
    assert read_tree(tmp_path / "2" / "bids") == read_tree(tmp_path / "1" / "bids")
    assert "unchanged" in run("convert", archive, tmp_path / "2" / "bids").text
    assert "unchanged" in run("convert", export, tmp_path / "2" / "bids").text
    assert not (tmp_path / "2" / "bids" / ".bidsflow" / "unpacked").exists()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("command", ["scan", "plan"])
def test_archive_is_read_as_its_folder(command: str, export: Path, tmp_path: Path, temporary: Path) -> None:
    archive = pack(export, tmp_path / "export.zip")
    assert json.loads(run(command, archive, "--json").out) == json.loads(run(command, export, "--json").out)
    assert list(temporary.iterdir()) == []


def test_what_is_set_aside_is_named_within_its_archive(export: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(export, folder / "a")
    (folder / "a" / "notes.7z").write_bytes(b"7z\xbc\xaf\x27\x1c rest")
    archive = pack(folder, tmp_path / "export.tar")
    said = run("scan", archive, "--json")
    (aside,) = json.loads(said.out)["set_aside"]
    assert (aside["path"], aside["reason"]) == ("export.tar/copy/a/notes.7z", "a 7z archive")


def test_archive_without_images_leaves_no_dataset(tmp_path: Path, temporary: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "notes").write_text("nothing")
    archive = pack(tmp_path / "texts", tmp_path / "texts.zip")
    said = run("convert", archive, tmp_path / "bids")
    assert (said.code, (tmp_path / "bids").exists()) == (65, False)
    assert list(temporary.iterdir()) == []


def test_archive_is_refused_for_tasks_of_a_cluster(export: Path, tmp_path: Path) -> None:
    archive = pack(export, tmp_path / "export.zip")
    said = run("convert", archive, tmp_path / "bids", "--executor", "slurm")
    assert said.code == 65
    assert "tasks of a cluster cannot read an archive" in said.text


def test_archive_that_breaks_off_is_not_the_whole(export: Path, tmp_path: Path) -> None:
    archive = pack(export, tmp_path / "export.tar")
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size * 3 // 4])
    said = run("convert", archive, tmp_path / "bids")
    assert said.code == 1
    assert "export.tar: a tar archive that breaks off" in said.text
    assert "1 part of the export cannot be read" in said.text
    assert list((tmp_path / "bids").glob("sub-*/**/*.nii.gz"))
    assert json.loads(run("convert", archive, tmp_path / "bids", "--json").out)["complete"] is False
    assert run("convert", pack(export, tmp_path / "whole.tar"), tmp_path / "bids").code == 0
