"""Headers of real exports, and what each image is: read from a table of facts that stand in public sidecars.

The table, ``corpus.tsv``, has one row per image. ``facts`` are the fields of the sidecar (times in seconds), with what
it leaves out where its source tells it elsewhere: ``Matrix``, ``Component``, ``FrameType``, ``PhilipsEpiFactor``, and
``At`` (minutes into the session, for images that were reconstructed from one scan). ``Enhanced`` marks multi-frame
objects: their header has no ScanningSequence, which the sidecar makes up. The count of volumes is often a guess.

Rows are ``tuned`` (rules were mended for them) or ``held`` (run only to measure), by a hash of the session's name.
``second`` are sessions that were gathered later, when the rules for the others stood: they were committed before they
were run for the first time. Where their sidecars are old and say neither 2D nor 3D, the sequence or the name tells.
``third`` are sessions of published datasets, gathered later still and committed likewise. ``fourth`` are others of
them, and of QA repositories, gathered last and committed likewise; ``review`` is expected where BIDS has no name.
``fifth`` are whole sessions as heudiconv listed them (volumes, slices and scouts are told; what the list leaves out of
a Siemens header is filled in by the name of its sequence) and sessions of published datasets, committed likewise.
``sixth`` are sessions of laboratories that no set before has, GE and Philips first (the technique of Philips, which
sidecars leave out, is filled in by the sequence), and Siemens of XA and VE; committed likewise.
``seventh`` are of five makers: UIH and Canon as far as they can be found (many of UIH are names of folders, with the
usual header of the maker), GE, Philips (headers of PAR files, with the options that their techniques have), and
Siemens; committed likewise.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name
from tests.convert.naming.scans import Part, Tags, make, plan_of

_TABLE = Path(__file__).with_name("corpus.tsv")
_MILLISECONDS = frozenset({"EchoTime", "RepetitionTime", "InversionTime"})
_ALIASES = {
    "PulseSequenceDetails": "SequenceFile",
    "EchoNumber": "EchoNumbers",
    "InternalPulseSequenceName": "GeInternalSequence",
    "Units": "RescaleType",
}
#: What the maker's private name of the sequence goes by here; Siemens and Canon write the standard element.
_NAMES = {"GE": "GePulseSequence", "Philips": "PhilipsTechnique"}
_MAKERS = {"GE": "GE MEDICAL SYSTEMS", "Siemens": "SIEMENS", "Philips": "Philips Medical Systems"}
#: Labels that say which of several images one is; the others are about the session, not about the image.
_TELLING = ("echo", "flip", "inv", "mt", "part")


class Row(NamedTuple):
    """One image of the table."""

    half: str
    session: str
    series: str
    description: str
    protocol: str
    expected: str
    volumes: str
    b_values: str
    facts: str
    why: str
    source: str


class Verdict(NamedTuple):
    """What became of one image: ``right``, ``review`` or ``wrong``."""

    row: Row
    outcome: str
    got: str
    evidence: str


def read_corpus() -> tuple[Row, ...]:
    """Return the rows of the table."""
    with _TABLE.open(newline="") as stream:
        rows = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        return tuple(Row(*row) for row in rows)


def judge(rows: Sequence[Row]) -> list[Verdict]:
    """Plan the sessions of some rows, and return what became of each image."""
    sessions: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        sessions[row.session].append(row)
    return [verdict for members in sessions.values() for verdict in _judge_session(members)]


def _judge_session(members: Sequence[Row]) -> list[Verdict]:
    by_series: dict[str, list[Row]] = defaultdict(list)
    for row in members:
        by_series[row.series].append(row)
    series = {key: _build(own) for key, own in by_series.items()}
    plan = plan_of(list(series.values()))
    verdicts = []
    for key, own in by_series.items():
        planned = [row for row in plan if row.series_uid == series[key].uid]
        verdicts += [_compare(row, one) for row, one in zip(own, planned, strict=True)]
    return verdicts


def _build(rows: Sequence[Row]) -> Series:
    first = rows[0]
    parts = []
    for row in rows:
        tags = _read_facts(row.facts)
        size = tuple(int(one) for one in str(tags.pop("Matrix")).split("x"))
        where = tuple(float(one) for one in str(tags.pop("Orientation", "1 0 0 0 1 0")).split())
        component = str(tags.pop("Component", "magnitude"))
        tags.pop("At", "")
        b = tuple(float(one) for one in row.b_values.split())
        te = float(str(tags.get("EchoTime", 0)))
        parts.append(Part(int(row.volumes), te, component, b, where, (size[0], size[1], size[2]), tags))
    shared = _read_facts(first.facts)
    kept = {key: value for key, value in shared.items() if key not in ("Matrix", "Orientation", "Component", "At")}
    at = float(str(shared.get("At", 5 * int(first.series) % 600)))
    return make(int(first.series), first.description, kept, *parts, protocol=first.protocol, at=at)


def _read_facts(text: str) -> Tags:
    """Return the elements of a DICOM header that the facts of a sidecar stand for."""
    facts = dict(pair.strip().split("=", 1) for pair in text.split(";"))
    maker = facts["Manufacturer"]
    enhanced = facts.pop("Enhanced", "") == "YES"
    sequence, name = facts.get("ScanningSequence", ""), facts.pop("PulseSequenceName", "")
    tags: Tags = {"Manufacturer": _MAKERS.get(maker, maker)}
    if name:
        tags[_NAMES.get(maker, "PulseSequenceName")] = name
    if enhanced:
        for key in ("ScanningSequence", "SequenceVariant", "ScanOptions"):
            facts.pop(key, None)
        if sequence:
            planar = "EP" in sequence or "EPI" in name or name.startswith("Dwi")
            tags["EchoPulseSequence"] = "SPIN" if "SE" in sequence else "GRADIENT"
            tags["EchoPlanarPulseSequence"] = "YES" if planar else "NO"
        words = facts["ImageType"].split("\\")
        if len(words) > 2 and words[2] in ("T1", "T2", "PROTON_DENSITY", "DIFFUSION"):
            tags["AcquisitionContrast"] = words[2]
    for key, value in facts.items():
        if key == "Manufacturer":
            continue
        tags[_ALIASES.get(key, key)] = f"{float(value) * 1000:g}" if key in _MILLISECONDS else value
    return tags


def _compare(row: Row, planned: PlanRow) -> Verdict:
    got = describe(planned)
    choices = [_canonical(one) for one in row.expected.split("|")]
    outcome = "right" if got in choices else "review" if got == "review" else "wrong"
    return Verdict(row, outcome, got, planned.evidence)


def describe(planned: PlanRow) -> str:
    """Return what a row of a plan says, without the labels that are about the session."""
    if planned.decision is not Decision.CONVERT:
        return str(planned.decision)
    return _canonical(planned.path.split("/", 1)[1] if not planned.path.startswith("anat") else planned.path)


def _canonical(path: str) -> str:
    if "/" not in path:
        return path
    datatype, _, rest = path.rpartition("/")
    name = parse_name(f"sub-01/{datatype}/sub-01_{rest.removeprefix('sub-01_')}")
    kept = [f"{key}-{value}" for key, value in name.entities if key in _TELLING]
    if name.suffix == "TB1TFL":
        kept.append(f"acq-{name.entity('acq')[:4]}")
    return "/".join((datatype, "_".join((*kept, name.suffix))))


def main() -> None:
    """Print what became of the images of one half: ``python -m tests.convert.naming.corpus tuned``."""
    import sys

    half = sys.argv[1]
    verdicts = judge([row for row in read_corpus() if row.half == half])
    for one in verdicts:
        if one.outcome != "right" and "-q" not in sys.argv:
            print(f"{one.outcome:7}{one.row.session} {one.row.series} {one.row.description}: {one.row.expected}")
            print(f"       got {one.got}: {one.evidence}")
    counts = {key: sum(one.outcome == key for one in verdicts) for key in ("right", "review", "wrong")}
    print(half, len(verdicts), counts)


if __name__ == "__main__":
    main()
