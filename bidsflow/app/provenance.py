"""The trail from a derivative back to the raw image: what was run, on what, by which versions, at what cost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bidsflow import __version__
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
class Input:
    """An image as it was when it was looked at.

    Attributes
    ----------
    stamp : str
        Sizes and times of the image and its companions: where they are the same, the content is not read again.
    content : str
        Digest of what these files hold.
    digest : str
        Of the content and of the metadata, inherited ones included.
    """

    stamp: str
    content: str
    digest: str


def look_at(image: Image, known: Input | None = None) -> Input:
    """Return what an image holds; it is read only if it is not as it was when it was last looked at."""
    files = [image.path, *(path for path in map(image.beside, image.companions) if path.is_file())]
    states = [path.stat() for path in files]
    stamp = " ".join(f"{state.st_size}:{state.st_mtime_ns}" for state in states)
    content = known.content if known is not None and known.stamp == stamp else " ".join(map(digest_file, files))
    metadata = json.dumps(image.metadata, sort_keys=True)
    digest = hashlib.blake2b(f"{content}\n{metadata}".encode(), digest_size=16).hexdigest()
    return Input(stamp, content, digest)


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
    inputs: Mapping[str, str],
    usage: Sequence[Usage],
    outputs: Mapping[str, str],
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
    inputs, outputs : mapping of str to str
        Digests by BIDS URI, and by path.
    usage : sequence of Usage
        What each step cost.
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
        "Inputs": dict(inputs),
        "Outputs": dict(outputs),
        "Steps": [asdict(one) for one in usage],
    }
