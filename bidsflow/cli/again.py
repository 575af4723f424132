"""The answer to a command line, given again as it was: what is asked is the same, and nothing has changed.

To load what understands a command line takes as long as to look through a dataset of 10,000 files. So what
`bidsflow validate` prints into a file or a pipe is kept in the user's cache folder, and printed again as long as the
words, the folder in which they are said, what is installed, and all that a survey sees of the dataset are the same.
Which answers may be kept is decided by the command, which has understood the words; here they are only compared.
"""

from __future__ import annotations

import contextlib
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from bidsflow.errors import SchemaError
from bidsflow.validate.digests import name_value
from bidsflow.validate.installed import list_versions
from bidsflow.validate.store import find_folder, open_file, read_data, remove_halves, write_data, write_whole
from bidsflow.validate.survey import survey

#: All that is kept, over all datasets; an answer is about 4 kB for each file of a dataset as JSON, and short as text.
MOST_BYTES: Final = 256_000_000
_AT_ONCE: Final = 1 << 20
_PRINTED: Final = ".out"


class Answer(NamedTuple):
    """What a command answered.

    Attributes
    ----------
    root : str
        The dataset, as it was written: links in it may lead elsewhere by now.
    real : str
        Where they led.
    fingerprint : str
        Of the dataset, as the report has it.
    code : int
        With which the command ended.
    checksum : int
        Of what was printed (CRC-32), which is in a file of its own.
    """

    root: str
    real: str
    fingerprint: str
    code: int
    checksum: int


def answer_again(words: Sequence[str]) -> int | None:
    """Print what these words were answered the last time, if that is still true.

    Parameters
    ----------
    words : sequence of str
        The command line without the program.

    Returns
    -------
    code : int or None
        With which to end; None if nothing was printed, and the question is to be answered anew.

    Raises
    ------
    OSError
        If standard output cannot be written.
    """
    place = _find_place(words) if is_for_programs() else None
    known = read_data(place) if place else None
    if place is None or known is None:
        return None
    answer = Answer(*known)
    try:
        printed = open_file(place.with_suffix(_PRINTED))
    except OSError:
        return None
    with printed:
        if not _holds(answer, printed):
            return None
        printed.seek(0)
        write_out(_iter_parts(printed))
    return answer.code


def _holds(answer: Answer, printed: BinaryIO) -> bool:
    """Return whether what was printed is whole, and the dataset as it was."""
    try:
        return (
            os.path.realpath(answer.root) == answer.real
            and _sum(printed) == answer.checksum
            and survey(answer.root)[0].hex() == answer.fingerprint
        )
    except OSError:
        return False


def keep_answer(words: Sequence[str], printed: Iterable[bytes], root: str | Path, fingerprint: str, code: int) -> None:
    """Keep an answer for the next time; do without where the folder cannot be written.

    Parameters
    ----------
    words : sequence of str
        The command line without the program.
    printed : iterable of bytes
        What was printed.
    root
        The dataset, as it is written in `words`.
    fingerprint, code
        As in `Answer`.
    """
    place = _find_place(words)
    if place is None:
        return
    out = place.with_suffix(_PRINTED)
    checksum = 0

    def give() -> Iterator[bytes]:
        nonlocal checksum
        for part in printed:
            checksum = zlib.crc32(part, checksum)
            yield part

    with contextlib.suppress(OSError):
        if write_whole(out, give()):
            write_data(place, tuple(Answer(str(root), os.path.realpath(root), fingerprint, code, checksum)))
        _make_room(place.parent)


def _make_room(folder: Path) -> None:
    """Remove the oldest answers, so that all together are not too long."""
    remove_halves(folder)
    size = 0
    for out in sorted(folder.glob(f"*{_PRINTED}"), key=lambda file: file.stat().st_mtime, reverse=True):
        size += out.stat().st_size
        if size > MOST_BYTES:
            out.unlink(missing_ok=True)
            out.with_suffix(".bin").unlink(missing_ok=True)


def is_for_programs() -> bool:
    """Return whether standard output is a file or a pipe, or closed: on a terminal, answers depend on it."""
    return sys.stdout is None or not sys.stdout.isatty()


def write_out(parts: Iterable[bytes]) -> int:
    """Write to standard output, and return how much.

    Ends quietly where the reader of a pipe (``| head``) has gone, or nobody has asked for output (``>&-``); the verdict
    is that of the dataset all the same.
    """
    size = 0
    if sys.stdout is None:
        return size
    try:
        for part in parts:
            _write_part(sys.stdout.buffer, part)
            size += len(part)
        _flush()
    except OSError as error:
        _drop_rest()
        if not isinstance(error, BrokenPipeError):
            raise
    return size


def _write_part(out: BinaryIO, part: bytes) -> None:
    """Write all of some bytes, of which one call may take a few only: without a buffer, or into a pipe that is full."""
    left = memoryview(part)
    while left:
        try:
            taken = out.write(left)
        except BlockingIOError as error:
            taken = error.characters_written
            _wait(out)
        if taken is None:  # as files without a buffer say that nothing can be written now
            _wait(out)
        left = left[taken or 0 :]


def _flush() -> None:
    while True:
        try:
            sys.stdout.flush()
        except BlockingIOError:
            _wait(sys.stdout.buffer)
        else:
            return


def _wait(out: BinaryIO) -> None:
    """Wait until something can be written."""
    import select

    select.select((), (out,), ())


def _drop_rest() -> None:
    """Let what is left in the buffer, and what Python flushes at the end, go nowhere."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _find_place(words: Sequence[str]) -> Path | None:
    """Return where the answer to a command line is kept; None where the folder or the schema is gone."""
    try:
        asked = (list_versions(), tuple(words), os.getcwd(), os.environ.get("COLUMNS"))  # noqa: PTH109
    except (OSError, SchemaError):
        return None
    return find_folder() / "answers" / f"{name_value(asked)}.bin"


def _sum(file: BinaryIO) -> int:
    checksum = 0
    for part in _iter_parts(file):
        checksum = zlib.crc32(part, checksum)
    return checksum


def _iter_parts(file: BinaryIO) -> Iterator[bytes]:
    while part := file.read(_AT_ONCE):
        yield part
