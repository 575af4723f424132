"""What is running, for ``GeneratedBy`` and ``--version``: the version with its revision, and the image it runs in.

Images set the variables while they are built; where bidsflow starts a container itself, it says which.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from bidsflow import __version__

#: The image that this runs in, as whoever started it named it: ``docker://x/qc:1``, ``x/qc:1``, ``/images/qc.sif``.
CONTAINER = "BIDSFLOW_CONTAINER"
#: What images say of themselves: their name, and the revision of the source that they were built from.
IMAGE, REVISION = "BIDSFLOW_IMAGE", "BIDSFLOW_REVISION"
#: What Apptainer and Singularity say of the file that they run (their guides, "Environment and Metadata").
_FILES = ("APPTAINER_NAME", "SINGULARITY_NAME")


def name_version(environment: Mapping[str, str] = os.environ) -> str:
    """Return the version of bidsflow; in an image with the revision, as PEP 440 writes local versions.

    Examples
    --------
    >>> name_version({"BIDSFLOW_REVISION": "3f2a1b9"}).removeprefix(name_version({}))
    '+g3f2a1b9'
    """
    revision = re.sub(r"[^A-Za-z0-9]+", ".", environment.get(REVISION, "")).strip(".")
    return __version__ if revision in ("", "unknown") else f"{__version__}+g{revision}"


def name_image(environment: Mapping[str, str] = os.environ) -> str:
    """Return the container image that this runs in, ``""`` for none."""
    return next((environment[name] for name in (CONTAINER, *_FILES, IMAGE) if environment.get(name)), "")


def describe_image(image: str) -> dict[str, str]:
    """Return a container image as ``GeneratedBy`` has it (BIDS 1.10, dataset_description.json).

    Examples
    --------
    >>> describe_image("/images/qc.sif")
    {'Type': 'apptainer', 'Tag': 'qc.sif'}
    >>> describe_image("x/qc:1")
    {'Type': 'docker', 'Tag': 'x/qc:1'}
    """
    if image.endswith((".sif", ".simg", ".img")):
        return {"Type": "apptainer", "Tag": image.rpartition("/")[2]}
    scheme, mark, tag = image.rpartition("://")
    return {"Type": scheme or "docker", "Tag": tag, **({"URI": image} if mark else {})}
