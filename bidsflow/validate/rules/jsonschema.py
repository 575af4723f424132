"""JSON Schema (draft 7), as far as the BIDS schema and the Citation File Format use it, compiled to functions.

The errors are those of Ajv 8 as the reference validator sets it up. It stops at the first error; only where none of the
alternatives of `anyOf` or `oneOf` fits, the errors of each are told, and one more. Ajv decides what is asked first:
rules for numbers, for strings, for any value, for arrays, for objects, in this order; the type, unless it has such
rules of its own, before all of them. Within alternatives a wrong type does not end the first of these groups.

Sources: draft-handrews-json-schema-validation-01; https://ajv.js.org.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bidsflow.validate.compile.regex import compile_pattern


class SchemaError(NamedTuple):
    """What is wrong with a value.

    Attributes
    ----------
    instance_path : str
        Where in the value, as a JSON pointer; empty for the value itself.
    message : str
        What it should be.
    """

    instance_path: str
    message: str


#: Returns the errors of a value: none where it is valid.
Check = Callable[[Any], Sequence[SchemaError]]

_NONE: Final[tuple[SchemaError, ...]] = ()


def compile_schema(definition: Mapping[str, Any], formats: Mapping[str, str] | None = None) -> Check:
    """Return a function that tells what is wrong with a value.

    Parameters
    ----------
    definition : mapping
        A JSON Schema. Keywords that are not known are ignored.
    formats : mapping of str to str
        Patterns (ECMAScript) for the values of `format`, searched for anywhere in a string as Ajv does. Other formats
        are not checked.

    Examples
    --------
    >>> check = compile_schema({"type": "array", "items": {"type": "number", "minimum": 0}})
    >>> check([1, 2.5]), check([1, -1])
    ((), (SchemaError(instance_path='/1', message='must be >= 0'),))
    """
    return _Compiler(definition, formats or {}).compile(definition, among=False)


def is_integer(value: Any) -> bool:
    """Tell whether a value is a whole number, which 1.0 is and True is not."""
    return (type(value) is int) or (type(value) is float and value.is_integer())


def _is_number(value: Any) -> bool:
    return type(value) is int or (type(value) is float and math.isfinite(value))


_TYPES: Final[dict[str, Callable[[Any], bool]]] = {
    "number": _is_number,
    "integer": is_integer,
    "string": lambda value: type(value) is str,
    "boolean": lambda value: value is True or value is False,
    "null": lambda value: value is None,
    "array": lambda value: type(value) is list,
    "object": lambda value: not (value is None or isinstance(value, (bool, int, float, str, list))),
}

#: Which keywords are looked at for which type, in the order of Ajv; `None` for any type.
_GROUPS: Final[tuple[tuple[str | None, tuple[str, ...]], ...]] = (
    ("number", ("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum", "multipleOf", "format")),
    ("string", ("maxLength", "minLength", "pattern", "format")),
    (None, ("$ref", "const", "enum", "not", "anyOf", "oneOf", "allOf")),
    ("array", ("maxItems", "minItems", "items", "uniqueItems")),
    (
        "object",
        ("maxProperties", "minProperties", "required", "additionalProperties", "properties", "patternProperties"),
    ),
)
_KEYWORDS: Final = frozenset(keyword for _, keywords in _GROUPS for keyword in keywords) | {"type"}


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal in JSON, where true is not 1."""
    if one is other:
        return True
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    return bool(one == other)


class _Compiler:
    """Makes checks of one schema; each definition that is referred to only once."""

    def __init__(self, root: Mapping[str, Any], formats: Mapping[str, str]) -> None:
        self.root = root
        self.formats = formats
        self.referred: dict[str, Check] = {}

    def compile(self, schema: Any, *, among: bool) -> Check:
        """Return the check of a schema or of a part of it; `among`: whether it is one of several alternatives."""
        if not isinstance(schema, Mapping):
            return _nothing if schema is not False else lambda _: (SchemaError("", "boolean schema is false"),)
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else list(types)
        single = types[0] if len(types) == 1 else None
        groups: list[Check] = []
        check_first = bool(types)
        for kind, keywords in _GROUPS:
            rules = [self.keyword(keyword, schema, among) for keyword in keywords if keyword in schema]
            if not rules:
                continue
            if kind is None:
                groups.append(_first(rules))
                continue
            if kind == single:
                check_first = False
            groups.append(_guard(kind, _first(rules), wrong=kind == single))
        if check_first:
            groups.insert(0, _check_types(types, groups[0] if among and groups else _nothing))
        return _first(groups)

    def keyword(self, keyword: str, schema: Mapping[str, Any], among: bool) -> Check:
        """Return the check of one keyword."""
        value = schema[keyword]
        if keyword in _SIMPLE:
            return _SIMPLE[keyword](value)
        if keyword == "format":
            pattern = self.formats.get(value)
            return _nothing if pattern is None else _match(pattern, f'must match format "{value}"')
        if keyword == "uniqueItems":
            return _unique("type" in schema.get("items", ())) if value else _nothing
        if keyword == "$ref":
            return self.refer(value, among)
        if keyword == "not":
            return _negate(self.compile(value, among=True))
        if keyword == "anyOf":
            return self.any_of(value)
        if keyword == "oneOf":
            return _one_of([self.compile(each, among=True) for each in value])
        if keyword == "additionalProperties":
            return _others(schema, None if value is False else self.compile(value, among=among))
        if keyword in ("properties", "patternProperties"):
            checks = {name: self.compile(each, among=among) for name, each in value.items()}
            return _members(checks) if keyword == "properties" else _matching(checks)
        if isinstance(value, list):
            checks_in_order = [self.compile(each, among=among) for each in value]
            return _in_order(checks_in_order) if keyword == "items" else _first(checks_in_order)
        return _each(self.compile(value, among=among))

    def any_of(self, branches: list[Any]) -> Check:
        """Return the check of alternatives; where one asks for nothing, there is nothing to check."""
        if any(isinstance(each, Mapping) and not _KEYWORDS & each.keys() for each in branches):
            return _nothing
        return _any_of([self.compile(each, among=True) for each in branches])

    def refer(self, reference: str, among: bool) -> Check:
        """Return the check of a definition; Ajv compiles one that refers to others as a schema of its own."""
        target: Any = self.root
        for part in reference.removeprefix("#").split("/")[1:]:
            target = target[part]
        if not _refers(target):
            return self.compile(target, among=among)
        known = self.referred
        if reference not in known:
            known[reference] = _nothing  # while it is compiled, it may refer to itself
            known[reference] = self.compile(target, among=False)

        def check(value: Any) -> Sequence[SchemaError]:
            return known[reference](value)

        return check


