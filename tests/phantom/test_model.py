"""The physics and the geometry behind the images."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.phantom.anatomy import TISSUE_BY_NAME, TISSUES, make_head
from bidsflow.phantom.catalog import lay_out, plan_session, spread_directions
from bidsflow.phantom.csa import make_element, pack_header
from bidsflow.phantom.field import compute_field, compute_shift, undistort_points
from bidsflow.phantom.grid import make_axial, make_coronal, make_sagittal
from bidsflow.phantom.header import format_number
from bidsflow.phantom.motion import Pose, make_motion, make_pose, move_points
from bidsflow.phantom.protocol import KEYS, SIZES, Series, make_sessions, order_slices, select_keys
from bidsflow.phantom.render import Scene, render_series
from bidsflow.phantom.signal import Contrast, add_noise, attenuate, compute_response, compute_signal, recover_in_train

angles = st.floats(-math.pi, math.pi)
shifts = st.floats(-50, 50)


@given(st.tuples(shifts, shifts, shifts, angles, angles, angles))
def test_pose_and_its_inverse_cancel(values: tuple[float, ...]) -> None:
    pose = Pose(*values)
    points = np.array([[10.0, -20.0], [30.0, 0.0], [5.0, 60.0]])
    np.testing.assert_allclose(move_points(pose.inverse, move_points(pose.matrix, points)), points, atol=1e-3)
    assert np.linalg.det(pose.rotation) == pytest.approx(1)


@pytest.mark.parametrize(
    ("axis", "start", "end"),
    [("rx", (0, 1, 0), (0, 0, 1)), ("ry", (0, 0, 1), (1, 0, 0)), ("rz", (1, 0, 0), (0, 1, 0))],
)
def test_pose_turns_right_handed(axis: str, start: tuple[int, ...], end: tuple[int, ...]) -> None:
    pose = Pose(**{axis: math.pi / 2})
    np.testing.assert_allclose(pose.rotation @ np.array(start), end, atol=1e-12)


@given(st.tuples(shifts, shifts, shifts, angles, st.floats(-1.5, 1.5), angles))
def test_pose_after_a_motion_is_one_after_the_other(values: tuple[float, ...]) -> None:
    pose, motion = Pose(1.0, -2.0, 3.0, 0.02, 0.03, -0.04), Pose(*values)
    np.testing.assert_allclose(pose.then(motion).matrix, motion.matrix @ pose.matrix, atol=1e-6)


def measure_steps(motion: tuple[Pose, ...]) -> np.ndarray:
    """Return the framewise displacement (Power et al. 2012), millimetres."""
    steps = np.abs(np.diff([pose.values for pose in motion], axis=0))
    return np.asarray(steps[:, :3].sum(axis=1) + 50 * steps[:, 3:].sum(axis=1))


def test_motion_begins_at_rest_and_goes_on() -> None:
    motion = make_motion(30, 2.0, 0, "x")
    values = np.array([p.values for p in motion])
    assert not values[0].any()
    assert 0.1 < np.abs(values[:, :3]).max() < 4
    assert 0.001 < np.abs(values[:, 3:]).max() < 0.03
    assert make_motion(30, 2.0, 0, "x") == motion != make_motion(30, 2.0, 1, "x")


@pytest.mark.parametrize("count", [20, 80, 200])
def test_motion_is_as_fast_in_long_runs_as_in_short_ones(count: int) -> None:
    """As adults move who lie still, with a jump now and then."""
    runs = [measure_steps(make_motion(count, 2.0, seed, "x")) for seed in range(20)]
    assert 0.1 < np.median([run.mean() for run in runs]) < 0.25
    assert np.mean([run.max() > 2 * np.median(run) for run in runs]) > 0.8


@pytest.mark.parametrize(
    ("grid", "axes"),
    [
        (make_axial((4, 6, 8), (2.0, 3.0, 4.0)), "LPS"),
        (make_sagittal((4, 6, 8), (2.0, 3.0, 4.0)), "PIR"),
        (make_coronal((4, 6, 8), (2.0, 3.0, 4.0)), "LIP"),
    ],
    ids=["axial", "sagittal", "coronal"],
)
def test_grid_runs_along_its_axes(grid: object, axes: str) -> None:
    import nibabel as nib

    affine = grid.affine  # type: ignore[attr-defined]
    assert "".join(nib.aff2axcodes(affine)) == axes
    np.testing.assert_allclose(np.linalg.norm(affine[:3, :3], axis=0), (2, 3, 4))
    middle = affine @ [1.5, 2.5, 3.5, 1]
    np.testing.assert_allclose(middle[:3], (0, -5, 0), atol=1e-12)


def test_grid_points_are_those_of_the_affine() -> None:
    grid = make_axial((4, 6, 8), (2.0, 3.0, 4.0), tilt=20)
    expected = grid.affine @ [3, 2, 5, 1]
    np.testing.assert_allclose(grid.points()[:, 5, 2, 3], expected[:3], atol=1e-4)
    np.testing.assert_allclose(grid.position(5) * [-1, -1, 1], (grid.affine @ [0, 0, 5, 1])[:3], atol=1e-9)


def test_weights_fill_the_head_and_leave_the_air() -> None:
    head = make_head(0, "01")
    points = np.array([[0, 0, 0], [0, 0, 40], [200, 0, 0], head.marker], dtype=np.float32).T
    weights = head.weights(points, 2.0)
    np.testing.assert_allclose(weights.sum(axis=0), [1, 1, 0, 1], atol=1e-5)
    names = [head.tissues()[i].name for i in weights.argmax(axis=0)]
    assert names[3] == "capsule"
    assert make_head(0, "01") == head != make_head(0, "02")


def test_tensors_have_their_diffusivities_along_the_fibre() -> None:
    white = TISSUE_BY_NAME["corticospinal"]
    assert attenuate(white, 1000, np.array([0.0, 0.0, 1.0])) == pytest.approx(math.exp(-1.7))
    assert attenuate(white, 1000, np.array([1.0, 0.0, 0.0])) == pytest.approx(math.exp(-0.3))
    for tissue in TISSUES:
        assert np.trace(tissue.tensor) == pytest.approx(sum(tissue.diffusivity))


class TestSignal:
    """Limits that a text book gives."""

    def test_spin_echo_falls_by_e_in_t2(self) -> None:
        gray, contrast = TISSUE_BY_NAME["gray"], Contrast("spin", 4000, 90)
        ratio = compute_signal(gray, contrast, 120) / compute_signal(gray, contrast, 20)
        assert ratio == pytest.approx(math.exp(-100 / gray.t2_ms))

    def test_inversion_nulls_a_tissue(self) -> None:
        csf = TISSUE_BY_NAME["csf"]
        null = csf.t1_ms * math.log(2 / (1 + math.exp(-9000 / csf.t1_ms)))
        assert compute_signal(csf, Contrast("inversion", 9000, 90, null), 80) == pytest.approx(0, abs=1e-9)

    def test_ernst_angle_is_the_brightest(self) -> None:
        white = TISSUE_BY_NAME["white"]
        ernst = math.degrees(math.acos(math.exp(-400 / white.t1_ms)))
        best = compute_signal(white, Contrast("spoiled", 400, ernst), 5)
        assert best > compute_signal(white, Contrast("spoiled", 400, ernst + 5), 5)
        assert best > compute_signal(white, Contrast("spoiled", 400, ernst - 5), 5)

    @pytest.mark.parametrize(("brighter", "darker", "key"), [("white", "gray", "t1w"), ("csf", "gray", "t2w")])
    def test_contrasts_are_those_of_their_names(self, brighter: str, darker: str, key: str) -> None:
        session = make_sessions()[0]
        series = plan_session(session, SIZES["tiny"], [key])[0]
        contrast, te = series.sequence.contrast, series.sequence.te_ms[0]
        values = [compute_signal(TISSUE_BY_NAME[n], contrast, te) for n in (brighter, darker)]
        assert values[0] > 1.2 * values[1]

    def test_gray_matter_of_an_mprage_is_that_of_scanners_at_3_tesla(self) -> None:
        contrast = plan_session(make_sessions()[0], SIZES["tiny"], ["t1w"])[0].sequence.contrast
        gray, white, csf = (compute_signal(TISSUE_BY_NAME[name], contrast, 3) for name in ("gray", "white", "csf"))
        assert 0.6 < gray / white < 0.75
        assert csf < 0.4 * white

    @pytest.mark.parametrize("t1_ms", [400.0, 850.0, 1400.0, 4000.0])
    def test_mprage_settles_where_pulse_after_pulse_leads(self, t1_ms: float) -> None:
        contrast = Contrast("mprage", 2300, 9, 900, pulses=150, pulse_spacing_ms=7)
        recover = [math.exp(-time / t1_ms) for time in (900 - 75 * 7, 7, 2300 - 900 - 75 * 7)]
        magnetization = 1.0
        for _ in range(60):
            magnetization = 1 - (1 + magnetization) * recover[0]
            for pulse in range(150):
                if pulse == 75:
                    middle = magnetization
                magnetization = 1 - (1 - magnetization * math.cos(math.radians(9))) * recover[1]
            magnetization = 1 - (1 - magnetization) * recover[2]
        assert recover_in_train(t1_ms, contrast) == pytest.approx(middle, rel=1e-9)

    def test_noise_has_its_deviation(self) -> None:
        image = add_noise(np.full(40000, 1000.0), 8.0, np.random.default_rng(0))
        assert image.std() == pytest.approx(8, rel=0.05)
        air = add_noise(np.zeros(40000), 8.0, np.random.default_rng(0))
        assert air.mean() == pytest.approx(8 * math.sqrt(math.pi / 2), rel=0.05)


def test_response_settles_at_one_and_comes_late() -> None:
    times = np.arange(0, 80, 0.5)
    response = compute_response(times, (10.0,), 50.0)
    assert not response[times < 10].any()
    assert response[times == 11].max() < 0.1
    assert response[(times > 45) & (times < 58)].mean() == pytest.approx(1, abs=0.02)


def test_undistorted_points_go_where_the_field_sends_them() -> None:
    grid, pose = lay_out(SIZES["tiny"]).epi, make_pose(0, "x")
    points = grid.points().reshape(3, -1)
    shift = compute_shift(grid, "PA", 32, 0.0005)
    assert shift[1] > 0
    origin, density = undistort_points(points, pose, shift)
    again = origin + shift[:, None] * compute_field(origin, pose)
    np.testing.assert_allclose(again, points, atol=0.02)
    assert 0.5 < density.min() < 1 < density.max() < 2


def test_distortion_goes_with_the_head() -> None:
    grid, pose, motion = lay_out(SIZES["tiny"]).epi, make_pose(0, "x"), Pose(tx=4.0, ty=-6.0, tz=8.0)
    points = grid.points().reshape(3, -1)
    shift = compute_shift(grid, "AP", 32, 0.0005)
    origin, density = undistort_points(points, pose, shift)
    moved = move_points(motion.matrix, points)
    there, density_there = undistort_points(moved, pose.then(motion), shift, start=moved)
    np.testing.assert_allclose(there, move_points(motion.matrix, origin), atol=0.01)
    np.testing.assert_allclose(density_there, density, atol=0.01)


class Shaken(Scene):
    """A scene whose head goes to the right, by half a millimetre a volume."""

    def motion(self, series: Series) -> tuple[Pose, ...]:
        return tuple(Pose(tx=0.5 * index, ry=0.001 * index) for index in range(series.volumes))


@pytest.mark.parametrize("key", ["rest", "dwi"])
def test_volumes_show_the_head_where_the_motion_says(key: str) -> None:
    session = make_sessions()[0]
    (series,) = (one for one in plan_session(session, SIZES["tiny"], [key]) if one.key == key)
    series = replace(series, volumes=5, b_values=(0.0,) * 5 if key == "dwi" else (), directions=series.directions[:5])
    scene = Shaken(make_head(0, "01"), Pose(), 0, "x")
    weights = [volume.pixels.sum(axis=(0, 1), dtype=float) for volume in render_series(scene, series)]
    left = [float((weight * np.arange(weight.size)).sum() / weight.sum()) for weight in weights]
    # Columns run to the left; turns about the other axes move what is above and below the isocentre a little.
    assert (left[0] - left[-1]) * series.grid.spacing[0] == pytest.approx(2.0, abs=0.2)


def test_any_first_directions_are_spread() -> None:
    vectors = np.array(spread_directions(30))
    for count in (8, 15):
        least = np.linalg.eigvalsh(vectors[:count].T @ vectors[:count] / count)[0]
        assert least > 0.2
    times = np.linspace(-1, 1, 30)
    assert np.abs(np.corrcoef(times, vectors.T)[0, 1:]).max() < 0.2


@given(st.integers(2, 80), st.sampled_from([0, 1]))
def test_every_slice_has_its_own_time(count: int, first: int) -> None:
    times = order_slices(count, 0.05, first=first)
    np.testing.assert_allclose(sorted(times), np.arange(count) * 0.05, atol=1e-6)
    assert times[first] == 0


def test_directions_cover_the_half_sphere() -> None:
    vectors = np.array(spread_directions(30))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    spread = np.linalg.eigvalsh(vectors.T @ vectors / 30)
    np.testing.assert_allclose(spread, 1 / 3, atol=0.03)


def test_series_follow_each_other_without_overlap() -> None:
    series = plan_session(make_sessions()[0], SIZES["tiny"], KEYS)
    assert [s.number for s in series] == list(range(1, len(series) + 1))
    scans = [s for s in series if not s.same_scan]
    for before, after in pairwise(scans):
        assert (after.start - before.start).total_seconds() > before.duration


def test_select_keys_keeps_the_order_of_a_session() -> None:
    assert select_keys(["dwi", "anat", "localizer"]) == ("localizer", "t1w", "t2w", "flair", "pdw", "dwi")
    assert select_keys(None) == KEYS == select_keys(["all"])


@given(st.floats(-1e6, 1e6))
def test_numbers_fit_into_a_decimal_string(value: float) -> None:
    text = format_number(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-6, abs=1e-7)


@pytest.mark.filterwarnings("ignore:The DICOM readers are highly experimental")
def test_csa_header_is_read_by_nibabel() -> None:
    from nibabel.nicom import csareader

    elements = [
        make_element("NumberOfImagesInMosaic", "US", 16),
        make_element("MosaicRefAcqTimes", "FD", *(float(t) for t in range(16))),
        make_element("AcquisitionMatrixText", "SH", "32*32"),
    ]
    read = csareader.read(pack_header(elements))["tags"]
    assert read["NumberOfImagesInMosaic"]["items"] == [16]
    assert read["MosaicRefAcqTimes"]["items"] == [float(t) for t in range(16)]
    assert read["AcquisitionMatrixText"]["items"] == ["32*32"]
