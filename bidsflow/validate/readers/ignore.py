"""Patterns of ``.bidsignore``: what is not looked at.

Sources: gitignore(5); npm package ``ignore`` 7, which the reference validator uses: letters are alike in both cases,
and paths that do not end with a slash are files. A line that only holds a carriage return leaves out everything there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

#: What BIDS itself leaves to the user, as patterns (reference validator; a file of a dataset's own comes after them).
OPAQUE: Final = ("/sourcedata/", "/derivatives/", "/code/", "/stimuli/", "/log/", "/doc/")

_CLASSES: Final = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r" \t",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-.0-~",
    "lower": "a-z",
    "print": " -.0-~",
    "punct": r"!-.:-@\[-`{-~",
    "space": r" \t\n\r",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_NOTHING: Final = "(?!)"
_STAR: Final = "[^/]*"


class IgnoreRules:
    """Which paths the lines of a file like ``.gitignore`` leave out.

    Parameters
    ----------
    lines : iterable of str
        Patterns; a later one overrules those before it.

    Examples
    --------
    >>> rules = IgnoreRules([*OPAQUE, "*.tmp", "!keep.tmp"])
    >>> [rules.ignores(path) for path in ("code/run.py", "code", "sub-01/a.TMP", "keep.tmp")]
    [True, False, True, False]
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._folders: set[str] = (
            set()
        )  # top-level folders that are left out as a whole: no pattern is needed for these
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        self._known: dict[str, bool] = {}
        for line in lines:
            self._add(line)

    def ignores(self, path: str) -> bool:
        """Tell whether a file (or, with a slash at its end, a folder) is left out, itself or with a folder above it.

        Parameters
        ----------
        path : str
            POSIX path below the root of the dataset, without a leading slash.
        """
        if not self._rules:
            folder, slash, _ = path.partition("/")
            return bool(slash) and folder.lower() in self._folders
        end = path.rfind("/", 0, -1) + 1
        return bool(end and self._ignores_folder(path[:end])) or self._matches(path)

    def _ignores_folder(self, path: str) -> bool:
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self.ignores(path)
        return known

    def _matches(self, path: str) -> bool:
        for positive, pattern in reversed(self._rules):
            if pattern.search(path):
                return positive
        folder, _, rest = path.partition("/")
        return folder.lower() in self._folders and path.endswith("/") and not rest

    def _add(self, line: str) -> None:
        if not self._rules and line.isascii() and line[:1] + line[-1:] == "//" and line[1:-1].isalpha():
            self._folders.add(line[1:-1].lower())
            return
        if not line.strip(" ") or line[0] == "#" or (line[-1] == "\\" and line[-2:] != "\\\\"):
            return
        body = line.removeprefix("!")
        try:
            pattern = re.compile(translate_pattern(body), re.IGNORECASE)
        except (re.error, RecursionError, OverflowError):
            return
        self._rules.append((body == line, pattern))


def translate_pattern(body: str) -> str:
    r"""Return a pattern for `re.search` that finds the paths which a line of ``.gitignore``, without its ``!``, means.

    Examples
    --------
    >>> translate_pattern("/sub-*/**/*.m")
    '^sub\\-[^/]*(?:/[^/]+)*/[^/]*\\.m(?=/?$)'
    """
    if body[:2] in ("\\!", "\\#"):
        body = body[1:]
    anchored = "/" in body[:-1]
    body = _trim(body.removeprefix("\ufeff").rstrip("\r\n"))
    if not body:
        return ""
    at = 1 if body[0] == "/" else 0
    out = ["^" if anchored or at else "(?:^|/)"]
    while body.startswith("**/", at):
        at += 3
        out = ["^(?:.*/)?"]
    star = 0  # place of the last star of this part of the path
    while at < len(body):
        piece, at = _translate_next(body, at)
        if piece == _STAR:
            if star:  # the first place where what follows a star fits is as good as any: no way back, no explosion
                out[star] = "(?>[^/]*?"
                out.append(")")
            star = len(out)
        elif piece[0] == "/" or piece.startswith("(?:/"):
            star = 0
        out.append(piece)
    return "".join(out) + ("$" if body[-1] == "/" else r"(?=/?$)")


def _trim(body: str) -> str:
    """Drop spaces at the end but one that a backslash keeps."""
    short = body.rstrip(" ")
    n_slashes = len(short) - len(short.rstrip("\\"))
    return short + " " if n_slashes % 2 and len(short) < len(body) else short


def _translate_next(body: str, at: int) -> tuple[str, int]:
    char = body[at]
    if char == "/" and body.startswith("/**", at) and body[at + 3 : at + 4] in ("", "/"):
        rest = body[at + 3 :]
        if not rest:
            return "/.+", at + 3
        return ("(?:/[^/]+)+" if rest == "/" else "(?:/[^/]+)*"), at + 3
    if char == "*":
        end = at
        while body[end : end + 1] == "*":
            end += 1
        alone = end == len(body) and body[at - 1 : at] == "/"
        return ("[^/]+" if alone else _STAR), end
    if char == "?":
        return "[^/]", at + 1
    if char == "\\" and at + 1 < len(body):
        return re.escape(body[at + 1]), at + 2
    if char == "[":
        return _translate_set(body, at)
    return re.escape(char), at + 1


def _translate_set(body: str, at: int) -> tuple[str, int]:
    """Return the pattern of a bracket expression, and where it ends; what has no end matches nothing."""
    at += 1
    negated = body[at : at + 1] in ("!", "^")
    at += negated
    members = ""
    last = ""  # what a range may begin with
    while at < len(body):
        if body.startswith("[:", at) and (end := body.find("]", at + 2)) != at + 2:
            if end < 0:
                break
            if body[end - 1] == ":":
                if body[at + 2 : end - 1] not in _CLASSES:
                    break
                members += _CLASSES[body[at + 2 : end - 1]]
                last, at = "", end + 1
            else:
                members += r"\["
                last, at = "[", at + 1
        elif body[at] == "-" and last and body[at + 1 : at + 2] not in ("", "]"):
            at += 2 if body[at + 1] == "\\" else 1
            if at == len(body):
                break
            members += "-" + re.escape(body[at]) if last <= body[at] else ""
            last, at = "", at + 1
        else:
            at += body[at] == "\\"
            if at == len(body):
                break
            members += re.escape(body[at])
            last, at = body[at], at + 1
        if body[at : at + 1] == "]":
            return (f"[^/{members}]" if negated else f"(?!/)[{members}]"), at + 1
    return _NOTHING, len(body)
