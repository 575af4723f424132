"""The only writer of a dataset: stage, sync, journal, rename.

A commit is a tree of staged files that mirrors the dataset. It is made durable first, then a journal says what will
be renamed, then it is renamed. Whatever kills the process, the next one finds either no journal (nothing of the
commit is visible, the staging area is swept) or a journal (the commit is finished).
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bidsflow.dataset.lock import hold
from bidsflow.dataset.tree import Dataset
from bidsflow.errors import DatasetError, StorageError

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is reached",
    errno.EROFS: "the disk is read-only",
}


@contextmanager
def storage_errors(where: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a `StorageError` that says so.

    Raises
    ------
    StorageError
        If the disk is full, read-only, or over quota.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(str(where), _FULL[error.errno]) from error
        raise


@contextmanager
def locked(dataset: Dataset) -> Iterator[None]:
    """Hold the dataset for a commit; others wait. The lock ends with the process, however that ends.

    Raises
    ------
    DatasetError
        If the file system knows no locks, or a commit of a process that died cannot be finished.
    StorageError
        If the disk is full or read-only.
    """
    with ExitStack() as stack:
        try:
            with storage_errors(dataset.root):
                stack.enter_context(hold(dataset.state / "lock"))
        except StorageError:
            raise
        except OSError as error:
            hint = "Check its permissions, or convert to a local disk"
            reason = f"its lock cannot be had ({error.strerror}): its file system may know no locks"
            raise DatasetError(str(dataset.root), reason, hint) from error
        recover(dataset)
        yield


@dataclass(frozen=True, slots=True)
class Staging:
    """A private folder for the work of one process.

    Attributes
    ----------
    dataset : Dataset
        Where its commits go.
    folder : Path
        On the same file system as the dataset, so that renaming is atomic.
    """

    dataset: Dataset
    folder: Path

    def work(self, name: str) -> Path:
        """Return a new empty folder for intermediate files."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    def tree(self) -> Path:
        """Return a new empty folder to stage a commit in."""
        return self.work("commit")


@contextmanager
def staging(dataset: Dataset) -> Iterator[Staging]:
    """Give a process its staging folder, sweep what dead processes left, and remove the folder at the end."""
    with locked(dataset), storage_errors(dataset.root):
        _sweep(dataset)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=dataset.state / "staging"))
        owner = (folder / "owner").open("w")
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield Staging(dataset, folder)
    finally:
        try:
            with locked(dataset):  # finishes a commit that a signal interrupted; its files still lie in the folder
                _remove(folder)
        finally:
            owner.close()


