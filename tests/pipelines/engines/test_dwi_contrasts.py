from __future__ import annotations

import numpy as np
from bidsflow_pipelines.engines.dwi import Gradients
from bidsflow_pipelines.engines.dwi_contrasts import make_contrasts

from tests.pipelines.engines.test_dwi_motion import spread


def test_contrasts_leave_half_of_the_volumes_to_motion() -> None:
    shells = np.tile([1000.0, 2000.0, 3000.0], 20)
    for count in (1, 5, 11, 12, 25, 26, 60):
        assert make_contrasts(Gradients(shells[:count], spread(count))).shape[1] <= max(count // 2, 3)
    assert make_contrasts(Gradients(shells, spread(60))).shape == (60, 13)
