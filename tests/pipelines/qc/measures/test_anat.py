import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("scipy")

from bidsflow_pipelines.qc.measures.anat import (
    AnatImages,
    cjv,
    cnr,
    harmonize,
    icvs,
    inu,
    measure_anat,
    rpve,
    tpm_overlap,
    wm2max,
)
from bidsflow_pipelines.qc.measures.background import find_background
from bidsflow_pipelines.qc.measures.common import Summary

SHAPE = (64, 64, 64)
ZOOMS = (1.0, 1.0, 1.0)
RADIUS = np.linalg.norm(np.indices(SHAPE) - 31.5, axis=0)
WM = Summary(median=1000, mad=40, stdv=50, n=1000)
GM = Summary(median=700, mad=50, stdv=60, n=1000)
NAMES = """
cjv cnr efc fber fwhm_avg fwhm_x fwhm_y fwhm_z icvs_csf icvs_gm icvs_wm inu_med inu_range qi_1 qi_2 rpve_csf rpve_gm
rpve_wm size_x size_y size_z snr_csf snr_gm snr_total snr_wm snrd_csf snrd_gm snrd_total snrd_wm spacing_x spacing_y
spacing_z summary_bg_k summary_bg_mad summary_bg_mean summary_bg_median summary_bg_n summary_bg_p05 summary_bg_p95
summary_bg_stdv summary_csf_k summary_csf_mad summary_csf_mean summary_csf_median summary_csf_n summary_csf_p05
summary_csf_p95 summary_csf_stdv summary_gm_k summary_gm_mad summary_gm_mean summary_gm_median summary_gm_n
summary_gm_p05 summary_gm_p95 summary_gm_stdv summary_wm_k summary_wm_mad summary_wm_mean summary_wm_median
summary_wm_n summary_wm_p05 summary_wm_p95 summary_wm_stdv tpm_overlap_csf tpm_overlap_gm tpm_overlap_wm wm2max
""".split()  # noqa: SIM905


def add_noise(signal: np.ndarray, sigma: float) -> np.ndarray:
    """Return the magnitude of a signal with complex noise of a deviation per channel."""
    real, imaginary = np.random.default_rng(0).normal(scale=sigma, size=(2, *signal.shape))
    return np.hypot(signal + real, imaginary)


def make_images(*, stripped: bool = False) -> AnatImages:
    """Return a head of three nested tissues, white matter 2000 within, and noise of deviation 20 per channel."""
    labels = np.select([RADIUS < 12, RADIUS < 17, RADIUS < 20], [3, 2, 1], 0)
    head = RADIUS < 23
    signal = np.select([labels == 3, labels == 2, labels == 1, head], [2000.0, 1400.0, 600.0, 1000.0], 0.0)
    image = add_noise(signal, 20)
    if stripped:
        image[labels == 0] = 0
    tissues = tuple(np.where(labels == label, 0.98, 0.01 * (labels > 0)) for label in (1, 2, 3))
    return AnatImages(
        original=image,
        corrected=image,
        bias=np.linspace(0.9, 1.1, image.size).reshape(SHAPE),
        labels=labels,
        tissues=tissues,
        head=head,
        background=find_background(image, head, None, ZOOMS),
        templates=tissues,
    )


def test_cjv_is_spread_over_contrast() -> None:
    assert cjv(WM, GM) == pytest.approx(90 / 300)


def test_cjv_without_contrast_is_nan() -> None:
    assert math.isnan(cjv(WM, WM))


def test_cnr_is_contrast_over_noise() -> None:
    assert cnr(WM, GM, Summary(stdv=20)) == pytest.approx(300 / math.sqrt(20**2 + 50**2 + 60**2))


def test_cnr_without_air_has_no_noise_of_air() -> None:
    assert cnr(WM, GM, Summary()) == cnr(WM, GM, Summary(stdv=0))


def test_snrd_is_that_of_the_image_as_acquired() -> None:
    """A correction that goes wrong in the air does not change what noise there was."""
    images = make_images()
    wrong = np.where(images.head, images.corrected, 0.7 * images.corrected)
    changed = measure_anat(replace(images, corrected=wrong), ZOOMS)
    assert changed["snrd_gm"] == measure_anat(images, ZOOMS)["snrd_gm"]


def test_harmonized_white_matter_is_1000() -> None:
    images = make_images()
    harmonized = harmonize(images.corrected, images.tissues[2], ZOOMS)
    assert np.median(harmonized[RADIUS < 11]) == pytest.approx(1000, rel=0.001)


def test_image_without_white_matter_is_not_scaled() -> None:
    image = np.ones(SHAPE)
    assert harmonize(image, np.zeros(SHAPE), ZOOMS) is image


