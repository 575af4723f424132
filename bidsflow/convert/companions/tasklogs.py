"""How the logs of a task are read, as a person's table says: values, and their reader. Pure.

A table of a TOML file for each task says where its logs lie, how they are written, and which columns are which:
nothing is guessed, and nothing but what it names is taken over. The same tables may stand in a study specification.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from bidsflow.convert.companions.logs import FORMATS, UNITS
from bidsflow.errors import StudyError

_KEYS = ("logs", "format", "unit", "start", "onset", "duration", "trial_type", "columns", "where", "levels")
_COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_PLACES = ("subject", "session", "run")


@dataclass(frozen=True, slots=True)
class Start:
    """Where a log says when the first volume began: in a column of the first row that fits.

    Attributes
    ----------
    column : str
        ``""`` where times count from the first volume already.
    where : mapping of str to tuple of str
        Values that columns of that row have.
    """

    column: str = ""
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TaskLogs:
    """How the logs of one task are read.

    Attributes
    ----------
    task : str
        Label of the task.
    logs : str
        Pattern of their paths, with ``{subject}``, ``{session}`` and ``{run}``; ``*`` stands for anything,
        ``**`` for any folders.
    form : str
        A key of `logs.FORMATS`.
    unit : float
        Seconds of the unit of its times.
    start : Start
        The zero of its times.
    onset : str
        Column.
    duration : str or float
        Column, or seconds; None where it is not known.
    columns : mapping of str to str
        Columns of the log by the names that they get, ``trial_type`` among them.
    where : mapping of str to tuple of str
        Rows that are events: values that columns have.
    levels : mapping of str to mapping of str to str
        What the values of a column mean.
    """

    task: str
    logs: str
    form: str
    unit: float
    start: Start
    onset: str
    duration: str | float | None
    columns: Mapping[str, str]
    where: Mapping[str, tuple[str, ...]]
    levels: Mapping[str, Mapping[str, str]]

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the path of a log, with groups for subject, session and run: labels as long as they can be."""
        known = {f"{{{name}}}": rf"(?P<{name}>[A-Za-z0-9]+)" for name in _PLACES} | {"*": "[^/]*?"}
        folders = [
            r"(?:[^/]+/)*"
            if part == "**"
            else "".join(known.get(piece, re.escape(piece)) for piece in re.split(r"(\{\w+\}|\*)", part)) + "/"
            for part in self.logs.split("/")
        ]
        return re.compile("".join(folders).removesuffix("/"))

    @property
    def glob(self) -> str:
        """What finds those paths, and maybe others, on a disk; from the root on where `logs` is absolute."""
        return "/".join(
            part if part == "**" else re.sub(r"(\{\w+\}|\*)+", "*", re.sub(r"[?\[]", r"[\g<0>]", part))
            for part in self.logs.removeprefix("/").split("/")
        )


