from __future__ import annotations

import numpy as np
import pytest
from bidsflow_pipelines.engines.align import align_template, clip_head
from bidsflow_pipelines.engines.brain import add_scalp, doubt_volume
from bidsflow_pipelines.engines.head import find_head
from bidsflow_pipelines.engines.images import Volume, resample
from bidsflow_pipelines.engines.motion import to_matrix
from bidsflow_pipelines.engines.templates import load_template

from tests.pipelines.engines.build import dice, grid


@pytest.mark.parametrize("inverted", [False, True], ids=["bright-white-matter", "dark-white-matter"])
def test_template_is_found_when_it_lies_elsewhere(inverted: bool) -> None:
    template = load_template(4.0)
    dressed, _ = add_scalp(template)
    data = dressed.data
    if inverted:
        data = np.where(data > 0, data.max() * 1.2 - data, 0)
    truth = to_matrix(np.array([6.0, -15, 10, 0.15, 0.05, -0.1]), np.zeros(3)) @ np.diag([0.88, 0.93, 0.9, 1])
    shape, affine = grid(4.0, (200.0, 240.0, 220.0))
    head = Volume(resample(Volume(data, truth @ dressed.affine), shape, affine), affine)
    brain = resample(Volume(template.mask.data, truth @ template.mask.affine), shape, affine) > 0.5
    skin = find_head(head)
    found, explained = align_template(template, clip_head(head, skin), skin)
    mask = resample(Volume(template.mask.data, found @ template.mask.affine), shape, affine) > 0.5
    assert dice(mask, brain) > 0.85  # near enough for the bending that follows
    assert 0.5 < explained <= 1


def test_volume_is_doubted_when_no_brain_has_it() -> None:
    assert doubt_volume(1500) == ""
    assert "2500 ml" in doubt_volume(2500)
