"""The start of a TIFF image, and what OME-XML in it says of the size of a pixel.

Sources: TIFF 6.0, section 2; the OME model, https://docs.openmicroscopy.org/ome-model. As the reference validator does,
only the first 4 KiB are looked at: a description that goes on beyond them is no XML, and nothing is known of the file.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from bidsflow.validate.readers.raw import decode_text, read_start

_READ: Final = 4096
_IMAGE_DESCRIPTION: Final = 270
_PATH: Final = ("OME", "Image", "Pixels")

#: How a number may begin a text (ECMA-262, parseFloat).
_NUMBER: Final = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)")

#: Stands between the parts of a name; no character of XML, so that no name holds it.
_SEPARATOR: Final = "\f"


def load_tiff(path: str, ome: bool) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return what the schema's context knows as ``tiff`` and ``ome``; None for what the file does not tell.

    Parameters
    ----------
    path : str
        The image.
    ome : bool
        Whether its name promises OME-XML. Without any, nothing is known of the file at all.

    Returns
    -------
    tiff : dict or None
        version: 42, or 43 for BigTIFF.
    ome : dict or None
        PhysicalSizeX, -Y and -Z (NaN where there is none) and their units (left out where there is none).

    Raises
    ------
    FileFault
        FILE_READ: it cannot be read.
    """
    data = read_start(path, _READ)
    order = {b"II": "little", b"MM": "big"}.get(data[:2])
    if order is None or len(data) < 4:
        return None, None
    version = _number(data, 2, 2, order)
    tiff = {"version": version}
    if not ome:
        return tiff, None
    try:
        pixels = _find_pixels(_find_description(data, order, 12 if version == 42 else 20))
    except ValueError:
        return None, None
    return tiff, None if pixels is None else _measure(pixels)


def _number(data: bytes, offset: int, size: int, order: Any) -> int:
    if offset + size > len(data):
        raise ValueError("beyond what was read")
    return int.from_bytes(data[offset : offset + size], order)


def _find_description(data: bytes, order: str, entry_size: int) -> str:
    """Return the description of the first image; nothing where there is none."""
    directory = _number(data, 4, 4, order)
    for index in range(_number(data, directory, 2, order)):
        entry = directory + 2 + index * entry_size
        if _number(data, entry, 2, order) == _IMAGE_DESCRIPTION:
            count = _number(data, entry + 4, 4, order)
            offset = _number(data, entry + 8, 4, order)
            end = min(offset + max(count - 1, 0), _READ)  # without the null character at its end
            return decode_text(data[offset:end].ljust(end - offset, b"\0"))
    return ""


def _find_pixels(xml: str) -> dict[str, str] | None:
    """Return the attributes of OME/Image/Pixels where there is just one image and it is not empty.

    No entity is expanded but those of XML itself. Of several `Pixels` none speaks for the image: no attribute.

    Raises
    ------
    ValueError
        If the text is not well-formed XML.
    """
    from xml.parsers import expat

    parser = expat.ParserCreate("utf-8", _SEPARATOR)
    parser.namespace_prefixes = True
    n_images = 0
    found: list[tuple[dict[str, str], list[bool]]] = []
    path: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal n_images
        _fill(path, found)
        parts = name.split(_SEPARATOR)
        path.append(parts[-1] if len(parts) < 3 else "")  # a name with a prefix is another name
        if tuple(path) == _PATH[:2]:
            n_images += 1
        elif tuple(path) == _PATH:
            found.append((attributes, [bool(attributes)]))

    def text(value: str) -> None:
        if value.strip():
            _fill(path, found)

    def refuse(*_: Any) -> None:
        raise ValueError("it declares entities")

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _: path.pop()
    parser.CharacterDataHandler = text
    parser.CommentHandler = lambda _: _fill(path, found)
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(xml.lstrip().encode(), True)
    except expat.ExpatError as error:
        raise ValueError("it is no XML") from error
    full = [attributes for attributes, (filled,) in found if filled]
    if n_images != 1 or not found or (len(found) == 1 and not full):
        return None
    return full[0] if len(found) == 1 else {}


def _fill(path: list[str], found: list[tuple[dict[str, str], list[bool]]]) -> None:
    """Note that the element we are in, if it is one of pixels, holds something."""
    if tuple(path) == _PATH:
        found[-1][1][0] = True


def _measure(pixels: dict[str, str]) -> dict[str, Any]:
    sizes: dict[str, Any] = {key: _parse_number(pixels.get(key, "")) for key in _keys("")}
    return sizes | {key: pixels[key].strip() for key in _keys("Unit") if key in pixels}


def _keys(end: str) -> tuple[str, ...]:
    return tuple(f"PhysicalSize{axis}{end}" for axis in "XYZ")


def _parse_number(text: str) -> float:
    """Return the number that a text begins with; NaN where it does not."""
    match = _NUMBER.match(text.strip())
    return float(match[0].replace("Infinity", "inf")) if match else math.nan
