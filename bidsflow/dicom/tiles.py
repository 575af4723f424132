"""Whether one picture holds the slices of a volume side by side, and how many. Pure.

Siemens (mosaics) and UIH (grids) write EPI so; how many slices it are, and where they lie, stands in private elements
alone. Where anonymisation took these, and ImageType with them, dcm2niix makes one flat slice of it and says nothing.
"""

from __future__ import annotations

from typing import Final

from bidsflow.dicom.header import Header
from bidsflow.dicom.tags import find_maker

#: No magnet is homogeneous over a slice that is wider (mm), whichever way: 500 to 550 are the most that makers offer.
_WIDEST: Final = 600.0
#: Interpolation doubles a matrix; tiles multiply it by more, unless they are four or fewer.
_DOUBLED: Final = 2

_ADVICE: Final = "private elements of the scanner were taken out: get the export with them"


def count_tiles(header: Header, shared: Header, places: int) -> int:
    """Return how many slices one picture holds, 0 for any other image or where that is not known.

    Parameters
    ----------
    header : Header
        Of the first picture.
    shared : Header
        Of its series, with what the maker's protocol adds.
    places : int
        At how many places pictures lie.
    """
    if find_maker(header.text("Manufacturer")) == "UIH":
        count = header.integer("UihGridSlices")
        return count if count > 1 else 0
    if not _is_called_mosaic(header) and not _show_tiling(header, places):
        return 0
    return max(0, _count_slices(header, shared))


def find_untiled(header: Header, shared: Header, places: int) -> str:
    r"""Return a clause where a picture holds slices side by side, and nothing tells how many; ``""`` elsewhere.

    Parameters
    ----------
    header, shared, places : Header, Header, int
        As for `count_tiles`, which knows no number.

    Examples
    --------
    >>> values = {"ScanningSequence": "EP", "AcquisitionMatrix": "64\\0\\0\\64", "Rows": "384", "Columns": "384"}
    >>> find_untiled(Header(values), Header({}), 1)[:79]
    'it seems to hold many slices side by side (384 by 384 pixels of 64 by 64 measur'
    """
    if _is_called_mosaic(header) and places == 1 and _count_slices(header, shared) < 1:
        return f"its slices lie side by side (MOSAIC), and nothing tells how many and where; {_ADVICE}"
    shown = _show_tiling(header, places)
    return (
        f"it seems to hold many slices side by side ({shown}), and nothing tells how many; {_ADVICE}" if shown else ""
    )


def _is_called_mosaic(header: Header) -> bool:
    return "MOSAIC" in header.words("ImageType")


def _count_slices(header: Header, shared: Header) -> int:
    return header.integer("MosaicSlices") or shared.integer("MosaicSlices")


def _show_tiling(header: Header, places: int) -> str:
    """Return what shows that a picture is more than one slice, ``""`` where nothing does."""
    rows, columns = header.integer("Rows"), header.integer("Columns")
    spacing = header.numbers("PixelSpacing")
    if header.text("Modality") not in ("MR", ""):
        return ""  # PET may be so wide
    if len(spacing) == 2 and min(rows * spacing[0], columns * spacing[1]) > _WIDEST:
        return f"one would be {columns * spacing[1]:.0f} by {rows * spacing[0]:.0f} mm wide, as no slice is"
    measured = [int(value) for value in header.numbers("AcquisitionMatrix") if value >= 1]
    if places == 1 and len(measured) == 2 and "EP" in header.words("ScanningSequence"):
        return _show_excess(rows, columns, (max(measured), min(measured)))
    return ""


def _show_excess(rows: int, columns: int, measured: tuple[int, int]) -> str:
    """Return how many times a picture is larger than what was measured, ``""`` where that is no tiling.

    One side of a tile has the samples of the readout, the other as many lines as were measured, or more (partial
    Fourier, a lower resolution). The tiles are as many across as down.
    """
    for side, other in ((columns, rows), (rows, columns)):
        for most, least in (measured, measured[::-1]):
            times, rest = divmod(side, most)
            if times > _DOUBLED and not rest and not other % times and least <= other // times <= _DOUBLED * least:
                return f"{columns} by {rows} pixels of {measured[0]} by {measured[1]} measured ones"
    return ""
