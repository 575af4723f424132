"""From a planned series to its pixels: anatomy, signal, field, motion and noise put together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bidsflow.phantom.anatomy import Head
from bidsflow.phantom.field import compute_field, compute_shift, undistort_points
from bidsflow.phantom.grid import Array, Grid
from bidsflow.phantom.motion import Pose, make_motion, move_points
from bidsflow.phantom.perfusion import SHARES
from bidsflow.phantom.protocol import Series
from bidsflow.phantom.signal import add_noise, attenuate, compute_response, compute_signal
from bidsflow.phantom.uid import make_rng

#: The brightest tissue of a series has this value; 12 bits are stored.
BRIGHTEST = 3000.0
#: Standard deviation of the noise in each of the two channels.
NOISE = 8.0
_STORED_MAX = 4095
#: Voxels at a time, so that the weights of a large volume fit into memory.
_BLOCK = 500_000


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume of one echo, as the reconstruction hands it to the archive.

    Attributes
    ----------
    index, echo : int
        Which volume and which echo, from 0.
    pixels : ndarray of uint16, shape (slices, rows, columns)
        Stored values, 12 bits.
    slope, intercept : float
        Rescale Slope and Rescale Intercept (DICOM PS3.3 C.11.1).
    """

    index: int
    echo: int
    grid: Grid
    pixels: npt.NDArray[np.uint16]
    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What lies in the scanner during one session.

    Attributes
    ----------
    label : str
        Names the session's random streams.
    """

    head: Head
    pose: Pose
    seed: int
    label: str

    def motion(self, series: Series) -> tuple[Pose, ...]:
        """Return the motion of each volume relative to the first, in the scanner."""
        if not series.moves:
            return (Pose(),) * series.volumes
        interval = series.sequence.contrast.tr_ms / 1000
        return make_motion(series.volumes, interval, self.seed, self.label, series.key, series.number)


def render_series(scene: Scene, series: Series) -> Iterator[Volume]:
    """Yield the volumes of a series in the order of acquisition."""
    if series.form == "phase":
        first, second = series.sequence.te_ms
        yield _render_phase(scene, series, 1, second - first)
    elif series.form == "phases":
        for echo, te_ms in enumerate(series.sequence.te_ms):
            yield _render_phase(scene, series, echo, te_ms)
    elif series.form == "adc":
        yield _render_adc(scene, series)
    elif series.form == "diffusion":
        yield from _render_diffusion(scene, series)
    elif series.form == "epi":
        yield from _render_run(scene, series)
    elif series.form == "labelled":
        yield from _render_labelled(scene, series)
    else:
        yield from _render_images(scene, series)


def _gain(scene: Scene, series: Series) -> float:
    """Return the factor from signal to stored value, the same for all echoes and volumes of a series."""
    tissues = scene.head.tissues()
    te = series.sequence.te_ms[0]
    return BRIGHTEST / max(compute_signal(t, series.sequence.contrast, te) for t in tissues)


def _brightness(scene: Scene, series: Series, te_ms: float) -> Array:
    """Return the value of each shape in the image, in the order of `Head.weights`."""
    gain = _gain(scene, series)
    values = [gain * compute_signal(t, series.sequence.contrast, te_ms) for t in scene.head.tissues()]
    return np.array(values, dtype=np.float32)


def _weigh(scene: Scene, grid: Grid, points: Array, pose: Pose) -> tuple[Array, Array]:
    """Return the weights of the shapes at points of the scanner, and the points in the head that lies so."""
    inside = move_points(pose.inverse, points)
    return scene.head.weights(inside, grid.edge), inside


def _store(values: Array, grid: Grid) -> npt.NDArray[np.uint16]:
    columns, rows, slices = grid.shape
    stored = np.clip(np.rint(values), 0, _STORED_MAX).astype(np.uint16)
    return stored.reshape(slices, rows, columns)


def _render_images(scene: Scene, series: Series) -> Iterator[Volume]:
    """Yield what is not echo-planar: no distortion, no motion."""
    for index, grid in enumerate(series.grids):
        points = grid.points().reshape(3, -1)
        brightness = np.stack([_brightness(scene, series, te_ms) for te_ms in series.sequence.te_ms])
        blocks = np.array_split(points, math.ceil(points.shape[1] / _BLOCK), axis=1)
        images = np.hstack([brightness @ _weigh(scene, grid, block, scene.pose)[0] for block in blocks])
        for echo, image in enumerate(images):
            rng = make_rng(scene.seed, scene.label, series.number, index, echo)
            yield Volume(index, echo, grid, _store(add_noise(image, NOISE, rng), grid))


def _see(scene: Scene, series: Series) -> Iterator[tuple[Array, Array, Array]]:
    """Yield what each volume of an echo-planar series sees: weights of the shapes, points in the head, density.

    The field comes from the head and goes with it, and so does the distortion.
    """
    if series.readout is None:
        raise ValueError(f"series {series.number} is not echo-planar")
    readout, grid = series.readout, series.grid
    points = grid.points().reshape(3, -1)
    shift = compute_shift(grid, readout.direction, readout.lines, readout.echo_spacing)
    seen, origin = None, None
    for motion in scene.motion(series):
        if seen is None or series.moves:
            pose = scene.pose.then(motion)
            origin, density = undistort_points(points, pose, shift, start=origin)
            seen = (*_weigh(scene, grid, origin, pose), density)
        yield seen


def _responses(series: Series) -> Array:
    """Return the response to the blocks in each slice of each volume, shape (volumes, slices)."""
    slices = np.array(series.slice_times)
    if series.blocks is None:
        return np.zeros((series.volumes, slices.size))
    tr = series.sequence.contrast.tr_ms / 1000
    times = np.arange(series.volumes)[:, None] * tr + slices
    return compute_response(times, series.blocks.onsets, series.blocks.duration)


def _render_run(scene: Scene, series: Series) -> Iterator[Volume]:
    """Yield echo-planar volumes: distorted, with motion and activation."""
    grid = series.grid
    gray = scene.head.select("gray")
    responses = _responses(series)
    percent = series.blocks.percent if series.blocks else 0.0
    # The response is a change of R2*, so it grows with the echo time (Ogawa et al. 1993).
    rate = np.log1p(percent / 100) / series.sequence.te_ms[0]
    for index, (weights, inside, density) in enumerate(_see(scene, series)):
        active = scene.head.active.cover(inside, grid.edge) * weights[gray].sum(axis=0) if percent else None
        for echo, te_ms in enumerate(series.sequence.te_ms):
            brightness = _brightness(scene, series, te_ms)
            image = brightness @ weights
            if active is not None:
                change = np.expm1(rate * te_ms * responses[index]).astype(np.float32)
                per_voxel = np.repeat(change, grid.shape[0] * grid.shape[1])
                image = image + brightness[gray][0] * active * per_voxel
            rng = make_rng(scene.seed, scene.label, series.number, index, echo)
            yield Volume(index, echo, grid, _store(add_noise(image * density, NOISE, rng), grid))


def _render_labelled(scene: Scene, series: Series) -> Iterator[Volume]:
    """Yield volumes of labelled blood: no distortion, no motion."""
    grid = series.grid
    weights, _ = _weigh(scene, grid, grid.points().reshape(3, -1), scene.pose)
    image = _brightness(scene, series, series.sequence.te_ms[0]) @ weights
    for index, kind in enumerate(series.labels):
        rng = make_rng(scene.seed, scene.label, series.number, index)
        yield Volume(index, 0, grid, _store(add_noise(SHARES[kind] * image, NOISE, rng), grid))


def _render_diffusion(scene: Scene, series: Series) -> Iterator[Volume]:
    """Yield echo-planar volumes with diffusion weighting: the fibres turn with the head, the gradients do not."""
    grid = series.grid
    brightness = _brightness(scene, series, series.sequence.te_ms[0])
    poses = [scene.pose.then(motion) for motion in scene.motion(series)]
    volumes = zip(series.b_values, series.directions, poses, _see(scene, series), strict=True)
    for index, (b_value, vector, pose, (weights, _, density)) in enumerate(volumes):
        gradient = pose.rotation.T @ np.array(vector)
        loss = np.array([attenuate(t, b_value, gradient) for t in scene.head.tissues()], dtype=np.float32)
        rng = make_rng(scene.seed, scene.label, series.number, index)
        image = add_noise((brightness * loss) @ weights * density, NOISE, rng)
        yield Volume(index, 0, grid, _store(image, grid))


def _render_adc(scene: Scene, series: Series) -> Volume:
    """Return the mean diffusivity in 1e-6 mm²/s, as scanners store it."""
    weights, _, _ = next(_see(scene, series))
    mean = [1e6 * sum(t.diffusivity) / 3 for t in scene.head.tissues()]
    return Volume(0, 0, series.grid, _store(np.array(mean, dtype=np.float32) @ weights, series.grid))


def _render_phase(scene: Scene, series: Series, echo: int, interval_ms: float) -> Volume:
    """Return the phase that the field adds in an interval, 0..4095 for -pi..pi; noise where no head is.

    Siemens stores it with slope 2 and intercept -4096.
    """
    grid = series.grid
    points = grid.points().reshape(3, -1)
    weights, _ = _weigh(scene, grid, points, scene.pose)
    hertz = compute_field(points, scene.pose)
    rng = make_rng(scene.seed, scene.label, series.number, echo)
    magnitude = _brightness(scene, series, series.sequence.te_ms[echo]) @ weights
    angle = 2 * np.pi * hertz * interval_ms / 1000
    signal = magnitude * np.exp(1j * angle)
    noise = NOISE * (rng.standard_normal(signal.shape) + 1j * rng.standard_normal(signal.shape))
    phase = np.angle(signal + noise)
    return Volume(0, echo, grid, _store((phase / np.pi + 1) * 2048, grid), slope=2.0, intercept=-4096.0)
