"""Which step gets what from which, for each kind of image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bidsflow.app.inputs import Image, Participant
from bidsflow.app.workflow import Flow
from bidsflow_pipelines.engines.bias import correct_bias
from bidsflow_pipelines.engines.bold import map_bold, mask_epi
from bidsflow_pipelines.engines.brain import mask_brain
from bidsflow_pipelines.engines.dwi import estimate_noise, extract_b0, fit_tensor
from bidsflow_pipelines.engines.dwi_motion import realign_dwi
from bidsflow_pipelines.engines.head import mask_hat, mask_head
from bidsflow_pipelines.engines.motion import realign
from bidsflow_pipelines.engines.network import check_network
from bidsflow_pipelines.engines.tissue import segment
from bidsflow_pipelines.qc.dictionary import TIMESERIES
from bidsflow_pipelines.qc.files import derived, figures_file, measures_file, name_scanner, timeseries_file
from bidsflow_pipelines.qc.steps import anat, bold, dwi

#: What a mask is, for its sidecar (BIDS Derivatives, masks).
ROI = "Brain"


def build(flow: Flow, participant: Participant) -> None:
    """Add the steps of one participant."""
    for image in participant.images:
        stem = re.sub(r"[^0-9a-zA-Z]+", "_", image.name.stem.removeprefix(f"sub-{participant.label}_"))
        if image.suffix in ("T1w", "T2w"):
            add_anat(flow, image, stem)
        elif image.suffix == "bold":
            add_bold(flow, image, stem)
        else:
            add_dwi(flow, image, stem)


def add_anat(flow: Flow, image: Image, stem: str) -> None:
    """Add the steps of an anatomical image."""
    size = memory_of(image.path)
    flat = flow.add(correct_bias, f"bias_{stem}", memory_gb=3 * size, image=image.path)
    head = flow.add(mask_head, f"head_{stem}", memory_gb=3 * size, image=flat["corrected"])
    finder = flow.params.brain if image.suffix == "T1w" else "template"
    if finder == "deepbet":
        check_network()
    brain = flow.add(mask_brain, f"brain_{stem}", memory_gb=1 + 4 * size, image=flat["corrected"], finder=finder)
    tissue = flow.add(
        segment, f"tissue_{stem}", memory_gb=1 + 6 * size,
        image=flat["corrected"], brain=brain["brain"], contrast=image.suffix,
    )  # fmt: skip
    hat = flow.add(mask_hat, f"hat_{stem}", memory_gb=size, head=head["head"], to_template=brain["to_template"])
    found = flow.add(
        anat.measure, f"measure_{stem}", memory_gb=12 * size,
        image=image.path, corrected=flat["corrected"], field=flat["field"], head=head["head"], below=hat["below"],
        labels=tissue["labels"], tissues=(tissue["csf"], tissue["gm"], tissue["wm"]),
        templates=(brain["csf"], brain["gm"], brain["wm"]), doubts=(brain["why"], tissue["why"]),
        scanner=name_scanner(image.metadata),
    )  # fmt: skip
    drawn = flow.add(
        anat.draw, f"draw_{stem}", memory_gb=6 * size,
        image=image.path, corrected=flat["corrected"], brain=brain["brain"], head=head["head"],
        labels=tissue["labels"], air=found["air"], artifact=found["artifact"],
    )  # fmt: skip
    sources = (image.uri,)
    kind = image.suffix
    flow.keep(measures_file(image.name), found["values"], sources=sources)
    flow.keep(figures_file(image.name), drawn["figures"])
    brain_name = derived(image.name, "mask", desc="brain" if kind == "T1w" else f"brain{kind}")
    flow.keep(brain_name, brain["brain"], sources=sources, Type=ROI)
    labels_name = derived(image.name, "dseg", desc="" if kind == "T1w" else kind)
    flow.keep(labels_name, tissue["labels"], sources=sources, Manual=False)


def add_bold(flow: Flow, image: Image, stem: str) -> None:
    """Add the steps of a functional series."""
    size = memory_of(image.path)
    seconds = float(image.metadata["RepetitionTime"])
    threshold = float(flow.params.fd_threshold)
    early = flow.add(bold.count_dummies, f"dummies_{stem}", memory_gb=0.5 + size, series=image.path)
    still = flow.add(realign, f"motion_{stem}", memory_gb=0.5 + size, series=image.path, repetition_time=seconds)
    brain = flow.add(mask_epi, f"brain_{stem}", image=still["reference"])
    maps = flow.add(map_bold, f"maps_{stem}", memory_gb=0.5 + size, series=still["realigned"])
    found = flow.add(
        bold.measure, f"measure_{stem}", memory_gb=0.5 + 3 * size,
        realigned=still["realigned"], brain=brain["brain"], parameters=still["parameters"], dummies=early["dummies"],
        repetition_time=seconds, fd_threshold=threshold, doubts=(brain["why"],),
        scanner=name_scanner(image.metadata),
    )  # fmt: skip
    drawn = flow.add(
        bold.draw, f"draw_{stem}", memory_gb=0.5 + size,
        realigned=still["realigned"], brain=brain["brain"], mean=maps["mean"], std=maps["std"], tsnr=maps["tsnr"],
        timeseries=found["timeseries"], dummies=early["dummies"], repetition_time=seconds, fd_threshold=threshold,
    )  # fmt: skip
    sources = (image.uri,)
    flow.keep(measures_file(image.name), found["values"], sources=sources)
    flow.keep(figures_file(image.name), drawn["figures"])
    table = timeseries_file(image.name)
    flow.keep(table, found["timeseries"], sources=sources, RepetitionTime=seconds, **TIMESERIES)
    flow.keep(derived(image.name, "mask", desc="brain"), brain["brain"], sources=sources, Type=ROI)


def add_dwi(flow: Flow, image: Image, stem: str) -> None:
    """Add the steps of a diffusion series."""
    size = memory_of(image.path)
    threshold = float(flow.params.fd_threshold)
    bval, bvec = image.beside(".bval"), image.beside(".bvec")
    early = flow.add(extract_b0, f"b0_{stem}", memory_gb=0.5 + size, series=image.path, bval=bval, bvec=bvec)
    still = flow.add(
        realign_dwi, f"motion_{stem}", memory_gb=0.5 + size,
        series=image.path, bval=bval, bvec=bvec, brain=early["brain"],
        phase_encoding=name_phase_axis(image.metadata),
    )  # fmt: skip
    tensor = flow.add(
        fit_tensor, f"tensor_{stem}", memory_gb=1 + 4 * size,
        series=still["realigned"], bval=bval, bvec=still["rotated"], brain=early["brain"],
    )  # fmt: skip
    noise = flow.add(estimate_noise, f"noise_{stem}", memory_gb=1 + 4 * size, series=image.path, brain=early["brain"])
    found = flow.add(
        dwi.measure, f"measure_{stem}", memory_gb=0.5 + 3 * size,
        image=image.path, realigned=still["realigned"], bval=bval, bvec=bvec, brain=early["brain"],
        parameters=still["parameters"], rotated=still["rotated"], fa=tensor["fa"], color_fa=tensor["color_fa"],
        noise=noise["noise"], coils=flow.params.coils, fd_threshold=threshold, doubts=(early["why"],),
        scanner=name_scanner(image.metadata),
    )  # fmt: skip
    drawn = flow.add(
        dwi.draw, f"draw_{stem}", memory_gb=0.5 + 2 * size,
        image=image.path, bval=bval, bvec=bvec, b0=early["b0"], brain=early["brain"], parameters=still["parameters"],
        fa=tensor["fa"], noise=noise["noise"], fd_threshold=threshold,
    )  # fmt: skip
    sources = (image.uri,)
    flow.keep(measures_file(image.name), found["values"], sources=sources)
    flow.keep(figures_file(image.name), drawn["figures"])
    flow.keep(derived(image.name, "mask", desc="brain"), early["brain"], sources=sources, Type=ROI)


def name_phase_axis(metadata: Mapping[str, Any]) -> str:
    """Return the axis along which phase is encoded, as in BIDS; of Philips dcm2niix knows the axis, not the sense.

    Examples
    --------
    >>> name_phase_axis({"PhaseEncodingAxis": "j"}), name_phase_axis({})
    ('j', '')
    """
    return str(metadata.get("PhaseEncodingDirection") or metadata.get("PhaseEncodingAxis") or "")


def memory_of(path: Path) -> float:
    """Return what an image takes in memory as float32, in gigabytes; its header says."""
    import nibabel as nib
    import numpy as np

    return 4 * float(np.prod(nib.load(path).shape)) / 1e9
