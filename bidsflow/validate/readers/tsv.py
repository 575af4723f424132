"""Tables of tab-separated values, read as far as they are looked at.

Semantics are those of the reference validator: lines end with LF or CRLF; an empty line is an error unless nothing
follows it; a byte order mark is dropped; a file is read in pieces of 64 KiB, and faults are found only in those that
rows are taken from. The reference reads a piece ahead when it has the time; we do so from 1000 rows on.
"""

from __future__ import annotations

import codecs
import os
import sys
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from bidsflow.errors import FileFault
from bidsflow.validate.readers.raw import open_file, read_some

_PIECE: Final = 1 << 16

#: A line longer than this many characters is no row of a table; it bounds the memory.
_MAX_LINE: Final = 64 << 20

#: From this many rows on the reference has taken in the next piece before it stops.
_ROWS_AHEAD: Final = 1000

#: What a decoder that forgives puts first into text of UTF-16.
_REPLACEMENT: Final = "\ufffd"


def load_tsv(path: str, max_rows: int) -> dict[str, list[str]]:
    """Return the columns of a table by their headers.

    Parameters
    ----------
    path : str
        The table.
    max_rows : int
        How many rows to read at most; all of them where it is negative.

    Returns
    -------
    columns : dict
        In the order of the file; none where it is empty, or begins with U+FFFD, which the reference takes for UTF-16
        and says nothing about.

    Raises
    ------
    FileFault
        TSV_COLUMN_HEADER_DUPLICATE, TSV_EQUAL_ROWS and TSV_EMPTY_LINE (with the line), INVALID_FILE_ENCODING: not
        UTF-8, FILE_READ: it cannot be read, or has a line of more than 64 Mi characters.
    """
    file = open_file(path)
    try:
        texts = _decode(_read(file))
        first = next(texts)
        if first.startswith(_REPLACEMENT):
            return {}
        blocks = _cut(first, texts)
        header, newline, rest = next(blocks, "").partition("\n")
        header = header.removesuffix("\r") if newline else header
        headers = header.split("\t") if header else []
        if len(set(headers)) != len(headers):
            raise FileFault("TSV_COLUMN_HEADER_DUPLICATE", ", ".join(headers))
        columns, complete = _columns(rest, blocks, len(headers), max_rows, 2)
        if not complete and max_rows >= _ROWS_AHEAD:
            next(texts, "")
        return dict(zip(headers, columns, strict=True))
    finally:
        os.close(file)


def load_headerless(path: str, headers: Any, *, compressed: bool, max_rows: int) -> dict[str, list[str]]:
    """Return the columns of a table without a header: a recording (``.tsv.gz``) or the trace of a motion.

    Parameters
    ----------
    path : str
        The table.
    headers : list of str
        What its columns are called. A sidecar may hold anything; what is no list cannot be a header.
    compressed : bool
        Whether it is gzipped.
    max_rows : int
        How many rows to read at most; all of them where it is negative.

    Raises
    ------
    FileFault
        As for `load_tsv`; INVALID_GZIP: a gzipped table that is none, is cut off, or has something after its end.
    """
    if not isinstance(headers, list):
        if compressed:
            raise FileFault("INVALID_GZIP", "its sidecar's Columns are no list")
        return {}
    file = open_file(path)
    try:
        if max_rows == 0:  # nothing is read then, and so no fault found
            return {_name(header): [] for header in headers}
        pieces = _read(file)
        texts = _decode(_inflate(pieces) if compressed else pieces)
        first = next(texts)
        if first.startswith(_REPLACEMENT):
            if compressed:
                raise FileFault("INVALID_GZIP", "what it holds appears to be UTF-16")
            return {}
        columns, _ = _columns("", _cut(first, texts), len(headers), max_rows, 1)
        return {_name(header): column for header, column in zip(headers, columns, strict=True)}
    finally:
        os.close(file)


def _name(header: Any) -> str:
    return header if isinstance(header, str) else str(header)


