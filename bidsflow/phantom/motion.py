"""How the head lies and moves: rigid transforms, known for every volume."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bidsflow.phantom.grid import Array
from bidsflow.phantom.uid import make_rng


@dataclass(frozen=True, slots=True)
class Pose:
    """A rigid transform from the axes of the head to the scanner, both RAS with the origin in the isocentre.

    ``scanner = Rz @ Ry @ Rx @ head + (tx, ty, tz)``

    Attributes
    ----------
    tx, ty, tz : float
        Millimetres to the right, front and top.
    rx, ry, rz : float
        Radians about the same axes, right-handed.
    """

    tx: float = 0.0
    ty: float = 0.0
    tz: float = 0.0
    rx: float = 0.0
    ry: float = 0.0
    rz: float = 0.0

    @property
    def rotation(self) -> Array:
        """Return the (3, 3) rotation matrix."""
        (cx, sx), (cy, sy), (cz, sz) = ((math.cos(a), math.sin(a)) for a in (self.rx, self.ry, self.rz))
        about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
        return np.asarray(about_z @ about_y @ about_x)

    @property
    def matrix(self) -> Array:
        """Return the (4, 4) matrix from head to scanner."""
        out = np.eye(4)
        out[:3, :3] = self.rotation
        out[:3, 3] = (self.tx, self.ty, self.tz)
        return out

    @property
    def inverse(self) -> Array:
        """Return the (4, 4) matrix from scanner to head."""
        return np.asarray(np.linalg.inv(self.matrix))

    def then(self, motion: Pose) -> Pose:
        """Return where a head lies that lay so and then moved.

        Examples
        --------
        >>> Pose(tx=1.0).then(Pose(ty=2.0, rz=math.pi / 2)).values[:3]
        (0.0, 3.0, 0.0)
        """
        matrix = motion.matrix @ self.matrix
        turn = matrix[:3, :3]
        rx, rz = math.atan2(turn[2, 1], turn[2, 2]), math.atan2(turn[1, 0], turn[0, 0])
        ry = math.asin(max(-1.0, min(1.0, -turn[2, 0])))
        tx, ty, tz = (round(value, 9) + 0.0 for value in matrix[:3, 3].tolist())
        return Pose(tx, ty, tz, rx, ry, rz)

    @property
    def values(self) -> tuple[float, float, float, float, float, float]:
        """Return the six parameters: millimetres, then radians."""
        return (self.tx, self.ty, self.tz, self.rx, self.ry, self.rz)


def move_points(matrix: Array, points: Array) -> Array:
    """Return points (3, n) after a rigid transform (4, 4)."""
    rotation, shift = matrix[:3, :3].astype(np.float32), matrix[:3, 3].astype(np.float32)
    return rotation @ points + shift[:, None]


def make_pose(seed: int, *parts: object) -> Pose:
    """Return how a head was laid on the table: a few millimetres and degrees off."""
    rng = make_rng(seed, "pose", *parts)
    shift = rng.uniform(-3, 3, size=3).round(3).tolist()
    turn = rng.uniform(-0.05, 0.05, size=3).round(5).tolist()
    return Pose(*shift, *turn)


def make_motion(count: int, interval: float, seed: int, *parts: object) -> tuple[Pose, ...]:
    """Return the motion within a run relative to its first volume: drift, breathing and a few nods.

    The first pose is the identity. A person moves by the second: between two volumes 0.1 to 0.2 mm in the mean at a
    repetition time of 2 s, however many volumes there are.

    Parameters
    ----------
    count : int
        Of volumes.
    interval : float
        Seconds from one volume to the next.
    seed, *parts : int, object
        Of the random stream.

    Notes
    -----
    What moves is a nod: turns about x, shifts to the front and to the top, both in jumps and with the breath, which is
    there even in those who lie still (Frew et al. 2022, doi:10.1371/journal.pone.0265112). Real motion with the breath
    is below a tenth of a millimetre (Power et al. 2019, doi:10.1016/j.neuroimage.2019.116041), 12 to 20 times in a
    minute. Drift takes minutes, by the sagging of cushions and muscles. Jumps are rare, up to a millimetre, and seldom
    end where they began.
    """
    rng = make_rng(seed, "motion", *parts)
    time = np.arange(count)[:, None] * interval
    nod = np.array([0.1, 0.7, 1.0, 1.0, 0.2, 0.2])  # what part each parameter has
    angles = rng.uniform(size=(2, 6)), rng.uniform(120, 400, size=(2, 6))
    waves = [np.sin(2 * np.pi * (time / period + phase)) for phase, period in zip(*angles, strict=True)]
    path = sum(wave * rng.uniform(0.08, 0.25, size=6) for wave in waves)
    path = path + nod * rng.uniform(0.02, 0.05) * np.sin(2 * np.pi * (time * rng.uniform(0.20, 0.33) + rng.uniform()))
    start = rng.uniform(10, 30)  # short runs have a jump, too
    while start < time[-1, 0]:
        jump = nod * rng.uniform(0.1, 0.5, size=6) * rng.choice([-1, 1])
        path = path + jump * np.clip((time - start) / rng.uniform(0.5, 2), 0, 1)
        start += rng.exponential(90)
    path[:, 3:] /= 50  # a turn by which the surface of a head, 50 mm away, moves so many millimetres
    path = (path - path[:1]).round(5)
    return tuple(Pose(*row) for row in path.tolist())
