"""Where a file came from: from a derivative, a page or a table of the group to the raw images to the DICOM series."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bidsflow.app.derivatives import is_inside
from bidsflow.app.faults import is_unfetched
from bidsflow.app.provenance import digest_file, find_change
from bidsflow.app.state import Marker, group_file, list_finished, read_json, read_marker
from bidsflow.convert.commands import read_command
from bidsflow.convert.companions.place import read_placed
from bidsflow.convert.content import is_same
from bidsflow.convert.ledger import Entry, read_ledger
from bidsflow.convert.top import DCM2NIIX
from bidsflow.dataset.tree import STATE, Dataset
from bidsflow.errors import BidsflowError, InputError, OptionError
from bidsflow.names import parse_name

_URI = "bids:"
#: What is said of an image that nobody can look at any more.
LOST, GONE = "cannot be found from here", "no longer there"


@dataclass(frozen=True, slots=True)
class Origin:
    """One file on the way back, and how it was made.

    Attributes
    ----------
    path : str
        The file, as far as it can be opened from here.
    kind : str
        ``derivative``, ``participant`` (all that was made of one), ``raw`` or ``dicom``.
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
        A derivative, a page or a figure, a table of the group, or a raw image.

    Raises
    ------
    OptionError
        If it is no file.
    InputError
        If it lies in no dataset, or nothing is known of it.
    """
    path = path.absolute()
    if path.is_dir():
        raise OptionError(f"{path}: this is a folder", "Give files")
    origin = _trace(path, ())
    if not origin.sources and "made by" not in origin.facts:
        raise InputError(f"{path}: nothing is known of where it came from", "No record of a run names it")
    return origin


def _trace(path: Path, seen: tuple[Path, ...]) -> Origin:
    """Return where a file came from; `seen` are the files that were made from it, which end a circle."""
    if not path.is_file() and not is_unfetched(path):
        raise OptionError(f"{path}: there is no such file")
    root = next((up for up in path.parents if (up / "dataset_description.json").is_file()), None)
    if root is None:
        raise InputError(f"{path}: it lies in no BIDS dataset", "No dataset_description.json above it")
    description = read_json(root / "dataset_description.json")
    if description.get("DatasetType") != "derivative":
        return _trace_raw(root, path)
    links = {str(key): str(value) for key, value in description.get("DatasetLinks", {}).items()}
    name = path.relative_to(root).as_posix()
    if name in (group := read_json(group_file(Dataset(root)))).get("Outputs", {}):
        return _trace_group(root, path, links, group)
    if "/" not in name and name.startswith("sub-") and name.endswith(".html"):
        marker = read_marker(Dataset(root), name.removeprefix("sub-").removesuffix(".html"))
        made = _trace_participant(root, name.removesuffix(".html"), links, marker)
        return replace(made, path=str(path), kind="derivative")
    return _trace_derivative(root, path, links, (*seen, path))


def _trace_derivative(root: Path, path: Path, links: Mapping[str, str], seen: tuple[Path, ...]) -> Origin:
    name = path.relative_to(root).as_posix()
    record = _find_record(root, name)
    facts = {**_describe_run(record), "content": _compare(path, record["Outputs"][name])} if record else {}
    uris = tuple(_sources(path)) or tuple(record.get("Sources", {}).get(name, ()))
    sources = () if path in seen[:-1] else tuple(_follow(root, links, uri, record, seen) for uri in uris)
    return Origin(str(path), "derivative", facts, sources)


def _describe_run(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what a record says of how something was made."""
    return {
        "made by": f"{record['Pipeline']} {record['Version']}",
        "run": str(record["Run"]),
        "parameters": ", ".join(f"{key}={value}" for key, value in record["Parameters"].items()),
        "versions": ", ".join(f"{key} {value}" for key, value in record["Versions"].items()),
    }


def _compare(path: Path, digest: str) -> str:
    return "as it was written" if digest_file(path) == digest else "CHANGED since it was written"


def _trace_participant(root: Path, folder: str, links: Mapping[str, str], marker: Marker) -> Origin:
    """Return where all that was made of a participant came from: what its page shows, and the group level takes."""
    records = _list_records(root, marker.run, folder) if marker.run else []
    record = read_json(records[0]) if records else {}
    facts = _describe_run(record) if record else {"run": marker.run} if marker.run else {}
    sources = tuple(_follow_input(root, links, uri, marker) for uri in marker.inputs)
    return Origin(str(root / folder), "participant", facts, sources)


def _list_records(root: Path, run: str, folder: str) -> list[Path]:
    """Return the records of a participant in runs; on a cluster there may be one for each session."""
    return sorted((*root.glob(f"logs/{run}/{folder}.json"), *root.glob(f"logs/{run}/{folder}_ses-*.json")))


def _follow_input(root: Path, links: Mapping[str, str], uri: str, marker: Marker) -> Origin:
    """Return the origin of an image as a marker notes it, which is cheap where neither size nor time has changed."""
    origin = _follow(root, links, uri, {}, ())
    raw = (root / links.get("raw", "?")).resolve()
    if origin.facts.get("content") or not raw.is_dir():
        return origin
    content = "CHANGED since" if find_change(raw, marker.inputs[uri]) else "as it was then"
    return replace(origin, facts={**origin.facts, "content": content})


