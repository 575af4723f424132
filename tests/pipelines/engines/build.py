"""Made-up heads for the tests of the engines: small, and known at every voxel."""

from __future__ import annotations

import numpy as np
from bidsflow_pipelines.engines.images import Image, Volume

from bidsflow.phantom.anatomy import make_head

#: What the phantom's tissues weigh in a T1w and in a fat-saturated EPI.
T1W = {"scalp": 900.0, "skull": 40, "csf": 150, "gray": 400, "white": 700, "muscle": 300, "capsule": 900}
EPI = {"scalp": 20.0, "skull": 10, "csf": 900, "gray": 700, "white": 600, "muscle": 50, "capsule": 0}
BRAIN = ("csf", "gray", "white", "callosum", "corticospinal", "deep-gray")


def grid(size: float, extent: tuple[float, float, float] = (180.0, 220.0, 220.0)) -> tuple[tuple[int, ...], Image]:
    """Return a grid of cubic voxels around the origin, RAS."""
    shape = tuple(round(length / size) for length in extent)
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = -(np.array(shape) - 1) / 2 * size
    return shape, affine


def weights_of(shape: tuple[int, ...], affine: Image, moved: Image | None = None) -> tuple[Image, list[str]]:
    """Return the part of each shape in each voxel, and the tissue of each shape."""
    index = np.indices(shape).reshape(3, -1)
    points = affine[:3, :3] @ index + affine[:3, 3:]
    if moved is not None:
        back = np.linalg.inv(moved)
        points = back[:3, :3] @ points + back[:3, 3:]
    head = make_head(0, "01")
    weights = head.weights(points.astype(np.float32), float(abs(affine[2, 2])))
    return weights.reshape(-1, *shape), [tissue.name for tissue in head.tissues()]


def paint(
    values: dict[str, float], size: float, moved: Image | None = None, noise: float = 0.0, seed: int = 0
) -> Volume:
    """Return an image of the phantom's head, where it lies after a rigid transform (4, 4)."""
    shape, affine = grid(size)
    weights, names = weights_of(shape, affine, moved)
    light = [values.get(name, values["gray"] if name == "deep-gray" else values["white"]) for name in names]
    image = np.tensordot(np.array(light, dtype=np.float32), weights, 1)
    rng = np.random.default_rng(seed)
    data = np.hypot(image + noise * rng.standard_normal(shape), noise * rng.standard_normal(shape))
    return Volume(data.astype(np.float32), affine)


def part_of(tissues: tuple[str, ...], size: float) -> Image:
    """Return which part of each voxel is of some tissues."""
    shape, affine = grid(size)
    weights, names = weights_of(shape, affine)
    return np.asarray(weights[[name in tissues for name in names]].sum(axis=0))


def dice(first: Image, second: Image) -> float:
    """Return how well two masks agree, 0 to 1."""
    return float(2 * (first & second).sum() / (first.sum() + second.sum()))
