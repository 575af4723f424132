from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from bidsflow_pipelines.engines.brain import AGREEMENT, find_brain
from bidsflow_pipelines.engines.images import save_volume
from bidsflow_pipelines.engines.network import check_network, find_by_network

from bidsflow.errors import ToolError
from tests.pipelines.engines.build import BRAIN, T1W, dice, paint, part_of


@pytest.mark.skipif(find_spec("deepbet") is not None, reason="deepbet is installed")
def test_network_that_is_missing_is_told_with_what_to_do() -> None:
    with pytest.raises(ToolError, match=r"deepbet: it is not installed.*bidsflow\[deepbet\]"):
        check_network()


def test_known_mask_is_kept_and_doubted_where_no_brain_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    head = paint(T1W, 4.0, noise=10)
    ball = np.linalg.norm(np.indices(head.data.shape).T - np.array([22, 40, 40]), axis=-1).T < 10
    fit = find_brain(head, ball)
    assert fit.mask is ball
    assert fit.agreement < AGREEMENT


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of PyTorch
def test_network_finds_a_brain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("deepbet")
    monkeypatch.chdir(tmp_path)
    head = paint({**T1W, "gray": 520.0}, 2.0, noise=10)
    image = save_volume("head.nii.gz", head.data, head.affine)
    assert dice(find_by_network(image, head), part_of(BRAIN, 2.0) > 0.5) > 0.9
    assert [path.name for path in tmp_path.iterdir()] == ["head.nii.gz"]
