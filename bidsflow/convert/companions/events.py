"""What happened during a run: from the rows of a log to `_events.tsv` and its sidecar. Pure.

Source: BIDS, "Task (including resting state) events".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from bidsflow.convert.companions.logs import FORMATS, Row
from bidsflow.convert.companions.tasklogs import TaskLogs
from bidsflow.dataset import describe
from bidsflow.dataset.tsv import MISSING, format_tsv

#: What cells say that hold nothing.
_EMPTY: Final = frozenset({"", "none", "n/a", "nan", "null", "na"})


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
            raise ValueError(
                f"line {row.line}: an event {onset:.3f} s after the first volume, and the run ends at {end:.1f} s"
            )
        more = {name: _clean(row.cells.get(column, "")) for name, column in task.columns.items()}
        for name, value in more.items():
            if value != MISSING and value not in task.levels.get(name, {value: ""}):
                said = f"levels.{name} of the map does not describe what stands in {task.columns[name]!r}"
                raise ValueError(f"line {row.line}: {said}")
        events.append((onset, {"onset": _plain(onset), "duration": _read_duration(task, row), **more}))
    if not events:
        raise ValueError("no row of it is an event (see onset and where)")
    events.sort(key=lambda pair: pair[0])
    return format_tsv([cells for _, cells in events], ["onset", "duration", *task.columns])


def _find_zero(task: TaskLogs, rows: Sequence[Row]) -> float:
    if not task.start.column:
        return 0.0
    for row in rows:
        if _fits(row, task.start.where) and not _is_empty(row.cells.get(task.start.column, "")):
            return _number(row, task.start.column) * task.unit
    raise ValueError("no row of it says when the first volume began (see start)")


def _read_duration(task: TaskLogs, row: Row) -> str:
    if task.duration is None:
        return MISSING
    if isinstance(task.duration, float):
        return _plain(task.duration)
    if _is_empty(row.cells.get(task.duration, "")):
        return MISSING
    seconds = _number(row, task.duration) * task.unit
    if seconds < 0:
        raise ValueError(f"line {row.line}: its duration is below zero")
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
        raise ValueError(f"line {row.line}: what stands in {column!r} is no number")
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
