"""A page to a file: all of it or nothing."""

from __future__ import annotations

import os
from pathlib import Path

from bidsflow.dataset.files import save_bytes
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
    data = render(page).encode("utf-8")
    folder = Path(path).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(str(folder), error.strerror or str(error)) from error
    return Path(save_bytes([data], path))
