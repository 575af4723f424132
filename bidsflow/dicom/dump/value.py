"""One value as text that is safe for a terminal, and as JSON."""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Iterable
from typing import Any

from pydicom import config
from pydicom.uid import UID


def escape(text: str) -> str:
    r"""Replace every character that could act on a terminal or hide in a text by its code.

    Examples
    --------
    >>> print(escape("a\x1b[31mred\x07 b\u202ec"))
    a\x1b[31mred\x07 b\u202ec
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shorten(text: str, limit: int) -> str:
    """Cut a text that is longer than `limit` characters and say how long it was.

    Examples
    --------
    >>> shorten("0123456789" * 10, 32)
    '012345678901... (100 characters)'
    """
    if len(text) <= limit:
        return text
    note = f"... ({len(text)} characters)"
    return text[: max(limit - len(note), 8)] + note


def values_of(value: Any) -> tuple[Any, ...]:
    """Return the values of an element as a tuple, whether there are none, one or several."""
    if value is None or (isinstance(value, (str, bytes)) and not value):
        return ()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) and not hasattr(value, "components"):
        return tuple(value)
    return (value,)


def text_of(value: Any, vr: str) -> str:
    """Return the value of an element for people."""
    values = values_of(value)
    text = escape("\\".join(_number(value, vr) for value in values))
    if vr == "UI" and len(values) == 1 and (name := UID(text, config.IGNORE).name) != text:
        return f"{text} = {name}"
    return text


def _number(value: Any, vr: str) -> str:
    """Return one value as text; binary floats in the fewest digits that give the same bits."""
    if vr == "AT" and isinstance(value, int):
        return f"({value >> 16:04X},{value & 0xFFFF:04X})"
    if vr == "FL" and isinstance(value, float) and math.isfinite(value):
        with contextlib.suppress(OverflowError):
            bits = struct.pack("<f", value)
            return next(
                text
                for text in (*(f"{value:.{digits}g}" for digits in (6, 7, 8)), f"{value:.9g}")
                if struct.pack("<f", float(text)) == bits
            )
    return str(value)


def json_value(value: Any) -> Any:
    """Return one value as the DICOM JSON model has it (PS3.18 annex F)."""
    if hasattr(value, "components"):  # a person's name: up to three spellings (PS3.5 section 6.2.1)
        spellings = ("alphabetic", "ideographic", "phonetic")
        return {key.capitalize(): text for key in spellings if (text := str(getattr(value, key)))}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if hasattr(value, "is_private") and isinstance(value, int):  # a tag
        return f"{int(value):08X}"
    return int(value) if isinstance(value, int) else str(value)
