"""The methods text and the citations of what really ran: a part for each way in which participants were made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bidsflow.app.provenance import list_versions
from bidsflow.app.registry import load
from bidsflow.app.spec import Citation, Pipeline
from bidsflow.app.state import Setting
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


def describe_setting(pipeline: Pipeline, params: Mapping[str, Any]) -> Setting:
    """Return how results are made now, with what the pipeline says of itself.

    Raises
    ------
    PipelineError
        If its text refers to what it does not list, or cannot be made.
    """
    try:
        body = str(load(pipeline.methods)(pipeline.params(**params))) if pipeline.methods else ""
    except PipelineError:
        raise
    except Exception as error:  # a pipeline may raise anything
        reason = f"its methods text cannot be made ({type(error).__name__}: {error})"
        raise PipelineError(pipeline.name, reason) from error
    known = {one.key for one in (*COMMON, *pipeline.citations)}
    if unknown := [key for key in dict.fromkeys(_REFERENCE.findall(body)) if key not in known]:
        raise PipelineError(pipeline.name, f"its methods text refers to {', '.join(unknown)}, which it does not list")
    return Setting(pipeline.version, dict(params), body, list_versions())


def methods_text(pipeline: Pipeline, setting: Setting) -> str:
    """Return the methods text of results that were all made alike, in Markdown, with the references that it names."""
    return _number(pipeline, _describe(pipeline, setting))


def cohort_text(pipeline: Pipeline, settings: Sequence[tuple[Setting, Sequence[str]]]) -> str:
    """Return the methods text of a dataset: a part for each way in which participants were made.

    Parameters
    ----------
    pipeline : Pipeline
        Knows the references.
    settings : sequence of (Setting, sequence of str)
        How, and the labels of who was made so.
    """
    if len(settings) == 1:
        return methods_text(pipeline, settings[0][0])
    parts = [f"Participants were made in {len(settings)} ways, which differ; each is described for itself."]
    for (setting, who), differences in zip(settings, list_differences(settings), strict=True):
        people = ", ".join(f"sub-{label}" for label in who)
        parts.append(f"## {people}\n\nWhat differs: {differences}.\n\n{_describe(pipeline, setting)}")
    return _number(pipeline, "\n\n".join(parts))


def list_differences(settings: Sequence[tuple[Setting, Sequence[str]]]) -> list[str]:
    """Return for each way in which participants were made what it has and others have not.

    Examples
    --------
    >>> one, two = Setting("1", {"a": 1, "b": 2}), Setting("1", {"a": 1, "b": 3})
    >>> list_differences([(one, ["01"]), (two, ["02"])])
    ['b=2', 'b=3']
    """
    plain = [_facts(setting) for setting, _ in settings]
    keys = dict.fromkeys(key for facts in plain for key in facts)
    differing = [key for key in keys if len({facts.get(key, "") for facts in plain}) > 1]
    return [", ".join(f"{key}={facts.get(key, 'unknown')}" for key in differing) or "the text" for facts in plain]


def _facts(setting: Setting) -> dict[str, str]:
    params = {key: str(value) for key, value in setting.params.items()}
    return {**params, "version": setting.version, **setting.versions}


def _describe(pipeline: Pipeline, setting: Setting) -> str:
    versions = ", ".join(f"{name} {text}" for name, text in setting.versions.items() if name != "bidsflow")
    opening = (
        f"Data in BIDS [@Gorgolewski2016] were processed by *bidsflow {pipeline.name}* {setting.version} "
        f"(bidsflow {setting.versions.get('bidsflow', 'unknown')}), which is built on nipype [@Gorgolewski2011]."
    )
    return "\n\n".join(part for part in (opening, setting.methods.strip(), f"Versions: {versions}.") if part)


def _number(pipeline: Pipeline, text: str) -> str:
    """Return a text with numbers for its references, and the list of these.

    What an older version of the pipeline cited and this one does not know is listed by its key.
    """
    known: dict[str, Citation] = {one.key: one for one in (*COMMON, *pipeline.citations)}
    keys = dict.fromkeys(_REFERENCE.findall(text))
    cited = [known.get(key, Citation(key, key)) for key in keys]
    numbers = {one.key: rank for rank, one in enumerate(cited, start=1)}
    numbered = _REFERENCE.sub(lambda found: f"[{numbers[found[1]]}]", text)
    return numbered + "\n\n" + "\n".join(_lines(cited)) + "\n"


def _lines(citations: Iterable[Citation]) -> Iterable[str]:
    for rank, one in enumerate(citations, start=1):
        yield f"{rank}. {one.text}" + (f" https://doi.org/{one.doi}" if one.doi else "")
