"""What each measure means, its unit and which way is better, for tables and pages. docs/qc-measures.md says more."""

from __future__ import annotations

import re
from typing import NamedTuple


class Meaning(NamedTuple):
    """A kind of measure; ``{0}``, ``{1}`` in the text are what its name has at the place of a group."""

    pattern: str
    text: str
    better: str = ""
    unit: str = ""


_TISSUES = {
    "csf": "CSF", "gm": "grey matter", "wm": "white matter", "total": "the three tissues", "bg": "the background",
    "fg": "the brain", "x": "x", "y": "y", "z": "z", "avg": "all axes", "t": "time",
}  # fmt: skip
_STATISTICS = {
    "mean": "Mean intensity", "median": "Median intensity", "stdv": "Standard deviation of intensities",
    "mad": "Robust deviation of intensities", "p05": "5th percentile of intensities",
    "p95": "95th percentile of intensities", "k": "Excess kurtosis of intensities", "n": "Voxels (sum of probability)",
}  # fmt: skip
_MEANINGS = (
    Meaning("aor", "Part of the brain that is an outlier in a volume, mean of volumes.", "lower"),
    Meaning("aqi", "1 - rank correlation of a volume with the median volume, mean of volumes.", "lower"),
    Meaning("bdiffs_(max|mean|median|min)", "By how much the head turned the gradients: {0}.", "lower", "rad"),
    Meaning("cjv", "Spread of white and grey matter over their contrast.", "lower"),
    Meaning("cnr", "Contrast of white and grey matter over noise.", "higher"),
    Meaning("dummy_trs", "Leading volumes that are not in a steady state."),
    Meaning("dvars_nstd", "Change from volume to volume, in 0.1 % of the median intensity.", "lower"),
    Meaning("dvars_std", "Change from volume to volume, over what noise would give.", "near 1"),
    Meaning("dvars_vstd", "Change from volume to volume, over what noise would give, voxel by voxel.", "near 1"),
    Meaning("efc", "Entropy of the image: ghosts and blur raise it.", "lower"),
    Meaning("efc_shell(\\d+)", "Entropy of shell {0} (01: no weighting).", "lower"),
    Meaning("fa_degenerate", "Voxels whose anisotropy is outside of 0 to 1.", "lower", "1e-6"),
    Meaning("fa_nans", "Voxels whose anisotropy is not a number.", "lower", "1e-6"),
    Meaning("fber", "Energy of the head over that of the air.", "higher"),
    Meaning("fber_shell(\\d+)", "Energy of the head over that of the air, shell {0} (01: no weighting).", "higher"),
    Meaning("fd_mean", "Mean framewise displacement (Power 2012, radius 50 mm).", "lower", "mm"),
    Meaning("fd_num", "Volumes above the threshold of framewise displacement.", "lower"),
    Meaning("fd_perc", "Volumes above the threshold of framewise displacement.", "lower", "percent"),
    Meaning("fwhm_(x|y|z|avg)", "Smoothness (FWHM) along {0}, in voxels.", "lower"),
    Meaning("gcor", "Mean correlation of all pairs of voxels in the brain.", "lower"),
    Meaning("gsr_(x|y)", "Ghost at half the field of view along {0}, over the signal of the brain.", "near 0"),
    Meaning("icvs_(csf|gm|wm)", "Part of the intracranial volume that is {0}."),
    Meaning("inu_med", "Median of the bias field in the brain.", "near 1"),
    Meaning("inu_range", "Range of the bias field in the brain (5th to 95th percentile).", "lower"),
    Meaning("ndc", "Correlation of volumes with neighbouring gradient directions.", "higher"),
    Meaning("qi_1", "Part of the air that artifacts reach.", "lower"),
    Meaning("qi_2", "How far the air is from pure noise.", "lower"),
    Meaning("rpve_(csf|gm|wm)", "Residual partial volume of {0}.", "lower"),
    Meaning("sigma_cc", "Noise of a volume in the corpus callosum.", "lower"),
    Meaning("sigma_pca", "Noise by a PCA of patches.", "lower"),
    Meaning("sigma_piesno", "Noise of the air (PIESNO).", "lower"),
    Meaning("size_(x|y|z|t)", "Number of voxels (volumes) along {0}."),
    Meaning("snr", "Signal over its spread in the brain.", "higher"),
    Meaning("snr_(csf|gm|wm|total)", "Signal over its spread in {0}.", "higher"),
    Meaning(
        "snr_cc_shell(\\d+)",
        "Signal over noise (sigma_cc) in the corpus callosum, shell {0} (0: no weighting).",
        "higher",
    ),
    Meaning("snr_cc_shell(\\d+)_(best|worst)", "As snr_cc, {1} gradient direction of shell {0}.", "higher"),
    Meaning("snrd_(csf|gm|wm|total)", "Signal of {0} over the noise of the air.", "higher"),
    Meaning("spacing_(x|y|z)", "Voxel size along {0}.", "", "mm"),
    Meaning("spacing_tr", "Time between volumes.", "", "s"),
    Meaning("spikes_global", "Voxels far too bright for their shell.", "lower", "1e-6"),
    Meaning("spikes_slice_(i|j|k)", "Lines along {0} with more than 5 % of spikes.", "lower", "1e-6"),
    Meaning("summary_(bg|csf|gm|wm|fg)_(mean|median|stdv|mad|p05|p95|k|n)", "{1} in {0}."),
    Meaning("tpm_overlap_(csf|gm|wm)", "Agreement of {0} with the template.", "higher"),
    Meaning("tsnr", "Signal over its variation in time, median of the brain.", "higher"),
    Meaning("wm2max", "White matter over the brightest voxels.", "near 0.7"),
)

#: Columns of the table that a functional series gets, a row per volume.
TIMESERIES = {
    **{
        f"trans_{axis}": {"Description": f"Where the head was, along {way}.", "Units": "mm"}
        for axis, way in (("x", "left to right"), ("y", "back to front"), ("z", "foot to head"))
    },
    **{f"rot_{axis}": {"Description": f"How the head was turned, about {axis}.", "Units": "rad"} for axis in "xyz"},
    "framewise_displacement": {
        "Description": "How far the head moved since the volume before (Power 2012, radius 50 mm).", "Units": "mm",
    },
    "dvars": {"Description": "Change from the volume before, in 0.1 % of the median intensity."},
    "std_dvars": {"Description": "Change from the volume before, over what noise would give."},
    "outliers": {"Description": "Part of the brain that is an outlier."},
    "global_signal": {"Description": "Mean intensity of the brain."},
}  # fmt: skip


def describe_measure(name: str) -> dict[str, str]:
    """Return what a data dictionary says of a measure.

    Parameters
    ----------
    name : str
        As in the tables: ``fwhm_x``.

    Returns
    -------
    entry : dict of str
        ``Description``, and ``Units`` where it has one.

    Raises
    ------
    KeyError
        If there is no such measure.

    Examples
    --------
    >>> describe_measure("snr_wm")
    {'Description': 'Signal over its spread in white matter. Better: higher.'}
    >>> describe_measure("fd_mean")["Units"]
    'mm'
    """
    for meaning in _MEANINGS:
        found = re.fullmatch(meaning.pattern, name)
        if found is not None:
            words = (_STATISTICS.get(word, _TISSUES.get(word, word)) for word in found.groups())
            text = meaning.text.format(*words)
            said = f"{text} Better: {meaning.better}." if meaning.better else text
            return {"Description": said, **({"Units": meaning.unit} if meaning.unit else {})}
    raise KeyError(name)
