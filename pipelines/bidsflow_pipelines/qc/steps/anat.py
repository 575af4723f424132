"""Measure and draw an anatomical image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidsflow_pipelines.engines.images import load_mask, load_volume, save_volume
from bidsflow_pipelines.qc.files import clean_doubts, to_values

if TYPE_CHECKING:
    from bidsflow.report.slices import Box


#: Said of an image that was masked, defaced or filled with zeros.
NO_AIR = "The air was set to zero, so that ghosts and spikes do not show, and what is measured in it is missing."


class Measured(NamedTuple):
    """Values for the file of measures, and the masks that they were measured in.

    Attributes
    ----------
    values : dict
        As `files.to_values` has them.
    air, artifact : Path
        Parts of the background.
    """

    values: dict[str, Any]
    air: Path
    artifact: Path


class Drawn(NamedTuple):
    """Drawings, as `bidsflow.report.store` keeps them."""

    figures: Path


def measure(
    *,
    image: Path,
    corrected: Path,
    field: Path,
    head: Path,
    below: Path,
    labels: Path,
    tissues: tuple[Path, ...],
    templates: tuple[Path, ...],
    doubts: tuple[str, ...],
    scanner: str,
) -> Measured:
    """Return all measures of an anatomical image.

    Parameters
    ----------
    image, corrected, field : Path
        As acquired; after the correction of non-uniformity; the field that was found.
    head, below : Path
        Masks of the head, and of what lies below the plane through glabella and inion.
    labels : Path
        0 background, 1 CSF, 2 grey matter, 3 white matter.
    tissues, templates : tuple of Path
        Probabilities of CSF, grey and white matter: found, and of the template.
    doubts : tuple of str
        What the engines found implausible; empty ones are left out.
    scanner : str
        For the tables of the group.
    """
    from bidsflow_pipelines.qc.measures.anat import AnatImages, measure_anat
    from bidsflow_pipelines.qc.measures.background import find_background

    original = load_volume(image)
    x, y, z = original.zooms.tolist()
    zooms = (x, y, z)
    outside = load_mask(head)
    # Interpolation and filters leave values below zero; noise has none.
    background = find_background(np.maximum(original.data, 0), outside, load_mask(below), zooms)
    csf, gm, wm = (load_volume(one).data for one in tissues)
    prior_csf, prior_gm, prior_wm = (load_volume(one).data for one in templates)
    images = AnatImages(
        original=np.maximum(original.data, 0),
        corrected=load_volume(corrected).data,
        bias=load_volume(field).data,
        labels=load_volume(labels).data.astype(np.uint8),
        tissues=(csf, gm, wm),
        head=outside,
        background=background,
        templates=(prior_csf, prior_gm, prior_wm),
    )
    return Measured(
        to_values(measure_anat(images, zooms), clean_doubts(doubts), scanner),
        save_volume("air_mask.nii.gz", background.air, original.affine),
        save_volume("artifact_mask.nii.gz", background.artifact, original.affine),
    )


def draw(*, image: Path, corrected: Path, brain: Path, head: Path, labels: Path, air: Path, artifact: Path) -> Drawn:
    """Draw what a person looks at to judge an anatomical image.

    Parameters
    ----------
    image, corrected : Path
        As acquired, and after the correction of non-uniformity.
    brain, head, air, artifact : Path
        Masks.
    labels : Path
        1 CSF, 2 grey matter, 3 white matter.
    """
    import nibabel as nib

    from bidsflow.report.histograms import Sample, draw_histogram
    from bidsflow.report.shapes import Ink
    from bidsflow.report.slices import Outline, draw_mosaic, find_air_look, find_box
    from bidsflow.report.store import dump_figures

    raw, flat = nib.load(image), nib.load(corrected)
    inside, skin = load_mask(brain), load_mask(head)
    tissue = load_volume(labels).data
    noise, ghost = load_mask(air), load_mask(artifact)
    box = find_box(inside)
    look = find_air_look(raw)
    background = (Outline("head", skin, Ink.SKY), Outline("artifacts", ghost, Ink.ORANGE))
    contours = (
        Outline("brain", inside, Ink.ORANGE),
        Outline("grey and white matter", tissue >= 2, Ink.SKY),
        Outline("white matter", tissue == 3, Ink.YELLOW),
    )
    intensities = np.asarray(load_volume(corrected).data)
    samples = tuple(
        Sample(name, intensities[where][:: max(1, int(where.sum()) // 50_000)].astype(np.float64))
        for name, where in (
            ("air", noise), ("CSF", tissue == 1), ("grey matter", tissue == 2), ("white matter", tissue == 3),
        )
        if where.any()
    )  # fmt: skip
    figures = (
        draw_mosaic(raw, title="Brain, from below to above", box=box, many=24, caption="Look for rings and blur."),
        draw_mosaic(
            raw, title="Whole image", view="sagittal", many=12, box=_find_slab(skin, raw.affine, 0),
            caption="Look for wrapping and cut-offs.",
        ),
        draw_mosaic(
            raw, title="Background", many=18, look=look, outlines=background, box=_find_slab(skin, raw.affine, 2),
            caption="The air, made bright: ghosts and spikes show here." if look else NO_AIR,
        ),
        draw_mosaic(
            flat, title="Brain and tissues", many=18, box=box, outlines=contours,
            caption="Measures are only as good as these outlines.",
        ),
        draw_mosaic(flat, title="Brain and tissues from the side", view="coronal", many=12, box=box, outlines=contours),
        draw_histogram(samples, title="Intensities by tissue", caption="Well apart is good."),
    )  # fmt: skip
    path = Path("figures.json").absolute()
    path.write_text(dump_figures(figures), encoding="utf-8")
    return Drawn(path)


def _find_slab(head: NDArray[np.bool_], affine: NDArray[np.float64], direction: int) -> Box:
    """Return the box of all slices that hold some of the head, in full: air at the ends has nothing to show.

    Parameters
    ----------
    head : ndarray of bool, shape (i, j, k)
        Mask.
    affine : ndarray, shape (4, 4)
        Of the image.
    direction : int
        What the slices are stacked along: 0 left to right, 1 back to front, 2 foot to head.
    """
    import nibabel as nib

    from bidsflow.report.slices import find_box

    axis = nib.io_orientation(affine)[:, 0].tolist().index(direction)
    ends = find_box(head)[axis]
    first, second, third = (ends if rank == axis else (0, size) for rank, size in enumerate(head.shape))
    return first, second, third
