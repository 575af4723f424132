import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy")

from bidsflow_pipelines.engines.dwi import find_noise
from bidsflow_pipelines.qc.measures.callosum import corpus_callosum, sigma_cc, snr_cc, white_matter
from bidsflow_pipelines.qc.measures.dwi import (
    DwiImages,
    bdiffs,
    fa_degenerate,
    fa_nans,
    measure_dwi,
    ndc,
    nearest_in_q_space,
    sigma_pca,
    sigma_piesno,
    spikes,
    summarize_bdiffs,
)
from bidsflow_pipelines.qc.measures.shells import Shell, find_shells, mean_b0
from scipy.ndimage import gaussian_filter, shift

SHAPE = (20, 22, 12)
MASK = np.zeros(SHAPE, dtype=bool)
MASK[4:16, 4:18, 2:10] = True
CC = np.zeros(SHAPE, dtype=bool)
CC[8:12, 9:13, 4:8] = True
NAMES = """
bdiffs_max bdiffs_mean bdiffs_median bdiffs_min efc_shell01 efc_shell02 efc_shell03 fa_degenerate fa_nans fber_shell01
fber_shell02 fber_shell03 fd_mean fd_num fd_perc ndc sigma_cc sigma_pca sigma_piesno size_t size_x size_y size_z
snr_cc_shell0 snr_cc_shell1_best snr_cc_shell1_worst snr_cc_shell2_best snr_cc_shell2_worst spacing_x spacing_y
spacing_z spikes_global spikes_slice_i spikes_slice_j spikes_slice_k summary_bg_k summary_bg_mad summary_bg_mean
summary_bg_median summary_bg_n summary_bg_p05 summary_bg_p95 summary_bg_stdv summary_fg_k summary_fg_mad
summary_fg_mean summary_fg_median summary_fg_n summary_fg_p05 summary_fg_p95 summary_fg_stdv summary_wm_k
summary_wm_mad summary_wm_mean summary_wm_median summary_wm_n summary_wm_p05 summary_wm_p95 summary_wm_stdv
""".split()  # noqa: SIM905


