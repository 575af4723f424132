"""Whether a disk has room: some programs fail for want of it and do not say so."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from bidsflow.dataset.write import storage_errors
from bidsflow.errors import StorageError

#: A disk with less space than this (bytes) is full.
SCARCE = 1 << 20


def raise_if_full(folder: Path) -> None:
    """Find out whether the disk of a folder has room.

    Raises
    ------
    StorageError
        If it has not.
    """
    space = os.statvfs(folder)
    if space.f_bavail * space.f_frsize < SCARCE or (space.f_files and not space.f_favail):
        raise StorageError(str(folder.parent), "the disk is full")


def claim_room(folder: Path, size: int) -> None:
    """Find out whether a folder takes a file of a size; only asking for the space shows a quota.

    Raises
    ------
    StorageError
        If it does not.
    """
    with storage_errors(folder.parent), tempfile.TemporaryFile(dir=folder) as probe:
        os.posix_fallocate(probe.fileno(), 0, max(size, SCARCE))