def _refers(schema: Any) -> bool:
    """Tell whether a schema refers to another anywhere in it."""
    if isinstance(schema, Mapping):
        return "$ref" in schema or any(_refers(each) for each in schema.values())
    return isinstance(schema, list) and any(_refers(each) for each in schema)


def _nothing(_: Any) -> Sequence[SchemaError]:
    return _NONE


def _first(checks: list[Check]) -> Check:
    """Return a check that stops at the first that fails."""
    if not checks:
        return _nothing
    if len(checks) == 1:
        return checks[0]

    def check(value: Any) -> Sequence[SchemaError]:
        for each in checks:
            if errors := each(value):
                return errors
        return _NONE

    return check


def _check_types(types: list[str], more: Check) -> Check:
    """Return a check of the type; where it is wrong, `more` is checked all the same."""
    tests = [_TYPES[name] for name in types]
    wrong = (SchemaError("", f"must be {','.join(types)}"),)
    if len(tests) == 1:
        (test,) = tests
        return lambda value: _NONE if test(value) else (*wrong, *more(value))
    return lambda value: _NONE if any(test(value) for test in tests) else (*wrong, *more(value))


def _guard(kind: str, rules: Check, *, wrong: bool) -> Check:
    """Return a check for values of one type; others are wrong, or of no concern."""
    test = _TYPES[kind]
    otherwise = (SchemaError("", f"must be {kind}"),) if wrong else _NONE
    return lambda value: rules(value) if test(value) else otherwise


_LIMITS: Final[dict[str, tuple[str, Callable[[Any, Any], bool]]]] = {
    "maximum": ("<=", lambda value, limit: value <= limit),
    "minimum": (">=", lambda value, limit: value >= limit),
    "exclusiveMaximum": ("<", lambda value, limit: value < limit),
    "exclusiveMinimum": (">", lambda value, limit: value > limit),
}
_SIZES: Final = {
    "maxLength": "more than {} characters",
    "minLength": "fewer than {} characters",
    "maxItems": "more than {} items",
    "minItems": "fewer than {} items",
    "maxProperties": "more than {} properties",
    "minProperties": "fewer than {} properties",
}


def _limit(keyword: str) -> Callable[[Any], Check]:
    sign, holds = _LIMITS[keyword]

    def make(limit: float) -> Check:
        wrong = (SchemaError("", f"must be {sign} {limit}"),)
        return lambda value: _NONE if holds(value, limit) else wrong

    return make


def _size(keyword: str) -> Callable[[Any], Check]:
    def make(limit: int) -> Check:
        wrong = (SchemaError("", "must NOT have " + _SIZES[keyword].format(limit)),)
        if keyword.startswith("max"):
            return lambda value: _NONE if len(value) <= limit else wrong
        return lambda value: _NONE if len(value) >= limit else wrong

    return make


def _match(pattern: str, message: str) -> Check:
    search = compile_pattern(pattern).search
    wrong = (SchemaError("", message),)
    return lambda value: _NONE if type(value) is not str or search(value) else wrong


def _enumerate(allowed: list[Any]) -> Check:
    wrong = (SchemaError("", "must be equal to one of the allowed values"),)
    texts = frozenset(each for each in allowed if isinstance(each, str))
    others = [each for each in allowed if not isinstance(each, str)]

    def check(value: Any) -> Sequence[SchemaError]:
        if type(value) is str:
            return _NONE if value in texts else wrong
        return _NONE if any(same(value, each) for each in others) else wrong

    return check


