"""Runs that repeat one that was stopped, where the dataset has the stopped one under their name. Pure.

Names stay: what came first keeps the plain name, and the whole run gets the next. Who wants it otherwise is told how.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bidsflow.convert.cohort import protocol_of
from bidsflow.convert.naming.repeats import planned_volumes
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.dicom.series import Series
from bidsflow.names import BidsName, home_of, parse_name

#: An image: SeriesInstanceUID and rank in its series.
_Image = tuple[str, int]


def note_shorter(
    rows: Sequence[PlanRow],
    by_uid: Mapping[str, Series],
    taken: Mapping[_Image, str],
    lengths: Mapping[str, tuple[str, int]],
) -> tuple[list[PlanRow], tuple[str, ...]]:
    """Return the rows with a note where the dataset has nothing but shorter runs of their name, and the notes.

    Parameters
    ----------
    rows : sequence of PlanRow
        With names that keep clear of the dataset.
    by_uid : mapping of str to Series
        The series.
    taken : mapping of (str, int) to str
        The paths of the images that the dataset has.
    lengths : mapping of str to (str, int)
        `cohort.protocol_of` and volumes of these, by path.
    """
    noted: list[PlanRow] = []
    notes: dict[str, str] = {}
    runs: dict[BidsName, list[str]] = {}
    folders = {home_of(row.path) for row in rows}
    for path in lengths:
        if home_of(path) in folders:
            runs.setdefault(parse_name(path).with_entity("run", ""), []).append(path)
    for row in rows:
        said = "" if (row.series_uid, row.image) in taken else _find_shorter(row, by_uid, lengths, runs)
        if said:
            notes.setdefault(row.series_uid, f"{parse_name(row.path).folder}: {row.title}: {said}")
        noted.append(replace(row, evidence=f"{row.evidence} {said[:1].upper()}{said[1:]}.") if said else row)
    return noted, tuple(notes.values())


def _find_shorter(
    row: PlanRow,
    by_uid: Mapping[str, Series],
    lengths: Mapping[str, tuple[str, int]],
    runs: Mapping[BidsName, Sequence[str]],
) -> str:
    """Return what is to be said of a row that repeats a run which was stopped, ``""`` of any other.

    What is planned tells that a run was stopped; where nothing is, one of less than half of the volumes was.
    """
    name = parse_name(row.path) if row.decision is Decision.CONVERT else None
    held = runs.get(name.with_entity("run", ""), ()) if name is not None else ()
    if not held:
        return ""
    series = by_uid[row.series_uid]
    image, planned = series.images[row.image - 1], planned_volumes(series)
    protocol = protocol_of(series, image)
    least = min(planned or math.ceil(image.volumes / 2), image.volumes)
    stopped = [path for path in held if lengths[path][0] == protocol and lengths[path][1] < least]
    if len(stopped) < len(held):
        return ""
    path = stopped[0]
    return (
        f"the dataset has a shorter run under {path} ({lengths[path][1]} of {image.volumes} volumes), which keeps its "
        "name; to exchange the names, plan both exports together with --bids-dir, exchange the two paths in the plan, "
        "and convert with it"
    )
