"""The keys of JSON files and sidecars (``rules.sidecars``, ``rules.json``, ``rules.dataset_metadata``)."""

from __future__ import annotations

import re
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bidsflow.validate.issues import Issue, Severity
from bidsflow.validate.rules.jsonschema import SchemaError, compile_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bidsflow.validate.compile.rules import Rule
    from bidsflow.validate.context.context import Context

#: Files that have no sidecar of their own.
_WITHOUT_SIDECAR: Final = frozenset({".json", "", ".md", ".txt", ".rst", ".cff"})
_SEVERITIES: Final = {"recommended": Severity.WARNING, "required": Severity.ERROR}
#: ``required if `M0Type` is `Separate` ``: the level that a field has under a condition.
_ADDENDUM: Final = re.compile(r"(required|recommended) if `(\w+)` is `(\w+)`")
#: What a missing key is called, in a sidecar and in any other JSON file.
_CODES: Final = {
    kind: MappingProxyType({Severity.ERROR: f"{kind}_KEY_REQUIRED", Severity.WARNING: f"{kind}_KEY_RECOMMENDED"})
    for kind in ("SIDECAR", "JSON")
}
_DERIVATIVE: Final = 'dataset.dataset_description.DatasetType == "derivative"'


class _Field(NamedTuple):
    """What a rule says of one key; `condition` is another key, the value it has, and how bad a lack is then."""

    key: str
    severity: Severity | None
    condition: tuple[str, str, Severity | None] | None
    codes: Mapping[Severity, str]
    message: str
    errors: Callable[[Any], Sequence[SchemaError]]
    is_wanted: bool


class Definitions:
    """What the schema says of the values of each key, made into functions when the first value is met."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.known: dict[str, Any] = schema["objects"]["metadata"]
        formats = schema["objects"]["formats"]
        self._patterns = {name: form["pattern"] for name, form in formats.items() if "pattern" in form}
        self._functions: dict[str, Callable[[Any], Sequence[SchemaError]]] = {}

    def find_errors(self, name: str, value: Any) -> Sequence[SchemaError]:
        """Return what is wrong with a value, by the name that the schema has for its key."""
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = compile_schema(self.known[name], self._patterns)
        return function(value)


def make_fields(rule: Rule, definitions: Definitions) -> Callable[[Context], Iterator[Issue]]:
    """Return a function that gives what a rule misses, or finds wrong, among the keys of a file.

    Issues about a value in a sidecar are located at the sidecar, and are the same for all files that inherit it;
    whoever gathers them keeps them once.
    """
    for_sidecars = rule.path.startswith("rules.sidecar")
    codes = _CODES["SIDECAR" if for_sidecars else "JSON"]
    fields = tuple(_read_fields(rule.data["fields"], definitions, codes))
    return _make_sidecar_check(rule, fields) if for_sidecars else _make_json_check(rule, fields)


def _make_sidecar_check(rule: Rule, fields: tuple[_Field, ...]) -> Callable[[Context], Iterator[Issue]]:
    path = rule.path
    for_derivatives = _DERIVATIVE in rule.data["selectors"]

    def check(context: Context) -> Iterator[Issue]:
        if context.extension in _WITHOUT_SIDECAR:
            return
        sidecar = context.sidecar
        lenient = not for_derivatives and context.shared.kind == "derivative"
        for field in fields:
            if field.key not in sidecar:
                if field.is_wanted and not lenient:
                    yield from _miss(field, context, path)
                continue
            location = context.origins.get(field.key, "")[1:]
            for error in field.errors(sidecar[field.key]):
                yield _report(field, error, location, path, (context.location,))

    return check


def _make_json_check(rule: Rule, fields: tuple[_Field, ...]) -> Callable[[Context], Iterator[Issue]]:
    path = rule.path
    for_derivatives = _DERIVATIVE in rule.data["selectors"]

    def check(context: Context) -> Iterator[Issue]:
        lenient = not for_derivatives and context.shared.kind == "derivative"
        for field in fields:
            if field.key not in context.json:
                if field.is_wanted and not lenient:
                    yield from _miss(field, context, path)
                continue
            for error in field.errors(context.json[field.key]):
                yield _report(field, error, context.location, path, ())

    return check


def _read_fields(fields: dict[str, Any], definitions: Definitions, codes: Mapping[Severity, str]) -> Iterator[_Field]:
    for name, requirement in fields.items():
        definition = definitions.known[name]
        detailed = requirement if isinstance(requirement, dict) else {"level": requirement}
        issue = detailed.get("issue", {})
        found = _ADDENDUM.search(detailed.get("level_addendum", ""))
        severity = _SEVERITIES.get(detailed.get("level", ""))
        yield _Field(
            definition["name"],
            severity,
            (found[2], found[3], _SEVERITIES[found[1]]) if found else None,
            dict.fromkeys(codes, issue["code"]) if issue.get("code") and issue.get("message") else codes,
            f"Field description: {definition.get('description', '')}",
            partial(definitions.find_errors, name),
            severity is not None or found is not None,
        )


def _miss(field: _Field, context: Context, rule: str) -> Iterator[Issue]:
    """Give the issue of a key that is not there, if it should be."""
    severity = field.severity
    if field.condition:
        key, value, stricter = field.condition
        if context.sidecar.get(key) == value:
            severity = stricter
    if severity is not None:
        yield Issue(field.codes[severity], severity, context.location, field.key, field.message, rule)


def _report(field: _Field, error: SchemaError, location: str, rule: str, affects: tuple[str, ...]) -> Issue:
    message = f"{error.message}\n\n{field.message}"
    return Issue("JSON_SCHEMA_VALIDATION_ERROR", Severity.ERROR, location, field.key, message, rule, affects)
