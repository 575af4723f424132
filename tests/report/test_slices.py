"""3D images to mosaics."""

from __future__ import annotations

import io
import re

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from bidsflow.report.shapes import Drawing, Ink, Path, Picture, Words
from bidsflow.report.slices import Look, Outline, draw_mosaic, encode_webp, find_air_look, find_box, outline_labels

AFFINE = np.array([[2.0, 0, 0, -19], [0, 2, 0, -23], [0, 0, 3, -30], [0, 0, 0, 1]])


def make_image(data: np.ndarray, affine: np.ndarray = AFFINE) -> nib.Nifti1Image:
    img = nib.Nifti1Image(data.astype(np.float32), affine)
    img.set_sform(affine, code=1)
    return img


def make_halves() -> np.ndarray:
    """Return 100 on the left of the person and 10 on the right, in RAS order."""
    data = np.full((20, 24, 12), 10)
    data[:10] = 100
    return data


def read_picture(drawing: Drawing) -> np.ndarray:
    (picture,) = (s for s in drawing.shapes if isinstance(s, Picture))
    return np.asarray(Image.open(io.BytesIO(picture.data)).convert("RGB")).astype(int)


def read_words(drawing: Drawing) -> list[str]:
    return [s.text for s in drawing.shapes if isinstance(s, Words)]


def get_line(drawing: Drawing) -> Path:
    return next(s for s in drawing.shapes if isinstance(s, Path) and s.layer)


@pytest.mark.parametrize("flip", [1, -1], ids=["to the right", "to the left"])
def test_mosaic_has_left_on_the_left(flip: int) -> None:
    img = make_image(make_halves()[::flip], AFFINE @ np.diag([flip, 1.0, 1.0, 1.0]))
    drawing = draw_mosaic(img, title="t", many=4, look=Look((10, 100)))
    pixels = read_picture(drawing)[:, :20, 0]
    assert (pixels[:24, :10] == 255).all()
    assert (pixels[:24, 10:] == 0).all()
    assert read_words(drawing)[:3] == ["L", "R", "A"]
    assert "left is on the left (neurological)" in drawing.details


def test_mosaic_outlines_the_mask_where_it_is() -> None:
    data = np.zeros((20, 24, 12))
    data[4:9, 6:10, :] = 1
    drawing = draw_mosaic(make_image(data), title="t", many=1, outlines=(Outline("mask", data > 0, Ink.SKY),))
    assert drawing.layers == (("mask", Ink.SKY, ""),)
    line = get_line(drawing)
    x, y = map(int, re.match(r"M(\d+) (\d+)", line.d).groups())  # type: ignore[union-attr]
    # The first point is the top edge of the mask, in halves of a voxel: row 24 - 10 of the picture.
    assert y == 2 * (24 - 10)
    assert 2 * 4 <= x <= 2 * 9
    assert line.scale[0] == pytest.approx(drawing.width / 20 / 2)


def test_mosaic_says_where_each_slice_is() -> None:
    drawing = draw_mosaic(make_image(make_halves()), title="t", many=3)
    assert read_words(drawing)[3:6] == ["−24", "−12", "0"]
    assert "3 of 12 slices" in drawing.details


def test_mosaic_keeps_proportions_when_voxels_are_not_cubes() -> None:
    drawing = draw_mosaic(make_image(make_halves()), title="t", view="coronal", many=1)
    assert drawing.height / drawing.width == pytest.approx(12 * 3 / (20 * 2), rel=0.01)


