from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bidsflow_pipelines.engines.bias import find_bias
from bidsflow_pipelines.engines.bold import doubt_epi, find_epi_brain, map_bold
from bidsflow_pipelines.engines.head import find_below, find_head, mask_hat
from bidsflow_pipelines.engines.images import Mask, Volume, erode, resample, save_volume, shrink
from bidsflow_pipelines.engines.itk import from_ants, to_ants
from bidsflow_pipelines.engines.templates import SPACE, load_template, write_template

from tests.pipelines.engines.build import EPI, T1W, dice, paint, part_of

SIZE = 4.0
INSIDE = ("scalp", "skull", "csf", "gray", "white", "muscle", "capsule", "callosum", "corticospinal", "deep-gray")


def test_head_is_found_whatever_the_air_holds() -> None:
    truth = part_of(INSIDE, SIZE) > 0.5
    for noise in (0.0, 15.0):
        assert dice(find_head(paint(T1W, SIZE, noise=noise)), truth) > 0.97


def test_head_is_found_when_the_face_was_removed() -> None:
    image = paint(T1W, SIZE, noise=15.0)
    truth = part_of(INSIDE, SIZE) > 0.5
    index = np.indices(truth.shape)
    face = (index[1] > 0.8 * truth.shape[1]) & (index[2] < 0.5 * truth.shape[2])
    defaced = Volume(np.where(face, 0, image.data), image.affine)
    assert dice(find_head(defaced), truth & ~face) > 0.96


def test_epi_brain_is_what_lies_in_the_skull() -> None:
    image = paint(EPI, SIZE, noise=10.0)
    truth = part_of(("csf", "gray", "white", "callosum", "corticospinal", "deep-gray"), SIZE) > 0.5
    assert dice(find_epi_brain(image), truth) > 0.93


def make_ball(radius: float) -> Mask:
    """Return a ball on voxels of 3 mm, as large as a brain where the radius is 70 mm."""
    index = 3.0 * (np.indices((64, 64, 64)) - 31.5)
    return np.asarray(np.sqrt(np.square(index).sum(axis=0)) < radius)


def test_brain_with_a_scalp_is_doubted_and_without_is_not() -> None:
    zooms, brain = np.full(3, 3.0), make_ball(68)
    scalp = make_ball(84) & ~make_ball(77)
    scalp[32:] = False  # half of it, and a bridge
    bridge = np.zeros_like(brain)
    bridge[:32, 30:34, 30:34] = True
    assert doubt_epi(brain, zooms)[1] == ""
    assert "thin" in doubt_epi(brain | scalp | (bridge & make_ball(84)), zooms)[1]
    assert doubt_epi(brain[:, :, 20:44], zooms)[1] == ""  # a slab of a brain


def test_brain_of_a_bottle_is_doubted() -> None:
    assert "ml" in doubt_epi(make_ball(40), np.full(3, 3.0))[1]


def test_bias_is_found_when_a_field_was_put_on() -> None:
    image = paint(T1W, SIZE, noise=5.0)
    brain = part_of(("gray", "white", "callosum", "corticospinal", "deep-gray"), SIZE) > 0.5
    axis = np.linspace(-1, 1, image.data.shape[1], dtype=np.float32)[None, :, None]
    field = np.exp(0.3 * axis) * np.ones_like(image.data)
    found = find_bias(Volume(image.data * field, image.affine), brain)
    before = np.log(field[brain]).std()
    left = (np.log(found) - np.log(field))[brain].std()
    assert left < before / 2
    assert np.log(found[brain]).mean() == pytest.approx(0, abs=0.05)


def test_plane_is_where_the_affine_puts_it() -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    below = find_below((3, 3, 20), affine, np.eye(4), height=10.0)
    assert below[..., :5].all()
    assert not below[..., 5:].any()


def test_hat_is_air_above_the_plane(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    head = np.zeros((4, 4, 8), dtype=bool)
    head[1:3, 1:3] = True
    path = save_volume("head.nii.gz", head, np.eye(4))
    moved = np.eye(4)
    moved[2, 3] = -18.0  # the plane, at -14 in the template, lies at 4 in the image
    files = mask_hat(path, tuple(moved.ravel().tolist()))
    hat = nib.load(files.hat).get_fdata() > 0
    assert not hat[..., :4].any()
    assert np.array_equal(hat[..., 4:], ~head[..., 4:])


def test_template_adds_up_to_its_brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    template = load_template(4.0)
    total = template.csf.data + template.gm.data + template.wm.data
    core = erode(template.mask.data > 0.5, 8.0, template.mask.zooms)
    assert total[core] == pytest.approx(1, abs=0.05)
    files = write_template(4.0)
    assert files.space == SPACE
    assert 1700 < (nib.load(files.mask).get_fdata() > 0).sum() * 0.064 < 2000  # ml; ICBM 152 is a large brain
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files[:5])


def test_image_lies_where_it_was_after_a_way_through_ants() -> None:
    affine = np.array([[0, -2.0, 0, 10], [1.5, 0, 0, -20], [0, 0, 3.0, 5], [0, 0, 0, 1]])
    volume = Volume(np.arange(24, dtype=np.float32).reshape(2, 3, 4), affine)
    image = to_ants(volume)
    point = image.direction @ (np.array(image.spacing) * [1, 2, 3]) + image.origin
    assert point * [-1, -1, 1] == pytest.approx((affine @ [1, 2, 3, 1])[:3])
    assert np.array_equal(from_ants(image), volume.data)


def test_shrunk_image_stays_in_place() -> None:
    image = paint(T1W, SIZE)
    coarse = shrink(image, 8.0)
    back = resample(coarse, image.data.shape, image.affine)

    def middle(data: np.ndarray) -> np.ndarray:
        return np.array([np.average(axis, weights=data) for axis in np.indices(data.shape)]) * SIZE

    assert middle(back) == pytest.approx(middle(image.data), abs=0.5)


def test_maps_are_those_of_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = np.random.default_rng(0).normal(100, 5, (4, 5, 6, 20)).astype(np.float32)
    data[0, 0, 0] = 0
    nib.save(nib.Nifti1Image(data, np.eye(4)), "bold.nii.gz")
    maps = map_bold(tmp_path / "bold.nii.gz")
    std = data.std(axis=3, ddof=1)
    tsnr = nib.load(maps.tsnr).get_fdata()
    assert tsnr[0, 0, 0] == 0
    assert nib.load(maps.std).get_fdata() == pytest.approx(std, rel=1e-3)
    assert tsnr[1:] == pytest.approx((data.mean(axis=3) / np.maximum(std, 1e-9))[1:], rel=1e-3)
    assert nib.load(maps.median).get_fdata() == pytest.approx(np.median(data, axis=3), rel=1e-4)
