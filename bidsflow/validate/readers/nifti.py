"""The header of a NIfTI image: NIfTI-1 and NIfTI-2, of either byte order, plain or gzipped.

Sources: nifti1.h and nifti2.h of https://nifti.nimh.nih.gov. Where the reference validator (nifti-reader-js) departs
from them, it is followed, and the place says so.
"""

from __future__ import annotations

import math
import struct
import zlib
from functools import cmp_to_key
from typing import Any, Final

from bidsflow.errors import FileFault
from bidsflow.validate.readers.raw import read_start

_READ: Final = 1024
_SIZE_1: Final = 348
_SIZE_2: Final = 540
_LOOK_AHEAD: Final = 1 << 12

#: dim_info, dim; pixdim; xyzt_units; qform_code, sform_code, quaternion, offsets, srow (offset 39 on).
_LAYOUT_1: Final = "39xB8h20x8f15xB128x2h6f12f"
_NIFTI_1: Final = {order: struct.Struct(order + _LAYOUT_1) for order in "<>"}

#: dim, in halves; pixdim; qform_code, sform_code, quaternion, offsets, srow; xyzt_units; dim_info.
_NIFTI_2: Final = {order: struct.Struct(f"{order}16x64s24x8d176x2i6d12d4xi20xB") for order in "<>"}
_HALVES: Final = {"<": struct.Struct("<" + "Ii" * 8), ">": struct.Struct(">" + "Ii" * 8)}

_SPACE_UNITS: Final = ("unknown", "meter", "mm", "um")
_TIME_UNITS: Final = ("unknown", "sec", "msec", "usec")

Affine = tuple[tuple[float, ...], ...]


def load_header(path: str) -> dict[str, Any]:
    """Return what the schema's context knows of an image's header.

    Returns
    -------
    header : dict
        dim, pixdim (8 values; pixdim rounded to 3 decimals), shape, voxel_sizes (not rounded), dim_info (freq, phase,
        slice), xyzt_units (xyz, t), qform_code, sform_code, axis_codes (None where the affine is not finite).

    Raises
    ------
    FileFault
        NIFTI_HEADER_UNREADABLE: this is no NIfTI image in one file. FILE_READ: it cannot be read.
    """
    data = read_start(path, _READ)
    gzipped = data[:1] == b"\x1f" or data[1:2] == b"\x8b"  # either is enough for nifti-reader-js
    data = _inflate(data) if gzipped else data[:_SIZE_2]
    if len(data) >= _SIZE_1:
        if data[344:347] == b"n+1":
            return _read_first(data)
        if data[4:7] == b"n+2" and len(data) == _SIZE_2:
            return _read_second(data)
    raise FileFault("NIFTI_HEADER_UNREADABLE")


def _inflate(data: bytes) -> bytes:
    """Return the first 540 bytes of what the start of a gzip file holds, zeros where it holds less.

    As in the reference validator, which inflates the kilobyte as a whole, damage or a second member after the header is
    a fault too, while a checksum that does not fit is none. How far we look is bounded.
    """
    inflater = zlib.decompressobj(31)
    try:
        header = inflater.decompress(data, _LOOK_AHEAD)
    except zlib.error as error:
        header = _inflate_header(data) if str(error).endswith("check") else b""
    if inflater.unused_data or (len(header) < _SIZE_2 and not inflater.eof):
        raise FileFault("NIFTI_HEADER_UNREADABLE")
    return header[:_SIZE_2].ljust(_SIZE_2, b"\0")


def _inflate_header(data: bytes) -> bytes:
    """Return the header in a gzip file whose checksum does not fit; nothing where it ends before the header does."""
    try:
        return zlib.decompressobj(31).decompress(data, _SIZE_2)
    except zlib.error:
        return b""


def _byte_order(data: bytes, size: int) -> str:
    for order in ("<", ">"):
        if data[:4] == size.to_bytes(4, "little" if order == "<" else "big"):
            return order
    raise FileFault("NIFTI_HEADER_UNREADABLE")


def _read_first(data: bytes) -> dict[str, Any]:
    """Read a NIfTI-1 header."""
    values = _NIFTI_1[_byte_order(data, _SIZE_1)].unpack_from(data)
    pixdim = values[9:17]
    qform, sform = values[18:20]
    if qform > 0 and sform < qform:  # nifti1.h knows no such order of the two; nifti-reader-js has it
        affine = _rotate(values[20:23], pixdim, values[23:26])
    elif sform > 0:
        affine = values[26:30], values[30:34], values[34:38]
    else:
        affine = (pixdim[1], 0.0, 0.0, 0.0), (0.0, pixdim[2], 0.0, 0.0), (0.0, 0.0, pixdim[3], 0.0)
    return _summarize(list(values[1:9]), list(pixdim), values[0], values[17], (qform, sform), affine)


def _read_second(data: bytes) -> dict[str, Any]:
    """Read a NIfTI-2 header; nifti-reader-js takes the sform for its affine whatever the codes say."""
    order = _byte_order(data, _SIZE_2)
    values = _NIFTI_2[order].unpack_from(data)
    halves = _HALVES[order].unpack(values[0])
    dim = [_whole(first, second, order) for first, second in zip(halves[::2], halves[1::2], strict=True)]
    affine = values[17:21], values[21:25], values[25:29]
    return _summarize(dim, list(values[1:9]), values[30], values[29], values[9:11], affine)


