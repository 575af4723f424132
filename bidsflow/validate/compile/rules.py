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
from bidsflow.validate.kept import read_data
from bidsflow.validate.store import find_folder, write_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType

    from bidsflow.validate.context.context import Context

    Test = Callable[[Context], object]
    _Written = tuple[CodeType, list[tuple[str, str, str]], list[tuple[str, str, str]]]

#: What a selector may read to be asked once for each kind of file.
_FIXED: Final = frozenset(
    {"datatype", "suffix", "extension", "modality", "schema"}
    | {f"dataset.{key}" for key in ("dataset_description", "datatypes", "modalities")}
)
#: Keys that make a part of the schema a rule that says something of a file.
_DEEDS: Final = ("checks", "columns", "initial_columns", "index_columns", "fields")
#: Raise with every change of how expressions are written down, so that no stale code is taken from a cache.
GENERATION: Final = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the schema.

    Attributes
    ----------
    path : str
        Where it stands: ``rules.checks.dataset.SingleSourceAuthors``.
    data : dict
        What stands there.
    by_kind, by_file : callable, optional
        Whether the selectors hold that depend on the kind of file only, and the others; None where there are none.
    holds : callable, optional
        Whether the checks hold.
    """

    path: str
    data: dict[str, Any]
    by_kind: Test | None
    by_file: Test | None
    holds: Test | None


@dataclass(frozen=True, slots=True)
class Association:
    """A rule of ``meta.associations``: which file belongs to another."""

    name: str
    by_kind: Test | None
    by_file: Test | None
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
    tests: dict[str, Test] = eval(code, _get_names())
    rules = tuple(
        Rule(path, data, *(tests.get(key) for key in given)) for (path, data), given in zip(found, keys, strict=True)
    )
    associations = schema.data["meta"]["associations"]
    return RuleBook(
        rules,
        tuple(
            _make_association(name, rule, tests.get(kind), tests.get(rest))
            for (name, rule), (kind, rest, _) in zip(associations.items(), chosen, strict=True)
        ),
    )


def _write_functions(schema: Schema, rules: list[dict[str, Any]]) -> _Written:
    """Return the code of all functions, and the keys of those of each rule and of each association."""
    sources: dict[str, str] = {}
    keys = [_write_rule(rule, sources) for rule in rules]
    associations = schema.data["meta"]["associations"]
    chosen = [_write_rule(rule, sources) for rule in associations.values()]
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
    for text in rule.get("selectors", ()):
        (kind if find_names(parse(text)) <= _FIXED else rest).append(text)
    return _write_all(kind, sources), _write_all(rest, sources), _write_all(rule.get("checks", ()), sources)


def _write_all(texts: Any, sources: dict[str, str]) -> str:
    """Enter a function that tells whether all expressions hold."""
    if not texts:
        return ""
    key = "\n".join(texts)
    sources[key] = "lambda c: " + " and ".join(write_test(parse(text)) for text in texts)
    return key


def holds(test: Test | None, context: Context) -> bool:
    """Return whether a test holds; one that throws does not, and where there is none, all is well."""
    if test is None:
        return True
    try:
        return bool(test(context))
    except javascript.ThrownError:
        return False


def _get_names() -> dict[str, Any]:
    """Return what the generated source may call."""
    names = {name: value for name, value in vars(javascript).items() if not name.startswith("_")}
    return names | {"U": javascript.UNDEFINED, "throw": _throw, "__builtins__": {}}


def _throw() -> Any:
    raise javascript.ThrownError


def _make_association(name: str, rule: dict[str, Any], by_kind: Test | None, by_file: Test | None) -> Association:
    target = rule["target"]
    extension = target.get("extension", ())
    extensions = (extension,) if isinstance(extension, str) else tuple(extension)
    return Association(
        name,
        by_kind,
        by_file,
        target.get("suffix", ""),
        extensions,
        tuple(target.get("entities", ())),
        rule.get("inherit", True),
    )
