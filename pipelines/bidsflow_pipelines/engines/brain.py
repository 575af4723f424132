"""Where the brain is: a template is laid on the head, and its surface moves to the edge of the brain.

No network of weights, no download; `network` has one, for those who install it. The template's tissues, bent onto the
brain that was found (Avants et al. 2008, doi:10.1016/j.media.2007.06.004), come with it, and the affine, which says
where up is.
"""

from __future__ import annotations

from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from bidsflow_pipelines.engines.align import align_template, clip_head, fit_skull
from bidsflow_pipelines.engines.head import find_head
from bidsflow_pipelines.engines.images import (
    Affine,
    Image,
    Mask,
    Volume,
    dilate,
    erode,
    load_volume,
    resample,
    save_volume,
    shrink,
)
from bidsflow_pipelines.engines.itk import SEED, from_ants, load_ants, to_ants
from bidsflow_pipelines.engines.network import find_by_network
from bidsflow_pipelines.engines.surface import measure_overlap, refine
from bidsflow_pipelines.engines.templates import Template, load_template

#: Millimetres: what the registration sees, and what the surface.
GRID, EDGE = 3.0, 2.0
#: Voxels: how smooth each step of the bending is.
FLUID = 5
#: Millimetres around the template's brain that the bending looks at.
AROUND = 6.0
#: Dice coefficient of the two masks below which neither is trusted.
AGREEMENT = 0.92
#: Mean contrast across the surface (relative, square root of the intensity) below which it stands on no edge.
CONTRAST = 0.25
#: Millimetres from the skin to half of the surface: skin, skull and fluid are thicker, children's too; more, and the
#: mask misses a part of the brain.
DEPTHS = (10.0, 20.0)
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
        Part of the variance of the head that the template's tissues explained before it was bent, 0 to 1.
    agreement : float
        Dice coefficient of the masks that two independent starts led to.
    contrast : float
        Across the surface of the brain, mean, 0 to 1.
    depth : float
        Millimetres from the skin to the surface of the brain, median.
    """

    mask: Mask
    tissues: tuple[Image, Image, Image]
    to_template: Affine
    explained: float
    agreement: float
    contrast: float
    depth: float


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
        Whether volume, contrast and depth are those of a brain, and two starts led to one mask.
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


def find_brain(head: Volume, known: Mask | None = None) -> Fit:
    """Return the brain of a head.

    The template is laid on the head twice, by its tissues and by its distance from the skin; from both places the
    surface looks for the edge of the brain. The one with more contrast across it is taken, and how well the two agree
    is told. Tissues enter by regression and edges by darkness, so that T1w and T2w go the same way.

    Parameters
    ----------
    head : Volume
        Anatomical image, corrected for non-uniformity; its affine must say where up is.
    known : ndarray of bool, optional
        A mask from elsewhere, to be returned instead; the one found here is what it has to agree with.
    """
    from scipy.ndimage import distance_transform_edt

    coarse = shrink(head, GRID)
    skin = find_head(coarse)
    clipped = clip_head(coarse, skin)
    template = load_template(GRID)
    by_tissue, explained = align_template(template, clipped, skin)
    fine = _make_cubes(head, EDGE)
    skin_fine = find_head(fine)
    fine = clip_head(fine, skin_fine)
    depth = distance_transform_edt(skin_fine, sampling=fine.zooms).astype(np.float32)
    found = []
    for matrix in (by_tissue, fit_skull(template, clipped, skin)):
        placed = Volume(template.mask.data, matrix @ template.mask.affine)
        start = resample(placed, fine.data.shape, fine.affine) > 0.5
        found.append((matrix, *refine(start, fine, depth)))
    matrix, mask, contrast = max(found, key=lambda one: one[2])
    agreement = measure_overlap(found[0][1], found[1][1])
    if known is not None:
        own, mask = mask, resample(Volume(known.astype(np.float32), head.affine), fine.data.shape, fine.affine) > 0.5
        agreement = measure_overlap(own, mask)
    soft = Volume(mask.astype(np.float32), fine.affine)
    brain = resample(soft, head.data.shape, head.affine) > 0.5 if known is None else known
    inside = resample(soft, clipped.data.shape, clipped.affine)
    with TemporaryDirectory(dir=Path.cwd(), prefix="brain-") as folder, chdir(folder):
        tissues = _bend(Volume(clipped.data * inside, clipped.affine), template, matrix, head)
    below = float(np.median(depth[mask & ~erode(mask, EDGE * 1.01, fine.zooms)])) if mask.any() else 0.0
    return Fit(brain, tissues, np.asarray(np.linalg.inv(matrix)), explained, agreement, contrast, below)


def _make_cubes(volume: Volume, size: float) -> Volume:
    """Return the image with cubic voxels; on larger ones the surface would stick to the grid."""
    small = shrink(volume, size)
    # The border slices reach half a voxel beyond their middle.
    corner = np.eye(4)
    corner[:3, 3] = -1
    padded = Volume(np.pad(small.data, 1, mode="edge"), small.affine @ corner)
    counts = np.rint(np.array(small.data.shape) * small.zooms / size).astype(int)
    step = np.diag([*(size / small.zooms), 1.0])
    step[:3, 3] = (np.array(small.data.shape) - 1) / 2 - (counts - 1) / 2 * size / small.zooms
    affine = small.affine @ step
    return Volume(resample(padded, tuple(counts), affine), affine)


def _bend(brain: Volume, template: Template, matrix: Affine, head: Volume) -> tuple[Image, Image, Image]:
    """Return CSF, grey and white matter of a template that lies on a brain, bent onto it; on the head's grid.

    Files are written into the current folder, by names without a path: ANTs takes paths apart at commas.
    """
    ants = load_ants()
    turned = _LPS @ matrix @ _LPS
    start = ants.create_ants_transform(
        transform_type="AffineTransform", dimension=3, matrix=turned[:3, :3], translation=turned[:3, 3]
    )
    ants.write_transform(start, "start.mat")
    around = dilate(template.mask.data > 0.5, AROUND, template.mask.zooms)
    moving = to_ants(brain)
    bent = ants.registration(
        to_ants(template.t1w),
        moving,
        "SyNOnly",
        initial_transform=["start.mat"],
        outprefix="syn",
        mask=to_ants(Volume(around, template.mask.affine)),
        mask_all_stages=True,
        syn_metric="mattes",
        syn_sampling=32,
        flow_sigma=FLUID,
        reg_iterations=ITERATIONS,
        random_seed=SEED,
    )
    back = [name for name in bent["invtransforms"] if "Inverse" in name]

    def bring(volume: Volume) -> Image:
        image = ants.apply_transforms(
            moving,
            to_ants(volume),
            ["start.mat", *back],
            whichtoinvert=[True, False],
            interpolator="linear",
        )
        return resample(Volume(from_ants(image), brain.affine), head.data.shape, head.affine)

    return bring(template.csf), bring(template.gm), bring(template.wm)


def doubt_agreement(agreement: float) -> str:
    """Return what is wrong with two masks that should be one, or nothing.

    Examples
    --------
    >>> doubt_agreement(0.97)
    ''
    >>> doubt_agreement(0.8)
    'two searches for the brain agree with Dice 0.80 only'
    """
    if agreement >= AGREEMENT:
        return ""
    return f"two searches for the brain agree with Dice {agreement:.2f} only"


def doubt_surface(contrast: float, depth: float) -> str:
    """Return what is wrong with the surface of a brain, or nothing.

    Examples
    --------
    >>> doubt_surface(0.4, 16.0)
    ''
    >>> doubt_surface(0.2, 16.0)
    'the surface of the brain mask stands on no clear edge (contrast 0.20)'
    >>> doubt_surface(0.4, 24.0)
    'the surface of the brain mask lies 24 mm below the skin'
    >>> doubt_surface(0.4, 8.0)
    'the surface of the brain mask lies 8 mm below the skin, or the skin is too dark to be seen'
    """
    if contrast < CONTRAST:
        return f"the surface of the brain mask stands on no clear edge (contrast {contrast:.2f})"
    if depth > DEPTHS[1]:
        return f"the surface of the brain mask lies {depth:.0f} mm below the skin"
    if depth < DEPTHS[0]:
        where = f"{depth:.0f} mm below the skin, or the skin is too dark to be seen"
        return f"the surface of the brain mask lies {where}"
    return ""


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


def mask_brain(image: Path, finder: str = "template") -> BrainFiles:
    """Write the mask of the brain and the template's tissues.

    Parameters
    ----------
    image : Path
        T1w or T2w of a head, corrected for non-uniformity.
    finder : {"template", "deepbet"}
        What finds the brain; deepbet knows T1w only.
    """
    head = load_volume(image)
    fit = find_brain(head, find_by_network(image, head) if finder == "deepbet" else None)
    millilitres = float(fit.mask.sum() * np.prod(head.zooms) / 1000)
    doubts = (doubt_volume(millilitres), doubt_agreement(fit.agreement), doubt_surface(fit.contrast, fit.depth))
    why = "; ".join(filter(None, doubts))
    names = ("csf", "gm", "wm")
    tissues = [
        save_volume(f"template_{name}.nii.gz", part, head.affine) for name, part in zip(names, fit.tissues, strict=True)
    ]
    brain = save_volume("brain_mask.nii.gz", fit.mask, head.affine)
    place = tuple(float(number) for number in fit.to_template.ravel())
    return BrainFiles(brain, tissues[0], tissues[1], tissues[2], place, millilitres, fit.explained, not why, why)
