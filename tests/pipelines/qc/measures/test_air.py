import math

import numpy as np
import pytest

pytest.importorskip("scipy")

from bidsflow_pipelines.qc.measures.air import air_noise, qi_1, qi_2, snrd, unround
from bidsflow_pipelines.qc.measures.background import Background

from tests.pipelines.qc.measures.test_anat import SHAPE, add_noise


@pytest.mark.parametrize(("sigma", "step"), [(8.0, 0.0), (1.5, 0.25), (4.0, 1.0), (8.0, 1.0), (20.0, 1.0)])
def test_snrd_of_known_noise_does_not_depend_on_rounding(sigma: float, step: float) -> None:
    air = add_noise(np.zeros(SHAPE), sigma).ravel()
    stored = np.rint(air / step) * step if step else air
    assert snrd(1000, air_noise(stored)) == pytest.approx(1000 / sigma, rel=0.03)


def test_air_of_mostly_equal_values_has_its_standard_deviation() -> None:
    assert air_noise(np.array([0.0, 0, 0, 2])) == pytest.approx(math.sqrt(0.75))


@pytest.mark.parametrize("air", [np.empty(0), np.zeros(9)])
def test_snrd_without_air_is_nan(air: np.ndarray) -> None:
    assert math.isnan(snrd(1000, air_noise(air)))


def test_unrounded_values_round_to_themselves() -> None:
    whole = np.random.default_rng(0).integers(0, 20, 500).astype(float)
    np.testing.assert_array_equal(np.rint(unround(whole) - 1e-9), whole)
    assert np.unique(unround(whole)).size == 500


def test_qi_1_is_the_part_of_artifacts() -> None:
    air, artifact, frame = np.zeros((3, 10, 10, 10), dtype=bool)
    air[:3], artifact[3] = True, True
    assert qi_1(Background(air, artifact, frame)) == pytest.approx(0.25)
    assert math.isnan(qi_1(Background(frame, frame, frame)))


def test_qi_2_is_worse_for_air_with_signal() -> None:
    noise = add_noise(np.zeros(SHAPE), 20)
    ghost = noise.copy()
    ghost[:6] += 60
    everywhere = np.ones(SHAPE, dtype=bool)
    assert qi_2(noise, everywhere) < 0.001
    assert qi_2(ghost, everywhere) > 2 * qi_2(noise, everywhere)


def test_qi_2_does_not_depend_on_the_scale() -> None:
    noise = add_noise(np.zeros(SHAPE), 20)
    everywhere = np.ones(SHAPE, dtype=bool)
    assert qi_2(noise * 7, everywhere) == pytest.approx(qi_2(noise, everywhere), rel=0.02)


def test_qi_2_agrees_with_a_fit_of_every_voxel() -> None:
    """The definition without bins: a kernel at every voxel, and scipy's own fit of every voxel."""
    from scipy.stats import chi2, gaussian_kde

    values = np.random.default_rng(0).chisquare(9, 4000)
    values *= 100 / np.percentile(values, 99)
    grid = np.linspace(0, 110, 1000)
    density = gaussian_kde(values, bw_method=4 / values.std(ddof=1))(grid)
    df, loc, scale = chi2.fit(values, 32)
    right = np.flatnonzero(density > density.max() / 2)[-1] + 1
    expected = np.abs(density - chi2.pdf(grid, df, loc, scale))[right:].mean()
    image = values.reshape(20, 20, 10)
    assert qi_2(image, np.ones(image.shape, dtype=bool)) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("image", [np.zeros(SHAPE), np.ones(SHAPE)], ids=["zeros", "constant"])
def test_qi_2_without_noise_is_nan(image: np.ndarray) -> None:
    assert math.isnan(qi_2(image, np.ones(SHAPE, dtype=bool)))
    assert math.isnan(qi_2(image, np.zeros(SHAPE, dtype=bool)))
