"""Tables of diffusion gradients: ``.bval`` and ``.bvec``."""

from __future__ import annotations

import re
from typing import Final

from bidsflow.errors import FileFault
from bidsflow.validate.readers.raw import decode_text, read_start

#: Beyond this no table of gradients is real; it bounds the memory.
_MAX_BYTES: Final = 16 << 20

#: What ECMAScript calls white space, as a class of a pattern (ECMA-262, WhiteSpace and LineTerminator).
_SPACE: Final = "[\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]"
_SPACES: Final = re.compile(f"{_SPACE}+")


def load_rows(path: str) -> list[list[str]]:
    """Return the fields of each line that has any; a line that begins with white space begins with an empty field.

    Raises
    ------
    FileFault
        FILE_READ: it cannot be read, is no text (subcode ``UnicodeDecode``), or is larger than 16 MiB.
    """
    data = read_start(path, _MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FileFault("FILE_READ", f"it is larger than {_MAX_BYTES >> 20} MiB")
    text = decode_text(data)
    if text.startswith("\ufffd"):
        raise FileFault("FILE_READ", "this file appears to be UTF-16", subcode="UnicodeDecode")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if text.isascii() and not any(
        mark in text for mark in "\x1c\x1d\x1e\x1f"
    ):  # which only Python takes for white space
        return [[""] * line[0].isspace() + fields for line in lines if (fields := line.split())]
    rows = (_SPACES.split(line) for line in lines)
    return [row[:-1] if len(row) > 1 and not row[-1] else row for row in rows if any(row)]
