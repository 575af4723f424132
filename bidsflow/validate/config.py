"""The configuration of a validation: a JSON file that silences or regrades issues, and is checked itself.

The form is that of the reference validator::

    {"ignore":  [{"code": "EMPTY_FILE", "location": "sub-01/"}],
     "warning": [{"code": "TSV_VALUE_INCORRECT_TYPE", "subCode": "age"}],
     "error":   [{"code": "EVENTS_TSV_MISSING"}]}

Each list holds filters. A filter means the issues that agree in all that it names; ``location`` is a pattern as in
``.gitignore``, or, with a slash before it, one path. The lists are applied in this order, so that an error wins.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from bidsflow.errors import ConfigError
from bidsflow.validate.issues import Issue, Severity
from bidsflow.validate.meanings import MEANINGS
from bidsflow.validate.report import match_location

LEVELS: Final = (Severity.IGNORE, Severity.WARNING, Severity.ERROR)

#: The fields of a filter, and the attributes of an issue that they are compared with.
_FIELDS: Final[Mapping[str, str]] = {
    "code": "code",
    "subCode": "subcode",
    "severity": "severity",
    "location": "location",
    "issueMessage": "message",
    "rule": "rule",
    "line": "line",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which issues are meant.

    Attributes
    ----------
    level : Severity
        What they become.
    values : tuple of (str, str or int)
        Attributes of an issue, and what they must be.
    location : str
        A pattern for the location; ``""`` for any.
    """

    level: Severity
    values: tuple[tuple[str, str | int], ...] = ()
    location: str = ""

    def compile(self) -> Callable[[Issue], bool]:
        """Return a function that tells whether an issue is meant."""
        values, fits = self.values, match_location(self.location) if self.location else None

        def is_meant(issue: Issue) -> bool:
            for name, value in values:
                if getattr(issue, name) != value:
                    return False
            return fits is None or (bool(issue.location) and fits(issue.location))

        return is_meant


@dataclass(frozen=True, slots=True)
class Config:
    """A configuration that can be used.

    Attributes
    ----------
    filters : tuple of Filter
        In the order in which they are applied.
    notes : tuple of str
        What is odd, but no fault: codes that no one knows.
    """

    filters: tuple[Filter, ...] = ()
    notes: tuple[str, ...] = ()

    def grade(self, issues: Iterable[Issue]) -> Iterator[Issue]:
        """Give the issues with the severity that the configuration gives them, ignored ones too.

        Examples
        --------
        >>> config = parse_config('{"ignore": [{"code": "EMPTY_FILE"}]}', "config.json")
        >>> [issue.severity.value for issue in config.grade([Issue("EMPTY_FILE", Severity.ERROR, "README")])]
        ['ignore']
        """
        filters = [(one.compile(), one.level) for one in self.filters]
        for issue in issues:
            graded = issue
            for is_meant, level in filters:
                if is_meant(graded) and graded.severity is not level:
                    graded = graded._replace(severity=level)
            yield graded


def apply_config(config: Config, issues: Iterable[Issue]) -> tuple[tuple[Issue, ...], tuple[Issue, ...]]:
    """Return the issues as a configuration grades them, and those that it silences.

    As in the reference validator, a configuration is about a dataset itself, not about derivatives within it.
    """
    graded = tuple(config.grade(issues))
    silenced = tuple(issue for issue in graded if issue.severity is Severity.IGNORE)
    return tuple(issue for issue in graded if issue.severity is not Severity.IGNORE), silenced


