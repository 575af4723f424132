"""The CSA2 container: the private header of Siemens' single-frame DICOM."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

# Layout: https://nipy.org/nibabel/dicom/siemens_csa.html, "CSA2"; checked against exports of VE11.
_MAGIC = b"SV10\x04\x03\x02\x01"
_CHECK = 77
_EMPTY = 205
_ITEMS = 6


@dataclass(frozen=True, slots=True)
class Element:
    """One named element of a CSA header.

    Attributes
    ----------
    vr : str
        Value representation, two letters.
    syngo : int
        Siemens' own number of the type.
    values : tuple of str
        As text, which is how CSA stores numbers.
    """

    name: str
    vr: str
    syngo: int
    values: tuple[str, ...]


_SYNGO = {"DS": 3, "FD": 4, "IS": 6, "SL": 7, "US": 10, "CS": 16, "LO": 19, "SH": 22, "UN": 0}


def make_element(name: str, vr: str, *values: float | str) -> Element:
    """Return an element with its values as Siemens writes them.

    Examples
    --------
    >>> make_element("EchoTrainLength", "IS", 5).values
    ('5       ',)
    >>> make_element("SliceNormalVector", "FD", 0, 0, 1.0).values
    ('0.00000000', '0.00000000', '1.00000000')
    """
    whole, real = vr in {"IS", "SL", "US"}, vr in {"DS", "FD"}
    text = tuple(f"{int(v):<8d}" if whole else f"{float(v):.8f}" if real else str(v) for v in values)
    return Element(name, vr, _SYNGO[vr], text)


def _pack_item(text: str) -> bytes:
    data = text.encode("latin-1") + b"\0"
    length = len(data)
    return struct.pack("<4i", length, length, _CHECK, length) + data + b"\0" * (-length % 4)


def _pack_element(element: Element) -> bytes:
    count = max(_ITEMS, len(element.values))
    head = struct.pack(
        "<64si4s3i",
        element.name.encode("latin-1"),
        len(element.values),
        element.vr.encode("latin-1"),
        element.syngo,
        count,
        _CHECK,
    )
    empty = struct.pack("<4i", 0, 0, _EMPTY, 0) * (count - len(element.values))
    return head + b"".join(_pack_item(v) for v in element.values) + empty


def pack_header(elements: Sequence[Element]) -> bytes:
    """Return a CSA2 header.

    Examples
    --------
    >>> pack_header([])[:4]
    b'SV10'
    """
    body = b"".join(_pack_element(e) for e in elements)
    return _MAGIC + struct.pack("<2I", len(elements), _CHECK) + body + b"\0" * 4
