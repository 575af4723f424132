"""Diffusion: volumes without weighting, the brain, the tensor, the noise; motion is in `dwi_motion`."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.bold import doubt_epi, find_epi_brain
from bidsflow_pipelines.engines.images import Image, Mask, Volume, crop_box, load_mask, save_volume
from bidsflow_pipelines.engines.series import Series, open_series

#: s/mm²: up to here a volume counts as not diffusion-weighted.
B0_LIMIT = 50.0
#: s/mm²: b-values are rounded to multiples of this; scanners jitter by a few tens.
SHELL_STEP = 100.0
#: s/mm²: beyond, the signal of white matter is no longer Gaussian, and biases a tensor (Jones and Basser 2004).
TENSOR_LIMIT = 1500.0
#: mm²/s: dipy lifts diffusivities that are zero or negative to 1e-9; those of tissue are a hundred thousand times that.
LEAST_DIFFUSIVITY = 1e-8
#: Voxels along the edge of a cube whose volumes are analysed together (Veraart et al. 2016).
PATCH = 5
#: Voxels from one cube to the next.
STRIDE = 3
#: Voxels at a time in the tensor fit, so that memory stays bounded.
BLOCK = 20_000


class Gradients(NamedTuple):
    """b-values (n,) in s/mm², b-vectors (n, 3) in the axes of the image, as FSL has them."""

    b_values: NDArray[np.float64]
    b_vectors: NDArray[np.float64]


class DwiReference(NamedTuple):
    """The mean of the volumes without weighting, the brain in it, and whether that is plausible."""

    b0: Path
    brain: Path
    volume_ml: float
    plausible: bool
    why: str


class TensorFiles(NamedTuple):
    """Fractional anisotropy, mean diffusivity (mm²/s), directions times FA, and what could not be fitted."""

    fa: Path
    md: Path
    color_fa: Path
    nans: int
    degenerate: int


class NoiseFiles(NamedTuple):
    """The deviation of the noise, and its median over the brain."""

    noise: Path
    sigma: float


def load_gradients(bval: Path, bvec: Path) -> Gradients:
    """Return the b-values and b-vectors of two files as BIDS has them.

    Raises
    ------
    ValueError
        If they do not belong together.
    """
    values = np.loadtxt(bval, ndmin=1).ravel()
    vectors = np.loadtxt(bvec, ndmin=2)
    vectors = vectors.T if vectors.shape[0] == 3 and vectors.shape[1] == values.size else vectors
    if vectors.shape != (values.size, 3):
        raise ValueError(f"{values.size} b-values do not fit to b-vectors of shape {vectors.shape}")
    return Gradients(values, np.nan_to_num(vectors))


def round_shells(b_values: NDArray[np.floating]) -> NDArray[np.int_]:
    """Return each b-value rounded to its shell; 0 without weighting.

    Examples
    --------
    >>> round_shells(np.array([0.0, 5, 995, 1005, 2000])).tolist()
    [0, 0, 1000, 1000, 2000]
    """
    rounded = np.rint(b_values / SHELL_STEP) * SHELL_STEP
    return np.where(b_values <= B0_LIMIT, 0, rounded).astype(int)


def mean_b0(series: Series, b_values: NDArray[np.floating]) -> Image:
    """Return the mean of the volumes with the least weighting."""
    lowest = max(B0_LIMIT, float(b_values.min()))
    chosen = np.flatnonzero(b_values <= lowest)
    return np.asarray(sum(series[index] for index in chosen) / chosen.size, dtype=np.float32)


def extract_b0(series: Path, bval: Path, bvec: Path) -> DwiReference:
    """Write the mean of the volumes without weighting, and the mask of the brain in it.

    Parameters
    ----------
    series, bval, bvec : Path
        A diffusion series and its gradients.
    """
    gradients = load_gradients(bval, bvec)
    with open_series(series) as opened:
        mean = Volume(mean_b0(opened, gradients.b_values), opened.affine)
    brain = find_epi_brain(mean)
    millilitres, why = doubt_epi(brain, mean.zooms)
    return DwiReference(
        save_volume("b0.nii.gz", mean.data, mean.affine),
        save_volume("brain_mask.nii.gz", brain, mean.affine),
        millilitres,
        not why,
        why,
    )


def find_tensor(series: Series, gradients: Gradients, brain: Mask) -> tuple[Image, Image, Image, NDArray[np.float64]]:
    """Return FA, MD, colour FA and the number of voxels without a fit and with a diffusivity below zero.

    Weighted least squares (dipy), on the volumes up to `TENSOR_LIMIT` where they suffice.

    Parameters
    ----------
    series : Series
        Realigned.
    gradients : Gradients
        Turned with the head.
    brain : ndarray of bool
        Where to fit.
    """
    from dipy.core.gradients import gradient_table
    from dipy.reconst.dti import TensorModel, color_fa

    chosen = choose_volumes(gradients.b_values)
    weighted = gradients.b_values[chosen] > B0_LIMIT
    vectors = np.where(weighted[:, None], gradients.b_vectors[chosen], 0.0)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    table = gradient_table(
        np.where(weighted, gradients.b_values[chosen], 0.0), bvecs=vectors, b0_threshold=B0_LIMIT, atol=0.1
    )
    model = TensorModel(table, fit_method="WLS", return_S0_hat=False)
    signal = np.stack([series[index][brain] for index in chosen], axis=-1)
    fa, md = np.zeros(len(signal), np.float32), np.zeros(len(signal), np.float32)
    colors = np.zeros((len(signal), 3), np.float32)
    nans = degenerate = 0
    for start in range(0, len(signal), BLOCK):
        part = slice(start, start + BLOCK)
        fit = model.fit(signal[part])
        values = fit.evals
        fa[part], md[part] = fit.fa, fit.md
        colors[part] = color_fa(np.nan_to_num(fit.fa), np.nan_to_num(fit.evecs))
        nans += int(np.count_nonzero(~np.isfinite(values).all(axis=1)))
        degenerate += int(np.count_nonzero((values <= LEAST_DIFFUSIVITY).any(axis=1)))
    maps = []
    for flat in (fa, md, colors):
        whole = np.zeros((*brain.shape, *flat.shape[1:]), np.float32)
        whole[brain] = flat
        maps.append(whole)
    return maps[0], maps[1], maps[2], np.array([nans, degenerate], dtype=float)


def choose_volumes(b_values: NDArray[np.floating]) -> NDArray[np.int_]:
    """Return the volumes for a tensor: up to `TENSOR_LIMIT`, unless fewer than six directions remain.

    Examples
    --------
    >>> choose_volumes(np.array([0.0] + [1000.0] * 6 + [3000.0] * 6)).tolist()
    [0, 1, 2, 3, 4, 5, 6]
    """
    low = np.flatnonzero(b_values <= TENSOR_LIMIT)
    enough = np.count_nonzero(b_values[low] > B0_LIMIT) >= 6
    return low if enough else np.arange(b_values.size)


def fit_tensor(series: Path, bval: Path, bvec: Path, brain: Path) -> TensorFiles:
    """Write maps of the diffusion tensor.

    Voxels without a fit are NaN in the map of FA, so that they can be counted.

    Parameters
    ----------
    series, bval, bvec : Path
        Realigned, with the turned b-vectors.
    brain : Path
        Mask of the brain.
    """
    gradients = load_gradients(bval, bvec)
    with open_series(series) as opened:
        affine = opened.affine
        fa, md, colors, counts = find_tensor(opened, gradients, load_mask(brain))
    return TensorFiles(
        save_volume("fa.nii.gz", fa, affine),
        save_volume("md.nii.gz", md, affine),
        save_volume("color_fa.nii.gz", colors, affine),
        int(counts[0]),
        int(counts[1]),
    )


def find_noise(series: Image, brain: Mask) -> Image:
    """Return the deviation of the noise, by a PCA of patches.

    Veraart et al. 2016 (doi:10.1016/j.neuroimage.2016.08.016). The eigenvalues of noise alone follow the distribution
    of Marchenko and Pastur; what lies above is signal. Patches stand `STRIDE` voxels apart, the map is made of the
    nearest: noise varies slowly, and the median over the brain needs no more.

    Parameters
    ----------
    series : ndarray, shape (i, j, k, n)
        As acquired: interpolation smooths noise.
    brain : ndarray of bool
        Where to look.

    Returns
    -------
    noise : ndarray, shape (i, j, k)
        0 outside of the brain.
    """
    from scipy.ndimage import distance_transform_edt

    half = PATCH // 2
    lattice = np.zeros(brain.shape, dtype=bool)
    lattice[half:-half:STRIDE, half:-half:STRIDE, half:-half:STRIDE] = True
    sigma = np.zeros(brain.shape, dtype=np.float32)
    centres = np.argwhere(lattice & brain)
    for i, j, k in centres:
        patch = series[i - half : i + half + 1, j - half : j + half + 1, k - half : k + half + 1]
        sigma[i, j, k] = marchenko_pastur(patch.reshape(-1, series.shape[3]).astype(np.float64))
    if not len(centres):
        return sigma
    nearest = distance_transform_edt(sigma == 0, return_distances=False, return_indices=True)
    return np.where(brain, sigma[tuple(nearest)], 0).astype(np.float32)


def marchenko_pastur(patch: NDArray[np.float64]) -> float:
    """Return the deviation of the noise of a patch.

    Parameters
    ----------
    patch : ndarray, shape (voxels, volumes)
        Signal of few components, and noise.
    """
    patch = patch - patch.mean(axis=0)
    small = patch if patch.shape[0] >= patch.shape[1] else patch.T
    rows, columns = small.shape
    values = np.clip(np.linalg.eigvalsh(small.T @ small / rows), 0, None)  # ascending
    # For p signal components: the rest must be as wide as noise of its mean would be.
    counts = np.arange(1, columns + 1)
    means = np.cumsum(values) / counts
    ratio = counts / (rows - (columns - counts))
    width = 4 * np.sqrt(ratio) * means
    fits = np.flatnonzero(values - values[0] <= width)
    return float(np.sqrt(means[fits[-1]]))


def estimate_noise(series: Path, brain: Path) -> NoiseFiles:
    """Write the deviation of the noise of a diffusion series.

    Parameters
    ----------
    series : Path
        As acquired.
    brain : Path
        Mask of the brain.
    """
    with open_series(series) as opened:
        mask = load_mask(brain)
        box = _pad_box(mask)
        data = np.stack([opened[index][box] for index in range(len(opened))], axis=-1)
        noise = np.zeros(mask.shape, dtype=np.float32)
        noise[box] = find_noise(data, mask[box])
        found = noise[mask & (noise > 0)]
        sigma = float(np.median(found)) if found.size else float("nan")
        return NoiseFiles(save_volume("noise.nii.gz", noise, opened.affine), sigma)


def _pad_box(mask: Mask) -> tuple[slice, ...]:
    """Return the box around a mask with room for half a patch."""
    half = PATCH // 2
    box, _ = crop_box(mask)
    return tuple(slice(max(one.start - half, 0), one.stop + half) for one in box)
