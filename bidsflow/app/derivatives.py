"""What a pipeline leaves behind: derivatives with sidecars, and what reports and the group level read of them.

Nothing here writes into the output folder: files are staged in a tree that `dataset.write.commit` brings in whole.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidsflow import __version__
from bidsflow.app.spec import Pipeline
from bidsflow.app.state import read_json
from bidsflow.dataset.describe import BIDS_VERSION, to_json
from bidsflow.dataset.origin import describe_image, name_image, name_version
from bidsflow.errors import RunError
from bidsflow.names import BidsName

_IGNORED = ("*.html", "group_*", "logs/", "figures/", "**/figures")


@dataclass(frozen=True, slots=True)
class Results:
    """The derivatives of one participant, for its report.

    Attributes
    ----------
    root : Path
        The tree that they stand in.
    label : str
        Without ``sub-``.
    params : object
        The parameters of the pipeline.
    methods : str
        The methods text.
    """

    root: Path
    label: str
    params: Any
    methods: str = ""

    def find(self, pattern: str) -> tuple[Path, ...]:
        """Return the participant's files that match a pattern below its folder, in order: ``**/*_T1w.json``."""
        return tuple(sorted((self.root / f"sub-{self.label}").glob(pattern)))

    def read_json(self, path: Path) -> dict[str, Any]:
        """Return the content of a JSON file."""
        return read_json(path)


@dataclass(frozen=True, slots=True)
class Cohort:
    """The derivatives of all participants that are done, for the group level.

    Attributes
    ----------
    root : Path
        The derivative dataset.
    labels : tuple of str
        Participants whose results are of today's images, without ``sub-``.
    params : object
        The parameters of the pipeline.
    raw : Path
        The raw dataset.
    notes : tuple of str
        What a reader should know: who was left out and why, who was made with which parameters.
    """

    root: Path
    labels: tuple[str, ...]
    params: Any
    raw: Path
    notes: tuple[str, ...] = ()

    def participants(self) -> Iterator[Results]:
        """Return the derivatives of each participant."""
        return (Results(self.root, label, self.params) for label in self.labels)


def place_of(name: BidsName | str) -> str:
    """Return where a derivative stands, below the folder of the derivatives.

    Raises
    ------
    RunError
        If it would stand elsewhere.
    """
    if not is_inside(str(name)):
        raise RunError(f"a derivative would stand outside of the output folder: {name}")
    return str(name)


def is_inside(name: str) -> bool:
    """Return whether a path leads to a file below the folder that it is relative to."""
    return bool(name) and not name.startswith("/") and ".." not in Path(name).parts


def stage_file(tree: Path, name: BidsName | str, content: object) -> Path:
    """Stage one derivative: a file of the work folder, or values as JSON; return where.

    Raises
    ------
    RunError
        If it would stand elsewhere, or JSON has no word for a value.
    """
    target = tree / place_of(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, target)
    else:
        try:
            target.write_text(to_json(to_plain(content)), encoding="utf-8")
        except TypeError as error:
            raise RunError(f"{name}: it cannot be written as JSON ({error})") from error
    return target


def to_plain(value: Any) -> Any:
    """Return values as JSON knows them: arrays as lists, NaN and infinity as null (RFC 8259, section 6).

    Examples
    --------
    >>> to_plain({"fd": (0.1, float("nan")), "n": 3})
    {'fd': [0.1, None], 'n': 3}
    """
    if isinstance(value, Mapping):
        return {str(key): to_plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(one) for one in value]
    if hasattr(value, "tolist"):  # an array of numpy, or one number of it
        return to_plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def sidecar_of(name: BidsName | str) -> str:
    """Return where the sidecar of a derivative stands, ``""`` for what has none.

    Examples
    --------
    >>> sidecar_of("sub-01/anat/sub-01_desc-brain_mask.nii.gz"), sidecar_of("sub-01/figures/sub-01_T1w.svg")
    ('sub-01/anat/sub-01_desc-brain_mask.json', '')
    """
    text = str(name)
    for ext in (".nii.gz", ".nii", ".tsv", ".tsv.gz", ".h5", ".txt"):
        if text.endswith(ext) and "/figures/" not in text:
            return text.removesuffix(ext) + ".json"
    return ""


def sidecar(sources: Sequence[str], metadata: Mapping[str, Any], generator: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a sidecar: what was known, what it was made from as BIDS URIs, by what and how.

    BIDS has ``Sources`` for every derivative, and no word for parameters; ``GeneratedBy`` is what it calls a pipeline
    in ``dataset_description.json``, and further keys are allowed (BIDS 1.10, derivatives, common data types).
    """
    return {**metadata, **({"Sources": list(sources), "GeneratedBy": [dict(generator)]} if sources else {})}


def name_generator(pipeline: Pipeline, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the sidecars of a participant say of the pipeline: its name, version and parameters."""
    return {"Name": generator_name(pipeline), "Version": pipeline.version, "Parameters": dict(params)}


def generator_name(pipeline: Pipeline) -> str:
    """Return what a pipeline calls itself in ``GeneratedBy``."""
    return f"bidsflow {pipeline.name}"


def describe_dataset(
    pipeline: Pipeline, raw: Path, root: Path, others: Mapping[str, Path] | None = None
) -> dict[str, Any]:
    """Return ``dataset_description.json`` of a derivative dataset.

    Parameters
    ----------
    pipeline : Pipeline
        What made it.
    raw : Path
        The raw dataset.
    root : Path
        The derivative dataset, from which the links to the others lead.
    others : mapping of str to Path, optional
        Other derivatives that were used, by name.
    """
    source = read_json(raw / "dataset_description.json")
    generator: dict[str, Any] = {"Name": generator_name(pipeline), "Version": pipeline.version}
    generator["Description"] = f"{pipeline.summary} Run by bidsflow {__version__}."
    if image := name_image():
        generator["Container"] = describe_image(image)
    links = {"raw": raw, **(others or {})}
    description: dict[str, Any] = {
        "Name": f"{source.get('Name') or raw.name}: {pipeline.name}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [generator, {"Name": "bidsflow", "Version": name_version()}],
        "DatasetLinks": {name: os.path.relpath(path.resolve(), root.resolve()) for name, path in links.items()},
        "HowToAcknowledge": "See logs/CITATION.md.",
    }
    if authors := source.get("Authors"):
        description["Authors"] = authors
    if doi := source.get("DatasetDOI"):
        description["SourceDatasets"] = [{"DOI": doi}]
    return description


def readme(pipeline: Pipeline) -> str:
    """Return the README of a derivative dataset."""
    return (
        f"# Derivatives of bidsflow {pipeline.name}\n\n{pipeline.summary}\n\n"
        "- `sub-*.html`: a report for each participant; opens by double click, needs no network\n"
        "- `sub-*/`: derivatives, named and described as BIDS asks; `Sources` lead back to the raw images\n"
        "- `logs/`: what was run, with which parameters and versions, and what failed\n"
        "- `logs/CITATION.md`: the methods as they were really run, and what to cite\n\n"
        f"Made by bidsflow {__version__}, {pipeline.name} {pipeline.version}. "
        f"`bidsflow trace FILE` tells where a file came from.\n"
    )


def bidsignore(pipeline: Pipeline) -> str:
    """Return what validators pass over: reports, figures and logs, which BIDS has no names for."""
    return "".join(f"{line}\n" for line in dict.fromkeys((*_IGNORED, *pipeline.ignore)))
