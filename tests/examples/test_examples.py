"""The examples run as they stand, and do what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bidsflow import phantom

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout


def bidsflow(*args: str | Path) -> str:
    return run(sys.executable, "-c", "from bidsflow.cli.main import main; main()", *args)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scanner") / "p"
    truth = phantom.write(root, series=["task", "aborted", "adc"])
    return root / truth.export


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")} == {
        "convert_export.py",
        "plan_review.py",
    }


def test_convert_export_runs_on_the_phantom() -> None:
    said = run(sys.executable, EXAMPLES / "convert_export.py")
    assert "written: sub-01/anat/sub-01_T1w" in said
    assert "failed" not in said


def test_convert_export_keeps_the_aborted_run(export: Path, tmp_path: Path) -> None:
    said = run(sys.executable, EXAMPLES / "convert_export.py", export, tmp_path / "bids")
    assert "Kept on purpose. Aborted: it holds 6 of 20 planned volumes" in said
    names = {path.name for path in (tmp_path / "bids").rglob("*_bold.nii.gz")}
    assert {"sub-01_task-motor_bold.nii.gz", "sub-01_task-nback_bold.nii.gz"} <= names
    assert [name for name in names if "acq-aborted" in name]
    assert len(names) == 3


def test_plan_review_decides_and_renames(export: Path, tmp_path: Path) -> None:
    plan, reviewed = tmp_path / "plan.tsv", tmp_path / "reviewed.tsv"
    bidsflow("plan", export, "-o", plan)
    said = run(sys.executable, EXAMPLES / "plan_review.py", plan, reviewed)
    assert "-> skip n/a" in said
    assert "still open" not in said
    bidsflow("convert", export, tmp_path / "bids", "--plan", reviewed)
    names = {path.name for path in (tmp_path / "bids").rglob("*_bold.nii.gz")}
    assert names == {"sub-01_task-fingertapping_bold.nii.gz", "sub-01_task-nback_bold.nii.gz"}
