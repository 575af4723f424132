"""Images that no magnet made: set aside with what they are, and where BIDS has a place for them, what it asks. Pure.

Sources: DICOM PS3.3 C.7.3.1.1.1 (terms of Modality); BIDS schema, ``rules.sidecars.pet`` and ``objects.datatypes``.
"""

from __future__ import annotations

from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision

_NO_PLACE = "which BIDS has no place for"
#: Modalities by their terms, as people call them.
_MODALITIES = {
    "CT": "computed tomography",
    "NM": "scintigraphy or SPECT",
    "US": "ultrasound",
    "CR": "a radiograph",
    "DX": "a radiograph",
    "RG": "a radiograph",
    "MG": "mammography",
    "XA": "X-ray angiography",
    "RF": "fluoroscopy",
    "IO": "a radiograph of teeth",
    "PX": "a radiograph of teeth",
    "ES": "endoscopy",
    "XC": "a photograph",
    "GM": "microscopy",
    "SM": "microscopy",
    "OP": "a photograph of the eye",
    "OPT": "tomography of the eye",
    "SEG": "a segmentation",
    "RTIMAGE": "an image of radiotherapy",
    "RTDOSE": "a dose of radiotherapy",
    "DOC": "a document",
    "SC": "a screen capture",
    "OT": "neither of a scanner nor named",
}
_PET = (
    "PET, of which BIDS requires what no header holds (TracerName, InjectedMass, SpecificRadioactivity, "
    "ModeOfAdministration, TimeZero and more): convert it with pet2bids, which takes them from a table"
)


def name_modality(draft: Draft) -> Draft:
    """Return a draft of what is not MR: left out with the reason where its modality is known, else for review."""
    modality = draft.series.header.text("Modality").strip().upper()
    named = draft.named("", "", draft.finding.confidence, draft.finding.because)
    if modality == "PT":
        return named.decided(Decision.SKIP, _PET)
    if modality in _MODALITIES:
        return named.decided(Decision.SKIP, f"{_MODALITIES[modality]}, {_NO_PLACE}")
    return named.decided(Decision.REVIEW, "not an image of MR by its Modality, and no other that is known")
