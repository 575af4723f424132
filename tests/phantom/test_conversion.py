"""What dcm2niix reads out of an export is what the truth says is in it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from .conftest import Converted, Export


def sample(image: np.ndarray, affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return trilinear values of a volume at RAS points (3, n); zero outside."""
    index = np.linalg.inv(affine)[:3] @ np.vstack([points, np.ones(points.shape[1])])
    low = np.floor(index).astype(int)
    part = index - low
    out = np.zeros(points.shape[1])
    for corner in np.ndindex(2, 2, 2):
        at = low + np.array(corner)[:, None]
        weight = np.prod([p if c else 1 - p for c, p in zip(corner, part, strict=True)], axis=0)
        inside = np.all((at >= 0) & (at < np.array(image.shape)[:, None]), axis=0)
        i, j, k = at[:, inside]
        out[inside] += weight[inside] * image[i, j, k]
    return out


def voxel_points(image: Converted) -> np.ndarray:
    """Return the RAS points (3, n) of all voxels."""
    index = np.indices(image.shape[:3]).reshape(3, -1)
    return image.affine[:3, :3] @ index + image.affine[:3, 3:]


def sample_map(export: Export, kind: str, points: np.ndarray) -> np.ndarray:
    """Return a map of the truth at the nearest voxels."""
    session = export.truth.sessions[0]
    name, affine = {
        "field": (session.field_map, session.field_affine),
        "label": (session.label_map, session.label_affine),
    }[kind]
    values = np.load(export.root / "truth" / name)
    index = np.rint(np.linalg.inv(affine)[:3] @ np.vstack([points, np.ones(points.shape[1])])).astype(int)
    limits = np.array(values.shape)[:, None]
    inside = np.all((index >= 0) & (index < limits), axis=0)
    i, j, k = np.clip(index, 0, limits - 1)
    return np.where(inside, values[i, j, k], -1)


def test_every_series_gives_its_images(export: Export) -> None:
    for series in export.truth.series:
        images = export.of(series)
        assert len(images) == series.outputs, series.description
        for image in images:
            assert sorted(image.shape) == sorted(series.shape), series.description


def test_nothing_else_comes_out(export: Export) -> None:
    assert len(export.images) == sum(s.outputs for s in export.truth.series)


def test_affine_is_that_of_the_scanner(export: Export) -> None:
    for series in export.truth.series:
        if series.key == "localizer":
            continue
        columns, rows, slices = series.shape[:3]
        corners = np.array([[i, j, k, 1] for i in (0, columns - 1) for j in (0, rows - 1) for k in (0, slices - 1)])
        expected = np.array(series.affine) @ corners.T
        for image in export.of(series):
            size = image.shape[:3]
            index = np.array(
                [[i, j, k, 1] for i in (0, size[0] - 1) for j in (0, size[1] - 1) for k in (0, size[2] - 1)]
            )
            found = image.affine @ index.T
            order = [np.lexsort(np.round(x[:3], 1)) for x in (expected, found)]
            np.testing.assert_allclose(found[:3, order[1]], expected[:3, order[0]], atol=0.02)


@pytest.mark.parametrize("key", ["t1w", "t2w", "pdw", "flair", "fieldmap", "rest", "dwi"])
def test_marker_is_at_the_right_front_and_top(export: Export, key: str) -> None:
    image = export.one(key)
    data = image.data if image.data.ndim == 3 else image.data[..., 0]
    marker = np.array(export.truth.sessions[0].marker)[:, None]
    assert np.all(marker > 30)
    there = sample(data, image.affine, marker)[0]
    for axis in range(3):
        mirrored = marker.copy()
        mirrored[axis] *= -1
        assert there > 2.5 * sample(data, image.affine, mirrored)[0], f"axis {axis}"


def test_sidecar_has_the_timing_and_the_phase_encoding(export: Export) -> None:
    for series in export.truth.series:
        if not series.phase_encoding or series.key == "adc":
            continue
        for image in export.of(series):
            sidecar = image.sidecar
            assert sidecar["PhaseEncodingDirection"] == series.phase_encoding, series.description
            assert sidecar["TotalReadoutTime"] == pytest.approx(series.total_readout, rel=1e-3)
            assert sidecar["EffectiveEchoSpacing"] == pytest.approx(series.echo_spacing, rel=1e-3)
            assert sidecar["RepetitionTime"] == pytest.approx(series.repetition_time)
            if export.truth.dialect == "ge" and len(image.shape) == 3:
                continue  # dcm2niix gives no slice times for a single volume of GE
            np.testing.assert_allclose(sidecar["SliceTiming"], series.slice_times, atol=0.003)


