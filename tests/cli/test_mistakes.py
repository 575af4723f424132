"""What is typed wrong at the end of a long day: one message, an exit code, and nothing is touched."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage
from typer.testing import CliRunner

from bidsflow.cli.main import app
from bidsflow.errors import BidsflowError
from bidsflow.phantom import write
from tests.convert.conftest import read_tree


class Said(NamedTuple):
    """How a command ended, and all that it said, blanks and boxes folded."""

    code: int
    text: str
    out: str


def run(*args: str | Path) -> Said:
    result = CliRunner(env={"COLUMNS": "300", "TERM": "dumb"}).invoke(app, [str(arg) for arg in args])
    error = result.exception
    code = error.exit_code if isinstance(error, BidsflowError) else result.exit_code
    assert error is None or isinstance(error, BidsflowError | SystemExit), error
    text = " ".join(f"{result.output} {error if isinstance(error, BidsflowError) else ''}".split())
    return Said(code, text, result.stdout)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scan")
    write(root, size="tiny", series=["t1w"])
    return root / "dicom"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Return a dataset that another tool has made."""
    root = tmp_path / "made by others"
    (root / "sub-01" / "anat").mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.int16), np.eye(4)), root / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    return root


def test_swapped_arguments_are_told(export: Path, foreign: Path, tmp_path: Path) -> None:
    before = read_tree(export), read_tree(foreign)
    for first in (foreign, tmp_path / "new"):
        said = run("convert", first, export)
        assert said.code == 2
        assert "Exports come first, the dataset comes last" in said.text
    assert (read_tree(export), read_tree(foreign)) == before
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["scan", "plan"])
def test_dataset_as_an_export_is_told(command: str, foreign: Path) -> None:
    said = run(command, foreign)
    assert said.code == 65
    assert "is a BIDS dataset, not an export. Datasets come last" in said.text


def test_dataset_of_another_tool_is_not_touched(export: Path, foreign: Path) -> None:
    before = read_tree(foreign)
    said = run("convert", export, foreign)
    assert said.code == 73
    assert "was not made by bidsflow" in said.text
    assert read_tree(foreign) == before


def test_folder_of_nifti_is_told_to_be_converted(foreign: Path) -> None:
    said = run("scan", foreign / "sub-01")
    assert said.code == 65
    assert "1 x a NIfTI image" in said.text
    assert "it looks like data that were converted already" in said.text


def zip_up(export: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for one in export.rglob("*.dcm"):
            archive.write(one, one.name)


@pytest.mark.parametrize("command", ["scan", "plan"])
def test_archive_of_another_name_is_told(command: str, export: Path, tmp_path: Path) -> None:
    zip_up(export, tmp_path / "more.dat")
    said = run(command, tmp_path)
    assert said.code == 65
    assert "1 x a zip archive). Give it by itself, or call it FILE.zip" in said.text
    assert run(command, tmp_path / "more.dat").code == 0
    said = run(command, export, tmp_path)
    assert said.code == 0
    assert "more.dat: a zip archive (give it by itself" in said.text


def test_dicomdir_alone_asks_for_the_images(tmp_path: Path) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPInstanceUID = ExplicitVRLittleEndian, "1.2.3"
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    (tmp_path / "disc").mkdir()
    index = FileDataset(None, {}, preamble=bytes(128), file_meta=meta)
    index.DirectoryRecordSequence = []
    index.save_as(tmp_path / "disc" / "DICOMDIR", enforce_file_format=True)
    said = run("scan", tmp_path / "disc")
    assert said.code == 65
    assert "A DICOMDIR is an index only" in said.text


def test_dataset_is_missing(export: Path) -> None:
    said = run("convert", export)
    assert said.code == 2
    assert "bidsflow convert EXPORT BIDS_DIR" in said.text


def test_subject_that_is_not_there_is_told_with_those_that_are(export: Path, tmp_path: Path) -> None:
    said = run("convert", export, tmp_path / "bids", "--subject", "sub-07", "--dry-run")
    assert said.code == 65
    assert "--subject sub-07: no image belongs" in said.text
    assert "There are: sub-01" in said.text


def test_plan_into_a_folder_is_refused(export: Path, tmp_path: Path) -> None:
    said = run("plan", export, "-o", tmp_path, "--force")
    assert said.code == 2
    assert f"name a file, such as {tmp_path}/plan.tsv" in said.text


def test_plan_into_the_export_is_refused(export: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(export)
    before = read_tree(export)
    said = run("plan", export, "-o", tmp_path / "link" / "plan.tsv")
    assert said.code == 2
    assert "lies inside the export" in said.text
    file = next(export.rglob("*.dcm"))
    assert run("plan", file, "-o", file, "--force").code == 2
    assert read_tree(export) == before


@pytest.mark.parametrize("options", [("--subject", "99"), ("--session", "9"), ("--plan",)], ids=str)
def test_new_dataset_that_gets_nothing_is_not_left_behind(
    options: tuple[str, ...], export: Path, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.tsv"
    assert run("plan", export, "-o", plan).code == 0
    plan.write_text(plan.read_text().replace("\n", "\n9", 1))  # the first series is another one
    more = (*options, plan) if options == ("--plan",) else options
    assert run("convert", export, tmp_path / "new" / "bids", *more).code == 65
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").mkdir()
    assert run("convert", export, tmp_path / "mine", *more).code == 65
    assert list((tmp_path / "mine").iterdir()) == []


def test_odd_paths_work(export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Ümläut [bold] und Leer").symlink_to(export)
    said = run("convert", "Ümläut [bold] und Leer/", "das Ziel/ist neu/")
    assert said.code == 0
    assert said.out == f"{tmp_path}/das Ziel/ist neu: 1 written\n"


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (("scan", "{export}", "--json", "--tsv"), 2, "--json and --tsv exclude each other"),
        (("plan", "{export}", "--json", "--tsv"), 2, "--json and --tsv exclude each other"),
        (("scan", "{tmp}/empty"), 65, "it is empty"),
        (("convert", "{tmp}/empty", "{tmp}/out"), 65, "it is empty"),
        (("convert", "{export}", "{tmp}/file"), 73, "this is a file, not a folder"),
        (("convert", "{export}", "{export}/out"), 73, "inside the export"),
        (("convert", "{export}", "{export}"), 73, "inside the export"),
        (("convert", "{export}", "{tmp}/out", "--jobs", "-1"), 2, "--jobs"),
        (("validate", "{export}"), 2, "has no dataset_description.json"),
    ],
)
def test_mistake_is_told(export: Path, tmp_path: Path, args: tuple[str, ...], code: int, text: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    before = read_tree(tmp_path)
    said = run(*(arg.format(export=export, tmp=tmp_path) for arg in args))
    assert said.code == code
    assert text in said.text
    assert read_tree(tmp_path) == before
