"""A dataset as a value: what stands at each path, and how it is written to a disk."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path
from typing import NamedTuple


class Link(NamedTuple):
    """A symbolic link, and where it points."""

    target: str


class Folder(NamedTuple):
    """A folder that holds nothing."""


class Fifo(NamedTuple):
    """A named pipe: who reads it waits for ever."""


Entry = bytes | Link | Folder | Fifo

#: What stands at each POSIX path below the root of the dataset.
Tree = dict[str, Entry]


def write_tree(tree: Tree, root: Path) -> Path:
    """Write a dataset into a new folder; files get times that follow from their content.

    A cache keyed by sizes and times so knows a dataset again that was written anew, and sees each change of it.
    """
    root.mkdir(parents=True)
    for path, entry in tree.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(entry, bytes):
            target.write_bytes(entry)
            seconds = zlib.crc32(entry)
            os.utime(target, (seconds, seconds))
        elif isinstance(entry, Link):
            target.symlink_to(entry.target)
        elif isinstance(entry, Folder):
            target.mkdir(exist_ok=True)
        else:
            os.mkfifo(target)
    return root


def digest_tree(tree: Tree) -> str:
    """Return a short digest of all paths and contents."""
    digest = hashlib.sha256()
    for path in sorted(tree):
        entry = tree[path]
        content = entry if isinstance(entry, bytes) else repr(entry).encode()
        digest.update(f"{path}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()[:12]
