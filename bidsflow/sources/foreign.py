"""What a file is that is not DICOM, told by its first bytes, and what to do with it. Pure.

Exports come packed, come as raw data, or turn out to be somebody's results: "not DICOM" is true of all of them and
helps with none. Names are looked at only where a format has no mark of its own.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Final

#: How much of a file has to be known: an ISO image has its mark behind 32 KiB (ECMA-119 section 8.1.2).
HEAD_BYTES: Final = 36 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """What a file is.

    Attributes
    ----------
    name : str
        With its article: ``a zip archive``.
    advice : str
        What to do about it, as an order; ``""`` where there is nothing to do.
    harmless : bool
        True for what no one will miss.
    packed : bool
        True for what may hold images that nobody has seen.
    """

    name: str
    advice: str = ""
    harmless: bool = False
    packed: bool = False


def _pack(name: str, advice: str) -> Content:
    return Content(name, advice, packed=True)


_CONVERTED = "give the DICOM files that it was made from: it looks like data that were converted already"
_EXPORT_IMAGES = "export the reconstructed images as DICOM"
_EXPORT_DICOM = "export the images as DICOM"

NIFTI: Final = Content("a NIfTI image", _CONVERTED)
_ANALYZE = Content("an Analyze image", _CONVERTED)
_TAR = _pack("a tar archive", "give it by itself, or call it FILE.tar, and it is read")
_OFFICE = Content("an office document", harmless=True)
_TWIX = Content("Siemens raw data (twix, k-space)", _EXPORT_IMAGES)
_PAR = Content("Philips PAR/REC", _EXPORT_DICOM)
_SPECTRA = "keep it beside the dataset, or convert it with spec2nii: bidsflow converts images only"
_PULSE = Content("a log of the monitoring unit (pulse, breathing)", harmless=True)
_NO_ARCHIVE = _pack("called an archive, and none that can be read", "fetch it again, or put its parts together first")
_PULSE_ENDS = (".puls", ".resp", ".ecg", ".ext", ".ext2")
_SPAR = Content("Philips spectroscopy (SPAR/SDAT)", _SPECTRA)

#: How archives are called, and the parts of some.
_ARCHIVE = re.compile(r"\.(zip|z\d\d|7z|rar|iso|tar|t(gz|bz2?|xz|zst)|tar\.(gz|bz2|xz|zst))(\.\d{3})?\Z", re.IGNORECASE)

#: Formats by a mark at a fixed place. Sources: the formats' own definitions (APPNOTE.TXT 4.3.7 for zip, RFC 1952 for
#: gzip, POSIX ustar, ECMA-119 for ISO images, PDF 32000 7.5.2, nifti1.h and nifti2.h); for the makers' formats the
#: readers that know them (dcm2niix for PAR, nibabel for ECAT, MINC tools for Vision, pfile-tools for P-files).
_MARKS: tuple[tuple[int, bytes, Content], ...] = (
    (0, b"PK\x03\x04", _pack("a zip archive", "give it by itself, or call it FILE.zip, and it is read")),
    (0, b"PK\x05\x06", Content("an empty zip archive")),
    (0, b"PK\x07\x08", _pack("a part of a split zip archive", "put the parts together and unpack them first")),
    (0, b"7z\xbc\xaf\x27\x1c", _pack("a 7z archive", "unpack it first: 7z x FILE -oFOLDER")),
    (0, b"Rar!\x1a\x07", _pack("a rar archive", "unpack it first: unrar x FILE FOLDER/")),
    (257, b"ustar", _TAR),
    (0, b"BZh", _pack("a file compressed by bzip2", "unpack it first: tar xf FILE, or bunzip2 FILE")),
    (0, b"\xfd7zXZ\x00", _pack("a file compressed by xz", "unpack it first: tar xf FILE, or unxz FILE")),
    (0, b"\x28\xb5\x2f\xfd", _pack("a file compressed by zstd", "unpack it first: tar xf FILE, or unzstd FILE")),
    (32769, b"CD001", _pack("an image of a disc (ISO)", "unpack it first: 7z x FILE -oFOLDER")),
    (344, b"n+1\0", NIFTI),
    (344, b"ni1\0", NIFTI),
    (4, b"n+2\0", NIFTI),
    (4, b"ni2\0", NIFTI),
    (0, b"# === DATA DESCRIPTION FILE", _PAR),
    (0, b"<PRIDE_V5>", _PAR),
    (0, b"MATRIX7", Content("ECAT (PET)", _EXPORT_DICOM)),
    (96, b"SIEMENS", Content("a Siemens image from before DICOM (Vision .ima)", _EXPORT_DICOM)),
    (34, b"GE_MED_NMR", Content("GE raw data (P-file, k-space)", _EXPORT_IMAGES)),
    (34, b"INVALIDNMR", Content("GE raw data (P-file, k-space)", _EXPORT_IMAGES)),
    (0, b">>> Begin of header <<<", Content("Siemens spectroscopy (RDA)", _SPECTRA)),
    (0, b"##TITLE=", Content("Bruker ParaVision", _EXPORT_DICOM)),
    (0, b"NRRD000", Content("an NRRD image", _CONVERTED)),
    (0, b"%PDF-", Content("a PDF", harmless=True)),
    (0, b"\xff\xd8\xff", Content("a JPEG picture", harmless=True)),
    (0, b"\x89PNG\r\n", Content("a PNG picture", harmless=True)),
    (0, b"MZ", Content("a program for Windows", harmless=True)),
)


def name_content(head: bytes, name: str = "") -> Content | None:
    r"""Return what a file is, None where its bytes do not tell.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES`, or all there are.
    name : str
        Of the file.

    Examples
    --------
    >>> name_content(b"7z\xbc\xaf\x27\x1c rest", "export.dat").name
    'a 7z archive'
    """
    if head[:2] == b"\x1f\x8b":
        return _inside_gzip(head, name)
    if head[:2] == b"PK" and (b"[Content_Types].xml" in head[:4096] or head[30:38] == b"mimetype"):
        return _OFFICE
    for offset, mark, content in _MARKS:
        if head[offset : offset + len(mark)] == mark:
            return content
    if any(len(head) > 42 and _is_analyze(head, order) for order in "<>"):
        return _ANALYZE
    if _is_twix(head):
        return _TWIX
    if b"\nexamination_name :" in head[:4096] or name.lower().endswith(".sdat"):  # values of a SDAT have no mark
        return _SPAR
    if name.lower().endswith(_PULSE_ENDS) and head[:64].isascii() and b"\0" not in head[:64]:
        return _PULSE
    if name.lower().endswith(".rec"):
        return _PAR
    return _NO_ARCHIVE if _ARCHIVE.search(name) else None


def _inside_gzip(head: bytes, name: str) -> Content | None:
    try:
        inner = zlib.decompressobj(31).decompress(head, HEAD_BYTES)
    except zlib.error:
        return None
    if inner[:2] == b"\x1f\x8b":
        return None
    content = name_content(inner, name.removesuffix(".gz"))
    return _pack("a tar.gz archive", _TAR.advice) if content is _TAR else content


def _is_analyze(head: bytes, order: str) -> bool:
    """Return whether a header has the length and a number of axes that Analyze 7.5 knows (`sizeof_hdr`, `dim[0]`)."""
    return struct.unpack_from(f"{order}I", head) == (348,) and 1 <= struct.unpack_from(f"{order}H", head, 40)[0] <= 7


def _is_twix(head: bytes) -> bool:
    """Return whether a file is a Siemens measurement (meas_MID...dat).

    Since VD, a table of measurements stands first: zero, how many there are, and for each its place, 10240 for the
    first. At that place, or before VD at the start, the header begins: its length, its number of parts, and the name
    of the first part, ``Config`` (as read by mapVBVD, twixtools and siemens_to_ismrmrd).
    """
    if len(head) < 32:
        return False
    first, count, _, _, place = struct.unpack_from("<4IQ", head)
    start = place if first == 0 and 0 < count <= 64 else 0
    return head[start + 8 : start + 15] == b"Config\0"
