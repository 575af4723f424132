"""Hold a file locked, and say who holds it: waiting in silence for a run that hangs, or for no one, helps nobody."""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_log = logging.getLogger(__name__)

#: Seconds after which a run that waits says for whom.
PATIENCE = 10.0
#: Bytes of a lock file that are looked at.
_MOST = 512


@contextmanager
def hold(path: Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold a file locked, with the name of this process in it; others wait. The lock ends with the process.

    Parameters
    ----------
    path : Path
        Made where it is absent.
    patience : float
        Seconds after which it is said for whom one waits.

    Raises
    ------
    OSError
        If the file cannot be opened, or the file system knows no locks.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        if not _take(descriptor, fcntl.LOCK_NB):
            timer = threading.Timer(patience, _say_who, (path,))
            timer.daemon = True
            timer.start()
            try:
                _take(descriptor, 0)
            finally:
                timer.cancel()
        with suppress(OSError):  # who it is matters only to those who wait; a full disk matters elsewhere
            text = name_process(os.getpid()).encode()
            os.pwrite(descriptor, text, 0)
            os.ftruncate(descriptor, len(text))
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | how)
    except BlockingIOError:
        return False
    return True


def name_process(pid: int) -> str:
    """Return a line that tells a process of this machine from those that get its number later; ``""`` for none.

    Source: proc(5), field 22 of ``/proc/PID/stat``, the time at which the process began.
    """
    try:
        began = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        began = "?" if pid == os.getpid() else ""
    return f"{socket.gethostname()} {pid} {began}" if began else ""


def describe_holder(text: str) -> str:
    """Return who holds a lock, by what its file says, and what to do where that is gone.

    Parameters
    ----------
    text : str
        As `name_process` wrote it.
    """
    words = text.split()
    if len(words) != 3 or not words[1].isdigit():
        return "another run, which has not said its name yet"
    host, pid, began = words
    who = f"process {pid} on {host}"
    if host != socket.gethostname():
        return f"{who}. If it is not at work any more, its lock was left behind: delete the lock file"
    if began != "?" and name_process(int(pid)) != text.strip():
        return (
            f"{who}, which is gone: the file system has kept its lock. Delete the lock file if no other run is at work"
        )
    return f"{who}. If it hangs, end it: the next run finishes what it began"


def _say_who(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            text = stream.read(_MOST).decode(errors="replace")
    except OSError:
        text = ""
    _log.warning("waiting for the lock %s, held by %s", path, describe_holder(text))
