"""JSON as ECMAScript reads it (ECMA-404; ECMA-262, JSON.parse)."""

from __future__ import annotations

import json
from typing import Any, Final

from bidsflow.errors import FileFault
from bidsflow.validate.readers.raw import read_start

#: No sidecar is that large; parsed, it takes some ten times as much memory.
MAX_BYTES: Final = 64 << 20

#: What is nested deeper than this in a value is left out: it harms whoever walks the value, and no rule looks there.
_MAX_DEPTH: Final = 200

#: Whole numbers of more characters than this may not be exact as ECMAScript's numbers (IEEE 754 double).
_EXACT_DIGITS: Final = 15

_SPACE: Final = " \t\n\r"


def load_json(path: str, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Return the object that a JSON file holds; of a repeated key, the last value.

    Raises
    ------
    FileFault
        INVALID_JSON_ENCODING: not UTF-8, or with a byte order mark. JSON_INVALID: no JSON. JSON_NOT_AN_OBJECT: a
        list, a string, a number, null. FILE_READ: it cannot be read, or is larger than `max_bytes`.
    """
    data = read_start(path, max_bytes + 1)
    if len(data) > max_bytes:
        raise FileFault("FILE_READ", f"it is larger than {max_bytes >> 20} MiB")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise FileFault("INVALID_JSON_ENCODING") from None
    if text.startswith("\ufeff"):
        raise FileFault("INVALID_JSON_ENCODING")
    try:
        value = parse_json(text)
    except ValueError:
        raise FileFault("JSON_INVALID") from None
    if not isinstance(value, dict):
        raise FileFault("JSON_NOT_AN_OBJECT", text[:10] + ("..." if len(text) > 10 else ""))
    return value


def parse_json(text: str) -> Any:
    """Return what a text means as JSON.

    Numbers are those of ECMAScript: whole ones beyond 2**53 become floats, those beyond the range of a double infinite.

    Raises
    ------
    ValueError
        If the text is no JSON.

    Examples
    --------
    >>> parse_json('{"a": 1, "a": [12345678901234567890, 1e999]}')
    {'a': [1.2345678901234567e+19, inf]}
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        return _parse_deep(text)
    if text.count("[") + text.count("{") > _MAX_DEPTH and _is_deep(value):
        return _parse_deep(text)
    return value


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _EXACT_DIGITS else float(digits)


def _no_number(name: str) -> Any:
    raise ValueError(name)


_DECODER: Final = json.JSONDecoder(parse_int=_whole, parse_constant=_no_number)
_scan: Final = _DECODER.scan_once  # type: ignore[attr-defined]


def _is_deep(value: Any) -> bool:
    """Tell whether containers are nested deeper than allowed, without recursion."""
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        deeper: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                deeper += [child for child in each.values() if isinstance(child, (dict, list))]
            elif isinstance(each, list):
                deeper += [child for child in each if isinstance(child, (dict, list))]
        if not deeper:
            return False
        level = deeper
    return True


def _parse_deep(text: str) -> Any:
    """Return what a text means whose containers are nested too deep for recursion; the deepest are left out."""
    walk = _Walk(text)
    value = walk.read_value()
    while walk.open:
        if walk.at_end_of_container():
            continue
        walk.read_value()
    if walk.position != len(text):
        raise ValueError("more than one value")
    return value


class _Walk:
    """A way through a JSON text with a stack of its own; strings and numbers are left to the standard library."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.open: list[Any] = []  # the containers around the position; None for those that are left out
        self.closers: list[str] = []
        self.fresh = False  # whether the innermost has no member yet
        self.skip()

    def peek(self) -> str:
        return self.text[self.position : self.position + 1]

    def skip(self, count: int = 0) -> None:
        """Go over some characters and the white space that follows."""
        self.position += count
        while self.peek() and self.peek() in _SPACE:
            self.position += 1

    def at_end_of_container(self) -> bool:
        """Close the innermost container where it ends, else go to its next value's place."""
        if self.peek() == self.closers[-1]:
            self.open.pop()
            self.closers.pop()
            self.fresh = False
            self.skip(1)
            return True
        if not self.fresh:
            if self.peek() != ",":
                raise ValueError("no comma")
            self.skip(1)
        return False

    def read_value(self) -> Any:
        """Read a value, or the start of a container, into the innermost container."""
        key = self.read_key() if self.closers and self.closers[-1] == "}" else ""
        closer = {"[": "]", "{": "}"}.get(self.peek(), "")
        if closer:
            value: Any = None if len(self.open) > _MAX_DEPTH else [] if closer == "]" else {}
        else:
            try:
                value, self.position = _scan(self.text, self.position)
            except StopIteration:
                raise ValueError("no value") from None
        holder = self.open[-1] if self.open else None
        if isinstance(holder, dict):
            holder[key] = value
        elif isinstance(holder, list):
            holder.append(value)
        if closer:
            self.open.append(value)
            self.closers.append(closer)
        self.fresh = bool(closer)
        self.skip(1 if closer else 0)
        return value

    def read_key(self) -> str:
        if self.peek() != '"':
            raise ValueError("no key")
        key, self.position = _scan(self.text, self.position)
        self.skip()
        if self.peek() != ":":
            raise ValueError("no colon")
        self.skip(1)
        return str(key)
