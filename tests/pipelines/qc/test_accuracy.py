"""What qc measures, against what the phantom knows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
from bidsflow_pipelines.engines.bold import mask_epi
from bidsflow_pipelines.engines.dwi import extract_b0
from bidsflow_pipelines.engines.dwi_motion import realign_dwi
from bidsflow_pipelines.engines.motion import centre_of_grid, load_motion, realign, to_row
from bidsflow_pipelines.qc.measures.motion import fd
from bidsflow_pipelines.qc.steps import anat, bold
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.stats import chi2

from bidsflow.phantom import Pose, SessionTruth, Truth, write
from bidsflow.phantom.render import NOISE
from tests.pipelines.qc.build import Finished, bidsflow

#: What the measures may be off.
CLOSE = 0.05


class Scan(NamedTuple):
    """A dataset of one person, and its answer key."""

    bids: Path
    truth: Truth
    maps: Path

    def image(self, suffix: str) -> Path:
        return next(self.bids.rglob(f"*_{suffix}.nii.gz"))


def scan(folder: Path, series: str, size: str, *, moves: bool = True) -> Scan:
    truth = write(folder / "scan", series=[series], size=size, edit=lambda one: replace(one, moves=one.moves and moves))
    bidsflow("convert", folder / "scan" / truth.export, folder / "bids")
    return Scan(folder / "bids", truth, folder / "scan" / "truth")


def expected_displacement(truth: Truth, image: Path, key: str = "rest") -> float:
    """Return the mean framewise displacement of the phantom, turned about the centre of the image as it is measured."""
    img = nib.load(image)
    centre = centre_of_grid(img.shape, img.affine)
    rows = np.array([to_row(Pose(*one).matrix, centre) for one in truth.find_series(key).motion])
    steps = np.abs(np.diff(rows, axis=0))
    return float((steps[:, :3].sum(axis=1) + 50 * steps[:, 3:].sum(axis=1)).mean())


@pytest.mark.parametrize("label", ["01", "02"])
def test_displacement_is_that_of_the_phantom(finished: Finished, label: str) -> None:
    """Of ten seeds, the farthest was off by 6.6 % (docs/qc.md)."""
    image = finished.bids / f"sub-{label}" / "func" / f"sub-{label}_task-rest_bold.nii.gz"
    found = json.loads((finished.qc / f"sub-{label}" / "func" / f"sub-{label}_task-rest_bold.json").read_text())
    assert found["fd_mean"] == pytest.approx(expected_displacement(finished.truths[label], image), rel=0.07)


def test_displacement_of_diffusion_images_is_about_that_of_the_phantom(finished: Finished) -> None:
    """Some of the motion could as well be contrast: of eight seeds, the farthest was off by 6.1 % (docs/qc.md)."""
    stem = "sub-01/dwi/sub-01_dir-AP_dwi"
    expected = expected_displacement(finished.truths["01"], finished.bids / f"{stem}.nii.gz", "dwi")
    assert json.loads((finished.qc / f"{stem}.json").read_text())["fd_mean"] == pytest.approx(expected, rel=0.1)


def measure_displacement(scan: Scan) -> float:
    """Return the mean framewise displacement that qc finds in a diffusion series."""
    image = scan.image("dwi")
    bval, bvec = (image.with_name(image.name.replace(".nii.gz", ext)) for ext in (".bval", ".bvec"))
    brain = extract_b0(image, bval, bvec).brain
    return float(fd(load_motion(realign_dwi(image, bval, bvec, brain, phase_encoding="j-").parameters)).mean())


def test_displacement_of_diffusion_images_is_small_where_the_head_lies_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    still = scan(tmp_path, "dwi", "small", moves=False)
    assert measure_displacement(still) < 0.01 * max(nib.load(still.image("dwi")).header.get_zooms()[:3])


@pytest.mark.parametrize("measure", ["sigma_cc", "sigma_pca", "sigma_piesno"])
def test_noise_of_diffusion_images_is_that_of_the_phantom(finished: Finished, measure: str) -> None:
    found = json.loads((finished.qc / "sub-01" / "dwi" / "sub-01_dir-AP_dwi.json").read_text())
    assert found[measure] == pytest.approx(NOISE, rel=CLOSE)


def measure_bold(scan: Scan, folder: Path) -> tuple[dict[str, float], NDArray[np.bool_]]:
    image = scan.image("bold")
    still = realign(image, repetition_time=2.0)
    brain = mask_epi(still.reference).brain
    found = bold.measure(
        realigned=still.realigned, brain=brain, parameters=still.parameters, dummies=0, repetition_time=2.0,
        fd_threshold=0.2, doubts=(), scanner="",
    )  # fmt: skip
    return found.values, np.asarray(nib.load(brain).dataobj) > 0


@pytest.mark.parametrize("size", ["small", pytest.param("medium", marks=pytest.mark.slow)])
def test_tsnr_of_a_head_that_lies_still_is_signal_over_noise(
    size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    still = scan(tmp_path, "rest", size, moves=False)
    found, brain = measure_bold(still, tmp_path)
    signal = nib.load(still.image("bold")).get_fdata()[brain].mean(axis=1)
    count = nib.load(still.image("bold")).shape[3]
    deviation = NOISE * np.sqrt(chi2.median(count - 1) / count)  # what half of all voxels exceed, with few volumes
    assert found["tsnr"] == pytest.approx(float(np.median(signal)) / deviation, rel=CLOSE)
    assert found["fd_mean"] < 0.01 * max(nib.load(still.image("bold")).header.get_zooms()[:3])


@pytest.mark.slow
def test_motion_is_found_and_costs_little_tsnr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    moved = scan(tmp_path, "rest", "medium")
    found, brain = measure_bold(moved, tmp_path)
    assert found["fd_mean"] == pytest.approx(expected_displacement(moved.truth, moved.image("bold")), rel=CLOSE)
    signal = nib.load(moved.image("bold")).get_fdata()[brain].mean(axis=1)
    # Motion within a distorted image cannot be undone in full: what is left is no fault of the measure.
    assert 0.9 < found["tsnr"] / (float(np.median(signal)) / NOISE) < 1 + CLOSE


def sample_labels(maps: Path, session: SessionTruth, image: nib.Nifti1Image) -> NDArray[np.int8]:
    """Return the phantom's label map on the grid of an image."""
    labels = np.load(maps / session.label_map)
    index = np.indices(image.shape).reshape(3, -1)
    to_labels = np.linalg.inv(np.array(session.label_affine)) @ image.affine
    i, j, k = np.rint(to_labels[:3, :3] @ index + to_labels[:3, 3:]).astype(int)
    sampled: NDArray[np.int8] = labels[i, j, k].reshape(image.shape)
    return sampled


