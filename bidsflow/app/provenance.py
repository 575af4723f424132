"""The trail from a derivative back to the raw image: what was run, on what, by which versions, at what cost."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bidsflow import __version__
from bidsflow.app.faults import is_unfetched
from bidsflow.app.inputs import Image, Participant
from bidsflow.app.invocation import Value
from bidsflow.app.spec import Pipeline

#: Packages whose versions are part of what was run.
_ENGINES = ("antspyx", "dipy", "nibabel", "nilearn", "nipype", "numpy", "scikit-learn", "scipy", "SimpleITK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What one step cost.

    Attributes
    ----------
    step : str
        Its name.
    seconds, cpu_seconds : float
        Wall clock, and processor time; NaN where unknown.
    peak_gb : float
        Largest memory of its process until its end.
    reused : bool
        Whether the result of an earlier run was used.
    """

    step: str
    seconds: float
    cpu_seconds: float
    peak_gb: float
    reused: bool = False


def digest_file(path: Path) -> str:
    """Return the BLAKE2b digest of a file, 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class FileState:
    """A file of the raw dataset as it was when it was read.

    Attributes
    ----------
    name : str
        POSIX path below the dataset.
    stamp : str
        Size and time: where they are the same, the content is not read again.
    content : str
        Digest of what it holds.
    """

    name: str
    stamp: str
    content: str


@dataclass(frozen=True, slots=True)
class Input:
    """An image as it was when it was looked at.

    Attributes
    ----------
    files : tuple of FileState
        The image, its companions, and the sidecars that it inherits from.
    digest : str
        Of their content and of the metadata, inherited ones included.
    """

    files: tuple[FileState, ...]
    digest: str


def look_at(image: Image, known: Input | None = None) -> Input:
    """Return what an image holds; it is read only if it is not as it was when it was last looked at."""
    paths = [image.path, *(path for path in map(image.beside, image.companions) if path.is_file())]
    folder = str(image.name).rpartition("/")[0]
    names = {f"{folder}/{path.name}": path for path in paths} | _find_sidecars(image)
    before = {one.name: one for one in known.files} if known is not None else {}
    files = tuple(_look_at_file(path, name, before) for name, path in names.items())
    content = " ".join(one.content for one in files)
    metadata = json.dumps(image.metadata, sort_keys=True)
    digest = hashlib.blake2b(f"{content}\n{metadata}".encode(), digest_size=16).hexdigest()
    return Input(files, digest)


def _find_sidecars(image: Image) -> dict[str, Path]:
    """Return the sidecars that an image inherits from, by their paths below the dataset.

    Source: BIDS, "The Inheritance Principle": those above it with its suffix and none but its entities.
    """
    folders = str(image.name).split("/")[:-1]
    own = set(image.name.stem.split("_")[:-1])
    found = {}
    for depth in range(len(folders) + 1):
        folder = image.path.parents[len(folders) - depth]
        for name in sorted(one.name for one in os.scandir(folder)):
            *entities, suffix = name.removesuffix(".json").split("_")
            if name.endswith(".json") and suffix == image.suffix and own.issuperset(entities):
                found["/".join((*folders[:depth], name))] = folder / name
    return {name: path for name, path in found.items() if path.is_file()}


def _look_at_file(path: Path, name: str, before: Mapping[str, FileState]) -> FileState:
    stamp = _stamp(path)
    known = before.get(name)
    return known if known is not None and known.stamp == stamp else FileState(name, stamp, digest_file(path))


def _stamp(path: Path) -> str:
    state = path.stat()
    return f"{state.st_size}:{state.st_mtime_ns}"


def find_change(raw: Path, known: Input) -> str:
    """Return how the files of an image differ from what they were, ``""`` where they do not.

    A file of the same size is read only if its time is another one. Content that git-annex has dropped since is no
    change.
    """
    for one in known.files:
        path = raw / one.name
        if is_unfetched(path):
            continue
        if not path.is_file():
            return f"{one.name} is no longer there"
        stamp = _stamp(path)
        resized = stamp.partition(":")[0] != one.stamp.partition(":")[0]
        if resized or (stamp != one.stamp and digest_file(path) != one.content):
            return f"{one.name} has changed since"
    return ""


def look_at_all(participant: Participant, known: Mapping[str, Input]) -> dict[str, Input]:
    """Return what a participant's images hold, by BIDS URI."""
    return {image.uri: look_at(image, known.get(image.uri)) for image in participant.images}


def digest_task(pipeline: Pipeline, params: Mapping[str, Value]) -> str:
    """Return what changes where everybody has to be done again: parameters, the pipeline itself."""
    content = {
        "pipeline": pipeline.name,
        "version": pipeline.version,
        "params": dict(params),
        "bidsflow": __version__,
    }
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


@cache
def list_versions() -> dict[str, str]:
    """Return the versions of bidsflow and of what does the work, as far as installed."""
    found = {"bidsflow": __version__}
    for name in _ENGINES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def record(
    pipeline: Pipeline,
    run_id: str,
    params: Mapping[str, Value],
    inputs: Mapping[str, Input],
    usage: Sequence[Usage],
    outputs: Mapping[str, str],
    sources: Mapping[str, Sequence[str]],
    container: str = "",
) -> dict[str, Any]:
    """Return what is kept of one participant's run.

    Parameters
    ----------
    pipeline : Pipeline
        What was run.
    run_id : str
        Of the call.
    params : mapping
        Parameters with their values.
    inputs : mapping of str to Input
        Images by BIDS URI.
    usage : sequence of Usage
        What each step cost.
    outputs : mapping of str to str
        Digests by path.
    sources : mapping of str to sequence of str
        What each output was made from, as BIDS URIs.
    container : str
        The image, ``""`` for none.
    """
    return {
        "Pipeline": pipeline.name,
        "Version": pipeline.version,
        "Run": run_id,
        "Parameters": dict(params),
        "Versions": list_versions(),
        **({"Container": container} if container else {}),
        "Inputs": {uri: one.digest for uri, one in inputs.items()},
        "Files": {each.name: each.content for one in inputs.values() for each in one.files},
        "Outputs": dict(outputs),
        "Sources": {name: list(uris) for name, uris in sources.items()},
        "Steps": [asdict(one) for one in usage],
    }
