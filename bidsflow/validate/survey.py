"""Whether anything in a dataset has changed: names, sizes, times and links, as fast as they can be listed."""

from __future__ import annotations

import marshal
import os

from bidsflow.validate.digests import make_hash

TYPE_CHECKING = False  # `typing` takes longer to import than a small dataset to list
if TYPE_CHECKING:
    from typing import Any, Final

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
        Of all names, sizes, times and links, however `root` is written, and of when folders have changed: they do
        when a link in them says something else, too.
    newest : int
        The last change of any file or folder, in nanoseconds since 1970.

    Raises
    ------
    OSError
        If `root` itself cannot be listed.
    """
    seen, newest = make_hash(), 0
    entered: set[str] = set()  # where links to folders lead: each is entered once, whatever circles they make
    waiting = [root]
    while waiting:
        disk = waiting.pop()
        entries, stamp = _list(disk, root)
        newest = max(newest, stamp[1])
        files: list[tuple[Any, ...]] = []
        below: list[str] = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
                continue
            real = os.path.realpath(entry.path) if entry.is_symlink() else ""
            try:
                found = entry.stat()
            except OSError as error:
                files.append((entry.name, real, error.errno))
                continue
            if real and entry.is_dir():
                files.append((entry.name, real))
                if real not in entered:
                    entered.add(real)
                    below.append(entry.name)
                continue
            changed = found.st_ctime_ns
            if changed > newest:  # noqa: PLR1730 -- `max` takes as long as all that follows
                newest = changed
            files.append((entry.name, real, found.st_mode, found.st_size, found.st_mtime_ns, changed))
        files.sort()
        below.sort()
        waiting += [f"{disk}/{name}" for name in below]
        # of the forms of marshal, the second gives the same bytes for equal values, whoever else holds them
        seen.update(marshal.dumps((stamp, files, below), 2))
    return seen.digest(), newest


def _list(disk: str, root: str) -> tuple[list[os.DirEntry[str]], tuple[int, int, int]]:
    """Return what is in a folder and counts, and the folder's number, its last change, and the number of the error.

    The change tells that a folder was away for a while, which no file in it shows.
    """
    number = changed = 0
    try:
        found = os.stat(disk)  # noqa: PTH116 -- as for `disk`, text is faster
        number, changed = found.st_ino, found.st_ctime_ns
        with os.scandir(disk) as listing:
            if disk == root:
                return [
                    entry
                    for entry in listing
                    if entry.name not in LEFT_OUT and (entry.name[0] != "." or entry.name == IGNORE_FILE)
                ], (number, changed, 0)
            return [entry for entry in listing if entry.name[0] != "."], (number, changed, 0)
    except OSError as error:
        if disk == root:
            raise
        return [], (number, changed, error.errno or -1)
