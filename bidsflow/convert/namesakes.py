"""Which series of an export are those that a dataset has under their SeriesInstanceUID, and which are others. Pure.

Anonymisers may give two series one UID. In one export `dicom.parting` tells them apart, by number and protocol. Where
they come in two exports, the second would take the place of the first: here the same two witnesses are asked, and time.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from bidsflow.convert.cohort import name_protocol, protocol_of
from bidsflow.convert.plan import Plan
from bidsflow.dicom.parting import SHARED, name_part
from bidsflow.dicom.series import Inventory, Series
from bidsflow.dicom.twins import moment_of

#: An image: SeriesInstanceUID and rank in its series.
_Image = tuple[str, int]
#: Stands in the evidence of a row whose series may be another one than that of the image in the dataset.
NAMESAKE: Final = "it may be another one under the same SeriesInstanceUID"
#: Series that have a SeriesInstanceUID in common, by that.
Shared = Mapping[str, Sequence[Series]]


class Likeness(Enum):
    """Whether a series is the one that an image was made of."""

    SAME = auto()
    OTHER = auto()
    UNCLEAR = auto()


@dataclass(frozen=True, slots=True)
class Made:
    """What a dataset knows of the series that an image was made of.

    Attributes
    ----------
    number : int
        Its SeriesNumber; 0 where unknown.
    names : frozenset of str or None
        Digests of its names, see `note_scan`; None where an earlier version has not noted them.
    protocol, named_protocol : str
        `cohort.protocol_of` and `cohort.name_protocol` of the image; ``""`` where unknown.
    moment : str
        `twins.moment_of` of the series; ``""`` where unknown.
    """

    number: int
    names: frozenset[str] | None = None
    protocol: str = ""
    named_protocol: str = ""
    moment: str = ""


def note_scan(series: Series) -> str:
    """Return the number of a series and digests of its names, in words: what tells it from another one of its UID."""
    return " ".join([str(series.number), *sorted(_digest_names(series))])


def read_scan(text: str) -> tuple[int, frozenset[str]] | None:
    """Return the number and the digests that `note_scan` has written; None where it is no such text."""
    number, *names = text.split() or [""]
    return (int(number), frozenset(names)) if number.isdecimal() else None


def _digest_names(series: Series) -> frozenset[str]:
    folded = (re.sub(r"[\W_]", "", text).casefold() for text in (series.protocol_name, series.description))
    return frozenset(hashlib.blake2b(text.encode(), digest_size=8).hexdigest() for text in folded if text)


def compare(made: Made, series: Series, rank: int) -> Likeness:
    """Return whether an image of a rank was made of a series.

    It is another one where both number and names differ, as within an export. Where one of them does, or another
    protocol has measured it at another time, no one knows: an anonymiser may have given both one number as well, an
    archive another number, a person another name, and dates may have been moved.
    """
    witnesses = _compare_numbers(made, series), _compare_names(made, series, rank)
    if set(witnesses) == {Likeness.OTHER}:
        return Likeness.OTHER
    same = Likeness.SAME in witnesses and Likeness.OTHER not in witnesses
    return Likeness.SAME if same and not _is_later(made, series, rank) else Likeness.UNCLEAR


def _compare_numbers(made: Made, series: Series) -> Likeness:
    if not (made.number and series.number):
        return Likeness.UNCLEAR
    return Likeness.SAME if made.number == series.number else Likeness.OTHER


def _compare_names(made: Made, series: Series, rank: int) -> Likeness:
    """Return the likeness of names; where they lack, that of the protocols, to which names and physics belong."""
    names = _digest_names(series)
    if made.names and names:
        return Likeness.OTHER if made.names.isdisjoint(names) else Likeness.SAME
    if not made.protocol or rank > len(series.images):
        return Likeness.UNCLEAR
    image = series.images[rank - 1]
    named = name_protocol(series, image)
    if made.protocol == protocol_of(series, image) or (named and made.named_protocol == named):
        return Likeness.SAME
    return Likeness.OTHER if made.names is None and names else Likeness.UNCLEAR


def _is_later(made: Made, series: Series, rank: int) -> bool:
    """Return whether a series is another scan than that of an image, by its time and its protocol."""
    if not (made.moment and made.named_protocol) or rank > len(series.images):
        return False
    named = name_protocol(series, series.images[rank - 1])
    return named not in ("", made.named_protocol) and moment_of(series) not in ("", made.moment)


def doubt_series(made: Made | None, series: Series, rank: int) -> str:
    """Return why an image may be of another series than the one that has its UID now, ``""`` where it is not."""
    if made is None or compare(made, series, rank) is Likeness.SAME:
        return ""
    return f"by number, protocol or time {NAMESAKE} (it is number {series.number} here)"


def settle_series(inventory: Inventory, made: Mapping[_Image, Made]) -> Inventory:
    """Return an inventory in which a series has the UID under which the dataset has it, and no other one has that.

    Parameters
    ----------
    inventory : Inventory
        What the export holds, with series of one UID parted.
    made : mapping of (str, int) to Made
        Of which series the images of the dataset were made, by SeriesInstanceUID and rank.
    """
    held: dict[str, dict[int, Made]] = {}
    for (uid, rank), known in made.items():
        held.setdefault(uid, {})[rank] = known
    uids = {one.uid for one in inventory.series}
    names: dict[str, str] = {}
    for one in inventory.series:
        new = _settle(one, held, uids)
        if new != one.uid and new not in uids and new not in names.values():
            names[one.uid] = new
    return _rename(inventory, names) if names else inventory


def _settle(series: Series, held: Mapping[str, Mapping[int, Made]], uids: Container[str]) -> str:
    """Return the UID of a series in a dataset."""
    shared = shared_uid(series)
    plain = held.get(shared, {})
    if series.uid != shared:
        parted = series.uid.startswith(f"{shared}.") and series.uid not in held
        return shared if parted and _is_any(plain, series) else series.uid
    part = name_part(shared, series.number, uids) if series.number else shared
    if not plain:
        return part if _is_any(held.get(part, {}), series) else shared
    return part if {compare(one, series, rank) for rank, one in plain.items()} == {Likeness.OTHER} else shared


def _is_any(held: Mapping[int, Made], series: Series) -> bool:
    """Return whether one of a few images was made of a series of which others have other numbers.

    An earlier version took all that came under one UID for one series, and noted the physics of a mixture.
    """
    return any(
        compare(one, series, rank) is Likeness.SAME or (one.names is None and 0 != one.number == series.number)
        for rank, one in held.items()
        if rank <= len(series.images)
    )


def _rename(inventory: Inventory, names: Mapping[str, str]) -> Inventory:
    """Return an inventory in which series have new UIDs."""
    series = tuple(
        replace(
            one,
            uid=names.get(one.uid, one.uid),
            measurement=names.get(one.measurement, one.measurement),
            problems=one.problems if one.uid not in names or SHARED in one.problems else (*one.problems, SHARED),
        )
        for one in inventory.series
    )
    collisions = tuple(
        replace(one, series=tuple(names.get(uid, uid) for uid in one.series)) for one in inventory.collisions
    )
    twins = tuple(tuple(names.get(uid, uid) for uid in group) for group in inventory.twins)
    return replace(inventory, series=series, collisions=collisions, twins=twins)


def shared_uid(series: Series) -> str:
    """Return the SeriesInstanceUID as the header of a series has it."""
    return series.header.text("SeriesInstanceUID") or series.uid


def group_shared(series: Iterable[Series]) -> Shared:
    """Return the series that have a SeriesInstanceUID in common with others, by that."""
    groups: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        groups[shared_uid(one)].append(one)
    return {uid: tuple(members) for uid, members in groups.items() if len(members) > 1}


def count_images(inventory: Inventory) -> dict[str, int]:
    """Return the UIDs that several series of an export have, each with the images of the one that is still called so.

    What waited under these UIDs before they were parted waits no longer.
    """
    own = {one.uid: len(one.images) for one in inventory.series}
    return {uid: own.get(uid, 0) for uid in group_shared(inventory.series)}


def follow_uids(plan: Plan, inventory: Inventory) -> Plan:
    """Return a plan that calls series of a shared UID as the inventory does.

    It may be older than the dataset, or made of an export of one of them, by whose UID the inventory has another one.
    """
    names = {
        (shared_uid(one) if one.uid != shared_uid(one) else f"{one.uid}.{one.number}", one.number): one.uid
        for one in inventory.series
    }
    numbers = {one.uid: one.number for one in inventory.series}
    rows = (
        row if numbers.get(row.series_uid) == row.series_number
        else replace(row, series_uid=names.get((row.series_uid, row.series_number), row.series_uid))
        for row in plan.rows
    )  # fmt: skip
    return replace(plan, rows=tuple(rows))
