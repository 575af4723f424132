"""Archives: zip, and tar as it is or compressed by gzip, bzip2, xz or zstd; unpacked into a folder of our own.

Comes in: what a walk found. Goes out: the same with the contents of its archives in their place. Archives are read once
from start to end; nothing of them is believed: names that lead elsewhere, links, devices, what grows like a bomb and
what breaks off are set aside with the reason, and what was read until then stays.
"""

from __future__ import annotations

import lzma
import math
import os
import posixpath
import stat
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast

from bidsflow.dataset.write import storage_errors
from bidsflow.dicom.pile import shelve_files
from bidsflow.dicom.series import File, SetAside
from bidsflow.dicom.source import MAX_RATIO, MAX_UNCHECKED
from bidsflow.digest import Number
from bidsflow.errors import StorageError
from bidsflow.sources.folder import Found

#: Archives in archives, as a PACS sends an export of exports.
MAX_NESTED: Final = 3
#: Folders in folders, and bytes of a name (`NAME_MAX` of nearly every file system).
MAX_PARTS: Final = 64
MAX_NAME: Final = 255
#: A header of a tar archive that asks for more at once is made to fill the memory.
MAX_AT_ONCE: Final = 16 * 1024 * 1024
#: What stays free on a disk that is unpacked to.
RESERVE: Final = 256 * 1024 * 1024

_CHUNK: Final = 1024 * 1024
_BLOCK: Final = 512
_SUFFIXES: Final = (
    ".zip", ".tar", ".tgz", ".tar.gz", ".tbz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".tzst", ".tar.zst",
)  # fmt: skip
_ZIP: Final = b"PK\x03\x04"
#: How a member is encrypted (APPNOTE.TXT 4.4.4, bit 0).
_ENCRYPTED: Final = 1
#: How a name is written (APPNOTE.TXT 4.4.4, bit 11).
_UTF8: Final = 0x800
_LOCKED: Final = "encrypted"
_LINK: Final = "a link that leads out of its archive, or to nothing in it"
_DEVICE: Final = "a device or a pipe in an archive"
#: No path is longer (`PATH_MAX`).
_MAX_LINK: Final = 4096

