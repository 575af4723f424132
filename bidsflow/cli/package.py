"""`bidsflow package`: write what makes a container image of a BIDS App."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bidsflow.cli.options import TARGET, USAGE, end_help

if TYPE_CHECKING:
    from bidsflow.app.image import Recipe
    from bidsflow.app.spec import Pipeline

HELP_END = end_help(
    {
        "bidsflow package ./my-measure": "everything, into the pipeline's own folder",
        "bidsflow package ./my-measure --docker -o image": "a Dockerfile and what it needs, elsewhere",
        "bidsflow package qc --boutiques": "the descriptor of a pipeline that comes with bidsflow",
    },
    {0: "written"},
    USAGE, TARGET,
)  # fmt: skip


def package(
    target: Annotated[
        str,
        typer.Argument(
            metavar="PIPELINE|convert",
            help="A pipeline, or the folder of one: qc, ./my-measure. convert is the image that converts.",
            show_default=False,
        ),
    ],
    docker: Annotated[bool, typer.Option("--docker", help="Only Dockerfile, .dockerignore, constraints.txt.")] = False,
    apptainer: Annotated[bool, typer.Option("--apptainer", help="Only apptainer.def.")] = False,
    boutiques: Annotated[bool, typer.Option("--boutiques", help="Only the Boutiques descriptor.")] = False,
    into: Annotated[
        Path | None, typer.Option("-o", "--output-dir", help="Where to (default: the folder of the pipeline).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Also over files that were changed by hand.")] = False,
) -> None:
    """Write what makes a container image of a BIDS App: Dockerfile, Apptainer definition, Boutiques descriptor.

    Nothing is built. Each file says in its first lines how to. Pipelines say what else they need in pyproject.toml:
    [tool.bidsflow.image] with apt = ["libgl1"] and prepare = "python -m my_measure.fetch".
    """
    every = not (docker or apptainer or boutiques)
    recipe, pipeline = _find_recipe(target)
    texts: dict[str, str] = {}
    if docker or every:
        texts |= _docker_files(recipe)
    if apptainer or every:
        from bidsflow.app.image import to_definition

        texts["apptainer.def"] = to_definition(recipe)
    if pipeline is not None and (boutiques or every):
        texts[f"{recipe.name}.json"] = _describe(recipe, pipeline)
    elif boutiques:
        from bidsflow.errors import OptionError

        raise OptionError("convert is no pipeline, and has no Boutiques descriptor", "Leave --boutiques away")
    folder = into or _default_folder(recipe)
    for path in _write(texts, folder, force=force):
        typer.echo(path)


def _find_recipe(target: str) -> tuple[Recipe, Pipeline | None]:
    from bidsflow.app.image import CONVERT, own_recipe
    from bidsflow.app.registry import HOME, find_pipeline

    if target == CONVERT.target:
        return CONVERT, None
    pipeline = find_pipeline(target)
    if pipeline.workflow.startswith(f"{HOME}."):
        return own_recipe(pipeline), pipeline
    return _foreign_recipe(pipeline, target), pipeline


def _foreign_recipe(pipeline: Pipeline, target: str) -> Recipe:
    """Return the recipe of a pipeline that lies in a folder, or that another package announces."""
    import sys

    from bidsflow.app.image import foreign_recipe

    base = f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"  # the constraints are those of this Python
    if "/" not in target and target not in (".", ".."):
        return foreign_recipe(pipeline, target, requirement=_requirement(pipeline.name), base=base)
    project = _read_project(Path(target), pipeline.name)
    wanted = project.get("tool", {}).get("bidsflow", {}).get("image", {})
    licence = project["project"].get("license", "")
    return foreign_recipe(
        pipeline,
        target,
        base=wanted.get("base", base),
        apt=wanted.get("apt", ()),
        prepare=wanted.get("prepare", ""),
        licence=licence if isinstance(licence, str) else "",
    )


def _requirement(name: str) -> str:
    from importlib.metadata import entry_points

    from bidsflow.app.registry import GROUP
    from bidsflow.errors import OptionError

    for entry in entry_points(group=GROUP, name=name):
        if entry.dist is not None:
            return f"{entry.dist.name}=={entry.dist.version}"
    raise OptionError(f"it cannot be told which package {name} is of", "Give the folder of its source")


def _read_project(folder: Path, name: str) -> dict[str, Any]:
    """Return the pyproject.toml of a pipeline's folder.

    Raises
    ------
    OptionError
        If there is none, or an installation of it would not be found by ``bidsflow run``.
    """
    import tomllib

    from bidsflow.app.registry import GROUP
    from bidsflow.errors import OptionError

    path = folder / "pyproject.toml"
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: cannot be read ({error})", "An image installs the folder with pip") from error
    if name not in project.get("project", {}).get("entry-points", {}).get(GROUP, {}):
        line = f'[project.entry-points."{GROUP}"] {name} = "package:PIPELINE"'
        raise OptionError(f"{path}: does not announce {name}, so that its image would not find it", f"Add: {line}")
    return project


def _docker_files(recipe: Recipe) -> dict[str, str]:
    from importlib.metadata import distributions

    from bidsflow.app.image import to_constraints, to_dockerfile, to_ignore_file

    texts = {"Dockerfile": to_dockerfile(recipe)}
    if recipe.folder:  # a checkout has the others
        return texts
    versions = {one.name: one.version for one in distributions() if one.name}
    head = f"# What was installed where the recipe of {recipe.name} was written.\n"
    without = ("bidsflow", recipe.name.removeprefix("bidsflow-"), recipe.requirement.partition("==")[0])
    return {**texts, "constraints.txt": head + to_constraints(versions, without), ".dockerignore": to_ignore_file()}


def _describe(recipe: Recipe, pipeline: Pipeline) -> str:
    from bidsflow.app.descriptor import describe_pipeline, to_text

    described = describe_pipeline(pipeline, recipe.image)
    _, _, keys = described["command-line"].partition(" ")
    return to_text({**described, "command-line": " ".join((*recipe.entry, keys))})


def _default_folder(recipe: Recipe) -> Path:
    if recipe.folder:
        return Path(recipe.folder)
    return Path() if recipe.requirement else Path(recipe.target)


def _write(texts: dict[str, str], folder: Path, *, force: bool) -> list[Path]:
    """Write the files, and return those that are new or changed.

    Raises
    ------
    DatasetError
        If one would be overwritten that holds something else.
    """
    from bidsflow.errors import DatasetError

    changed = []
    for name, text in texts.items():
        path = folder / name
        if not path.exists():
            changed.append(path)
        elif path.read_text(encoding="utf-8", errors="replace") != text:
            if not force:
                raise DatasetError(str(path), "there is another one already", "--force writes over it")
            changed.append(path)
    folder.mkdir(parents=True, exist_ok=True)
    for path in changed:
        path.write_text(texts[path.name], encoding="utf-8")
    return changed
