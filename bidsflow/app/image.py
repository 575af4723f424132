"""How a container image of a pipeline is made: a recipe as a value, and the files that are written of it.

Pure: values in, texts out. An image holds an environment in ``/opt/bidsflow`` and whatever else the pipeline looks up
in ``/opt/data``, so that it runs as any user, without a network, on a root that cannot be written, and without HOME.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from bidsflow import __version__
from bidsflow.app.spec import Pipeline
from bidsflow.dataset.origin import IMAGE, REVISION

#: Built upon where nobody says another; its Python is what the committed constraints were made for.
BASE = "python:3.12-slim"
#: Where packages look up templates and atlases that they would fetch otherwise; filled while the image is built.
DATA: Mapping[str, str] = {
    "TEMPLATEFLOW_HOME": "/opt/data/templateflow",
    "NILEARN_DATA": "/opt/data/nilearn",
    "DIPY_HOME": "/opt/data/dipy",
}
#: What every image sets. Threads are one each unless a pipeline is told more: several participants share a machine.
ENVIRONMENT: Mapping[str, str] = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OMP_NUM_THREADS": "1",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    **DATA,
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",  # matplotlib takes no cache that it cannot write to
    "NUMBA_CACHE_DIR": "/tmp/numba",
    "XDG_CACHE_HOME": "/tmp/.cache",
    "NIPYPE_CONFIG_DIR": "/tmp/nipype",
    "NIPYPE_NO_ET": "1",  # asks the network for a newer version otherwise
    "NO_ET": "1",
}
#: Packages whose tests are left out of images; a test imports what remains.
TRIMMED = (
    "dipy", "h5py", "matplotlib", "networkx", "nibabel", "nilearn", "nipype", "numpy", "pandas", "prov", "scipy",
    "sklearn", "statsmodels", "traits", "trx",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is made of.

    Attributes
    ----------
    target : str
        What it was asked for by: ``qc``, ``convert``, ``./my-measure``.
    name : str
        Of the image, without its tag: ``bidsflow-qc``.
    version : str
        Its tag.
    summary : str
        One sentence.
    entry : tuple of str
        The command that words after the image's name are given to.
    example : str
        Such words.
    extra : str
        Of the package in the build context, with brackets: ``[pipelines]``.
    requirement : str
        What is installed from an index in its stead; ``""`` where the context holds the source.
    folder : str
        Of the recipe below the build context, with a slash; ``""`` where it lies at its top.
    constraints : str
        The file of pinned versions, below the build context.
    base : str
        The image that it stands on.
    apt : tuple of str
        Packages of Debian that it needs while it runs.
    prepare : str
        A command that fills ``/opt/data`` while the image is built.
    licence : str
        As SPDX writes it.
    """

    target: str
    name: str
    version: str
    summary: str
    entry: tuple[str, ...]
    example: str
    extra: str = ""
    requirement: str = ""
    folder: str = ""
    constraints: str = "constraints.txt"
    base: str = BASE
    apt: tuple[str, ...] = ()
    prepare: str = ""
    licence: str = ""

    @property
    def image(self) -> str:
        """Its name with its tag."""
        return f"{self.name}:{self.version}"


_EXAMPLE = "/data /out participant --participant-label 01"
#: The image that converts: every command that needs no pipeline.
CONVERT = Recipe(
    target="convert",
    name="bidsflow-convert",
    version=__version__,
    summary="DICOM to BIDS, and validation: bidsflow scan, plan, convert, validate.",
    entry=("bidsflow",),
    example="convert /data /out",
    folder="containers/convert/",
    constraints="containers/constraints.txt",
    licence="Apache-2.0",
)


def own_recipe(pipeline: Pipeline) -> Recipe:
    """Return the recipe of a pipeline that comes with bidsflow; it is built in the root of a checkout."""
    return Recipe(
        target=pipeline.name,
        name=f"bidsflow-{pipeline.name}",
        version=__version__,
        summary=pipeline.summary,
        entry=(f"bidsflow-{pipeline.name}",),
        example=_EXAMPLE,
        extra="[pipelines]",
        folder=f"containers/{pipeline.name}/",
        constraints="containers/constraints.txt",
        licence="Apache-2.0",
    )


def foreign_recipe(
    pipeline: Pipeline,
    target: str,
    *,
    requirement: str = "",
    base: str = BASE,
    apt: Sequence[str] = (),
    prepare: str = "",
    licence: str = "",
) -> Recipe:
    """Return the recipe of someone else's pipeline; it is built in the pipeline's own folder.

    Parameters
    ----------
    pipeline : Pipeline
        What is declared.
    target : str
        How it was asked for: its name or its folder.
    requirement : str
        What pip installs where it is installed from an index and not from its folder: ``my-measure==0.1.0``.
    base, apt, prepare, licence
        See `Recipe`.
    """
    return Recipe(
        target=target,
        name=f"bidsflow-{pipeline.name}",
        version=pipeline.version,
        summary=pipeline.summary,
        entry=("bidsflow", "run", pipeline.name),
        example=_EXAMPLE,
        requirement=requirement,
        base=base,
        apt=tuple(apt),
        prepare=prepare,
        licence=licence,
    )


def to_dockerfile(recipe: Recipe) -> str:
    """Return the text of a Dockerfile."""
    return _render("Dockerfile.j2", recipe)


def to_definition(recipe: Recipe) -> str:
    """Return the text of an Apptainer definition, which takes the Docker image as its base."""
    return _render("apptainer.def.j2", recipe)


def to_ignore_file() -> str:
    """Return the text of a ``.dockerignore``."""
    return str(_environment().get_template("dockerignore.j2").render())


def to_constraints(versions: Mapping[str, str], without: Sequence[str] = ()) -> str:
    """Return the text of a constraints file.

    Parameters
    ----------
    versions : mapping of str to str
        By name of the package.
    without : sequence of str
        Packages that it shall not name: what is built from source.
    """
    pinned = {name.lower().replace("_", "-"): version for name, version in versions.items()}
    left_out = {name.lower().replace("_", "-") for name in without}
    return "".join(f"{name}=={pinned[name]}\n" for name in sorted(pinned) if name not in left_out)


def _render(template: str, recipe: Recipe) -> str:
    is_own = bool(recipe.folder)
    return str(
        _environment()
        .get_template(template)
        .render(
            {name: getattr(recipe, name) for name in (one.name for one in fields(recipe))},
            image=recipe.image,
            title=recipe.name,
            place="the root of the checkout" if is_own else "the folder of this file",
            quoted=json.dumps(recipe.summary, ensure_ascii=False).replace("$", r"\$"),
            entry=json.dumps(recipe.entry),
            check=" ".join((*recipe.entry, "--version")),
            trimmed=TRIMMED,
            data=list(DATA.items()),
            environment=list(ENVIRONMENT.items()),
            image_variable=IMAGE,
            revision_variable=REVISION,
        )
    )


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("bidsflow.app"), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