def test_sidecar_has_the_echo_times(export: Export) -> None:
    checked = 0
    for series in export.truth.series:
        for image, name in zip(export.of(series), series.names, strict=False):
            assert image.sidecar["EchoTime"] == pytest.approx(name.echo_time), series.description
            checked += 1
    assert checked > 10
    if export.truth.dialect != "ge":  # GE stores both phases, not their difference
        phase = export.of(export.truth.series[6])[0].sidecar
        assert phase["EchoTime2"] - phase["EchoTime1"] == pytest.approx(0.00246, abs=1e-5)


def test_sidecar_has_the_physics_of_the_t1w(export: Export) -> None:
    sidecar = export.one("t1w").sidecar
    assert sidecar["InversionTime"] == pytest.approx(0.9)
    assert sidecar["RepetitionTime"] == pytest.approx(2.3)
    assert sidecar["FlipAngle"] == pytest.approx(9)
    assert sidecar["MRAcquisitionType"] == "3D"
    assert sidecar["ManufacturersModelName"] == "bidsflow phantom"


def test_all_series_have_the_shim_of_the_session(export: Export) -> None:
    shims = {tuple(i.sidecar["ShimSetting"]) for i in export.images}
    assert len(shims) == 1
    assert shims.pop() == export.truth.sessions[0].shim[: 3 if export.truth.dialect == "ge" else 8]


def test_times_give_the_order_of_the_series(export: Export) -> None:
    starts = [(export.of(s)[0].sidecar["AcquisitionTime"], s) for s in export.truth.series if s.key != "adc"]
    scans = [time for time, s in starts if s.number != 7]
    assert all(a < b for a, b in pairwise(scans))


def test_gradients_are_those_of_the_scanner(export: Export) -> None:
    series = export.truth.find_series("dwi")
    image = export.one("dwi")
    np.testing.assert_allclose(image.read_table(".bval"), series.b_values)
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    if np.linalg.det(axes) > 0:  # FSL counts the first axis backwards in images of positive determinant
        axes[:, 0] *= -1
    found = axes @ image.read_table(".bvec")
    for column, expected in zip(found.T, np.array(series.directions), strict=True):
        assert abs(column @ expected) == pytest.approx(expected @ expected, abs=1e-4)


def test_tensors_point_where_the_fibres_go(export: Export) -> None:
    series, image = export.truth.find_series("dwi"), export.one("dwi")
    labels = sample_map(export, "label", voxel_points(image))
    names = [t.name for t in export.truth.tissues]
    data = image.data.reshape(-1, image.shape[3])
    b_values, directions = np.array(series.b_values), np.array(series.directions)
    weighted = b_values > 0
    design = np.array([np.outer(g, g)[np.triu_indices(3)] * [1, 2, 2, 1, 2, 1] for g in directions[weighted]])
    for name, threshold in (("white", 0.95), ("corticospinal", 0.9)):
        chosen = (labels == names.index(name)) & (data[:, ~weighted].mean(axis=1) > 300)
        base = data[chosen][:, ~weighted].mean(axis=1, keepdims=True)
        decay = -np.log(np.maximum(data[chosen][:, weighted], 1) / base) / 1000
        coefficients = np.linalg.lstsq(design, decay.T, rcond=None)[0]
        tensor = np.zeros((3, 3))
        tensor[np.triu_indices(3)] = np.median(coefficients, axis=1)
        tensor = tensor + np.triu(tensor, 1).T
        found = np.linalg.eigh(tensor)[1][:, -1]
        expected = np.linalg.eigh(np.reshape(export.truth.tissues[names.index(name)].tensor, (3, 3)))[1][:, -1]
        assert abs(found @ expected) > threshold, name


def test_field_comes_back_from_the_phase(export: Export) -> None:
    magnitude, phases = export.of(export.truth.series[5])[0], export.of(export.truth.series[6])
    points = voxel_points(phases[0])
    head = magnitude.data.ravel() > 0.25 * magnitude.data.max()
    if export.truth.dialect == "ge":  # milliradians at each echo
        first, second = (np.exp(1j * p.data.ravel() / 1000) for p in phases)
        angle = np.angle(second / first)
    else:
        angle = phases[0].data.ravel() * np.pi / 4096
    hertz = angle / (2 * np.pi * 0.00246)
    difference = (hertz - sample_map(export, "field", points))[head]
    assert np.median(np.abs(difference)) < 2
    assert abs(np.median(difference)) < 0.3
    assert np.ptp(sample_map(export, "field", points)[head]) > 60


