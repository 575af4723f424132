"""Readers of gzip headers, TIFF headers and gradients, and what holds for all readers."""

import math
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bidsflow.errors import FileFault
from bidsflow.validate.readers.gradients import load_rows
from bidsflow.validate.readers.gzip import load_gzip
from bidsflow.validate.readers.json import load_json
from bidsflow.validate.readers.nifti import load_header
from bidsflow.validate.readers.tiff import load_tiff
from bidsflow.validate.readers.tsv import load_headerless, load_tsv

MAGIC = b"\x1f\x8b\x08"
TIME = b"\x01\0\0\0\0\x03"


def write(folder: Path, data: bytes) -> str:
    (folder / "file").write_bytes(data)
    return str(folder / "file")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", None),
        (b"plain text", None),
        (MAGIC + b"\0\x01\0\0", None),
        (MAGIC + b"\0" + TIME, (1, "", "")),
        (MAGIC + b"\x08" + TIME + b"a.nii\0", (1, "a.nii", "")),
        (MAGIC + b"\x10" + TIME + b"note\0", (1, "", "note")),
        (MAGIC + b"\x18" + TIME + b"a\0\xe9\0", (1, "a", "\ufffd")),
        (MAGIC + b"\x0c" + TIME + b"\x02\0xxa\0", (1, "a", "")),
        (MAGIC + b"\x0c" + TIME, None),
        (MAGIC + b"\x08" + TIME + b"no end", (1, "no en", "")),
    ],
)
def test_gzip_header_is_read(tmp_path: Path, data: bytes, expected: tuple[int, str, str] | None) -> None:
    read = load_gzip(write(tmp_path, data))
    assert (read and tuple(read.values())) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"0 1000 2000\n", [["0", "1000", "2000"]]),
        (b"1 2\r\n3\t4\r5\n\n  \n", [["1", "2"], ["3", "4"], ["5"]]),
        (b" 1  2 \n", [["", "1", "2"]]),
        (b"1\xc2\xa02\x0b3\x1c4\n", [["1", "2", "3\x1c4"]]),
        (b"\xef\xbb\xbf1\n", [["1"]]),
        (b"1 \xff\n", [["1", "\ufffd"]]),
        (b"", []),
        (b" \n\t\n", []),
    ],
)
def test_gradients_are_split(tmp_path: Path, data: bytes, expected: list[list[str]]) -> None:
    assert load_rows(write(tmp_path, data)) == expected


def test_gradients_are_refused_when_they_are_utf_16(tmp_path: Path) -> None:
    with pytest.raises(FileFault) as caught:
        load_rows(write(tmp_path, "0 1000".encode("utf-16")))
    assert (caught.value.code, caught.value.subcode) == ("FILE_READ", "UnicodeDecode")


def tiff(xml: str, order: str = "<", version: int = 42) -> bytes:
    text = xml.encode() + b"\0"
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", version, 8)
    entries = struct.pack(order + "HHHIIHHII", 2, 256, 4, 1, 1, 270, 2, len(text), 38)
    return head + entries + bytes(4) + text


PIXELS = '<Pixels PhysicalSizeX="1.5" PhysicalSizeY=" 2e-1x" PhysicalSizeXUnit="&#181;m"/>'
SIZES = {"PhysicalSizeX": 1.5, "PhysicalSizeY": 0.2, "PhysicalSizeXUnit": "µm"}
IMAGE = f"<OME><Image>{PIXELS}</Image></OME>"
BOMB = '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'

