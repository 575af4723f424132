"""The same elements of many headers, in less time: those that headers have in common are looked up once."""

from __future__ import annotations

from collections.abc import Mapping

from bidsflow.dicom.header import Header
from bidsflow.dicom.shared import Variation


class Pick:
    """Takes the same elements of one header after the other.

    Parameters
    ----------
    *keywords : str
        Of the elements.

    Examples
    --------
    >>> take = Pick("Rows", "EchoTime")
    >>> take(Header({"Rows": "64"}))
    ('64', '')
    """

    __slots__ = ("_base", "_keywords", "_names", "_texts")

    def __init__(self, *keywords: str) -> None:
        self._keywords = keywords
        self._names = frozenset(keywords)
        self._base: dict[str, str] | None = None
        self._texts: tuple[str, ...] = ()

    def __call__(self, header: Header) -> tuple[str, ...]:
        """Return the elements of a header as texts, ``""`` for those that are absent."""
        return self.of(header.values)

    def of(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the elements among the values of a header."""
        if not isinstance(values, Variation):
            return tuple([values.get(keyword, "") for keyword in self._keywords])
        if values.base is not self._base:
            self._base = values.base
            self._texts = tuple([values.base.get(keyword, "") for keyword in self._keywords])
        own = values.own
        if self._names.isdisjoint(own):
            return self._texts
        return tuple([own.get(keyword, text) for keyword, text in zip(self._keywords, self._texts, strict=True)])
