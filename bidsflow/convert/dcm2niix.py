"""Drive dcm2niix: one series in, its images out, matched to what was planned. Knows nothing of BIDS names."""

from __future__ import annotations

import gzip
import json
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from bidsflow.convert.nifti import read_announced_size, read_shape
from bidsflow.dataset.write import storage_errors
from bidsflow.dicom.images import is_noise
from bidsflow.dicom.series import Image, Instance, Inventory, Series
from bidsflow.dicom.source import is_gzip
from bidsflow.dicom.text import quiet_pydicom
from bidsflow.errors import ConversionError, StorageError, ToolError

_NAME = "image"
#: What dcm2niix appends to the name of an image that it computed itself, or that it made of an overlay (ROI).
_COMPUTED = re.compile(r"_(?:ADC|TRACE\w*|FA|Eq(?:_\d+)?|Tilt(?:_\d+)?|Crop(?:_\d+)?|MoCo|ROI\d+)$")
#: What it appends to the name of the whole of a diffusion series from which it took volumes that are weighted and have
#: no direction: Philips appends a trace, or an ADC.
_WHOLE = "_ADC"
#: What it appends to the name of an image without excitation.
_NOISE_MARK = "_noRF"
_COMPONENT_MARKS = (("_ph", "phase"), ("_real", "real"), ("_imaginary", "imaginary"))
#: Echo times that agree to this (ms) are the same; sidecars carry seconds with six digits.
_SAME_ECHO = 0.02
#: Bytes that are compressed at once; more than the caches hold take a quarter longer.
_CHUNK = 256 << 10
#: A disk with less space than this (bytes) is full.
_SCARCE = 1 << 20
#: What dcm2niix says when a write fails; it then removes what it wrote, so that the disk looks as if it had room.
_NO_ROOM = re.compile(rb"\(disk full\?\)|no space left on device|disk quota exceeded", re.IGNORECASE)
#: Where it names the folder that it reads, or a file with all that follows: paths may hold blanks, and names of people.
_HERE = re.compile(r"(?<!\S)\.(?!\S)")
_PATHS = re.compile(r"\.?(?<!\w)/.*")
#: What glibc reads: it spares dcm2niix page faults (a tenth of the time that ten thousand small files take).
_LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
#: Seconds that any series may take, and the bytes of DICOM per second that even a slow network disk can be read with.
#: dcm2niix itself reads more than a hundred times as many.
_PATIENCE = 900.0
_SLOWEST = 200_000
#: Seconds after which a process that was killed is left to the system, which may wait for a disk that is gone.
_LAST_BREATH = 10.0


@dataclass(frozen=True, slots=True)
class Output:
    """One image that dcm2niix wrote.

    Attributes
    ----------
    nifti : Path
        The uncompressed image.
    sidecar : dict
        Its JSON.
    tables : dict of str to Path
        Its other companions by extension: ``.bval``, ``.bvec``.
    shape : tuple of int
        Size in voxels along each dimension of the file, up to the last that is not 1.
    whole : int
        Volumes before dcm2niix took computed ones out (a trace, an ADC); 0 where it took none.
    """

    nifti: Path
    sidecar: dict[str, object]
    tables: dict[str, Path]
    shape: tuple[int, ...]
    whole: int = 0

    @property
    def stem(self) -> str:
        """Name without extension, with the marks that dcm2niix appended."""
        return self.nifti.name.removesuffix(".nii")

    @property
    def component(self) -> str:
        """Which part of the complex signal it holds."""
        for mark, name in _COMPONENT_MARKS:
            if mark in self.stem:
                return name
        kinds = self.sidecar.get("ImageType")
        words = [str(word) for word in kinds] if isinstance(kinds, list) else []
        return next((name for name in ("phase", "real", "imaginary") if name.upper() in words), "magnitude")

    @property
    def echo_time(self) -> float:
        """In milliseconds, 0 where unknown."""
        value = self.sidecar.get("EchoTime")
        return float(value) * 1000 if isinstance(value, (int, float)) else 0.0

    @property
    def b_values(self) -> str:
        """The text of its ``.bval``, ``""`` where there is none."""
        table = self.tables.get(".bval")
        return table.read_text(errors="replace") if table is not None else ""

    @property
    def volumes(self) -> int:
        """Number of volumes."""
        return self.shape[3] if len(self.shape) > 3 else 1


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


