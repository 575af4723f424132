"""Which M0 scan calibrates which run of labelled blood: ``IntendedFor`` of the one, ``M0Type`` of the other. Pure.

Source: BIDS, "Arterial Spin Labeling perfusion data"; schema, ``rules.sidecars.asl`` and ``rules.checks.asl``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bidsflow.convert.plan import PlanRow
from bidsflow.convert.visits import seconds_of
from bidsflow.dicom.series import Image, Series
from bidsflow.names import parse_name

#: What M0Type says where nobody else knows better (``Included`` and ``Estimate`` stay).
_SETTLED_HERE = (None, "Separate", "Absent")


def pair_m0(rows: Sequence[PlanRow], series: Mapping[str, Series]) -> dict[str, str]:
    """Return the M0 scan of each run of labelled blood of one session, by path: of its geometry, nearest in time.

    Parameters
    ----------
    rows : sequence of PlanRow
        What is converted into the session, or stands there.
    series : mapping of str to Series
        Their series by SeriesInstanceUID.
    """
    runs = [row for row in rows if parse_name(row.path).suffix == "asl"]
    scans = [row for row in rows if parse_name(row.path).suffix == "m0scan"]
    return {run.path: _find_scan(run, scans, series).path for run in runs} if scans else {}


def _find_scan(run: PlanRow, scans: Sequence[PlanRow], series: Mapping[str, Series]) -> PlanRow:
    alike = [scan for scan in scans if _geometry(scan, series) == _geometry(run, series)]
    return min(alike or scans, key=lambda scan: (_apart(scan, run, series), scan.path))


def _geometry(row: PlanRow, series: Mapping[str, Series]) -> tuple[object, ...]:
    image: Image = series[row.series_uid].images[row.image - 1]
    return image.matrix, tuple(round(value, 1) + 0.0 for value in image.orientation)


def _apart(scan: PlanRow, run: PlanRow, series: Mapping[str, Series]) -> float:
    first, second = (seconds_of(series[row.series_uid].started) for row in (scan, run))
    return abs(first - second) if first is not None and second is not None else 0.0


def tell_m0(sidecar: Mapping[str, object], path: str, pairs: Mapping[str, str], others: Collection[str]) -> str:
    """Return M0Type of a run of labelled blood.

    Parameters
    ----------
    sidecar : mapping
        As it is so far.
    path : str
        BIDS path of the run.
    pairs : mapping of str to str
        See `pair_m0`.
    others : collection of str
        BIDS paths of images that stand in the session besides.
    """
    said = sidecar.get("M0Type")
    if said not in _SETTLED_HERE:
        return str(said)
    separate = path in pairs or any(parse_name(other).suffix == "m0scan" for other in others)
    return "Separate" if separate else "Absent"
