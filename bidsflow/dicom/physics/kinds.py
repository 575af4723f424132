"""Kinds of measurement, and how sure a finding is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What was measured; the text is what people read."""

    LOCALIZER = "localizer"
    DERIVED = "derived map"
    MAP = "map computed on the scanner"
    DIFFUSION = "diffusion-weighted"
    GRADIENT_EPI = "gradient-echo EPI"
    SPIN_EPI = "spin-echo EPI"
    EPI = "EPI"
    ASL = "arterial spin labelling"
    PERFUSION = "perfusion by a contrast agent"
    FIELD_GRE = "dual-echo gradient echo"
    FIELD_HZ = "field map in Hz"
    T1W = "T1-weighted"
    T2W = "T2-weighted"
    FLAIR = "FLAIR"
    PDW = "proton-density-weighted"
    T2STARW = "T2*-weighted"
    MP2RAGE = "MP2RAGE"
    MULTI_ECHO = "multi-echo gradient echo"
    MULTI_SPIN_ECHO = "multi-echo spin echo"
    STIR = "inversion recovery that nulls fat"
    TRANSFER = "magnetization transfer"
    DIXON = "separation of water and fat"
    FLOW = "phase contrast"
    SWI = "susceptibility-weighted"
    TRANSMIT = "transmit field (B1)"
    NOISE = "noise without excitation"
    NAVIGATOR = "navigator of an anatomical scan"
    ANGIO = "angiography"
    CAPTURE = "screen capture"
    OTHER_MODALITY = "not MR"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind, how sure it is (0 to 1), and the clause that says why."""

    kind: Kind
    confidence: float
    because: str


#: How sure a finding is, one scale for all rules. Below `FAIR` it needs a second witness: words, or other images.
#: A tag that nothing else carries: the name of the sequence, a b-value, a word of ImageType.
CERTAIN = 0.95
#: Several parameters that together leave one reading: MPRAGE by its readout and inversion time.
STRONG = 0.85
#: Parameters that fit, and that few other measurements share.
FAIR = 0.7
#: Parameters that fit, and that other common measurements share: a spoiled gradient echo may be an angiography.
WEAK = 0.5