def lay_out(series: Series, instances: Sequence[Instance], folder: Path, packed: Set[str]) -> None:
    """Lay files of a series out for dcm2niix, without copying them.

    Hard links are made where the file system takes them (they cost an eighth of symbolic ones), symbolic ones
    elsewhere. What dcm2niix does not read as it is, it gets as a copy: files compressed by gzip, files without the
    preamble of DICOM, and parts of a series under UIDs of their own, which get one UID and one numbering.

    Parameters
    ----------
    series : Series
        The series.
    instances : sequence of Instance
        Those of its instances that are wanted.
    folder : Path
        Where to.
    packed : set of str
        Paths of the files that are compressed by gzip.
    """
    for rank, instance in enumerate(instances):
        path, target = instance.file.path, f"{folder}/{rank:06d}.dcm"
        if series.parts > 1:
            _write_again(path, Path(target), {"SeriesInstanceUID": series.uid, "InstanceNumber": rank + 1})
        elif "no DICOM preamble" in instance.header.problems:
            _write_again(path, Path(target))
        elif path in packed:
            with gzip.open(path) as source, Path(target).open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
        else:
            _link(path, target)


def _link(path: str, target: str) -> None:
    try:
        if os.path.islink(path):  # noqa: PTH114 - a Path costs as much as the link
            path = os.path.realpath(path)  # a link to the link would dangle
        os.link(path, target)
    except OSError:
        os.symlink(path, target)  # noqa: PTH211


def find_own_folders(inventory: Inventory) -> dict[str, tuple[Path, int]]:
    """Return the folders that dcm2niix may read as they are, and the files known in them, by SeriesInstanceUID.

    Such a folder holds every file of one series and nothing else that dcm2niix would take for an image. Most exports
    have one folder per series, and laying thousands of files out again costs more than converting them. No file is
    opened here; see `reads_in_place`.
    """
    tenants: dict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    homes: dict[str, Counter[str]] = {}
    for series in inventory.series:
        found = homes[series.uid] = Counter(os.path.dirname(one.file.path) for one in series.instances)  # noqa: PTH120
        counts.update(found)
        for folder in found:
            tenants[folder].add(series.uid)
    for aside in inventory.set_aside:
        folder = os.path.dirname(aside.path)  # noqa: PTH120
        counts[folder] += 1
        if aside.reason not in ("not DICOM", "empty file"):
            tenants[folder].add(aside.path)
    own: dict[str, tuple[Path, int]] = {}
    for series in inventory.series:
        folder = next(iter(homes[series.uid]))
        if len(homes[series.uid]) == 1 and tenants[folder] == {series.uid} and series.parts == 1:
            own[series.uid] = Path(folder), counts[folder]
    return own


