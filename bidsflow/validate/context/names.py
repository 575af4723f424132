"""A file's name, taken apart as the validator's rules see it: any name has parts, right or wrong.

`bidsflow.names` is for names that are right; here a wrong one must be taken apart, too, to say what is wrong with it.
"""

from __future__ import annotations

import re
from sys import intern
from typing import Final, NamedTuple

#: The label of an entity that has none: ``sub-_T1w``, ``acq_T1w``.
NO_LABEL: Final = "NOENTITY"
#: A label ends where a line does, as the dot of a JavaScript pattern sees it.
_LABEL: Final = re.compile("-([^\n\r\u2028\u2029]+)")


class Parts(NamedTuple):
    """The parts of a name.

    Attributes
    ----------
    entities : dict of str to str
        Labels by key, in the order of the name; `NO_LABEL` where there is none.
    suffix : str
        ``bold``; empty where the last part has a hyphen and is the only one.
    extension : str
        From the first dot on: ``.nii.gz``; of a folder, with its slash.
    """

    entities: dict[str, str]
    suffix: str
    extension: str


def split_name(name: str) -> Parts:
    """Return the parts of a file's name, or of a folder's with its slash.

    Examples
    --------
    >>> split_name("sub-01_acq_T1w.nii.gz")
    Parts(entities={'sub': '01', 'acq': 'NOENTITY'}, suffix='T1w', extension='.nii.gz')
    """
    stem, dot, rest = name.partition(".")
    pieces = stem.split("_")
    last = pieces[-1]
    suffix = pieces.pop() if len(pieces) > 1 or (last.isascii() and last.isalnum()) else ""
    plain = stem.isprintable()
    entities = {}
    for piece in pieces:
        key, hyphen, label = piece.partition("-") if plain else _split_lines(piece)
        if hyphen and label:
            entities[intern(key)] = intern(label)
        else:
            entities[intern(piece)] = NO_LABEL
    return Parts(entities, intern(suffix), intern(dot + rest))


def _split_lines(piece: str) -> tuple[str, str, str]:
    """Return key, hyphen and label of an entity in whose name there may be ends of lines."""
    found = _LABEL.search(piece)
    return (piece[: found.start()], "-", found[1]) if found else (piece, "", "")
