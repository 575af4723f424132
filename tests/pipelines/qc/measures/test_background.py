import numpy as np
import pytest

pytest.importorskip("scipy")

from bidsflow_pipelines.qc.measures.background import artifact_mask, find_background, rotation_mask
from scipy.ndimage import rotate

SHAPE = (48, 48, 48)
ZOOMS = (1.0, 1.0, 1.0)
HEAD = np.linalg.norm(np.indices(SHAPE) - 23.5, axis=0) < 12


def make_air(seed: int = 0) -> np.ndarray:
    """Return the magnitude of complex noise with deviation 5 per channel."""
    real, imaginary = np.random.default_rng(seed).normal(scale=5, size=(2, *SHAPE))
    return np.hypot(real, imaginary)


def make_head() -> np.ndarray:
    return np.where(HEAD, 500.0, make_air())


def test_noise_has_no_frame() -> None:
    assert not rotation_mask(np.where(make_air() < 1, 0, make_air())).any()


def test_corners_of_a_rotated_image_are_the_frame() -> None:
    image = rotate(make_head() + 1, 15, reshape=False, order=0, cval=0)
    frame = rotation_mask(image)
    assert frame[0, 0, 24]
    assert not frame[24, 24, 24]
    assert frame.sum() == pytest.approx((image == 0).sum(), rel=0.1)  # the opening blunts the tips


def test_all_air_of_a_stripped_image_is_frame() -> None:
    background = find_background(np.where(HEAD, 500.0, 0.0), HEAD, None, ZOOMS)
    assert not background.hat.any()
    assert background.frame.sum() == pytest.approx((~HEAD).sum(), rel=0.02)


def test_air_of_a_good_image_has_no_artifact() -> None:
    background = find_background(make_head(), HEAD, None, ZOOMS)
    assert not background.artifact.any()
    assert (background.air == ~HEAD).all()


def test_ghost_in_the_air_is_an_artifact() -> None:
    image = make_head()
    image[2:6, 20:28, 20:28] += 200
    background = find_background(image, HEAD, None, ZOOMS)
    assert background.artifact[3:5, 21:27, 21:27].all()
    assert background.artifact.sum() <= 4 * 8 * 8
    assert not (background.air & background.artifact).any()


def test_bright_voxels_near_the_head_are_no_artifact() -> None:
    image = make_head()
    shell = (np.linalg.norm(np.indices(SHAPE) - 23.5, axis=0) < 14) & ~HEAD
    image[shell] += 200
    assert not find_background(image, HEAD, None, ZOOMS).artifact.any()


def test_single_bright_voxels_are_no_artifact() -> None:
    image = make_head()
    image[3, 3, 3] = 1000
    assert not find_background(image, HEAD, None, ZOOMS).artifact.any()


def test_what_is_below_the_plane_is_no_air() -> None:
    below = np.zeros(SHAPE, dtype=bool)
    below[:, :, :20] = True
    assert not find_background(make_head(), HEAD, below, ZOOMS).hat[:, :, :20].any()


def test_air_without_spread_has_no_artifact() -> None:
    image = np.where(HEAD, 500.0, 1.0)
    image[2:6, 20:28, 20:28] = 200
    nothing = np.zeros(SHAPE, dtype=bool)
    assert not artifact_mask(image, ~HEAD, near=nothing).any()
    assert not artifact_mask(image, nothing, near=nothing).any()
