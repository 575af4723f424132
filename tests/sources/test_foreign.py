"""What is not DICOM is called by its name, told by bytes that its own tools write or its readers look for."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.sources.foreign import HEAD_BYTES, name_content


def pack_tar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"), io.BytesIO())
    return stream.getvalue()


def pack_zip(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return stream.getvalue()


IMAGE = np.zeros((2, 2, 2), np.int16)
NIFTI = nib.Nifti1Image(IMAGE, np.eye(4)).to_bytes()
#: The header of a Siemens measurement: its length, the number of its parts, the name of the first part.
MEASUREMENT = struct.pack("<II", 4096, 6) + b"Config\0" + bytes(4000)


class Case(NamedTuple):
    what: str
    data: bytes
    name: str
    harmless: bool = False


CASES = [
    Case("zip", pack_zip("IM1"), "a zip archive"),
    Case("empty-zip", pack_zip(), "an empty zip archive"),
    Case("docx", pack_zip("[Content_Types].xml", "word/document.xml"), "an office document", True),
    Case("odt", pack_zip("mimetype", "content.xml"), "an office document", True),
    Case("tar", pack_tar(), "a tar archive"),
    Case("tar.gz", gzip.compress(pack_tar()), "a tar.gz archive"),
    Case("tar.bz2", bz2.compress(pack_tar()), "a file compressed by bzip2"),
    Case("tar.xz", lzma.compress(pack_tar()), "a file compressed by xz"),
    Case("7z", b"7z\xbc\xaf\x27\x1c\x00\x04", "a 7z archive"),
    Case("rar", b"Rar!\x1a\x07\x01\x00", "a rar archive"),
    Case("iso", bytes(32769) + b"CD001\x01", "an image of a disc (ISO)"),
    Case("nifti", NIFTI, "a NIfTI image"),
    Case("nifti.gz", gzip.compress(NIFTI), "a NIfTI image"),
    Case("nifti2", nib.Nifti2Image(IMAGE, np.eye(4)).to_bytes(), "a NIfTI image"),
    Case("par", b"# === DATA DESCRIPTION FILE =====\r\n#\r\n", "Philips PAR/REC"),
    Case("ecat", b"MATRIX72v\0", "ECAT (PET)"),
    Case("vision", struct.pack(">I", 1999) + bytes(92) + b"SIEMENS\0", "a Siemens image from before DICOM"),
    Case("twix-vb", MEASUREMENT, "Siemens raw data (twix"),
    Case("twix-vd", struct.pack("<4IQ", 0, 2, 7, 9, 10240).ljust(10240, b"\0") + MEASUREMENT, "Siemens raw data (twix"),
    Case("spectrum of Philips", b"!" + 70 * b"-" + b"!\r\n\nexamination_name : x\n", "Philips spectroscopy"),
    Case("spectrum of Siemens", b">>> Begin of header <<<\r\nPatientName:", "Siemens spectroscopy (RDA)"),
    Case("p-file", struct.pack("<f", 26.002) + bytes(30) + b"GE_MED_NMR", "GE raw data (P-file"),
    Case("pdf", b"%PDF-1.7\n", "a PDF", True),
    Case("jpeg", b"\xff\xd8\xff\xe0", "a JPEG picture", True),
    Case("exe", b"MZ\x90\0", "a program for Windows", True),
]


def test_logs_of_the_monitoring_unit_are_told_by_name_and_text() -> None:
    text = b"1 2 40 280 5002 LOGVERSION_PULS   1 6002 1571 1558"
    content = name_content(text, "session_2.PULS")
    assert content is not None
    assert (content.name, content.harmless) == ("a log of the monitoring unit (pulse, breathing)", True)
    assert name_content(text, "session_2.dat") is None
    assert name_content(bytes(64), "session_2.puls") is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_content_is_told_by_its_bytes(case: Case) -> None:
    content = name_content(case.data[:HEAD_BYTES], "IM_0001.dcm")
    assert content is not None
    assert content.name.startswith(case.name)
    assert content.harmless is case.harmless
    assert content.advice or case.harmless or "empty" in case.name


def test_analyze_header_is_an_image() -> None:
    stream = io.BytesIO()
    nib.AnalyzeImage(IMAGE, np.eye(4)).header.write_to(stream)
    content = name_content(stream.getvalue())
    assert content is not None
    assert content.name == "an Analyze image"


def test_rec_has_no_mark_but_its_name() -> None:
    content = name_content(bytes(64), "Scan.REC")
    assert content is not None
    assert content.name == "Philips PAR/REC"


UNKNOWN = {
    "nothing": b"",
    "half-a-mark": b"PK",
    "text": b"plain text",
    "zeros": bytes(400),
    "gzip-of-text": gzip.compress(b"text"),
    "broken-gzip": b"\x1f\x8b\x08broken",
    "gzip-of-gzip": gzip.compress(gzip.compress(NIFTI)),
    "far-measurement": struct.pack("<4IQ", 0, 2, 7, 9, 2**62),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_bytes_do_not_tell_is_not_guessed(what: str) -> None:
    assert name_content(UNKNOWN[what]) is None


@given(st.binary(max_size=600))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    for packed in (data, gzip.compress(data), gzip.compress(data)[:-9]):
        content = name_content(packed)
        assert content is None or content.name
