"""NIfTI images to figures."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from bidsflow.report.figures import mosaic
from bidsflow.report.values import Figure


def make_image(data: np.ndarray, affine: np.ndarray | None = None) -> nib.Nifti1Image:
    img = nib.Nifti1Image(data, np.diag([4.0, 4.0, 4.0, 1.0]) if affine is None else affine)
    img.set_sform(img.affine, code=1)
    return img


def make_ball(shape: tuple[int, int, int] = (20, 24, 16)) -> np.ndarray:
    """Return a bright ball in noise, int16."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"))
    noise = np.random.default_rng(3).normal(20, 5, shape)
    return (noise + 800 * (np.sum(grid**2, axis=0) < 0.6)).astype(np.int16)


def read_pixels(figure: Figure) -> np.ndarray:
    picture = Image.open(io.BytesIO(figure.data))
    assert picture.mode == "L"
    assert picture.size == (figure.width, figure.height)
    return np.asarray(picture).astype(int)


@pytest.mark.parametrize("flip", [1, -1], ids=["to the right", "to the left"])
def test_mosaic_shows_the_left_on_the_left(tmp_path: Path, flip: int) -> None:
    world = np.full((20, 20, 20), 10, np.int16)
    world[:10] = 100  # bright on the left of the person
    world[:, :, :2] = 0
    img = make_image(world[::flip], np.diag([4.0 * flip, 4.0, 4.0, 1.0]))
    nib.save(img, tmp_path / "img.nii.gz")
    pixels = read_pixels(mosaic(tmp_path / "img.nii.gz"))
    axial = pixels[:, -pixels.shape[1] // 3 + 8 :]
    half = axial.shape[1] // 2
    quarter = slice(axial.shape[0] // 4, axial.shape[0] // 3)  # between the letters
    assert axial[quarter, 10 : half - 10].min() > 200
    assert axial[quarter, half + 10 : -10].max() < 50


def test_mosaic_keeps_proportions_when_voxels_are_not_cubes() -> None:
    ball = make_ball((60, 60, 20))
    pixels = read_pixels(mosaic(make_image(ball, np.diag([2.0, 2.0, 6.0, 1.0]))))
    assert pixels.shape[1] == pytest.approx(3 * pixels.shape[0] + 12, abs=6)  # three equal squares


def test_mosaic_says_what_the_image_is() -> None:
    figure = mosaic(make_image(make_ball()), title="sub-01_T1w.nii.gz", caption="The head.")
    assert figure.title == "sub-01_T1w.nii.gz"
    assert figure.caption == "The head."
    assert figure.alt == "Sagittal, coronal and axial slice of sub-01_T1w.nii.gz"
    assert figure.details[:3] == ("20 × 24 × 16 voxels", "4 × 4 × 4 mm", "int16")
    assert figure.note == ""
    assert figure.traces == ()


def test_mosaic_draws_a_line_when_there_are_several_volumes(tmp_path: Path) -> None:
    ball = make_ball().astype(np.int16)
    data = np.stack([ball + 100 * t for t in range(5)], axis=-1)
    nib.save(make_image(data), tmp_path / "bold.nii.gz")
    figure = mosaic(tmp_path / "bold.nii.gz")
    assert "5 volumes" in figure.details
    assert figure.traces[0].values == pytest.approx([ball.mean() + 100 * t for t in range(5)])


def test_mosaic_stays_small_when_the_image_is_noise() -> None:
    noise = np.random.default_rng(1).integers(0, 4096, (160, 160, 160)).astype(np.int16)
    figure = mosaic(make_image(noise, np.diag([1.0, 1.0, 1.0, 1.0])))
    assert 0 < len(figure.data) <= 60_000
    assert figure.width <= 640


def test_mosaic_is_never_wider_than_asked() -> None:
    assert mosaic(make_image(make_ball()), max_width=300).width <= 300


def test_mosaic_raises_when_the_width_is_too_small() -> None:
    with pytest.raises(ValueError, match="160 pixels"):
        mosaic(make_image(make_ball()), max_width=20)


def test_mosaic_mentions_a_tilt() -> None:
    turn = np.eye(4)
    turn[1:3, 1:3] = 4 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    turn[0, 0] = 4
    assert "tilted by 23°" in mosaic(make_image(make_ball(), turn)).details


def test_mosaic_gives_no_letters_when_the_header_has_no_orientation() -> None:
    img = nib.Nifti1Image(make_ball(), None)
    img.header.set_zooms((4.0, 4.0, 4.0))
    known = nib.Nifti1Image(make_ball(), np.diag([4.0, 4.0, 4.0, 1.0]))
    assert "sides are unknown" in mosaic(img).note
    assert mosaic(known).note == ""


class CaseShown(NamedTuple):
    what: str
    data: np.ndarray


def make_colours() -> np.ndarray:
    colours = np.zeros((20, 24, 16), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["G"] = make_ball() // 4
    return colours


def make_gaps() -> np.ndarray:
    data = make_ball().astype(np.float32)
    data[:5] = np.nan
    data[6, 6, 6] = np.inf
    return data


SHOWN = [
    CaseShown("two axes", make_ball()[:, :, 8]),
    CaseShown("one axis", make_ball()[:, 12, 8]),
    CaseShown("one slice", make_ball()[:, :, 8:9]),
    CaseShown("one slice, several volumes", np.stack([make_ball()[:, :, 7:8]] * 5, axis=-1)),
    CaseShown("a vector per voxel", np.stack([make_ball()] * 3, axis=-1)[:, :, :, None, :]),
    CaseShown("complex", make_ball() * np.complex64(1 + 1j)),
    CaseShown("colours", make_colours()),
    CaseShown("gaps", make_gaps()),
    CaseShown("gaps in time", np.stack([make_gaps()] * 4, axis=-1)),
    CaseShown("huge", make_ball() * 1e300),
    CaseShown("mask", (make_ball() > 400).astype(np.uint8)),
    CaseShown("negative", -make_ball()),
    CaseShown("two volumes", np.stack([make_ball()] * 2, axis=-1)),
]


@pytest.mark.parametrize("case", SHOWN, ids=lambda c: c.what)
def test_mosaic_shows_odd_images(tmp_path: Path, case: CaseShown) -> None:
    nib.save(make_image(case.data), tmp_path / "img.nii")
    pixels = read_pixels(mosaic(tmp_path / "img.nii"))
    assert pixels.min() == 0
    assert pixels.max() == 255


def test_mosaic_counts_values_that_are_not_finite() -> None:
    assert mosaic(make_image(make_gaps())).note.endswith(": 1\u202f921.")


class CaseBlank(NamedTuple):
    what: str
    data: np.ndarray
    note: str


BLANK = [
    CaseBlank("all zero", np.zeros((20, 20, 20), np.int16), "are all 0"),
    CaseBlank("constant", np.full((20, 20, 20), 7, np.int16), "are all 7"),
    CaseBlank("no number", np.full((20, 20, 20), np.nan, np.float32), "hold no finite value"),
    CaseBlank("no volume", np.zeros((20, 20, 20, 0), np.int16), "no voxels"),
]


@pytest.mark.parametrize("case", BLANK, ids=lambda c: c.what)
def test_mosaic_says_why_there_is_nothing_to_see(case: CaseBlank) -> None:
    figure = mosaic(make_image(case.data))
    assert figure.data == b""
    assert case.note in figure.note


def test_mosaic_does_not_fail_when_the_file_is_missing_or_damaged(tmp_path: Path) -> None:
    nib.save(make_image(make_ball()), tmp_path / "whole.nii.gz")
    whole = (tmp_path / "whole.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.nii.gz").write_text("not an image")
    (tmp_path / "empty.nii").write_bytes(b"")
    assert "no such file" in mosaic(tmp_path / "none.nii.gz").note
    for name in ("cut.nii.gz", "text.nii.gz", "empty.nii"):
        figure = mosaic(tmp_path / name)
        assert figure.title == name
        assert figure.data == b""
        assert figure.note.startswith("This image cannot be shown")


def test_mosaic_does_not_try_when_the_header_claims_too_much(tmp_path: Path) -> None:
    nib.save(make_image(make_ball()), tmp_path / "img.nii")
    data = bytearray((tmp_path / "img.nii").read_bytes())
    data[42:48] = b"\xff\x7f" * 3  # dim[1:4]
    (tmp_path / "img.nii").write_bytes(data)
    assert "too large" in mosaic(tmp_path / "img.nii").note


def test_mosaic_accepts_a_singular_affine() -> None:
    img = nib.Nifti1Image(make_ball(), np.eye(4))
    img._affine = np.zeros((4, 4))  # as some converters write it; nibabel would mend it on saving
    figure = mosaic(img)
    assert figure.data
    assert not any("mm" in fact for fact in figure.details)


def test_import_loads_no_heavy_package() -> None:
    code = (
        "import sys, bidsflow.report.page, bidsflow.report.figures, bidsflow.report.write, bidsflow.report.slices,"
        "bidsflow.report.timeline, bidsflow.report.histograms, bidsflow.report.gradients, bidsflow.report.outliers;"
        "print(sorted({'numpy', 'nibabel', 'jinja2', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
