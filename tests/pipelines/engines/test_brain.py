from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bidsflow_pipelines.engines.align import SCALP, align_template, clip_head
from bidsflow_pipelines.engines.brain import doubt_agreement, doubt_surface, doubt_volume, mask_brain
from bidsflow_pipelines.engines.head import find_head
from bidsflow_pipelines.engines.images import Image, Volume, dilate, load_mask, resample, save_volume
from bidsflow_pipelines.engines.motion import to_matrix
from bidsflow_pipelines.engines.surface import refine
from bidsflow_pipelines.engines.templates import Template, load_template

from tests.pipelines.engines.build import BRAIN, dice, grid, paint, part_of

T2W = {"scalp": 250.0, "skull": 30, "csf": 900, "gray": 450, "white": 330, "muscle": 120, "capsule": 300}


def add_scalp(template: Template) -> Image:
    """Return the template's intensities with a dark skull and a bright scalp around them."""
    brain = template.mask.data > 0.5
    zooms = template.mask.zooms
    scalp = dilate(brain, SCALP[1], zooms) & ~dilate(brain, SCALP[0], zooms)
    return np.where(scalp, np.percentile(template.t1w.data[brain], 99), template.t1w.data)


@pytest.mark.parametrize("inverted", [False, True], ids=["bright-white-matter", "dark-white-matter"])
def test_template_is_found_when_it_lies_elsewhere(inverted: bool) -> None:
    template = load_template(4.0)
    data = add_scalp(template)
    if inverted:
        data = np.where(data > 0, data.max() * 1.2 - data, 0)
    truth = to_matrix(np.array([6.0, -15, 10, 0.15, 0.05, -0.1]), np.zeros(3)) @ np.diag([0.88, 0.93, 0.9, 1])
    shape, affine = grid(4.0, (200.0, 240.0, 220.0))
    head = Volume(resample(Volume(data, truth @ template.t1w.affine), shape, affine), affine)
    brain = resample(Volume(template.mask.data, truth @ template.mask.affine), shape, affine) > 0.5
    skin = find_head(head)
    found, explained = align_template(template, clip_head(head, skin), skin)
    mask = resample(Volume(template.mask.data, found @ template.mask.affine), shape, affine) > 0.5
    assert dice(mask, brain) > 0.85  # near enough for the bending that follows
    assert 0.5 < explained <= 1


def test_volume_is_doubted_when_no_brain_has_it() -> None:
    assert doubt_volume(1500) == ""
    assert "2500 ml" in doubt_volume(2500)


def test_masks_are_doubted_when_two_starts_disagree() -> None:
    assert doubt_agreement(0.95) == ""
    assert "0.80" in doubt_agreement(0.8)


def test_surface_moves_to_the_skull_when_it_starts_elsewhere() -> None:
    shape, affine = grid(3.0, (200.0, 200.0, 200.0))
    points = (np.indices(shape).reshape(3, -1).T * 3.0 + affine[:3, 3]).reshape(*shape, 3)
    radius = np.linalg.norm(points, axis=-1)
    brain = radius < 60
    data = np.where(brain, 100, np.where((radius > 68) & (radius < 78), 110, 0)).astype(np.float32)
    start = np.linalg.norm(points - [4, -3, 2], axis=-1) < 53
    depth = np.clip(78 - radius, 0, None)
    found, contrast = refine(start, Volume(data, affine), depth)
    assert dice(start, brain) < 0.85
    assert dice(found, brain) > 0.96
    assert doubt_surface(contrast, 16) == ""


def test_surface_is_doubted_when_there_is_no_edge() -> None:
    shape, affine = grid(4.0, (160.0, 160.0, 160.0))
    radius = np.linalg.norm(np.indices(shape).T * 4.0 + affine[:3, 3], axis=-1).T
    even = Volume(np.full(shape, 100, dtype=np.float32), affine)
    _, contrast = refine(radius < 40, even, np.full(shape, 50, dtype=np.float32))
    assert "no clear edge" in doubt_surface(contrast, 16)
    assert "24 mm" in doubt_surface(0.5, 24)


def test_brain_is_found_twice_alike_when_the_head_is_a_phantom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = paint(T2W, 4.0, noise=15)
    runs = []
    for name in ("first", "second, ü"):  # ANTs takes paths apart at commas
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        runs.append(mask_brain(save_volume("head.nii.gz", head.data, head.affine)))
    assert dice(load_mask(runs[0].brain), part_of(BRAIN, 4.0) > 0.5) > 0.93
    assert runs[0].plausible
    for first, second in zip(runs[0][:4], runs[1][:4], strict=True):
        assert first.read_bytes() == second.read_bytes()