def make_table(directions: int = 12) -> tuple[np.ndarray, np.ndarray]:
    """Return b-values and b-vectors of two b=0 volumes and two shells of directions."""
    vectors = np.random.default_rng(0).normal(size=(2 * directions, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    b_values = np.r_[0, 5, np.full(directions, 1000.0), np.full(directions, 2000.0)]
    return b_values, np.vstack([np.zeros((2, 3)), vectors])


def make_noise(volumes: int, sigma: float = 10, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Return the magnitude of complex noise."""
    real, imaginary = np.random.default_rng(1).normal(scale=sigma, size=(2, *shape, volumes))
    return np.hypot(real, imaginary)


def make_series() -> np.ndarray:
    b_values, b_vectors = make_table()
    random = np.random.default_rng(2)
    signal = np.where(MASK, random.uniform(800, 1200, SHAPE), 0.0)[..., None] * np.exp(-0.7e-3 * b_values)
    signal[CC] *= np.exp(-1e-3 * b_values * b_vectors[:, 0] ** 2)
    real, imaginary = random.normal(scale=10, size=(2, *signal.shape))
    return np.hypot(signal + real, imaginary).astype(np.float32)


def test_shells_survive_jitter() -> None:
    b_values = np.array([0, 745, 755, 750, 2995, 3005, 3010, 0])
    found = find_shells(b_values)
    assert [shell.volumes for shell in found] == [(0, 7), (1, 2, 3), (4, 5, 6)]
    assert [shell.b_value for shell in found] == [0, 750, 3005]


def test_series_without_b0_has_no_weak_shell() -> None:
    assert find_shells(np.array([1000.0, 1000])) == (Shell(1000.0, (0, 1)),)


def test_series_of_b0_has_one_shell() -> None:
    assert find_shells(np.array([0.0, 0])) == (Shell(0.0, (0, 1)),)


def test_grid_of_b_values_has_few_shells() -> None:
    q = np.indices((7, 7, 7)).reshape(3, -1) - 3
    b_values = np.sort(300.0 * np.square(q).sum(axis=0))[:300]  # a grid, as in DSI
    found = find_shells(b_values)
    assert 5 < len(found) <= 10
    assert sorted(volume for shell in found for volume in shell.volumes) == list(range(len(b_values)))
    assert [shell.b_value for shell in found] == sorted(shell.b_value for shell in found)


def test_mean_b0_is_zero_without_b0() -> None:
    series = make_series()
    assert mean_b0(series, find_shells(make_table()[0])) == pytest.approx(series[..., :2].mean(axis=3), rel=1e-5)
    assert not mean_b0(series, (Shell(1000.0, (2, 3)),)).any()


def test_bdiffs_are_the_angle_of_a_rotation() -> None:
    vectors = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
    cosine, sine = math.cos(0.05), math.sin(0.05)
    around_z = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    angles = bdiffs(vectors, vectors @ around_z.T)
    assert angles == pytest.approx([0.05, 0.05, 0], abs=1e-7)
    assert summarize_bdiffs(angles) == pytest.approx({"max": 0.05, "mean": 0.05, "median": 0.05, "min": 0.05})


def test_bdiffs_of_a_still_head_are_0() -> None:
    vectors = make_table()[1]
    assert set(summarize_bdiffs(bdiffs(vectors, vectors)).values()) == {0.0}


def test_bdiffs_without_rotation_are_nan() -> None:
    assert all(math.isnan(value) for value in summarize_bdiffs(bdiffs(make_table()[1], None)).values())


def test_fa_is_counted_in_parts_per_million() -> None:
    fa = np.full((10, 10, 10), 0.5)
    fa[0, 0, :3] = np.nan
    fa[1, 0, :2] = 1.2
    fa[2, 0, 0] = -0.1
    fa[3, 0, 0] = 1.0004  # 1, after rounding
    everywhere = np.ones(fa.shape, dtype=bool)
    assert fa_nans(fa, everywhere) == pytest.approx(3000)
    assert fa_degenerate(fa, everywhere) == pytest.approx(3000)
    assert math.isnan(fa_nans(fa, ~everywhere))
    assert math.isnan(fa_degenerate(fa, ~everywhere))


def test_neighbours_agree_with_dipy() -> None:
    qc = pytest.importorskip("dipy.stats.qc")
    from dipy.core.gradients import gradient_table

    b_values, b_vectors = make_table(30)
    theirs = qc.find_qspace_neighbors(gradient_table(b_values, bvecs=b_vectors, b0_threshold=50))
    ours = nearest_in_q_space(b_values[2:], b_vectors[2:])
    assert [(2 + index, 2 + neighbour) for index, neighbour in enumerate(ours)] == theirs


def test_ndc_agrees_with_dipy() -> None:
    qc = pytest.importorskip("dipy.stats.qc")
    from dipy.core.gradients import gradient_table

    (b_values, b_vectors), series = make_table(), make_series()
    gradients = gradient_table(b_values, bvecs=b_vectors, b0_threshold=50)
    theirs = qc.neighboring_dwi_correlation(series, gradients, mask=MASK)
    assert ndc(series, b_values, b_vectors, MASK) == pytest.approx(theirs, rel=1e-5)


def test_ndc_needs_two_directions_that_vary() -> None:
    b_values, b_vectors = make_table()
    assert math.isnan(ndc(make_series(), b_values[:3], b_vectors[:3], MASK))
    assert math.isnan(ndc(np.ones((*SHAPE, 26)), b_values, b_vectors, MASK))
    assert math.isnan(ndc(make_series(), b_values, b_vectors, ~np.ones(SHAPE, dtype=bool)))


def make_plain(volumes: int, *, blur: float = 1.0, noise: float = 10, step: float = 0) -> np.ndarray:
    """Return volumes without weighting whose signal slopes, drifts, and rises to fluid, with Rician noise.

    The rim of the fluid moves by `step` voxels from volume to volume.
    """
    i, j, k = np.indices((24, 24, 24))
    rim = gaussian_filter((k > 18).astype(float), blur)
    rims = [shift(rim, (0, 0, step * volume), mode="nearest") for volume in range(volumes)]
    signal = [(60 + i + 0.5 * j + 120 * one) * (1 + 0.02 * volume) for volume, one in enumerate(rims)]
    real, imaginary = (np.random.default_rng(seed).normal(scale=noise, size=(24, 24, 24, volumes)) for seed in (1, 2))
    return np.hypot(np.stack(signal, axis=-1) + real, imaginary)


@pytest.mark.parametrize("volumes", [2, 6])
def test_sigma_cc_is_the_noise_of_volumes_that_slope_drift_and_are_rounded(volumes: int) -> None:
    plain = np.rint(make_plain(volumes))
    assert sigma_cc(plain, None, np.ones(plain.shape[:3], dtype=bool)) == pytest.approx(10, rel=0.03)


def test_sigma_cc_is_the_noise_next_to_a_rim_that_moves() -> None:
    plain, region = make_plain(6, step=0.5), np.zeros((24, 24, 24), dtype=bool)
    region[..., 15:20] = True
    assert np.diff(plain[region]).std() > 11 * math.sqrt(2)
    assert sigma_cc(plain, None, region) == pytest.approx(10, rel=0.03)


def test_sigma_cc_of_few_values_is_that_of_the_patches() -> None:
    plain, region = make_plain(3), np.zeros((24, 24, 24), dtype=bool)
    region[8:16, 8:16, 8:16] = True
    noise = np.where(region, 12.0, 3.0)
    assert sigma_cc(plain, noise, region) == 12
    assert sigma_cc(plain[..., :1], noise, region) == 12
    assert math.isnan(sigma_cc(plain, None, region))
    assert math.isnan(sigma_cc(plain, np.zeros_like(noise), region))


def test_sigma_cc_of_few_voxels_is_nan() -> None:
    region = np.zeros((24, 24, 24), dtype=bool)
    region[0, 0, :4] = True
    assert math.isnan(sigma_cc(make_plain(6), np.full(region.shape, 10.0), region))


@pytest.mark.parametrize("blur", [0.5, 2.0])
def test_sigma_cc_of_one_plain_volume_is_the_noise_next_to_fluid(blur: float) -> None:
    """From twelve directions, in a region of three layers that shares its rim with fluid."""
    b_values, b_vectors = make_table()
    signal = make_plain(1, blur=blur, noise=0)[..., 0]
    fluid = signal > 150
    decay = np.where(fluid[..., None], np.exp(-3e-3 * b_values), np.exp(-1e-3 * b_values * b_vectors[:, 0] ** 2))
    clean = 5 * signal[..., None] * decay
    real, imaginary = (np.random.default_rng(seed).normal(scale=10, size=clean.shape) for seed in (1, 2))
    region = np.zeros(signal.shape, dtype=bool)
    region[6:18, 6:18, 15:18] = True
    noise = find_noise(np.hypot(clean + real, imaginary)[..., 1:], np.ones(signal.shape, dtype=bool))
    assert sigma_cc(clean[..., :1], noise, region) == pytest.approx(10, rel=0.05)


def test_sigma_pca_is_the_median_in_the_brain() -> None:
    assert sigma_pca(np.where(MASK, 12.0, 3.0), MASK) == 12
    assert math.isnan(sigma_pca(np.ones(SHAPE), ~np.ones(SHAPE, dtype=bool)))


def test_sigma_piesno_of_known_noise() -> None:
    pytest.importorskip("dipy")
    series = make_noise(30, sigma=10)
    series[MASK] += 500
    assert sigma_piesno(series, coils=1) == pytest.approx(10, rel=0.05)


def test_sigma_piesno_without_background_is_nan() -> None:
    pytest.importorskip("dipy")
    series = make_noise(30) + 500
    series[~MASK] = 0
    assert math.isnan(sigma_piesno(series))
    assert math.isnan(sigma_piesno(np.zeros((*SHAPE, 30))))
    assert math.isnan(sigma_piesno(make_noise(1)))


def test_snr_cc_is_worst_along_the_fibres() -> None:
    b_values = np.array([0, 1000, 1000, 1000, 1000])
    b_vectors = np.array([[0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, -1], [0.6, 0.8, 0]])
    series = np.ones((*SHAPE, 5)) * [1000, 200, 500, 700, 300]
    series[..., 0] += np.random.default_rng(0).normal(scale=20, size=SHAPE)
    found = snr_cc(series, 20.0, MASK, find_shells(b_values), b_vectors)
    assert found["shell0"] == pytest.approx(50, rel=0.01)
    assert found["shell1_worst"] == pytest.approx(10)
    assert found["shell1_best"] == pytest.approx(30)


def test_snr_cc_without_cc_is_nan() -> None:
    b_values, b_vectors = make_table()
    found = snr_cc(make_series(), math.nan, np.zeros(SHAPE, dtype=bool), find_shells(b_values), b_vectors)
    assert set(found) == {"shell0", "shell1_worst", "shell1_best", "shell2_worst", "shell2_best"}
    assert all(math.isnan(value) for value in found.values())


def test_spikes_are_counted_exactly() -> None:
    b_values = np.r_[0, 0, np.full(8, 1000.0)]
    series = np.full((*SHAPE, 10), 100.0)
    series[2, 3, 4, 5] = 1000  # one of a line of 20, of 22, of 12: 5 % is not more than 5 %
    found = spikes(series, MASK, find_shells(b_values))
    voxels = math.prod(SHAPE)
    assert found["global"] == pytest.approx(1e6 / (voxels * 10))
    assert found["slice_i"] == 0
    assert found["slice_j"] == 0
    assert found["slice_k"] == pytest.approx(1e6 / (SHAPE[0] * SHAPE[1] * 10))


def test_spikes_are_bright_for_their_shell() -> None:
    b_values = np.array([0.0, 1000, 1000])
    series = np.full((*SHAPE, 3), 100.0)
    series[..., 0] = 1000  # all of b=0 is brighter than any threshold of the other shell
    assert spikes(series, MASK, find_shells(b_values))["global"] == 0


def test_spike_threshold_is_three_deviations() -> None:
    series = np.random.default_rng(0).normal(1000, 10, (*SHAPE, 20))
    found = spikes(series, np.ones(SHAPE, dtype=bool), find_shells(np.zeros(20)))
    assert found["global"] == pytest.approx(1350, rel=0.1)  # one tail of the normal distribution


def test_spikes_without_a_brain_are_nan() -> None:
    found = spikes(make_series(), np.zeros(SHAPE, dtype=bool), find_shells(make_table()[0]))
    assert all(math.isnan(value) for value in found.values())


def test_white_matter_is_the_largest_region() -> None:
    fa = np.full(SHAPE, 0.1)
    fa[4:16, 4:18, 3:9] = 0.7
    fa[0:3, 0:3, 0:3] = 0.9
    found = white_matter(fa)
    assert found[8, 8, 5]
    assert not found[1, 1, 1]
    assert not white_matter(np.full(SHAPE, np.nan)).any()


def paint_red(color: tuple[float, float, float] = (0.7, 0.1, 0.1), thick: int = 4) -> np.ndarray:
    """Return color FA of white matter that is green, with a red part in the middle and one at the edge."""
    color_fa = np.full((*SHAPE, 3), (0.1, 0.6, 0.1))
    color_fa[7:13, 7:15, 4 : 4 + thick] = color
    color_fa[0:3, 0:6, 0:6] = color
    return color_fa


@pytest.mark.parametrize("color", [(0.7, 0.1, 0.1), (0.8, 0.0, 0.0)], ids=str)
@pytest.mark.parametrize("size", [2.0, 8.0])
def test_corpus_callosum_is_red_and_in_the_middle(color: tuple[float, float, float], size: float) -> None:
    wm = np.ones(SHAPE, dtype=bool)
    found = corpus_callosum(paint_red(color), wm, (size, size, size))
    assert found[10, 11, 6]
    assert not found[:4].any()
    assert not corpus_callosum(paint_red(color), ~wm, (size, size, size)).any()


def test_corpus_callosum_of_one_layer_is_found_in_large_voxels_only() -> None:
    """In small ones it is a speck; large ones are as thick as the callosum."""
    wm = np.ones(SHAPE, dtype=bool)
    assert corpus_callosum(paint_red(thick=1), wm, (8.0, 8.0, 8.0)).sum() == 48
    assert not corpus_callosum(paint_red(thick=1), wm, (2.0, 2.0, 2.0)).any()


def make_images() -> DwiImages:
    (b_values, b_vectors), series = make_table(), make_series()
    return DwiImages(
        original=series,
        series=series,
        b_values=b_values,
        b_vectors=b_vectors,
        mask=MASK,
        motion=np.zeros((26, 6)),
        fa=np.full(SHAPE, 0.4),
        wm=CC,
        cc=CC,
        plain=series[..., :2],
        rotated=b_vectors,
        noise=np.full(SHAPE, 10.0),
    )


def test_all_measures_of_a_series() -> None:
    pytest.importorskip("dipy")
    found = measure_dwi(make_images(), (2.0, 2.0, 2.0), coils=1)
    assert sorted(found) == sorted(NAMES)
    assert [name for name, value in found.items() if math.isnan(value)] == []
    assert found["sigma_piesno"] == pytest.approx(10, rel=0.05)
    assert found["snr_cc_shell1_worst"] < found["snr_cc_shell1_best"] < found["snr_cc_shell0"]


def test_series_without_a_brain_has_measures_of_the_image_only() -> None:
    pytest.importorskip("dipy")
    nothing = np.zeros(SHAPE, dtype=bool)
    images = replace(make_images(), mask=nothing, wm=nothing, cc=nothing, rotated=None, noise=None)
    found = measure_dwi(images, (2.0, 2.0, 2.0), coils=1)
    known = {name for name, value in found.items() if not math.isnan(value)}
    kept = {name for name in NAMES if name.startswith(("efc", "fd", "sigma_piesno", "size", "spacing", "summary_bg"))}
    assert known == kept | {"summary_fg_n", "summary_wm_n"}
