from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bidsflow_pipelines.engines.dwi import (
    Gradients,
    find_noise,
    find_tensor,
    fit_tensor,
    load_gradients,
    marchenko_pastur,
    mean_b0,
    round_shells,
)

from tests.pipelines.engines.test_motion import Held

RNG = np.random.default_rng(0)
TENSOR = np.diag([1.7e-3, 0.3e-3, 0.3e-3])
FA = np.sqrt(0.5) * np.sqrt(1.4**2 + 0 + 1.4**2) / np.sqrt(1.7**2 + 2 * 0.3**2)


def directions(count: int) -> np.ndarray:
    vectors = np.random.default_rng(3).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def tensor_series(sigma: float = 0.0) -> tuple[Held, Gradients]:
    vectors = np.vstack([np.zeros((2, 3)), directions(24)])
    values = np.array([0.0, 5.0] + [1000.0] * 24)
    loss = np.exp(-values * np.einsum("ni,ij,nj->n", vectors, TENSOR, vectors))
    base = np.random.default_rng(1).uniform(500, 1000, (12, 12, 12)).astype(np.float32)
    noise = np.random.default_rng(2).normal(0, sigma, (len(values), *base.shape))
    return Held([base * one + extra for one, extra in zip(loss, noise, strict=True)], np.eye(4)), Gradients(
        values, vectors
    )


def test_tensor_is_that_of_the_signal() -> None:
    series, gradients = tensor_series()
    brain = np.ones(series.shape[:3], dtype=bool)
    fa, md, colors, counts = find_tensor(series, gradients, brain)
    assert fa == pytest.approx(FA, abs=0.01)  # b=5 counts as 0
    assert md == pytest.approx(np.trace(TENSOR) / 3, rel=0.01)
    assert colors[..., 0] == pytest.approx(FA, abs=0.01)
    assert counts.tolist() == [0, 0]


def test_tensor_is_counted_as_degenerate_when_signal_grows_with_weighting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    series, gradients = tensor_series()
    data = np.stack(series.volumes, axis=-1)
    data[0, 0, 0, 2:] = 5 * data[0, 0, 0, 0]
    nib.save(nib.Nifti1Image(data.astype(np.float32), np.eye(4)), "dwi.nii")
    nib.save(nib.Nifti1Image(np.ones(data.shape[:3], np.uint8), np.eye(4)), "brain.nii")
    np.savetxt("dwi.bval", gradients.b_values[None])
    np.savetxt("dwi.bvec", gradients.b_vectors.T)
    paths = [tmp_path / name for name in ("dwi.nii", "dwi.bval", "dwi.bvec", "brain.nii")]
    files = fit_tensor(*paths)
    assert files.nans + files.degenerate >= 1


def test_noise_is_that_which_was_added() -> None:
    for sigma in (5.0, 20.0):
        series, _ = tensor_series(sigma)
        data = np.stack(series.volumes, axis=-1)
        noise = find_noise(data, np.ones(data.shape[:3], dtype=bool))
        assert np.median(noise[noise > 0]) == pytest.approx(sigma, rel=0.05)


def test_pure_noise_is_all_noise() -> None:
    patch = np.random.default_rng(0).normal(0, 3.0, (343, 40))
    assert marchenko_pastur(patch) == pytest.approx(3.0, rel=0.05)


def test_reference_is_the_least_weighted_when_there_is_no_b0() -> None:
    series = Held([np.full((2, 2, 2), value, np.float32) for value in (4.0, 2.0)], np.eye(4))
    assert mean_b0(series, np.array([200.0, 1000.0])) == pytest.approx(4.0)
    assert round_shells(np.array([200.0, 1000.0])).tolist() == [200, 1000]


def test_gradients_are_refused_when_they_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "a.bval").write_text("0 1000 1000\n")
    (tmp_path / "a.bvec").write_text("0 1\n0 0\n0 0\n")
    with pytest.raises(ValueError, match="3 b-values"):
        load_gradients(tmp_path / "a.bval", tmp_path / "a.bvec")
