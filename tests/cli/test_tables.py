"""What commands print is whole: in a pipe always, on a terminal of any width."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bidsflow.cli.main import app
from bidsflow.cli.scan import print_rows
from bidsflow.cli.steps import print_plan
from bidsflow.convert.plan import Decision, Plan, PlanRow, from_tsv
from bidsflow.phantom import write

ROWS: list[dict[str, object]] = [
    {
        "patient": patient, "study": study, "number": 12, "description": "cmrr_mbep2d_bold_task-checkerboard_run-1",
        "protocol_name": "", "kind": "gradient-echo EPI", "matrix": "104x104x72", "volumes": 480, "images": 3,
        "files": 480, "problems": "2 of 482 instances are missing in the export",
    }
    for patient, study in (("P1", 1), ("P2", 2))
]  # fmt: skip
ROW = PlanRow("1.2", 1, 12, "", "cmrr_mbep2d_bold_task-checkerboard", 480, 480, Decision.REVIEW,
              "sub-01/ses-01/func/sub-01_ses-01_task-checkerboard_run-1_bold", 0.9,
              "A gradient-echo EPI of 480 volumes; 2 of 482 instances are missing in the export.")  # fmt: skip


def squeeze(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_scan_fits_a_terminal_and_loses_nothing(width: int) -> None:
    file = io.StringIO()
    print_rows(ROWS[:1], Console(file=file, force_terminal=True, color_system=None, width=width, highlight=False))
    lines = file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    start, end = lines[0].index("description"), lines[0].index("measured")
    words = squeeze("".join(line[start:end] for line in lines[1:]))
    assert words.startswith(str(ROWS[0]["description"]))
    problems = squeeze(str(ROWS[0]["problems"]))
    assert problems in (
        words if width < 110 else squeeze("".join(line[lines[0].index("problems") :] for line in lines))
    )
    assert lines[1].split()[0] == "12"
    assert lines[1].count("480") == 2


def test_scan_of_several_studies_says_whose_they_are() -> None:
    file = io.StringIO()
    print_rows(ROWS, Console(file=file, width=100, highlight=False))
    assert [line for line in file.getvalue().splitlines() if "study" in line] == ["P1, study 1", "P2, study 2"]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_plan_fits_a_terminal_and_loses_nothing(width: int) -> None:
    file = io.StringIO()
    out = Console(file=file, force_terminal=True, color_system=None, width=width, highlight=False)
    print_plan(Plan((ROW,)), out)
    assert max(map(len, file.getvalue().splitlines())) <= width
    if width < 100:  # nothing stands beside a path or its reason
        assert squeeze(ROW.path) in squeeze(file.getvalue())
        assert squeeze(ROW.evidence) in squeeze(file.getvalue())


def test_lines_in_a_pipe_are_whole() -> None:
    file = io.StringIO()
    out = Console(file=file, width=100_000, highlight=False)
    print_rows(ROWS, out)
    print_plan(Plan((ROW,)), out)
    lines = file.getvalue().splitlines()
    assert sum("cmrr_mbep2d_bold_task-checkerboard_run-1" in line and "2 of 482" in line for line in lines) == 2
    assert any(line.endswith(ROW.path) for line in lines)
    assert any(line.endswith(ROW.evidence) for line in lines)
    assert all(line == line.rstrip() for line in lines)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("export")
    write(root, size="tiny", series=["t1w", "aborted"])
    return root / "dicom"


def test_plan_into_a_file_prints_a_summary(export: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.tsv"
    result = CliRunner().invoke(app, ["plan", str(export), "-o", str(plan)])
    rows = from_tsv(plan.read_text()).rows
    assert result.stdout == "3 images: 2 to convert, 0 to skip, 1 to review\n"
    review = next(row for row in rows if row.decision is Decision.REVIEW)
    assert f"review {review.title} of sub-01: {review.evidence}" in result.stderr
    assert f"plan written to {plan}" in result.stderr
    assert "sub-01_T1w" not in result.output


def test_dry_run_prints_json_where_it_is_asked_for(export: Path, tmp_path: Path) -> None:
    dry = CliRunner().invoke(app, ["convert", str(export), str(tmp_path / "bids"), "--dry-run", "--json"])
    plan = CliRunner().invoke(app, ["plan", str(export), "--json"])
    told = json.loads(dry.stdout)
    assert {key: told[key] for key in ("rows", "notes")} == json.loads(plan.stdout)
    assert {one["change"] for one in told["changes"]} == {"new"}
    assert not (tmp_path / "bids").exists()