def _trace_group(root: Path, path: Path, links: Mapping[str, str], record: Mapping[str, Any]) -> Origin:
    """Return where a file of the group level came from: from the results of participants."""
    name = path.relative_to(root).as_posix()
    facts = {**_describe_run(record), "content": _compare(path, record["Outputs"][name])}
    facts |= {f"left out sub-{label}": str(why) for label, why in record.get("LeftOut", {}).items()}
    finished = list_finished(Dataset(root))
    sources = []
    for label, run in record.get("Participants", {}).items():
        marker = read_marker(Dataset(root), label) if label in finished else Marker()
        one = _trace_participant(root, f"sub-{label}", links, marker)
        if marker.run != run:
            one = replace(one, facts={**one.facts, "content": f"made again since, or gone: it was of the run {run}"})
        sources.append(one)
    return Origin(str(path), "derivative", facts, tuple(sources))


def _find_record(root: Path, name: str) -> dict[str, Any]:
    """Return the latest record of a run that made a file; empty where there is none."""
    sub = name.partition("/")[0]
    for log in reversed(_list_records(root, "*", sub)):
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


def _follow(
    root: Path, links: Mapping[str, str], uri: str, record: Mapping[str, Any], seen: tuple[Path, ...]
) -> Origin:
    """Return the origin that a BIDS URI leads to (BIDS, common principles: ``bids:<dataset>:<path>``)."""
    dataset, _, name = uri.removeprefix(_URI).partition(":")
    target = root if not dataset else (root / links.get(dataset, "?")).resolve()
    known = uri.startswith(_URI) and is_inside(name)
    lost = Origin(str(target / name) if known else uri, "raw", {"content": GONE if target.is_dir() and known else LOST})
    if not known:
        return lost
    try:
        origin = _trace(target / name, seen)
    except BidsflowError:
        return lost
    digest = record.get("Inputs", {}).get(uri)
    facts = {**origin.facts, **({"digest then": digest} if digest else {})}
    if is_unfetched(target / name):
        facts["content"] = "only with git-annex, not here"
    elif then := record.get("Files", {}).get(name):
        facts["content"] = "as it was then" if digest_file(target / name) == then else "CHANGED since"
    return replace(origin, facts=facts)


def _trace_raw(root: Path, path: Path) -> Origin:
    name = path.relative_to(root).as_posix()
    if not (root / STATE).is_dir():
        return Origin(str(path), "raw", {"origin": "not converted by bidsflow, or its records were left out"})
    try:
        entries, placed = read_ledger(Dataset(root), parse_name(name).folder), read_placed(Dataset(root))
    except BidsflowError:
        return Origin(str(path), "raw", {"origin": "unknown"})
    for image, entry in entries.items():
        if name in entry.files or name.startswith(f"{image}."):
            series = Origin(entry.series_uid, "dicom", {"image of the series": str(entry.image), "files": entry.source})
            return Origin(
                str(path), "raw", {"made by": "bidsflow convert", **_describe_command(root, entry)}, (series,)
            )
    if name in placed:
        made = "bidsflow events" if parse_name(name).suffix == "events" else "bidsflow convert, of a recording"
        content = "as it was written" if is_same(path, placed[name]) else "CHANGED since it was written"
        return Origin(str(path), "raw", {"made by": made, "content": content})
    return Origin(str(path), "raw", {"origin": "unknown: it is in no record"})


def _describe_command(root: Path, entry: Entry) -> dict[str, str]:
    """Return by which command an image was converted, and how dcm2niix was called for its series."""
    command = read_command(Dataset(root), entry.made)
    if command is None:
        return {"command": "not recorded: it was converted by an earlier version"}
    program = entry.program or DCM2NIIX
    words = ("bidsflow", *command.words)
    facts = {"command": shlex.join(words), "in": command.folder} if command.words else {"command": "called from Python"}
    shown = (name for name in ("bidsflow", program) if name in command.versions)
    facts["versions"] = ", ".join(f"{name} {command.versions[name]}" for name in shown)
    if program == DCM2NIIX:
        facts["converter"] = shlex.join((DCM2NIIX, *command.dcm2niix, "-o", "STAGING", "SERIES"))
    return {key: text.encode(errors="backslashreplace").decode() for key, text in facts.items()}


_TITLES = {
    "derivative": "", "participant": "from the results in ", "raw": "from the raw image ",
    "dicom": "from the series ",
}  # fmt: skip


def to_lines(origin: Origin, depth: int = 0) -> Iterator[str]:
    """Return a trail as indented lines for people."""
    pad = "  " * depth
    yield f"{pad}{_TITLES[origin.kind]}{origin.path}"
    for key, value in origin.facts.items():
        yield f"{pad}    {key}: {value}"
    for source in origin.sources:
        yield from to_lines(source, depth + 1)
