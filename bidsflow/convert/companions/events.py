"""What happened during a run: from the rows of a log to `_events.tsv` and its sidecar. Pure.

Source: BIDS, "Task (including resting state) events".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from bidsflow.convert.companions.logs import FORMATS, Row
from bidsflow.convert.companions.tasklogs import TaskLogs
from bidsflow.dataset import describe
from bidsflow.dataset.tsv import MISSING, format_tsv

#: What cells say that hold nothing.
_EMPTY: Final = frozenset({"", "none", "n/a", "nan", "null", "na"})
_COMMA: Final = re.compile(r"[+-]?\d*,\d+")
_LOOK: Final = "look at unit and start in the map"
#: So many events within so small a part of their run are in another unit: each is 1000 of the next.
_SEVERAL, _CROWDED = 3, 500


def make_events(task: TaskLogs, rows: Sequence[Row], *, end: float = math.inf) -> str:
    """Return the table of events of one log, in order of their onsets.

    Parameters
    ----------
    rows : sequence of Row
        Of the log.
    end : float
        Seconds from the first volume to the end of the run.

    Raises
    ------
    ValueError
        If a column or an event is missing, or a time is no number or lies behind the run; the line is named.
    """
    wanted = [task.onset, *task.columns.values(), *task.where, *task.start.where, task.start.column]
    wanted += [task.duration] if isinstance(task.duration, str) else []
    known = {name for row in rows for name in row.cells}
    absent = [name for name in dict.fromkeys(wanted) if name and name not in known]
    if absent:
        raise ValueError(f"it has no column {absent[0]!r}; it has {', '.join(sorted(known)[:8]) or 'none'}")
    zero = _find_zero(task, rows)
    events = []
    for row in rows:
        if not _fits(row, task.where) or _is_empty(row.cells.get(task.onset, "")):
            continue
        onset = _number(row, task.onset) * task.unit - zero
        if onset > end:
            said = f"an event {onset:.3f} s after the first volume, and the run ends at {end:.1f} s"
            raise ValueError(f"line {row.line}: {said} ({_LOOK})")
        more = {name: _clean(row.cells.get(column, "")) for name, column in task.columns.items()}
        for name, value in more.items():
            if value != MISSING and value not in task.levels.get(name, {value: ""}):
                said = f"levels.{name} of the map does not describe what stands in {task.columns[name]!r}"
                raise ValueError(f"line {row.line}: {said}")
        events.append((onset, {"onset": _plain(onset), "duration": _read_duration(task, row, end), **more}))
    if not events:
        raise ValueError("no row of it is an event (see onset and where)")
    _check_clock([onset for onset, _ in events], end)
    events.sort(key=lambda pair: pair[0])
    return format_tsv([cells for _, cells in events], ["onset", "duration", *task.columns])


def _check_clock(onsets: Sequence[float], end: float) -> None:
    """Refuse onsets that only a wrong zero or a wrong unit makes.

    Raises
    ------
    ValueError
        If all lie before the first volume, or several crowd at the beginning of the run.
    """
    last = max(onsets)
    if last < 0:
        raise ValueError(f"all its events lie before the first volume, the last by {-last:.3f} s (see start)")
    if len(set(onsets)) >= _SEVERAL and last < end / _CROWDED < math.inf:
        said = f"its {len(onsets)} events lie within the first {last:.4f} s of a run of {end:.1f} s"
        raise ValueError(f"{said} ({_LOOK})")


def _find_zero(task: TaskLogs, rows: Sequence[Row]) -> float:
    if not task.start.column:
        return 0.0
    for row in rows:
        if _fits(row, task.start.where) and not _is_empty(row.cells.get(task.start.column, "")):
            return _number(row, task.start.column) * task.unit
    raise ValueError("no row of it says when the first volume began (see start)")


def _read_duration(task: TaskLogs, row: Row, end: float) -> str:
    if task.duration is None:
        return MISSING
    if isinstance(task.duration, float):
        return _plain(task.duration)
    if _is_empty(row.cells.get(task.duration, "")):
        return MISSING
    seconds = _number(row, task.duration) * task.unit
    if seconds < 0:
        raise ValueError(f"line {row.line}: its duration is below zero")
    if seconds > end:
        said = f"an event that lasts {seconds:.3f} s, and the run lasts {end:.1f} s"
        raise ValueError(f"line {row.line}: {said} ({_LOOK}; onset and duration have one unit)")
    return _plain(seconds)


def _fits(row: Row, where: Mapping[str, tuple[str, ...]]) -> bool:
    return all(row.cells.get(name, "") in values for name, values in where.items())


def _is_empty(cell: str) -> bool:
    return cell.strip().lower() in _EMPTY


def _clean(cell: str) -> str:
    return MISSING if _is_empty(cell) else cell.strip()


def _number(row: Row, column: str) -> float:
    """Return a time; its text is not repeated in messages, since logs may hold what people typed."""
    try:
        value = float(row.cells.get(column, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        comma = _COMMA.fullmatch(row.cells.get(column, "").strip())
        advice = ", since it has a comma: save the log with decimal points" if comma else ""
        raise ValueError(f"line {row.line}: what stands in {column!r} is no number{advice}")
    return value


def _plain(seconds: float) -> str:
    """Return seconds with at most four digits, which is what the finest of the clocks has."""
    text = f"{seconds:.4f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def describe_events(task: TaskLogs) -> str:
    """Return the sidecar of a table of events."""
    texts: dict[str, dict[str, object]] = {
        "onset": {"Description": "Time from the beginning of the first volume", "Units": "s"},
        "duration": {"Description": "Duration of the event", "Units": "s"},
    }
    for name, column in task.columns.items():
        texts[name] = {"Description": f"{column}, as the log has it"}
    for name, levels in task.levels.items():
        if name in texts:
            texts[name]["Levels"] = dict(levels)
    software = FORMATS[task.form].software
    if software:
        texts["StimulusPresentation"] = {"SoftwareName": software}
    return describe.to_json(texts)
