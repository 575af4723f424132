"""Headers built byte by byte, exports of the phantom and of real scanners, and pydicom as the judge."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
import pytest

from bidsflow.dicom import tags
from bidsflow.dicom.frames import merge_groups
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import File, Instance
from bidsflow.phantom import DIALECTS, write

IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
BIG, DEFLATED = "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
MR = "1.2.840.10008.5.1.4.1.1.4"

_NUMERIC = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d"}
_LONG = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))


@dataclass(frozen=True)
class Node:
    """One element: text as bytes, numbers as a tuple, a sequence as items of nodes."""

    tag: int
    vr: str
    value: bytes | tuple[float, ...] | tuple[tuple[Node, ...], ...] = b""
    #: Whether the sequence, and each of its items, ends with a delimiter.
    undefined: bool = False
    undefined_items: bool = False


def encode_nodes(nodes: Sequence[Node], *, implicit: bool = False, order: str = "<") -> bytes:
    return b"".join(_encode(node, implicit, order) for node in nodes)


def _encode(node: Node, implicit: bool, order: str) -> bytes:
    if node.vr == "SQ":
        body = b"".join(_item(item, node.undefined_items, implicit, order) for item in node.value)
    elif node.vr in _NUMERIC and isinstance(node.value, tuple):
        body = struct.pack(f"{order}{len(node.value)}{_NUMERIC[node.vr]}", *node.value)
    else:
        assert isinstance(node.value, bytes)
        body = node.value
    length = 0xFFFFFFFF if node.undefined else len(body)
    if node.undefined:
        body += struct.pack(f"{order}HHI", 0xFFFE, 0xE0DD, 0)
    head = struct.pack(f"{order}HH", node.tag >> 16, node.tag & 0xFFFF)
    if implicit:
        return head + struct.pack(f"{order}I", length) + body
    if node.vr in _LONG:
        return head + node.vr.encode() + b"\0\0" + struct.pack(f"{order}I", length) + body
    return head + node.vr.encode() + struct.pack(f"{order}H", length) + body


def _item(nodes: Sequence[Node], undefined: bool, implicit: bool, order: str) -> bytes:
    body = encode_nodes(nodes, implicit=implicit, order=order)
    if undefined:
        body += struct.pack(f"{order}HHI", 0xFFFE, 0xE00D, 0)
    return struct.pack(f"{order}HHI", 0xFFFE, 0xE000, 0xFFFFFFFF if undefined else len(body)) + body


def encode_file(
    nodes: Sequence[Node], syntax: str = EXPLICIT, *, preamble: bool = True, media_class: str = MR
) -> bytes:
    """Return a DICOM file; `nodes` in any order."""
    ordered = sorted(nodes, key=lambda node: node.tag)
    body = encode_nodes(ordered, implicit=syntax == IMPLICIT, order=">" if syntax == BIG else "<")
    if syntax == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = packer.compress(body) + packer.flush()
    meta = encode_nodes([
        Node(0x00020002, "UI", media_class.encode() + b"\0" * (len(media_class) % 2)),
        Node(0x00020010, "UI", syntax.encode() + b"\0" * (len(syntax) % 2)),
    ])  # fmt: skip
    length = encode_nodes([Node(0x00020000, "UL", (len(meta),))])
    return (b"\0" * 128 + b"DICM" if preamble else b"") + length + meta + body


def image_nodes(**more: Node) -> list[Node]:
    """Return an MR image of 2 x 2 voxels that every check accepts."""
    nodes = {
        "class": Node(0x00080016, "UI", MR.encode() + b"\0"),
        "instance": Node(0x00080018, "UI", b"1.2.3.4\0"),
        "modality": Node(0x00080060, "CS", b"MR"),
        "study": Node(0x0020000D, "UI", b"1.2.3.1\0"),
        "series": Node(0x0020000E, "UI", b"1.2.3.2\0"),
        "samples": Node(0x00280002, "US", (1,)),
        "rows": Node(0x00280010, "US", (2,)),
        "columns": Node(0x00280011, "US", (2,)),
        "bits": Node(0x00280100, "US", (16,)),
        "pixels": Node(0x7FE00010, "OW", b"\1\2" * 4),
    }
    return list((nodes | more).values())


def judge(data: bytes) -> dict[str, str]:
    """Return what pydicom reads of the elements that bidsflow uses, in the words of `Header`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        texts = _read_tags(ds, {**tags.TOP, **tags.PRIVATE})
        if "NumberOfFrames" in texts:
            shared = [_read_item(item) for item in ds.get("SharedFunctionalGroupsSequence", [])]
            frames = [_read_item(item) for item in ds.get("PerFrameFunctionalGroupsSequence", [])]
            return merge_groups(texts, shared, frames)
        last = tags.last_group(texts.get("Manufacturer", ""))
        return _read_tags(ds, {t: e for t, e in (tags.TOP | tags.PRIVATE).items() if t >> 16 <= last})


