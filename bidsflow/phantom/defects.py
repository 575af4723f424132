"""What goes wrong on the way from a scanner to a folder: damage to an export, on purpose.

Each function changes files of an export in place and says which. The answer key is left as it was: it says what
the export would hold if nothing had happened to it.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import struct
import warnings
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydicom import config
from pydicom.dataset import FileDataset
from pydicom.filereader import dcmread
from pydicom.filewriter import dcmwrite

from bidsflow.phantom.protocol import Session

_PREAMBLE = 132


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that was done to an export.

    Attributes
    ----------
    kind : str
        A key of `DEFECTS`.
    path : Path
        The file that was damaged or added; the export itself where all files are concerned.
    """

    kind: str
    path: Path


def list_files(export: Path) -> list[Path]:
    """Return the files of an export in order."""
    return sorted(p for p in export.rglob("*") if p.is_file())


def add_empty_file(path: Path) -> Path:
    """Write a file of no bytes beside a file."""
    out = path.with_name("empty.dcm")
    out.write_bytes(b"")
    return out


def add_text_file(path: Path) -> Path:
    """Write a text that calls itself DICOM beside a file."""
    out = path.with_name("notes.dcm")
    out.write_text("The participant wore glasses until the second scan.\n" * 20, encoding="utf-8")
    return out


def truncate_header(path: Path) -> Path:
    """Cut a file within its header."""
    path.write_bytes(path.read_bytes()[:700])
    return path


