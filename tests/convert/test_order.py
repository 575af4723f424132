"""What dcm2niix makes of slices that are numbered anew: where its voxels are wrong, the series is held for review."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pydicom
import pytest

from bidsflow.convert.dcm2niix import Dcm2niix, find_program
from bidsflow.convert.outputs import check_output, match_outputs
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Series
from bidsflow.errors import ConversionError
from bidsflow.phantom import write
from bidsflow.phantom.protocol import Series as Planned
from bidsflow.sources import find_files

VOLUMES, SLICES = 4, 16
LAST = SLICES - 1
#: What a slice is numbered by: `t` is its volume, `k` its rank in space.
ORDERS: dict[str, Callable[[int, int], tuple[int, ...]]] = {
    "volumes": lambda t, k: (t, k),
    "volumes down": lambda t, k: (t, -k),
    "slices": lambda t, k: (k, t),
    "slices down": lambda t, k: (-k, t),
    "one volume, then slices": lambda t, k: (0, k) if t == 0 else (1, k, t),
    "there and back": lambda t, k: (t, -k if t % 2 else k),
    "odd, then even": lambda t, k: (t, k % 2, k),
    "slices, odd, then even": lambda t, k: (k % 2, k, t),
    "shuffled": lambda t, k: (random.Random(f"{t} {k}").randrange(10**9),),
}
GOOD = {"volumes", "volumes down", "slices", "slices down"}
#: Orders of makers other than GE and Philips.
BY_VOLUME = {"volumes", "volumes down"}


class Maker(NamedTuple):
    """Whose slices they are, and whether private elements tell what dcm2niix asks them for."""

    name: str
    private: bool


MAKERS = [
    Maker("GE MEDICAL SYSTEMS", private=True),
    Maker("GE MEDICAL SYSTEMS", private=False),
    Maker("Philips Medical Systems", private=True),
    Maker("Philips Medical Systems", private=False),
    Maker("SIEMENS", private=False),
    Maker("UIH", private=False),
    Maker("CANON_MEC", private=False),
    Maker("", private=False),
]


class Made(NamedTuple):
    """What came out: voxels in their places (none where the converter refuses), and the series."""

    voxels: np.ndarray
    affine: np.ndarray
    series: Series
    refused: str = ""

    def equals(self, other: Made) -> bool:
        same = self.voxels.shape == other.voxels.shape and np.array_equal(self.voxels, other.voxels)
        return same and np.allclose(self.affine, other.affine, atol=1e-3)


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, int, Path]]:
    """Volume, rank in space and file of the slices of a run. Read only."""
    root = tmp_path_factory.mktemp("run")

    def shorten(series: Planned) -> Planned:
        return replace(series, volumes=VOLUMES, planned=VOLUMES)

    write(root / "scan", dialect="ge", size="tiny", series=["rest"], edit=shorten)
    files = sorted((root / "scan" / "dicom").rglob("*.dcm"))
    assert len(files) == VOLUMES * SLICES
    return [(*divmod(rank, SLICES), file) for rank, file in enumerate(files)]


def read(slices: Sequence[tuple[int, int, Path]], maker: Maker) -> list[tuple[int, int, pydicom.Dataset]]:
    """Return the slices as they would be another maker's."""
    return [(t, k, dress(pydicom.dcmread(file), maker, t, k)) for t, k, file in slices]


def dress(ds: pydicom.Dataset, maker: Maker, volume: int, rank: int) -> pydicom.Dataset:
    philips = maker.name.startswith("Philips")
    if not maker.private or philips:
        ds.remove_private_tags()
        del ds.NumberOfTemporalPositions
    ds.Manufacturer = maker.name
    if maker.private and philips:
        ds.TemporalPositionIdentifier, ds.NumberOfTemporalPositions = volume + 1, VOLUMES
        imaging = ds.private_block(0x2001, "Philips Imaging DD 001", create=True)
        imaging.add_new(0x0A, "IS", rank + 1)  # Slice Number MR
        imaging.add_new(0x18, "SL", SLICES)  # Number Of Slices MR
    return ds


def number(slices: Sequence[tuple[int, int, pydicom.Dataset]], order: str) -> list[pydicom.Dataset]:
    """Return the images of slices, numbered in an order."""
    ordered = [ds for *_, ds in sorted(slices, key=lambda one: ORDERS[order](*one[:2]))]
    for rank, ds in enumerate(ordered, start=1):
        ds.InstanceNumber = rank
    return ordered


