"""Every pipeline of the folder keeps to the contract of BIDS Apps."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from bidsflow.app import contract
from bidsflow.app.registry import HOME, find_pipelines
from bidsflow.app.spec import Pipeline

#: Checks that run nothing; all others run participants, some of them several times.
QUICK = {contract.check_help, contract.check_descriptor, contract.check_dry_run, contract.check_wrong_option}
#: Series of the phantom that are enough to take every way through a pipeline; without an entry it gets all.
SERIES = {"qc": ("t1w", "rest", "dwi")}
#: Those of this repository; others may be installed.
PIPELINES = tuple(one for one in find_pipelines().pipelines if one.workflow.startswith(f"{HOME}."))

Make = Callable[[Pipeline], Path]


@pytest.fixture(scope="session")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes the dataset of a pipeline, once."""
    made: dict[str, Path] = {}

    def make_once(pipeline: Pipeline) -> Path:
        if pipeline.name not in made:
            folder = tmp_path_factory.mktemp(pipeline.name)
            made[pipeline.name] = contract.make_dataset(folder, series=SERIES.get(pipeline.name))
        return made[pipeline.name]

    return make_once


def list_cases() -> list[object]:
    return [
        pytest.param(
            pipeline,
            check,
            id=f"{pipeline.name}-{check.__name__.removeprefix('check_')}",
            marks=() if check in QUICK else (pytest.mark.slow,),
        )
        for pipeline in PIPELINES
        for check in contract.CHECKS
    ]


@pytest.mark.parametrize(("pipeline", "check"), list_cases())
def test_contract(pipeline: Pipeline, check: contract.Check, make: Make, tmp_path: Path) -> None:
    check(contract.Case(pipeline, pipeline.name, make(pipeline), tmp_path))


def test_every_folder_of_pipelines_is_found() -> None:
    assert find_pipelines().broken == ()
    home = Path(__file__).parents[2] / "pipelines" / HOME
    declared = {path.parent.name for path in home.glob("*/__init__.py") if "PIPELINE = " in path.read_text()}
    assert declared
    assert declared == {pipeline.name.replace("-", "_") for pipeline in PIPELINES}


def test_every_pipeline_has_its_command() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    commands = {name for name, target in project["scripts"].items() if target.endswith(":main_of_pipeline")}
    assert commands == {f"bidsflow-{pipeline.name}" for pipeline in PIPELINES}
