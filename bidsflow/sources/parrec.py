"""What lies in an export of Philips PAR/REC and is no pair that can be read (`dicom.parrec` reads those)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bidsflow.dicom.partable import NAME
from bidsflow.sources.foreign import Content

#: What to do about a pair that was set aside.
ADVICE: Final = "export it again, or better the images as DICOM: a PAR knows neither ID nor slice order"


def describe_part(path: str) -> Content:
    """Return what a REC, or a file with the first bytes of a PAR or of its XML form, is, compressed or not.

    Examples
    --------
    >>> describe_part("/nowhere/scan.REC").name
    'Philips PAR/REC: a REC without its PAR'
    """
    file = Path(path)
    ext = file.suffix.lower()
    if ext == ".gz":
        return Content(f"{NAME}: one half of a pair, compressed", "unpack it first, and the other half too")
    if ext == ".rec":
        if _has_beside(file, {".par", ".xml"}):
            return Content(f"{NAME}: the pixels of a pair", harmless=True)  # told with the other half
        return Content(f"{NAME}: a REC without its PAR", "look for the .PAR (or .XML) that belongs to it")
    if ext == ".xml":
        return Content(f"{NAME}: the XML form, which is not read", "export it as PAR/REC, or better as DICOM")
    return Content(f"{NAME}: a PAR under another name", "let its name end with .PAR, and that of its pixels with .REC")


def _has_beside(file: Path, wanted: set[str]) -> bool:
    """Return whether a folder has a file of the same name with another extension, in whatever case it is written."""
    try:
        beside = list(file.parent.iterdir())
    except OSError:
        return False
    return any(one.stem.lower() == file.stem.lower() and one.suffix.lower() in wanted for one in beside)