def read_config(path: Path) -> Config:
    """Return the configuration that a file holds.

    Raises
    ------
    ConfigError
        If the file cannot be read or is not a configuration; says each fault and where it is.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(str(path), (error.strerror or type(error).__name__,)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), ("this is not UTF-8",)) from error
    return parse_config(text, str(path))


def parse_config(text: str, where: str) -> Config:
    """Return the configuration that a text holds.

    Parameters
    ----------
    text : str
        JSON.
    where : str
        Its name, for messages.

    Raises
    ------
    ConfigError
        If it is not a configuration.

    Examples
    --------
    >>> parse_config('{"ignore": [{"cod": "EMPTY_FILE"}]}', "c.json")
    Traceback (most recent call last):
    ...
    bidsflow.errors.ConfigError: c.json: the configuration cannot be used
      - ignore[0].cod: unknown field; did you mean code?
    """
    try:
        content = json.loads(text, object_pairs_hook=_Pairs)
    except json.JSONDecodeError as error:
        raise ConfigError(where, (f"line {error.lineno}, column {error.colno}: {error.msg}",)) from error
    except (RecursionError, ValueError) as error:
        raise ConfigError(where, ("this is nested too deeply, or has a number too long",)) from error
    faults: list[str] = []
    notes: list[str] = []
    filters = tuple(_read_levels(content, faults, notes))
    if faults:
        raise ConfigError(where, tuple(faults))
    return Config(filters, tuple(notes))


class _Pairs(list[tuple[str, Any]]):
    """A JSON object as its pairs, so that a key that is there twice is seen."""


def _read_levels(content: Any, faults: list[str], notes: list[str]) -> Iterator[Filter]:
    """Give the filters of a configuration in the order in which they are applied."""
    levels = _to_mapping(content, "", [level.value for level in LEVELS], faults)
    for level in LEVELS:
        entries = levels.get(level.value, [])
        if isinstance(entries, _Pairs) or not isinstance(entries, list):
            faults.append(f"{level}: a list of filters is needed, this is {_describe(entries)}")
            continue
        for number, entry in enumerate(entries):
            where = f"{level}[{number}]"
            fields = _to_mapping(entry, where, list(_FIELDS), faults)
            if isinstance(entry, _Pairs) and not entry:
                faults.append(f'{where}: an empty filter means every issue; {{"severity": "warning"}} says which')
            if not _check_values(fields, where, faults):
                continue
            if "code" in fields:
                notes += _doubt_code(fields["code"], f"{where}.code")
            values = tuple((_FIELDS[name], value) for name, value in fields.items() if name != "location")
            yield Filter(level, values, fields.get("location", ""))


def _to_mapping(content: Any, where: str, known: list[str], faults: list[str]) -> dict[str, Any]:
    """Return an object's known keys; whatever else there is, is a fault."""
    prefix = f"{where}." if where else ""
    if not isinstance(content, _Pairs):
        faults.append(f"{where or 'the whole'}: an object is needed, this is {_describe(content)}")
        return {}
    found: dict[str, Any] = {}
    for key, value in content:
        if key in found:
            faults.append(f"{prefix}{key}: it is there twice")
        elif key in known:
            found[key] = value
        else:
            hint = _suggest(key, known) or f"; known are {', '.join(known)}"
            faults.append(f"{prefix}{key}: unknown field{hint}")
    return found


def _check_values(fields: Mapping[str, Any], where: str, faults: list[str]) -> bool:
    """Note values of a wrong kind; return whether there is none."""
    before = len(faults)
    for name, value in fields.items():
        place = f"{where}.{name}"
        if name == "line":
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                faults.append(f"{place}: a number of a line, from 1, is needed, this is {_describe(value)}")
        elif not isinstance(value, str) or not value:
            faults.append(f"{place}: a text is needed, this is {_describe(value)}")
        elif name == "severity" and value not in set(LEVELS):
            faults.append(f"{place}: {value!r} is none{_suggest(value, list(LEVELS))}")
    return len(faults) == before


def _doubt_code(code: str, where: str) -> list[str]:
    """Return a note on a code that is not known; the schema is asked only about codes that are not our own."""
    if code in MEANINGS:
        return []
    known = {*MEANINGS, *_list_schema_codes()}
    return [] if code in known else [f"{where}: no check has the code {code}{_suggest(code, sorted(known))}"]


def _list_schema_codes() -> set[str]:
    """Return the codes of the checks in the installed schema."""
    from bidsflow import schema

    codes = set()
    pending: list[Any] = [schema.load()["rules"]]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            if isinstance(node.get("code"), str) and "message" in node:
                codes.add(node["code"])
            pending += node.values()
    return codes


def _suggest(word: str, known: list[str]) -> str:
    lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), list(lower), 1)
    return f"; did you mean {lower[close[0]]}?" if close else ""


def _describe(value: Any) -> str:
    """Return what kind of JSON value this is."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, _Pairs):
        return "an object"
    if isinstance(value, str):
        return json.dumps(value[:40]) if value else "empty"
    return "a list" if isinstance(value, list) else f"the number {str(value)[:20]}"
