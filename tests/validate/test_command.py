"""The command: what it refuses, what it prints, what it writes, what it returns."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bidsflow.cli.validate import ValidateCommand, respell, validate

APP = typer.Typer()
APP.command(cls=ValidateCommand)(validate)


def call(*args: str | Path, columns: int = 80) -> Any:
    return CliRunner(env={"COLUMNS": str(columns), "TERM": "dumb"}).invoke(APP, [str(arg) for arg in args])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "ds"
    (root / "sub-01" / "anat").mkdir(parents=True)
    (root / "dataset_description.json").write_text('{"Name": "tiny", "BIDSVersion": "1.10.0"}')
    (root / "README").write_text("A tiny dataset that a test of bidsflow has written. " * 5)
    (root / "sub-01" / "anat" / "sub-01_T1w.nii.gz").write_bytes(b"not empty")
    return root


@pytest.fixture
def broken(dataset: Path) -> Path:
    (dataset / "notes.docx").write_text("x")
    return dataset


def test_command_refuses_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, reason in (("file", "is not a folder"), ("none", "does not exist")):
        result = call(tmp_path / name, columns=200)
        assert result.exit_code == 2
        assert reason in " ".join(result.stderr.split())


def test_schema_that_is_not_there_is_a_mistake_of_usage(dataset: Path) -> None:
    result = call(dataset, "--schema", "9", columns=200)
    assert result.exit_code == 2
    assert "1.2.7" in result.stderr


def test_command_reports_a_missing_description(dataset: Path) -> None:
    (dataset / "dataset_description.json").unlink()
    result = call(dataset)
    assert result.exit_code == 16
    assert "MISSING_DATASET_DESCRIPTION" in result.stdout
    assert result.stderr == ""


def test_command_refuses_a_folder_that_no_one_means(tmp_path: Path, dataset: Path) -> None:
    for folder, reason in (
        (tmp_path, "has no dataset_description.json"),
        (dataset / "sub-01", "lies within the dataset"),
    ):
        result = call(folder, columns=400)
        assert result.exit_code == 2
        assert reason in result.stderr
    assert call(tmp_path, "--compat").exit_code == 16  # as the reference


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


def test_command_prints_json_as_the_reference_does(broken: Path) -> None:
    result = call(broken, "--ignore-nifti-headers", "--ignore-warnings", "--json")
    assert result.exit_code == 16
    document = json.loads(result.stdout)
    assert document["issues"]["issues"] == [{"code": "NOT_INCLUDED", "severity": "error", "location": "/notes.docx"}]
    assert list(document["issues"]["codeMessages"]) == ["NOT_INCLUDED"]
    assert document["summary"]["subjects"] == ["01"]


def test_command_takes_the_spellings_of_the_reference(broken: Path, tmp_path: Path) -> None:
    ours = call(broken, "--ignore-nifti-headers", "--ignore-warnings", "--json")
    assert call(broken, "--ignoreNiftiHeaders", "--ignoreWarnings", "--format", "json").stdout == ours.stdout
    pretty = call(broken, "--ignoreNiftiHeaders", "--ignoreWarnings", "--format=json_pp", "--outfile", tmp_path / "o")
    assert (pretty.exit_code, pretty.stdout) == (16, "")
    text = (tmp_path / "o").read_text()
    assert text.startswith('{\n  "issues": {\n')
    assert json.loads(text) == json.loads(ours.stdout)
    assert call(broken, "--format", "xml").exit_code == 2


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("ds --sarif", "ds --sarif -"),
        ("ds --sarif x.sarif -r", "ds --sarif x.sarif -r"),
        ("ds --sarif=x.sarif", "ds --sarif=x.sarif"),
        ("--sarif . -r", "--sarif - . -r"),
        ("ds --sarif --recursive", "ds --sarif - --recursive"),
        ("ds --datasetTypes=raw,study -s 1.2.7", "ds --dataset-types=raw,study --schema 1.2.7"),
        ("ds --format text -- --format json", "ds -- --format json"),
    ],
)
def test_arguments_are_respelt(given: str, taken: str) -> None:
    assert respell(given.split()) == taken.split()


def test_command_writes_sarif_and_a_page(broken: Path, tmp_path: Path) -> None:
    page, sarif = tmp_path / "x.html", tmp_path / "x.sarif"
    result = call(broken, "--html", page, "--sarif", sarif)
    assert result.exit_code == 16
    assert result.stdout.startswith("not valid: ")
    assert len(result.stdout.splitlines()) == 1
    assert "notes.docx" in page.read_text()
    assert json.loads(sarif.read_text())["version"] == "2.1.0"
    assert json.loads(call(broken, "--sarif").stdout) == json.loads(sarif.read_text())


def test_command_fails_clearly_when_a_file_cannot_be_written(dataset: Path, tmp_path: Path) -> None:
    assert call(dataset, "--output", tmp_path / "none" / "x").exit_code == 2
    assert call(dataset, "--html", tmp_path).exit_code == 2


def test_command_checks_the_configuration(broken: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.json"
    config.write_text('{"ignore": [{"code": "NOT_INCLUDED"}, {"code": "NIFTI_HEADER_UNREADABEL"}]}')
    result = call(broken, "--ignore-nifti-headers", "--config", config)
    assert result.exit_code == 0
    assert "(1 ignored)" in result.stdout.splitlines()[-1]
    assert "did you mean NIFTI_HEADER_UNREADABLE?" in result.stderr
    config.write_text('{"ignore": [{"cod": "NOT_INCLUDED"}]}')
    result = call(broken, "-c", config, columns=200)
    assert result.exit_code == 2
    assert "ignore[0].cod: unknown field; did you mean code?" in result.stderr


def test_command_checks_chosen_subjects(broken: Path) -> None:
    shutil.copytree(broken / "sub-01", broken / "sub-02")
    result = call(broken, "--subject", "sub-02", "--json")
    locations = {issue["location"] for issue in json.loads(result.stdout)["issues"]["issues"]}
    assert any("sub-01" in location for location in locations)  # sub-02 has files that are named after sub-01
    assert all(location.startswith("/sub-02/") or location.count("/") == 1 for location in locations)
    result = call(broken, "--subject", "03", columns=200)
    assert result.exit_code == 2
    assert "has no folder sub-03" in result.stderr


def run_apart(*args: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from bidsflow.cli.main import main; main()", "validate", *map(str, args)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def test_command_ends_quietly_when_its_reader_has_gone(broken: Path) -> None:
    for n in range(3000):  # more than a pipe holds
        (broken / f"{n:060d}.x").write_text("x")
    process = run_apart(broken, "--json")
    assert process.stdout is not None
    assert process.stdout.read(10) == b'{"issues":'
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(60) == 16


def test_interrupt_ends_with_130(broken: Path, tmp_path: Path) -> None:
    config = tmp_path / "config"
    os.mkfifo(config)  # the command waits here for a configuration that never comes
    process = run_apart(broken, "--config", config)
    try:
        writer = wait_for_reader(config)
        time.sleep(0.5)  # between opening and reading Python would notice the signal only after the reading
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        os.close(writer)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert b"Traceback" not in said


def wait_for_reader(pipe: Path) -> int:
    """Return a handle of a named pipe once someone reads from it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.02)
    raise TimeoutError


def test_importing_the_room_loads_no_heavy_package() -> None:
    heavy = {"numpy", "pandas", "nibabel", "pydicom", "nipype", "nilearn", "bidsschematools", "jinja2"}
    code = "import sys, bidsflow.validate, bidsflow.cli.validate, bidsflow.cli.dump; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert heavy.intersection(loaded) == set()
