"""Files that are no part of a dataset, such as reports: written whole or not at all."""

from __future__ import annotations

import os

from bidsflow.errors import StorageError

TYPE_CHECKING = False  # quick to import: an answer of `bidsflow validate` that still holds is written by this, too
if TYPE_CHECKING:
    from collections.abc import Iterable


def save_bytes(parts: Iterable[bytes], path: str | os.PathLike[str]) -> str:
    """Write a file, all of it or nothing; part by part, since reports can be larger than memory should be.

    What is no file (``/dev/null``, ``/dev/stdout``, a named pipe) is written to, and stays what it is.

    Returns
    -------
    written : str
        The file, absolute and without links.

    Raises
    ------
    StorageError
        If the file cannot be written. The older file, if any, is untouched.
    """
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    draft = f"{folder}/.{name[:200]}.{os.urandom(4).hex()}.tmp"
    try:
        if os.path.exists(target) and not os.path.isfile(target):  # noqa: PTH110, PTH113
            with open(target, "wb") as stream:  # noqa: PTH123
                stream.writelines(parts)
            return target
        try:
            with open(draft, "xb") as stream:  # noqa: PTH123
                stream.writelines(parts)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, target)  # noqa: PTH105
        except BaseException:
            _remove(draft)
            raise
    except OSError as error:
        raise StorageError(str(path), error.strerror or str(error)) from error
    return target


def _remove(path: str) -> None:
    try:
        os.unlink(path)  # noqa: PTH108
    except OSError:
        return
