from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bidsflow_pipelines.engines.images import save_volume
from bidsflow_pipelines.engines.tissue import find_tissues, segment
from scipy.ndimage import binary_dilation, binary_erosion

from tests.pipelines.engines.build import BRAIN, T1W, dice, paint, part_of

SIZE = 3.0
WHITE = ("white", "callosum", "corticospinal")


def truth() -> np.ndarray:
    parts = [part_of(names, SIZE) for names in (("csf",), ("gray", "deep-gray"), WHITE)]
    brain = part_of(BRAIN, SIZE) > 0.5
    return np.where(brain, np.argmax(parts, axis=0) + 1, 0)


@pytest.mark.parametrize("contrast", ["T1w", "T2w"])
def test_tissues_are_found_when_the_image_is_noisy(contrast: str) -> None:
    labels = truth()
    image = paint(T1W, SIZE, noise=25.0).data
    image = image if contrast == "T1w" else 1000 - image
    found = find_tissues(image, labels > 0, contrast=contrast)
    scores = [dice(found.labels == label, labels == label) for label in (1, 2, 3)]
    assert min(scores) > 0.9
    assert sum(found.probabilities)[labels > 0] == pytest.approx(1, abs=1e-4)


def test_thin_fluid_is_found_where_noise_is_low() -> None:
    """Voxels between grey and white matter are no fluid, though they are as far from both as fluid is wide."""
    parts = [part_of(names, 2.0) for names in (("csf",), ("gray", "deep-gray"), WHITE)]
    labels = np.where(part_of(BRAIN, 2.0) > 0.5, np.argmax(parts, axis=0) + 1, 0)
    inner = binary_erosion(labels > 0, iterations=2)
    found = find_tissues(paint(T1W, 2.0, noise=4.0).data, inner)
    for label in (1, 2, 3):
        assert dice(found.labels == label, inner & (labels == label)) > 0.85, label


def test_tissues_stay_apart_where_noise_is_high() -> None:
    labels = truth()
    found = find_tissues(paint(T1W, SIZE, noise=110.0).data, labels > 0)
    assert np.diff(found.means).min() > 200
    assert dice(found.labels == 3, labels == 3) > 0.85


def test_fluid_mixed_with_bone_is_no_white_matter_in_t2w(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As dark as white matter, at the surface of the mask only."""
    monkeypatch.chdir(tmp_path)
    labels = truth()
    affine = np.diag([SIZE, SIZE, SIZE, 1])
    mixed = binary_dilation(labels > 0) & (labels == 0)
    image = 2000 - paint(T1W, SIZE, noise=25.0).data
    image[mixed] = np.random.default_rng(0).uniform(0.1, 1, mixed.sum()) * image[labels == 3].mean()
    brain = save_volume("brain.nii.gz", (labels > 0) | mixed, affine)
    files = segment(save_volume("t2w.nii.gz", image, affine), brain, "T2w")
    found = np.asarray(nib.load(files.labels).dataobj)
    assert (found[mixed] == 3).mean() < 0.01  # in folds of the surface
    assert dice(found == 3, labels == 3) > 0.9


def test_bright_vessels_take_no_class() -> None:
    labels = truth()
    image = paint(T1W, SIZE, noise=25.0).data
    rng = np.random.default_rng(1)
    vessels = np.flatnonzero(labels)[rng.choice((labels > 0).sum(), 100, replace=False)]
    image.ravel()[vessels] = 20_000
    found = find_tissues(image, labels > 0)
    assert dice(found.labels == 3, labels == 3) > 0.9


def test_segment_doubts_itself_when_nothing_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    labels = truth()
    rng = np.random.default_rng(0)
    image = save_volume("noise.nii.gz", rng.normal(100, 5, labels.shape), np.diag([3.0, 3, 3, 1]))
    brain = save_volume("brain.nii.gz", labels > 0, np.diag([3.0, 3, 3, 1]))
    files = segment(image, brain)
    assert files.plausible is (files.why == "")
    sound = segment(save_volume("head.nii.gz", paint(T1W, SIZE, noise=25.0).data, np.diag([3.0, 3, 3, 1])), brain)
    assert sound.plausible
    assert set(np.unique(nib.load(sound.labels).dataobj)) == {0, 1, 2, 3}


def test_empty_brain_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        find_tissues(np.zeros((4, 4, 4), np.float32), np.zeros((4, 4, 4), bool))