def _remove(folder: Path) -> None:
    """Remove a staging folder, even where a signal comes in between."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _sweep(dataset: Dataset) -> None:
    """Remove the staging folders whose process is gone."""
    for folder in (dataset.state / "staging").iterdir():
        try:
            with (folder / "owner").open("r+") as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue  # its process is alive
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)


def commit(staged: Staging, tree: Path, remove: Sequence[str] = (), keep: Sequence[str] = ()) -> None:
    """Bring a staged tree into the dataset, whole. The caller holds the lock.

    Parameters
    ----------
    staged : Staging
        Where the tree was staged.
    tree : Path
        Mirrors the dataset: each file in it replaces, or becomes, the file of the same path.
    remove : sequence of str
        Paths relative to the dataset that go away in the same commit.
    keep : sequence of str
        Paths relative to the dataset of files that are replaced or go away, and that are put by: below
        ``replaced/`` of bidsflow's own folder, in a folder for this commit.

    Raises
    ------
    StorageError
        If the disk is full; nothing has changed then.
    DatasetError
        If something in the dataset is in the way; nothing has changed then.
    """
    root = staged.dataset.root
    with storage_errors(root):
        moves = list(_moves(tree, root))
        if not moves and not remove:
            return
        _check(root, tree, [target for _, target in moves], [root / name for name in remove])
        _sync_tree(tree)
        relative = [[os.path.relpath(one, root), os.path.relpath(two, root)] for one, two in moves]
        journal = staged.dataset.state / "journal" / f"{staged.folder.name}-{tree.name}.json"
        room = staged.dataset.state / "replaced" / f"{time.strftime('%Y-%m-%dT%H%M%S')}-{journal.stem}"
        aside = [[name, os.path.relpath(room / name, root)] for name in keep]
        write_durably(journal, json.dumps({"moves": relative, "remove": list(remove), "keep": aside}).encode())
    _carry_out(staged.dataset, journal)


def _check(root: Path, tree: Path, targets: Sequence[Path], gone: Sequence[Path]) -> None:
    """Make sure that nothing stops a commit halfway: what a journal promises must be possible.

    Raises
    ------
    DatasetError
        If a folder is a file, or a file a folder, or a folder is closed or lies on another disk.
    """
    device = tree.stat().st_dev
    for path in (*targets, *gone):
        name = os.path.relpath(path, root)
        if path.is_dir() or (path.exists() and (tree / name).is_dir()):
            kind = "folder" if path.is_dir() else "file"
            raise DatasetError(str(root), f"the {kind} {name} is in the way", "Move it out of the dataset")
    for folder in {path.parent for path in (*targets, *gone) if path.parent.is_dir()}:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise DatasetError(str(folder), "the folder cannot be written to", "Check its permissions")
        if folder.stat().st_dev != device:
            raise DatasetError(
                str(folder), "the folder lies on another disk than the dataset", "Link whole datasets, not parts"
            )


def recover(dataset: Dataset) -> int:
    """Finish the commits that a process began before it died, and return how many. The caller holds the lock."""
    journals = sorted((dataset.state / "journal").glob("*.json"))
    for journal in journals:
        _carry_out(dataset, journal)
    for half in (dataset.state / "journal").glob("*.tmp"):
        half.unlink()
    return len(journals)


def _moves(tree: Path, root: Path) -> Iterator[tuple[Path, Path]]:
    """Yield what to rename to what: whole folders where the dataset has none of that name, else their files."""
    for one in sorted(tree.iterdir()):
        target = root / one.name
        if one.is_dir() and target.is_dir():
            yield from _moves(one, target)
        else:
            yield one, target


def _carry_out(dataset: Dataset, journal: Path) -> None:
    """Do what a journal says, however much of it was done before the process died.

    Raises
    ------
    DatasetError
        If the journal is damaged, or something has come in the way; the journal stays.
    """
    try:
        entries = json.loads(journal.read_bytes())
        moves = [(dataset.root / str(source), dataset.root / str(target)) for source, target in entries["moves"]]
        gone = [dataset.root / str(name) for name in entries["remove"]]
        kept = [(dataset.root / str(name), dataset.root / str(target)) for name, target in entries.get("keep", ())]
    except (ValueError, TypeError, KeyError) as error:
        hint = "Delete it and run the same command again: it converts again what is missing"
        raise DatasetError(str(journal), "this journal of bidsflow is damaged", hint) from error
    try:
        for old, aside in kept:
            _put_by(old, aside)
        for origin, final in moves:
            if os.path.lexists(origin):  # else it was moved before the process died
                origin.replace(final)
        for path in gone:
            path.unlink(missing_ok=True)
        folders = {final.parent for _, final in moves} | {path.parent for path in gone}
        folders |= _remove_empty(dataset.root, {path.parent for path in gone})
        for folder in folders:
            if folder.is_dir():
                _sync(folder)
        journal.unlink()
        _sync(journal.parent)
    except OSError as error:
        hint = "Repair that and run the same command again: it finishes the commit first"
        reason = f"a commit is under way and cannot be finished ({error.strerror}: {error.filename})"
        raise DatasetError(str(dataset.root), reason, hint) from error


def _put_by(old: Path, aside: Path) -> None:
    """Give a file a second name, unless a process that died did; it keeps the first until it is replaced."""
    if aside.exists() or not old.exists():
        return
    aside.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.link(old, aside)
    except OSError:  # a file system without hard links; the commit is finished whatever happens
        old.replace(aside)
    _sync(aside.parent)


def _remove_empty(root: Path, folders: set[Path]) -> set[Path]:
    """Remove folders that have become empty, and those around them, and return those that lost one."""
    touched = set()
    for folder in folders:
        here = folder
        while here != root and here.is_dir() and not any(here.iterdir()):
            here.rmdir()
            here = here.parent
            touched.add(here)
    return touched


def write_durably(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Write a file so that it is there whole or not at all, whatever happens.

    A device or a pipe (``/dev/null``, ``/dev/stdout``) is written to, and stays what it is.

    Raises
    ------
    StorageError
        If the disk is full; what was there before is untouched.
    """
    half = path.with_name(path.name + ".tmp")
    with storage_errors(path):
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
            return
        try:
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            half.replace(path)
        except BaseException as error:
            half.unlink(missing_ok=True)
            if isinstance(error, OSError):  # whoever reads the message knows the file, not its first half
                error.filename, error.filename2 = str(path), None
            raise
        _sync(path.parent)


def _sync_tree(tree: Path) -> None:
    for folder, _, names in os.walk(tree):
        for name in names:
            _sync(Path(folder, name))
        _sync(Path(folder))


def _sync(path: Path) -> None:
    """Make a file or folder durable; file systems that cannot sync folders are let pass."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
