"""The folder of a new pipeline runs as it is."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bidsflow.app.registry import find_pipeline
from bidsflow.app.scaffold import new_pipeline
from bidsflow.errors import BidsflowError, DatasetError

from .conftest import read_derivatives


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_new_pipeline_is_found_in_its_folder(tmp_path: Path) -> None:
    new_pipeline("own-measure", tmp_path / "own-measure")
    pipeline = find_pipeline(f"{tmp_path}/own-measure")
    assert pipeline.name == "own-measure"
    assert pipeline.levels == ("participant", "group")


@pytest.mark.parametrize(
    ("name", "summary"),
    [("said-a", 'Say "hello" and \\n \\x.'), ("said-b", "Two\nlines"), ("said-c", '"""'), ("said-d", "ä {{ 1 }} %d '")],
)
def test_any_summary_is_kept_as_it_is(name: str, summary: str, tmp_path: Path) -> None:
    files = new_pipeline(name, tmp_path / name, summary)
    for path in files:
        if path.suffix == ".py":
            compile(path.read_text(), str(path), "exec")
    told = find_pipeline(f"{tmp_path}/{name}").summary
    assert told == " ".join(summary.split()).rstrip(".") + "."
    project = tomllib.loads((tmp_path / name / "pyproject.toml").read_text())["project"]
    assert project["description"] == told


@pytest.mark.parametrize("name", ["", "My", "my_measure", "1x", "a/b", "../x", "class", "import", "json", "bidsflow"])
def test_name_that_python_cannot_import_or_has_already_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(BidsflowError) as refused:
        new_pipeline(name, tmp_path / "new")
    assert refused.value.exit_code == 2
    assert not (tmp_path / "new").exists()


def test_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "thesis.txt").touch()
    with pytest.raises(DatasetError):
        new_pipeline("new", tmp_path / "new")
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError):
        new_pipeline("new", tmp_path / "file")


def run_command(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bidsflow", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_command_says_how_to_go_on_and_that_works(dataset: Path, tmp_path: Path) -> None:
    done = run_command("new-pipeline", "my-measure", "--into", tmp_path / "mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("run it:"))
    where = line.split()[4]
    ran = run_command("run", where, dataset, tmp_path / "out", "participant", "group", "--skip-bids-validation",
                      cwd=tmp_path)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "group_measures.tsv" in read_derivatives(tmp_path / "out")


@pytest.mark.slow
def test_new_pipeline_passes_its_own_contract(tmp_path: Path) -> None:
    new_pipeline("own-measure", tmp_path / "own-measure")  # a name that no other test makes importable
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "own-measure")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
