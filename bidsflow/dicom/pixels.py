"""Whether the pixel data of an instance is all there, without reading it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from bidsflow.dicom import tags
from bidsflow.dicom.layout import UNDEFINED
from bidsflow.dicom.source import Source
from bidsflow.dicom.walk import read_element, swapped, walk, want
from bidsflow.errors import HeaderError

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"

#: What says how many bytes the pixels of an instance take.
SIZES: Final = ("TransferSyntaxUID", "Rows", "Columns", "BitsAllocated", "NumberOfFrames", "SamplesPerPixel")
_UNCOMPRESSED: Final = frozenset({IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN})
_PIXELS = frozenset(swapped(tag) for tag in (tags.PIXEL_DATA, *tags.FLOAT_PIXEL_DATA))
_NOTHING = want()
_ITEM, _DELIMITER = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"


@lru_cache(maxsize=64)
def count_pixel_bytes(syntax: str, rows: str, columns: str, bits: str, frames: str, samples: str) -> int:
    """Return how many bytes the pixels take (`SIZES`), 0 where they are compressed or the header does not say.

    The count is even (PS3.5 section 8.1.1).

    Examples
    --------
    >>> count_pixel_bytes(EXPLICIT, "3", "5", "8", "", ""), count_pixel_bytes(EXPLICIT, "3", "5", "8", "-4", "1")
    (16, 0)
    """
    if syntax not in _UNCOMPRESSED:
        return 0
    try:
        sizes = [int(text) for text in (rows, columns, bits, frames or "1", samples or "1")]
    except ValueError:
        return 0
    if min(sizes) < 1:
        return 0
    count = (math.prod(sizes) + 7) // 8
    return count + count % 2


def find_pixels(source: Source, pos: int, implicit: bool, need: int) -> str:
    """Return whether the pixel data is ``complete``, ``truncated`` or ``absent``.

    Parameters
    ----------
    source : Source
        The file.
    pos : int
        Where an element begins, before the pixel data.
    implicit : bool
        Whether elements have no value representation.
    need : int
        See `count_pixel_bytes`.
    """
    head = 8 if implicit else 12
    start = source.size - need - head
    if 0 < need < UNDEFINED and start >= pos:
        found = source.at(start, head)  # the usual case: the file ends with its pixels
        if found[:4] == b"\xe0\x7f\x10\x00" and found[-4:] == need.to_bytes(4, "little"):
            return "complete"
    try:
        _, pos = walk(source, pos, implicit, _NOTHING, 0x7FDF)
        while pos < source.size:
            key, _, length, value = read_element(source, pos, implicit)
            if key & 0xFFFF > 0x7FE0:
                break
            if key in _PIXELS:
                return _judge(source, value, length, need)
            pos = value + length
    except HeaderError:
        return "truncated"
    return "absent"


def _is_delimited(source: Source, pos: int) -> bool:
    """Return whether fragments follow each other up to a delimiter, behind which padding or signatures may stand."""
    while len(head := source.at(pos, 8)) == 8 and head[:4] == _ITEM:
        pos += 8 + int.from_bytes(head[4:], "little")
    return head[:4] == _DELIMITER


def _judge(source: Source, start: int, length: int, need: int) -> str:
    if length == UNDEFINED:  # encapsulated: a delimiter closes the fragments (PS3.5 section A.4)
        whole = source.at(source.size - 8, 4) == _DELIMITER or _is_delimited(source, start)
    else:
        whole = start + length <= source.size and length >= need
    return "complete" if whole else "truncated"
