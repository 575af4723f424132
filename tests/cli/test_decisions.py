"""What a person said outlives the next run."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bidsflow.cli.main import app
from bidsflow.phantom import write

run = CliRunner().invoke


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export")
    write(root, size="tiny", series=["t1w", "t2w"])
    return root / "dicom"


def test_a_skip_is_remembered_until_a_plan_says_convert(export: Path, tmp_path: Path) -> None:
    plan, edited, bids = tmp_path / "plan.tsv", tmp_path / "edited.tsv", tmp_path / "bids"
    assert run(app, ["plan", str(export), "-o", str(plan)]).exit_code == 0
    edited.write_text(plan.read_text().replace("\tconvert\tsub-01/anat/sub-01_T2w", "\tskip\tn/a"))
    assert run(app, ["convert", str(export), str(bids), "--plan", str(edited)]).exit_code == 0
    assert run(app, ["convert", str(export), str(bids)]).exit_code == 0
    assert not (bids / "sub-01/anat/sub-01_T2w.nii.gz").exists()
    assert run(app, ["convert", str(export), str(bids), "--plan", str(plan)]).exit_code == 0
    assert (bids / "sub-01/anat/sub-01_T2w.nii.gz").exists()


def test_a_series_that_a_plan_does_not_mention_is_named(export: Path, tmp_path: Path) -> None:
    plan, bids = tmp_path / "plan.tsv", tmp_path / "bids"
    run(app, ["plan", str(export), "-o", str(plan)])
    plan.write_text("\n".join(line for line in plan.read_text().splitlines() if "T2w" not in line) + "\n")
    result = run(app, ["convert", str(export), str(bids), "--plan", str(plan)])
    assert result.exit_code == 0
    assert "not in the plan" in result.stderr


def test_an_edited_plan_is_not_overwritten(export: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.tsv"
    plan.write_text("edited")
    assert run(app, ["plan", str(export), "-o", str(plan)]).exit_code == 2
    assert plan.read_text() == "edited"
    assert run(app, ["plan", str(export), "-o", str(plan), "--force"]).exit_code == 0
    assert plan.stat().st_mode & 0o077 == 0
