"""GE: the protocol data block, a gzipped text of ``NAME "value"`` lines.

Source: dcm2niix's handling of (0025,101B) in ``nii_dicom.cpp``. The polarity of phase encoding is not read here: it
depends on user variables of the sequence besides the order of views, which dcm2niix knows.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping

_LINE = re.compile(rb'^\s*(?:set\s+)?(\w+)\s+"([^"]*)"', re.MULTILINE)
_MAX_TEXT = 4 * 1024 * 1024


def read_protocol(blobs: Mapping[str, bytes]) -> dict[str, str]:
    """Return what the protocol data block says, under the keywords of this package."""
    protocol = read_block(blobs.get("GeProtocol", b""))
    words = [protocol[name] for name in ("PSEQ", "IOPT") if protocol.get(name)]
    return {"SequenceFile": ", ".join(words)} if words else {}


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
