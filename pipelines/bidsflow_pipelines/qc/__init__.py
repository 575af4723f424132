"""Image quality of every modality: MRIQC's measures and pages that people look at, without FSL, AFNI or downloads."""

from dataclasses import dataclass

from bidsflow.app import Citation, Pipeline, Query, param


@dataclass(frozen=True, slots=True)
class QcParams:
    """What a user may change."""

    fd_threshold: float = param(
        0.2, "Framewise displacement above which a volume counts as moved.", unit="mm", minimum=0
    )
    brain: str = param(
        "template",
        "What finds the brain of T1w images; deepbet is a network that has to be installed (bidsflow[deepbet]).",
        choices=("template", "deepbet"),
    )
    coils: int = param(
        4, "Receiver channels that PIESNO assumes for the noise of diffusion images; 1 for SENSE.", minimum=1
    )


PIPELINE = Pipeline(
    name="qc",
    version="0.1.0",
    summary="Measure the quality of T1w, T2w, BOLD and diffusion images, and show them.",
    params=QcParams,
    reads=(
        Query("T1w", "anat"),
        Query("T2w", "anat"),
        Query("bold", "func", needs=("RepetitionTime",)),
        Query("dwi", "dwi", companions=(".bval", ".bvec")),
    ),
    workflow="bidsflow_pipelines.qc.workflow:build",
    report="bidsflow_pipelines.qc.report:build",
    group="bidsflow_pipelines.qc.group:build",
    methods="bidsflow_pipelines.qc.methods:describe",
    memory_gb=4.0,
    ignore=("*_T1w.json", "*_T2w.json", "*_bold.json", "*_dwi.json", "*_timeseries.tsv", "*_timeseries.json"),
    citations=(
        Citation(
            "Esteban2017",
            "Esteban O, Birman D, Schaer M, et al. MRIQC: advancing the automatic prediction of image quality in MRI "
            "from unseen sites. PLoS ONE 12:e0184661, 2017.",
            "10.1371/journal.pone.0184661",
        ),
        Citation(
            "Tustison2010",
            "Tustison NJ, Avants BB, Cook PA, et al. N4ITK: improved N3 bias correction. IEEE Trans Med Imaging "
            "29:1310-1320, 2010.",
            "10.1109/TMI.2010.2046908",
        ),
        Citation(
            "Avants2008",
            "Avants BB, Epstein CL, Grossman M, Gee JC. Symmetric diffeomorphic image registration with "
            "cross-correlation. Med Image Anal 12:26-41, 2008.",
            "10.1016/j.media.2007.06.004",
        ),
        Citation(
            "Fisch2024",
            "Fisch L, Zumdick S, Barkhau C, et al. deepbet: fast brain extraction of T1-weighted MRI using "
            "convolutional neural networks. Comput Biol Med 179:108845, 2024.",
            "10.1016/j.compbiomed.2024.108845",
        ),
        Citation(
            "Fonov2011",
            "Fonov V, Evans AC, Botteron K, et al. Unbiased average age-appropriate atlases for pediatric studies. "
            "NeuroImage 54:313-327, 2011.",
            "10.1016/j.neuroimage.2010.07.033",
        ),
        Citation(
            "Power2012",
            "Power JD, Barnes KA, Snyder AZ, Schlaggar BL, Petersen SE. Spurious but systematic correlations in "
            "functional connectivity MRI networks arise from subject motion. NeuroImage 59:2142-2154, 2012.",
            "10.1016/j.neuroimage.2011.10.018",
        ),
        Citation(
            "Andersson2016",
            "Andersson JLR, Sotiropoulos SN. An integrated approach to correction for off-resonance effects and "
            "subject movement in diffusion MR imaging. NeuroImage 125:1063-1078, 2016.",
            "10.1016/j.neuroimage.2015.10.019",
        ),
        Citation(
            "Garyfallidis2014",
            "Garyfallidis E, Brett M, Amirbekian B, et al. Dipy, a library for the analysis of diffusion MRI data. "
            "Front Neuroinform 8:8, 2014.",
            "10.3389/fninf.2014.00008",
        ),
    ),
)
