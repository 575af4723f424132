"""The header of a gzip file, which may say more than it should (RFC 1952, section 2.3)."""

from __future__ import annotations

from typing import Any, Final

from bidsflow.validate.readers.raw import decode_text, read_start

_EXTRA: Final = 4
_NAME: Final = 8
_COMMENT: Final = 16
_SIZE: Final = 1024


def load_gzip(path: str) -> dict[str, Any] | None:
    """Return ``timestamp``, ``filename`` and ``comment`` of a gzip file; None where it is none.

    A name or comment that does not end within the first kilobyte is cut there, less one byte; the comment is then
    looked for from the start of the file. Both are what the reference validator does.

    Raises
    ------
    FileFault
        FILE_READ: if it cannot be read.
    """
    data = read_start(path, _SIZE)
    if len(data) < 8 or data[:2] != b"\x1f\x8b":
        return None
    flags = data[3]
    offset = 10
    if flags & _EXTRA:
        if len(data) < 12:
            return None
        offset += 2 + int.from_bytes(data[10:12], "little")
    filename = comment = ""
    if flags & _NAME:
        end = data.find(b"\0", offset)
        filename = decode_text(data[offset:end])
        offset = end + 1
    if flags & _COMMENT:
        comment = decode_text(data[offset : data.find(b"\0", offset)])
    return {"timestamp": int.from_bytes(data[4:8], "little"), "filename": filename, "comment": comment}
