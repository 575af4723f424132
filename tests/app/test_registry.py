"""Pipelines are found, whatever lies beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bidsflow.app.registry import find_pipeline, find_pipelines, load
from bidsflow.app.spec import Pipeline
from bidsflow.errors import OptionError, PipelineError

_DECLARATION = """
from dataclasses import dataclass
from bidsflow.app import Pipeline, Query
@dataclass(frozen=True)
class Params: pass
PIPELINE = Pipeline("{name}", "1", "S.", Params, (Query("T1w", "anat"),), "x:y")
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package that announces a pipeline, as pip does: a module and its metadata on the path of Python."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(module: str, code: str, target: str = "") -> None:
        (tmp_path / f"{module}.py").write_text(code)
        about = tmp_path / f"{module}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[bidsflow.pipelines]\n{module} = {target or module + ':PIPELINE'}\n")
        find_pipelines.cache_clear()

    yield write
    find_pipelines.cache_clear()
    for name in [one for one in sys.modules if one.startswith("stranger")]:
        del sys.modules[name]


def test_pipeline_is_found_when_a_package_announces_it(install: Install) -> None:
    install("stranger_good", _DECLARATION.format(name="good"))
    assert find_pipeline("good").name == "good"


BROKEN = {
    "syntax": "def (:",
    "import": "import a_package_that_is_not_there",
    "raise": "raise RuntimeError('no')",
    "exit": "import sys; sys.exit(3)",
    "none": "",
    "other": "PIPELINE = 3",
    "declaration": _DECLARATION.format(name="Bad Name"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_package_is_told_and_the_others_are_found(kind: str, install: Install) -> None:
    install(f"stranger_{kind}", BROKEN[kind])
    install("stranger_good", _DECLARATION.format(name="good"))
    found = find_pipelines()
    assert "good" in [one.name for one in found.pipelines]
    assert [place for place, _ in found.broken if "stranger" in place] == [f"stranger_{kind}:PIPELINE"]


def test_entry_point_without_a_module_is_told(install: Install) -> None:
    install("stranger_lost", "", "a_module_that_is_not_there:PIPELINE")
    assert any("a_module_that_is_not_there" in reason for _, reason in find_pipelines().broken)


def test_second_pipeline_of_one_name_is_told(install: Install) -> None:
    install("stranger_a", _DECLARATION.format(name="same"))
    install("stranger_b", _DECLARATION.format(name="same"))
    found = find_pipelines()
    assert [one.name for one in found.pipelines].count("same") == 1
    assert [place for place, _ in found.broken if "stranger" in place] == ["stranger_b:PIPELINE"]


def test_reason_is_given_when_a_broken_pipeline_is_asked_for(install: Install) -> None:
    install("stranger_two", BROKEN["import"])
    with pytest.raises(PipelineError, match="a_package_that_is_not_there"):
        find_pipeline("stranger-two")


def test_unknown_name_says_what_there_is(install: Install) -> None:
    install("stranger_good", _DECLARATION.format(name="good"))
    with pytest.raises(OptionError, match=r"Installed: .*good.*\./nothing"):
        find_pipeline("nothing")


@pytest.mark.parametrize("place", ["pack", "src/pack", ""])
def test_pipeline_is_found_in_a_folder(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"stranger_{place.replace('/', '_') or 'bare'}"
    folder = tmp_path / "with space" / (name if not place else "project")
    package = folder / place.replace("pack", name)
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(_DECLARATION.format(name="lying"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert find_pipeline(f"{folder}/").name == "lying"
    monkeypatch.chdir(folder)
    assert find_pipeline("./").name == "lying"
    assert find_pipeline(".").name == "lying"


@pytest.mark.parametrize("name", ["./nothing", "a/b/", "./file"])
def test_folder_that_is_not_there_or_holds_no_pipeline_is_a_usage_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OptionError) as refused:
        find_pipeline(name)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("code", ["PIPELINE = 3", "PIPELINE = ("])
def test_folder_without_a_readable_pipeline_is_refused(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / f"stranger_{abs(hash(code))}"
    package.mkdir()
    (package / "__init__.py").write_text(code)
    monkeypatch.setattr(sys, "path", list(sys.path))
    with pytest.raises(PipelineError):
        find_pipeline(f"{tmp_path}/")


@pytest.mark.parametrize("reference", ["a_module_that_is_not_there:f", "json:nothing", "json", "json:__doc__", "", ":"])
def test_function_that_is_not_there_is_refused(reference: str) -> None:
    with pytest.raises(PipelineError):
        load(reference)


def test_missing_engine_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stranger_needy.py").write_text("import an_engine_that_is_not_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PipelineError, match=r"an_engine_that_is_not_there.*pip install"):
        load("stranger_needy:build")


def test_module_with_a_syntax_error_is_a_pipeline_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stranger_typo.py").write_text("def build(:")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PipelineError, match="stranger_typo"):
        load("stranger_typo:build")


def test_toy_is_read_from_its_folder(toy: Pipeline) -> None:
    assert (toy.name, toy.version) == ("toy", "1.2.0")