def _read_tags(ds: Any, elements: dict[int, tags.Element]) -> dict[str, str]:
    texts = {}
    for tag, element in elements.items():
        place = pydicom.tag.Tag(tag)
        if element.creator:
            try:
                place = ds.private_block(tag >> 16, element.creator).get_tag(tag & 0xFF)
            except KeyError:
                continue
        if place in ds:
            value = ds[place].value
            if isinstance(value, bytes) and element.vr in _NUMERIC:  # pydicom does not know the element
                code = _NUMERIC[element.vr]
                value = list(struct.unpack(f"<{len(value) // struct.calcsize(code)}{code}", value))
            texts[element.keyword] = _read_text(value)
    return texts


def _read_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return "\\".join(part.strip(" \0") for part in value.decode("latin-1").split("\\"))
    if isinstance(value, pydicom.valuerep.PersonName):
        return str(value).strip(" \0")
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        original = getattr(value, "original_string", None)
        return str(value if original is None else original).strip(" \0\t\r\n")
    return "\\".join(_read_text(one) for one in value)


def _read_item(item: Any) -> dict[str, str]:
    texts = _read_tags(item, {**tags.FUNCTIONAL, **tags.FUNCTIONAL_PRIVATE})
    for tag in sorted(tags.DESCEND):
        for nested in _read_sequence(item[tag]) if tag in item else ():
            texts |= _read_item(nested)
    return texts


def _read_sequence(element: Any) -> Any:
    if element.VR == "UN" and element.value[:4] == b"\xfe\xff\x00\xe0":  # implicit, and not in pydicom's dictionary
        return pydicom.values.convert_SQ(element.value, True, True)
    return element.value if element.VR == "SQ" else ()


@dataclass
class Kit:
    """What the tests of this folder share."""

    node: type[Node] = Node
    encode_file: Callable[..., bytes] = encode_file
    encode_nodes: Callable[..., bytes] = encode_nodes
    image_nodes: Callable[..., list[Node]] = image_nodes
    judge: Callable[[bytes], dict[str, str]] = judge
    syntaxes: dict[str, str] = field(
        default_factory=lambda: {"explicit": EXPLICIT, "implicit": IMPLICIT, "big": BIG, "deflated": DEFLATED}
    )

    @staticmethod
    def instance(path: str = "/x/1", pixels: str = "complete", **values: object) -> Instance:
        """Return an instance of a header with some values."""
        base = {
            "SOPInstanceUID": "1.1",
            "SeriesInstanceUID": "1.2",
            "StudyInstanceUID": "1.3",
            "Modality": "MR",
            "Rows": "64",
            "Columns": "64",
            "InstanceNumber": "1",
            "ImageOrientationPatient": "1\\0\\0\\0\\1\\0",
            "PixelSpacing": "3\\3",
            "ImagePositionPatient": "0\\0\\0",
        }
        return Instance(File(path, 1, 1), Header({**base, **{k: str(v) for k, v in values.items()}}, pixels))


@pytest.fixture(scope="session")
def kit() -> Kit:
    return Kit()


@pytest.fixture(scope="session", params=sorted(DIALECTS))
def dialect_export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small export of the phantom in each dialect; tests must leave it as it is."""
    root = tmp_path_factory.mktemp(request.param)
    write(root / "scan", dialect=request.param, size="tiny", series=["localizer", "fieldmap", "mebold", "dwi"])
    return root / "scan" / "dicom"


@pytest.fixture(scope="session")
def classic_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Siemens export of the phantom; tests that change it copy it."""
    root = tmp_path_factory.mktemp("classic")
    write(root / "scan", dialect="classic", size="tiny", series=["localizer", "fieldmap", "rest", "dwi"])
    return root / "scan" / "dicom"


@pytest.fixture(scope="session")
def shared_files() -> list[Path]:
    """The real exports beside the checkout."""
    place = os.environ.get("BIDSFLOW_SHARED", "") or Path(__file__).resolve().parents[2].parent / "shared"
    folder = Path(place) / "data" / "dicom"
    if not folder.is_dir():
        pytest.skip(f"no real exports in {folder}; BIDSFLOW_SHARED names the folder that holds data/dicom")
    ends = {".dcm", ".gz", ".IMA"}
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and (path.suffix in ends or path.name == "DICOMDIR")
    ]


@contextmanager
def _unprivileged() -> Iterator[None]:
    """Drop root's rights for a while; tests of permissions mean nothing with them."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def unprivileged() -> Callable[[], AbstractContextManager[None]]:
    return _unprivileged


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users reach, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)
        Path(folder).chmod(0o777)
