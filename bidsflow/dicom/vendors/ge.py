"""GE: the protocol data block, a gzipped text of ``NAME "value"`` lines, and the user data, a header of raw data.

Source: what dcm2niix makes of (0025,101B) and (0043,102A), ``nii_dicom.cpp``; tested against it.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Mapping

_LINE = re.compile(rb'^\s*(?:set\s+)?(\w+)\s+"([^"]*)"', re.MULTILINE)
_MAX_TEXT = 4 * 1024 * 1024
#: Where the user data say that their header of raw data begins, and what a whole one holds at least.
_START, _LEAST = 24, 918
#: Versions of that header whose layout is known; from `_WIDER` on its flags stand `_SHIFT` bytes further on.
_VERSIONS, _WIDER, _SHIFT = (5.0, 40.0), 25.002, 0x4C


def read_protocol(blobs: Mapping[str, bytes]) -> dict[str, str]:
    """Return what the protocol data block says, under the keywords of this package."""
    protocol = read_block(blobs.get("GeProtocol", b""))
    words = [protocol[name] for name in ("PSEQ", "IOPT") if protocol.get(name)]
    texts = {"SequenceFile": ", ".join(words)} if words else {}
    polarity = read_polarity(blobs.get("GeUserData", b""))
    return texts | ({"PhaseEncodingPositive": polarity} if polarity else {})


def read_polarity(data: bytes) -> str:
    """Return the polarity of phase encoding that user data tell: ``1`` along the axis, ``0`` against it, else ``""``.

    Two flags turn it, and cancel out: that of the blips, and the order of views (2: from the bottom up).
    """
    if len(data) < _START + 2:
        return ""
    start = struct.unpack_from("<H", data, _START)[0]
    if len(data) < start + _LEAST:
        return ""
    version = struct.unpack_from("<f", data, start)[0]
    if not _VERSIONS[0] <= version <= _VERSIONS[1]:
        return ""
    wide = version >= _WIDER
    flags = start + (_SHIFT if wide else 0)
    is_planar = struct.unpack_from("<H", data, flags + 0x3A)[0] & 0x0800
    if not is_planar:
        return ""
    flipped = bool(struct.unpack_from("<H", data, flags + 0x30)[0] & 0x0004)
    upwards = struct.unpack_from("<H", data, flags + (0x308 if wide else 0x394))[0] == 2
    return "0" if flipped != upwards else "1"


def read_block(data: bytes) -> dict[str, str]:
    """Return the lines of a protocol data block; empty where it is broken."""
    start = data.find(b"\x1f\x8b")
    if start < 0:
        return {}
    try:
        text = zlib.decompressobj(wbits=31).decompress(data[start:], _MAX_TEXT)
    except zlib.error:
        return {}
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in _LINE.findall(text)}
