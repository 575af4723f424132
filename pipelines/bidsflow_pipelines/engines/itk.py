"""The bridge to ANTs: one thread, a fixed seed, and images in both directions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from bidsflow_pipelines.engines.images import Volume

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Random samples of the metrics; any number, but always the same.
SEED = 1

_LPS = np.diag([-1.0, -1.0, 1.0])


def load_ants() -> Any:
    """Return the ANTs package, limited to one thread.

    ITK adds up what its threads found in the order in which they finish, so that results differ in the last digits
    from run to run, and SyN amplifies that. It reads the limit once, before its first filter runs; so it is set before
    the import. More than one image at a time is what the workflow's processes are for.
    """
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    import ants

    return ants


def to_ants(volume: Volume) -> Any:
    """Return an image as ANTs wants it: float32, LPS."""
    affine = volume.affine
    zooms = volume.zooms
    return load_ants().from_numpy(
        np.ascontiguousarray(volume.data, dtype=np.float32),
        origin=tuple((_LPS @ affine[:3, 3]).tolist()),
        spacing=tuple(zooms.tolist()),
        direction=_LPS @ affine[:3, :3] / zooms,
    )


def from_ants(image: Any) -> NDArray[np.float32]:
    """Return the array of an ANTs image."""
    data: NDArray[np.float32] = image.numpy().astype(np.float32, copy=False)
    return data
