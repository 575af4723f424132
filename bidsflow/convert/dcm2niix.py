"""Drive dcm2niix: the files of one folder in, its images out. Knows nothing of BIDS names."""

from __future__ import annotations

import math
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bidsflow.convert.outputs import NAME, Output, collect
from bidsflow.dataset.room import SCARCE, claim_room, raise_if_full
from bidsflow.dicom.series import Series
from bidsflow.errors import ConversionError, StorageError, ToolError

#: What dcm2niix says when a write fails; it then removes what it wrote, so that the disk looks as if it had room.
_NO_ROOM = re.compile(rb"\(disk full\?\)|no space left on device|disk quota exceeded", re.IGNORECASE)
#: What to do about an encoding that the program does not know.
_DECOMPRESS = "; export it without compression, or decompress it first (gdcmconv --raw IN OUT)"
#: Where it names the folder that it reads, or a file with all that follows: paths may hold blanks, and names of people.
_HERE = re.compile(r"(?<!\S)\.(?!\S)")
_PATHS = re.compile(r"\.?(?<!\w)/.*")
#: What glibc reads: with large pages, and memory that is kept for the next file, dcm2niix has fewer page faults (an
#: eighth of the time that ten thousand small files take). Thresholds in bytes, the most that glibc itself would set.
_THRIFTY = {
    "GLIBC_TUNABLES": ":".join(
        (
            "glibc.malloc.hugetlb=1",
            f"glibc.malloc.mmap_threshold={32 << 20}",
            f"glibc.malloc.top_pad={16 << 20}",
            f"glibc.malloc.trim_threshold={64 << 20}",
        )
    )
}
#: Seconds that any series may take, and the bytes of DICOM per second that even a slow network disk can be read with.
#: dcm2niix itself reads more than a hundred times as many.
_PATIENCE = 900.0
_SLOWEST = 200_000


def _list_options(sidecars: str) -> tuple[str, ...]:
    # -g i: what a file ~/.dcm2nii.ini says must not change a result
    return "-g", "i", "-d", "0", "-b", sidecars, "-ba", "y", "-z", "n", "-f", NAME


#: How every series is converted.
OPTIONS = _list_options("y")
#: Seconds after which a process that was killed is left to the system, which may wait for a disk that is gone.
_LAST_BREATH = 10.0


def find_program() -> str:
    """Return the path of dcm2niix: the one that came with bidsflow, else the one on PATH.

    The package installs a command as well, but that starts a Python for every run, and a kill would hit only that.

    Raises
    ------
    ToolError
        If there is none.
    """
    try:
        import dcm2niix

        bundled = str(dcm2niix.bin)
    except (ImportError, AttributeError):
        bundled = ""
    if bundled and os.access(bundled, os.X_OK):
        return bundled
    found = shutil.which("dcm2niix")
    if found is None:
        raise ToolError("dcm2niix", "the program was not found", "Install it with: pip install dcm2niix")
    return found


class Dcm2niix:
    """Runs dcm2niix, from several threads at once, and can stop all of its runs.

    Parameters
    ----------
    program : str
        Path of dcm2niix.
    patience : float
        Seconds that any series may take; large ones get more.
    """

    def __init__(self, program: str, patience: float = _PATIENCE) -> None:
        self.program = program
        self._patience = patience
        self._children: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, series: Series, source: Path, target: Path, *, sidecars_only: bool = False) -> tuple[Output, ...]:
        """Convert the files in one folder and return what came out.

        Parameters
        ----------
        series : Series
            The series that the folder holds, for messages.
        source, target : Path
            Folder of DICOM files, and an empty folder.
        sidecars_only : bool
            Write no images (for a second opinion on the name).

        Raises
        ------
        ConversionError
            If dcm2niix refuses the series, dies or hangs.
        StorageError
            If the disk is full, or a quota is reached.
        """
        command = [self.program, *(_list_options("o") if sidecars_only else OPTIONS)]
        limit = self._patience + sum(one.file.size for one in series.instances) / _SLOWEST
        try:
            code, said = self._call([*command, "-o", os.path.abspath(target), "."], source, limit)  # noqa: PTH100
        except subprocess.TimeoutExpired as error:
            hint = "it hangs, or the disk does not answer"
            raise ConversionError(series.title, f"dcm2niix was stopped after {limit / 60:.0f} min: {hint}") from error
        raise_if_full(target)
        if _NO_ROOM.search(said):
            claim_room(target, sum(2 * math.prod(image.matrix) * image.volumes for image in series.images))
            raise StorageError(str(target.parent), "dcm2niix could not write its files there")
        if code < 0:
            raise ConversionError(series.title, f"dcm2niix was killed (signal {-code})")
        try:
            outputs = collect(target, sidecars_only=sidecars_only)
        except (ValueError, struct.error) as error:
            claim_room(target, SCARCE)
            raise ConversionError(series.title, "dcm2niix wrote a file that cannot be read") from error
        if not outputs:
            complaint = _complaint(said)
            advice = _DECOMPRESS if "transfer syntax" in complaint.lower() else ""
            raise ConversionError(series.title, f"dcm2niix refuses it (exit code {code}): {complaint}{advice}")
        return outputs

    def stop(self) -> None:
        """Kill every run under way, and start no other."""
        with self._lock:
            self._stopped = True
            for child in self._children:
                child.kill()

    def _call(self, command: Sequence[str], folder: Path, limit: float) -> tuple[int, bytes]:
        """Run a command in a folder, whose files it then finds by short paths, however long those of the folder are."""
        with self._lock:
            if self._stopped:
                return -signal.SIGKILL, b""
            try:
                child = subprocess.Popen(
                    command,
                    cwd=folder,
                    env=_THRIFTY | os.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                if error.filename == folder:
                    raise
                raise ToolError("dcm2niix", f"it cannot be started ({error.strerror})") from error
            _forbid_dump(child.pid)
            self._children.add(child)
        try:
            said, _ = child.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _end(child)
            raise
        finally:
            with self._lock:
                self._children.discard(child)
        return child.returncode, said


def _forbid_dump(pid: int) -> None:
    """Keep a process that crashes from leaving its memory, with a person's data, in the export that it runs in."""
    with suppress(OSError, AttributeError):  # it has ended; a system without `prlimit`
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill a process, and do not wait for what it may have started and what still holds its output open."""
    child.kill()
    with suppress(subprocess.TimeoutExpired):
        child.wait(_LAST_BREATH)
    if child.stdout is not None:
        child.stdout.close()


def _complaint(text: bytes) -> str:
    """Return the lines in which dcm2niix says what is wrong, without paths."""
    lines = text.decode(errors="replace").splitlines()
    telling = [
        line.strip() for line in lines if re.match(r"\s*(error|warning|unsupported|unable)", line, re.IGNORECASE)
    ]
    known = (_PATHS.sub("(a path)", _HERE.sub("the series", line)) for line in telling)
    return "; ".join(dict.fromkeys(known))[:300] or "it gives no reason"
