"""What the header of a NIfTI image says of its size and place, and whether the file holds as much. Reads only.

Source: nifti1.h (``sizeof_hdr``, ``dim``, ``bitpix``, ``vox_offset``, ``sform_code``, ``srow_x``).
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

#: Lengths that headers have, and begin with: NIfTI-1 and NIfTI-2.
_FIRST, _SECOND = 348, 540
_CHUNK = 4 << 20
#: Voxels are flat whose volume is less than this part of the product of their edges.
_FLAT = 1e-3


def read_shape(nifti: Path) -> tuple[int, ...]:
    """Return the size of a NIfTI-1 image in voxels, trailing ones left out."""
    return _shape(_read_head(nifti))


def read_announced_size(nifti: Path) -> int:
    """Return how many bytes a NIfTI-1 file should have."""
    return _announced_size(_read_head(nifti))


def is_flat(nifti: Path) -> bool:
    """Return whether several slices of a NIfTI-1 image lie in one plane, where its header says how they lie (sform)."""
    head = _read_head(nifti)
    shape, order = _shape(head), _order(head, _FIRST) or ">"
    if len(shape) < 3 or min(shape[:3]) < 2 or len(head) < _FIRST or not struct.unpack_from(f"{order}h", head, 254)[0]:
        return False
    rows = [struct.unpack_from(f"{order}4f", head, at) for at in (280, 296, 312)]
    (a, b, c), (d, e, f), (g, h, i) = (row[:3] for row in rows)
    volume = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    edges = [math.hypot(*edge) for edge in ((a, d, g), (b, e, h), (c, f, i))]
    return bool(abs(volume) <= _FLAT * math.prod(edges))


def is_damaged(packed: Path) -> bool:
    """Return whether a ``.nii.gz`` cannot be unpacked, or holds less than its header announces; reads all of it."""
    try:
        with gzip.open(packed) as stream:
            head = stream.read(_FIRST)
            size = len(head)
            while chunk := stream.read(_CHUNK):
                size += len(chunk)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return True
    if _order(head, _SECOND):
        return False  # it was edited by a program that writes NIfTI-2, and is whole as gzip
    return not _order(head, _FIRST) or size < _announced_size(head)


def _read_head(nifti: Path) -> bytes:
    with nifti.open("rb") as stream:
        return stream.read(_FIRST)


def _order(head: bytes, length: int) -> str:
    """Return the order of the bytes in a header of a length, ``""`` where it has another."""
    return next((order for order in "<>" if head[:4] == struct.pack(f"{order}i", length)), "")


def _shape(head: bytes) -> tuple[int, ...]:
    if len(head) < 56:
        return ()
    dims = struct.unpack_from(f"{_order(head, _FIRST) or '>'}8h", head, 40)
    shape = list(dims[1 : 1 + max(0, min(dims[0], 7))])
    while len(shape) > 3 and shape[-1] == 1:
        shape.pop()
    return tuple(shape)


def _announced_size(head: bytes) -> int:
    if len(head) < _FIRST:
        return _FIRST
    order = _order(head, _FIRST) or ">"
    (bits,) = struct.unpack_from(f"{order}h", head, 72)
    (offset,) = struct.unpack_from(f"{order}f", head, 108)
    return int(offset) + math.prod(_shape(head)) * int(bits) // 8
