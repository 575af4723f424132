"""Which images of a dataset a companion stands beside."""

from __future__ import annotations

from pathlib import Path

from bidsflow.errors import BidsflowError
from bidsflow.names import BidsName, parse_name

#: What tells images of one run apart, and its companions do not have.
OF_IMAGES = ("echo", "part")


def belongs(name: BidsName, image: BidsName) -> bool:
    """Return whether a companion is that of an image: it has its labels, but for those of echoes and parts."""
    return (name.folder, name.datatype) == (image.folder, image.datatype) and _share(name) == _share(image)


def _share(name: BidsName) -> set[tuple[str, str]]:
    return {pair for pair in name.entities if pair[0] not in (*OF_IMAGES, "recording")}


def list_images(root: Path, name: BidsName) -> list[BidsName]:
    """Return the images that a companion stands beside: those of its run."""
    found = []
    for file in (root / str(name)).parent.glob("*.nii*"):
        try:
            image = parse_name(str(file.relative_to(root)))
        except BidsflowError:
            continue
        if belongs(name, image):
            found.append(image)
    return found
