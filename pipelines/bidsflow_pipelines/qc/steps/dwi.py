"""Measure and draw a diffusion series."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bidsflow_pipelines.engines.dwi import load_gradients
from bidsflow_pipelines.engines.images import load_mask, load_volume
from bidsflow_pipelines.engines.motion import load_motion
from bidsflow_pipelines.qc.files import clean_doubts, to_values, zooms_of
from bidsflow_pipelines.qc.steps.coverage import keep_covered


class Measured(NamedTuple):
    """Values for the file of measures."""

    values: dict[str, Any]


class Drawn(NamedTuple):
    """Drawings, as `bidsflow.report.store` keeps them."""

    figures: Path


def measure(
    *,
    image: Path,
    realigned: Path,
    bval: Path,
    bvec: Path,
    brain: Path,
    parameters: Path,
    rotated: Path,
    fa: Path,
    color_fa: Path,
    noise: Path,
    coils: int,
    fd_threshold: float,
    doubts: tuple[str, ...],
    scanner: str,
) -> Measured:
    """Return all measures of a diffusion series.

    Parameters
    ----------
    image, realigned : Path
        As acquired, and without the motion.
    bval, bvec : Path
        As BIDS has them.
    brain : Path
        Mask.
    parameters, rotated : Path
        Motion, and the b-vectors turned with the head.
    fa, color_fa, noise : Path
        Maps of the tensor, and of the noise.
    coils : int
        Receiver channels that PIESNO assumes.
    fd_threshold : float
        Millimetres above which a volume counts as moved.
    doubts : tuple of str
        What the engines found implausible; empty ones are left out.
    scanner : str
        For the tables of the group.
    """
    import nibabel as nib

    from bidsflow_pipelines.qc.measures.dwi import DwiImages, corpus_callosum, measure_dwi, white_matter
    from bidsflow_pipelines.qc.measures.motion import fd, summarize_fd

    original = nib.load(image)
    gradients = load_gradients(bval, bvec)
    anisotropy = np.asarray(nib.load(fa).dataobj, dtype=np.float32)
    wm = white_matter(np.nan_to_num(anisotropy))
    motion = load_motion(parameters)
    series = np.asanyarray(nib.load(realigned).dataobj)
    images = DwiImages(
        original=np.asarray(original.dataobj, dtype=np.float32),
        series=series,
        b_values=gradients.b_values,
        b_vectors=gradients.b_vectors,
        mask=keep_covered(series, load_mask(brain)),
        motion=motion,
        fa=anisotropy,
        wm=wm,
        cc=corpus_callosum(np.asarray(nib.load(color_fa).dataobj, dtype=np.float32), wm),
        rotated=load_gradients(bval, rotated).b_vectors,
        noise=load_volume(noise).data,
    )
    found = measure_dwi(images, zooms_of(original), coils=coils)
    found |= {f"fd_{key}": value for key, value in summarize_fd(fd(motion), fd_threshold).items()}
    return Measured(to_values(found, clean_doubts(doubts), scanner))


def draw(
    *,
    image: Path,
    bval: Path,
    bvec: Path,
    b0: Path,
    brain: Path,
    parameters: Path,
    fa: Path,
    noise: Path,
    fd_threshold: float,
) -> Drawn:
    """Draw what a person looks at to judge a diffusion series.

    Parameters
    ----------
    image, bval, bvec : Path
        As acquired.
    b0, brain, fa, noise : Path
        The mean without weighting, the mask, maps.
    parameters : Path
        Motion.
    fd_threshold : float
        Millimetres.
    """
    import nibabel as nib

    from bidsflow.report.gradients import draw_gradients, group_shells
    from bidsflow.report.shapes import Drawing, Ink
    from bidsflow.report.slices import Look, Outline, draw_mosaic, find_box
    from bidsflow.report.store import dump_figures
    from bidsflow.report.timeline import Course, draw_timeline
    from bidsflow_pipelines.qc.measures.motion import fd

    gradients = load_gradients(bval, bvec)
    mask = load_mask(brain)
    box = find_box(mask)
    series = nib.load(image)
    data = np.asanyarray(series.dataobj)
    moved = (float("nan"), *fd(load_motion(parameters)).tolist())
    signal = [float(data[..., rank][mask].mean()) for rank in range(data.shape[3])]
    sigma = load_volume(noise).data
    figures: list[Drawing] = [
        draw_mosaic(nib.load(b0), title="b = 0", many=24, outlines=(Outline("brain mask", mask, Ink.ORANGE),)),
        *(
            draw_mosaic(
                nib.Nifti1Image(data[..., list(shell.volumes)].mean(axis=3, dtype=np.float32), series.affine),
                title=f"Mean of b = {shell.b_value:.0f} s/mm²", many=12, box=box,
                caption="Dark slices are motion during the pulse, bright spots are spikes.",
            )
            for shell in group_shells(gradients.b_values.tolist())
            if shell.b_value > 50
        ),
        draw_timeline(
            (Course("displacement", moved, "mm", fd_threshold), Course("mean signal", tuple(signal))),
            title="Motion and signal", seconds_per_volume=1.0,
            caption="A second stands for a volume. The signal follows the b-values; single dips are lost slices.",
        ),
        draw_gradients(
            gradients.b_vectors.tolist(), gradients.b_values.tolist(), title="Gradient directions",
            caption="Each half of the sphere is to be covered evenly.", frame=("i", "j"),
        ),
        draw_mosaic(
            nib.Nifti1Image(np.nan_to_num(load_volume(fa).data), series.affine), title="Fractional anisotropy",
            many=18, box=box, look=Look((0.0, 1.0)), caption="White matter is to stand out sharply.",
        ),
        draw_mosaic(
            nib.load(noise), title="Noise", many=12, box=box,
            look=Look((0.0, float(np.percentile(sigma[mask], 99)) or 1.0), "cividis", "signal"),
        ),
    ]  # fmt: skip
    path = Path("figures.json").absolute()
    path.write_text(dump_figures(tuple(figures)), encoding="utf-8")
    return Drawn(path)
