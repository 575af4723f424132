"""A BIDS App that knows nothing of bidsflow, in an image with a home and a user of its own, as fMRIPrep has them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Engine, bidsflow, call

pytestmark = pytest.mark.containers
IMAGE = "bidsflow-test-foreign:1"
_RECIPE = """\
FROM python:3.12-slim
COPY app.py /app.py
RUN mkdir -p /home/app && chmod -R a+rwX /home/app
ENV HOME=/home/app
ENTRYPOINT ["python", "/app.py"]
"""
_APP = """\
import json, os, pathlib, sys
said = {"words": sys.argv[1:], "uid": os.getuid(), "licence": "", "cwd": os.getcwd()}
words = sys.argv[1:]
if "--fs-license-file" in words:
    said["licence"] = pathlib.Path(words[words.index("--fs-license-file") + 1]).read_text()
try:
    pathlib.Path(words[0], "written").touch()
    said["input"] = "writable"
except OSError:
    said["input"] = "read-only"
pathlib.Path.home().joinpath(".cache").mkdir(exist_ok=True)
pathlib.Path(words[1], "said.json").write_text(json.dumps(said))
sys.exit(17)
"""


@pytest.fixture(scope="module")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "Dockerfile").write_text(_RECIPE)
    (folder / "app.py").write_text(_APP)
    call([engine.program, "build", "-t", IMAGE, folder], check=True)
    yield IMAGE
    call([engine.program, "image", "rm", IMAGE])


@pytest.fixture(scope="module")
def file(image: str, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = shutil.which("apptainer") or shutil.which("singularity") or pytest.skip("apptainer is not here")
    folder = tmp_path_factory.mktemp("file")
    archive = ["--format", "docker-archive"] if engine.program == "podman" else []
    call([engine.program, "save", *archive, "-o", folder / "app.tar", image], check=True)
    recipe = folder / "app.def"
    recipe.write_text("Bootstrap: docker-archive\nFrom: app.tar\n")
    done = call([program, "build", "--fakeroot", folder / "app.sif", recipe], cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "app.sif"


@pytest.mark.parametrize("kind", ["image", "file"])
def test_app_of_others_runs_as_it_is(kind: str, request: pytest.FixtureRequest, place: Path) -> None:
    container = request.getfixturevalue(kind)
    (place / "in").mkdir()
    (place / "licence.txt").write_text("mine")
    words = ("in", "out", "participant", "--fs-license-file", "licence.txt", "-w", "work", "--output-spaces", "T1w")
    done = call(bidsflow("run", "fmriprep", *words, "--container", container), cwd=place)
    assert done.returncode == 17, done.stderr
    said = json.loads((place / "out/said.json").read_text())
    assert said == {
        "words": [
            f"{place}/in", f"{place}/out", "participant", "--fs-license-file", f"{place}/licence.txt",
            "-w", f"{place}/work", "--output-spaces", "T1w",
        ],
        "uid": os.getuid(),
        "licence": "mine",
        "cwd": "/tmp",
        "input": "read-only",
    }  # fmt: skip
    assert (place / "out/said.json").stat().st_uid == os.getuid()
    assert (place / "work").is_dir()
