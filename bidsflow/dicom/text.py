"""Raw element values become text: numbers written out, character sets resolved, padding removed."""

from __future__ import annotations

import logging
import re
import struct
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

#: Keyword, value representation and bytes of one element.
RawValue = tuple[str, str, bytes]

_NUMERIC = {
    vr: (struct.calcsize(f"={code}"), code)
    for vr, code in {"US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d"}.items()
}
#: Value representations of numbers in binary.
NUMERIC = frozenset(_NUMERIC)
#: Value representations that SpecificCharacterSet governs (PS3.5 section 6.1.2.2).
_GOVERNED = frozenset({"LO", "SH", "PN", "LT", "ST", "UT", "UC"})
#: Those of them in which a backslash is a backslash.
_SINGLE = frozenset({"LT", "ST", "UT"})
_PLAIN_SETS = {"": "latin-1", "ISO_IR 6": "latin-1", "ISO_IR 100": "latin-1", "ISO_IR 192": "utf-8"}
_PADDING = " \0\t\r\n"
_PADDED = re.compile(r"[ \0\t\r\n]\\|\\[ \0\t\r\n]")
#: Characters that end the effect of an escape sequence (PS3.5 section 6.1.2.5.3): of any text, and of names.
_RESETS = {"PN": {0x5C, 0x5E, 0x3D}, "": {0x5C, 0x09, 0x0A, 0x0C, 0x0D}}


def decode_values(
    raw: Iterable[RawValue], charset: str = "", *, order: str = "<"
) -> tuple[dict[str, str], tuple[str, ...]]:
    r"""Return values as text by keyword, and what was odd about them.

    Parameters
    ----------
    raw : iterable of (keyword, value representation, bytes)
        SpecificCharacterSet comes before the texts it governs, as the order of tags has it (PS3.3 C.12.1.1.2).
    charset : str
        The character set until then.
    order : str
        ``<`` where numbers are little endian, ``>`` where they are big endian.

    Examples
    --------
    >>> decode_values([("ImageType", "CS", b"ORIGINAL\\PRIMARY "), ("Rows", "US", b"@\x00")])
    ({'ImageType': 'ORIGINAL\\PRIMARY', 'Rows': '64'}, ())
    """
    values: dict[str, str] = {}
    problems: list[str] = []
    for keyword, vr, data in raw:
        if vr in _NUMERIC:
            values[keyword] = _number_text(vr, data, order)
            continue
        if vr in _GOVERNED and (not data.isascii() or b"\x1b" in data):
            text, problem = _decode_text(data, vr, charset)
            problems += [f"{keyword}: {problem}"] if problem else []
        else:
            text = data.decode("latin-1")
        text = text.strip(_PADDING)
        if "\\" in text and vr not in _SINGLE and _PADDED.search(text):
            text = "\\".join(part.strip(_PADDING) for part in text.split("\\"))
        values[keyword] = text
        if keyword == "SpecificCharacterSet":
            charset = text
    return values, tuple(problems)


def decode_texts(values: Sequence[bytes]) -> list[str] | None:
    r"""Return what `decode_values` does of several values that are no numbers; None where one needs a closer look.

    Nearly all are printable ASCII, which every character set reads alike, padded at their ends only: these are decoded
    at once.

    Examples
    --------
    >>> decode_texts([b"1.2.3\0", b"12 "])
    ['1.2.3', '12']
    """
    text = (b"|".join(values) + b"|").replace(b"\0|", b"|").replace(b" |", b"|").decode("latin-1")
    if not (text.isascii() and text.isprintable()) or "\\ " in text or " \\" in text:
        return None
    texts = text.split("|")
    if " |" in text or "| " in text or text.startswith(" "):  # padded by more than one blank
        texts = [one.strip() for one in texts]
    return texts[:-1] if len(texts) == len(values) + 1 else None


def _number_text(vr: str, data: bytes, order: str) -> str:
    size, code = _NUMERIC[vr]
    count = len(data) // size
    return "\\".join(map(repr, struct.unpack_from(f"{order}{count}{code}", data)))


@contextmanager
def quiet_pydicom(action: Literal["error", "ignore"]) -> Iterator[None]:
    """Turn what pydicom warns of into errors or nothing, and let it write no log: its messages quote values."""
    logger = logging.getLogger("pydicom")
    before = logger.disabled
    logger.disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(action)
            yield
    finally:
        logger.disabled = before


def _decode_text(data: bytes, vr: str, charset: str) -> tuple[str, str]:
    """Return text outside ASCII, and a clause on what was wrong with its declared character set."""
    if charset in _PLAIN_SETS:
        codec = _PLAIN_SETS[charset]
        try:
            return data.decode(codec), ""
        except UnicodeDecodeError:
            return data.decode("latin-1"), f"not valid in its character set {charset!r}"
    from pydicom.charset import convert_encodings, decode_bytes

    try:
        with quiet_pydicom("error"):
            encodings = convert_encodings([name.strip() for name in charset.split("\\")])
            return decode_bytes(data, encodings, _RESETS.get(vr, _RESETS[""])), ""
    except (LookupError, ValueError, UserWarning):  # UnicodeError is a ValueError
        return data.decode("latin-1"), f"its character set {charset!r} is unknown or wrong"
