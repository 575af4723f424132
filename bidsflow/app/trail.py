"""Where a file came from: from a derivative to the raw image to the DICOM series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bidsflow.app.derivatives import is_inside, read_json
from bidsflow.app.provenance import digest_file
from bidsflow.convert.ledger import read_ledger
from bidsflow.dataset.tree import STATE, Dataset
from bidsflow.errors import BidsflowError, InputError, OptionError
from bidsflow.names import parse_name

_URI = "bids:"


@dataclass(frozen=True, slots=True)
class Origin:
    """One file on the way back, and how it was made.

    Attributes
    ----------
    path : str
        The file, as far as it can be opened from here.
    kind : str
        ``derivative``, ``raw`` or ``dicom``.
    facts : mapping of str to str
        What is known of how it was made: pipeline, version, run, series.
    sources : tuple of Origin
        What it was made from.
    """

    path: str
    kind: str
    facts: dict[str, str] = field(default_factory=dict)
    sources: tuple[Origin, ...] = ()


def trace_file(path: Path) -> Origin:
    """Return where a file of a dataset came from.

    Parameters
    ----------
    path : Path
        A derivative or a raw image.

    Raises
    ------
    OptionError
        If it is no file, or lies in no dataset.
    """
    return _trace(path.absolute(), ())


def _trace(path: Path, seen: tuple[Path, ...]) -> Origin:
    """Return where a file came from; `seen` are the files that were made from it, which end a circle."""
    if not path.is_file():
        raise OptionError(f"{path}: there is no such file")
    root = next((up for up in path.parents if (up / "dataset_description.json").is_file()), None)
    if root is None:
        raise InputError(f"{path}: it lies in no BIDS dataset", "No dataset_description.json above it")
    description = read_json(root / "dataset_description.json")
    if description.get("DatasetType") == "derivative":
        return _trace_derivative(root, path, description, (*seen, path))
    return _trace_raw(root, path)


def _trace_derivative(root: Path, path: Path, description: dict[str, Any], seen: tuple[Path, ...]) -> Origin:
    name = path.relative_to(root).as_posix()
    facts = {}
    record = _find_record(root, name)
    if record:
        same = record["Outputs"][name] == digest_file(path)
        facts = {
            "made by": f"{record['Pipeline']} {record['Version']}",
            "run": str(record["Run"]),
            "parameters": ", ".join(f"{key}={value}" for key, value in record["Parameters"].items()),
            "versions": ", ".join(f"{key} {value}" for key, value in record["Versions"].items()),
            "content": "as it was written" if same else "CHANGED since it was written",
        }
    links = {str(key): str(value) for key, value in description.get("DatasetLinks", {}).items()}
    sources = () if path in seen[:-1] else tuple(_follow(root, links, uri, record, seen) for uri in _sources(path))
    return Origin(str(path), "derivative", facts, sources)


def _find_record(root: Path, name: str) -> dict[str, Any]:
    """Return the latest record of a run that made a file; empty where there is none."""
    sub = name.partition("/")[0].removesuffix(".html")
    for log in sorted(root.glob(f"logs/*/{sub}.json"), reverse=True):
        record = read_json(log)
        if name in record.get("Outputs", {}):
            return record
    return {}


def _sources(path: Path) -> Iterator[str]:
    """Return the BIDS URIs that a derivative says it was made from."""
    stem = path.name.partition(".")[0]
    for sidecar in (path.with_name(f"{stem}.json"), path):
        if sidecar.suffix == ".json" and (listed := read_json(sidecar).get("Sources")):
            yield from map(str, listed if isinstance(listed, list) else [listed])
            return


def _follow(root: Path, links: dict[str, str], uri: str, record: dict[str, Any], seen: tuple[Path, ...]) -> Origin:
    """Return the origin that a BIDS URI leads to (BIDS, common principles: ``bids:<dataset>:<path>``)."""
    dataset, _, name = uri.removeprefix(_URI).partition(":")
    target = root if not dataset else (root / links.get(dataset, "?")).resolve()
    lost = Origin(str(target / name), "raw", {"content": "cannot be found from here"})
    if not uri.startswith(_URI) or not is_inside(name):
        return replace(lost, path=uri)
    try:
        origin = _trace(target / name, seen)
    except BidsflowError:
        return lost
    digest = record.get("Inputs", {}).get(uri)
    return replace(origin, facts={**origin.facts, **({"digest then": digest} if digest else {})})


def _trace_raw(root: Path, path: Path) -> Origin:
    name = path.relative_to(root).as_posix()
    if not (root / STATE).is_dir():
        return Origin(str(path), "raw", {"made by": "not bidsflow, or its records were left out"})
    try:
        entries = read_ledger(Dataset(root), parse_name(name).folder)
    except BidsflowError:
        return Origin(str(path), "raw", {"made by": "unknown"})
    for image, entry in entries.items():
        if name in entry.files or name.startswith(f"{image}."):
            series = Origin(entry.series_uid, "dicom", {"image of the series": str(entry.image), "files": entry.source})
            return Origin(str(path), "raw", {"made by": "bidsflow convert"}, (series,))
    return Origin(str(path), "raw", {"made by": "unknown: it is in no record"})


def to_lines(origin: Origin, depth: int = 0) -> Iterator[str]:
    """Return a trail as indented lines for people."""
    pad = "  " * depth
    title = {"derivative": "", "raw": "from the raw image ", "dicom": "from the DICOM series "}[origin.kind]
    yield f"{pad}{title}{origin.path}"
    for key, value in origin.facts.items():
        yield f"{pad}    {key}: {value}"
    for source in origin.sources:
        yield from to_lines(source, depth + 1)
