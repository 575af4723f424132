import math
from pathlib import Path

import numpy as np
import pytest
from bidsflow_pipelines.qc.measures.motion import fd, summarize_fd


def test_fd_counts_translations_and_arcs() -> None:
    motion = np.array([[0, 0, 0, 0, 0, 0], [0.1, -0.2, 0.3, 0, 0, 0], [0.1, -0.2, 0.3, 0.01, -0.02, 0]])
    assert fd(motion) == pytest.approx([0.6, 1.5])


def test_fd_agrees_with_nipype(tmp_path: Path) -> None:
    confounds = pytest.importorskip("nipype.algorithms.confounds")
    motion = np.random.default_rng(0).normal(scale=0.01, size=(40, 6))
    np.savetxt(tmp_path / "motion.txt", motion[:, [3, 4, 5, 0, 1, 2]])  # FSL: rotations first
    theirs = confounds.FramewiseDisplacement(
        in_file=str(tmp_path / "motion.txt"), parameter_source="FSL", out_file=str(tmp_path / "fd.txt")
    ).run(cwd=str(tmp_path))
    assert fd(motion) == pytest.approx(np.loadtxt(theirs.outputs.out_file, skiprows=1))
    assert summarize_fd(fd(motion))["mean"] == pytest.approx(theirs.outputs.fd_average)


def test_summary_counts_volumes_above_the_threshold() -> None:
    assert summarize_fd(np.array([0.2, 0.3, 0.1])) == pytest.approx({"mean": 0.2, "num": 1, "perc": 25})


def test_fd_of_one_volume_is_nan() -> None:
    found = summarize_fd(fd(np.zeros((1, 6))))
    assert all(math.isnan(value) for value in found.values())
