"""Measure and draw a functional series."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.images import Image, Mask, dilate, erode, load_mask, load_volume
from bidsflow_pipelines.engines.motion import COLUMNS, load_motion
from bidsflow_pipelines.engines.series import open_series
from bidsflow_pipelines.qc.files import clean_doubts, to_values, zooms_of
from bidsflow_pipelines.qc.steps.coverage import keep_covered

if TYPE_CHECKING:
    from bidsflow.report.shapes import Drawing

#: Millimetres from the edge of the brain within which the cortex lies.
CORTEX = 10.0
#: Voxels beyond the edge of the brain that the crown reaches; the first half is not sure to be outside.
CROWN = 2.6
#: Parts of the carpet, from top to bottom.
PARTS = {1: "outer brain", 2: "inner brain", 3: "crown"}


class Counted(NamedTuple):
    """Leading volumes that are not in a steady state."""

    dummies: int


class Measured(NamedTuple):
    """Values for the file of measures, and the table of what changes over volumes."""

    values: dict[str, Any]
    timeseries: Path


class Drawn(NamedTuple):
    """Drawings, as `bidsflow.report.store` keeps them."""

    figures: Path


def count_dummies(series: Path) -> Counted:
    """Return how many volumes at the beginning are not in a steady state."""
    from bidsflow_pipelines.qc.measures.bold import dummy_trs

    with open_series(series) as volumes:
        count = min(50, volumes.shape[3])  # dummy_trs looks at no more
        early = np.stack([volumes[index] for index in range(count)], axis=3)
    return Counted(int(dummy_trs(early)))


def measure(
    *,
    realigned: Path,
    brain: Path,
    parameters: Path,
    dummies: int,
    repetition_time: float,
    fd_threshold: float,
    doubts: tuple[str, ...],
    scanner: str,
) -> Measured:
    """Return all measures of a functional series.

    Parameters
    ----------
    realigned : Path
        The series without the motion; the volumes that are not in a steady state are left out here.
    brain : Path
        Mask.
    parameters : Path
        Motion, a row per volume.
    dummies : int
        Leading volumes to leave out.
    repetition_time : float
        Seconds.
    fd_threshold : float
        Millimetres above which a volume counts as moved.
    doubts : tuple of str
        What the engines found implausible; empty ones are left out.
    scanner : str
        For the tables of the group.
    """
    import nibabel as nib

    from bidsflow_pipelines.qc.measures.bold import measure_bold, time_courses, trace_bold
    from bidsflow_pipelines.qc.measures.motion import summarize_fd

    img = nib.load(realigned)
    series = np.asanyarray(img.dataobj)[..., dummies:]
    mask = keep_covered(series, load_mask(brain))
    motion = load_motion(parameters)
    courses = time_courses(series, mask)
    traces = trace_bold(courses, motion[dummies:], repetition_time)
    found = measure_bold(series, mask, courses, traces, zooms=zooms_of(img), tr=repetition_time, dummies=dummies)
    moved = summarize_fd(traces.fd, fd_threshold)
    found |= {f"fd_{key}": value for key, value in moved.items()}
    columns = {
        **{name: motion[:, rank] for rank, name in enumerate(COLUMNS)},
        "framewise_displacement": _pad(traces.fd, dummies, len(motion)),
        "dvars": _pad(traces.dvars.nstd, dummies, len(motion)),
        "std_dvars": _pad(traces.dvars.std, dummies, len(motion)),
        "outliers": _pad(traces.aor, dummies, len(motion)),
        "global_signal": _pad(courses.mean(axis=0), dummies, len(motion)),
    }
    table = Path("timeseries.tsv").absolute()
    table.write_text(_format_table(columns), encoding="utf-8")
    return Measured(to_values(found, clean_doubts(doubts), scanner), table)


def _pad(values: np.ndarray[Any, Any], dummies: int, count: int) -> np.ndarray[Any, Any]:
    """Return values at the volumes that they belong to: what has none is NaN (the dummies, the first difference)."""
    padded = np.full(count, np.nan)
    padded[count - len(values) :] = values
    padded[:dummies] = np.nan
    return padded


def _format_table(columns: dict[str, Any]) -> str:
    def cell(value: float) -> str:
        return f"{value:.6g}" if math.isfinite(value) else "n/a"

    rows: Iterable[tuple[float, ...]] = zip(*columns.values(), strict=True)
    lines = ["\t".join(columns), *("\t".join(map(cell, row)) for row in rows)]
    return "\n".join(lines) + "\n"


def draw(
    *,
    realigned: Path,
    brain: Path,
    mean: Path,
    std: Path,
    tsnr: Path,
    timeseries: Path,
    dummies: int,
    repetition_time: float,
    fd_threshold: float,
) -> Drawn:
    """Draw what a person looks at to judge a functional series.

    Parameters
    ----------
    realigned, brain, mean, std, tsnr : Path
        The series without the motion, the mask, and maps over time.
    timeseries : Path
        As `measure` wrote it.
    dummies : int
        Leading volumes that are not in a steady state.
    repetition_time, fd_threshold : float
        Seconds, and millimetres.
    """
    import nibabel as nib

    from bidsflow.report.shapes import Ink
    from bidsflow.report.slices import Look, Outline, draw_mosaic, find_air_look, find_box, outline_labels
    from bidsflow.report.store import dump_figures

    img = nib.load(realigned)
    average = nib.load(mean)
    mask = load_mask(brain)
    box = find_box(mask)
    series = np.asanyarray(img.dataobj)
    seen = keep_covered(series, np.ones_like(mask))
    covered = mask & seen if (mask & seen).any() else mask
    depth = sort_by_depth(mask, zooms_of(img)) * seen
    spread, ratio = (np.where(seen, load_volume(one).data, 0) for one in (std, tsnr))
    figures = (
        draw_course(series, depth, _read_table(timeseries), repetition_time, fd_threshold),
        draw_mosaic(
            average, title="Mean", many=24, outlines=(Outline("brain mask", mask, Ink.ORANGE),),
            caption="Look for dropouts and the mask's edge.",
        ),
        draw_mosaic(average, title="Brain in the mean", many=24, box=box, caption="Look for blur, stripes and rings."),
        draw_mosaic(
            nib.Nifti1Image(spread, img.affine), title="Standard deviation", many=18, box=box,
            look=Look((0.0, float(np.percentile(spread[covered], 99.5))), "cividis", "signal"),
            caption="Vessels are bright; rims are motion. What left the image for a while is blank.",
        ),
        draw_mosaic(
            nib.Nifti1Image(ratio, img.affine), title="Temporal signal-to-noise ratio", many=18, box=box,
            look=Look((0.0, float(np.percentile(ratio[covered], 95))), "cividis", "tSNR"),
        ),
        draw_mosaic(
            average, title="Background of the mean", many=12, look=find_air_look(average),
            caption="The air, made bright: ghosts along the phase encoding show here.",
        ),
        draw_mosaic(
            average, title="Parts of the carpet", many=12, box=box, outlines=outline_labels(depth, PARTS),
            caption="Where the rows of the carpet come from.",
        ),
    )  # fmt: skip
    path = Path("figures.json").absolute()
    path.write_text(dump_figures(figures), encoding="utf-8")
    return Drawn(path)


def sort_by_depth(mask: Mask, zooms: tuple[float, float, float]) -> NDArray[np.uint8]:
    """Return the part of the carpet that each voxel belongs to, by its distance from the edge of the brain.

    A functional series alone does not tell grey from white matter. Depth comes near: the cortex lies within about a
    centimetre of the brain's edge, white matter, ventricles and deep nuclei farther in. The crown just outside of the
    edge holds no brain: what shows there is motion (Patriat et al. 2015, doi:10.1016/j.neuroimage.2015.02.068).

    Parameters
    ----------
    mask : ndarray of bool, shape (i, j, k)
        The brain.
    zooms : tuple of float
        Voxel size, millimetres.

    Returns
    -------
    parts : ndarray of uint8, shape (i, j, k)
        Keys of `PARTS`, 0 elsewhere.
    """
    voxel = max(zooms)
    size = np.array(zooms)
    parts = np.zeros(mask.shape, dtype=np.uint8)
    outside = dilate(mask, CROWN * voxel, size) & ~dilate(mask, 0.5 * voxel, size)
    parts[outside] = 3
    parts[mask] = 1
    parts[erode(mask, max(CORTEX, 1.01 * voxel), size)] = 2
    return parts


def draw_course(
    series: Image,
    depth: NDArray[np.uint8],
    table: dict[str, tuple[float, ...]],
    repetition_time: float,
    fd_threshold: float,
) -> Drawing:
    """Return displacement, DVARS, outliers and global signal above a carpet of voxels ordered by depth."""
    from bidsflow.report.timeline import Course, draw_timeline, sample_carpet

    fd = table["framewise_displacement"]
    courses = (
        Course("displacement", fd, "mm", fd_threshold),
        Course("std. DVARS", table["std_dvars"]),
        Course("outliers", table["outliers"]),
        Course("global signal", table["global_signal"]),
    )
    flagged = tuple(rank for rank, value in enumerate(fd) if value > fd_threshold)
    return draw_timeline(
        courses, title="Motion, signal and carpet", seconds_per_volume=repetition_time, flagged=flagged,
        carpet=sample_carpet(series, depth, PARTS),
        caption="A row is a voxel. Rows are ordered by depth, not by tissue: the outer brain, up to 10 mm deep, is "
        "mostly cortex, the inner brain mostly white matter and ventricles, the crown lies just outside. Bands "
        "across all of the carpet are motion, those of the brain alone are breathing or a global signal.",
    )  # fmt: skip


def _read_table(path: Path) -> dict[str, tuple[float, ...]]:
    header, *rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    cells = ([math.nan if cell == "n/a" else float(cell) for cell in row] for row in rows)
    return dict(zip(header, zip(*cells, strict=True), strict=True))
