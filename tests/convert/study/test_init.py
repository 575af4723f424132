"""A study file of what an export holds changes nothing until it is edited, names nobody, and is useful at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings

from bidsflow.convert.plan import Plan
from bidsflow.convert.planner import make_plan
from bidsflow.convert.study.apply import Rulebook
from bidsflow.convert.study.init import draft_study
from bidsflow.convert.study.read import parse_study
from bidsflow.convert.study.spec import Study
from bidsflow.dicom.series import Inventory, Series
from bidsflow.phantom import make_sessions, write
from tests.convert.conftest import Ran
from tests.convert.test_planner import ANNA, SCANS, build, visits

Cli = Callable[..., Ran]
SHARED = Path(__file__).parents[3].parent / "shared" / "data" / "dicom"


def decide(plan: Plan) -> list[tuple[str, int, str, str]]:
    return [(row.series_uid, row.image, row.path, row.decision) for row in plan.rows]


def draft(series: tuple[Series, ...]) -> tuple[str, Plan]:
    inventory = Inventory(series, ())

    def replan(study: Study) -> Plan:
        return make_plan(inventory, book=Rulebook(study)).plan

    return draft_study(inventory, replan(Study()), replan), replan(Study())


@settings(max_examples=60)
@given(visits())
def test_draft_that_is_read_again_gives_the_same_plan(series: tuple[Series, ...]) -> None:
    text, plan = draft(series)
    again = make_plan(Inventory(series, ()), book=Rulebook(parse_study(text))).plan
    assert decide(again) == decide(plan)


def test_draft_says_of_each_protocol_what_it_is_and_what_is_expected() -> None:
    rest, reference, nback = SCANS[3], SCANS[6], SCANS[4]
    text, _ = draft((build(reference, 1), build(nback, 2), build(rest, 3), build(rest, 4), build(rest, 1, ANNA, day=1)))
    study = parse_study(text)
    assert sorted((rule.datatype, rule.suffix, rule.entities["task"]) for rule in study.rules) == [
        ("func", "bold", "nback"), ("func", "bold", "rest"), ("func", "sbref", "nback"),
    ]  # fmt: skip
    found = {one.name: (one.runs, one.volumes, one.optional) for one in study.expected}
    assert found["func/task-rest_bold"] == ((1, 2), (200, 200), False)
    assert found["func/task-nback_bold"] == ((1, 1), (150, 150), True)
    assert "# 1 subject, 3 series, 200 volumes, 64x64x30 voxels" in text


@pytest.fixture(scope="module")
def study_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("study")
    series = ("localizer", "t1w", "topup", "sbref", "rest", "fmap", "dwi")
    write(root / "scan", sessions=make_sessions(2, 1), size="tiny", series=series)
    return root / "scan" / "dicom"


def test_study_of_an_export_changes_no_name_and_finds_no_drift(study_export: Path, tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "study.toml"
    ran = cli("study", "init", study_export, "-o", file)
    assert (ran.code, "protocols; edit it" in ran.out) == (0, True)
    assert not any(who in file.read_text() for who in ("Phantom^", "PHANTOM0"))
    before, after = cli("plan", study_export, "--json"), cli("plan", study_export, "--json", "--study", file)
    names = [
        [(row["series_uid"], row["image"], row["path"], row["decision"]) for row in json.loads(ran.out)["rows"]]
        for ran in (before, after)
    ]
    assert names[0] == names[1]
    assert f"study {file}: " in after.err
    drift = json.loads(cli("check", study_export, "--study", file, "--json").out)
    assert [one for one in drift["findings"] if one["against"] == "study"] == []


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real exports")
@pytest.mark.parametrize("name", sorted(one.name for one in SHARED.glob("*")) if SHARED.is_dir() else [])
def test_study_of_a_real_export_changes_no_name(name: str, tmp_path: Path, cli: Cli) -> None:
    assert cli("study", "init", SHARED / name, "-o", tmp_path / "study.toml").code == 0
    before, after = (
        json.loads(cli("plan", SHARED / name, "--json", *more).out)["rows"]
        for more in ((), ("--study", tmp_path / "study.toml"))
    )
    kept = ("series_uid", "image", "path", "decision", "b0_identifier", "b0_source")
    assert [[row[key] for key in kept] for row in before] == [[row[key] for key in kept] for row in after]


def test_study_is_told_to_programs(study_export: Path, tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "study.toml"
    told = json.loads(cli("study", "init", study_export, "-o", file, "--json").out)
    assert told == {"output": str(file), "protocols": file.read_text().count("\n[[series]]")}
    assert json.loads(cli("study", "init", study_export, "-o", "-", "--json").out)["text"] == file.read_text()
    assert told["protocols"] > 0
    checked = json.loads(cli("study", "check", file, "--json").out)
    assert (checked["file"], f"{told['protocols']} [[series]]" in checked["says"]) == (str(file), True)


def test_people_are_listed_only_where_asked_for_and_nothing_is_overwritten(
    two_people: Path, tmp_path: Path, cli: Cli
) -> None:
    file = tmp_path / "study.toml"
    assert cli("study", "init", two_people, "-o", file, "--identified").code == 0
    assert "# PatientID 'PHANTOM00001', folder 'dicom/" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    again = cli("study", "init", two_people, "-o", file)
    assert (again.code, "perhaps edited" in " ".join(again.err.split())) == (2, True), again.err
    assert cli("study", "init", two_people, "-o", file, "--force").code == 0
    assert "PHANTOM0" not in file.read_text()


def test_scan_says_which_rule_is_about_a_series(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "study.toml"
    file.write_text("version = 1\n[[exclude]]\nn_volumes = 1\n[[series]]\nmatch = {n_volumes = '>1'}\ntask = 'a'\n")
    rows = json.loads(cli("scan", two_people, "--study", file, "--json").out)["series"]
    assert {(row["volumes"] > 1, row["rule"]) for row in rows} == {(True, "series[0]"), (False, "exclude[0]")}
    assert "rule" not in json.loads(cli("scan", two_people, "--json").out)["series"][0]


def test_check_tells_what_a_file_holds_or_what_is_wrong(tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "study.toml"
    file.write_text("version = 1\nname = 'Memory'\n[[series]]\nmatch = {n_volumes = 3}\ntask = 'a'\n")
    ran = cli("study", "check", file)
    assert (ran.code, ran.out) == (0, f"{file} (Memory): 1 [[series]]\n")
    file.write_text("version = 1\ntask = 'a'\n[[series]]\nmatch = {n_volume = 3}\n")
    ran = cli("study", "check", file)
    assert ran.code == 65
    assert "task: unknown key" in ran.err
    assert "series[0].match.n_volume: no element of the header that bidsflow reads; did you mean n_volumes?" in ran.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[subjects]\nfrom = 'PatientID'\n[sessions]\nlabels = ['pre']", "subjects from PatientID, 1 session label"),
        ("[sessions]\nfrom = 'folder'\npattern = 'v(.)'", "sessions from folder"),
        ("[sessions]\nnames = 'never'", "sessions: never"),
        ("[sidecar]\nA = 1\nB = 2\n[dataset]\nName = 'x'", "2 sidecar fields, 1 description field"),
        ("", "it says nothing yet"),
    ],
)
def test_check_tells_all_that_a_file_says(text: str, said: str, tmp_path: Path, cli: Cli) -> None:
    file = tmp_path / "study.toml"
    file.write_text(f"version = 1\n{text}\n")
    assert cli("study", "check", file).out == f"{file}: {said}\n"


def test_study_is_printed_where_the_output_is_a_dash(
    two_people: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = cli("study", "init", two_people, "-o", "-")
    assert (ran.code, ran.out.startswith("# "), list(tmp_path.glob("-"))) == (0, True, [])
    assert parse_study(ran.out).rules
