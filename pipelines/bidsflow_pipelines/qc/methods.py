"""What qc says of itself in a methods section."""

from __future__ import annotations

from bidsflow_pipelines.qc import QcParams


def describe(params: QcParams) -> str:
    """Return the methods text; what it says is what the workflow does."""
    network = ""
    if params.brain == "deepbet":
        network = " Brains of T1w images were found by deepbet [@Fisch2024], and compared with that surface."
    return f"""\
Quality was measured as MRIQC defines its measures [@Esteban2017], by implementations of our own.

Anatomical images were corrected for non-uniformity by N4 [@Tustison2010]. A template (MNI152NLin2009aSym
[@Fonov2011]) was laid on the head, and the surface of its brain moved to the edge in the image; the template's tissues
were bent onto the brain with ANTs [@Avants2008].{network} Tissues were classified by a mixture of Gaussians in which
neighbours agree, without priors. Noise was measured in the air above a plane through glabella and inion.

Functional series were realigned rigidly by least squares (Gauss-Newton), without slice timing or distortion
correction. Framewise displacement is that of Power and colleagues [@Power2012] with a radius of 50 mm; volumes above
{params.fd_threshold:g} mm count as moved.

Diffusion series were realigned rigidly, each volume to a prediction of its own contrast from all volumes (the logarithm
of the signal as a quadratic form of the gradient direction), as eddy does [@Andersson2016]; what follows the gradients
was not counted as motion. With fewer than 12 directions they were realigned to the mean of their shell by mutual
information. Tensors and noise were estimated with DIPY [@Garyfallidis2014]."""
