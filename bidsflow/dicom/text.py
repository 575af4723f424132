"""Raw element values become text: numbers written out, character sets resolved, padding removed."""

from __future__ import annotations

import struct
from collections.abc import Iterable

#: Keyword, value representation and bytes of one element.
RawValue = tuple[str, str, bytes]

_NUMERIC = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_PEOPLE_TEXT = frozenset({"LO", "SH", "PN", "LT", "ST", "UT", "UC"})
_PLAIN_SETS = {"": "latin-1", "ISO_IR 6": "latin-1", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}


def decode_values(raw: Iterable[RawValue], charset: str = "") -> tuple[dict[str, str], tuple[str, ...]]:
    r"""Return values as text by keyword, and what was odd about them.

    Parameters
    ----------
    raw : iterable of (keyword, value representation, bytes)
        SpecificCharacterSet comes before the texts it governs, as the order of tags has it (PS3.3 C.12.1.1.2).
    charset : str
        The character set until then.

    Examples
    --------
    >>> decode_values([("ImageType", "CS", b"ORIGINAL\\PRIMARY "), ("Rows", "US", b"@\x00")])
    ({'ImageType': 'ORIGINAL\\PRIMARY', 'Rows': '64'}, ())
    """
    values: dict[str, str] = {}
    problems: list[str] = []
    for keyword, vr, data in raw:
        if vr in _NUMERIC:
            values[keyword] = _number_text(vr, data)
            continue
        try:
            text = data.decode("ascii")
        except UnicodeDecodeError:
            text, problem = _decode_text(data, charset if vr in _PEOPLE_TEXT else "")
            problems += [f"{keyword}: {problem}"] if problem else []
        values[keyword] = text.strip(" \0\t\r\n")
        if keyword == "SpecificCharacterSet":
            charset = values[keyword]
    return values, tuple(problems)


def _number_text(vr: str, data: bytes) -> str:
    code = _NUMERIC[vr]
    count = len(data) // struct.calcsize(code)
    numbers = struct.unpack_from(f"<{count}{code}", data)
    return "\\".join(map(repr, numbers))


def _decode_text(data: bytes, charset: str) -> tuple[str, str]:
    """Return text outside ASCII, and a clause on what was wrong with its declared character set."""
    if charset in _PLAIN_SETS:
        codec = _PLAIN_SETS[charset]
        try:
            return data.decode(codec), ""
        except UnicodeDecodeError:
            return data.decode("latin-1"), f"not valid in its character set {charset!r}"
    from pydicom.charset import convert_encodings, decode_bytes

    try:
        encodings = convert_encodings(charset.split("\\"))
        return decode_bytes(data, encodings, {0x5C, 0x5E, 0x3D}), ""
    except (LookupError, UnicodeError, ValueError, UserWarning):
        return data.decode("latin-1"), f"its character set {charset!r} is unknown or wrong"
