"""A dump for programs: the DICOM JSON model."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bidsflow.dicom.dump.element import Element, elements, parts
from bidsflow.dicom.dump.value import json_value, values_of
from bidsflow.dicom.identifying import identifies

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def to_json(dataset: Dataset, *, identified: bool = False) -> dict[str, Any]:
    """Return a dataset in the DICOM JSON model, bulk data left out.

    Parameters
    ----------
    dataset : pydicom Dataset
        As read by `read_file`, or made in memory.
    identified : bool
        Show the values that may identify a person, a place or a date.

    Returns
    -------
    document : dict
        Eight-digit tag to ``{"vr", "Value" | "InlineBinary"}``, file meta information included. To the model
        are added ``name``, ``creator`` (private elements), ``bytes`` (where the value is not in the document,
        being longer than `MAX_VALUE` or pixel data) and ``masked`` (where the value is hidden).

    Raises
    ------
    HeaderError
        If sequences are nested deeper than `MAX_DEPTH`.

    Notes
    -----
    DICOM PS3.18 annex F. Numbers keep their value, not their spelling; those that JSON has no word for (NaN,
    infinity) are text.
    """
    document: dict[str, Any] = {}
    for part in parts(dataset):
        document |= _to_json(part, depth=0, hidden=False, identified=identified)
    return document


def select_json(document: Mapping[str, Any], wanted: frozenset[str], path: str = "") -> Iterator[dict[str, Any]]:
    """Yield the wanted elements of a document of `to_json`, each with its ``tag`` and ``path``."""
    for tag, entry in document.items():
        code = f"{tag[:4]},{tag[4:]}"
        name = str(entry.get("name", ""))
        step = path + (name if name.isalnum() else f"({code})")
        if code in wanted or name in wanted:
            yield {"path": step, "tag": tag, **entry}
        elif entry["vr"] == "SQ":
            for number, item in enumerate(entry.get("Value", ()), start=1):
                yield from select_json(item, wanted, f"{step}[{number}].")


def _to_json(dataset: Dataset, *, depth: int, hidden: bool, identified: bool) -> dict[str, Any]:
    document = {}
    for element in elements(dataset, hidden=hidden, identified=identified, depth=depth):
        entry: dict[str, Any] = {"vr": element.vr, "name": element.name}
        if element.creator:
            entry["creator"] = element.creator
        if element.items is not None:
            below = hidden or identifies(element.tag, "SQ")
            entry["Value"] = [
                _to_json(item, depth=depth + 2, hidden=below, identified=identified) for item in element.items
            ]
        elif element.masked:
            entry |= {"masked": True, "bytes": element.length}
        elif element.is_bulk:
            entry |= _binary(element)
        elif values := [json_value(value) for value in values_of(element.value)]:
            entry["Value"] = values
        document[element.code.replace(",", "")] = entry
    return document


def _binary(element: Element) -> dict[str, Any]:
    if isinstance(element.value, bytes) and element.tag >> 16 != 0x7FE0:
        return {"InlineBinary": base64.b64encode(element.value).decode()} if element.value else {}
    return {"bytes": element.length}
