"""How far qc is off, where the truth is known: the phantom's answer key against what qc measures.

    python benchmarks/accuracy.py [--sizes small medium] [--dialects classic enhanced] [--seeds 0] [--json FILE]
    python benchmarks/accuracy.py --from FILE ...        # the medians and ranges of what was measured

For each size, dialect and seed a person is scanned twice, once moving (as the phantom does) and once lying still; both
are converted and go through `bidsflow run qc`, with its own masks and tissues. Known are: displacement from the poses
in the answer key; noise, which the phantom adds; tissues from the label map. tSNR of a still head is its signal over
that noise, and so are `snr` and `snrd` of tissues and `snr_cc`. tSNR of a moving head is defined by more than noise
(interpolation and partial volume vary in time, too), and what it defines is computed from the truth: from the series
moved back by the poses of the answer key. A row is a measure: known, measured, and how far that is off in percent.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from bidsflow_pipelines.engines.motion import centre_of_grid, move_back, to_row
from bidsflow_pipelines.engines.surface import measure_overlap
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.stats import chi2

from bidsflow.phantom import Pose, Truth, write
from bidsflow.phantom.render import NOISE

_BRAIN = ("csf", "gray", "white", "callosum", "corticospinal", "deep-gray")
_TISSUES = {"csf": ("csf",), "gm": ("gray",), "wm": ("white", "callosum", "corticospinal")}


@dataclass(frozen=True)
class Row:
    """A measure of an image; `off` is in percent of what is known, None where that is 0."""

    phantom: str
    image: str
    measure: str
    known: float
    measured: float | None

    @property
    def off(self) -> float | None:
        """Return the error in percent."""
        return None if self.measured is None or not self.known else 100 * (self.measured / self.known - 1)


@dataclass(frozen=True)
class Scan:
    """A phantom, converted, and what qc made of it."""

    truth: Truth
    maps: Path
    bids: Path
    qc: Path

    def path(self, suffix: str) -> Path:
        """Return where an image of the dataset is, relative to it."""
        return next(self.bids.rglob(f"*_{suffix}.nii.gz")).relative_to(self.bids)

    def image(self, suffix: str) -> nib.Nifti1Image:
        """Return an image of the dataset."""
        return nib.load(self.bids / self.path(suffix))

    def measures(self, suffix: str) -> dict[str, Any]:
        """Return what qc measured in it."""
        place = self.qc / str(self.path(suffix)).replace(".nii.gz", ".json")
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        return found

    def labels(self, name: str) -> NDArray[np.int_]:
        """Return a mask or label map that qc wrote."""
        return np.asarray(nib.load(next(self.qc.glob(f"sub-*/{name}"))).dataobj).astype(int)


def bidsflow(*arguments: object) -> None:
    """Run a command that has to succeed; what it prints goes to standard error."""
    subprocess.run([sys.executable, "-m", "bidsflow", *map(str, arguments)], check=True, stdout=2)


def scan(folder: Path, series: Sequence[str], size: str, dialect: str, seed: int, *, moves: bool) -> Scan:
    """Scan a phantom, convert it, and run qc on it."""
    truth = write(
        folder / "scan", series=series, size=size, dialect=dialect, seed=seed,
        edit=lambda one: replace(one, moves=one.moves and moves),
    )  # fmt: skip
    bidsflow("convert", folder / "scan" / truth.export, folder / "bids")
    bidsflow("run", "qc", folder / "bids", folder / "qc", "participant", "--skip-bids-validation", "--coils", "1")
    return Scan(truth, folder / "scan" / "truth", folder / "bids", folder / "qc")


def mean_displacement(truth: Truth, key: str, image: nib.Nifti1Image) -> float:
    """Return the mean framewise displacement of the phantom, turned about the centre of the image; mm."""
    rows = find_poses(truth, key, image)
    steps = np.abs(np.diff(rows, axis=0))
    return float((steps[:, :3].sum(axis=1) + 50 * steps[:, 3:].sum(axis=1)).mean())


def sample_labels(scanned: Scan, image: nib.Nifti1Image) -> NDArray[np.int_]:
    """Return the index of the phantom's tissue in each voxel of an image, -1 in air."""
    session = scanned.truth.sessions[0]
    labels = np.load(scanned.maps / session.label_map)
    to_labels = np.linalg.inv(np.array(session.label_affine)) @ image.affine
    index = to_labels[:3, :3] @ np.indices(image.shape[:3]).reshape(3, -1) + to_labels[:3, 3:]
    index = np.clip(np.rint(index).astype(int), 0, np.array(labels.shape)[:, None] - 1)
    sampled: NDArray[np.int_] = labels[tuple(index)].reshape(image.shape[:3])
    return sampled


