"""Field maps and runs of one session that came in two exports: what a plan cannot wire, since it sees one half. Pure.

Which field map is true of a run is told from headers (`conditions`). A dataset keeps what they say of each image, and
what came in two exports is wired (`fields`); what an earlier version has converted has nothing kept, and this is told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bidsflow.convert.folder import group_by_folder
from bidsflow.convert.links import Held, Standing, sources
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.shots import is_distorted, is_run
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name

#: Suffixes of what makes a field map; magnitudes alone make none.
_MAPS = frozenset({"epi", "phasediff", "phase1", "phase2", "fieldmap"})
_TOGETHER = "convert both exports together (bidsflow convert EXPORT1 EXPORT2 BIDS_DIR)"


def is_map(path: str) -> bool:
    """Return whether an image measures a field, by its name."""
    name = parse_name(path)
    return name.datatype == "fmap" and name.suffix in _MAPS


def say_held(paths: Collection[str]) -> str:
    """Return a clause on field maps of a session that only the dataset has, ``""`` for none."""
    return (
        f"the dataset has field maps of this session that this export does not hold ({_list(paths)})" if paths else ""
    )


def note_counterparts(
    rows: Sequence[PlanRow], by_uid: Mapping[str, Series], held: Mapping[str, Held]
) -> tuple[str, ...]:
    """Return a note for images that may be wired to others, of which only the dataset knows.

    Parameters
    ----------
    rows : sequence of PlanRow
        Of all folders, wired.
    by_uid : mapping of str to Series
        The series of the rows.
    held : mapping of str to Held
        What the dataset holds besides, by folder.
    """
    notes: list[str] = []
    folders = group_by_folder(row for row in rows if row.decision is Decision.CONVERT)
    for folder, one in sorted(held.items()):
        here = folders.get(folder, [])
        unknown = [other for other in one.strangers if other.shot is None]
        notes += _note_runs(folder, here, by_uid, unknown)
        notes += _note_maps(folder, here, unknown)
    return tuple(notes)


def _note_runs(
    folder: str, here: Sequence[PlanRow], by_uid: Mapping[str, Series], others: Sequence[Standing]
) -> list[str]:
    """Return a note for runs that nothing corrects, where the dataset has field maps."""
    maps = [other for other in others if is_map(other.path)]
    runs = [row for row in here if not sources(row) and _may_be_corrected(row, by_uid)]
    if not maps or not runs:
        return []
    labels = sorted({other.links.identifier for other in maps} - {""})
    or_else = f", or write {' or '.join(labels)} into the b0_source of a plan" if labels else ""
    held = say_held([other.path for other in maps])
    return [f"{folder}: {held}, and nothing wires {_titles(runs)} to them: {_TOGETHER}{or_else}"]


def _note_maps(folder: str, here: Sequence[PlanRow], others: Sequence[Standing]) -> list[str]:
    """Return a note for field maps, where the dataset has runs that nothing corrects, or their other halves."""
    maps = [row for row in here if is_map(row.path)]
    halved = any(parse_name(row.path).suffix == "epi" and not row.b0_identifier for row in maps)
    parted = [
        other.path
        for other in others
        if not (other.links.identifier or other.links.sources)
        and (is_run(*_kind(other.path)) or (halved and is_map(other.path)))
    ]
    if not maps or not parted:
        return []
    said = f"the dataset has images of this session that the export does not hold ({_list(parted)})"
    return [f"{folder}: {said}, and nothing wires {_titles(maps)} to them: {_TOGETHER}"]


def _may_be_corrected(row: PlanRow, by_uid: Mapping[str, Series]) -> bool:
    datatype, suffix = _kind(row.path)
    series = by_uid.get(row.series_uid)
    return series is not None and is_run(datatype, suffix) and is_distorted(datatype, series.header)


def _kind(path: str) -> tuple[str, str]:
    name = parse_name(path)
    return name.datatype, name.suffix


def _list(paths: Collection[str]) -> str:
    return ", ".join(sorted(path.rpartition("/")[2] for path in paths))


def _titles(rows: Sequence[PlanRow]) -> str:
    return ", ".join(dict.fromkeys(row.title for row in rows))
