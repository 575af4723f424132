"""From the text of a study file to a `Study`; every fault is named with its place. Pure, but for `read_study`."""

from __future__ import annotations

import math
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from bidsflow import schema
from bidsflow.convert.companions.tasklogs import read_tasks
from bidsflow.convert.plan import Decision
from bidsflow.convert.sidecar import WIRING, is_personal
from bidsflow.convert.study.conditions import check_expression, check_field, parse_conditions, show, suggest
from bidsflow.convert.study.fields import FIELDS
from bidsflow.convert.study.names import ENTITIES, LABEL, TEMPLATE, check_labels, split_name
from bidsflow.convert.study.spec import (
    VERSION,
    Condition,
    Expected,
    Json,
    Limit,
    Rule,
    Scalar,
    Sessions,
    Source,
    Study,
    Subjects,
    Table,
)
from bidsflow.errors import StudyError

_Node = Mapping[str, Json]
_Choice = TypeVar("_Choice", bound=StrEnum)

#: No study that a person wrote is larger; what is was given by mistake.
_MAX_BYTES = 16 << 20
_BLOCK = re.compile(r"[ \t]*\[\[\s*(\w+)\s*\]\]")
RULE_KEYS = ("match", "decision", "name", "datatype", "suffix", "sidecar", "aslcontext", "because", *ENTITIES)
TOP_KEYS = ("version", "name", "subjects", "sessions", "dataset", "sidecar", "exclude", "series", "expected", "events")
LABEL_KEYS = ("from", "pattern", "table")
TABLE_KEYS = ("path", "key", "label", "by")
EXPECTED_KEYS = ("name", "runs", "volumes", "parameters", "optional", "sessions")
#: Volume types of an aslcontext.tsv (BIDS, "Arterial Spin Labeling perfusion data").
_ASL_TYPES = ("control", "label", "m0scan", "deltam", "cbf", "noRF", "n/a")
#: Fields that bidsflow writes itself, and how to say what they are to say.
_OWN_FIELDS = {
    **dict.fromkeys(
        WIRING,
        "bidsflow writes it from the plan; say which field an image measures and which corrects it in the columns "
        "b0_identifier and b0_source of a plan (bidsflow plan EXPORT -o plan.tsv)",
    ),
    "TaskName": 'bidsflow writes it from the name of the image; say task = "..." in a [[series]] block',
}


def read_study(path: Path) -> Study:
    """Return the study that a file describes.

    Raises
    ------
    StudyError
        If it cannot be read, or as `parse_study`.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise StudyError(str(path), (f"it is larger than {_MAX_BYTES >> 20} MiB: no study is",))
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise StudyError(str(path), (f"it cannot be read ({error.strerror})",)) from error
    except UnicodeDecodeError as error:
        raise StudyError(str(path), ("it is not UTF-8",)) from error
    return parse_study(text, str(path))


def parse_study(text: str, where: str = "study.toml") -> Study:
    """Return the study that a text describes.

    Parameters
    ----------
    text : str
        TOML 1.0.
    where : str
        Its name, for messages.

    Raises
    ------
    StudyError
        If it is no TOML, or something in it is unknown, of the wrong kind, or no name that BIDS allows. Every fault is
        named with its place: tables of an array are counted from 0.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyError(where, (f"it is no TOML: {error}",)) from error
    except RecursionError as error:
        raise StudyError(
            where, ("it is no TOML that can be read: its lists or tables are nested too deeply",)
        ) from error
    version = content.get("version")
    if isinstance(version, int) and version > VERSION:
        said = f"version: {version} is newer than this bidsflow, which reads up to {VERSION}; update bidsflow"
        raise StudyError(where, (said,))
    reader = _Reader()
    study = reader.read(content)
    if reader.problems:
        lines = _find_blocks(text)
        raise StudyError(where, tuple(_locate(problem, lines) for problem in reader.problems))
    return study


def _find_blocks(text: str) -> dict[str, list[int]]:
    """Return the lines at which the tables of each array begin; TOML's reader keeps no lines."""
    lines: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate(text.split("\n"), start=1):
        if found := _BLOCK.match(line):
            lines[found[1]].append(number)
    return lines


