"""JavaScript's regular expressions, as Python's."""

from __future__ import annotations

import re
from functools import cache

#: Stands for a pattern that is none: it matches nothing.
_NOTHING = re.compile(r"(?!)")


def to_python(pattern: str) -> str:
    r"""Return a pattern with the same meaning for Python's `re` (with its flag ASCII).

    ``$`` matches at the very end only; ``\/`` is a slash; groups are named ``(?P<name>``; a class holds plain brackets.

    Examples
    --------
    >>> to_python(r"^\.nii(\.gz)?$"), to_python("[[a$]"), to_python(r"bids:\/(?<path>.*)")
    ('^\\.nii(\\.gz)?\\Z', '[\\[a$]', 'bids:/(?P<path>.*)')
    """
    out, at, in_class = [], 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\" and at + 1 < len(pattern):
            pair = pattern[at : at + 2]
            out.append("/" if pair == r"\/" else pair)
            at += 2
            continue
        if in_class:
            out.append("\\" + char if char in "[&~|" else char)
            in_class = char != "]"
        elif char == "$":
            out.append(r"\Z")
        elif char == "(" and pattern.startswith("(?<", at) and pattern[at + 3 : at + 4] not in ("=", "!"):
            out.append("(?P<")
            at += 2
        else:
            out.append(char)
            in_class = char == "["
        at += 1
    return "".join(out)


@cache
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return a JavaScript pattern ready to search with; one that is no pattern matches nothing."""
    try:
        return re.compile(to_python(pattern), re.ASCII)
    except (re.error, RecursionError, OverflowError):
        return _NOTHING