#: Tells how many bytes of how many have been read from archives.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What was found, archives unpacked.

    Attributes
    ----------
    found : Found
        Files, and what was set aside.
    origins : tuple of (str, str)
        Folders that archives were unpacked to, and the paths that people know them by.
    """

    found: Found
    origins: tuple[tuple[str, str], ...] = ()


class _BrokenError(Exception):
    """An archive cannot be read on; the text says why."""


class _MemberError(Exception):
    """A member of an archive cannot be read; the next may."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A file in an archive: its name as it stands there, its bytes, and why it is not unpacked (``""``: it is).

    A link is never made; where it leads, as a name in the archive, tells whether anything is lost with it.
    """

    name: str
    pieces: Iterator[bytes]
    refused: str = ""
    leads_to: str = ""


def find_archives(files: Sequence[File], exports: Sequence[Path]) -> list[File]:
    """Return the files that are archives: those that are named so, and those that were given by themselves."""
    given = {os.path.abspath(export) for export in exports}  # noqa: PTH100 - as `find_files`, which follows no link
    return [
        file
        for file in files
        if (file.path.lower().endswith(_SUFFIXES) or file.path in given) and _kind(file.path) is not None
    ]


def unpack(
    found: Found, exports: Sequence[Path], folder: Path, progress: Progress = lambda done, total: None
) -> Unpacked:
    """Unpack the archives among some files, and the archives in them.

    Parameters
    ----------
    found : Found
        From `find_files`.
    exports : sequence of Path
        As the user gave them.
    folder : Path
        Empty, and private.
    progress : callable
        Called now and then with the bytes read and their number.

    Raises
    ------
    StorageError
        If the disk of the folder has no room.
    """
    archives = find_archives(found.files, exports)
    if not archives:
        return Unpacked(found)
    taken = {file.path for file in archives}
    files = [file for file in found.files if file.path not in taken]
    aside = list(found.set_aside)
    origins: list[tuple[str, str]] = []
    total, before = sum(file.size for file in archives), 0
    pending = [(file.path, file.path, 1) for file in archives]
    for number, (path, shown, depth) in enumerate(pending):
        into = folder / str(number)
        into.mkdir(mode=0o700)
        origins.append((str(into), shown))
        size = os.path.getsize(path)  # noqa: PTH202
        here = before if depth == 1 else None
        for one in _unpack_one(path, shown, into, _within(progress, here, total)):
            if isinstance(one, SetAside):
                aside.append(one)
            elif one.path.lower().endswith(_SUFFIXES) and _kind(one.path) is not None:
                inner = shown + one.path.removeprefix(str(into))
                if depth == MAX_NESTED:
                    reason = f"archives in archives, deeper than {MAX_NESTED}: unpack it first"
                    aside.append(SetAside(inner, reason, lost=True))
                else:
                    pending.append((one.path, inner, depth + 1))
            else:
                files.append(one)
        if depth == 1:
            before += size
        else:
            os.unlink(path)  # noqa: PTH108 - our own copy, of which the contents stand beside
    ordered = shelve_files().pile(sorted(files, key=lambda file: file.path))
    return Unpacked(Found(ordered, tuple(sorted(aside, key=lambda one: one.path))), tuple(origins))


def _within(progress: Progress, before: int | None, total: int) -> Callable[[int], None]:
    """Return what tells of the bytes read of one archive; of archives in archives, nothing."""
    return lambda done: None if before is None else progress(before + done, total)


def _unpack_one(path: str, shown: str, into: Path, tell: Callable[[int], None]) -> Iterator[File | SetAside]:
    """Yield the files of an archive, unpacked, and what was set aside, the archive itself too if it is damaged."""
    n_files = encrypted = 0
    links: list[tuple[str, str]] = []
    try:
        for member in (_read_zip if _kind(path) == "zip" else _read_tar)(path, into, tell):
            parts, reason = _place(member.name)
            reason = member.refused or reason
            if reason == _LOCKED:
                encrypted += 1
            elif reason == _LINK:
                links.append((f"{shown}/{'/'.join(parts)}", member.leads_to))
            elif reason:
                yield SetAside(f"{shown}/{'/'.join(parts) or '?'}", reason, lost=True)
            else:
                try:
                    yield _write(into, parts, member.pieces)
                    n_files += 1
                except _MemberError as error:
                    yield SetAside(f"{shown}/{'/'.join(parts)}", str(error), lost=True)
    except _BrokenError as error:
        yield SetAside(shown, f"{error}; {n_files} files were read before that", lost=True)
    yield from (_tell_link(link, target, into) for link, target in links)
    if encrypted:
        reason = f"{encrypted} of its files are encrypted: unpack it with its password first"
        yield SetAside(shown, reason, lost=True)


def _tell_link(link: str, target: str, into: Path) -> SetAside:
    """Return what is said of a link in an archive: of what the archive holds, and was unpacked, it is a copy."""
    parts, reason = _place(target)
    path = into.joinpath(*parts)
    if reason or not parts or not path.exists():
        return SetAside(link, _LINK, lost=True)
    return SetAside(link, f"a copy of {path}", harmless=True)


def _place(name: str) -> tuple[list[str], str]:
    """Return the parts of a member's path, and why it may not be unpacked to it (``""``: it may)."""
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        return [part for part in parts if part != ".."], "its name leads out of the archive"
    if len(parts) > MAX_PARTS or any(len(os.fsencode(part)) > MAX_NAME for part in parts):
        return parts[:1], "its name is too long"
    if not parts or any("\0" in part for part in parts):
        return [], "it has no name that a file can have"
    return parts, ""


