"""What makes an image: its recipe, and that the committed files are what is written today."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from bidsflow.app.image import (
    BASE,
    CONVERT,
    DATA,
    ENVIRONMENT,
    Recipe,
    foreign_recipe,
    own_recipe,
    to_constraints,
    to_definition,
    to_dockerfile,
)
from bidsflow.app.registry import find_pipelines
from bidsflow.app.spec import Pipeline

ROOT = Path(__file__).resolve().parents[2]
OWN = [CONVERT, *(own_recipe(one) for one in find_pipelines().pipelines if one.workflow.startswith("bidsflow_pipel"))]


def read_lines(text: str) -> list[str]:
    """Return the instructions of a Dockerfile, each in one line, without comments."""
    joined = re.sub(r"\\\n\s*", "", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [line for line in joined.splitlines() if line]


def read_stages(text: str) -> list[list[str]]:
    """Return the instructions of each stage."""
    stages: list[list[str]] = []
    for line in read_lines(text):
        if line.startswith("FROM"):
            stages.append([])
        if stages:
            stages[-1].append(line)
    return stages


@pytest.fixture
def foreign(toy: Pipeline) -> Recipe:
    return foreign_recipe(toy, "./toy", apt=("libgl1",), prepare="python -m toy.fetch", licence="MIT")


@pytest.mark.parametrize("recipe", OWN, ids=lambda one: one.target)
def test_committed_recipes_are_up_to_date(recipe: Recipe) -> None:
    """Where this fails: make recipes."""
    folder = ROOT / recipe.folder
    assert (folder / "Dockerfile").read_text() == to_dockerfile(recipe)
    assert (folder / "apptainer.def").read_text() == to_definition(recipe)


def test_every_own_pipeline_has_a_folder() -> None:
    folders = {path.parent.name for path in (ROOT / "containers").glob("*/Dockerfile")}
    assert folders == {one.target for one in OWN}


def test_last_stage_is_small_and_safe(foreign: Recipe) -> None:
    for recipe in (*OWN, foreign):
        build, last = read_stages(to_dockerfile(recipe))
        assert build[0].endswith("AS build")
        assert not any("pip" in line or "gcc" in line for line in last if line.startswith("RUN"))
        (user,) = [line.split()[1] for line in last if line.startswith("USER")]
        assert user not in ("root", "0", "0:0")
        (entry,) = [line.split(maxsplit=1)[1] for line in last if line.startswith("ENTRYPOINT")]
        assert json.loads(entry) == list(recipe.entry)
        text = to_dockerfile(recipe)
        assert f"ARG BASE={recipe.base}\n" in text
        assert ":latest" not in text
        assert "ADD " not in text
        for label in ("title", "description", "version", "revision", "created", "licenses"):
            assert f'org.opencontainers.image.{label}="' in text


def test_images_are_pinned() -> None:
    tag = BASE.partition(":")[2]
    assert re.fullmatch(r"3\.\d+-slim", tag)
    pins = [line for line in (ROOT / "containers/constraints.txt").read_text().splitlines() if line[0] != "#"]
    assert all(re.fullmatch(r"[a-z0-9.-]+==[\w.!+]+", pin) for pin in pins)
    assert {"numpy", "pydicom", "dcm2niix", "antspyx"} <= {pin.partition("==")[0] for pin in pins}


def test_environment_needs_no_home(foreign: Recipe) -> None:
    written = "".join(line for line in read_stages(to_dockerfile(foreign))[1] if line.startswith("ENV PATH"))
    for name, value in ENVIRONMENT.items():
        assert f"{name}={value}" in written
    assert all(value.startswith("/opt/data/") for value in DATA.values())
    assert "/root" not in written


def test_recipe_of_others_has_what_they_ask_for(foreign: Recipe) -> None:
    build, last = read_stages(to_dockerfile(foreign))
    assert any("mkdir -p /opt/data && python -m toy.fetch && chmod" in line for line in build)
    assert any("--no-install-recommends libgl1" in line and "rm -rf /var/lib/apt/lists" in line for line in last)
    assert 'ENTRYPOINT ["bidsflow", "run", "toy"]' in last
    assert 'org.opencontainers.image.description="Multiply images, 100% harmless."' in last[-1]


def test_installed_pipeline_is_taken_from_an_index(foreign: Recipe) -> None:
    text = to_dockerfile(replace(foreign, requirement="my-toy==1.2.0"))
    assert '"my-toy==1.2.0"' in text
    assert "pip wheel" not in text


def test_summary_stays_one_label_when_it_is_odd(foreign: Recipe) -> None:
    odd = replace(foreign, summary='Says "$HOME" \\ and more')
    assert r'description="Says \"\$HOME\" \\ and more"' in to_dockerfile(odd)


def test_constraints_leave_out_what_is_built_here() -> None:
    assert to_constraints({"My_Toy": "1", "numpy": "2.0", "SimpleITK": "2.5"}, without=("my-toy",)) == (
        "numpy==2.0\nsimpleitk==2.5\n"
    )