def _whole(first: int, second: int, order: str) -> int:
    """Return a 64-bit integer from its halves as nifti-reader-js does: in doubles, negative ones wrong by 2**64."""
    low, high = (float(first), float(second) * 2**32) if order == "<" else (float(first) * 2**32, float(second))
    return int(low + high - 2.0**64 if second < 0 else low + high)


def _summarize(
    dim: list[int], pixdim: list[float], dim_info: int, units: int, codes: tuple[int, ...], affine: Affine
) -> dict[str, Any]:
    end = dim[0] + 1  # a negative one counts from the end, in ECMAScript as here
    return {
        "dim": dim,
        "pixdim": [_round(size) for size in pixdim],
        "shape": dim[1:end],
        "voxel_sizes": pixdim[1:end],
        "dim_info": {"freq": dim_info & 3, "phase": dim_info >> 2 & 3, "slice": dim_info >> 4 & 3},
        "xyzt_units": {"xyz": _SPACE_UNITS[units & 3], "t": _TIME_UNITS[units >> 3 & 3]},
        "qform_code": codes[0],
        "sform_code": codes[1],
        "axis_codes": axis_codes(affine),
    }


def _round(value: float) -> float:
    """Round to three decimals as ``Math.round(1000 * value) / 1000`` does: halves go up."""
    thousand = value * 1e3
    if not math.isfinite(thousand):
        return thousand
    whole = math.floor(thousand)
    return (whole if thousand - whole < 0.5 else whole + 1) / 1e3


def _rotate(quaternion: tuple[float, ...], pixdim: tuple[float, ...], offset: tuple[float, ...]) -> Affine:
    """Return the affine of a qform; a quaternion longer than 1 gives NaN (nifti1.h takes it for a half turn)."""
    b, c, d = quaternion
    rest = 1 - (b * b + c * c + d * d)
    a = math.sqrt(rest) if rest >= 0 else math.nan
    rotation = (
        (a * a + b * b - c * c - d * d, 2 * b * c - 2 * a * d, 2 * b * d + 2 * a * c),
        (2 * b * c + 2 * a * d, a * a + c * c - b * b - d * d, 2 * c * d - 2 * a * b),
        (2 * b * d - 2 * a * c, 2 * c * d + 2 * a * b, a * a + d * d - c * c - b * b),
    )
    hand = pixdim[0] or 1.0  # not only its sign, as nifti1.h has it
    return tuple(
        (row[0] * pixdim[1], row[1] * pixdim[2], row[2] * pixdim[3] * hand, shift)
        for row, shift in zip(rotation, offset, strict=True)
    )


def axis_codes(affine: Affine) -> list[str] | None:
    """Return which way each voxel axis points, of R, L, A, P, S, I; None where the affine is not finite.

    Parameters
    ----------
    affine : tuple of 3 tuples of 4 floats
        Voxel indices to scanner millimetres (RAS+), without its last row.

    Notes
    -----
    The axes are made orthogonal one after the other; the one that is nearest to an axis of the scanner chooses first.
    A column of zeros makes NaN, which is carried on as ECMAScript does; the outcome means nothing then.

    Examples
    --------
    >>> axis_codes(((-2.0, 0.0, 0.0, 90.0), (0.0, 0.1, 2.0, -90.0), (0.0, 2.0, -0.1, -90.0)))
    ['L', 'S', 'A']
    """
    if not math.isfinite(sum(map(sum, affine))) and not all(math.isfinite(value) for row in affine for value in row):
        return None
    first, second, third = affine
    x = _unit(first[0], second[0], third[0])
    y0, y1, y2 = first[1], second[1], third[1]
    along = x[0] * y0 + x[1] * y1 + x[2] * y2
    y = _unit(y0 - x[0] * along, y1 - x[1] * along, y2 - x[2] * along)
    z0, z1, z2 = first[2], second[2], third[2]
    along_x, along_y = x[0] * z0 + x[1] * z1 + x[2] * z2, y[0] * z0 + y[1] * z1 + y[2] * z2
    z = _unit(
        z0 - (x[0] * along_x + y[0] * along_y),
        z1 - (x[1] * along_x + y[1] * along_y),
        z2 - (x[2] * along_x + y[2] * along_y),
    )
    axes = (x, y, z)
    sizes = [[abs(value) for value in axis] for axis in axes]
    largest = [max(size) for size in sizes]
    order = sorted(range(3), key=lambda axis: largest[axis], reverse=True)
    if any(map(math.isnan, map(sum, sizes))):  # no order suits NaN; this is what a stable sort makes of it
        largest = [math.nan if any(map(math.isnan, size)) else max(size) for size in sizes]
        ranks = sorted(zip(largest, range(3), strict=True), key=cmp_to_key(_compare))
        order = [axis for _, axis in ranks]
    codes = ["", "", ""]
    for axis in order:
        size = sizes[axis]
        best = 0
        for place in (1, 2):
            if size[place] > size[best]:
                best = place
        for each in sizes:
            each[best] = 0.0
        codes[axis] = ("RL", "AP", "SI")[best][0 if axes[axis][best] > 0 else 1]
    return codes


def _compare(one: tuple[float, int], other: tuple[float, int]) -> int:
    """Order by size, the largest first."""
    return (other[0] > one[0]) - (other[0] < one[0])


def _unit(first: float, second: float, third: float) -> tuple[float, float, float]:
    square = first * first + second * second + third * third
    factor = 1 / math.sqrt(square) if square else math.inf
    return first * factor, second * factor, third * factor