def _write(into: Path, parts: Sequence[str], pieces: Iterator[bytes]) -> File:
    """Write a member to where it belongs, or below a folder of its own where something of that name stands.

    Raises
    ------
    _MemberError
        If its bytes cannot be read whole.
    StorageError
        If the disk is full.
    """
    with storage_errors(into):
        path, stream = _create(into, parts)
        try:
            number = Number()
            with stream:
                for piece in pieces:
                    stream.write(piece)
                    number.update(piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return File(str(path), path.stat().st_size, 0, number.value, passing=True)


def _create(into: Path, parts: Sequence[str]) -> tuple[Path, IO[bytes]]:
    for number in range(1000):
        path = into.joinpath(*([f"~{number}"] if number else []), *parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            return path, open(path, "xb", opener=_private)
        except (FileExistsError, NotADirectoryError):
            continue
        except UnicodeEncodeError:
            break
    raise _MemberError("no file can be made of its name")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _kind(path: str) -> str | None:
    """Return what kind of archive a file is, ``zip`` or ``tar``; None where it is none, or cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            if file.read(4) == _ZIP:
                return "zip"
            file.seek(0)
            with _decompressed(file) as stream:
                tarfile.TarInfo.frombuf(stream.read(_BLOCK), "utf-8", "surrogateescape")
                return "tar"
    except _BrokenError:
        return "tar"  # whoever reads it says what is missing
    except _errors():
        return None


# -- zip ---------------------------------------------------------------------------------------------------------------


def _read_zip(path: str, into: Path, tell: Callable[[int], None]) -> Iterator[_Member]:
    size = os.path.getsize(path)  # noqa: PTH202
    with _readable("a zip archive"):
        archive = zipfile.ZipFile(path)
    with archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        need = sum(info.file_size for info in members)  # more is not read of any of them
        _check_growth(need, size)
        _check_room(into, need)
        for info in members:
            kind, name = stat.S_IFMT(info.external_attr >> 16), _name(info)
            if info.flag_bits & _ENCRYPTED:
                yield _Member(name, iter(()), _LOCKED)
            elif kind == stat.S_IFLNK:
                yield _Member(name, iter(()), _LINK, _follow(name, _read_link(archive, info)))
            elif kind not in (0, stat.S_IFREG):
                yield _Member(name, iter(()), _DEVICE)
            else:
                yield _Member(name, _zip_pieces(archive, info))
            tell(min(size, info.header_offset + info.compress_size))


def _read_link(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    try:
        return b"".join(_zip_pieces(archive, info)).decode() if info.file_size <= _MAX_LINK else ""
    except (_MemberError, UnicodeError):
        return ""


def _follow(name: str, target: str) -> str:
    """Return where a symbolic link leads, as a name in its archive; ``""`` where that is outside."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)) if target else ""
    return "" if path.startswith(("/", "..")) else path


def _name(info: zipfile.ZipInfo) -> str:
    """Return the name of a member: many programs write UTF-8 and do not say so."""
    if info.flag_bits & _UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode()
    except UnicodeError:
        return info.filename


def _zip_pieces(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        with archive.open(info) as stream:
            while piece := stream.read(_CHUNK):
                yield piece
    except NotImplementedError as error:
        raise _MemberError("compressed in a way that is not known here: unpack its archive first") from error
    except _errors() as error:
        raise _MemberError("damaged in its archive: fetch that again") from error


def _check_room(into: Path, need: int) -> None:
    """Refuse to begin what cannot be finished.

    Raises
    ------
    StorageError
        If the disk has less room than the archive says it needs.
    """
    status = os.statvfs(into)
    free = status.f_bavail * status.f_frsize
    if need > free - RESERVE:
        wanted, there = math.ceil((need + RESERVE) / 1e6), int(free / 1e6)
        reason = f"not enough space: to unpack an archive, {wanted} MB have to be free, and {there} MB are"
        raise StorageError(str(into.parent), f"{reason} (or unpack it on another disk, and give the folder)")


def _check_growth(given: int, packed: int) -> None:
    if given > MAX_UNCHECKED and given > MAX_RATIO * packed:
        raise _BrokenError(f"an archive that grows beyond {MAX_RATIO} times its size, like a bomb")


# -- tar ---------------------------------------------------------------------------------------------------------------


def _read_tar(path: str, into: Path, tell: Callable[[int], None]) -> Iterator[_Member]:
    with open(path, "rb") as file, _decompressed(file) as stream:  # noqa: PTH123
        forward = _Forward(stream, file)
        with _readable("a tar archive"):
            archive = tarfile.TarFile(fileobj=cast("IO[bytes]", forward), errorlevel=2)
        while True:
            with _readable("a tar archive"):
                info = archive.next()
            if info is None:
                break
            archive.members = []  # type: ignore[attr-defined]  # else all are kept
            if info.isreg():
                _check_room(into, info.size)
                yield _Member(info.name, _tar_pieces(archive, info))
            elif info.issym():
                yield _Member(info.name, iter(()), _LINK, _follow(info.name, info.linkname))
            elif info.islnk():
                yield _Member(info.name, iter(()), _LINK, info.linkname)
            elif not info.isdir():
                yield _Member(info.name, iter(()), _DEVICE)
            tell(file.tell())
        if not forward.last or forward.last.strip(b"\0"):  # empty blocks end an archive (POSIX, pax and ustar)
            raise _BrokenError("a tar archive that breaks off: fetch it again")


def _tar_pieces(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    with _readable("a tar archive"):
        stream, left = archive.extractfile(info), info.size
        while stream is not None and left:
            piece = stream.read(min(left, _CHUNK))
            if not piece:
                raise EOFError
            left -= len(piece)
            yield piece


class _Forward:
    """A stream that is read forward only, never much at once, and that notices when it grows like a bomb.

    Attributes
    ----------
    last : bytes
        What was read last.
    """

    def __init__(self, stream: IO[bytes], packed: IO[bytes]) -> None:
        self._stream, self._packed = stream, packed
        self._at = 0
        self.last = b""

    def tell(self) -> int:
        return self._at

    def seek(self, to: int) -> int:
        """Go on to an offset.

        Raises
        ------
        ValueError
            If it lies before what was read.
        """
        if to < self._at:
            raise ValueError("a tar archive whose members overlap")
        while self._at < to and self.read(min(to - self._at, _CHUNK)):
            pass
        return self._at

    def read(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end only.

        Raises
        ------
        ValueError
            If more is asked for than an honest header needs.
        """
        if not 0 <= count <= MAX_AT_ONCE:
            raise ValueError("a tar archive with a header that is too long")
        pieces = []
        while count and (piece := self._stream.read(count)):
            pieces.append(piece)
            count -= len(piece)
        self.last = b"".join(pieces)
        self._at += len(self.last)
        _check_growth(self._at, self._packed.tell())
        return self.last


def _decompressed(file: IO[bytes]) -> IO[bytes]:
    """Return a stream of what a file holds, told by its first bytes.

    Raises
    ------
    _BrokenError
        If what decompresses it is not installed.
    """
    head = file.read(6)
    file.seek(0)
    if head.startswith(b"\x1f\x8b"):
        from isal import igzip

        return cast("IO[bytes]", igzip.IGzipFile(fileobj=file, mode="rb"))
    if head.startswith(b"BZh"):
        import bz2

        return bz2.BZ2File(file)
    if head == b"\xfd7zXZ\0":
        return lzma.LZMAFile(file)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        try:
            import zstandard
        except ImportError as error:
            raise _BrokenError("compressed by zstd: pip install 'bidsflow[zstd]', or unpack it first") from error
        return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))
    return file


@contextmanager
def _readable(what: str) -> Iterator[None]:
    """Turn whatever a reader says of damaged bytes into one error."""
    try:
        yield
    except _errors() as error:
        raise _BrokenError(f"{what} that breaks off or is damaged: fetch it again") from error


def _errors() -> tuple[type[Exception], ...]:
    """Return what the readers of archives and of compressed bytes raise where these are damaged."""
    from isal import isal_zlib

    known = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile)
    zstandard = sys.modules.get("zstandard")
    others = (isal_zlib.error, *((zstandard.ZstdError,) if zstandard else ()))
    return *known, *cast("tuple[type[Exception], ...]", others)