def find_poses(truth: Truth, key: str, image: nib.Nifti1Image) -> NDArray[np.float64]:
    """Return how the phantom lies in each volume, turned about the centre of the image, shape (n, 6)."""
    centre = centre_of_grid(image.shape, image.affine)
    poses = truth.find_series(key).motion
    return np.array([to_row(np.asarray(Pose(*one).matrix, dtype=np.float64), centre) for one in poses])


def tsnr_moved_back(moving: Scan) -> float:
    """Return the tSNR of a BOLD series whose known motion is undone, in the brain that qc found."""
    image = moving.image("bold")
    data = np.asarray(image.dataobj, dtype=np.float32)
    rows = find_poses(moving.truth, "rest", image)
    rows = rows - rows.mean(axis=0)  # the mask is that of the mean
    back = [move_back(data[..., index], row, image.affine, outside="nearest") for index, row in enumerate(rows)]
    voxels = np.stack(back, axis=-1)[moving.labels("func/*_mask.nii.gz") > 0]
    return float(np.median(voxels.mean(axis=1) / voxels.std(axis=1)))


def signal_in_callosum(still: Scan) -> float:
    """Return the signal without weighting in the phantom's corpus callosum."""
    image = still.image("dwi")
    weights = np.loadtxt(still.bids / str(still.path("dwi")).replace(".nii.gz", ".bval"))
    mean = np.asarray(image.dataobj, dtype=np.float32)[..., weights < 50].mean(axis=3)
    callosum = [tissue.name for tissue in still.truth.tissues].index("callosum")
    return float(np.median(mean[sample_labels(still, image) == callosum]))


def compare_bold(name: str, moving: Scan, still: Scan) -> Iterator[Row]:
    """Yield the rows of BOLD: displacement, and tSNR of the head that lies still and of the one that moves."""
    image = still.image("bold")
    signal = np.asarray(image.dataobj, dtype=np.float32).mean(axis=3)[still.labels("func/*_mask.nii.gz") > 0]
    count = image.shape[3]
    deviation = NOISE * float(np.sqrt(chi2.median(count - 1) / count))  # what half of all voxels exceed
    known = float(np.median(signal)) / deviation
    first, second = moving.measures("bold"), still.measures("bold")
    yield Row(name, "BOLD", "fd_mean", mean_displacement(moving.truth, "rest", image), first["fd_mean"])
    yield Row(name, "BOLD, still", "fd_mean", 0.0, second["fd_mean"])
    yield Row(name, "BOLD", "tsnr", tsnr_moved_back(moving), first["tsnr"])
    yield Row(name, "BOLD, still", "tsnr", known, second["tsnr"])


def compare_dwi(name: str, moving: Scan, still: Scan) -> Iterator[Row]:
    """Yield the rows of DWI: displacement, noise, and signal over noise."""
    first, second = moving.measures("dwi"), still.measures("dwi")
    known = mean_displacement(moving.truth, "dwi", still.image("dwi"))
    yield Row(name, "DWI", "fd_mean", known, first["fd_mean"])
    yield Row(name, "DWI, still", "fd_mean", 0.0, second["fd_mean"])
    levels = dict.fromkeys(("sigma_pca", "sigma_piesno", "sigma_cc"), NOISE)
    levels["snr_cc_shell0"] = signal_in_callosum(still) / NOISE
    for measure, level in levels.items():
        yield Row(name, "DWI", measure, level, first[measure])
        yield Row(name, "DWI, still", measure, level, second[measure])


