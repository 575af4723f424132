"""Whether anything in a dataset has changed: names, sizes, times and links, as fast as they can be listed."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import Final

#: Folders of the root that are never looked into; the datasets in the last are validated on request.
LEFT_OUT: Final = frozenset({"sourcedata", "code", "derivatives"})
IGNORE_FILE: Final = ".bidsignore"


def survey(root: str) -> tuple[bytes, int]:
    """Return what tells whether anything that is validated has changed, and when something last did.

    Parameters
    ----------
    root : str
        The dataset; hidden files and `LEFT_OUT` do not count.

    Returns
    -------
    digest : bytes
        Of all names, sizes, times and links.
    newest : int
        The last change of any file, in nanoseconds since 1970.

    Raises
    ------
    OSError
        If `root` itself cannot be listed.
    """
    seen, newest = blake2b(digest_size=16), 0
    entered: set[str] = set()  # where links to folders lead: each is entered once, whatever circles they make
    waiting = [root]
    while waiting:
        disk = waiting.pop()
        lines, below = [disk], []
        for entry in _list(disk, root):
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
                continue
            linked = entry.is_symlink()
            try:
                found = entry.stat()
                if linked and entry.is_dir():
                    real = os.path.realpath(entry.path)
                    if real not in entered:
                        entered.add(real)
                        below.append(entry.path)
            except OSError as error:
                lines.append(f"{name}!{error.errno}")
                continue
            newest = max(newest, found.st_ctime_ns)
            kind = os.path.realpath(entry.path) if linked else found.st_mode >> 12
            lines.append(f"{name}:{kind}:{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}")
        lines.sort()
        below.sort()
        waiting += below
        seen.update("\n".join([*lines, *below]).encode(errors="surrogateescape"))
    return seen.digest(), newest


def _list(disk: str, root: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder and counts; nothing if it cannot be listed."""
    try:
        with os.scandir(disk) as listing:
            if disk == root:
                return [
                    entry
                    for entry in listing
                    if entry.name not in LEFT_OUT and (entry.name[0] != "." or entry.name == IGNORE_FILE)
                ]
            return [entry for entry in listing if entry.name[0] != "."]
    except OSError:
        if disk == root:
            raise
        return []