def _constant(constant: Any) -> Check:
    wrong = (SchemaError("", "must be equal to constant"),)
    return lambda value: _NONE if same(value, constant) else wrong


def _multiple(divisor: float) -> Check:
    wrong = (SchemaError("", f"must be multiple of {divisor}"),)
    return lambda value: _NONE if is_integer(value / divisor) else wrong


def _unique(hashed: bool) -> Check:
    """Return the check of `uniqueItems`; Ajv names the pair the other way round where items are hashed."""

    def check(value: list[Any]) -> Sequence[SchemaError]:
        if len(value) < 2:
            return _NONE
        keys = [_freeze(each) for each in value]
        if len(set(keys)) == len(keys):
            return _NONE
        places: dict[Any, int] = {}
        pair = (0, 0)
        for place in reversed(range(len(keys))) if hashed else range(len(keys)):
            if keys[place] in places:
                pair = places[keys[place]], place
                if hashed:
                    break
            places[keys[place]] = place
        where = "items ## {} and {} are identical".format(*pair)
        return (SchemaError("", f"must NOT have duplicate items ({where})"),)

    return check


def _freeze(value: Any) -> Any:
    """Return something hashable that is the same for the same values of JSON."""
    if isinstance(value, bool):
        return bool, value
    if isinstance(value, list):
        return tuple(map(_freeze, value))
    if isinstance(value, dict):
        return frozenset((name, _freeze(each)) for name, each in value.items())
    return value


def _require(names: list[str]) -> Check:
    wrong = {name: (SchemaError("", f"must have required property '{name}'"),) for name in names}

    def check(value: Any) -> Sequence[SchemaError]:
        for name in names:
            if name not in value:
                return wrong[name]
        return _NONE

    return check


#: The keywords whose value is no schema, and what makes their checks.
_SIMPLE: Final[dict[str, Callable[[Any], Check]]] = {
    **{keyword: _limit(keyword) for keyword in _LIMITS},
    **{keyword: _size(keyword) for keyword in _SIZES},
    "pattern": lambda pattern: _match(pattern, f'must match pattern "{pattern}"'),
    "enum": _enumerate,
    "const": _constant,
    "multipleOf": _multiple,
    "required": _require,
}


def _below(key: str | int, errors: Sequence[SchemaError]) -> Sequence[SchemaError]:
    """Return errors of a member as errors of what it is in."""
    start = "/" + str(key).replace("~", "~0").replace("/", "~1")
    return tuple(SchemaError(start + error.instance_path, error.message) for error in errors)


def _each(item: Check) -> Check:
    def check(value: list[Any]) -> Sequence[SchemaError]:
        for place, each in enumerate(value):
            if errors := item(each):
                return _below(place, errors)
        return _NONE

    return check


def _in_order(items: list[Check]) -> Check:
    def check(value: list[Any]) -> Sequence[SchemaError]:
        for place, (item, each) in enumerate(zip(items, value, strict=False)):
            if errors := item(each):
                return _below(place, errors)
        return _NONE

    return check


def _members(checks: dict[str, Check]) -> Check:
    def check(value: Any) -> Sequence[SchemaError]:
        for name, member in checks.items():
            if name in value and (errors := member(value[name])):
                return _below(name, errors)
        return _NONE

    return check


def _matching(checks: dict[str, Check]) -> Check:
    patterns = [(compile_pattern(pattern).search, member) for pattern, member in checks.items()]

    def check(value: Any) -> Sequence[SchemaError]:
        for search, member in patterns:
            for name in value:
                if search(name) and (errors := member(value[name])):
                    return _below(name, errors)
        return _NONE

    return check


def _others(schema: Mapping[str, Any], member: Check | None) -> Check:
    """Return the check of `additionalProperties`; without a check of its own, there may be none."""
    known = frozenset(schema.get("properties", ()))
    patterns = [compile_pattern(pattern).search for pattern in schema.get("patternProperties", ())]
    wrong = (SchemaError("", "must NOT have additional properties"),)

    def check(value: Any) -> Sequence[SchemaError]:
        for name in value:
            if name in known or any(search(name) for search in patterns):
                continue
            if member is None:
                return wrong
            if errors := member(value[name]):
                return _below(name, errors)
        return _NONE

    return check


def _any_of(branches: list[Check]) -> Check:
    own = SchemaError("", "must match a schema in anyOf")

    def check(value: Any) -> Sequence[SchemaError]:
        found: list[SchemaError] = []
        for branch in branches:
            errors = branch(value)
            if not errors:
                return _NONE
            found += errors
        return (*found, own)

    return check


def _one_of(branches: list[Check]) -> Check:
    own = SchemaError("", "must match exactly one schema in oneOf")

    def check(value: Any) -> Sequence[SchemaError]:
        found: list[SchemaError] = []
        n_valid = 0
        for branch in branches:
            errors = branch(value)
            found += errors
            n_valid += not errors
            if n_valid > 1:
                break
        return _NONE if n_valid == 1 else (*found, own)

    return check


def _negate(check: Check) -> Check:
    wrong = (SchemaError("", "must NOT be valid"),)
    return lambda value: wrong if not check(value) else _NONE