KNOWN: Any = {"version": 42}
OME: dict[str, tuple[str, Any, Any]] = {
    "plain": (IMAGE, KNOWN, SIZES),
    "default-namespace": (IMAGE.replace("<OME", '<OME xmlns="u"'), KNOWN, SIZES),
    "declared-encoding": ('<?xml version="1.0" encoding="latin-1"?>' + IMAGE, KNOWN, SIZES),
    "prefix": (f'<o:OME xmlns:o="u"><o:Image>{PIXELS}</o:Image></o:OME>', KNOWN, None),
    "unbound-prefix": (IMAGE.replace("<OME", '<OME x:y="u"'), None, None),
    "no-pixels": ("<OME><Image/></OME>", KNOWN, None),
    "empty-pixels": ("<OME><Image><Pixels/></Image></OME>", KNOWN, None),
    "pixels-without-attributes": ("<OME><Image><Pixels><a/></Pixels></Image></OME>", KNOWN, {}),
    "two-pixels": (f"<OME><Image>{PIXELS * 2}</Image></OME>", KNOWN, {}),
    "two-images": (f"<OME><Image>{PIXELS}</Image><Image/></OME>", KNOWN, None),
    "other-case": (IMAGE.replace("Image", "image"), KNOWN, None),
    "cut": (IMAGE[:-3], None, None),
    "longer-than-is-read": (IMAGE.replace("<Image>", "<Image>" + "x" * 4096), None, None),
    "none": ("", None, None),
    "text": ("an image", None, None),
    "bomb": (BOMB + IMAGE.replace("1.5", "&b;"), None, None),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("xml", "known", "sizes"), OME.values(), ids=OME)
def test_ome_sizes_are_read(tmp_path: Path, order: str, xml: str, known: Any, sizes: Any) -> None:
    read = load_tiff(write(tmp_path, tiff(xml, order)), ome=True)
    assert read[0] == known
    assert (read[1] and {key: value for key, value in read[1].items() if value == value}) == sizes
    assert load_tiff(write(tmp_path, tiff(xml, order)), ome=False) == (KNOWN, None)


def test_size_is_nan_when_there_is_none(tmp_path: Path) -> None:
    _, ome = load_tiff(write(tmp_path, tiff(IMAGE)), ome=True)
    assert ome is not None
    assert math.isnan(ome["PhysicalSizeZ"])
    assert "PhysicalSizeZUnit" not in ome


@pytest.mark.parametrize("data", [b"", b"I", b"II", b"PK\3\4", b"II*"])
def test_tiff_is_unknown_when_it_is_none(tmp_path: Path, data: bytes) -> None:
    assert load_tiff(write(tmp_path, data), ome=False) == (None, None)


READERS = {
    "json": load_json,
    "tsv": lambda path: load_tsv(path, 5),
    "all-rows": lambda path: load_tsv(path, -1),
    "headerless": lambda path: load_headerless(path, ["a"], compressed=False, max_rows=-1),
    "gzipped": lambda path: load_headerless(path, ["a"], compressed=True, max_rows=-1),
    "gradients": load_rows,
    "gzip": load_gzip,
    "nifti": load_header,
    "tiff": lambda path: load_tiff(path, ome=True),
}


def find_fault(read: Any, path: str) -> FileFault | None:
    try:
        read(path)
    except FileFault as fault:
        return fault
    return None


STARTS = [b"", b"{", b"a\tb\n", MAGIC, b"\\\x01\0\0", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"\x1c\x02\0\0n+2\0"]


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=600))
@example(start=b"", rest=bytes(600))
def test_nothing_but_faults_is_raised_for_any_bytes(
    read: Any, start: bytes, rest: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(tmp_path_factory.getbasetemp(), start + rest)
    assert path not in str(find_fault(read, path))


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ("name", "kind"), [("absent", "NotFound"), (".", "IsADirectory"), ("loop", "FilesystemLoop"), ("a\0", "NotFound")]
)
def test_file_cannot_be_read(tmp_path: Path, read: Any, name: str, kind: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileFault, match=rf"^FILE_READ \({kind}\): ") as caught:
        read(os.path.join(tmp_path, name))  # noqa: PTH118
    assert caught.value.subcode == kind
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_pipe_does_not_wait_for_a_writer(tmp_path: Path, read: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    fault = find_fault(read, str(tmp_path / "pipe"))
    assert fault is None or fault.code != "FILE_READ"
