"""Volumes of labelled blood are found by their voxels, and what they tell of labels and controls is only said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bidsflow.convert.companions.voxels import find_types, note_bright_labels
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Series
from bidsflow.sources import find_files
from tests.convert.labelled import write_philips

TYPES = ("label", "control", "control", "label")


@pytest.fixture(scope="module")
def philips(tmp_path_factory: pytest.TempPathFactory) -> tuple[Series, np.ndarray]:
    """A series, and its voxels as they stand in the files: rows, columns, slices, volumes."""
    import pydicom

    export = write_philips(tmp_path_factory.mktemp("philips"), TYPES)
    (series,) = take_inventory(find_files([export]).files).series
    slices = [pydicom.dcmread(one.file.path).pixel_array for one in series.instances]
    count = len(slices) // len(TYPES)
    return series, np.stack([np.stack(slices[v * count : (v + 1) * count], -1) for v in range(len(TYPES))], -1)


def save(voxels: np.ndarray, folder: Path) -> Path:
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / "image.nii")
    return folder / "image.nii"


def find(series: Series, nifti: Path) -> tuple[str, ...]:
    return find_types(nifti, series.instances, lambda header: header.text("PhilipsLabel").lower())


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 3, 2), (3, 2, 1, 0), (1, 2, 0, 3)])
def test_types_follow_their_volumes(order: Sequence[int], philips: tuple[Series, np.ndarray], tmp_path: Path) -> None:
    series, voxels = philips
    turned = voxels[::-1, :, ::-1, list(order)].swapaxes(0, 1)
    assert find(series, save(turned, tmp_path)) == tuple(TYPES[rank] for rank in order)


def test_volumes_of_slices_that_contradict_tell_nothing(philips: tuple[Series, np.ndarray], tmp_path: Path) -> None:
    series, voxels = philips
    mixed = voxels.copy()
    mixed[:, :, 3, 0] = voxels[:, :, 3, 1]
    assert find(series, save(mixed, tmp_path)) == ()


def test_types_follow_volumes_that_were_scaled(philips: tuple[Series, np.ndarray], tmp_path: Path) -> None:
    series, voxels = philips
    slopes = np.linspace(0.5, 2, voxels.shape[2] * voxels.shape[3], dtype=np.float32).reshape(voxels.shape[2:])
    assert find(series, save((voxels * slopes)[..., ::-1], tmp_path)) == TYPES[::-1]


def test_values_that_were_changed_tell_nothing(philips: tuple[Series, np.ndarray], tmp_path: Path) -> None:
    series, voxels = philips
    noise = np.random.default_rng(1).integers(0, 3, voxels.shape, dtype=np.int16)
    assert find(series, save(voxels.astype(np.int16) + noise, tmp_path)) == ()


def make_run(types: Sequence[str], gap: float, noise: float, drift: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(7)
    means = [1000 - (gap if one == "label" else 0) + drift * rank for rank, one in enumerate(types)]
    return np.stack([np.full((6, 6, 6), mean + noise * rng.standard_normal()) for mean in means], -1)


PAIRS = ("label", "control") * 8


@pytest.mark.parametrize(
    ("types", "gap", "noise", "drift", "said"),
    [
        pytest.param(PAIRS, -5, 1, 0, "0.", id="brighter labels"),
        pytest.param(("m0scan", *PAIRS), -5, 1, 0, "0.", id="beside an M0"),
        pytest.param(PAIRS, 5, 1, 0, "", id="darker labels"),
        pytest.param(PAIRS, -1, 5, 0, "", id="noise"),
        pytest.param(PAIRS, 2, 0.5, -20, "", id="a drift that is larger than the labels"),
        pytest.param(PAIRS[:6], -5, 1, 0, "", id="too few pairs"),
        pytest.param(("deltam",) * 16, -5, 1, 0, "", id="differences"),
        pytest.param(PAIRS[:-1], -5, 1, 0, "0.", id="no last pair"),
    ],
)
def test_only_labels_that_are_brighter_for_sure_are_told(
    types: Sequence[str], gap: float, noise: float, drift: float, said: str, tmp_path: Path
) -> None:
    note = note_bright_labels(save(make_run(types, gap, noise, drift), tmp_path), types)
    assert note.startswith("its labels are brighter than its controls by") if said else note == ""
    assert said in note


def test_of_an_image_of_zeros_nothing_is_told(tmp_path: Path) -> None:
    assert note_bright_labels(save(np.zeros((6, 6, 6, len(PAIRS))), tmp_path), PAIRS) == ""
