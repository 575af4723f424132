from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bidsflow_pipelines.engines.bold import find_epi_brain
from bidsflow_pipelines.engines.images import dilate
from bidsflow_pipelines.engines.motion import (
    centre_of_grid,
    find_motion,
    load_motion,
    make_target,
    move_back,
    realign,
    to_matrix,
    to_row,
)
from numpy.typing import NDArray

from tests.pipelines.engines.build import EPI, paint

SIZE = 4.0
TRUTH = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [0.5, -0.3, 0.4, 0.004, -0.006, 0.008],
        [-0.8, 0.6, -0.2, -0.01, 0.01, 0.005],
        [3, -4, 5, 0.05, 0.06, -0.07],
    ]
)


class Held:
    """A series in memory, as the functions read one from disk."""

    def __init__(self, volumes: list[NDArray[np.float32]], affine: NDArray[np.float64]) -> None:
        self.volumes, self.affine = volumes, affine
        self.shape = (*volumes[0].shape, len(volumes))

    def __len__(self) -> int:
        return len(self.volumes)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        return self.volumes[index]


@pytest.fixture(scope="module")
def moving() -> Held:
    painted = [paint(EPI, SIZE, to_matrix(row, np.zeros(3)), noise=7.0, seed=i) for i, row in enumerate(TRUTH)]
    return Held([one.data for one in painted], painted[0].affine)


def displacement(found: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
    """Mean distance (mm) between where two motions put the points of a brain."""
    points = np.random.default_rng(0).normal(size=(3, 500))
    points *= 60 / np.linalg.norm(points, axis=0)
    change = to_matrix(found, np.zeros(3)) - to_matrix(truth, np.zeros(3))
    return float(np.linalg.norm(change[:3, :3] @ points + change[:3, 3:], axis=0).mean())


def test_row_and_matrix_are_inverse() -> None:
    centre = np.array([3.0, -20.0, 7.0])
    assert to_row(to_matrix(TRUTH[3], centre), centre) == pytest.approx(TRUTH[3])


def test_motion_is_found_when_a_rendered_head_moves(moving: Held) -> None:
    from bidsflow_pipelines.engines.images import Volume

    reference = Volume(moving[0], moving.affine)
    rim = dilate(find_epi_brain(reference), 2 * SIZE, reference.zooms)
    motion, unsettled = find_motion(moving, reference, rim)
    assert unsettled == 0
    errors = [displacement(found, truth) for found, truth in zip(motion, TRUTH, strict=True)]
    assert max(errors) < 0.05  # mm; voxels have 4


def test_motion_is_the_same_when_threads_differ(moving: Held) -> None:
    from bidsflow_pipelines.engines.images import Volume

    reference = Volume(moving[0], moving.affine)
    rim = find_epi_brain(reference)
    one, _ = find_motion(moving, reference, rim, threads=1)
    two, _ = find_motion(moving, reference, rim, threads=2)
    assert np.array_equal(one, two)


def test_volume_is_back_when_its_motion_is_undone(moving: Held) -> None:
    centre = centre_of_grid(moving.shape, moving.affine)
    assert centre == pytest.approx(np.zeros(3))
    before = np.abs(moving[3] - moving[0])
    after = np.abs(move_back(moving[3], TRUTH[3], moving.affine) - moving[0])
    core = find_epi_brain(paint(EPI, SIZE))
    assert after[core].mean() < before[core].mean() / 2


def test_target_looks_only_at_what_smoothing_left_whole(moving: Held) -> None:
    from bidsflow_pipelines.engines.images import Volume

    everywhere = np.ones(moving.shape[:3], dtype=bool)
    target = make_target(Volume(moving[0], moving.affine), everywhere, width=2 * SIZE)
    inner = np.array(moving.shape[:3]) * SIZE / 2 - 2 * SIZE
    assert (np.abs(target.points) <= inner[:, None]).all()


def test_realign_writes_series_table_and_mean(moving: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "in" / "bold.nii.gz"
    source.parent.mkdir()
    nib.save(nib.Nifti1Image(np.stack(moving.volumes, axis=-1), moving.affine), source)
    files = realign(source, repetition_time=2.0, threads=2)
    motion = load_motion(files.parameters)
    relative = [to_matrix(row, np.zeros(3)) @ np.linalg.inv(to_matrix(motion[0], np.zeros(3))) for row in motion]
    errors = [displacement(to_row(one, np.zeros(3)), truth) for one, truth in zip(relative, TRUTH, strict=True)]
    assert max(errors) < 0.05
    image = nib.load(files.realigned)
    assert image.shape == moving.shape
    assert image.header.get_zooms()[3] == 2.0
    assert {path.name for path in tmp_path.iterdir()} == {"in", "motion.tsv", "reference.nii.gz", "realigned.nii"}
