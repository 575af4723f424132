"""Where the brain is: a template is bent onto the head (Avants et al. 2008, doi:10.1016/j.media.2007.06.004).

No network of weights, no download: the mask of the template comes back through the same way. The bent tissue
probabilities come with it, and the affine, which says where up is.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from bidsflow_pipelines.engines.align import DEPTHS, SCALP, align_template, clip_head
from bidsflow_pipelines.engines.head import find_head
from bidsflow_pipelines.engines.images import (
    Affine,
    Image,
    Mask,
    Volume,
    dilate,
    erode,
    fill_holes,
    largest_region,
    load_volume,
    resample,
    save_volume,
    shrink,
)
from bidsflow_pipelines.engines.itk import SEED, from_ants, load_ants, to_ants
from bidsflow_pipelines.engines.templates import Template, load_template

#: Millimetres: what the registration sees.
GRID = 3.0
#: Voxels: how smooth each step of the bending is; with less, brains reach for the scalp.
FLUID = 5
#: From a quarter to the full grid.
ITERATIONS = (40, 30, 15)
#: Millilitres. Outside of this, no adult's or school child's intracranial space (Courchesne et al. 2000,
#: doi:10.1148/radiology.216.3.r00au37672: 1.0 to 1.8 litres), with a margin for the mask's own error.
VOLUMES = (800.0, 2200.0)

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class Fit(NamedTuple):
    """A template that was bent onto a head; images on the grid of the head.

    Attributes
    ----------
    mask : ndarray of bool
        The brain with its ventricles and sulci.
    tissues : tuple of ndarray
        Probabilities of CSF, grey and white matter of the template.
    to_template : ndarray, shape (4, 4)
        The affine part: RAS millimetres of the head to those of the template.
    explained : float
        Part of the variance of the head that the template explained before it was bent, 0 to 1.
    """

    mask: Mask
    tissues: tuple[Image, Image, Image]
    to_template: Affine
    explained: float


class BrainFiles(NamedTuple):
    """The brain, the template's tissues on the image, and how well that looks.

    Attributes
    ----------
    brain, csf, gm, wm : Path
        Mask and template probabilities.
    to_template : tuple of float
        The affine from RAS millimetres of the image to those of the template, 16 numbers row by row.
    volume_ml : float
        Of the mask.
    explained : float
        Part of the head's variance that the template explained; a low one asks for a look.
    plausible : bool
        Whether the volume is that of a brain.
    why : str
        What is wrong, or nothing.
    """

    brain: Path
    csf: Path
    gm: Path
    wm: Path
    to_template: tuple[float, ...]
    volume_ml: float
    explained: float
    plausible: bool
    why: str


def find_brain(head: Volume) -> Fit:
    """Return the brain of a head.

    Mutual information needs no more than that tissues differ, so that T1w and T2w go the same way.

    Parameters
    ----------
    head : Volume
        Anatomical image, corrected for non-uniformity; its affine must say where up is.
    """
    coarse = shrink(head, GRID)
    skin = find_head(coarse)
    clipped = clip_head(coarse, skin)
    template = load_template(GRID)
    matrix, explained = align_template(template, clipped, skin)
    with TemporaryDirectory(dir=Path.cwd(), prefix="brain-") as folder:
        mask, *tissues = _bend(clipped, template, matrix, head, Path(folder))
    # Skin and skull are this thick at least, even where their edge looked like that of the brain.
    shape, affine = head.data.shape, head.affine
    deep = resample(Volume(erode(skin, DEPTHS[0], coarse.zooms), coarse.affine), shape, affine) > 0.5
    brain = fill_holes(largest_region((mask > 0.5) & deep))
    return Fit(brain, (tissues[0], tissues[1], tissues[2]), np.asarray(np.linalg.inv(matrix)), explained)


def add_scalp(template: Template) -> tuple[Volume, Mask]:
    """Return the template with a dark skull and a bright scalp around it, and where it is more than a guess."""
    brain = template.mask.data > 0.5
    zooms = template.mask.zooms
    outside = dilate(brain, SCALP[1], zooms)
    scalp = outside & ~dilate(brain, SCALP[0], zooms)
    data = np.where(scalp, np.percentile(template.t1w.data[brain], 99), template.t1w.data)
    return Volume(data, template.t1w.affine), outside


def _bend(moving: Volume, template: Template, matrix: Affine, head: Volume, folder: Path) -> list[Image]:
    """Return mask, CSF, grey and white matter of a template that lies on a head, bent onto it; on the head's grid."""
    ants = load_ants()
    turned = _LPS @ matrix @ _LPS
    start = ants.create_ants_transform(
        transform_type="AffineTransform", dimension=3, matrix=turned[:3, :3], translation=turned[:3, 3]
    )
    ants.write_transform(start, str(folder / "start.mat"))
    dressed, outside = add_scalp(template)
    fixed_image, moving_image = to_ants(dressed), to_ants(moving)
    bent = ants.registration(
        fixed_image,
        moving_image,
        "SyNOnly",
        initial_transform=[str(folder / "start.mat")],
        outprefix=str(folder / "syn"),
        mask=to_ants(Volume(outside, template.mask.affine)),
        mask_all_stages=True,
        syn_metric="mattes",
        syn_sampling=32,
        flow_sigma=FLUID,
        reg_iterations=ITERATIONS,
        random_seed=SEED,
    )
    back = [name for name in bent["invtransforms"] if "Inverse" in name]
    parts = []
    for volume in (template.mask, template.csf, template.gm, template.wm):
        image = ants.apply_transforms(
            moving_image,
            to_ants(volume),
            [str(folder / "start.mat"), *back],
            whichtoinvert=[True, False],
            interpolator="linear",
        )
        parts.append(resample(Volume(from_ants(image), moving.affine), head.data.shape, head.affine))
    return parts


def doubt_volume(volume_ml: float) -> str:
    """Return what is wrong with the volume of a brain, or nothing.

    Examples
    --------
    >>> doubt_volume(1400.0)
    ''
    >>> doubt_volume(300.0)
    'the brain mask holds 300 ml; 800 to 2200 ml are plausible'
    """
    low, high = VOLUMES
    if low <= volume_ml <= high:
        return ""
    return f"the brain mask holds {volume_ml:.0f} ml; {low:.0f} to {high:.0f} ml are plausible"


def mask_brain(image: Path) -> BrainFiles:
    """Write the mask of the brain and the template's tissues.

    Parameters
    ----------
    image : Path
        T1w or T2w of a head, corrected for non-uniformity.
    """
    head = load_volume(image)
    fit = find_brain(head)
    millilitres = float(fit.mask.sum() * np.prod(head.zooms) / 1000)
    why = doubt_volume(millilitres)
    names = ("csf", "gm", "wm")
    tissues = [
        save_volume(f"template_{name}.nii.gz", part, head.affine) for name, part in zip(names, fit.tissues, strict=True)
    ]
    brain = save_volume("brain_mask.nii.gz", fit.mask, head.affine)
    place = tuple(float(number) for number in fit.to_template.ravel())
    return BrainFiles(brain, tissues[0], tissues[1], tissues[2], place, millilitres, fit.explained, not why, why)
