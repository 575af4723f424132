"""Philips PAR/REC pairs: what one holds and whether it is whole. They are told of, not converted.

A PAR holds no UIDs, no patient ID, no slice order and no direction of phase encoding; dcm2niix reads it with the
warning that it does so without support (v1.0.20260724). An image made of that would be named and placed by guesses, so
that the advice is to export DICOM again, or to convert by hand knowing what is missing.

Source: the header of the files themselves (research image export tool, V3 to V4.2) and nibabel's ``parrec``.
"""

from __future__ import annotations

import re
from pathlib import Path

from bidsflow.sources.foreign import Content

NAME = "Philips PAR/REC"
ADVICE = (
    "export the images as DICOM: a PAR tells neither identity nor slice order nor phase encoding; if there is nothing "
    "else, dcm2niix makes NIfTI of a whole pair, to be added by hand"
)
#: No honest PAR is larger (bytes).
_LARGEST = 64 << 20


def describe_pair(path: str) -> Content:
    """Return what a PAR or REC file is: its scan, and whether the other half is there and whole.

    Examples
    --------
    >>> describe_pair("/nowhere/scan.REC").name
    'Philips PAR/REC: a REC without its PAR'
    """
    file = Path(path)
    other = _find_other(file)
    if file.suffix.lower() == ".rec":
        if other is None:
            return Content(f"{NAME}: a REC without its PAR", "look for the .PAR (or .XML) that belongs to it")
        return Content(f"{NAME}: the pixels of a pair", harmless=True)  # told with its PAR
    try:
        text = file.read_bytes()[:_LARGEST].decode("latin-1")
    except OSError:
        text = ""
    if other is None:
        return Content(f"{NAME}: a PAR without its REC", "look for the .REC with the pixels; " + ADVICE)
    announced = _count_bytes(text)
    there = other.stat().st_size
    what = f"{NAME}, {_say_scan(text)}".rstrip(", ")
    if there < announced:
        return Content(f"{what}; its REC breaks off ({there} of {announced} bytes)", "fetch the pair again; " + ADVICE)
    return Content(f"{what}; a whole pair" if announced else what, ADVICE)


def _find_other(file: Path) -> Path | None:
    """Return the other half of a pair, by its name, in whatever case it is written."""
    wanted = {".par", ".xml"} if file.suffix.lower() == ".rec" else {".rec"}
    try:
        beside = sorted(file.parent.iterdir())
    except OSError:
        return None
    return next((one for one in beside if one.stem == file.stem and one.suffix.lower() in wanted), None)


def _say_scan(text: str) -> str:
    """Return what was measured, without words that people typed: these may name a person."""
    said = []
    technique = _read(text, "Technique")
    if re.fullmatch(r"[A-Z0-9]{2,10}", technique):
        said.append(technique)
    for key, unit in (("Max. number of slices/locations", "slices"), ("Max. number of dynamics", "dynamics")):
        count = _read(text, key)
        if count.isdigit():
            said.append(f"{int(count)} {unit}")
    repetition = _read(text, "Repetition time [ms]").split()
    if repetition and re.fullmatch(r"\d+(\.\d+)?", repetition[0]):
        said.append(f"TR {float(repetition[0]):g} ms")
    return ", ".join(said)


def _read(text: str, key: str) -> str:
    found = re.search(rf"^\.\s+{re.escape(key)}\s*:[ \t]*(.*?)\s*$", text, re.MULTILINE)
    return found[1] if found else ""


def _count_bytes(text: str) -> int:
    """Return how many bytes the images of a PAR have, 0 where it does not say (before V4): one line for each image.

    In a line, the sixth to eleventh numbers are index, bits, scan percentage, and columns and rows.
    """
    total = 0
    for line in text.splitlines():
        cells = line.split()
        if len(cells) >= 40 and all(re.fullmatch(r"\d+", cell) for cell in (*cells[:8], *cells[9:11])):
            total += int(cells[7]) // 8 * int(cells[9]) * int(cells[10])
    return total