def _read(file: int) -> Iterator[bytes]:
    """Yield the pieces of an open file, none empty."""
    while piece := read_some(file, _PIECE):
        yield piece


def _inflate(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield what each piece of a gzip file holds; there must be one member and nothing after it."""
    inflater = zlib.decompressobj(31)
    for piece in pieces:
        try:
            data = inflater.decompress(piece)
        except zlib.error:
            raise FileFault("INVALID_GZIP") from None
        if inflater.unused_data:
            raise FileFault("INVALID_GZIP", "there is something after its end")
        if data:
            yield data
    if not inflater.eof:
        raise FileFault("INVALID_GZIP", "it is cut off")


def _decode(pieces: Iterator[bytes]) -> Iterator[str]:
    """Yield pieces as text, at least one, without a byte order mark; a character that the end cuts is found last."""
    rest = b""
    first = True
    try:
        for piece in pieces:
            text, used = codecs.utf_8_decode(rest + piece if rest else piece, "strict", False)
            rest = (rest + piece)[used:] if used < len(rest) + len(piece) else b""
            yield text.removeprefix("\ufeff") if first else text
            first = False
    except UnicodeDecodeError:
        raise FileFault("INVALID_FILE_ENCODING") from None
    if rest:
        if first:
            yield ""
        raise FileFault("INVALID_FILE_ENCODING")
    if first:
        yield ""


def _cut(first: str, texts: Iterator[str]) -> Iterator[str]:
    """Yield blocks of whole lines, each with its end; the last block may lack it."""
    parts: list[str] = []
    size = 0
    for text in chain((first,), texts):
        end = text.rfind("\n") + 1
        if end:
            yield "".join((*parts, text[:end]))
            parts, size = [text[end:]], 0
        else:
            parts.append(text)
        size += len(text) - end
        if size > _MAX_LINE:
            raise FileFault("FILE_READ", f"a line is longer than {_MAX_LINE >> 20} Mi characters")
    if last := "".join(parts):
        yield last


def _columns(block: str, blocks: Iterator[str], width: int, max_rows: int, line: int) -> tuple[list[list[str]], bool]:
    """Return the columns of at most `max_rows` rows, and whether all were taken; `line` is where the first stands."""
    columns: list[list[str]] = [[] for _ in range(width)]
    left = max_rows if max_rows >= 0 else sys.maxsize
    blank = False  # whether the last line was empty; nothing may follow it
    while left:
        if not block:
            block = next(blocks, "")
            if not block:
                return columns, True
        if blank:
            raise FileFault("TSV_EMPTY_LINE", line=line)
        lines = _split(block, left + 1)
        rows = [text.split("\t") for text in lines[:left]]
        if "" in lines[:left] or not all(len(row) == width for row in rows):
            rows = rows[: _find_end(lines[:left], rows, width, line)]
            blank = True
            if len(lines) > len(rows) + 1:
                raise FileFault("TSV_EMPTY_LINE", line=line + len(rows))
        for column, values in zip(columns, zip(*rows, strict=True), strict=False):
            column += values
        left -= len(rows)
        line += len(rows)
        block = ""
    return columns, False


def _split(block: str, most: int) -> list[str]:
    """Return the first lines of a block, without their ends."""
    lines = block.split("\n", most) if most < len(block) else block.split("\n")
    last = lines.pop()
    if "\r" in block:
        lines = [text.removesuffix("\r") for text in lines]
    if last and len(lines) < most:
        lines.append(last)
    return lines


def _find_end(lines: list[str], rows: list[list[str]], width: int, line: int) -> int:
    """Return the place of the first empty line; a row of another width before it is a fault."""
    for place, (text, row) in enumerate(zip(lines, rows, strict=True)):
        if not text:
            return place
        if len(row) != width:
            raise FileFault("TSV_EQUAL_ROWS", f"{len(row)} fields where there are {width} columns", line + place)
    return len(rows)
