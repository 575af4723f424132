"""Read a header by pydicom: for the files that the fast reader does not understand."""

from __future__ import annotations

import io
from typing import Any

from bidsflow.dicom import tags
from bidsflow.dicom.frames import summarise_frames
from bidsflow.dicom.header import Header
from bidsflow.dicom.read import Source
from bidsflow.errors import HeaderError


def read_slowly(source: Source) -> Header:
    """Return the header of a file as pydicom reads it.

    Raises
    ------
    HeaderError
        If pydicom does not understand the file either.
    """
    import pydicom

    data = source.data if source.whole else source.at(0, source.size)
    try:
        ds = pydicom.dcmread(io.BytesIO(data), force=True)
        texts = _texts(ds, {**tags.TOP, **tags.PRIVATE})
        groups = [
            [_group_texts(item) for item in ds.get(keyword, [])]
            for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
        ]
        pixels = next((len(ds[tag].value) for tag in (tags.PIXEL_DATA, *tags.FLOAT_PIXEL_DATA) if tag in ds), None)
    except RecursionError as error:
        raise HeaderError("sequences nested too deep") from error
    except MemoryError as error:
        raise HeaderError("a value claims more bytes than the memory holds") from error
    except Exception as error:
        raise HeaderError(f"neither reader understands it ({type(error).__name__})") from error
    if groups[1]:
        texts = summarise_frames(*groups) | {key: text for key, text in texts.items() if text}
    if "SOPInstanceUID" not in texts and "Modality" not in texts:
        raise HeaderError("not DICOM")
    texts["TransferSyntaxUID"] = str(ds.file_meta.get("TransferSyntaxUID", ""))
    return Header(texts, _pixel_state(texts, pixels), () if source.data[128:132] == b"DICM" else ("no DICOM preamble",))


def _texts(ds: Any, elements: dict[int, tags.Element]) -> dict[str, str]:
    texts = {}
    for tag, element in elements.items():
        if tag not in ds:
            continue
        creator = ds.get(tag >> 16 << 16 | (tag >> 8 & 0xFF))
        if element.creator and (creator is None or str(creator.value) != element.creator):
            continue
        texts[element.keyword] = value_text(ds[tag].value)
    return texts


def value_text(value: Any) -> str:
    """Return a value of pydicom as the fast reader writes it."""
    if value is None:
        return ""
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        original = getattr(value, "original_string", None)
        return str(original if original is not None else value).strip(" \0\t\r\n")
    return "\\".join(value_text(one) for one in value)


def _group_texts(item: Any) -> dict[str, str]:
    """Return the values of one item of functional groups, nested sequences included."""
    texts = _texts(item, {**tags.FUNCTIONAL, **tags.FUNCTIONAL_PRIVATE})
    for tag in tags.DESCEND:
        if tag in item and item[tag].VR == "SQ":
            for nested in item[tag].value:
                texts = _group_texts(nested) | texts
    return texts


def _pixel_state(texts: dict[str, str], found: int | None) -> str:
    if found is None:
        return "absent"
    try:
        shape = [int(texts.get(key) or 1) for key in ("Rows", "Columns", "SamplesPerPixel", "NumberOfFrames")]
        need = shape[0] * shape[1] * shape[2] * shape[3] * int(texts.get("BitsAllocated") or 16) // 8
    except ValueError:
        return "complete"
    compressed = texts.get("TransferSyntaxUID", "").startswith("1.2.840.10008.1.2.4")
    return "complete" if compressed or found >= need else "truncated"