def find_signals(truth: Truth, maps: Path, image: nib.Nifti1Image) -> dict[str, tuple[NDArray[np.bool_], float]]:
    """Return where each tissue of the phantom is, and its signal, without the rim."""
    labels, data = sample_labels(maps, truth.sessions[0], image), image.get_fdata(dtype=np.float32)
    names = [tissue.name for tissue in truth.tissues]
    parts = {"csf": ("csf",), "gm": ("gray",), "wm": ("white", "callosum", "corticospinal")}
    places = {key: np.isin(labels, [names.index(part) for part in parts[key]]) for key in parts}
    return {key: (place, float(np.median(data[binary_erosion(place)]))) for key, place in places.items()}


@pytest.mark.parametrize("measure", ["snr_csf", "snr_gm", "snr_wm", "snrd_csf", "snrd_gm", "snrd_wm"])
def test_signal_to_noise_of_a_t1w_is_that_of_the_phantom(finished: Finished, measure: str) -> None:
    """With the masks and tissues that qc finds in voxels of 3 mm."""
    stem = "sub-01/anat/sub-01_T1w"
    maps = finished.bids.parent / "01" / "truth"
    known = find_signals(finished.truths["01"], maps, nib.load(finished.bids / f"{stem}.nii.gz"))
    found = json.loads((finished.qc / f"{stem}.json").read_text())[measure]
    assert found == pytest.approx(known[measure.split("_")[1]][1] / NOISE, rel=CLOSE)


def test_signal_to_noise_of_tissues_is_that_of_the_phantom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the phantom's own tissues, rims and all."""
    monkeypatch.chdir(tmp_path)
    scanned = scan(tmp_path, "t1w", "medium")
    image = nib.load(scanned.image("T1w"))
    known = find_signals(scanned.truth, scanned.maps, image)

    def save(name: str, values: NDArray[np.generic]) -> Path:
        path = tmp_path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(values.astype(np.float32), image.affine), path)
        return path

    tissues = tuple(save(name, place) for name, (place, _) in known.items())
    labels = sum((rank * place for rank, (place, _) in enumerate(known.values(), start=1)), np.zeros(image.shape))
    head = sample_labels(scanned.maps, scanned.truth.sessions[0], image) >= 0
    found = anat.measure(
        image=scanned.image("T1w"), corrected=scanned.image("T1w"), field=save("field", np.ones(image.shape)),
        head=save("head", head), below=save("below", np.zeros(image.shape)), labels=save("labels", labels),
        tissues=tissues, templates=tissues, doubts=(), scanner="",
    ).values  # fmt: skip
    for key, (_, signal) in known.items():
        assert found[f"snr_{key}"] == pytest.approx(signal / NOISE, rel=CLOSE), key
        assert found[f"snrd_{key}"] == pytest.approx(signal / NOISE, rel=CLOSE), key
