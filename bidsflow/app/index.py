"""The index of a dataset that pybids makes: of the chosen participants only, and kept for the next run.

An index is used again as long as nothing in the files of its participants, or in those that all inherit from, changed.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sqlite3
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bidsflow.errors import InputError

_log = logging.getLogger(__name__)
#: Folders of a dataset that hold no raw data.
_ASIDE = ("derivatives", "sourcedata", "code", "stimuli", "phenotype")


def open_layout(root: Path, labels: Sequence[str], database: Path | None) -> Any:
    """Return a pybids layout of some participants, from its database where nothing has changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from bids.layout import BIDSLayout

        where = database / _index_name(root, labels) if database is not None else None
        if where is not None and where.is_dir():
            try:
                return BIDSLayout(root, validate=False, database_path=where)
            except Exception:  # noqa: BLE001  damaged, or of another version; whatever sqlalchemy and pybids raise
                shutil.rmtree(where, ignore_errors=True)
        return _index(root, labels)


def _index(root: Path, labels: Sequence[str]) -> Any:
    """Return a pybids layout of some participants, in memory."""
    from bids.layout import BIDSLayout, BIDSLayoutIndexer

    only = "|".join(map(re.escape, labels))
    others = re.compile(rf"^/sub-(?!(?:{only})(?:/|$))")
    ignore = [others, re.compile(rf"^/(?:{'|'.join(_ASIDE)})(?:/|$)"), re.compile(r"/\.")]
    try:
        return BIDSLayout(root, validate=False, indexer=BIDSLayoutIndexer(validate=False, ignore=ignore))
    except (ValueError, OSError) as error:
        raise InputError(f"{root}: the dataset cannot be indexed ({error})") from error


def keep_index(layout: Any, root: Path, labels: Sequence[str], database: Path) -> None:
    """Save an index: whole or not at all, and in the place of those of the same participants before a change."""
    where = database / _index_name(root, labels)
    if where.is_dir():
        return
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=where.parent, prefix="new-") as half:
            _save(layout, Path(half, "index"))
            with suppress(OSError):  # another run was faster
                Path(half, "index").rename(where)
    except (OSError, sqlite3.Error) as error:  # it only saves time
        _log.warning("the index of the dataset cannot be kept in %s (%s)", where.parent, error)
        return
    for old in where.parent.glob(f"{where.name.partition('-')[0]}-*"):
        if old != where:
            shutil.rmtree(old, ignore_errors=True)


def _save(layout: Any, folder: Path) -> None:
    """Write the database of a layout where pybids looks for it; its own `save` closes neither end."""
    folder.mkdir()
    engine = layout.connection_manager.engine
    with closing(sqlite3.connect(folder / "layout_index.sqlite")) as copy, engine.connect() as original:
        original.connection.driver_connection.backup(copy)


def close_layout(layout: Any) -> None:
    """Close the database of a layout, which pybids leaves open."""
    layout.session.close()
    layout.connection_manager.engine.dispose()


def _index_name(root: Path, labels: Sequence[str]) -> str:
    """Return the name of an index: of which participants it is, and of what state of their files."""
    who = "\0".join((os.fspath(root), version("pybids"), *sorted(labels)))
    digest = hashlib.blake2b(who.encode(errors="surrogateescape"), digest_size=8)
    return f"{digest.hexdigest()}-{fingerprint(root, labels)}"


def fingerprint(root: Path, labels: Iterable[str]) -> str:
    """Return what changes with any file of some participants, or with a file that all of them inherit from."""
    digest = hashlib.blake2b(os.fsencode(root), digest_size=16)
    for entry in sorted(os.scandir(root), key=lambda one: one.name):
        if entry.is_file():
            _count_in(digest, entry)
    for label in sorted(labels):
        folders = [root / f"sub-{label}"]
        seen: set[tuple[int, int]] = set()  # links may lead in circles
        while folders:
            folder = folders.pop()
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            for entry in sorted(os.scandir(folder), key=lambda one: one.name):
                if entry.is_dir():
                    folders.append(Path(entry.path))
                else:
                    _count_in(digest, entry)
    return digest.hexdigest()


def _count_in(digest: Any, entry: os.DirEntry[str]) -> None:
    try:
        status = entry.stat()
    except OSError:  # a link to content that is not here
        status = entry.stat(follow_symlinks=False)
    digest.update(f"{entry.path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode(errors="surrogateescape"))
