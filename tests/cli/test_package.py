"""`bidsflow package` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bidsflow.app.scaffold import new_pipeline


def package(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bidsflow", "package", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Return a folder that holds the pipeline my-measure."""
    new_pipeline("my-measure", tmp_path / "my-measure")
    return tmp_path


def test_everything_is_written_into_the_folder_of_a_pipeline(mine: Path) -> None:
    done = package("./my-measure", cwd=mine)
    assert (done.returncode, done.stderr) == (0, "")
    written = {"Dockerfile", "constraints.txt", ".dockerignore", "apptainer.def", "bidsflow-my-measure.json"}
    assert {Path(line).name for line in done.stdout.splitlines()} == written
    assert 'ENTRYPOINT ["bidsflow", "run", "my-measure"]' in (mine / "my-measure/Dockerfile").read_text()
    pins = (mine / "my-measure/constraints.txt").read_text()
    assert "\nnumpy==" in pins
    assert "bidsflow==" not in pins
    descriptor = json.loads((mine / "my-measure/bidsflow-my-measure.json").read_text())
    assert descriptor["command-line"].startswith("bidsflow run my-measure [BIDS_DIR] [OUTPUT_DIR]")
    assert descriptor["container-image"] == {"type": "docker", "image": "bidsflow-my-measure:0.1.0"}


@pytest.mark.parametrize(
    ("option", "files"),
    [
        ("--docker", {"Dockerfile", "constraints.txt", ".dockerignore"}),
        ("--apptainer", {"apptainer.def"}),
        ("--boutiques", {"bidsflow-my-measure.json"}),
    ],
)
def test_only_what_was_asked_for_is_written(option: str, files: set[str], mine: Path) -> None:
    assert package("./my-measure", option, "-o", "there/deep", cwd=mine).returncode == 0
    assert {path.name for path in (mine / "there/deep").iterdir()} == files


def test_recipe_takes_wishes_from_pyproject(mine: Path) -> None:
    with (mine / "my-measure/pyproject.toml").open("a") as stream:
        stream.write('\n[tool.bidsflow.image]\napt = ["libgl1"]\nprepare = "python -m my_measure.fetch"\n')
    assert package("./my-measure", "--docker", cwd=mine).returncode == 0
    text = (mine / "my-measure/Dockerfile").read_text()
    assert "libgl1" in text
    assert "python -m my_measure.fetch" in text


def test_file_changed_by_hand_is_kept(mine: Path) -> None:
    package("./my-measure", cwd=mine)
    recipe = mine / "my-measure/Dockerfile"
    recipe.write_text("FROM mine\n")
    done = package("./my-measure", cwd=mine)
    assert (done.returncode, recipe.read_text()) == (73, "FROM mine\n")
    assert "--force" in done.stderr
    assert package("./my-measure", "--force", cwd=mine).stdout.split() == ["my-measure/Dockerfile"]
    assert recipe.read_text() != "FROM mine\n"


def test_unannounced_pipeline_is_refused(mine: Path) -> None:
    """Its image would not find it."""
    project = mine / "my-measure/pyproject.toml"
    project.write_text(project.read_text().replace("bidsflow.pipelines", "others"))
    done = package("./my-measure", cwd=mine)
    assert done.returncode == 2
    assert "entry-points" in done.stderr
    assert not (mine / "my-measure/Dockerfile").exists()


def test_converter_has_no_descriptor(tmp_path: Path) -> None:
    assert package("convert", "--boutiques", cwd=tmp_path).returncode == 2
    assert package("convert", cwd=tmp_path).returncode == 0
    assert {path.name for path in (tmp_path / "containers/convert").iterdir()} == {"Dockerfile", "apptainer.def"}
