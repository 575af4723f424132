"""Find pipelines: those of the folder that comes with bidsflow first, then those that other packages announce.

Reading declarations imports nothing heavy; what a pipeline works with is loaded when it runs.
"""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bidsflow.app.spec import Pipeline
from bidsflow.errors import OptionError, PipelineError

#: The package of the pipelines that come with bidsflow, a second source root of the same wheel.
HOME = "bidsflow_pipelines"
#: The entry points by which other packages announce a pipeline: ``name = "package.module:PIPELINE"``.
GROUP = "bidsflow.pipelines"
#: What the declaration is called in its module.
ATTRIBUTE = "PIPELINE"


@dataclass(frozen=True, slots=True)
class Found:
    """Pipelines, and what looks like one and cannot be read.

    Attributes
    ----------
    pipelines : tuple of Pipeline
        By name, in alphabetical order.
    broken : tuple of (str, str)
        Module or entry point, and why.
    """

    pipelines: tuple[Pipeline, ...]
    broken: tuple[tuple[str, str], ...] = ()


@cache
def find_pipelines() -> Found:
    """Return every pipeline that is installed; of two with one name, the one that comes with bidsflow."""
    pipelines: dict[str, Pipeline] = {}
    broken: list[tuple[str, str]] = []
    for place in (*_modules(), *_announced()):
        try:
            if place.startswith(f"{HOME}.") and not _declares(place):
                continue  # what pipelines share: engines
            pipeline = _read(place)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a stranger's module may do anything
            broken.append((place, f"{type(error).__name__}: {error}"))
            continue
        if pipeline.name in pipelines:
            broken.append((place, f"there is a pipeline {pipeline.name} already"))
        else:
            pipelines[pipeline.name] = pipeline
    return Found(tuple(pipelines[name] for name in sorted(pipelines)), tuple(broken))


def find_pipeline(name: str) -> Pipeline:
    """Return one pipeline by its name, or by the folder that it lies in.

    Raises
    ------
    OptionError
        If there is none of this name, or none in the folder.
    PipelineError
        If its declaration cannot be read.
    """
    if "/" in name or name in (".", ".."):
        return _read_folder(Path(name))
    found = find_pipelines()
    for pipeline in found.pipelines:
        if pipeline.name == name:
            return pipeline
    reasons = [reason for place, reason in found.broken if name.replace("-", "_") in place]
    if reasons:
        raise PipelineError(name, f"it cannot be loaded ({reasons[0]})")
    known = ", ".join(one.name for one in found.pipelines) or "none"
    hint = f"Installed: {known}. A folder is given with a slash: ./{name}; a BIDS App of others needs --container IMAGE"
    raise OptionError(f"there is no pipeline {name}", hint)


def load(reference: str) -> Callable[..., Any]:
    """Return the function that a declaration names as ``module:function``.

    Raises
    ------
    PipelineError
        If there is none, or its module cannot be imported.
    """
    module, _, name = reference.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (Exception, SystemExit) as error:  # see find_pipelines
        hint = "; install what pipelines need: pip install 'bidsflow[pipelines]'" if _is_foreign(error, module) else ""
        raise PipelineError(reference, f"it cannot be loaded ({type(error).__name__}: {error}){hint}") from error
    if not callable(found):
        raise PipelineError(reference, "this is no function")
    function: Callable[..., Any] = found
    return function


def _is_foreign(error: BaseException, module: str) -> bool:
    """Return whether what is missing is another package than the one that was asked for."""
    missing = getattr(error, "name", None) or ""
    return isinstance(error, ModuleNotFoundError) and missing.partition(".")[0] != module.partition(".")[0]


def _modules() -> Iterator[str]:
    spec = find_spec(HOME)
    for module in pkgutil.iter_modules(spec.submodule_search_locations if spec else None):
        if module.ispkg and not module.name.startswith("_"):
            yield f"{HOME}.{module.name}:{ATTRIBUTE}"


def _announced() -> Iterator[str]:
    for entry in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        yield entry.value


def _declares(place: str) -> bool:
    module, _, name = place.partition(":")
    return hasattr(import_module(module), name)


def _read(place: str) -> Pipeline:
    module, _, name = place.partition(":")
    pipeline = getattr(import_module(module), name or ATTRIBUTE)
    if not isinstance(pipeline, Pipeline):
        raise TypeError(f"{name or ATTRIBUTE} is no Pipeline")
    return pipeline


def _read_folder(folder: Path) -> Pipeline:
    """Return the pipeline of a package that lies in a folder, installed or not."""
    if not folder.is_dir():
        raise OptionError(f"{folder}: there is no such folder", "Name a pipeline, or the folder of one")
    folder = folder.resolve()  # "." has no name
    packages = [one for place in ("", "*/", "src/*/") for one in sorted(folder.glob(f"{place}__init__.py"))]
    for package in (one.parent for one in packages if ATTRIBUTE in one.read_text(encoding="utf-8", errors="replace")):
        top = str(package.parent)
        if top not in sys.path:
            sys.path.insert(0, top)
        try:
            return _read(f"{package.name}:{ATTRIBUTE}")
        except (Exception, SystemExit) as error:  # see find_pipelines
            raise PipelineError(str(folder), f"its declaration cannot be read ({error})") from error
    raise OptionError(f"{folder}: no package in this folder declares a {ATTRIBUTE}")
