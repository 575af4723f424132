"""Lines and carpets over time."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from bidsflow.report.shapes import Path, Picture, Words
from bidsflow.report.timeline import Course, draw_timeline, sample_carpet


def make_series() -> tuple[np.ndarray, np.ndarray]:
    """Return noise with drifts in two tissues; tissue 2 jumps at volume 20."""
    labels = np.zeros((8, 8, 8), int)
    labels[1:4], labels[4:7] = 1, 2
    rng = np.random.default_rng(0)
    data = 1000 + rng.normal(0, 1, (8, 8, 8, 40)) + 3 * np.arange(40)
    data[labels == 2, 20] += 50
    return data, labels


def test_carpet_is_standardised_without_trend() -> None:
    carpet = sample_carpet(*make_series(), {1: "grey", 2: "white"})
    np.testing.assert_allclose(carpet.z.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(carpet.z.std(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(carpet.z @ np.arange(40), 0, atol=1e-3)


def test_carpet_is_ordered_by_tissue() -> None:
    carpet = sample_carpet(*make_series(), {2: "white", 1: "grey"}, max_rows=60)
    assert carpet.bands == (("white", 30), ("grey", 30))
    assert carpet.n_voxels == 384
    assert carpet.z[:30, 20].min() > 4 > np.abs(carpet.z[30:, 20]).max()


def test_carpet_leaves_out_voxels_that_say_nothing() -> None:
    data, labels = make_series()
    data[1, 0], data[1, 1, :, 3], data[1, 2] = 1234.5678, np.nan, 0
    carpet = sample_carpet(data, labels, {1: "grey", 2: "white"})
    assert carpet.bands == (("grey", 192 - 24), ("white", 192))
    assert np.isfinite(carpet.z).all()


def test_carpet_has_no_band_for_a_tissue_that_is_absent() -> None:
    assert sample_carpet(*make_series(), {1: "grey", 9: "none"}).bands == (("grey", 192),)
    assert sample_carpet(*make_series(), {9: "none"}).bands == ()


def test_carpet_raises_when_shapes_differ() -> None:
    with pytest.raises(ValueError, match="grid of its labels"):
        sample_carpet(np.zeros((2, 2, 2, 5)), np.zeros((3, 2, 2), int), {1: "x"})


def test_timeline_puts_seconds_below_and_thresholds_into_the_line() -> None:
    values = (math.nan, 0.1, 0.9, 0.1, 0.2)
    drawing = draw_timeline((Course("FD", values, "mm", 0.5),), title="t", seconds_per_volume=2.5, flagged=(2,))
    words = {s.text for s in drawing.shapes if isinstance(s, Words)}
    assert {"FD (mm)", "0.5", "seconds", "0", "10", "12"} <= words
    assert "5 volumes of 2.5 s" in drawing.details
    assert [name for name, _, _ in drawing.layers] == ["flagged volumes", "threshold"]


def test_timeline_marks_runs_of_flagged_volumes_where_they_are() -> None:
    drawing = draw_timeline((Course("x", (0.0, 1.0) * 5),), title="t", seconds_per_volume=1.0, flagged=(4, 3, 8))
    mark = next(s for s in drawing.shapes if isinstance(s, Path) and s.fill)
    boxes = [tuple(float(v) for v in part.replace("h", " ").split("v")[0].split()) for part in mark.d.split("M")[1:]]
    left, width = 112.0, (950.0 - 112.0) / 10
    assert [box[0] for box in boxes] == pytest.approx([left + 3 * width, left + 8 * width])
    assert [box[2] for box in boxes] == pytest.approx([2 * width, width])


def test_timeline_has_the_carpet_on_the_same_axis() -> None:
    carpet = sample_carpet(*make_series(), {1: "grey", 2: "white"})
    drawing = draw_timeline((Course("x", tuple(range(40))),), title="t", seconds_per_volume=2.0, carpet=carpet)
    (picture,) = (s for s in drawing.shapes if isinstance(s, Picture))
    assert (picture.x, picture.width) == (112.0, 950.0 - 112.0)
    pixels = np.asarray(Image.open(io.BytesIO(picture.data)).convert("L"))
    assert pixels.shape == carpet.z.shape
    assert (pixels[-192:, 20] > 240).all()


def test_timeline_averages_volumes_when_there_are_too_many_for_the_screen() -> None:
    labels = np.ones((2, 2, 2), int)
    data = np.random.default_rng(0).normal(size=(2, 2, 2, 2500))
    drawing = draw_timeline((), title="t", seconds_per_volume=0.5, carpet=sample_carpet(data, labels, {1: "brain"}))
    (picture,) = (s for s in drawing.shapes if isinstance(s, Picture))
    assert Image.open(io.BytesIO(picture.data)).size == (834, 8)


def test_timeline_says_when_a_line_has_no_value() -> None:
    drawing = draw_timeline((Course("x", (math.nan,) * 4),), title="t", seconds_per_volume=2.0)
    assert "no finite value" in [s.text for s in drawing.shapes if isinstance(s, Words)]


def test_timeline_raises_when_a_flagged_volume_does_not_exist() -> None:
    with pytest.raises(ValueError, match="flagged volume 2 of 2"):
        draw_timeline((Course("x", (1.0, 2.0)),), title="t", seconds_per_volume=2.0, flagged=(2,))


def test_timeline_raises_when_lengths_differ() -> None:
    with pytest.raises(ValueError, match=r"\[1, 2\]"):
        draw_timeline((Course("x", (1.0,)), Course("y", (1.0, 2.0))), title="t", seconds_per_volume=2.0)
