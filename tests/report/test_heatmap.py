"""A colour for each slice of each volume."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bidsflow.report.heatmap import draw_heatmap
from bidsflow.report.shapes import Drawing, Picture, Words
from bidsflow.report.slices import Look

LOOK = Look((0.0, 1.0), "grey")


def read_pixels(drawing: Drawing) -> np.ndarray:
    picture = next(shape for shape in drawing.shapes if isinstance(shape, Picture))
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("L"))


def test_slices_rise_and_volumes_run_to_the_right() -> None:
    values = np.zeros((3, 5))
    values[0, 4] = 1.0
    pixels = read_pixels(draw_heatmap(values, title="x", look=LOOK))
    height, width = pixels.shape
    bright = np.argwhere(pixels > 128)
    assert bright.min(axis=0).tolist() == [height * 2 // 3, width * 4 // 5]
    assert len(bright) == pixels.size // 15


def test_bands_name_the_columns() -> None:
    drawing = draw_heatmap(np.zeros((2, 10)), title="x", look=LOOK, bands=(("b = 0", 4), ("b = 1000", 6)))
    words = [shape.text for shape in drawing.shapes if isinstance(shape, Words)]
    assert {"b = 0", "b = 1000", "volume", "slice"} <= set(words)


@pytest.mark.parametrize(("values", "bands"), [(np.zeros((0, 3)), ()), (np.zeros((2, 3)), (("b", 2),))])
def test_map_is_refused_when_it_is_empty_or_bands_do_not_add_up(values: np.ndarray, bands: tuple) -> None:
    with pytest.raises(ValueError, match="heat map"):
        draw_heatmap(values, title="x", look=LOOK, bands=bands)
