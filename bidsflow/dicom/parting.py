"""Part what came under one SeriesInstanceUID though the scanner measured it as several series. Pure.

Anonymisers and archives that give UIDs anew may give two series one. The number of a series and the name of its
protocol are two witnesses: where both change together, they are series of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Final

from bidsflow.dicom.pick import Pick
from bidsflow.dicom.series import Instance

#: What is told of a series that was parted from another one.
SHARED: Final = "its SeriesInstanceUID is also that of another SeriesNumber and protocol"


def part_series(
    by_uid: Mapping[str, Sequence[Instance]], keep: Callable[[Sequence[Instance]], Sequence[Instance]]
) -> tuple[dict[str, Sequence[Instance]], frozenset[str]]:
    """Return series of which each has one number, and the UIDs of those that were parted.

    None of the parts keeps the UID, which tells none of them; each has its number behind it.

    Parameters
    ----------
    by_uid : mapping of str to sequence of Instance
        Instances by SeriesInstanceUID, in order of acquisition.
    keep : callable
        Makes instances what a series holds them as.
    """
    series: dict[str, Sequence[Instance]] = {}
    parted: set[str] = set()
    for uid, members in by_uid.items():
        numbers = _find_numbers(members)
        if not numbers:
            series[uid] = members
            continue
        parts: dict[str, list[Instance]] = defaultdict(list)
        for one in members:
            parts[name_part(uid, one.header.integer("SeriesNumber"), by_uid)].append(one)
        series |= {name: keep(some) for name, some in parts.items()}
        parted |= parts.keys()
    return series, frozenset(parted)


def name_part(uid: str, number: int, taken: Container[str]) -> str:
    """Return the UID of a series with the number of one of its parts behind it, which no other series may have."""
    name = f"{uid}.{number}"
    return name if name not in taken else name_part(f"{uid}.0", number, taken)


def _find_numbers(members: Sequence[Instance]) -> set[str]:
    """Return the numbers of series that instances have, each with names of its own; none if they are one series."""
    take = Pick("SeriesNumber", "ProtocolName", "SeriesDescription")
    kinds = {take(one.header) for one in members}
    numbers = {number for number, _, _ in kinds}
    if len(numbers) < 2 or not all(number.strip().isdecimal() and int(number) for number in numbers):
        return set()
    titles: dict[str, set[str]] = defaultdict(set)
    for number, *words in kinds:
        titles[number] |= {word for word in words if word}
    every = [title for some in titles.values() for title in some]
    own = all(titles.values()) and len(every) == len(set(every))
    return numbers if own else set()
