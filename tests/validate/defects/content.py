"""The contents of files, made in code: the same bytes on every machine, and no larger than a validator looks at."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

#: Voxels along each axis of an image that is not asked to be otherwise.
SHAPE = (4, 4, 4)


def to_json(**fields: Any) -> bytes:
    """Return an object as a file."""
    return (json.dumps(fields, indent=1, ensure_ascii=False) + "\n").encode()


def to_tsv(text: str) -> bytes:
    """Return a table written with blanks between columns, one row a line (``_`` stands for a blank in a value)."""
    rows = (line.split() for line in text.strip().splitlines())
    return ("\n".join("\t".join(cell.replace("_~", " ") for cell in row) for row in rows) + "\n").encode()


def to_gzip(data: bytes, *, time: int = 0, name: bytes = b"", comment: bytes = b"", extra: bytes = b"") -> bytes:
    """Return a gzip file whose header holds what is given; the data is stored, not compressed.

    What zlib makes of data differs between its versions. Source: RFC 1952, RFC 1951 (section 3.2.4).
    """
    flags = (4 if extra else 0) | (8 if name else 0) | (16 if comment else 0)
    head = struct.pack("<2sBBIBB", b"\x1f\x8b", 8, flags, time, 0, 3)
    head += struct.pack("<H", len(extra)) + extra if extra else b""
    head += name + b"\0" if name else b""
    head += comment + b"\0" if comment else b""
    blocks = [data[start : start + 0xFFFF] for start in range(0, len(data), 0xFFFF)] or [b""]
    body = b"".join(
        struct.pack("<BHH", number == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for number, block in enumerate(blocks)
    )
    return head + body + struct.pack("<II", zlib.crc32(data), len(data))


def to_nifti(
    shape: Sequence[int] = SHAPE,
    *,
    steps: Sequence[float] = (2.0, 2.0, 2.0, 2.0),
    ndim: int | None = None,
    units: int = 10,
    qform: int = 0,
    sform: int = 1,
    affine: Sequence[Sequence[float]] | None = None,
    quaternion: Sequence[float] = (0, 0, 0, 0, 0, 0),
    qfac: float = 1.0,
    dim_info: int = 0,
    magic: bytes = b"n+1\0",
    order: str = "<",
    size: int = 348,
) -> bytes:
    """Return a NIfTI-1 image of zeros.

    Parameters
    ----------
    shape : sequence of int
        Voxels, then volumes.
    steps : sequence of float
        Voxel sizes in mm, then the time between volumes in s.
    ndim : int, optional
        What ``dim[0]`` says, where it is not the length of `shape`.
    units : int
        ``xyzt_units``; 10 is mm and s.
    qform, sform : int
        The codes; `affine` is that of the sform, `quaternion` b, c, d and the offsets of the qform.
    affine : sequence of three rows, optional
        By default the axes are those of the scanner, with `steps`.
    order : str
        ``<`` or ``>``.
    size : int
        ``sizeof_hdr``.

    Notes
    -----
    Source: nifti1.h.
    """
    dim = [len(shape) if ndim is None else ndim, *shape, *[1] * (7 - len(shape))]
    pixdim = [qfac, *steps[:7], *[0.0] * (7 - len(steps))]
    x, y, z = (list(steps) + [1.0] * 3)[:3]
    rows = affine or ((x, 0, 0, 0), (0, y, 0, 0), (0, 0, z, 0))
    head = struct.pack(order + "i35xB", size, dim_info)
    head += struct.pack(order + "8h3f4h", *dim, 0, 0, 0, 0, 2, 8, 0)
    head += struct.pack(order + "8f3fhBB4f2i", *pixdim, 352, 1, 0, 0, 0, units, 0, 0, 0, 0, 0, 0)
    head += bytes(80 + 24) + struct.pack(order + "2h6f", qform, sform, *quaternion)
    head += b"".join(struct.pack(order + "4f", *row) for row in rows) + bytes(16) + magic
    return head + bytes(4) + bytes(min(math.prod(max(n, 0) for n in shape), 4096))


def to_nifti2(shape: Sequence[int] = SHAPE, *, order: str = "<", magic: bytes = b"n+2\0\r\n\x1a\n") -> bytes:
    """Return a NIfTI-2 image of zeros, 2 mm and 2 s. Source: nifti2.h."""
    dim = [len(shape), *shape, *[1] * (7 - len(shape))]
    head = struct.pack(order + "i8s2h8q", 540, magic, 2, 8, *dim) + struct.pack(order + "3d", 0, 0, 0)
    head += struct.pack(order + "8d", 1, 2, 2, 2, 2, 0, 0, 0) + struct.pack(order + "q", 544)
    head += struct.pack(order + "6d", 1, 0, 0, 0, 0, 0) + struct.pack(order + "2q", 0, 0) + bytes(104)
    head += struct.pack(order + "2i6d", 0, 1, *[0.0] * 6)
    head += struct.pack(order + "12d", 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0)
    head += struct.pack(order + "2i", 0, 10) + bytes(16) + struct.pack(order + "i", 0) + bytes(1 + 15)
    return head + bytes(544 - len(head)) + bytes(64)


def image(shape: Sequence[int] = SHAPE, **header: Any) -> bytes:
    """Return a compressed image (see `to_nifti`)."""
    return to_gzip(to_nifti(shape, **header))


def to_tiff(*, version: int = 42, order: bytes = b"II", description: str = "") -> bytes:
    """Return the beginning of a TIFF or BigTIFF file whose only tag is a description.

    Notes
    -----
    Where the directory stands is told in the way of TIFF in both, since that is where the reference looks.
    Source: TIFF 6.0, section 2.
    """
    end = "<" if order == b"II" else ">"
    text = description.encode() + b"\0"
    entry = struct.pack(end + "HHII", 270, 2, len(text), 8 + 2 + 12 + 4)
    return order + struct.pack(end + "HI", version, 8) + struct.pack(end + "H", 1) + entry + bytes(4) + text


def ome(x: float = 0.5, y: float = 0.5, z: float | None = 1.0, unit: str = "µm") -> str:
    """Return the description of an OME-TIFF with these voxel sizes."""
    sizes = {"X": x, "Y": y, "Z": z}
    told = " ".join(f'PhysicalSize{k}="{v}" PhysicalSize{k}Unit="{unit}"' for k, v in sizes.items() if v is not None)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" {told} SizeX="4" SizeY="4" SizeZ="1"/></Image></OME>'
    )


def rows(*values: Iterable[object]) -> bytes:
    """Return a table without a header, separated by single blanks (bval, bvec)."""
    return b"".join((" ".join(str(value) for value in row) + "\n").encode() for row in values)