def make(images: Sequence[pydicom.Dataset], folder: Path) -> Made:
    """Write images, look at them as the converter does, and convert them whatever is said of them."""
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True)
    for ds in images:
        ds.save_as(folder / "in" / f"{ds.SOPInstanceUID}.dcm")
    (series,) = take_inventory(find_files([folder / "in"]).files).series
    try:
        (output,) = match_outputs(series, Dcm2niix(find_program()).run(series, folder / "in", folder / "out")).values()
        check_output(series, series.images[0], output)
    except ConversionError as error:
        return Made(np.empty(0), np.empty(0), series, str(error))
    upright = nib.as_closest_canonical(nib.load(output.nifti))
    return Made(np.asanyarray(upright.dataobj), upright.affine, series)


def find_good(maker: Maker) -> set[str]:
    return BY_VOLUME if maker.name in ("SIEMENS", "UIH", "CANON_MEC", "") else GOOD


def is_held(series: Series) -> bool:
    return any("numbered" in one or "numbers that tell" in one for one in series.incomplete)


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: f"{maker.name}{'' if maker.private else ', bare'}")
def test_what_dcm2niix_gets_wrong_is_held(maker: Maker, slices: list[tuple[int, int, Path]], tmp_path: Path) -> None:
    images = read(slices, maker)
    made = {order: make(number(images, order), tmp_path / str(rank)) for rank, order in enumerate(ORDERS)}
    true = made["volumes"]
    assert true.voxels.shape[3] == VOLUMES
    wrong = {order for order, one in made.items() if not one.refused and not one.equals(true)}
    held = {order for order, one in made.items() if is_held(one.series)}
    assert wrong
    assert wrong <= held
    good = find_good(maker)
    assert held == ORDERS.keys() - good
    assert [one.series.incomplete for order, one in made.items() if order in good] == [()] * len(good)
    assert {order for order, one in made.items() if one.refused} <= held


def test_slices_in_turn_of_makers_that_number_volumes_are_refused_once_they_are_flat(
    slices: list[tuple[int, int, Path]], tmp_path: Path
) -> None:
    made = make(number(read(slices, Maker("SIEMENS", private=False)), "slices"), tmp_path)
    assert is_held(made.series)
    assert "no direction from slice to slice" in made.refused
    (flat,) = (tmp_path / "out").glob("*.nii")
    assert abs(np.linalg.det(nib.load(flat).affine)) < 1e-6


def spell(ds: pydicom.Dataset, end: str, shift: float = 0.0) -> None:
    """Write the place of a slice with four digits and an end, moved along."""
    ds.ImagePositionPatient = [f"{float(value) + shift:.4f}{end}" for value in ds.ImagePositionPatient]


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: f"{maker.name}{'' if maker.private else ', bare'}")
def test_places_that_are_spelled_in_two_ways_are_the_same(
    maker: Maker, slices: list[tuple[int, int, Path]], tmp_path: Path
) -> None:
    order = "slices" if "slices" in find_good(maker) else "volumes"
    made = []
    for name, end in (("alike", ""), ("apart", "0000001")):
        images = read(slices, maker)
        for t, _, ds in images:
            spell(ds, end if t % 2 else "")
        made.append(make(number(images, order), tmp_path / name))
    assert made[1].equals(made[0])
    assert made[1].series.incomplete == ()
    assert [(one.matrix, one.volumes) for one in made[1].series.images] == [((32, 32, SLICES), VOLUMES)]


@pytest.mark.parametrize("maker", [one for one in MAKERS if not one.private], ids=lambda maker: maker.name)
def test_noise_that_dcm2niix_takes_for_other_places_is_held(
    maker: Maker, slices: list[tuple[int, int, Path]], tmp_path: Path
) -> None:
    images = read(slices, maker)
    for t, _, ds in images:
        spell(ds, "", 0.0002 * t)
    moved = make(number(images, "slices"), tmp_path / "moved")
    assert moved.voxels.shape != (32, 32, SLICES, VOLUMES)
    assert [one.partition(",")[0] for one in moved.series.incomplete] == ["its slices move by less than 0.01 mm"]
