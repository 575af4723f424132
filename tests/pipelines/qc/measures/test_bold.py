import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from bidsflow_pipelines.qc.measures.bold import (
    BLOCK,
    aor,
    aqi,
    dummy_trs,
    dvars,
    gcor,
    gsr,
    measure_bold,
    time_courses,
    trace_bold,
    tsnr,
)

SHAPE = (16, 18, 12)
MASK = np.linalg.norm((np.indices(SHAPE).T - (7.5, 8.5, 5.5)).T, axis=0) < 5
NAMES = """
aor aqi dummy_trs dvars_nstd dvars_std dvars_vstd efc fber fd_mean fd_num fd_perc fwhm_avg fwhm_x fwhm_y fwhm_z gcor
gsr_x gsr_y size_t size_x size_y size_z snr spacing_tr spacing_x spacing_y spacing_z summary_bg_k summary_bg_mad
summary_bg_mean summary_bg_median summary_bg_n summary_bg_p05 summary_bg_p95 summary_bg_stdv summary_fg_k
summary_fg_mad summary_fg_mean summary_fg_median summary_fg_n summary_fg_p05 summary_fg_p95 summary_fg_stdv tsnr
""".split()  # noqa: SIM905


def make_courses(voxels: int = 600, volumes: int = 100, seed: int = 0) -> np.ndarray:
    """Return voxels with a mean around 1000 and independent noise of deviation 10."""
    random = np.random.default_rng(seed)
    return random.uniform(900, 1100, (voxels, 1)) + random.normal(scale=10, size=(voxels, volumes))


def make_series(volumes: int = 40) -> np.ndarray:
    random = np.random.default_rng(0)
    anatomy = np.where(MASK, random.uniform(900, 1100, SHAPE), 20.0)
    return (anatomy[..., np.newaxis] + random.normal(scale=10, size=(*SHAPE, volumes))).astype(np.float32)


def test_time_courses_are_those_of_the_mask() -> None:
    series = make_series()
    series[8, 8, 6, 3] = np.nan
    courses = time_courses(series, MASK.astype(np.uint8))
    assert courses.shape == (MASK.sum(), 40)
    assert np.isfinite(courses).all()
    assert np.isnan(series[8, 8, 6, 3])
    assert time_courses(np.nan_to_num(series).astype(np.int16), MASK).dtype == np.float32


def test_standardized_dvars_of_noise_is_1() -> None:
    found = dvars(make_courses(2000, 200))
    assert found.std.shape == (199,)
    assert found.std.mean() == pytest.approx(1, rel=0.05)
    assert found.vstd.mean() == pytest.approx(1, rel=0.05)
    assert found.nstd.mean() == pytest.approx(math.sqrt(2) * 10, rel=0.02)


def test_dvars_does_not_depend_on_the_scale() -> None:
    courses = make_courses()
    assert dvars(7 * courses).nstd == pytest.approx(dvars(courses).nstd)


def test_dvars_is_that_of_each_voxel_by_itself() -> None:
    """Nichols' definition written out, voxel by voxel, with autocorrelation as numpy knows it."""
    courses = make_courses(BLOCK + 50, 30) * np.linspace(0.5, 2, 30)
    courses *= 1000 / np.median(courses)
    noise = []
    for course in courses:
        low, high = np.percentile(course, (25, 75), method="lower")
        centered = course - course.mean()
        full = np.correlate(centered, centered, "full")
        noise.append((high - low) / 1.349 * math.sqrt(2 * (1 - full[30] / full[29])))
    change = np.diff(courses, axis=1)
    found = dvars(courses)
    assert found.nstd == pytest.approx(np.sqrt((change**2).mean(axis=0)))
    assert found.std == pytest.approx(np.sqrt((change**2).mean(axis=0)) / np.mean(noise))
    assert found.vstd == pytest.approx(np.sqrt(((change / np.array(noise)[:, None]) ** 2).mean(axis=0)))


