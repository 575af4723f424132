"""A page to a file: all of it or nothing."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from bidsflow.errors import StorageError
from bidsflow.report.page import render
from bidsflow.report.values import Page


def save(page: Page, path: str | os.PathLike[str]) -> Path:
    """Render a page and write it; readers see the old file or the new one, never a part.

    Parameters
    ----------
    page : Page
        The page.
    path : path-like
        The HTML file; its folder is made if need be. An older file is replaced.

    Returns
    -------
    path : Path
        Where it was written.

    Raises
    ------
    StorageError
        If the folder cannot be made or the file not be written. The older file, if any, is untouched.
    """
    target = Path(path)
    data = render(page).encode("utf-8")
    draft = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(target)
    except OSError as error:
        raise StorageError(str(target), error.strerror or str(error)) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return target
