"""A head made of ellipsoids: which tissue lies where, known exactly at every point.

Edges are soft over one voxel, so that a small matrix shows partial volumes and a shift of a tenth of a
voxel changes the image, as in a scan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from bidsflow.phantom.grid import Array, Vector
from bidsflow.phantom.uid import make_rng


@dataclass(frozen=True, slots=True)
class Tissue:
    """What the signal of a tissue depends on, at 3 T.

    Attributes
    ----------
    density : float
        Proton density relative to water.
    t1_ms, t2_ms, t2star_ms : float
        Relaxation times.
    diffusivity : tuple of float
        Eigenvalues of the diffusion tensor, mm²/s, the first along `fibre`.
    fibre : tuple of float
        The main direction of diffusion in the axes of the head (RAS).
    fat : bool
        Whether fat saturation removes the signal.
    """

    name: str
    density: float
    t1_ms: float
    t2_ms: float
    t2star_ms: float
    diffusivity: Vector
    fibre: Vector = (1.0, 0.0, 0.0)
    fat: bool = False

    @property
    def tensor(self) -> Array:
        """Return the (3, 3) diffusion tensor in the axes of the head, mm²/s."""
        along, across, _ = self.diffusivity
        fibre = np.asarray(self.fibre)
        return across * np.eye(3) + (along - across) * np.outer(fibre, fibre)


# Relaxation times at 3 T: Stanisz et al. 2005 (doi:10.1002/mrm.20605) and Peters et al. 2007
# (doi:10.1016/j.mri.2007.02.014), rounded. Diffusivities: Pierpaoli et al. 1996, rounded.
_WHITE = Tissue("white", 0.70, 850, 75, 48, (1.7e-3, 0.3e-3, 0.3e-3), (0.0, 1.0, 0.0))
TISSUES = (
    Tissue("scalp", 0.60, 380, 70, 40, (0.1e-3, 0.1e-3, 0.1e-3), fat=True),
    Tissue("skull", 0.10, 900, 15, 3, (0.1e-3, 0.1e-3, 0.1e-3)),
    Tissue("csf", 1.00, 4000, 1500, 500, (3.0e-3, 3.0e-3, 3.0e-3)),
    Tissue("gray", 0.82, 1400, 100, 50, (0.8e-3, 0.8e-3, 0.8e-3)),
    _WHITE,
    replace(_WHITE, name="callosum", fibre=(1.0, 0.0, 0.0)),
    replace(_WHITE, name="corticospinal", fibre=(0.0, 0.0, 1.0)),
    Tissue("deep-gray", 0.80, 1200, 85, 40, (0.75e-3, 0.75e-3, 0.75e-3)),
    Tissue("muscle", 0.75, 1400, 35, 25, (1.5e-3, 1.5e-3, 1.5e-3)),
    Tissue("capsule", 1.00, 600, 200, 120, (0.2e-3, 0.2e-3, 0.2e-3)),
)
TISSUE_BY_NAME = {t.name: t for t in TISSUES}


@dataclass(frozen=True, slots=True)
class Shape:
    """One ellipsoid in the axes of the head (RAS millimetres); later shapes cover earlier ones.

    Attributes
    ----------
    ripple : float
        Relative height of the folds of the surface; 0 is smooth.
    """

    tissue: str
    centre: Vector
    axes: Vector
    ripple: float = 0.0

    def cover(self, points: Array, edge: float) -> Array:
        """Return which part of the voxel at each point the shape covers, 0 to 1.

        Parameters
        ----------
        points : ndarray, shape (3, ...)
            RAS millimetres in the axes of the head.
        edge : float
            Width of the soft edge, millimetres.
        """
        x, y, z = ((points[i] - np.float32(self.centre[i])) / np.float32(self.axes[i]) for i in range(3))
        radius = np.sqrt(x * x + y * y + z * z)
        a, b, c = (np.float32(1 / axis) for axis in self.axes)
        steepness = np.sqrt((x * a) ** 2 + (y * b) ** 2 + (z * c) ** 2)
        if self.ripple:
            radius = radius * (1 + self.ripple * np.sin(9 * x) * np.sin(8 * y + 1) * np.cos(9 * z))
        # Distance to the surface to first order: value over gradient of the implicit function; the ratio is
        # at least the shortest axis, and undefined in the centre.
        scale = np.maximum(radius / np.maximum(steepness, np.float32(1e-6)), np.float32(min(self.axes)))
        depth = (1 - radius) * scale
        return np.asarray(np.clip(np.float32(0.5) + depth / np.float32(edge), 0, 1))


# The capsule is taped to the right, front and top of the scalp: it tells left from right.
_CAPSULE: Vector = (57.0, 50.0, 54.0)
_SHAPES = (
    Shape("muscle", (0.0, -25.0, -105.0), (52.0, 58.0, 70.0)),
    Shape("scalp", (0.0, 0.0, 0.0), (78.0, 97.0, 92.0)),
    Shape("scalp", (0.0, 97.0, -28.0), (12.0, 16.0, 16.0)),
    Shape("skull", (0.0, 0.0, 0.0), (71.0, 90.0, 84.0)),
    Shape("csf", (0.0, 0.0, 0.0), (66.0, 85.0, 78.0)),
    Shape("gray", (0.0, 0.0, 2.0), (63.0, 82.0, 73.0), 0.05),
    Shape("white", (0.0, 0.0, 2.0), (50.0, 69.0, 60.0), 0.10),
    Shape("csf", (0.0, 0.0, 55.0), (2.5, 75.0, 32.0)),
    Shape("gray", (0.0, -50.0, -45.0), (46.0, 30.0, 24.0), 0.05),
    Shape("white", (0.0, -50.0, -45.0), (32.0, 18.0, 12.0)),
    Shape("corticospinal", (-26.0, -12.0, 18.0), (8.0, 9.0, 40.0)),
    Shape("corticospinal", (26.0, -12.0, 18.0), (8.0, 9.0, 40.0)),
    Shape("callosum", (0.0, 0.0, 22.0), (28.0, 34.0, 8.0)),
    Shape("csf", (-11.0, -4.0, 8.0), (7.0, 30.0, 9.0)),
    Shape("csf", (11.0, -4.0, 8.0), (6.0, 26.0, 8.0)),
    Shape("deep-gray", (-16.0, -8.0, -6.0), (9.0, 15.0, 9.0)),
    Shape("deep-gray", (16.0, -8.0, -6.0), (9.0, 15.0, 9.0)),
    Shape("csf", (-31.0, 72.0, -32.0), (12.0, 12.0, 12.0)),
    Shape("csf", (31.0, 72.0, -32.0), (12.0, 12.0, 12.0)),
    Shape("capsule", _CAPSULE, (11.0, 11.0, 11.0)),
)
#: Where the left hand's fingers are thought of: the right side of the cortex (RAS millimetres).
ACTIVE = Shape("gray", (42.0, -20.0, 44.0), (20.0, 20.0, 20.0))


@dataclass(frozen=True, slots=True)
class Head:
    """The shapes of one subject, from the first painted to the last."""

    shapes: tuple[Shape, ...]
    active: Shape
    marker: Vector

    def weights(self, points: Array, edge: float) -> Array:
        """Return how much each shape contributes to each voxel.

        Parameters
        ----------
        points : ndarray, shape (3, n)
            RAS millimetres in the axes of the head.
        edge : float
            Voxel size in millimetres.

        Returns
        -------
        weights : ndarray of float32, shape (shapes, n)
            They sum to 1 inside the head and to 0 in air.
        """
        out = np.empty((len(self.shapes), *points.shape[1:]), dtype=np.float32)
        free = np.ones(points.shape[1:], dtype=np.float32)
        for index in range(len(self.shapes) - 1, -1, -1):
            cover = self.shapes[index].cover(points, edge)
            np.multiply(cover, free, out=out[index])
            free *= 1 - cover
        return out

    def tissues(self) -> tuple[Tissue, ...]:
        """Return the tissue of each shape, in the order of `weights`."""
        return tuple(TISSUE_BY_NAME[s.tissue] for s in self.shapes)

    def select(self, name: str) -> npt.NDArray[np.bool_]:
        """Return which shapes are of a tissue, as booleans in the order of `weights`."""
        return np.array([s.tissue == name for s in self.shapes])


def make_head(seed: int, label: str) -> Head:
    """Return the head of a subject: the same shapes, each direction stretched by up to 4 percent."""
    stretch = make_rng(seed, "head", label).uniform(0.96, 1.04, size=3)

    def scale(value: Vector) -> Vector:
        x, y, z = (round(float(v * s), 3) for v, s in zip(value, stretch, strict=True))
        return (x, y, z)

    def fit(shape: Shape) -> Shape:
        return replace(shape, centre=scale(shape.centre), axes=scale(shape.axes))

    return Head(tuple(fit(s) for s in _SHAPES), fit(ACTIVE), scale(_CAPSULE))
