"""The examples run as they stand, and do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bidsflow import phantom
from tests.pipelines.qc.build import finish_once

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
    truth = phantom.write(root, size="tiny", series=["task", "aborted", "adc"])
    return root / truth.export


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")} == {
        "convert_export.py",
        "explore_outputs.ipynb",
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


#: Runs a notebook from start to end, and says what its cells printed and drew.
_EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient
book = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(book, timeout=300, resources={"metadata": {"path": sys.argv[2]}}).execute()
for output in (output for cell in book.cells for output in cell.get("outputs", ())):
    print("; ".join(sorted(output.get("data", {}))), output.get("data", {}).get("text/plain", ""))
"""


def test_explore_outputs_runs_from_start_to_end(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nbclient")
    finished = finish_once(tmp_path_factory)
    for name, value in {"BIDS_DIR": finished.bids, "QC_DIR": finished.qc, "IPYTHONDIR": tmp_path / "i"}.items():
        monkeypatch.setitem(os.environ, name, str(value))
    said = run(sys.executable, "-c", _EXECUTE, EXAMPLES / "explore_outputs.ipynb", tmp_path)
    assert "sub-02_task-rest_bold" in said
    assert said.count("image/png") == 3
    assert "sub-01.html" in said


def test_notebook_is_kept_without_outputs() -> None:
    text = (EXAMPLES / "explore_outputs.ipynb").read_text(encoding="utf-8")
    assert '"output_type"' not in text
    assert '"execution_count": null' in text
