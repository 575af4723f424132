"""The answer to a command line, given again as it was: what is asked is the same, and nothing has changed.

To load what understands a command line takes as long as to look through a dataset of 10,000 files. So what
`bidsflow validate` prints, or writes with ``--output``, is kept in the user's cache folder, and given again as long as
the words, the folder in which they are said, the terminal, what is installed, and all that a survey sees of the dataset
are the same.
Which answers may be kept is decided by the command, which has understood the words; here they are only compared.
"""

from __future__ import annotations

import os
import sys

from bidsflow.validate.digests import name_value
from bidsflow.validate.installed import stamp_installed
from bidsflow.validate.kept import name_folder, open_file, read_data
from bidsflow.validate.survey import survey

TYPE_CHECKING = False  # `typing` and `pathlib` take longer to import than all else that an old answer needs
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from io import FileIO
    from pathlib import Path
    from typing import BinaryIO, Final

#: All that is kept, over all datasets; an answer is about 4 kB for each file of a dataset as JSON, and short as text.
MOST_BYTES: Final = 256_000_000
_AT_ONCE: Final = 1 << 20
_PRINTED: Final = ".out"
_RECORD: Final = ".bin"
#: What decides on the colours of a terminal (no-color.org, force-color.org, terminfo, and what `rich` asks).
_COLOURS: Final = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "JUPYTER_COLUMNS")


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
    place = _name_place(words)
    known = read_data(place + _RECORD) if place else None
    if known is None:
        return None
    root, real, fingerprint, code, mark, target = known
    try:
        printed = open_file(place + _PRINTED)
    except OSError:
        return None
    with printed:
        if _mark(os.fstat(printed.fileno())) != mark or not _is_same(root, real, fingerprint):
            return None
        if target is None:
            _send_out(printed)
        else:
            from bidsflow.dataset.files import save_bytes

            save_bytes(_iter_parts(printed), target)
    return int(code)


def _is_same(root: str, real: str, fingerprint: str) -> bool:
    """Return whether a dataset is as it was."""
    try:
        return os.path.realpath(root) == real and survey(root)[0].hex() == fingerprint
    except OSError:
        return False


def keep_answer(
    words: Sequence[str],
    printed: Iterable[bytes],
    root: str | Path,
    fingerprint: str,
    code: int,
    target: str | None = None,
) -> None:
    """Keep an answer for the next time; do without where the folder cannot be written.

    What is kept beside the answer: the dataset as it was written, where that led (links in it may lead elsewhere by
    now), its fingerprint, the code, and the size and time of the file that holds what was printed.

    Parameters
    ----------
    words : sequence of str
        The command line without the program.
    printed : iterable of bytes
        What was printed.
    root
        The dataset, as it is written in `words`.
    fingerprint : str
        Of the dataset, as the report has it.
    code : int
        With which the command ended.
    target : str, optional
        The file that it was written into; standard output otherwise.
    """
    from pathlib import Path

    from bidsflow.validate.store import write_data, write_whole

    place = _name_place(words)
    if not place:
        return
    out = Path(place + _PRINTED)
    try:
        if write_whole(out, _limit(printed)):
            known = (str(root), os.path.realpath(root), fingerprint, code, _mark(out.stat()), target)
            write_data(Path(place + _RECORD), known)
        _make_room(Path(place).parent)
    except OSError:
        return


def _limit(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Give parts on, as long as they may be kept."""
    size = 0
    for part in parts:
        size += len(part)
        if size > MOST_BYTES:
            raise OSError("too long to be kept")
        yield part


def _make_room(folder: Path) -> None:
    """Remove the oldest answers, so that all together are not too long."""
    from bidsflow.validate.store import remove_halves

    remove_halves(folder)
    size = 0
    for out in sorted(folder.glob(f"*{_PRINTED}"), key=lambda file: file.stat().st_mtime, reverse=True):
        size += out.stat().st_size
        if size > MOST_BYTES:
            out.unlink(missing_ok=True)
            out.with_suffix(_RECORD).unlink(missing_ok=True)


def is_for_programs() -> bool:
    """Return whether standard output is a file or a pipe, or closed, not a terminal."""
    return sys.stdout is None or not sys.stdout.isatty()


def _describe_terminal() -> tuple[object, ...]:
    """Return what an answer on a terminal depends on beside the words; nothing for a file or a pipe."""
    if is_for_programs():
        return ()
    if os.name == "nt":
        raise OSError("colours may be calls, not text")
    width = os.get_terminal_size(sys.stdout.fileno()).columns
    return width, sys.stdout.encoding, *(os.environ.get(name) for name in _COLOURS)


def _send_out(file: FileIO) -> None:
    """Write the rest of a file to standard output, where the system can without copies in memory."""
    try:
        while sys.stdout and os.sendfile(sys.stdout.fileno(), file.fileno(), None, _AT_ONCE):
            pass
    except (OSError, AttributeError, TypeError):  # other systems, `>>`, a pipe that is full or gone: what is left
        pass
    write_out(_iter_parts(file))


def write_out(parts: Iterable[bytes]) -> None:
    """Write to standard output.

    Ends quietly where the reader of a pipe (``| head``) has gone, or nobody has asked for output (``>&-``); the verdict
    is that of the dataset all the same.
    """
    if sys.stdout is None:
        return
    try:
        for part in parts:
            _write_part(sys.stdout.buffer, part)
        _flush()
    except OSError as error:
        _drop_rest()
        if not isinstance(error, BrokenPipeError):
            raise


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
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    except OSError:
        return


def _name_place(words: Sequence[str]) -> str:
    """Return where the answer to a command line is kept, without extension; ``""`` where the folder is gone."""
    try:
        asked = (stamp_installed(), tuple(words), os.getcwd(), os.environ.get("COLUMNS"), _describe_terminal())  # noqa: PTH109
    except OSError:
        return ""
    return f"{name_folder()}/answers/{name_value(asked)}"


def _mark(found: os.stat_result) -> tuple[int, int]:
    """Return what tells a file from one that was written later, or is cut."""
    return found.st_size, found.st_mtime_ns


def _iter_parts(file: FileIO) -> Iterator[bytes]:
    while part := file.read(_AT_ONCE):
        yield part
