"""The header of one instance as text values by keyword, with typed access."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Header:
    r"""The elements that bidsflow uses of one DICOM instance.

    Attributes
    ----------
    values : mapping of str to str
        Keyword to text; several values are joined by a backslash as DICOM does; numbers in binary are written out.
        Private elements go by the names in `bidsflow.dicom.tags`. Values of the functional groups of multi-frame
        instances stand beside the others: shared ones and those of the first frame under their keyword, distinct
        ones of all frames under ``Frames.<keyword>``.
    pixels : str
        ``complete``, ``truncated`` or ``absent``.
    problems : tuple of str
        What is odd but readable: text in a wrong character set, a UID that is none.

    Examples
    --------
    >>> header = Header({"ImageType": "ORIGINAL\\PRIMARY", "EchoTime": "2.98", "Rows": "64"})
    >>> header.words("ImageType"), header.number("EchoTime"), header.integer("Rows"), header.text("PatientID")
    (('ORIGINAL', 'PRIMARY'), 2.98, 64, '')
    """

    values: Mapping[str, str] = field(default_factory=dict)
    pixels: str = "complete"
    problems: tuple[str, ...] = ()

    def text(self, keyword: str) -> str:
        """Return a value as text, ``""`` where it is absent."""
        return self.values.get(keyword, "")

    def words(self, keyword: str) -> tuple[str, ...]:
        """Return the values of an element in upper case, empty ones left out."""
        return tuple(word.strip().upper() for word in self.text(keyword).split("\\") if word.strip())

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Return the values of an element as finite numbers; empty where it is absent or is not numeric."""
        try:
            found = tuple(float(word) for word in self.text(keyword).split("\\") if word.strip())
        except ValueError:
            return ()
        return found if all(map(math.isfinite, found)) else ()

    def number(self, keyword: str, default: float = 0.0) -> float:
        """Return the first number of an element."""
        numbers = self.numbers(keyword)
        return numbers[0] if numbers else default

    def integer(self, keyword: str, default: int = 0) -> int:
        """Return the first number of an element as an integer."""
        text = self.values.get(keyword, "")
        if text.isdecimal() and len(text) < 16:  # nearly always; this is asked many times per file
            return int(text)
        value = self.number(keyword, float(default))
        return int(value) if abs(value) < 2**53 else default

    def __contains__(self, keyword: str) -> bool:
        return bool(self.values.get(keyword))
