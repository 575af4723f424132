"""The template that every installation has: ICBM 152, 2009a, nonlinear, symmetric, in nilearn's package.

It is not the asymmetric 2009c of fMRIPrep and MRIQC: results in this space are named MNI152NLin2009aSym.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from bidsflow_pipelines.engines.images import (
    Mask,
    Volume,
    close_mask,
    fill_holes,
    largest_region,
    resample,
    save_volume,
)

#: The name of the space in BIDS (appendix "Coordinate systems"; the year's letter and symmetry are part of it).
SPACE = "MNI152NLin2009aSym"


class Template(NamedTuple):
    """The template in memory, all on one grid: T1-weighted brain without skull, its mask, tissue probabilities."""

    t1w: Volume
    mask: Volume
    csf: Volume
    gm: Volume
    wm: Volume


class TemplateFiles(NamedTuple):
    """The template as files."""

    t1w: Path
    mask: Path
    csf: Path
    gm: Path
    wm: Path
    space: str


def load_template(size: float = 1.0) -> Template:
    """Return the template.

    nilearn ships the brain, and the probabilities of grey and white matter. The mask is where the brain is not zero,
    closed and filled; what in it is neither grey nor white matter is taken for CSF, which makes it a remainder: vessels
    and membranes are in it.

    Parameters
    ----------
    size : float
        Of its voxels, millimetres; the originals have 1.
    """
    from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template

    brain, gm, wm = (
        load(resolution=1) for load in (load_mni152_template, load_mni152_gm_template, load_mni152_wm_template)
    )
    affine = np.asarray(brain.affine, dtype=np.float64)
    t1w = Volume(np.asarray(brain.dataobj, dtype=np.float32), affine)
    mask = _fill_brain(t1w)
    inside = mask.astype(np.float32)
    grey, white = (np.clip(np.asarray(one.dataobj, dtype=np.float32), 0, 1) * inside for one in (gm, wm))
    parts = (t1w.data, inside, np.clip(inside - grey - white, 0, 1), grey, white)
    return Template(*(_resize(Volume(part, affine), size) for part in parts))


def _fill_brain(t1w: Volume) -> Mask:
    return fill_holes(close_mask(largest_region(t1w.data > 0), 3.0, t1w.zooms))


def _resize(volume: Volume, size: float) -> Volume:
    from bidsflow_pipelines.engines.images import coarse_grid, shrink

    if size >= volume.zooms.max():
        return shrink(volume, size)
    shape, affine = coarse_grid(volume.data.shape, volume.affine, size)
    return Volume(resample(volume, shape, affine), affine)


def write_template(size: float = 1.0) -> TemplateFiles:
    """Write the template into the current folder.

    Parameters
    ----------
    size : float
        Of its voxels, millimetres.
    """
    template = load_template(size)
    files = [
        save_volume(f"tpl-{SPACE}_{name}.nii.gz", volume.data, volume.affine)
        for name, volume in (
            ("desc-brain_T1w", template.t1w),
            ("label-CSF_probseg", template.csf),
            ("label-GM_probseg", template.gm),
            ("label-WM_probseg", template.wm),
        )
    ]
    mask = save_volume(f"tpl-{SPACE}_desc-brain_mask.nii.gz", template.mask.data > 0.5, template.mask.affine)
    return TemplateFiles(files[0], mask, files[1], files[2], files[3], SPACE)
