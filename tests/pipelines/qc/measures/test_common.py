import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scipy")

from bidsflow_pipelines.qc.measures.common import (
    Summary,
    clean,
    efc,
    fber,
    flatten,
    fwhm,
    geometry,
    mad,
    select,
    snr,
    summary,
    weighted_quantiles,
)
from scipy.ndimage import gaussian_filter

SHAPE = (20, 22, 24)


def make_noise(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def test_clean_is_finite_and_not_negative() -> None:
    image = np.array([1.5, -2.0, np.nan, np.inf, -np.inf], dtype=np.float32)
    assert clean(image).tolist() == [1.5, 0, 0, 0, 0]
    assert clean(image).dtype == np.float32
    assert image[1] == -2  # the argument stays as it is


def test_select_takes_an_integer_image_for_a_mask() -> None:
    assert select(np.array([5.0, 6.0, 7.0]), np.array([0, 1, 1])).tolist() == [6, 7]


def test_mad_of_normal_noise_is_its_deviation() -> None:
    assert mad(3 * make_noise((50_000,))) == pytest.approx(3, rel=0.02)


def test_mad_of_nothing_is_nan() -> None:
    assert math.isnan(mad(np.array([])))


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(1, 5)), min_size=1, max_size=12), st.floats(0.01, 0.99))
def test_weights_count_as_repetitions(pairs: list[tuple[int, int]], quantile: float) -> None:
    values, weights = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    repeated = np.repeat(values, weights.astype(int))
    (found,) = weighted_quantiles(values, weights, (quantile,))
    assert found in {
        np.quantile(repeated, quantile, method="averaged_inverted_cdf"),
        np.quantile(repeated, quantile, method="inverted_cdf"),  # differ where rounding puts a quantile on an edge
    }


def test_median_of_equal_weights_is_the_median() -> None:
    assert weighted_quantiles(np.array([4.0, 1.0, 3.0, 2.0]), np.ones(4), (0.5,)) == [2.5]


def test_summary_of_a_mask_is_that_of_its_voxels() -> None:
    image = make_noise() * 4 + 10
    mask = make_noise(seed=1) > 0
    found, values = summary(image, mask), image[mask]
    assert found.n == mask.sum()
    assert found.mean == pytest.approx(values.mean())
    assert found.stdv == pytest.approx(values.std())
    assert found.median == pytest.approx(np.median(values), abs=0.01)
    assert found.p05 == pytest.approx(np.percentile(values, 5), abs=0.02)
    assert found.p95 == pytest.approx(np.percentile(values, 95), abs=0.02)
    assert found.mad == pytest.approx(4, rel=0.05)
    assert found.k == pytest.approx(0, abs=0.15)


def test_summary_counts_a_voxel_as_often_as_its_probability() -> None:
    image, weights = np.array([[[10.0, 20.0]]]), np.array([[[0.75, 0.25]]])
    found = summary(image, weights)
    assert (found.mean, found.n) == (12.5, 1.0)
    assert found.stdv == pytest.approx(math.sqrt(0.75 * 2.5**2 + 0.25 * 7.5**2))


def test_kurtosis_of_even_intensities() -> None:
    image = np.random.default_rng(0).uniform(size=SHAPE)
    assert summary(image, np.ones(SHAPE)).k == pytest.approx(-1.2, abs=0.05)


def test_summary_agrees_with_statsmodels() -> None:
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    image, weights = make_noise(), np.random.default_rng(1).uniform(size=SHAPE)
    theirs = weightstats.DescrStatsW(image.ravel(), weights.ravel())
    ours = summary(image, weights)
    quantiles = theirs.quantile([0.05, 0.5, 0.95], return_pandas=False)
    assert (ours.mean, ours.stdv) == pytest.approx((theirs.mean, theirs.std))
    assert (ours.p05, ours.median, ours.p95) == pytest.approx(tuple(quantiles), abs=1e-9)


def test_summary_of_no_voxels_is_nan() -> None:
    found = summary(make_noise(), np.zeros(SHAPE, dtype=bool))
    assert found.n == 0
    assert math.isnan(found.mean)
    assert math.isnan(snr(found))


def test_snr_of_known_noise() -> None:
    found = snr(summary(100 + 5 * make_noise((40, 40, 40)), np.ones((40, 40, 40))))
    assert found == pytest.approx(20, rel=0.05)


def test_snr_of_a_constant_is_nan() -> None:
    assert math.isnan(snr(summary(np.ones(SHAPE), np.ones(SHAPE))))


def test_snr_of_few_voxels_is_lowered() -> None:
    assert snr(Summary(median=10, stdv=1, n=2)) == pytest.approx(10 / math.sqrt(2))