def test_wm2max_is_low_for_bright_vessels() -> None:
    image = np.full(SHAPE, 1000.0)
    image[:1] = 2000
    assert wm2max(image, WM) == pytest.approx(0.5)
    assert math.isnan(wm2max(np.zeros(SHAPE), WM))


def test_icvs_are_parts_of_the_whole() -> None:
    ones = np.ones((2, 2, 2))
    assert icvs((ones, 2 * ones, ones)) == pytest.approx({"csf": 0.25, "gm": 0.5, "wm": 0.25})
    assert math.isnan(icvs((0 * ones, 0 * ones, 0 * ones))["gm"])


def test_rpve_of_one_half_certain_tissue() -> None:
    probability = np.full((10, 10, 10), 0.8)
    probability[:5] = 0.0  # 500 voxels of p = 0 count 1 each, 500 of p = 0.8 count 0.8
    found = rpve((probability, probability, 0 * probability))
    assert found["csf"] == found["gm"] == pytest.approx((500 * 0.8 + 500) / 500)
    assert math.isnan(found["wm"])


def test_rpve_drops_the_tails() -> None:
    probability = np.linspace(0.001, 1, 1000).reshape(10, 10, 10)
    values = probability.ravel()
    low, high = np.percentile(values, (2, 98))
    kept = np.where((values < low) | (values > high), 0, values)
    expected = sum(p if p > 0.5 else 1 - p for p in kept) / 1000
    assert rpve((probability,) * 3)["gm"] == pytest.approx(expected)


def test_inu_is_the_spread_of_the_field() -> None:
    bias = np.linspace(0.8, 1.2, 1001).reshape(1, 1, 1001)
    found = inu(bias, np.ones_like(bias, dtype=bool))
    assert found == pytest.approx({"range": 0.36, "med": 1.0})
    assert math.isnan(inu(bias, np.zeros_like(bias, dtype=bool))["med"])


def test_overlap_of_shifted_boxes() -> None:
    mine, theirs = np.zeros((2, 10, 10, 10))
    mine[:4], theirs[2:6] = 1, 1
    assert tpm_overlap((mine, mine, mine), (mine, theirs, 0 * mine)) == pytest.approx({"csf": 1, "gm": 1 / 3, "wm": 0})


def test_overlap_without_template_is_nan() -> None:
    assert all(math.isnan(value) for value in tpm_overlap((np.ones(SHAPE),) * 3, None).values())


def test_all_measures_of_a_head() -> None:
    found = measure_anat(make_images(), ZOOMS)
    assert sorted(found) == sorted(NAMES)
    assert [name for name, value in found.items() if math.isnan(value)] == []
    assert found["snrd_wm"] == pytest.approx(2000 / 20, rel=0.05)
    assert found["snr_wm"] == pytest.approx(2000 / 20, rel=0.05)
    assert found["snr_gm"] == pytest.approx(1400 / 20, rel=0.05)
    assert found["summary_wm_median"] == pytest.approx(1000, rel=0.01)
    assert found["summary_gm_median"] == pytest.approx(700, rel=0.01)
    assert found["qi_1"] == 0
    assert found["tpm_overlap_gm"] == 1


def test_noise_makes_every_measure_of_noise_worse() -> None:
    images = make_images()
    noisy_image = add_noise(images.original, 100)
    noisy = replace(
        images,
        original=noisy_image,
        corrected=noisy_image,
        background=find_background(noisy_image, images.head, None, ZOOMS),
    )
    good, bad = measure_anat(images, ZOOMS), measure_anat(noisy, ZOOMS)
    assert bad["cjv"] > good["cjv"]
    assert bad["efc"] > good["efc"]
    for name in ("cnr", "fber", "snr_gm", "snr_total", "snrd_total"):
        assert bad[name] < good[name]


def test_stripped_head_has_no_measures_of_air() -> None:
    images = make_images(stripped=True)
    found = measure_anat(replace(images, head=images.labels > 0), ZOOMS)
    missing = {name for name, value in found.items() if math.isnan(value)}
    of_air = {f"summary_bg_{key}" for key in ("k", "mad", "mean", "median", "p05", "p95", "stdv")}
    assert missing == of_air | {"fber", "qi_1", "qi_2", "snrd_csf", "snrd_gm", "snrd_wm", "snrd_total"}
    assert found["summary_bg_n"] == 0


def test_head_without_tissue_has_measures_of_the_image_only() -> None:
    images = make_images()
    nothing = np.zeros(SHAPE)
    found = measure_anat(replace(images, labels=nothing.astype(int), tissues=(nothing,) * 3), ZOOMS)
    known = {name for name, value in found.items() if not math.isnan(value) and not name.startswith(("summary", "s"))}
    assert known == {"efc", "fber", "qi_1", "qi_2", "tpm_overlap_csf", "tpm_overlap_gm", "tpm_overlap_wm"}