def reads_in_place(instances: Sequence[Instance], folder: Path, known: int, packed: Set[str]) -> bool:
    """Return whether all files of a folder are those that the inventory knows, and none needs a copy.

    Parameters
    ----------
    instances : sequence of Instance
        Those of the series that the folder is of.
    folder, known : Path, int
        See `find_own_folders`.
    packed : set of str
        Paths of the files that are compressed by gzip.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    if packed or any("no DICOM preamble" in one.header.problems for one in instances):
        return False
    with os.scandir(folder) as entries:
        return sum(not entry.is_dir() for entry in entries) == known


#: What keeps pydicom quiet concerns all threads.
_ONE_AT_A_TIME = threading.Lock()


def _write_again(path: str, target: Path, changes: Mapping[str, object] = MappingProxyType({})) -> None:
    """Write a copy of a file as PS3.10 wants it, with some values changed."""
    import pydicom

    with (
        _ONE_AT_A_TIME,
        quiet_pydicom("ignore"),
        gzip.open(path) if is_gzip(path) else Path(path).open("rb") as stream,
    ):
        dataset = pydicom.dcmread(stream, force=True)
        dataset.preamble = bytes(128)
        dataset.update(changes)
        if "TransferSyntaxUID" not in dataset.file_meta:
            explicit = not dataset.original_encoding[0]
            dataset.file_meta.TransferSyntaxUID = (
                pydicom.uid.ExplicitVRLittleEndian if explicit else pydicom.uid.ImplicitVRLittleEndian
            )
        dataset.save_as(target, enforce_file_format=True)


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
        kind = "o" if sidecars_only else "y"
        # -g i: what a file ~/.dcm2nii.ini says must not change a result
        command = [self.program, "-g", "i", "-d", "0", "-b", kind, "-ba", "y", "-z", "n", "-f", _NAME]
        limit = self._patience + sum(one.file.size for one in series.instances) / _SLOWEST
        try:
            code, said = self._call([*command, "-o", os.path.abspath(target), "."], source, limit)  # noqa: PTH100
        except subprocess.TimeoutExpired as error:
            hint = "it hangs, or the disk does not answer"
            raise ConversionError(series.title, f"dcm2niix was stopped after {limit / 60:.0f} min: {hint}") from error
        _raise_if_full(target)
        if _NO_ROOM.search(said):
            _claim_room(target, sum(2 * math.prod(image.matrix) * image.volumes for image in series.images))
            raise StorageError(str(target.parent), "dcm2niix could not write its files there")
        if code < 0:
            raise ConversionError(series.title, f"dcm2niix was killed (signal {-code})")
        try:
            outputs = collect(target, sidecars_only=sidecars_only)
        except (ValueError, struct.error) as error:
            _claim_room(target, _SCARCE)
            raise ConversionError(series.title, "dcm2niix wrote a file that cannot be read") from error
        if not outputs:
            raise ConversionError(series.title, f"dcm2niix refuses it (exit code {code}): {_complaint(said)}")
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
                    env=_LARGE_PAGES | os.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                if error.filename == folder:
                    raise
                raise ToolError("dcm2niix", f"it cannot be started ({error.strerror})") from error
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


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill a process, and do not wait for what it may have started and what still holds its output open."""
    child.kill()
    with suppress(subprocess.TimeoutExpired):
        child.wait(_LAST_BREATH)
    if child.stdout is not None:
        child.stdout.close()


def _raise_if_full(folder: Path) -> None:
    space = os.statvfs(folder)
    if space.f_bavail * space.f_frsize < _SCARCE or (space.f_files and not space.f_favail):
        raise StorageError(str(folder.parent), "the disk is full")


def _claim_room(folder: Path, size: int) -> None:
    """Find out whether a folder takes a file of a size; only asking for the space shows a quota.

    Raises
    ------
    StorageError
        If it does not.
    """
    with storage_errors(folder.parent), tempfile.TemporaryFile(dir=folder) as probe:
        os.posix_fallocate(probe.fileno(), 0, max(size, _SCARCE))


def _complaint(text: bytes) -> str:
    """Return the lines in which dcm2niix says what is wrong, without paths."""
    lines = text.decode(errors="replace").splitlines()
    telling = [
        line.strip() for line in lines if re.match(r"\s*(error|warning|unsupported|unable)", line, re.IGNORECASE)
    ]
    known = (_PATHS.sub("(a path)", _HERE.sub("the series", line)) for line in telling)
    return "; ".join(dict.fromkeys(known))[:300] or "it gives no reason"


def collect(folder: Path, *, sidecars_only: bool = False) -> tuple[Output, ...]:
    """Return the images in a folder that dcm2niix wrote to, in the order of their names."""
    outputs = []
    for sidecar in sorted(folder.glob("*.json")):
        nifti = sidecar.with_suffix(".nii")
        if not sidecars_only and not nifti.exists():
            continue
        tables = {ext: path for ext in (".bval", ".bvec") if (path := sidecar.with_suffix(ext)).exists()}
        # dcm2niix copies control characters of the header as they are
        content = json.loads(sidecar.read_text(encoding="utf-8", errors="replace"), strict=False)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 - told like text that is no JSON at all
        outputs.append(Output(nifti, content, tables, () if sidecars_only else read_shape(nifti)))
    known = {output.nifti for output in outputs}
    for nifti in sorted(folder.glob("*.nii")):
        if nifti not in known:
            outputs.append(Output(nifti, {}, {}, read_shape(nifti)))
    return tuple(outputs)


