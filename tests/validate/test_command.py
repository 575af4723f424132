"""The command: what it refuses, what it prints, what it returns."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bidsflow.cli.validate import validate
from bidsflow.validate.reference import PROGRAM

APP = typer.Typer()
APP.command()(validate)

HAS_PROGRAM = (Path(sys.executable).parent / PROGRAM).is_file() or shutil.which(PROGRAM) is not None


def call(*args: str | Path) -> Any:
    return CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(APP, [str(arg) for arg in args])


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "ds"
    (root / "sub-01" / "anat").mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "tiny", "BIDSVersion": "1.10.0"}')
    (root / "README").write_text("A tiny dataset that a test of bidsflow has written. " * 5)
    (root / "sub-01" / "anat" / "sub-01_T1w.nii.gz").write_bytes(b"not empty")
    return root


def test_command_refuses_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, reason in (("file", "is not a folder"), ("none", "does not exist")):
        result = call(tmp_path / name)
        assert result.exit_code == 2
        assert reason in " ".join(result.stderr.split())


def test_command_refuses_a_folder_without_description(tmp_path: Path, dataset: Path) -> None:
    result = call(tmp_path)
    assert result.exit_code == 2
    assert "has no dataset_description.json" in result.stderr
    inside = call(dataset / "sub-01")
    assert inside.exit_code == 2
    assert "lies within the dataset" in inside.stderr


@pytest.mark.validator
@pytest.mark.skipif(not HAS_PROGRAM, reason=f"{PROGRAM} is not installed (extra `validate`)")
def test_command_returns_the_verdict(dataset: Path) -> None:
    result = call(dataset, "--ignore-nifti-headers")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1].startswith("valid: 0 errors, ")
    (dataset / "notes.docx").write_text("x")
    result = call(dataset, "--ignore-nifti-headers", "--ignore-warnings")
    assert result.exit_code == 16
    lines = result.stdout.splitlines()
    assert lines[0] == "error    1 x NOT_INCLUDED: notes.docx"
    assert lines[-1].startswith("not valid: 1 error, 0 warnings in ")
    result = call(dataset, "--ignore-nifti-headers", "--json")
    assert result.exit_code == 16
    assert json.loads(result.stdout)["n_errors"] == 1


def test_importing_the_room_loads_no_heavy_package() -> None:
    heavy = {"numpy", "pandas", "nibabel", "pydicom", "nipype", "nilearn", "bidsschematools"}
    code = "import sys, bidsflow.validate, bidsflow.cli.validate, bidsflow.cli.dump; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert heavy.intersection(loaded) == set()
