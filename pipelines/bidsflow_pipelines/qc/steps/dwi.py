"""Measure and draw a diffusion series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.dwi import B0_LIMIT, Gradients, load_gradients
from bidsflow_pipelines.engines.images import Affine, Image, Mask, load_mask, load_volume
from bidsflow_pipelines.engines.motion import load_motion
from bidsflow_pipelines.qc.files import clean_doubts, to_values, zooms_of
from bidsflow_pipelines.qc.steps.coverage import keep_covered

if TYPE_CHECKING:
    from bidsflow.report.shapes import Drawing

#: Percent at which the colours of the map of slices end.
DROP = 30.0


class Measured(NamedTuple):
    """Values for the file of measures."""

    values: dict[str, Any]


class Drawn(NamedTuple):
    """Drawings, as `bidsflow.report.store` keeps them."""

    figures: Path


def measure(
    *,
    image: Path,
    realigned: Path,
    bval: Path,
    bvec: Path,
    brain: Path,
    parameters: Path,
    rotated: Path,
    fa: Path,
    color_fa: Path,
    noise: Path,
    coils: int,
    fd_threshold: float,
    doubts: tuple[str, ...],
    scanner: str,
) -> Measured:
    """Return all measures of a diffusion series.

    Parameters
    ----------
    image, realigned : Path
        As acquired, and without the motion.
    bval, bvec : Path
        As BIDS has them.
    brain : Path
        Mask.
    parameters, rotated : Path
        Motion, and the b-vectors turned with the head.
    fa, color_fa, noise : Path
        Maps of the tensor, and of the noise.
    coils : int
        Receiver channels that PIESNO assumes.
    fd_threshold : float
        Millimetres above which a volume counts as moved.
    doubts : tuple of str
        What the engines found implausible; empty ones are left out.
    scanner : str
        For the tables of the group.
    """
    import nibabel as nib

    from bidsflow_pipelines.qc.measures.callosum import corpus_callosum, white_matter
    from bidsflow_pipelines.qc.measures.dwi import DwiImages, measure_dwi
    from bidsflow_pipelines.qc.measures.motion import fd, summarize_fd

    original = nib.load(image)
    gradients = load_gradients(bval, bvec)
    anisotropy = np.asarray(nib.load(fa).dataobj, dtype=np.float32)
    wm = white_matter(np.nan_to_num(anisotropy))
    motion = load_motion(parameters)
    series = np.asanyarray(nib.load(realigned).dataobj)
    data = np.asarray(original.dataobj, dtype=np.float32)
    images = DwiImages(
        original=data,
        series=series,
        b_values=gradients.b_values,
        b_vectors=gradients.b_vectors,
        mask=keep_covered(series, load_mask(brain)),
        motion=motion,
        fa=anisotropy,
        wm=wm,
        cc=corpus_callosum(np.asarray(nib.load(color_fa).dataobj, dtype=np.float32), wm, zooms_of(original)),
        plain=move_plain(data, gradients.b_values, motion, original.affine),
        rotated=load_gradients(bval, rotated).b_vectors,
        noise=load_volume(noise).data,
    )
    found = measure_dwi(images, zooms_of(original), coils=coils)
    found |= {f"fd_{key}": value for key, value in summarize_fd(fd(motion), fd_threshold).items()}
    return Measured(to_values(found, clean_doubts(doubts), scanner))


def move_plain(data: Image, b_values: NDArray[np.float64], motion: NDArray[np.float64], affine: Affine) -> Image:
    """Return the volumes without weighting, each voxel where it is nearest after realignment, shape (i, j, k, m)."""
    from bidsflow_pipelines.engines.motion import move_back

    plain = np.flatnonzero(b_values <= B0_LIMIT)
    moved = [move_back(data[..., index], motion[index], affine, outside="nearest", order=0) for index in plain]
    return np.stack(moved, axis=-1) if moved else np.empty((*data.shape[:3], 0), dtype=np.float32)


def draw(
    *,
    image: Path,
    bval: Path,
    bvec: Path,
    b0: Path,
    brain: Path,
    parameters: Path,
    fa: Path,
    noise: Path,
    fd_threshold: float,
) -> Drawn:
    """Draw what a person looks at to judge a diffusion series.

    Parameters
    ----------
    image, bval, bvec : Path
        As acquired.
    b0, brain, fa, noise : Path
        The mean without weighting, the mask, maps.
    parameters : Path
        Motion.
    fd_threshold : float
        Millimetres.
    """
    import nibabel as nib

    from bidsflow.report.gradients import draw_gradients
    from bidsflow.report.shapes import Ink
    from bidsflow.report.slices import Look, Outline, draw_mosaic, find_air_look, find_box
    from bidsflow.report.store import dump_figures

    gradients = load_gradients(bval, bvec)
    mask = load_mask(brain)
    box = find_box(mask)
    series = nib.load(image)
    data = np.asanyarray(series.dataobj)
    plain = nib.load(b0)
    sigma = load_volume(noise).data
    figures: list[Drawing] = [
        draw_mosaic(plain, title="b = 0", many=24, outlines=(Outline("brain mask", mask, Ink.ORANGE),)),
        *draw_shells(data, series.affine, gradients, mask),
        draw_slices(data, gradients, mask, slice_axis=find_slice_axis(series)),
        draw_motion(data, load_motion(parameters), mask, fd_threshold),
        draw_gradients(
            gradients.b_vectors.tolist(), gradients.b_values.tolist(), title="Gradient directions",
            caption="Each half of the sphere is to be covered evenly.", frame=("i", "j"),
        ),
        draw_mosaic(
            nib.Nifti1Image(np.nan_to_num(load_volume(fa).data), series.affine), title="Fractional anisotropy",
            many=18, box=box, look=Look((0.0, 1.0)), caption="White matter is to stand out sharply.",
        ),
        draw_mosaic(
            nib.load(noise), title="Noise", many=12, box=box,
            look=Look((0.0, float(np.percentile(sigma[mask], 99)) or 1.0), "cividis", "signal"),
        ),
        draw_mosaic(
            plain, title="Background of b = 0", many=12, look=find_air_look(plain),
            caption="The air, made bright: ghosts along the phase encoding show here.",
        ),
    ]  # fmt: skip
    path = Path("figures.json").absolute()
    path.write_text(dump_figures(tuple(figures)), encoding="utf-8")
    return Drawn(path)


def draw_shells(data: Image, affine: Affine, gradients: Gradients, mask: Mask) -> Iterator[Drawing]:
    """Yield the mean and the deviation over the directions of each shell with weighting."""
    import nibabel as nib

    from bidsflow.report.gradients import group_shells
    from bidsflow.report.slices import Look, draw_mosaic, find_box

    box = find_box(mask)
    for shell in group_shells(gradients.b_values.tolist()):
        if shell.b_value <= B0_LIMIT:
            continue
        mean, std = find_moments(data, shell.volumes)
        yield draw_mosaic(
            nib.Nifti1Image(mean.astype(np.float32), affine), title=f"Mean of b = {shell.b_value:.0f} s/mm²", many=12,
            box=box, caption="Dark slices are motion during the pulse, bright spots are spikes.",
        )  # fmt: skip
        if len(shell.volumes) > 2:
            yield draw_mosaic(
                nib.Nifti1Image(std.astype(np.float32), affine), many=12, box=box,
                title=f"Standard deviation over directions, b = {shell.b_value:.0f} s/mm²",
                look=Look((0.0, float(np.percentile(std[mask], 99.5)) or 1.0), "cividis", "signal"),
                caption="White matter varies with the direction; rims are motion and eddy currents.",
            )  # fmt: skip


def draw_slices(data: Image, gradients: Gradients, mask: Mask, *, slice_axis: int) -> Drawing:
    """Return the signal of each slice of each volume, over what is usual in its shell."""
    from bidsflow.report.gradients import group_shells
    from bidsflow.report.heatmap import draw_heatmap
    from bidsflow.report.slices import Look

    shells = group_shells(gradients.b_values.tolist())
    relative = compare_slices(data, [shell.volumes for shell in shells], mask, slice_axis)
    order = [rank for shell in shells for rank in shell.volumes]
    return draw_heatmap(
        relative[:, order], title="Signal of slices", look=Look((-DROP, DROP), "cividis", "%"),
        bands=[(f"b = {shell.b_value:.0f}", len(shell.volumes)) for shell in shells],
        across="volume, in the order of b-values",
        caption="Percent off the median of the slice in its shell, and of its volume. "
        "Dark cells are slices that dropped out, bright ones spikes.",
    )  # fmt: skip


def compare_slices(data: Image, shells: Sequence[Sequence[int]], mask: Mask, slice_axis: int) -> NDArray[np.float64]:
    """Return by how many percent the signal of slices is off, shape (slices, volumes).

    The mean of the brain in a slice, over its median in the volumes of its shell; and that over the median of the
    volume, so that its direction does not matter.

    Parameters
    ----------
    data : ndarray, shape (i, j, k, n)
        As acquired.
    shells : sequence of sequence of int
        Volumes to compare with each other.
    mask : ndarray of bool, shape (i, j, k)
        The brain; slices with less than a tenth of the fullest one are not compared (0).
    slice_axis : int
        Along which slices follow each other.
    """
    across = tuple(axis for axis in range(3) if axis != slice_axis)
    counts = mask.sum(axis=across)
    told = counts >= max(0.1 * counts.max(), 1)
    means = np.stack(
        [np.where(mask, data[..., rank], 0).sum(axis=across, dtype=np.float64) for rank in range(data.shape[3])], axis=1
    )[told] / counts[told, None]  # fmt: skip
    found = np.zeros((len(counts), data.shape[3]))
    for shell in shells:
        part = means[:, list(shell)]
        usual = np.median(part, axis=1, keepdims=True)
        parts = np.divide(part, usual, out=np.ones_like(part), where=usual > 0)
        level = np.median(parts, axis=0, keepdims=True)
        relative = np.divide(parts, level, out=np.ones_like(parts), where=level > 0)
        found[np.ix_(told, list(shell))] = 100 * (relative - 1)
    return found


def find_slice_axis(img: Any) -> int:  # nibabel has no types
    """Return the array axis of the slices: what the header says, or the last one (NIfTI, dim_info)."""
    axis = img.header.get_dim_info()[2]
    return 2 if axis is None else int(axis)


def draw_motion(data: Image, motion: NDArray[np.float64], mask: Mask, fd_threshold: float) -> Drawing:
    """Return displacement and mean signal of each volume."""
    from bidsflow.report.timeline import Course, draw_timeline
    from bidsflow_pipelines.qc.measures.motion import fd

    moved = (float("nan"), *fd(motion).tolist())
    signal = tuple(float(data[..., rank][mask].mean()) for rank in range(data.shape[3]))
    return draw_timeline(
        (Course("displacement", moved, "mm", fd_threshold), Course("mean signal", signal)),
        title="Motion and signal", seconds_per_volume=1.0,
        caption="A second stands for a volume. The signal follows the b-values; single dips are lost slices.",
    )  # fmt: skip


def find_moments(data: Image, volumes: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation of some volumes, with the memory of a few."""
    mean, squares = np.zeros(data.shape[:3]), np.zeros(data.shape[:3])
    for count, rank in enumerate(volumes, start=1):  # Welford 1962
        change = data[..., rank] - mean
        mean += change / count
        squares += change * (data[..., rank] - mean)
    return mean, np.sqrt(squares / len(volumes))