def compare_anat(name: str, scanned: Scan, suffix: str) -> Iterator[Row]:
    """Yield the rows of an anatomical image: signal over noise, contrast, and where tissues are."""
    image, found = scanned.image(suffix), scanned.measures(suffix)
    data, truth = np.asarray(image.dataobj, dtype=np.float32), sample_labels(scanned, image)
    names = [tissue.name for tissue in scanned.truth.tissues]
    kind = "" if suffix == "T1w" else suffix
    brain = scanned.labels(f"anat/sub-*_desc-brain{kind}_mask.nii.gz") > 0
    found_labels = scanned.labels(f"anat/sub-*_desc-{kind}_dseg.nii.gz" if kind else "anat/sub-??_dseg.nii.gz")
    whole = np.isin(truth, [names.index(part) for part in _BRAIN])
    yield Row(name, suffix, "Dice of the brain", 1.0, measure_overlap(brain, whole))
    signal = {}
    for rank, (tissue, parts) in enumerate(_TISSUES.items(), start=1):
        true = np.isin(truth, [names.index(part) for part in parts])
        yield Row(name, suffix, f"Dice of {tissue}", 1.0, measure_overlap(found_labels == rank, true & brain))
        inner = binary_erosion(true, iterations=1)
        signal[tissue] = float(np.median(data[inner]))
        for measure in (f"snr_{tissue}", f"snrd_{tissue}"):
            yield Row(name, suffix, measure, signal[tissue] / NOISE, found[measure])
    for measure in ("snr_total", "snrd_total"):
        yield Row(name, suffix, measure, float(np.mean(list(signal.values()))) / NOISE, found[measure])
    ratio = found["summary_gm_median"] / found["summary_wm_median"]
    yield Row(name, suffix, "median of gm / wm", signal["gm"] / signal["wm"], ratio)


def compare(folder: Path, size: str, dialect: str, seed: int) -> Iterator[Row]:
    """Yield all rows of one phantom."""
    name = f"{size}, {dialect}, seed {seed}"
    moving = scan(folder / "moving", ("t1w", "t2w", "rest", "dwi"), size, dialect, seed, moves=True)
    still = scan(folder / "still", ("rest", "dwi"), size, dialect, seed, moves=False)
    yield from compare_bold(name, moving, still)
    yield from compare_dwi(name, moving, still)
    for suffix in ("T1w", "T2w"):
        yield from compare_anat(name, moving, suffix)


def format_row(row: Row) -> str:
    """Return a row of a table in Markdown."""
    measured = "missing" if row.measured is None else f"{row.measured:.3f}"
    off = "" if row.off is None else f"{row.off:+.1f}"
    return f"| {row.phantom} | {row.image} | {row.measure} | {row.known:.3f} | {measured} | {off} |"


def summarize(rows: Sequence[Row]) -> Iterator[str]:
    """Yield a table in Markdown: how far each measure is off in percent, median and range of all phantoms of a size."""
    sizes = sorted({row.phantom.split(",")[0] for row in rows}, reverse=True)
    yield "| image | measure | " + " | ".join(sizes) + " |"
    yield "|---|---|" + "--:|" * len(sizes)
    for image, measure in dict.fromkeys((row.image, row.measure) for row in rows):
        of_measure = [row for row in rows if (row.image, row.measure) == (image, measure)]
        cells = (describe([row for row in of_measure if row.phantom.startswith(f"{size},")]) for size in sizes)
        yield f"| {image} | {measure} | " + " | ".join(cells) + " |"


def describe(rows: Sequence[Row]) -> str:
    """Return the median and the range of what rows are off in percent; of what was measured, where the truth is 0."""
    found = [row.off if row.known else row.measured for row in rows if row.measured is not None]
    values = [value for value in found if value is not None]
    missing = f", {len(rows) - len(values)} of {len(rows)} missing" if len(values) < len(rows) else ""
    if not values:
        return "missing"
    style = "{:+.1f} ({:+.1f}...{:+.1f})" if rows[0].known else "{:.3f} ({:.3f}...{:.3f})"
    return style.format(float(np.median(values)), min(values), max(values)) + missing


def measure(sizes: Sequence[str], dialects: Sequence[str], seeds: Sequence[int]) -> Iterator[Row]:
    """Yield all rows of all phantoms."""
    for size in sizes:
        for dialect in dialects:
            for seed in seeds:
                with tempfile.TemporaryDirectory() as folder:
                    yield from compare(Path(folder), size, dialect, seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description="How far qc is off on phantoms.")
    parser.add_argument("--sizes", nargs="+", default=["small", "medium"])
    parser.add_argument("--dialects", nargs="+", default=["classic", "enhanced"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    parser.add_argument("--from", dest="files", nargs="+", type=Path, help="measure nothing, summarize these")
    chosen = parser.parse_args(arguments)
    if chosen.files:
        rows = [Row(**row) for file in chosen.files for row in json.loads(file.read_text(encoding="utf-8"))]
    else:
        rows = []
        print("| phantom | image | measure | known | measured | off, % |\n|---|---|---|--:|--:|--:|")
        for row in measure(chosen.sizes, chosen.dialects, chosen.seeds):
            rows.append(row)
            print(format_row(row), flush=True)
        if chosen.json:
            chosen.json.write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    print("\n" + "\n".join(summarize(rows)))


if __name__ == "__main__":
    main()
