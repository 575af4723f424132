"""Read a header by pydicom: for the files that the fast reader does not understand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

from bidsflow.dicom import tags
from bidsflow.dicom.frames import merge_groups
from bidsflow.dicom.header import Header
from bidsflow.dicom.pick import Pick
from bidsflow.dicom.pixels import SIZES, count_pixel_bytes
from bidsflow.dicom.source import Source
from bidsflow.dicom.tags import Element
from bidsflow.dicom.text import decode_values, quiet_pydicom
from bidsflow.dicom.walk import decoding, swapped, want
from bidsflow.errors import HeaderError

#: Values longer than this stay on disk.
_LONG = 1024 * 1024
_TOP, _NESTED = want(tags.TOP, tags.PRIVATE), want(tags.FUNCTIONAL, tags.FUNCTIONAL_PRIVATE)
_SHARED, _FRAMES = tags.SHARED_GROUPS, tags.FRAME_GROUPS


class _Raw(NamedTuple):
    """An element as pydicom found it: tag, value representation, bytes, byte order."""

    tag: int
    code: bytes
    data: bytes
    order: str


def read_slowly(source: Source) -> Header:
    """Return the header of a file as pydicom reads it.

    Raises
    ------
    HeaderError
        If pydicom does not understand the file either.
    """
    import pydicom

    try:
        with quiet_pydicom("ignore"), _stream(source) as stream:
            ds = pydicom.dcmread(stream, force=True, defer_size=_LONG)
            return _make_header(ds, source)
    except HeaderError:
        raise
    except RecursionError as error:
        raise HeaderError("sequences nested too deep") from error
    except MemoryError as error:
        raise HeaderError("a value claims more bytes than the memory holds") from error
    except Exception as error:  # on broken bytes pydicom raises whatever its parts raise
        raise HeaderError(f"neither reader understands it ({type(error).__name__})") from error


def _stream(source: Source) -> BinaryIO:
    if source.whole:
        return BytesIO(source.data)
    return os.fdopen(os.dup(source.fd), "rb")


def _make_header(ds: Any, source: Source) -> Header:
    raws = list(_raws(ds))
    texts, problems = _texts(raws, _TOP, "")
    if "NumberOfFrames" not in texts:
        last = tags.last_group(texts.get("Manufacturer", ""))
        texts, problems = _texts([raw for raw in raws if raw.tag >> 16 <= last], _TOP, "")
    else:
        charset = texts.get("SpecificCharacterSet", "")
        groups = [[_group_texts(item, charset) for item in _items(ds, tag)] for tag in (_SHARED, _FRAMES)]
        texts = merge_groups(texts, *groups)
    if "SOPInstanceUID" not in texts and "Modality" not in texts:
        raise HeaderError("not DICOM")
    texts["TransferSyntaxUID"] = str(ds.file_meta.get("TransferSyntaxUID", ""))
    texts.setdefault("SOPClassUID", str(ds.file_meta.get("MediaStorageSOPClassUID", "")))
    problems += () if source.data[128:132] == b"DICM" else ("no DICOM preamble",)
    return Header(texts, _pixel_state(ds, source, texts), problems)


def _raws(ds: Any) -> Iterator[_Raw]:
    """Yield the elements of a data set whose bytes pydicom has, in the order of tags."""
    for tag in sorted(ds.keys()):
        element = ds.get_item(tag)
        code = element.VR.encode() if element.VR else b""
        value = element.value
        if value is None and getattr(element, "length", 0) == 0:
            value = b""
        if isinstance(value, bytes):
            little = getattr(element, "is_little_endian", True)
            yield _Raw(int(tag), code, value, "<" if little else ">")
        elif code and code != b"SQ" and value is not None:  # pydicom has converted it already
            values = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
            yield _Raw(int(tag), b"ST", "\\".join(map(str, values)).encode(), "<")


def _texts(raws: list[_Raw], wanted: Any, charset: str) -> tuple[dict[str, str], tuple[str, ...]]:
    creators: dict[tuple[int, int], str] = {}
    texts: dict[str, str] = {}
    problems: tuple[str, ...] = ()
    for tag, code, data, order in raws:
        group, number = tag >> 16, tag & 0xFFFF
        if group & 1 and 0x10 <= number <= 0xFF:
            creators[group, number] = data.strip(b"\0 ").decode("latin-1")
            continue
        element: Element | None = wanted.standard.get(swapped(tag))
        if group & 1:
            element = wanted.private.get((creators.get((group, number >> 8), ""), group, number & 0xFF))
        if element is None:
            continue
        more, odd = decode_values([(element.keyword, decoding(code, element), data)], charset, order=order)
        texts |= more
        problems += odd
        charset = texts.get("SpecificCharacterSet", charset)
    return texts, problems


def _items(ds: Any, tag: int) -> list[Any]:
    return list(ds[tag].value or ()) if tag in ds else []


def _group_texts(item: Any, charset: str) -> dict[str, str]:
    """Return the values of one item of functional groups, nested sequences included."""
    texts = _texts(list(_raws(item)), _NESTED, charset)[0]
    for tag in sorted(tags.DESCEND):
        if tag in item and item[tag].VR == "SQ":
            for nested in item[tag].value:
                texts |= _group_texts(nested, charset)
    return texts


def _pixel_state(ds: Any, source: Source, texts: Mapping[str, str]) -> str:
    tag = next((tag for tag in (tags.PIXEL_DATA, *tags.FLOAT_PIXEL_DATA) if tag in ds), None)
    if tag is None:
        return "absent"
    element = ds.get_item(tag)
    if getattr(element, "is_undefined_length", False):
        return "complete"
    length = getattr(element, "length", 0)  # an empty element is one that pydicom has converted
    there = min(length, source.size - element.value_tell) if length else 0
    return "complete" if there >= max(length, count_pixel_bytes(*Pick(*SIZES).of(texts))) else "truncated"