def truncate_pixels(path: Path) -> Path:
    """Cut a file within its pixels; the header stays whole."""
    ds = dcmread(path)
    path.write_bytes(path.read_bytes()[: -len(ds.PixelData) // 2])
    return path


def _rewrite(path: Path, ds: FileDataset) -> Path:
    dcmwrite(path, ds, enforce_file_format=True)
    return path


def drop_pixels(path: Path) -> Path:
    """Take the pixel data out of a file."""
    ds = dcmread(path)
    del ds.PixelData
    return _rewrite(path, ds)


def drop_series_uid(path: Path) -> Path:
    """Take the Series Instance UID out of a file."""
    ds = dcmread(path)
    del ds.SeriesInstanceUID
    return _rewrite(path, ds)


def drop_preamble(path: Path) -> Path:
    """Take the 128 empty bytes and the word DICM off a file (DICOM PS3.10 7.1)."""
    path.write_bytes(path.read_bytes()[_PREAMBLE:])
    return path


def add_zeros(path: Path) -> Path:
    """Write a file of zeros beside a file."""
    out = path.with_name("zeros.dcm")
    out.write_bytes(bytes(4096))
    return out


def _add_raw(path: Path, name: str, body: bytes, syntax: str = "1.2.840.10008.1.2.1") -> Path:
    """Write a DICOM file of which only the meta information is honest beside a file (PS3.10 section 7.1)."""
    uid = f"{syntax}\0".encode() if len(syntax) % 2 else syntax.encode()
    meta = b"\x02\0\x10\0UI" + struct.pack("<H", len(uid)) + uid
    out = path.with_name(name)
    out.write_bytes(bytes(128) + b"DICM" + b"\x02\0\0\0UL\x04\0" + struct.pack("<I", len(meta)) + meta + body)
    return out


def add_deep_sequences(path: Path) -> Path:
    """Write a file of 20 000 sequences, one within the other, beside a file (RequestAttributesSequence)."""
    opened = b"\x40\0\x75\x02SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closed = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    return _add_raw(path, "deep.dcm", 20_000 * opened + 20_000 * closed)


def add_endless_element(path: Path) -> Path:
    """Write a file with an element that claims four gigabytes beside a file."""
    return _add_raw(path, "endless.dcm", b"\x09\0\x10\x10UN\0\0\xfe\xff\xff\xff" + bytes(100))


def add_bomb(path: Path) -> Path:
    """Write a file of 300 kB that inflates to 300 MB beside a file (PS3.5 annex A.5, deflated)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(1 << 20)
    body = b"".join([*(packer.compress(block) for _ in range(300)), packer.flush()])
    return _add_raw(path, "bomb.dcm", body, "1.2.840.10008.1.2.1.99")


def _set(path: Path, **values: object) -> Path:
    """Give elements of a file values that no scanner writes."""
    with config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = dcmread(path)
        for keyword, value in values.items():
            setattr(ds, keyword, value)
        return _rewrite(path, ds)


def claim_matrix(path: Path) -> Path:
    """Let a file claim 65535 rows and columns."""
    return _set(path, Rows=65535, Columns=65535)


def claim_frames(path: Path) -> Path:
    """Let a file claim two thousand million frames."""
    return _set(path, NumberOfFrames=2**31 - 1)


def drop_rows(path: Path) -> Path:
    """Let a file say that it has no rows."""
    return _set(path, Rows=0)


def write_on_image(path: Path) -> Path:
    """Let a file say that something is written on its image, as programs do that print the name onto it."""
    return _set(path, BurnedInAnnotation="YES")


def drop_instance_uid(path: Path) -> Path:
    """Take the SOP Instance UID out of a file, its meta information included."""
    ds = dcmread(path)
    del ds.SOPInstanceUID
    del ds.file_meta.MediaStorageSOPInstanceUID
    dcmwrite(path, ds, enforce_file_format=False)
    return path


def set_path_as_uid(path: Path) -> Path:
    """Let the SOP Instance UID of a file be a path that leads elsewhere."""
    return _set(path, SOPInstanceUID="../../../evil")


def lengthen_uid(path: Path) -> Path:
    """Give a file a Series Instance UID of 80 characters; DICOM allows 64 (PS3.5 section 9.1)."""
    return _set(path, SeriesInstanceUID="1." + "23456789" * 9 + "012345")


def drop_file(path: Path) -> Path:
    """Lose a file, as when a transfer stops."""
    path.unlink()
    return path


def copy_instance(path: Path) -> Path:
    """Put an identical copy of an image beside it."""
    out = path.with_name(f"{path.stem}_copy{path.suffix}")
    shutil.copyfile(path, out)
    return out


def clash_instance(path: Path) -> Path:
    """Put another image with the same SOP Instance UID beside an image."""
    ds = dcmread(path)
    data = bytearray(ds.PixelData)
    data[: len(data) // 2] = bytes(len(data) // 2)
    ds.PixelData = bytes(data)
    return _rewrite(path.with_name(f"{path.stem}_clash{path.suffix}"), ds)


def compress_files(export: Path) -> Path:
    """Replace every file by a gzip of it, without name and time."""
    for path in list_files(export):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 1, mtime=0))
        path.unlink()
    return export


def strip_extensions(export: Path) -> Path:
    """Take the extension off every file."""
    for path in list_files(export):
        path.rename(path.with_suffix(""))
    return export


def flatten_folders(export: Path) -> Path:
    """Move all files into one folder, numbered, series mixed."""
    files = list_files(export)
    # Neighbours in the list come from different series.
    mixed = sorted(range(len(files)), key=lambda i: (i * 7919 % len(files), i))
    for number, index in enumerate(mixed):
        files[index].rename(export / f"IM{number:06d}.dcm")
    for folder in sorted((p for p in export.rglob("*") if p.is_dir()), reverse=True):
        folder.rmdir()
    return export


def send_again(export: Path, out: Path, **changes: str) -> Path:
    """Write a copy of an export as an archive sends it that gives UIDs anew: the same for the same, none as before.

    Parameters
    ----------
    export : Path
        The folder with the files.
    out : Path
        Where to write the copy.
    changes : str
        Further elements by keyword, such as a PatientID.
    """
    out.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(list_files(export)):
        ds = dcmread(path)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "FrameOfReferenceUID"):
            digest = hashlib.sha256(str(ds.get(keyword, "")).encode()).digest()
            setattr(ds, keyword, f"2.25.{int.from_bytes(digest[:14], 'big')}")
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        for keyword, value in changes.items():
            setattr(ds, keyword, value)
        _rewrite(out / f"{number:06d}.dcm", ds)
    return out


def share_patient_id(sessions: Sequence[Session]) -> tuple[Session, ...]:
    """Return the sessions with the PatientID of the first for all; name and birth date differ.

    Examples
    --------
    >>> from bidsflow.phantom.protocol import make_sessions
    >>> {s.subject.patient_id for s in share_patient_id(make_sessions(2))}
    {'PHANTOM00001'}
    """
    first = sessions[0].subject.patient_id
    return tuple(replace(s, subject=replace(s.subject, patient_id=first)) for s in sessions)


#: Damage to one file, by name.
FILE_DEFECTS: dict[str, Callable[[Path], Path]] = {
    "empty": add_empty_file,
    "text": add_text_file,
    "header-cut": truncate_header,
    "pixels-cut": truncate_pixels,
    "no-pixels": drop_pixels,
    "no-series-uid": drop_series_uid,
    "no-preamble": drop_preamble,
    "zeros": add_zeros,
    "deep": add_deep_sequences,
    "endless": add_endless_element,
    "bomb": add_bomb,
    "matrix": claim_matrix,
    "frames": claim_frames,
    "no-rows": drop_rows,
    "written-on": write_on_image,
    "no-instance-uid": drop_instance_uid,
    "path-uid": set_path_as_uid,
    "long-uid": lengthen_uid,
    "lost": drop_file,
    "copy": copy_instance,
    "clash": clash_instance,
}
#: What can happen to an export as a whole, by name.
EXPORT_DEFECTS: dict[str, Callable[[Path], Path]] = {
    "gzip": compress_files,
    "no-extension": strip_extensions,
    "flat": flatten_folders,
}


def inject_defects(export: Path, kinds: Sequence[str]) -> tuple[Defect, ...]:
    """Damage an export in several ways at once; every damaged file is another one.

    Parameters
    ----------
    export : Path
        The folder with the files, ``dicom`` of what `write` wrote.
    kinds : sequence of str
        Keys of `FILE_DEFECTS` and `EXPORT_DEFECTS`; the latter come last.

    Raises
    ------
    ValueError
        A kind that is not known, or more kinds than files.
    """
    unknown = [k for k in kinds if k not in FILE_DEFECTS and k not in EXPORT_DEFECTS]
    if unknown:
        known = ", ".join((*FILE_DEFECTS, *EXPORT_DEFECTS))
        raise ValueError(f"{unknown[0]!r} is no defect; known are {known}")
    single = [k for k in kinds if k in FILE_DEFECTS]
    files = list_files(export)
    if len(single) > len(files):
        raise ValueError(f"{len(single)} defects need as many files; {export} has {len(files)}")
    step = max(1, len(files) // (len(single) + 1))
    out = [Defect(kind, FILE_DEFECTS[kind](files[i * step])) for i, kind in enumerate(single)]
    out += [Defect(kind, EXPORT_DEFECTS[kind](export)) for kind in kinds if kind in EXPORT_DEFECTS]
    return tuple(out)
