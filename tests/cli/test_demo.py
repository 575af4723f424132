"""The demonstration: one run of the whole way, looked at from all sides."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from bidsflow.app.registry import find_pipeline
from bidsflow.cli.answers import Verdict, count_verdicts
from bidsflow.cli.demo import clear, demo, list_commands, travel
from bidsflow.cli.main import app
from bidsflow.cli.pages import build_page
from bidsflow.cli.quality import add_quality, measure_quality, tell_quality
from bidsflow.cli.story import Teller, Way, first_clause, summarize
from bidsflow.convert.plan import Decision, PlanRow, from_tsv
from bidsflow.errors import DatasetError
from bidsflow.phantom import read_truth
from bidsflow.report.page import render


class Ran(NamedTuple):
    """One run of the demonstration and what it said."""

    folder: Path
    way: Way
    story: str


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("ran") / "it is"  # a path with a blank, for the commands
    said = io.StringIO()
    teller = Teller(Console(file=said, width=80, highlight=False))
    way = travel(folder, ("classic", "enhanced"), teller, Console(stderr=True), quality=False)
    return Ran(folder, way, said.getvalue())


@pytest.mark.slow
def test_demo_converts_everything_that_is_planned(ran: Ran) -> None:
    planned = ran.way.plan.decided(Decision.CONVERT)
    assert len(planned) > 60
    assert ran.way.result.complete
    for row in planned:
        assert (ran.folder / "bids" / f"{row.path}.nii.gz").is_file()
        assert (ran.folder / "bids" / f"{row.path}.json").is_file()


@pytest.mark.slow
def test_no_name_is_wrong(ran: Ran) -> None:
    wrong = {Verdict.OTHER, Verdict.MISSED, Verdict.EXTRA}
    assert [one for one in ran.way.answers if one.verdict in wrong] == []
    truths = [read_truth(ran.folder / name / "truth" / "truth.json") for name in ("classic", "enhanced")]
    names = sum(len(series.names) for truth in truths for series in truth.series)
    assert sum(bool(one.expected) for one in ran.way.answers) == names


@pytest.mark.slow
def test_aborted_runs_are_put_before_a_person(ran: Ran) -> None:
    asked = [one for one in ran.way.answers if one.verdict is Verdict.ASKED]
    assert len(asked) == 4
    assert all(one.remark.startswith("aborted") for one in asked)


@pytest.mark.slow
def test_what_is_on_disk_is_as_scanned(ran: Ran) -> None:
    tallies = {one.what: one for one in ran.way.tallies}
    assert set(tallies) == {
        "Matrix and volumes", "EchoTime", "RepetitionTime", "PhaseEncodingDirection", "TotalReadoutTime",
        "SliceTiming", "b-values",
    }  # fmt: skip
    for one in tallies.values():
        assert (one.what, one.same, one.absent, one.other) == (one.what, one.known, (), ())


@pytest.mark.slow
def test_dataset_is_valid(ran: Ran) -> None:
    assert ran.way.report.errors == ()


@pytest.mark.slow
def test_story_has_a_command_for_each_step_that_works(ran: Ran) -> None:
    typed = [line.strip()[2:] for line in ran.story.splitlines() if line.strip().startswith("$ ")]
    assert typed == [command for _, command in ran.way.commands]
    assert [command.split()[1] for command in typed] == ["phantom", "scan", "plan", "convert", "validate"]
    assert f"'{ran.folder}/bids'" in typed[-1]
    assert "4 × aborted" in ran.story
    assert "12 × a localizer" in ran.story
    assert "76 images in 4 sessions" in ran.story


@pytest.mark.slow
def test_written_plan_is_the_plan(ran: Ran) -> None:
    assert from_tsv((ran.folder / "plan.tsv").read_text()).rows == ran.way.plan.rows


@pytest.mark.slow
def test_converting_again_finds_nothing_to_do(ran: Ran) -> None:
    exports = [str(ran.folder / name / "dicom") for name in ("classic", "enhanced")]
    result = CliRunner().invoke(app, ["convert", *exports, str(ran.folder / "bids")])
    assert result.exit_code == 0, result.output
    assert f"{len(ran.way.images)} unchanged" in result.stdout


@pytest.mark.slow
def test_page_shows_every_image_and_no_person(ran: Ran) -> None:
    html = render(build_page(ran.way)).replace("<wbr>", "")
    for row in ran.way.plan.decided(Decision.CONVERT):
        assert row.path.rpartition("/")[2] in html
    for series in ran.way.inventory.series:
        for private in (series.patient.id, series.patient.name, series.patient.birth_date, series.started):
            assert private
            assert private not in html
    assert html.count("<img ") == len(ran.way.kinds) + len(ran.way.sessions) == 19
    assert "cannot be shown" not in html
    assert "http://" not in html.replace("http://www.w3.org/", "")


@pytest.mark.slow
def test_page_shows_what_is_wrong(ran: Ran) -> None:
    first = next(one for one in ran.way.answers if one.verdict is Verdict.SAME)
    other = replace(first, planned="sub-01/anat/sub-01_T9w", verdict=Verdict.OTHER)
    way = replace(ran.way, answers=tuple(other if one is first else one for one in ran.way.answers))
    html = render(build_page(way))
    assert "1 wrong" in html
    assert "1 with another name" in html


@pytest.mark.slow
def test_quality_is_measured_and_the_page_leads_there(ran: Ran) -> None:
    dataset = ran.folder / "bids"
    quality = measure_quality(find_pipeline("qc"), dataset, Console(file=io.StringIO()))
    assert (quality.done, quality.failed, quality.complaint) == (("01", "02"), (), "")
    assert tell_quality(quality) == ["a page for each of sub-01, sub-02, and one for the group, with tables beside it"]
    html = render(add_quality(build_page(ran.way), quality))
    for page in ("qc/sub-01.html", "qc/sub-02.html", "qc/group_qc.html"):
        assert f'href="{page}"' in html
        assert (ran.folder / page).is_file()
    assert not list(ran.folder.glob("qc/sub-*/ses-02"))


@pytest.mark.slow
def test_page_says_how_to_get_what_qc_needs(ran: Ran) -> None:
    lacking = replace(find_pipeline("qc"), workflow="no_such_engine.workflow:build")
    quality = measure_quality(lacking, ran.folder / "bids", Console(file=io.StringIO()))
    assert "it cannot be loaded" in quality.complaint
    html = render(add_quality(build_page(ran.way), quality))
    assert "Not measured" in html
    assert "qc/sub-01.html" not in html


@pytest.mark.slow
def test_summary_is_json_with_the_counts(ran: Ran) -> None:
    summary = json.loads(json.dumps(summarize(ran.way, ran.folder / "report.html")))
    assert summary["written"] == summary["images"]["convert"] == len(ran.way.images)
    assert summary["failed"] == 0
    assert sum(summary["names"].values()) == len(ran.way.answers)
    assert len(summary["differences"]) == 4 + count_verdicts(ran.way.answers)[Verdict.SHORTER]


@pytest.mark.parametrize("taken", ["a file", "a folder that is not empty"])
def test_demo_overwrites_nothing(tmp_path: Path, taken: str) -> None:
    target = tmp_path / "x"
    precious = target if taken == "a file" else target / "precious"
    precious.parent.mkdir(exist_ok=True)
    precious.write_text("mine")
    single = typer.Typer()
    single.command()(demo)
    result = CliRunner().invoke(single, [str(target)])
    assert isinstance(result.exception, DatasetError)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [precious]
    assert precious.read_text() == "mine"


def test_clear_removes_what_is_inside_only(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    (tmp_path / "demo" / "a").mkdir(parents=True)
    (tmp_path / "demo" / "a" / "file").touch()
    (tmp_path / "demo" / "link").symlink_to(tmp_path / "other")
    clear(tmp_path / "demo")
    clear(tmp_path / "absent")
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")) == [
        "demo",
        "other",
        "other/file",
    ]


@pytest.mark.parametrize("dialect", ["classic", "ge"])
def test_one_dialect_is_one_export(dialect: str) -> None:
    commands = dict(list_commands(Path("d"), (dialect,), [Path("d") / dialect / "dicom"]))
    option = " --dialect ge" if dialect == "ge" else ""
    assert commands["make an export with a known content"] == (
        f"bidsflow phantom d/{dialect} --subjects 2 --sessions 2{option}"
    )
    assert commands["convert what the plan says"] == f"bidsflow convert d/{dialect}/dicom d/bids"
    assert commands["measure the quality of its first visits"] == (
        "bidsflow run qc d/bids d/qc participant group --session-label 01"
    )


@pytest.mark.parametrize(
    ("evidence", "clause"),
    [
        ("A localizer; 3 directions.", "a localizer"),
        ("ImageType says ADC.", "ImageType says ADC"),
        ("3D gradient echo; x.", "3D gradient echo"),
        ("", ""),
    ],
)
def test_first_clause_keeps_the_spelling_of_tags(evidence: str, clause: str) -> None:
    row = PlanRow("1.2", 1, 1, "", "x", 1, 1, Decision.SKIP, "n/a", 0.9, evidence)
    assert first_clause(row) == clause


def test_story_cannot_control_a_terminal() -> None:
    said = io.StringIO()
    teller = Teller(Console(file=said, width=80, force_terminal=False))
    teller.begin("scan", "bidsflow scan '\x1b[2J'")
    teller.add(["series [bold]1[/] \x1b[31m"])
    assert "\x1b" not in said.getvalue()
    assert "[bold]1[/]" in said.getvalue()


def test_silent_teller_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    teller = Teller(None)
    teller.begin("a", "b")
    teller.add(["c"])
    teller.end({"d": "e"})
    assert capfd.readouterr() == ("", "")


def test_page_opens_in_the_browser_of_the_user(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/asked\n')
    browser.chmod(0o755)
    code = f"from pathlib import Path; from bidsflow.cli.demo import show; assert show(Path('{tmp_path}/report.html'))"
    subprocess.run([sys.executable, "-c", code], check=True, env={"BROWSER": f"{browser} %s"}, cwd=tmp_path)
    assert (tmp_path / "asked").read_text() == f"file://{tmp_path}/report.html"
