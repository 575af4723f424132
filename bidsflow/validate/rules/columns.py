"""The columns of tables (``rules.tabular_data``): which there must be, in which order, and what their values may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bidsflow.validate.compile.javascript import parse_float, to_number, truthy
from bidsflow.validate.compile.regex import compile_pattern
from bidsflow.validate.issues import Issue, Severity

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator

    from bidsflow.validate.compile.rules import Rule
    from bidsflow.validate.context.context import Context

_TABLES: Final = (".tsv", ".tsv.gz")
_EXTRA_CODES: Final = {
    "not_allowed": "TSV_ADDITIONAL_COLUMNS_NOT_ALLOWED",
    "allowed_if_defined": "TSV_ADDITIONAL_COLUMNS_MUST_DEFINE",
}
_LOOKS_MISSING: Final = frozenset({"NA", "na", "nan", "NaN", "n/a"})
#: How many values found right are remembered for each kind of column: words come again and again, and early; times
#: do not.
_MEMORY: Final = 1 << 12


class _RedefinedError(Exception):
    """A sidecar gives a column another meaning than the standard does."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What the values of a column may be.

    Attributes
    ----------
    formats : tuple of str
        Names of formats of the schema, or of its types.
    pattern : str, optional
        Instead of the formats'.
    units : str, optional
        Of numbers.
    levels : frozenset of str, optional
        The values that there are.
    minimum, maximum : float, optional
        Of numbers.
    """

    formats: tuple[str, ...]
    pattern: str | None = None
    units: Any = None
    levels: tuple[Any, ...] | None = None
    minimum: Any = None
    maximum: Any = None

    @property
    def takes_all(self) -> bool:
        """Whether any text will do."""
        bounded = self.levels is not None or self.maximum is not None or self.minimum is not None
        return not bounded and ((self.pattern is None and self.formats[0] == "string") or self.pattern == ".*")


class _Spec:
    """A meaning made ready to test values, with a memory of those found right."""

    def __init__(self, meaning: _Meaning, formats: dict[str, Any]) -> None:
        pattern = meaning.pattern
        if pattern is None:
            pattern = "|".join(formats.get(name, {}).get("pattern", ".*") for name in meaning.formats)
        self.pattern: re.Pattern[str] = compile_pattern(f"^{pattern}$")
        self.meaning = meaning
        self.right = {"n/a"}

    def find_wrong(self, values: list[str]) -> frozenset[str]:
        """Return the values of a column that are wrong, each once."""
        unknown = set(values) - self.right
        wrong = frozenset(value for value in unknown if not self.accepts(value))
        if len(self.right) < _MEMORY:
            self.right |= unknown - wrong
        return wrong

    def accepts(self, value: str) -> bool:
        """Return whether a value is right."""
        meaning = self.meaning
        if not self.pattern.search(value) or (meaning.levels is not None and value not in meaning.levels):
            return False
        if meaning.maximum is None and meaning.minimum is None:
            return True
        number = parse_float(value)
        return (meaning.maximum is None or number <= to_number(meaning.maximum)) and (
            meaning.minimum is None or number >= to_number(meaning.minimum)
        )


class ColumnRules:
    """The checks of tables, for one schema.

    Parameters
    ----------
    schema : dict
        The whole schema.
    overlooked : frozenset of str
        Columns of which nothing is said.
    """

    def __init__(self, schema: dict[str, Any], overlooked: frozenset[str] = frozenset()) -> None:
        self.columns: dict[str, Any] = schema["objects"]["columns"]
        self.formats: dict[str, Any] = schema["objects"]["formats"]
        self.overlooked = overlooked
        self.specs: dict[_Meaning, _Spec] = {}

    def make_checks(self, rule: Rule) -> Iterator[Callable[[Context], Iterator[Issue]]]:
        """Give the functions that check tables against a rule."""
        data, names = rule.data, {key: self.columns[key]["name"] for key in rule.data["columns"]}
        yield lambda context: self._check_columns(rule, names, context)
        if data.get("initial_columns"):
            initial = [(self.columns[key]["name"], _get_level(data, key)) for key in data["initial_columns"]]
            yield lambda context: _check_order(rule, initial, context)
        if data.get("index_columns"):
            index = [self.columns[key]["name"] for key in data["index_columns"]]
            yield lambda context: _check_index(rule, index, context)

    def _check_columns(self, rule: Rule, names: dict[str, str], context: Context) -> Iterator[Issue]:
        if context.extension not in _TABLES:
            return
        columns, sidecar = context.columns, context.sidecar
        for key, name in names.items():
            if name in columns:
                yield from self._check_known(rule, key, name, context)
            elif _get_level(rule.data, key) == "required" and key not in rule.data.get("initial_columns", ()):
                yield Issue("TSV_COLUMN_MISSING", Severity.ERROR, context.location, name, rule=rule.path)
        known = set(names.values())
        extra = rule.data.get("additional_columns", "n/a")
        for name in columns:
            if name in known or name in self.overlooked:
                continue
            definition = sidecar.get(name)
            if extra == "not_allowed" or not truthy(definition):
                code = _EXTRA_CODES.get(extra, "TSV_ADDITIONAL_COLUMNS_UNDEFINED")
                severity = Severity.ERROR if extra in _EXTRA_CODES else Severity.WARNING
                yield Issue(code, severity, context.location, name, rule=rule.path)
            else:
                yield from self._check_values(rule, name, _read_definition(definition), context)

    def _check_known(self, rule: Rule, key: str, name: str, context: Context) -> Iterator[Issue]:
        """Give what is wrong with a column that the standard defines."""
        standard, definition = self.columns[key], context.sidecar.get(name)
        if "definition" in standard:
            meaning = _read_definition(standard["definition"] if definition is None else definition)
        else:
            meaning = _read_standard(standard)
            if truthy(definition):
                try:
                    meaning = _refine(meaning, _read_definition(definition))
                except _RedefinedError as reason:
                    location = context.origins.get(name, "")[1:]
                    code = "TSV_COLUMN_TYPE_REDEFINED"
                    yield Issue(code, Severity.WARNING, location, name, str(reason), rule.path)
        yield from self._check_values(rule, name, meaning, context)

    def _check_values(self, rule: Rule, name: str, meaning: _Meaning, context: Context) -> Iterator[Issue]:
        """Give the first value of a column that is wrong."""
        if meaning.takes_all:
            return
        spec = self.specs.get(meaning)
        if spec is None:
            spec = self.specs[meaning] = _Spec(meaning, self.formats)
        values, location = context.columns[name], context.location
        wrong = spec.find_wrong(values)
        if not wrong:
            return
        if name == "age" and "89+" in wrong:
            line = values.index("89+") + 2
            first = next((row for row, value in enumerate(values) if value in wrong), 0)
            others = [row for row, value in enumerate(values) if value in wrong and value != "89+"]
            if not others or first < others[0]:
                yield Issue("TSV_PSEUDO_AGE_DEPRECATED", Severity.WARNING, location, line=line)
            wrong -= {"89+"}
        row = next((row for row, value in enumerate(values) if value in wrong), None)
        if row is not None:
            value = values[row]
            hint = ", did you mean 'n/a'?" if value.strip() in _LOOKS_MISSING else ""
            message = f"'{value}'{hint}"
            yield Issue(
                "TSV_VALUE_INCORRECT_TYPE", Severity.ERROR, location, name, message, rule.path, line=row + 2
            )  # fmt: skip


def _check_order(rule: Rule, initial: list[tuple[str, str]], context: Context) -> Iterator[Issue]:
    """Give which of the columns that come first are missing, or stand elsewhere."""
    if context.extension not in _TABLES:
        return
    headers = list(context.columns)
    wanted = [name for name, level in initial if level == "required" or name in context.columns]
    for place, name in enumerate(wanted):
        if name not in context.columns:
            code, message = "TSV_COLUMN_MISSING", f"Required initial column {place + 1} not found."
        elif headers.index(name) != place:
            code = "TSV_COLUMN_ORDER_INCORRECT"
            message = f"Initial column {place + 1} found at index {headers.index(name) + 1}."
        else:
            continue
        yield Issue(code, Severity.ERROR, context.location, name, message, rule.path)


def _check_index(rule: Rule, index: list[str], context: Context) -> Iterator[Issue]:
    """Give the rows whose values in the index columns another row has, too."""
    if context.extension not in _TABLES:
        return
    given = [context.columns[name] for name in index if name in context.columns]
    if not given:
        return
    rows = given[0] if len(given) == 1 else list(map("".join, zip(*given, strict=True)))
    if len(set(rows)) == len(rows):
        return
    seen: set[str] = set()
    for row, value in enumerate(rows):
        if value in seen:
            message = f"Row: {row + 2}, Value: {value}"
            code = "TSV_INDEX_VALUE_NOT_UNIQUE"
            yield Issue(code, Severity.ERROR, context.location, "", message, rule.path, line=0)
        seen.add(value)


def _get_level(rule: dict[str, Any], key: str) -> str:
    requirement = rule["columns"].get(key, "n/a")
    return str(requirement if isinstance(requirement, str) else requirement.get("level", "n/a"))


def _read_standard(column: dict[str, Any]) -> _Meaning:
    """Return what the standard says of a column."""
    return _Meaning(
        tuple(_list_formats(column)), column.get("pattern"), column.get("unit"),
        None if column.get("enum") is None else tuple(column["enum"]), column.get("minimum"), column.get("maximum"),
    )  # fmt: skip


def _list_formats(column: dict[str, Any]) -> Iterator[str]:
    if column.get("anyOf"):
        for choice in column["anyOf"]:
            yield from _list_formats(choice)
    else:
        yield column.get("format") or column.get("type") or "string"


def _read_definition(definition: Any) -> _Meaning:
    """Return what a sidecar, or the standard in the same form, says of a column."""
    given = definition if isinstance(definition, dict) else {}
    units = given.get("Units")
    kind = given.get("Format") or ("number" if truthy(units) else "string")
    return _Meaning(
        (str(kind),), None, _settle(units), _list_levels(given.get("Levels")),
        _settle(given.get("Minimum")), _settle(given.get("Maximum")),
    )  # fmt: skip


def _list_levels(levels: Any) -> tuple[Any, ...] | None:
    """Return the levels that a sidecar names: the keys of an object, or the places in a list."""
    if not truthy(levels):
        return None
    if isinstance(levels, dict):
        return tuple(levels)
    return tuple(map(str, range(len(levels)))) if isinstance(levels, list | str) else ()


def _settle(value: Any) -> Any:
    """Return a value that can be compared and hashed."""
    return value if isinstance(value, str | int | float | None) else str(value)


def _refine(base: _Meaning, given: _Meaning) -> _Meaning:
    """Return what a sidecar says of a column within what the standard allows; raise `_RedefinedError` beyond it."""
    if _get_type(given.formats[0]) not in map(_get_type, base.formats):
        raise _RedefinedError(f'Format "{given.formats[0]}" must be {" or ".join(base.formats)}')
    levels = base.levels if given.levels is None else given.levels
    if base.levels is not None and given.levels is not None and not set(given.levels) <= set(base.levels):
        inner, outer = ", ".join(given.levels), ", ".join(base.levels)
        raise _RedefinedError(f"Levels {{{inner}}} is not a subset of {{{outer}}}.")
    units = base.units if given.units is None else given.units
    if base.units is not None and units != base.units:
        raise _RedefinedError(f'Unit "{units}" must be "{base.units}"')
    minimum = base.minimum if given.minimum is None else given.minimum
    if base.minimum is not None and to_number(minimum) < base.minimum:
        raise _RedefinedError(f"Minimum {minimum} is less than {base.minimum}")
    maximum = base.maximum if given.maximum is None else given.maximum
    if base.maximum is not None and to_number(maximum) > base.maximum:
        raise _RedefinedError(f"Maximum {maximum} is greater than {base.maximum}")
    return _Meaning(given.formats, base.pattern, units, levels, minimum, maximum)


def _get_type(name: str) -> str:
    return "number" if name in ("integer", "number") else "boolean" if name == "boolean" else "string"