def test_pair_is_distorted_by_the_field_along_the_phase_encoding(export: Export) -> None:
    pair = [s for s in export.truth.series if s.key == "topup"]
    restored, raw = {}, {}
    for sign in (1, -1):
        images = []
        for series in pair:
            image = export.of(series)[0]
            points = voxel_points(image)
            field = sample_map(export, "field", points)
            direction = -1 if series.phase_encoding.endswith("-") else 1
            axis = image.affine[:3, 1]
            lines = series.shape[1]
            shift = sign * direction * field * series.echo_spacing * lines
            density = 1 + np.gradient(shift.reshape(image.shape[:3]), axis=1).ravel()
            images.append(density * sample(image.data[..., 0], image.affine, points + shift * axis[:, None]))
            raw[series.phase_encoding] = image.data[..., 0].ravel()
        restored[sign] = np.abs(images[0] - images[1])
    core = np.hypot(*voxel_points(export.of(pair[0])[0])[:2]) < 60
    plain = np.abs(raw["j"] - raw["j-"])[core].mean()
    assert restored[1][core].mean() < 0.6 * plain
    assert restored[-1][core].mean() > 1.3 * plain


def test_motion_is_that_of_the_truth(export: Export) -> None:
    from bidsflow.phantom import Pose

    series, image = export.truth.find_series("rest"), export.one("rest")
    points = voxel_points(image)
    inner = np.linalg.norm(points, axis=0) < 55
    points, data = points[:, inner], image.data
    first = sample(data[..., 0], image.affine, points)
    better = []
    for volume in range(len(series.motion) // 2, len(series.motion)):
        pose = Pose(*series.motion[volume])
        moved = pose.rotation @ points + np.array(series.motion[volume][:3])[:, None]
        away = pose.rotation.T @ (points - np.array(series.motion[volume][:3])[:, None])
        errors = [np.abs(sample(data[..., volume], image.affine, p) - first).mean() for p in (moved, points, away)]
        better.append(errors[0] < errors[1] < errors[2])
    assert np.mean(better) > 0.9


def test_region_answers_to_the_blocks(export: Export) -> None:
    series, image, session = export.truth.find_series("task"), export.one("task"), export.truth.sessions[0]
    points = voxel_points(image)
    data = image.data.reshape(-1, image.shape[3])
    centre = np.array(session.active)[:, None]
    region = np.linalg.norm(points - centre, axis=0) < 0.7 * session.active_radius
    mirrored = np.linalg.norm(points - centre * [[-1], [1], [1]], axis=0) < 0.7 * session.active_radius
    times = np.arange(image.shape[3]) * series.repetition_time
    on = np.any([(times >= o + 5) & (times < o + series.block + 3) for o in series.onsets], axis=0)
    off = np.all([(times < o) | (times > o + series.block + 10) for o in series.onsets], axis=0)
    change = [data[r][:, on].mean() / data[r][:, off].mean() - 1 for r in (region, mirrored)]
    assert 0.01 < change[0] < 0.05
    assert change[0] > 2 * abs(change[1])


def test_echoes_decay_with_t2star(export: Export) -> None:
    series = export.truth.find_series("mebold")
    images = export.of(series)
    labels = sample_map(export, "label", voxel_points(images[0]))
    white = next(t for t in export.truth.tissues if t.name == "white")
    chosen = labels == [t.name for t in export.truth.tissues].index("white")
    logs = np.array([np.log(np.median(i.data[..., 0].ravel()[chosen])) for i in images])
    slope = np.polyfit([i.sidecar["EchoTime"] for i in images], logs, 1)[0]
    assert -1 / slope == pytest.approx(white.t2star, rel=0.08)


def test_derived_map_holds_the_diffusivity(export: Export) -> None:
    image = export.one("adc")
    assert "DERIVED" in image.sidecar["ImageType"]
    labels = sample_map(export, "label", voxel_points(image))
    white = next(i for i, t in enumerate(export.truth.tissues) if t.name == "white")
    expected = np.trace(np.reshape(export.truth.tissues[white].tensor, (3, 3))) / 3 * 1e6
    assert np.median(image.data.ravel()[labels == white]) == pytest.approx(expected, rel=0.05)


def test_aborted_run_is_shorter_than_planned(export: Export) -> None:
    aborted, whole = [s for s in export.truth.series if s.key == "aborted"]
    assert export.of(aborted)[0].shape[3] < aborted.planned == export.of(whole)[0].shape[3]
    assert aborted.skip
    assert not whole.skip
