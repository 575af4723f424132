"""Files that are no part of a dataset, such as reports: written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from bidsflow.errors import StorageError


def save_bytes(parts: Iterable[bytes], path: str | os.PathLike[str]) -> Path:
    """Write a file, all of it or nothing; part by part, since reports can be larger than memory should be.

    What is no file (``/dev/null``, ``/dev/stdout``, a named pipe) is written to, and stays what it is.

    Raises
    ------
    StorageError
        If the file cannot be written. The older file, if any, is untouched.
    """
    target = Path(path).resolve()
    draft = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                stream.writelines(parts)
            return target
        with draft.open("xb") as stream:
            stream.writelines(parts)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    except OSError as error:
        raise StorageError(str(path), error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return target
