"""Arterial spin labelling as two scanners write it: pairs of Siemens with an M0 of their own, two passes of GE.

By its program a sequence of Siemens labels by a train of pulses (``ep2d_asl`` of XA) or by one (``ep2d_pasl`` of VE).

The labelled blood itself is a share of the signal of grey matter; of the readouts only the headers are true.

Sources: DICOM PS3.3 C.8.13.5.14; a series ``ep2d_asl`` of XA30 (dcm_qa_xa30: `sAsl`, (0021,1189)); GE's notes in
dcm2niix (``GE/README.md``: (0043,10A3) to (0043,10A5), (0027,1062)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from bidsflow.phantom.protocol import ImageName, PulseSequence, Series
from bidsflow.phantom.signal import Contrast

#: Times in ms: of labelling, and from its end to the readout.
TRAIN, DELAY = 1800, 1500
#: Times in ms of one pulse: when its bolus is cut off, and when it is read out.
BOLUS, INVERSION = 700, 1990
#: Pairs that GE subtracts from each other in k-space.
EXCITATIONS = 3
#: Signal of a volume, as a share of that without labelling and suppression; of a difference, that of the blood.
SHARES: Final = {"m0scan": 1.0, "control": 0.9, "label": 0.89, "deltam": 0.05}
_CONTEXTS = {"m0scan": "M_ZERO_SCAN", "control": "CONTROL", "label": "LABEL"}
_EPI = PulseSequence(
    ("EP",),
    ("SK",),
    ("FS",),
    "*epfid2d1_{lines}",
    r"%SiemensSeq%\ep2d_asl",
    "2D",
    Contrast("spoiled", 4800, 90, fat_saturated=True),
    (11.0,),
    3005,
)
_SPIRAL = replace(_EPI, name="", program="", dimensions="3D", contrast=Contrast("spin", 4846, 111), te_ms=(10.7,))


@dataclass(frozen=True, slots=True)
class Scan:
    """One series of labelled blood: what it is called, and what its volumes are."""

    description: str
    types: tuple[str, ...]
    name: ImageName


SIEMENS = (
    Scan("asl_2d_tra_M0", ("m0scan",), ImageName("perf", "m0scan")),
    Scan("asl_2d_tra", ("label", "control") * 2, ImageName("perf", "asl")),
)
GE = (Scan("Ax 3D ASL", ("deltam", "m0scan"), ImageName("perf", "asl")),)


def plan_perfusion(pattern: Series, maker: str) -> tuple[Series, ...]:
    """Return the series of labelled blood of one maker.

    Parameters
    ----------
    pattern : Series
        An echo-planar run of the session, for its geometry and readout.
    maker : {"siemens", "ge"}
        Of the scanner.
    """
    ge = maker == "ge"
    sequence = _SPIRAL if ge else replace(_EPI, name=_EPI.name.format(lines=pattern.grid.shape[1]))
    return tuple(
        replace(
            pattern,
            key="asl",
            form="labelled",
            description=scan.description,
            sequence=sequence,
            volumes=len(scan.types),
            planned=len(scan.types),
            readout=None if ge else pattern.readout,
            blocks=None,
            names=(scan.name,),
            moves=False,
            labels=scan.types,
        )
        for scan in (GE if ge else SIEMENS)
    )


def list_protocol(series: Series) -> list[tuple[str, float | str]]:
    """Return the lines of Siemens' protocol that say how blood is labelled."""
    if not series.labels:
        return [("sAsl.ulMode", 1), ("sAsl.ulSuppressionMode", 1)]
    if series.sequence.program.endswith("pasl"):
        times = [("alTI[0]", BOLUS * 1000), ("alTI[2]", INVERSION * 1000)]
        return [("sAsl.ulMode", 4), ("sAsl.ulSuppressionMode", 1), *times]
    return [
        ("sAsl.ulMode", 32),
        ("sAsl.ulSuppressionMode", 2),
        ("sAsl.ulLabelingDuration", TRAIN * 1000),
        ("sAsl.ulDelayArraySize", 1),
        ("sAsl.sPostLabelingDelay[0]", DELAY * 1000),
    ]


def label_frame(frame: Dataset, types: Sequence[str], volume: int) -> None:
    """Write the functional group of labelling into a frame of a volume; nothing where nothing is labelled."""
    if types:
        slab = _item(ASLSlabNumber=1, ASLSlabThickness=75.0, ASLPulseTrainDuration=TRAIN)
        told = _item(
            ASLTechniqueDescription="2D pseudo continuous ASL (EP2D)",
            ASLContext=_CONTEXTS[types[volume]],
            ASLCrusherFlag="NO",
            ASLBolusCutoffFlag="NO",
            ASLSlabSequence=Items([slab]),
        )
        frame.MRArterialSpinLabelingSequence = Items([told])


def label_pass(ds: Dataset, kind: str) -> None:
    """Write what GE says of one of its passes."""
    weighted = kind == "deltam"
    ds.InversionTime = str(DELAY if weighted else 0)
    ds.private_block(0x0027, "GEMS_IMAG_01", create=True).add_new(0x62, "FL", float(EXCITATIONS))
    parameters = ds.private_block(0x0043, "GEMS_PARM_01", create=True)
    parameters.add_new(0xA3, "CS", "PSEUDOCONTINUOUS" if weighted else "CONTINUOUS")
    parameters.add_new(0xA4, "LO", f"3D {'pulsed ' if weighted else ''}continuous ASL technique")
    parameters.add_new(0xA5, "IS", str(TRAIN))


def _item(**values: object) -> Dataset:
    out = Dataset()
    for name, value in values.items():
        setattr(out, name, value)
    return out