def read_map(text: str, where: str) -> tuple[TaskLogs, ...]:
    """Return how the logs of each task are read, of TOML with tables ``[events.TASK]``.

    Raises
    ------
    StudyError
        If it is no TOML, or says something that is not known or is missing; each with its place.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(where, (f"it is no TOML: {error}",)) from error
    tables = content.get("events")
    if not isinstance(tables, dict) or not tables:
        raise StudyError(where, ("events: expected a table for each task, such as [events.motor]",))
    found, problems = read_tasks(tables)
    if problems:
        raise StudyError(where, problems)
    return found


def read_tasks(tables: Mapping[str, Any]) -> tuple[tuple[TaskLogs, ...], tuple[str, ...]]:
    """Return how the logs of each task are read, and what is wrong with their tables, each with its place."""
    problems: list[str] = []
    found = []
    for task, table in tables.items():
        try:
            found.append(_read_task(task, table))
        except ValueError as error:
            problems.append(f"events.{task}{error}")
    return tuple(found), tuple(problems)


def _read_task(task: str, table: Any) -> TaskLogs:
    """Return the table of one task.

    Raises
    ------
    ValueError
        With the rest of the path and what is wrong there.
    """
    if not re.fullmatch("[A-Za-z0-9]+", task):
        raise ValueError(": the label of a task holds letters and digits only")
    if not isinstance(table, dict):
        raise ValueError(": expected a table")  # noqa: TRY004 - a fault of the file, told with the others
    for key in table:
        if key not in _KEYS:
            raise ValueError(f".{key}: unknown key; known are {', '.join(_KEYS)}")
    form = _one_of(table, "format", FORMATS, "table")
    unit = _one_of(table, "unit", UNITS, FORMATS[form].unit)
    return TaskLogs(
        task, _read_pattern(table), form, UNITS[unit], _read_start(table, form), _text(table, "onset"),
        _read_duration(table), _read_columns(table), _choices(table, "where"), _read_levels(table),
    )  # fmt: skip


def _one_of(table: Mapping[str, Any], key: str, known: Mapping[str, object], default: str) -> str:
    value = str(table.get(key, default))
    if value not in known:
        raise ValueError(f".{key}: {value!r} is none of {', '.join(known)}")
    return value


def _read_pattern(table: Mapping[str, Any]) -> str:
    logs = _text(table, "logs")
    places = re.findall(r"\{(\w*)\}", logs)
    if "subject" not in places or set(places) - set(_PLACES) or len(set(places)) < len(places):
        raise ValueError(
            ".logs: expected a path with {subject}, and {session} and {run} where there are several, once each"
        )
    if together := re.search(r"\{\w+\}\{\w+\}", logs):
        raise ValueError(f".logs: nothing tells where in {together[0]} one label ends; put something between them")
    return re.sub("^/+", "/", PurePosixPath(logs).as_posix())


def _read_duration(table: Mapping[str, Any]) -> str | float | None:
    duration = table.get("duration")
    if duration is None or isinstance(duration, str):
        return duration
    if isinstance(duration, bool) or not isinstance(duration, (int, float)) or not 0 <= duration < math.inf:
        raise ValueError(".duration: expected the name of a column, or seconds")
    return float(duration)


def _read_columns(table: Mapping[str, Any]) -> dict[str, str]:
    columns = _texts(table, "columns")
    if "trial_type" in table:
        columns = {"trial_type": _text(table, "trial_type"), **columns}
    for name in columns:
        if not _COLUMN.fullmatch(name) or name in ("onset", "duration"):
            raise ValueError(f".columns.{name}: not a name for a further column")
    return columns


def _read_levels(table: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    levels = table.get("levels", {})
    if not isinstance(levels, dict) or not all(isinstance(one, dict) for one in levels.values()):
        raise ValueError(".levels: expected a table for each column, such as [events.motor.levels.trial_type]")
    return {name: {str(value): str(text) for value, text in one.items()} for name, one in levels.items()}


def _read_start(table: Mapping[str, Any], form: str) -> Start:
    start = table.get("start")
    if start is None and form == "presentation":
        return Start("Time", {"Event Type": ("Pulse",)})
    if start == 0 and not isinstance(start, bool):
        return Start()
    if isinstance(start, str) and start:
        return Start(start)
    if isinstance(start, dict) and set(start) <= {"column", "where"}:
        return Start(_text(start, "column"), _choices(start, "where"))
    raise ValueError(
        ".start: expected 0 (times count from the first volume), a column, or {column = ..., where = {...}} for the "
        "row of the first pulse"
    )


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise ValueError(f".{key}: expected a text")
    return value


def _texts(table: Mapping[str, Any], key: str) -> dict[str, str]:
    value = table.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ValueError(f".{key}: expected a table of texts")
    return dict(value)


def _choices(table: Mapping[str, Any], key: str) -> dict[str, tuple[str, ...]]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise ValueError(f".{key}: expected a table of values by column")  # noqa: TRY004 - as above
    return {name: tuple(map(str, one)) if isinstance(one, list) else (str(one),) for name, one in value.items()}
