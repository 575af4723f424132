"""What elements are called, and how a user may call them."""

from __future__ import annotations

import difflib
import re

from pydicom import datadict

from bidsflow.dicom.dump.value import escape
from bidsflow.errors import HeaderError


def parse_tag(text: str) -> str:
    """Return the tag or keyword that a user means.

    Parameters
    ----------
    text : str
        A keyword in any case (``EchoTime``), or ``0018,0081``, ``(0018,0081)``, ``00180081``.

    Returns
    -------
    wanted : str
        ``0018,0081`` for a tag, the dictionary's spelling for a keyword.

    Raises
    ------
    HeaderError
        If the dictionary has no such keyword; the reason names those that look alike.

    Examples
    --------
    >>> parse_tag("echotime"), parse_tag("(0018, 0081)"), parse_tag("7fe00010")
    ('EchoTime', '0018,0081', '7FE0,0010')
    """
    text = text.strip()
    if match := re.fullmatch(r"\(?\s*([0-9a-fA-F]{4})\s*,?\s*([0-9a-fA-F]{4})\s*\)?", text):
        return ",".join(match.groups()).upper()
    known = _keywords()
    if found := known.get(text.lower()):
        return found
    close = [known[key] for key in difflib.get_close_matches(text.lower(), known, n=3, cutoff=0.75)]
    hint = f"did you mean {' or '.join(close)}?" if close else "give a DICOM keyword or a tag such as 0018,0081"
    raise HeaderError(f"no element is called {escape(text)!r}; {hint}")


def _keywords() -> dict[str, str]:
    """Map every keyword in lower case to its spelling."""
    entries = (*datadict.DicomDictionary.values(), *datadict.RepeatersDictionary.values())
    return {keyword.lower(): keyword for *_, keyword in entries if keyword}


def code_of(tag: int) -> str:
    """Return a tag as people write it: ``0018,0081``."""
    return f"{tag >> 16:04X},{tag & 0xFFFF:04X}"


def is_creator(tag: int) -> bool:
    """Return whether an element reserves a private block (PS3.5 section 7.8.1)."""
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


def name_of(tag: int, creator: str) -> str:
    """Return the keyword of an element; ``[name]`` from the private dictionary, ``?`` where none knows it."""
    if tag >> 16 & 1:
        if is_creator(tag):
            return "PrivateCreator"
        try:
            name = str(datadict.private_dictionary_description(tag, creator))
        except KeyError:
            return "?"
        return "?" if name.lower() == "unknown" else f"[{name}]"
    if tag & 0xFFFF == 0:
        return "GroupLength"
    return str(datadict.keyword_for_tag(tag)) or "?"
