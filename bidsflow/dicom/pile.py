"""Long sequences in little memory: some values as they are, the others packed.

A file of an export with what its header says takes a kilobyte, and exports have a million files. Those of one folder,
or of one series, are alike, so that packed they take a tenth of that.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Generic, TypeVar, overload

from bidsflow.dicom.header import Header
from bidsflow.dicom.series import File, Instance
from bidsflow.dicom.shared import Variation

T = TypeVar("T")

#: Values that a shelf keeps as they are: exports of fewer files are never packed, which would take time.
_OPEN: Final = 16_384
#: Values that are packed together: enough to be alike, few enough to be unpacked for one of them.
_TOGETHER: Final = 256

#: Of values, a row of texts and numbers for each, and what rows refer to and stays as it is; and back.
Rows = tuple[list[Any], list[dict[str, str]]]
Split = Callable[[Sequence[T]], Rows]
Join = Callable[[list[Any], list[dict[str, str]]], list[T]]


class Pile(Sequence[T]):
    """A sequence that grows at its end, made by a shelf."""

    __slots__ = ("_length", "_loose", "_packed", "_shelf")

    def __init__(self, shelf: Shelf[T]) -> None:
        self._shelf = shelf
        self._packed: list[tuple[bytes, list[dict[str, str]], int]] = []
        self._loose: list[T] = []
        self._length = 0

    def extend(self, values: Sequence[T]) -> None:
        """Put values behind the others."""
        self._loose += values
        self._length += len(values)
        self._shelf.note(self, len(values))

    def append(self, value: T) -> None:
        """Put a value behind the others."""
        self._loose.append(value)
        self._length += 1
        self._shelf.note(self, 1)

    def take(self) -> list[T]:
        """Return all values, and forget them."""
        values = list(self)
        self._shelf.note(self, -len(self._loose))
        self._packed, self._loose, self._length = [], [], 0
        return values

    def pack(self) -> None:
        """Pack all values that are not."""
        for first in range(0, len(self._loose), _TOGETHER):
            some = self._loose[first : first + _TOGETHER]
            self._packed.append((*self._shelf.pack(some), len(some)))
        self._loose = []

    def __len__(self) -> int:
        """Return how many there are."""
        return self._length

    def __iter__(self) -> Iterator[T]:
        """Give the values in order, a few unpacked at a time."""
        for data, shared, _ in self._packed:
            yield from self._shelf.unpack(data, shared)
        yield from self._loose

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...

    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        """Return a value; of a slice, several."""
        if isinstance(place, slice):
            return tuple(self)[place]
        rank = place + self._length if place < 0 else place
        if not 0 <= rank < self._length:
            raise IndexError(place)
        for data, shared, count in self._packed:
            if rank < count:
                return self._shelf.unpack(data, shared)[rank]
            rank -= count
        return self._loose[rank]

    def __eq__(self, other: object) -> bool:
        """Return whether another sequence has the same values."""
        if not isinstance(other, Pile | tuple):
            return NotImplemented
        return len(self) == len(other) and all(map(_are_equal, self, other))

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type, tuple[tuple[T, ...]]]:
        """Return what other processes get: the values, without those of other piles."""
        return tuple, (tuple(self),)

    def __repr__(self) -> str:
        return repr(tuple(self))


def _are_equal(one: object, other: object) -> bool:
    return one == other


class Shelf(Generic[T]):
    """Has piles, and packs them when they hold too much together.

    Parameters
    ----------
    split, join : callable
        Make rows of values, and values of rows.
    most : int
        Values that may lie there as they are.
    """

    def __init__(self, split: Split[T], join: Join[T], most: int = _OPEN) -> None:
        self._split = split
        self._join = join
        self._most = most
        self._held = 0
        self._piles: dict[int, Pile[T]] = {}

    def pile(self, values: Sequence[T] = ()) -> Pile[T]:
        """Return a new pile of some values."""
        pile = Pile(self)
        pile.extend(values)
        return pile

    def note(self, pile: Pile[T], more: int) -> None:
        """Take note that a pile has more values that are not packed, or fewer."""
        self._held += more
        if more < 0:
            self._piles.pop(id(pile), None)
        else:
            self._piles[id(pile)] = pile
        if self._held > self._most:
            for one in self._piles.values():
                one.pack()
            self._piles.clear()
            self._held = 0

    def pack(self, values: Sequence[T]) -> tuple[bytes, list[dict[str, str]]]:
        """Return values packed, and what they share."""
        from isal import isal_zlib

        rows, shared = self._split(values)
        return isal_zlib.compress(marshal.dumps(rows), 1), shared

    def unpack(self, data: bytes, shared: list[dict[str, str]]) -> list[T]:
        """Return what was packed."""
        from isal import isal_zlib

        return self._join(marshal.loads(isal_zlib.decompress(data)), shared)


def shelve_files() -> Shelf[File]:
    """Return a shelf for piles of files."""
    return Shelf(_split_files, _join_files)


def shelve_instances() -> Shelf[Instance]:
    """Return a shelf for piles of instances."""
    return Shelf(_split_instances, _join_instances)


def _row(file: File) -> tuple[str, int, int, int, bool]:
    return file.path, file.size, file.mtime_ns, file.inode, file.passing


def _split_files(files: Iterable[File]) -> Rows:
    return [_row(file) for file in files], []


def _join_files(rows: list[Any], shared: list[dict[str, str]]) -> list[File]:
    return [File(*row) for row in rows]


def _split_instances(instances: Iterable[Instance]) -> Rows:
    rows = []
    ranks: dict[int, int] = {}
    bases: list[dict[str, str]] = []
    for one in instances:
        header, rank = one.header, -1
        values = header.values
        if isinstance(values, Variation):
            rank = ranks.setdefault(id(values.base), len(bases))
            if rank == len(bases):
                bases.append(values.base)
            own = values.own
        else:
            own = dict(values)
        beside = None if one.beside is None else _row(one.beside)
        rows.append((_row(one.file), own, rank, header.pixels, header.problems, beside, one.digest))
    return rows, bases


def _join_instances(rows: list[Any], shared: list[dict[str, str]]) -> list[Instance]:
    return [
        Instance(
            File(*file),
            Header(values if rank < 0 else Variation(shared[rank], values), pixels, problems),
            None if beside is None else File(*beside),
            digest,
        )
        for file, values, rank, pixels, problems, beside, digest in rows
    ]