def test_mosaic_draws_a_bar_of_known_length() -> None:
    drawing = draw_mosaic(make_image(make_halves()), title="t", many=1)
    bar = next(s for s in drawing.shapes if isinstance(s, Path) and "H" in s.d)
    start, end = (float(v) for v in re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", bar.d)[0])
    mm = float(next(w for w in read_words(drawing) if w.endswith(" mm")).split()[0])
    assert end - start == pytest.approx(mm * drawing.width / 40, rel=0.01)


def test_mosaic_shows_only_the_box() -> None:
    box = ((2, 8), (4, 14), (6, 9))
    drawing = draw_mosaic(make_image(make_halves()), title="t", many=3, box=box)
    assert read_words(drawing)[3:6] == ["−12", "−9", "−6"]
    assert read_picture(drawing).shape[0] % 10 in {0, 2, 4}  # rows of ten voxels and gaps


def test_mosaic_shows_the_first_of_several_volumes_and_flat_images() -> None:
    assert draw_mosaic(make_image(np.stack([make_halves()] * 2, axis=-1)), title="t").shapes
    assert draw_mosaic(make_image(make_halves()[:, :, 5]), title="t").shapes


def test_mosaic_shows_magnitudes_and_colours_as_grey() -> None:
    colours = np.zeros((20, 24, 12), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = make_halves()
    for data in (colours, (make_halves() * 1j).astype(np.complex64)):
        pixels = read_picture(draw_mosaic(nib.Nifti1Image(data, AFFINE), title="t", many=1))
        assert pixels[12, 5, 0] > 250 > 5 > pixels[12, 15, 0]


def test_mosaic_tells_nothing_of_sides_when_the_header_does_not() -> None:
    drawing = draw_mosaic(nib.Nifti1Image(make_halves().astype(np.int16), None), title="t")
    assert "L" not in read_words(drawing)
    assert drawing.details[0].startswith("sides unknown")


def test_mosaic_has_a_note_when_there_is_nothing_to_show() -> None:
    drawing = draw_mosaic(make_image(np.zeros((4, 4, 0))), title="t")
    assert drawing.shapes == ()
    assert drawing.note


def test_mosaic_raises_when_a_mask_is_of_another_grid() -> None:
    with pytest.raises(ValueError, match="'brain'"):
        draw_mosaic(make_image(make_halves()), title="t", outlines=(Outline("brain", np.ones((2, 2, 2), bool)),))


def test_mosaic_shows_the_scale_when_values_have_a_unit() -> None:
    drawing = draw_mosaic(make_image(make_halves()), title="t", look=Look((0, 120), "cividis", "mm"))
    assert read_words(drawing)[-2:] == ["0", "120 mm"]
    dark, bright = Look((200, 300), "cividis"), Look((0, 5), "cividis")
    assert read_picture(draw_mosaic(make_image(make_halves()), title="t", look=dark))[5, 5].tolist() == [0, 34, 78]
    assert read_picture(draw_mosaic(make_image(make_halves()), title="t", look=bright))[5, 5].tolist() == [254, 232, 56]


def test_air_look_follows_the_noise_and_not_the_head() -> None:
    rng = np.random.default_rng(2)
    data = np.abs(rng.normal(0, 5, (40, 40, 40)) + 1j * rng.normal(0, 5, (40, 40, 40)))
    data[8:32, 8:32, :32] += 900  # the neck leaves the field of view
    look = find_air_look(make_image(data))
    assert look is not None
    assert look.window[1] == pytest.approx(4 * 5 * np.sqrt(2 * np.log(2)), rel=0.05)  # median of a Rayleigh
    assert look.scale == "inverted"


def test_air_look_is_none_when_the_air_is_blank() -> None:
    data = np.zeros((40, 40, 40))
    data[10:30, 10:30, 10:30] = 500
    assert find_air_look(make_image(data)) is None


def test_box_is_the_whole_grid_when_the_mask_is_empty() -> None:
    assert find_box(np.zeros((3, 4, 5), bool)) == ((0, 3), (0, 4), (0, 5))


def test_webp_gets_smaller_until_it_fits() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (200, 200), dtype=np.uint8))
    whole, small = encode_webp(noise, max_bytes=10**6), encode_webp(noise, max_bytes=5_000)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(whole)).convert("L")), np.asarray(noise))
    assert len(small) <= 5_000
    assert Image.open(io.BytesIO(small)).size < (200, 200)


def test_labels_are_outlined_in_the_order_of_their_names() -> None:
    labels = np.zeros((4, 4, 4), int)
    labels[1], labels[2] = 3, 1
    first, second = outline_labels(labels, {3: "white matter", 2: "absent", 1: "CSF"})
    assert (first.label, second.label) == ("white matter", "CSF")
    np.testing.assert_array_equal(second.mask, labels == 1)
    assert first.ink is not second.ink