def match_outputs(series: Series, outputs: Sequence[Output]) -> dict[int, Output]:
    """Return which output is which image of a series, by the rank of the image (from 1).

    What dcm2niix computed itself (an ADC, a trace), or made of an overlay, is left out; where nothing else came out,
    the series is that. Everything else must be one image of the series.

    Raises
    ------
    ConversionError
        If an image has no output, or an output is no image: dcm2niix splits the series otherwise than its headers do.
    """
    wholes = {output.stem.removesuffix(_WHOLE): output.volumes for output in outputs if output.stem.endswith(_WHOLE)}
    kept = [output for output in outputs if not _COMPUTED.search(output.stem)] or list(outputs)
    left = [
        replace(output, whole=wholes[output.stem]) if wholes.get(output.stem, 0) > output.volumes else output
        for output in kept
    ]
    found: dict[int, Output] = {}
    if len(left) == len(series.images) == 1:
        return {1: left[0]}
    for rank, image in enumerate(series.images, start=1):
        fits = [output for output in left if _fits(image, output, several=len(series.images) > 1)]
        if len(fits) > 1:
            fits = [output for output in fits if output.volumes == image.volumes]
        if len(fits) == 1:
            found[rank] = fits[0]
            left.remove(fits[0])
    if left or len(found) < len(series.images):
        planned, made = len(series.images), len(outputs)
        raise ConversionError(
            series.title,
            f"dcm2niix splits it otherwise than planned: {planned} image{'s' if planned > 1 else ''} planned, "
            f"{made} made ({', '.join(output.stem.removeprefix(_NAME) or 'plain' for output in outputs)})",
        )
    return found


def _fits(image: Image, output: Output, *, several: bool) -> bool:
    if output.component != image.component or (several and is_noise(image.header) != (_NOISE_MARK in output.stem)):
        return False
    if several and image.echo_time and output.echo_time and abs(image.echo_time - output.echo_time) > _SAME_ECHO:
        return False
    directions = output.sidecar.get("ImageOrientationPatientDICOM")
    if several and isinstance(directions, list) and image.orientation:
        return all(abs(float(one) - two) < 0.02 for one, two in zip(directions, image.orientation, strict=False))
    return True


def check_output(series: Series, image: Image, output: Output) -> None:
    """Make sure that an output is whole, and has the voxels and volumes that its headers announce.

    Raises
    ------
    ConversionError
        If it has not.
    StorageError
        If it is not whole because the disk is full, or a quota is reached.
    """
    missing = read_announced_size(output.nifti) - output.nifti.stat().st_size
    if missing > 0:
        _claim_room(output.nifti.parent, missing)
        raise ConversionError(series.title, "dcm2niix wrote less than its own header announces")
    if image.volumes not in (output.volumes, output.whole):
        raise ConversionError(
            series.title, f"dcm2niix made {output.volumes} volumes where the headers announce {image.volumes}"
        )
    if sorted(output.shape[:3]) != sorted(image.matrix):
        made, announced = ("x".join(map(str, size)) for size in (output.shape[:3], image.matrix))
        raise ConversionError(series.title, f"dcm2niix made {made} voxels where the headers announce {announced}")


def note_left_out(output: Output) -> tuple[str, ...]:
    """Return what a person should know of volumes that an output lacks, a clause."""
    if not output.whole:
        return ()
    count = output.whole - output.volumes
    return (f"{count} of {output.whole} volumes left out, weighted without a direction (a trace or an ADC)",)


def compress(source: Path, target: Path, scrub: Callable[[bytes], bytes]) -> None:
    """Compress an image deterministically (no name and no time in the gzip header) and durably; remove its source.

    Parameters
    ----------
    source, target : Path
        The ``.nii`` and the ``.nii.gz``.
    scrub : callable
        Gets the first bytes of the file, at least its header, and returns them cleaned.
    """
    from isal import isal_zlib

    packer = isal_zlib.compressobj(level=3, wbits=31)
    with source.open("rb") as stream, target.open("wb") as out:
        chunk = scrub(stream.read(_CHUNK))
        while chunk:
            out.write(packer.compress(chunk))
            chunk = stream.read(_CHUNK)
        out.write(packer.flush())
        out.flush()
        os.fsync(out.fileno())  # here, in a thread, so that the commit does not wait for the disk
    source.unlink()
