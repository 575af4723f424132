"""The command ``bidsflow phantom``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from bidsflow.cli.phantom import phantom
from bidsflow.errors import DatasetError


@pytest.fixture
def app() -> typer.Typer:
    out = typer.Typer()
    out.command()(phantom)
    return out


def run(app: typer.Typer, *words: object) -> Result:
    return CliRunner().invoke(app, [str(w) for w in words])


def test_command_writes_an_export_and_says_what_is_in_it(app: typer.Typer, tmp_path: Path) -> None:
    result = run(app, tmp_path / "x", "--series", "fieldmap,adc", "--subjects", 2, "--size", "tiny")
    assert result.exit_code == 0, result.output
    assert "fmap/phasediff" in result.output
    assert "dwi/ADC" in result.output
    assert (tmp_path / "x" / "truth" / "truth.json").is_file()
    assert "2 session(s)" in result.output


def test_command_prints_json(app: typer.Typer, tmp_path: Path) -> None:
    result = run(app, tmp_path / "x", "--series", "adc", "--dialect", "enhanced", "--json", "--seed", 3)
    assert json.loads(result.stdout) == json.loads((tmp_path / "x" / "truth" / "truth.json").read_text())
    assert json.loads(result.stdout)["seed"] == 3


def test_command_refuses_unknown_series(app: typer.Typer, tmp_path: Path) -> None:
    result = run(app, tmp_path / "x", "--series", "t5w")
    assert result.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_command_refuses_a_full_folder(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    result = run(app, tmp_path)
    assert isinstance(result.exception, DatasetError)