def test_efc_of_one_bright_voxel_is_0() -> None:
    image = np.zeros(SHAPE)
    image[3, 4, 5] = 7
    assert efc(image) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("value", [1, 1000.0])
def test_efc_of_an_even_image_is_1(value: float) -> None:
    assert efc(np.full(SHAPE, value)) == pytest.approx(1)


def test_efc_is_the_entropy_of_the_formula() -> None:
    image = np.abs(make_noise()) * 1000
    x = image / np.sqrt((image**2).sum())
    largest = math.sqrt(image.size) * math.log(math.sqrt(image.size))
    assert efc(image) == pytest.approx(-(x * np.log(x)).sum() / largest, rel=1e-12)


def test_efc_leaves_out_the_frame() -> None:
    image = np.abs(make_noise())
    frame = np.zeros(SHAPE, dtype=bool)
    frame[:5] = True
    assert efc(image, frame) == pytest.approx(efc(image[5:]))
    assert efc(image[..., np.newaxis], frame) == pytest.approx(efc(image[5:]))


def test_efc_counts_what_is_no_magnitude_as_zero() -> None:
    image = np.abs(make_noise())
    image[0] = 0
    broken = image.copy()
    broken[0] = -3
    broken[0, 0] = np.nan
    assert efc(broken) == efc(image)


def test_efc_of_zeros_is_nan() -> None:
    assert math.isnan(efc(np.zeros(SHAPE)))


def test_motion_raises_efc() -> None:
    image = np.zeros(SHAPE)
    image[5:15, 5:15, 5:15] = 100
    ghosted = image + 0.2 * np.roll(image, 10, axis=1)
    assert efc(ghosted) > efc(image)


def test_fber_is_the_ratio_of_energies() -> None:
    head = np.zeros(SHAPE, dtype=bool)
    head[5:15, 5:15, 5:15] = True
    image = np.where(head, 30.0, -2.0)
    assert fber(image, head) == pytest.approx(225)
    assert fber(np.stack([image, image], axis=3), head) == pytest.approx(225)
    assert fber(image.astype(int), head) == pytest.approx(225)


def test_fber_leaves_out_the_frame() -> None:
    head, frame = np.zeros((2, *SHAPE), dtype=bool)
    head[5:15] = True
    frame[15:] = True
    image = np.where(head, 30.0, np.where(frame, 0.0, 2.0))
    assert fber(image, head, frame) == pytest.approx(225)


def test_fber_without_background_is_nan() -> None:
    head = np.zeros(SHAPE, dtype=bool)
    head[5:15] = True
    assert math.isnan(fber(np.where(head, 30.0, 0.0), head))
    assert math.isnan(fber(np.ones(SHAPE), np.ones(SHAPE, dtype=bool)))


def test_fwhm_of_smoothed_noise() -> None:
    sigmas = (1.2, 1.7, 2.5)
    image = gaussian_filter(make_noise((64, 64, 64)), sigmas)
    found = fwhm(image, np.ones((64, 64, 64), dtype=bool))
    expected = [2.3548 * sigma for sigma in sigmas]
    assert found[:3] == pytest.approx(expected, rel=0.05)
    assert found.avg == pytest.approx(np.mean(expected), rel=0.05)


def test_fwhm_in_a_mask_does_not_see_the_rest() -> None:
    image = gaussian_filter(make_noise((64, 64, 64)), 1.5)
    mask = np.linalg.norm(np.indices((64, 64, 64)) - 32, axis=0) < 25
    outside = np.where(mask, image, 1e6)
    assert fwhm(outside, mask) == pytest.approx(fwhm(image, mask))
    assert fwhm(image, mask).avg == pytest.approx(2.3548 * 1.5, rel=0.05)


def test_fwhm_without_neighbours_or_variance_is_nan() -> None:
    assert all(math.isnan(width) for width in fwhm(np.ones(SHAPE), np.ones(SHAPE, dtype=bool)))
    assert all(math.isnan(width) for width in fwhm(make_noise(), np.zeros(SHAPE, dtype=bool)))
    assert math.isnan(fwhm(make_noise((20, 20, 1)), np.ones((20, 20, 1), dtype=bool)).z)


def test_flatten_joins_names() -> None:
    flat = flatten({"efc": 0.5, "fwhm": fwhm(np.ones(SHAPE), np.ones(SHAPE, dtype=bool)), "summary_bg": Summary(n=3)})
    assert flat["efc"] == 0.5
    assert flat["summary_bg_n"] == 3
    assert {"fwhm_x", "fwhm_avg", "summary_bg_p05"} <= flat.keys()


def test_geometry_of_a_series_has_volumes_and_tr() -> None:
    found = geometry((64, 64, 36, 300), (3, 3, 3.5), tr=2.0)
    assert (found["size_t"], found["spacing_z"], found["spacing_tr"]) == (300, 3.5, 2.0)
