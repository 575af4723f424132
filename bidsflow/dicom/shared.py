"""Many headers in little memory: what those of one series have in common is kept once.

A header has some sixty elements, and a dozen of them differ between the files of a series. A dictionary for each file
costs two kilobytes, and exports have a million files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

_Default = TypeVar("_Default")

#: With more differences than this a header is no variation of another, but the first of its own kind.
FEW = 20
#: Kinds of headers that are remembered: an export has a few per maker.
_KINDS = 64


class Variation(Mapping[str, str]):
    """A mapping that says what is different from another one with the same keys.

    Parameters
    ----------
    base, own : dict of str to str
        Never changed afterwards.
    """

    __slots__ = ("base", "own")

    def __init__(self, base: dict[str, str], own: dict[str, str]) -> None:
        self.base = base
        self.own = own

    def __getitem__(self, key: str) -> str:
        """Return a value."""
        value = self.own.get(key)
        return self.base[key] if value is None else value

    @overload
    def get(self, key: str, default: None = None, /) -> str | None: ...

    @overload
    def get(self, key: str, default: str | _Default, /) -> str | _Default: ...

    def get(self, key: str, default: object = None, /) -> object:
        """Return a value, or a default; asked many times per file, and so written out."""
        value = self.own.get(key)
        return self.base.get(key, default) if value is None else value

    def __contains__(self, key: object) -> bool:
        """Return whether there is a value."""
        return key in self.base

    def __iter__(self) -> Iterator[str]:
        """Give the keys."""
        return iter(self.base)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.base)

    def __repr__(self) -> str:
        return repr(dict(self))


class Sharer:
    """Makes values variations of earlier ones where they differ little."""

    def __init__(self) -> None:
        self._bases: dict[tuple[str, ...], dict[str, str]] = {}

    def share(self, values: Mapping[str, str]) -> dict[str, str] | Variation:
        """Return the same values, in less memory where they are like others with the same keys."""
        keys = tuple(values)
        base = self._bases.get(keys)
        if base is not None:
            own = {key: value for key, value in values.items() if value != base[key]}
            if len(own) <= FEW:
                return Variation(base, own)
        if len(self._bases) >= _KINDS:
            self._bases.clear()
        self._bases[keys] = plain = dict(values)
        return plain
