"""Amounts of memory and of time, as people write them: with their units."""

from __future__ import annotations

import re
from decimal import Decimal

_SIZES = {"k": 1e-6, "m": 1e-3, "g": 1.0, "t": 1e3}
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])i?b?", re.IGNORECASE)
_MINUTES = {"s": 1 / 60, "m": 1, "h": 60, "d": 1440}


def parse_memory(text: str) -> float:
    """Return an amount of memory in gigabytes.

    Raises
    ------
    ValueError
        If it has no unit (other programs take a bare number for megabytes or for gigabytes), or is none.

    Examples
    --------
    >>> parse_memory("8G"), parse_memory("500 MB"), parse_memory("1.5GiB")
    (8.0, 0.5, 1.5)
    """
    found = _MEMORY.fullmatch(text.strip())
    if found is None:
        bare = text.strip().replace(".", "", 1).isdigit()
        why = "has no unit, and programs disagree whether that means MB or GB" if bare else "is no amount of memory"
        raise ValueError(f"{text!r} {why}: write 8G or 8000M")
    amount = float(found[1]) * _SIZES[found[2].lower()]
    if not amount:
        raise ValueError("no memory at all is too little: write 8G or 8000M")
    return amount


def format_memory(amount: float) -> str:
    """Return gigabytes as `parse_memory` reads them, to the last digit.

    Examples
    --------
    >>> format_memory(8.0), format_memory(2.5e-05)
    ('8.0G', '0.000025G')
    """
    return f"{Decimal(repr(amount)):f}G"


def parse_time(text: str) -> int:
    """Return a time limit in whole minutes, rounded up.

    Raises
    ------
    ValueError
        If it is none, or has no unit (schedulers take a bare number for minutes or for seconds).

    Examples
    --------
    >>> parse_time("8h"), parse_time("1h30m"), parse_time("1-12:00:00"), parse_time("02:30:00")
    (480, 90, 2160, 150)
    """
    plain = text.strip().lower()
    clock = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d)(?::(\d\d))?", plain)
    if clock:
        days, hours, minutes, seconds = (int(one or 0) for one in clock.groups())
        return max(1, 1440 * days + 60 * hours + minutes + (seconds > 0))
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", plain)
    if parts and "".join(f"{number}{unit}" for number, unit in parts) == plain:
        total = sum(float(number) * _MINUTES[unit] for number, unit in parts)
        if total > 0:
            return max(1, -int(-total // 1))
    why = "has no unit, and schedulers disagree whether that means minutes" if plain.isdecimal() else "is no time"
    raise ValueError(f"{text!r} {why}: write 8h, 90m or 1-12:00:00")
