"""Maps that the scanner computed, and scans that measure the transmit field. Pure.

Sources: values of ImageType as Siemens, Philips and GE write them (dcm2niix, ``nii_dicom.cpp``; niix2bids), defined
terms of PS3.3 C.8.13.3.1.1; what BIDS calls the maps (schema 1.11, ``rules.files.raw.dwi.ScannerDerivatives`` and
``rules.files.raw.anat.parametric``).
"""

from __future__ import annotations

from bidsflow.dicom.header import Header
from bidsflow.dicom.physics.kinds import CERTAIN, Finding, Kind
from bidsflow.dicom.physics.sequence import image_words, sequence_named
from bidsflow.dicom.series import Image, Series

#: What BIDS calls a map, by the value of ImageType that only it carries.
_NAMES = {
    "ADC": ("dwi", "ADC"),
    "ADC_UNSPECIFIED": ("dwi", "ADC"),
    "EADC": ("dwi", "expADC"),
    "FA": ("dwi", "FA"),
    "FRACTIONAL_ANISO": ("dwi", "FA"),
    "COLFA": ("dwi", "colFA"),
    "TRACE": ("dwi", "trace"),
    "TRACEW": ("dwi", "trace"),
    "T1_MAP": ("anat", "T1map"),
    "T2_MAP": ("anat", "T2map"),
    "T2STAR_MAP": ("anat", "T2starmap"),
    "T2_STAR_MAP": ("anat", "T2starmap"),
    "R2_MAP": ("anat", "R2map"),
    "R2STAR_MAP": ("anat", "R2starmap"),
    "R2_STAR_MAP": ("anat", "R2starmap"),
}
#: Values of ImageType of what was made of a map, or of what no one measured: a reformat, a b-value that was calculated.
_MADE_OF = frozenset({
    "MPR", "RESAMPLED", "REFORMATTED", "CPR", "MIP", "MNIP", "MINIP", "MAX_IP", "MIN_IP", "PROJECTION",
    "PROJECTION_IMAGE", "CALC_BVALUE", "SCREEN_SAVE", "MEAN", "STDDEV", "TENSOR", "TENSOR_B0",
})  # fmt: skip
_TRANSMIT = r"b1_?map|rf_?map|sa2rage|bloch_?siegert|(?<![a-z])(?:dream|afi)(?![a-z])"


def map_name(image: Image) -> tuple[str, str, str]:
    """Return datatype and suffix of a map that the scanner computed, and the word that says so; empty for other images.

    A fractional anisotropy in colour is ``colFA``; other images in colour are no maps of values.
    """
    words = image_words(image.header)
    found = next((word for word in words if word in _NAMES), "")
    if not found or _MADE_OF & set(words):
        return "", "", ""
    datatype, suffix = _NAMES[found]
    if image.header.integer("SamplesPerPixel", 1) == 3:
        return ("dwi", "colFA", found) if suffix in ("FA", "colFA") else ("", "", "")
    return datatype, suffix, found


def find_map(_series: Series, image: Image, _header: Header) -> Finding | None:
    """Return that an image is a map of the scanner's which BIDS has a name for."""
    _, _, word = map_name(image)
    return Finding(Kind.MAP, CERTAIN, f"ImageType says {word.replace('_', ' ')}") if word else None


def find_transmit(_series: Series, image: Image, header: Header) -> Finding | None:
    """Return that a scan measures the transmit field (B1+)."""
    if "FLIP_ANGLE_MAP" in image_words(image.header):
        return Finding(Kind.TRANSMIT, CERTAIN, "ImageType says FLIP ANGLE MAP")
    if name := sequence_named(header, _TRANSMIT):
        return Finding(Kind.TRANSMIT, CERTAIN, f"its sequence is {name}")
    return None


def transmit_image(image: Image) -> str:
    """Return which image of a turbo FLASH transmit map one is: ``anat``, ``famp`` (the map), ``""`` where none says.

    Source: BIDS, "Quantitative MRI", TB1TFL and TB1RFM; the sequence writes which into ImageComments.
    """
    comment = image.header.text("ImageComments").strip().lower()
    if "FLIP_ANGLE_MAP" in image_words(image.header) or comment.startswith("flip angle map"):
        return "famp"
    return "anat" if comment.startswith("anatomical image") else ""