def test_dvars_agrees_with_nipype(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    pytest.importorskip("nitime")
    confounds = pytest.importorskip("nipype.algorithms.confounds")
    series = make_series()
    nibabel.save(nibabel.Nifti1Image(series, np.eye(4)), tmp_path / "bold.nii")
    nibabel.save(nibabel.Nifti1Image(MASK.astype(np.uint8), np.eye(4)), tmp_path / "mask.nii")
    theirs = confounds.compute_dvars(tmp_path / "bold.nii", tmp_path / "mask.nii", True, variance_tol=1e-7)
    for ours, other in zip(dvars(time_courses(series, MASK)), theirs, strict=True):
        assert ours == pytest.approx(other, rel=1e-4)


def test_jump_stands_out_in_dvars() -> None:
    courses = make_courses()
    courses[:, 50:] += 50
    assert dvars(courses).std.argmax() == 49


def test_dvars_leaves_out_voxels_that_do_not_vary() -> None:
    courses = make_courses()
    with_constant = np.vstack([courses, np.full((1, 100), np.median(courses))])
    for mine, other in zip(dvars(with_constant), dvars(courses), strict=True):
        assert mine == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize("courses", [make_courses(volumes=2), np.ones((5, 9)), np.zeros((5, 9)), np.empty((0, 9))])
def test_dvars_is_nan_without_change(courses: np.ndarray) -> None:
    found = dvars(courses)
    assert all(len(values) == courses.shape[1] - 1 for values in found)
    assert all(np.isnan(values).all() for values in found)


def test_tsnr_of_known_noise() -> None:
    assert tsnr(make_courses(volumes=200)) == pytest.approx(100, rel=0.05)


def test_tsnr_of_voxels_without_noise_is_0() -> None:
    assert tsnr(np.ones((10, 10))) == 0


def test_tsnr_agrees_with_nipype(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    confounds = pytest.importorskip("nipype.algorithms.confounds")
    series = make_series()
    nibabel.save(nibabel.Nifti1Image(series, np.eye(4)), tmp_path / "bold.nii")
    names = {f"{name}_file": str(tmp_path / f"{name}.nii") for name in ("tsnr", "mean", "stddev")}
    confounds.TSNR(in_file=str(tmp_path / "bold.nii"), **names).run(cwd=str(tmp_path))
    theirs = nibabel.load(tmp_path / "tsnr.nii").get_fdata()[MASK]
    assert tsnr(time_courses(series, MASK)) == pytest.approx(np.median(theirs), rel=1e-5)


def test_gcor_of_equal_courses_is_1() -> None:
    course = np.random.default_rng(0).normal(size=50)
    assert gcor(np.outer([1, 5, 0.1], course) + np.array([[3], [4], [5]])) == pytest.approx(1)


def test_gcor_is_the_mean_of_all_correlations() -> None:
    courses = make_courses(300) + 5 * np.random.default_rng(1).normal(size=100)
    assert gcor(courses) == pytest.approx(np.corrcoef(courses).mean())
    assert gcor(np.vstack([courses, np.ones((4, 100))])) == pytest.approx(gcor(courses))


def test_aqi_is_one_minus_the_rank_correlation() -> None:
    from scipy.stats import spearmanr

    courses = np.round(make_courses())
    median = np.median(courses, axis=1)
    expected = [1 - spearmanr(volume, median).statistic for volume in courses.T]
    assert aqi(courses) == pytest.approx(expected)


def test_aqi_of_a_volume_without_contrast_is_1() -> None:
    courses = make_courses()
    courses[:, 7] = 5
    assert aqi(courses)[7] == 1
    assert aqi(courses).argmax() == 7


def test_broken_volume_is_all_outliers() -> None:
    courses = make_courses()
    courses[:, 30] += 500
    found = aor(courses, tr=2.0)
    assert found[30] == 1
    assert np.delete(found, 30).max() < 0.01


def test_drift_is_no_outlier() -> None:
    time = np.linspace(-1, 1, 200)
    courses = make_courses(volumes=200) + 300 * (time**3 - time**2)
    assert aor(courses, tr=2.0).max() < 0.01


def test_noise_has_as_few_outliers_as_the_threshold_says() -> None:
    from scipy.stats import norm

    sigmas = norm.isf(0.001 / 1000) * math.sqrt(math.pi / 2) * 0.67449
    assert aor(make_courses(3000, 1000), tr=0.1).mean() == pytest.approx(2 * norm.sf(sigmas), rel=0.25)


def test_aor_agrees_with_least_absolute_deviations() -> None:
    """3dToutcount's own fit, solved as a linear program, voxel by voxel."""
    from scipy.optimize import linprog
    from scipy.stats import norm

    voxels, volumes = 40, 60
    courses = make_courses(voxels, volumes)
    random = np.random.default_rng(3)
    courses[random.integers(0, voxels, 60), random.integers(0, volumes, 60)] += 90
    design = np.polynomial.legendre.legvander(np.linspace(-1, 1, volumes), 1)
    weights = np.r_[np.zeros(2), np.ones(2 * volumes)]
    limits = [(None, None)] * 2 + [(0, None)] * (2 * volumes)
    outliers = np.zeros(volumes)
    for course in courses:
        fit = linprog(weights, A_eq=np.hstack([design, np.eye(volumes), -np.eye(volumes)]), b_eq=course, bounds=limits)
        distance = np.abs(course - design @ fit.x[:2])
        outliers += distance > norm.isf(0.001 / volumes) * math.sqrt(math.pi / 2) * np.median(distance)
    assert aor(courses, tr=2.0) == pytest.approx(outliers / voxels, abs=1 / voxels)
    assert outliers.sum() > 50


def test_voxels_that_follow_their_trend_have_no_outliers() -> None:
    courses = np.outer(np.linspace(1, 9, 20), np.arange(30.0))
    assert not aor(courses, tr=2.0).any()


def test_short_series_have_no_measures_over_time() -> None:
    courses = make_courses(volumes=2)
    assert math.isnan(tsnr(courses))
    assert math.isnan(gcor(courses))
    assert np.isnan(aqi(courses)).all()
    assert np.isnan(aor(make_courses(volumes=4), tr=2.0)).all()


def test_gcor_of_constants_is_nan() -> None:
    assert math.isnan(gcor(np.ones((10, 10))))


@pytest.mark.parametrize("dummies", [0, 1, 4])
def test_dummies_agree_with_nipype(tmp_path: Path, dummies: int) -> None:
    nibabel = pytest.importorskip("nibabel")
    confounds = pytest.importorskip("nipype.algorithms.confounds")
    series = make_series(60)
    series[..., :dummies] *= np.linspace(2, 1.2, dummies)
    nibabel.save(nibabel.Nifti1Image(series, np.eye(4)), tmp_path / "bold.nii")
    theirs = confounds.NonSteadyStateDetector(in_file=str(tmp_path / "bold.nii")).run()
    assert dummy_trs(series) == theirs.outputs.n_volumes_to_discard == dummies


def test_constant_series_has_no_dummies() -> None:
    series = np.ones((4, 4, 4, 10))
    assert dummy_trs(series) == 0
    series[..., 0] = 2
    assert dummy_trs(series) == 1


@pytest.mark.parametrize("axis", [0, 1])
def test_gsr_is_the_strength_of_the_ghost(axis: int) -> None:
    image = np.where(MASK, 1000.0, 10.0)
    ghost = np.roll(MASK, SHAPE[axis] // 2, axis=axis) & ~MASK
    image[ghost] = 60
    assert gsr(image, MASK, axis) == pytest.approx(50 / 1000)


def test_gsr_without_ghost_is_0() -> None:
    assert gsr(np.where(MASK, 1000.0, 10.0), MASK, 1) == 0


def test_gsr_without_background_is_nan() -> None:
    assert math.isnan(gsr(np.ones(SHAPE), np.ones(SHAPE, dtype=bool), 1))


def test_all_measures_of_a_series() -> None:
    series = make_series()
    motion = np.zeros((40, 6))
    motion[20:, 0] = 0.5
    courses = time_courses(series, MASK)
    traces = trace_bold(courses, motion, tr=2.0)
    found = measure_bold(series, MASK, courses, traces, zooms=(3.0, 3.0, 4.0), tr=2.0, dummies=2)
    assert sorted(found) == sorted(NAMES)
    unknown = {name for name, value in found.items() if math.isnan(value)}
    assert unknown <= {"fwhm_x", "fwhm_y", "fwhm_z", "fwhm_avg"}  # white noise has no smoothness
    assert (found["fd_num"], found["fd_mean"], found["dummy_trs"]) == (1, pytest.approx(0.5 / 39), 2)
    assert found["tsnr"] == pytest.approx(100, rel=0.1)
    assert found["summary_fg_n"] == MASK.sum()


def test_series_without_a_brain_has_measures_of_the_image_only() -> None:
    series, nothing = make_series(), np.zeros(SHAPE, dtype=bool)
    courses = time_courses(series, nothing)
    traces = trace_bold(courses, np.zeros((40, 6)), tr=2.0)
    found = measure_bold(series, nothing, courses, traces, zooms=(3.0, 3.0, 4.0), tr=2.0, dummies=0)
    known = {name for name, value in found.items() if not math.isnan(value) and not name.startswith("s")}
    assert known == {"dummy_trs", "efc", "fd_mean", "fd_num", "fd_perc"}


def test_single_volume_has_no_measures_over_time() -> None:
    series = make_series(1)
    courses = time_courses(series, MASK)
    traces = trace_bold(courses, np.zeros((1, 6)), tr=2.0)
    found = measure_bold(series, MASK, courses, traces, zooms=(3.0, 3.0, 4.0), tr=2.0, dummies=dummy_trs(series))
    unknown = {name for name, value in found.items() if math.isnan(value)}
    over_time = {"aor", "aqi", "dvars_nstd", "dvars_std", "dvars_vstd", "fd_mean", "fd_num", "fd_perc", "gcor", "tsnr"}
    assert unknown - {"fwhm_x", "fwhm_y", "fwhm_z", "fwhm_avg"} == over_time
