"""The methods text and the citations of what really ran."""

from __future__ import annotations

import re
from typing import Any

from bidsflow import __version__
from bidsflow.app.provenance import list_versions
from bidsflow.app.spec import Citation, Pipeline
from bidsflow.errors import PipelineError

_REFERENCE = re.compile(r"\[@([^\]\s;,]+)\]")

#: What every run of every pipeline stands on.
COMMON = (
    Citation("Gorgolewski2011",
             "Gorgolewski K, Burns CD, Madison C, et al. Nipype: a flexible, lightweight and extensible neuroimaging "
             "data processing framework in Python. Front Neuroinform 5:13, 2011.", "10.3389/fninf.2011.00013"),
    Citation("Gorgolewski2016",
             "Gorgolewski KJ, Auer T, Calhoun VD, et al. The brain imaging data structure, a format for organizing and "
             "describing outputs of neuroimaging experiments. Sci Data 3:160044, 2016.", "10.1038/sdata.2016.44"),
)  # fmt: skip


def methods_text(pipeline: Pipeline, body: str) -> str:
    """Return the methods text in Markdown, with the references that it names.

    Parameters
    ----------
    pipeline : Pipeline
        Knows the references.
    body : str
        What the pipeline says of itself; ``[@key]`` refers to a citation.

    Raises
    ------
    PipelineError
        If the text refers to what the pipeline does not list.
    """
    versions = ", ".join(f"{name} {text}" for name, text in list_versions().items() if name != "bidsflow")
    opening = (
        f"Data in BIDS [@Gorgolewski2016] were processed by *bidsflow {pipeline.name}* {pipeline.version} "
        f"(bidsflow {__version__}), which is built on nipype [@Gorgolewski2011]."
    )
    text = "\n\n".join(part for part in (opening, body.strip(), f"Versions: {versions}.") if part)
    known: dict[str, Citation] = {one.key: one for one in (*COMMON, *pipeline.citations)}
    keys = tuple(dict.fromkeys(_REFERENCE.findall(text)))
    if unknown := [key for key in keys if key not in known]:
        raise PipelineError(pipeline.name, f"its methods text refers to {', '.join(unknown)}, which it does not list")
    cited = [known[key] for key in keys]
    numbers = {one.key: rank for rank, one in enumerate(cited, start=1)}
    numbered = _REFERENCE.sub(lambda found: f"[{numbers[found[1]]}]", text)
    return numbered + "\n\n" + "\n".join(f"{rank}. {_line(one)}" for rank, one in enumerate(cited, start=1)) + "\n"


def _line(citation: Citation) -> str:
    return citation.text + (f" https://doi.org/{citation.doi}" if citation.doi else "")


def body_of(pipeline: Pipeline, params: Any) -> str:
    """Return what a pipeline says of itself, ``""`` where it says nothing."""
    from bidsflow.app.registry import load

    return str(load(pipeline.methods)(params)) if pipeline.methods else ""
