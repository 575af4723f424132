"""The rules of a schema with their expressions as functions, and which of them concern a file of some kind.

A rule applies to a file if all its selectors hold. Most selectors ask for the datatype, suffix, extension or
modality, or for what is the same for the whole dataset; they are asked once for each kind of file, the rest for each
file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from bidsflow.validate.compile import javascript
from bidsflow.validate.compile.python import write_test, write_value
from bidsflow.validate.compile.schema import Schema
from bidsflow.validate.compile.syntax import find_names, parse
from bidsflow.validate.store import find_folder, read_data, write_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from bidsflow.validate.context.context import Context

    _Written = tuple[CodeType, list[tuple[str, str, str]], dict[str, str]]

#: What a selector may read to be asked once for each kind of file.
_FIXED: Final = frozenset(
    {"datatype", "suffix", "extension", "modality", "schema"}
    | {f"dataset.{key}" for key in ("dataset_description", "datatypes", "modalities")}
)
#: Keys that make a part of the schema a rule that says something of a file.
_DEEDS: Final = ("checks", "columns", "initial_columns", "index_columns", "fields")
#: Raise with every change of how expressions are written down, so that no stale code is taken from a cache.
GENERATION: Final = 1


def _always(_context: Context) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the schema.

    Attributes
    ----------
    path : str
        Where it stands: ``rules.checks.dataset.SingleSourceAuthors``.
    data : dict
        What stands there.
    by_kind, by_file : callable
        Whether the selectors hold that depend on the kind of file only, and the others.
    holds : callable
        Whether the checks hold.
    """

    path: str
    data: dict[str, Any]
    by_kind: Callable[[Context], bool]
    by_file: Callable[[Context], bool]
    holds: Callable[[Context], bool]


@dataclass(frozen=True, slots=True)
class Association:
    """A rule of ``meta.associations``: which file belongs to another."""

    name: str
    selects: Callable[[Context], bool]
    suffix: str
    extensions: tuple[str, ...]
    free: tuple[str, ...]
    inherit: bool


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules of a schema."""

    rules: tuple[Rule, ...]
    associations: tuple[Association, ...]


def compile_rules(schema: Schema) -> RuleBook:
    """Return the rules of a schema; their functions are compiled once, and then taken from the user's cache."""
    found = list(_find_rules(schema.data["rules"], "rules"))
    place = find_folder() / f"rules-{schema.digest}-{GENERATION}.bin"
    written = read_data(place)
    if written is None:
        written = _write_functions(schema, [data for _, data in found])
        write_data(place, written)
    code, keys, chosen = written
    tests = {key: _catch(function) for key, function in eval(code, _get_names()).items()}
    rules = tuple(
        Rule(path, data, *(tests.get(key, _always) for key in given))
        for (path, data), given in zip(found, keys, strict=True)
    )
    associations = schema.data["meta"]["associations"]
    return RuleBook(
        rules, tuple(_make_association(name, rule, tests.get(chosen[name], _always)) for name, rule in
        associations.items())
    )  # fmt: skip


def _write_functions(schema: Schema, rules: list[dict[str, Any]]) -> _Written:
    """Return the code of all functions, and the keys of those of each rule and of each association."""
    sources: dict[str, str] = {}
    keys = [_write_rule(rule, sources) for rule in rules]
    associations = schema.data["meta"]["associations"]
    chosen: dict[str, str] = {
        name: _write_all(rule.get("selectors", ()), sources) for name, rule in associations.items()
    }
    body = ",\n".join(f"{key!r}: {source}" for key, source in sources.items())
    return compile(f"{{{body}}}", "<BIDS schema>", "eval"), keys, chosen


def compile_expression(text: str) -> Callable[[Context], Any]:
    """Return a function that gives the value of one expression; null where it throws."""
    evaluate = eval(f"lambda c: {write_value(parse(text))}", _get_names())  # written by us from a parsed tree

    def value(context: Context) -> Any:
        try:
            return evaluate(context)
        except javascript.ThrownError:
            return None

    return value


def _find_rules(node: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the rules below a part of the schema with their places."""
    for key, below in node.items():
        if not isinstance(below, dict):
            continue
        if "selectors" not in below:
            yield from _find_rules(below, f"{path}.{key}")
        elif any(deed in below for deed in _DEEDS):
            yield f"{path}.{key}", below


def _write_rule(rule: dict[str, Any], sources: dict[str, str]) -> tuple[str, str, str]:
    """Enter the functions of a rule; return their keys, empty for those that hold always."""
    kind: list[str] = []
    rest: list[str] = []
    for text in rule["selectors"]:
        (kind if find_names(parse(text)) <= _FIXED else rest).append(text)
    return _write_all(kind, sources), _write_all(rest, sources), _write_all(rule.get("checks", ()), sources)


def _write_all(texts: Any, sources: dict[str, str]) -> str:
    """Enter a function that tells whether all expressions hold."""
    if not texts:
        return ""
    key = "\n".join(texts)
    sources[key] = "lambda c: " + " and ".join(write_test(parse(text)) for text in texts)
    return key


def _catch(function: Callable[[Context], Any]) -> Callable[[Context], bool]:
    """Return a test that fails where the expression throws."""
    thrown = javascript.ThrownError

    def test(context: Context) -> bool:
        try:
            return bool(function(context))
        except thrown:
            return False

    return test


def _get_names() -> dict[str, Any]:
    """Return what the generated source may call."""
    names = {name: value for name, value in vars(javascript).items() if not name.startswith("_")}
    return names | {"U": javascript.UNDEFINED, "throw": _throw, "__builtins__": {}}


def _throw() -> Any:
    raise javascript.ThrownError


def _make_association(name: str, rule: dict[str, Any], selects: Callable[[Context], bool]) -> Association:
    target = rule["target"]
    extension = target.get("extension", ())
    extensions = (extension,) if isinstance(extension, str) else tuple(extension)
    return Association(
        name,
        selects,
        target.get("suffix", ""),
        extensions,
        tuple(target.get("entities", ())),
        rule.get("inherit", True),
    )