def _locate(problem: str, lines: Mapping[str, Sequence[int]]) -> str:
    """Return a problem with the line at which its table of an array begins."""
    found = re.match(r"(\w+)\[(\d+)\]", problem)
    if found is None or int(found[2]) >= len(lines.get(found[1], ())):
        return problem
    return f"{problem} (the {found[1]} block at line {lines[found[1]][int(found[2])]})"


class _Reader:
    """Reads node by node, and keeps what is wrong; what cannot be read is left as if it were not there."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    @contextmanager
    def _at(self, path: str) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            self.problems.append(f"{path}: {error}")

    def _known(self, node: _Node, path: str, keys: Sequence[str]) -> None:
        prefix = f"{path}." if path else ""
        for key in node:
            if key not in keys:
                self.problems.append(f"{prefix}{key}: unknown key{suggest(key, keys)}")

    def _table(self, node: _Node, key: str, path: str) -> _Node:
        value = node.get(key, {})
        if not isinstance(value, dict):
            self.problems.append(f"{path}: expected a table, got {show(value)}")
            return {}
        return value

    def _tables(self, node: _Node, key: str) -> list[tuple[str, _Node]]:
        """Return the tables of an array, each with its path."""
        value = node.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self.problems.append(f"{key}: expected blocks that begin with [[{key}]]")
            return []
        return [(f"{key}[{rank}]", one) for rank, one in enumerate(value) if isinstance(one, dict)]

    def _text(self, node: _Node, key: str, path: str) -> str:
        value = node.get(key, "")
        if isinstance(value, str):
            return value
        self.problems.append(f"{path}.{key}: expected a text, got {show(value)}".lstrip("."))
        return ""

    def _truth(self, node: _Node, key: str, path: str) -> bool:
        value = node.get(key, False)
        if isinstance(value, bool):
            return value
        self.problems.append(f"{path}.{key}: expected true or false, got {show(value)}")
        return False

    def _texts(self, node: _Node, key: str, path: str, choices: Sequence[str] = ()) -> tuple[str, ...]:
        value = node.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self.problems.append(f"{path}.{key}: expected a list of texts, got {show(value)}")
            return ()
        texts = tuple(str(one) for one in value)
        for text in texts:
            if choices and text not in choices:
                self.problems.append(f"{path}.{key}: expected some of {', '.join(choices)}, got {show(text)}")
        return texts

    def _choose(self, node: _Node, key: str, path: str, kind: type[_Choice], default: _Choice | None) -> _Choice | None:
        value = node.get(key, default)
        if value is None or value in list(kind):
            return default if value is None else kind(str(value))
        self.problems.append(f"{path}.{key}: expected one of {', '.join(kind)}, got {show(value)}")
        return default

    def read(self, node: _Node) -> Study:
        """Return what the whole file says."""
        self._known(node, "", TOP_KEYS)
        if node.get("version") != VERSION or isinstance(node.get("version"), bool):
            got = f", got {show(node['version'])}" if "version" in node else ", and there is none"
            self.problems.append(f"version: expected {VERSION}{got}")
        return Study(
            name=self._text(node, "name", ""),
            subjects=self._subjects(self._table(node, "subjects", "subjects")),
            sessions=self._sessions(self._table(node, "sessions", "sessions")),
            rules=tuple(self._rule(one, path) for path, one in self._tables(node, "series")),
            expected=tuple(self._expected(one, path) for path, one in self._tables(node, "expected")),
            sidecar=dict(self._sidecar(node, "sidecar")),
            exclude=tuple(self._conditions(one, path) for path, one in self._tables(node, "exclude")),
            dataset=dict(self._description(self._table(node, "dataset", "dataset"))),
            events=dict(self._events(self._table(node, "events", "events"))),
        )

    def _events(self, node: _Node) -> _Node:
        self.problems += read_tasks(node)[1]
        return self._plain(node, "events")

    def _plain(self, node: _Node, path: str) -> _Node:
        """Return values as they are; JSON knows no dates, and neither infinity nor what is no number."""
        for key, value in node.items():
            if not _is_json(value):
                self.problems.append(f"{path}.{key}: expected a text, a number, true or false, a list or a table")
        return node

    def _sidecar(self, node: _Node, path: str) -> _Node:
        """Return the fields for sidecars of a study or a rule."""
        fields = self._table(node, "sidecar", path)
        for key in filter(is_personal, fields):
            self.problems.append(f"{path}.{key}: says who or when, which no sidecar of a dataset holds; leave it out")
        for key in sorted(fields.keys() & _OWN_FIELDS.keys()):
            self.problems.append(f"{path}.{key}: {_OWN_FIELDS[key]}")
        return self._plain(fields, path)

    def _description(self, node: _Node) -> _Node:
        known = schema.description_fields()
        for key in node:
            if key not in known:
                self.problems.append(f"dataset.{key}: no field of dataset_description.json{suggest(key, known)}")
        for key in ("BIDSVersion", "DatasetType", "GeneratedBy"):
            if key in node:
                self.problems.append(f"dataset.{key}: bidsflow writes it itself; leave it out")
        return self._plain(node, "dataset")

    def _subjects(self, node: _Node) -> Subjects:
        self._known(node, "subjects", LABEL_KEYS)
        source, pattern, table = self._labels(node, "subjects")
        return Subjects(source, pattern, table)

    def _sessions(self, node: _Node) -> Sessions:
        self._known(node, "sessions", (*LABEL_KEYS, "labels", "names", "optional"))
        source, pattern, table = self._labels(node, "sessions")
        labels = self._texts(node, "labels", "sessions")
        for label in labels:
            if not label or not LABEL.fullmatch(label):
                self.problems.append(f"sessions.labels: a label holds letters and digits only, got {show(label)}")
        if len(set(map(str.lower, labels))) < len(labels):
            self.problems.append("sessions.labels: a label stands twice")
        if labels and source is not Source.NUMBER:
            self.problems.append(f"sessions.labels: are for numbered sessions, and these come from {source}")
        names = self._text(node, "names", "sessions") or "auto"
        if names not in ("auto", "always", "never"):
            self.problems.append(f"sessions.names: expected auto, always or never, got {show(names)}")
        optional = self._truth(node, "optional", "sessions")
        if optional and source is Source.NUMBER:
            self.problems.append("sessions.optional: says nothing, since sessions are numbered; say from = ...")
        return Sessions(source, pattern, table, labels, names, optional)

    def _labels(self, node: _Node, path: str) -> tuple[Source, str, Table | None]:
        source = self._choose(node, "from", path, Source, Source.NUMBER) or Source.NUMBER
        pattern = self._text(node, "pattern", path)
        with self._at(f"{path}.pattern"):
            check_expression(pattern)
            if pattern and source is Source.NUMBER:
                raise ValueError(f"is searched in nothing, since {path} are numbered; say from = ...")
        if source is Source.TABLE and "table" not in node:
            self.problems.append(f'{path}.table: expected table = {{ path = "..." }}, and there is none')
        if source is not Source.TABLE and "table" in node:
            self.problems.append(f'{path}.table: is not used unless from = "table"')
        table = self._lookup(self._table(node, "table", f"{path}.table"), path) if "table" in node else None
        if Source.FOLDER in (source, table.by if table else source) and not pattern:
            self.problems.append(f"{path}.pattern: expected a regular expression that finds the label in the folder")
        return source, pattern, table

    def _lookup(self, node: _Node, room: str) -> Table:
        path, ours = f"{room}.table", room == "sessions"
        self._known(node, path, (*TABLE_KEYS, "date") if ours else TABLE_KEYS)
        file = self._text(node, "path", path)
        if not file:
            self.problems.append(f"{path}.path: expected the path of a CSV or TSV file")
        by = self._choose(node, "by", path, Source, Source.PATIENT_ID) or Source.PATIENT_ID
        if by in (Source.NUMBER, Source.TABLE):
            self.problems.append(f"{path}.by: expected PatientID, PatientName or folder, got {show(by.value)}")
        label = self._text(node, "label", path) or ("session_id" if ours else "participant_id")
        key = self._text(node, "key", path) or "PatientID"
        return Table(file, key, label, by, self._text(node, "date", path))

    def _conditions(self, node: _Node, path: str) -> tuple[Condition, ...]:
        found: list[Condition] = []
        for key, value in node.items():
            with self._at(f"{path}.{key}"):
                found += parse_conditions(key, value)
        if not node:
            self.problems.append(f"{path}: expected at least one condition; without any, it would mean every image")
        return tuple(found)

    def _rule(self, node: _Node, path: str) -> Rule:
        self._known(node, path, RULE_KEYS)
        match = self._conditions(self._table(node, "match", f"{path}.match"), f"{path}.match")
        decision = self._choose(node, "decision", path, Decision, None)
        datatype, suffix = self._text(node, "datatype", path), self._text(node, "suffix", path)
        entities = {key: self._text(node, key, path) for key in ENTITIES if key in node}
        if name := self._text(node, "name", path):
            with self._at(f"{path}.name"):
                if datatype or suffix:
                    raise ValueError("gives datatype and suffix; leave those keys out")
                datatype, suffix, named = split_name(name)
                if twice := sorted(named.keys() & entities.keys()):
                    raise ValueError(f"gives {twice[0]}-, and so does the key {twice[0]}; keep one")
                entities = {**named, **entities}
        with self._at(f"{path}.name" if name else path):
            check_labels(entities, match)
            fixed = {key: "" if TEMPLATE.search(value) else value for key, value in entities.items() if value}
            if problem := schema.explain_refusal(datatype, suffix, fixed):
                raise ValueError(problem)
        return Rule(
            match, decision, datatype, suffix, entities,
            dict(self._sidecar(node, f"{path}.sidecar")),
            self._texts(node, "aslcontext", path, _ASL_TYPES), self._text(node, "because", path),
        )  # fmt: skip

    def _expected(self, node: _Node, path: str) -> Expected:
        self._known(node, path, EXPECTED_KEYS)
        name = self._text(node, "name", path)
        if not re.fullmatch(r"[^/_]+/\S+", name):
            said = 'expected a name such as "func/task-rest_bold"'
            self.problems.append(f"{path}.name: {said}, got {show(name)}")
        elif not re.search(r"[*?\[]", name):
            with self._at(f"{path}.name"):
                datatype, suffix, entities = split_name(name)
                if problem := schema.explain_refusal(datatype, suffix, entities):
                    raise ValueError(problem)
        limits: dict[str, Limit] = {}
        for key, value in self._table(node, "parameters", f"{path}.parameters").items():
            with self._at(f"{path}.parameters.{key}"):
                limits[key] = _read_limit(key, value)
        return Expected(
            name, self._span(node, "runs", path) or (1, 1), self._span(node, "volumes", path), limits,
            self._truth(node, "optional", path), self._texts(node, "sessions", path),
        )  # fmt: skip

    def _span(self, node: _Node, key: str, path: str) -> tuple[int, int] | None:
        """Return at least and at most, from one whole number or two; None where there are none."""
        value = node.get(key)
        if value is None:
            return None
        ends = value if isinstance(value, list) else [value, value]
        whole = [one for one in ends if isinstance(one, int) and not isinstance(one, bool) and one >= 0]
        if len(whole) != 2 or len(ends) != 2 or whole[0] > whole[1]:
            self.problems.append(f"{path}.{key}: expected a whole number, or [least, most], got {show(value)}")
            return None
        return whole[0], whole[1]


def _read_limit(key: str, value: Json) -> Limit:
    check_field(key)
    node = value if isinstance(value, dict) else {"value": value}
    if not node.keys() <= {"value", "tolerance"} or "value" not in node:
        raise ValueError(f"expected a value, or {{ value = ..., tolerance = ... }}, got {show(value)}")
    wanted = _scalar(key, node["value"])
    tolerance = node.get("tolerance", 0.0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance: expected a number of 0 or more, got {show(tolerance)}")
    if tolerance and FIELDS[key] is str:
        raise ValueError("holds text, which has no tolerance")
    return Limit(wanted, tolerance)


def _scalar(key: str, value: Json) -> Scalar:
    fits = isinstance(value, str) if FIELDS[key] is str else isinstance(value, int | float)
    if isinstance(value, bool | list | dict) or not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"expected a {'text' if FIELDS[key] is str else 'number'}, got {show(value)}")
    return value


def _is_json(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_json, value.values()))
    if isinstance(value, list):
        return all(map(_is_json, value))
    return isinstance(value, str | int) or (isinstance(value, float) and abs(value) < float("inf"))
