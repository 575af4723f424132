"""Whether a ``CITATION.cff`` keeps to the Citation File Format 1.2.0.

Its YAML is read as the reference validator reads it (JSR package ``@std/yaml``): words and numbers are those of YAML
1.2's core schema with the octal, binary and grouped numbers of YAML 1.1, a key may stand only once, and a date without
quotes is no text.
"""

from __future__ import annotations

import json
import math
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from bidsflow.errors import FileFault
from bidsflow.validate.readers.raw import decode_text, read_start
from bidsflow.validate.rules.jsonschema import Check, compile_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_BYTES: Final = 1 << 20

#: How many values a file may hold when its aliases are written out.
_MAX_VALUES: Final = 1 << 20

_TAG: Final = "tag:yaml.org,2002:"
_PLAIN: Final = "?"

_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(
    r"[-+]?(?:0b[01_]*[01]|0x[0-9a-fA-F_]*[0-9a-fA-F]|0[0-7_]*[0-7]|0|[1-9](?:[0-9_]*[0-9])?)", re.ASCII
)
_FLOAT: Final = re.compile(
    r"[-+]?(?:0|[1-9][0-9_]*)(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    re.ASCII,
)
_DATE: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?",
    re.ASCII,
)
#: Tabs after anything on their line, on an empty one, or where the reference takes them at the beginning of one: before
#: a dash or a key.
_TABS: Final = re.compile(
    r"(?<=\S)[ \t]*\t[ \t]*|^[ \t]*\t[ \t]*(?=#|$|-[ \t\n]|[^\s:#{}\[\]'\"-][^\s:#]*:[ \t\n])", re.MULTILINE
)


def check_citation(
    path: str, formats: Mapping[str, str] | None = None, *, dates_are_text: bool = False
) -> list[tuple[str, str]]:
    """Return what is wrong with a citation file: where in it, as a JSON pointer, and what it should be.

    Parameters
    ----------
    path : str
        The file.
    formats : mapping of str to str
        Patterns of the formats of the BIDS schema, as for `compile_schema`.
    dates_are_text : bool
        Take a date without quotes for what is written there, as the Citation File Format means it. The reference
        validator says that it must be a string.

    Raises
    ------
    FileFault
        FILE_READ: it cannot be read, is no YAML, or is larger than 1 MiB.
    """
    data = read_start(path, _MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise FileFault("FILE_READ", f"it is larger than {_MAX_BYTES >> 20} MiB")
    text = decode_text(data)
    if text.startswith("\ufffd"):
        raise FileFault("FILE_READ", "this file appears to be UTF-16")
    check = _compile(tuple(sorted((formats or {}).items())))
    return [(error.instance_path, error.message) for error in check(parse_yaml(text, dates_are_text=dates_are_text))]


@cache
def _compile(formats: tuple[tuple[str, str], ...]) -> Check:
    schema = json.loads(files(__package__).joinpath("citation-1.2.0.schema.json").read_text("utf-8"))
    return compile_schema(schema, dict(formats))


def parse_yaml(text: str, *, dates_are_text: bool = False) -> Any:
    """Return the one document of a YAML text.

    Raises
    ------
    FileFault
        FILE_READ: if this is no YAML, or more than one document, or holds too much.

    Examples
    --------
    >>> parse_yaml("{a: yes, b: 017, c: 1_000, d: 1:30, e: !!str 5, f: 2020-01-01}")
    {'a': 'yes', 'b': 15, 'c': 1000, 'd': '1:30', 'e': '5', 'f': {}}
    """
    import yaml  # type: ignore[import-untyped]

    try:
        node = _compose(text)
        return None if node is None else _Builder(dates_are_text).build(node)
    except RecursionError:
        raise FileFault("FILE_READ", "it is nested too deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it is no YAML"
        raise FileFault("FILE_READ", str(problem), mark.line + 1 if mark else 0) from None


def _compose(text: str) -> Any:
    """Return the tree of a text; PyYAML takes no tabs between tokens, which YAML 1.2 allows (section 6.2)."""
    import yaml

    try:
        return yaml.compose(text, Loader=_make_loader())
    except yaml.scanner.ScannerError as error:
        if "\\t" not in str(error.problem):
            raise
        return yaml.compose(_TABS.sub(lambda found: " " * len(found[0]), text), Loader=_make_loader())


@cache
def _make_loader() -> Any:
    """Return a loader that leaves it to us what a plain word means."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
            if kind is yaml.ScalarNode and implicit[0]:
                return _PLAIN
            return str(super().resolve(kind, value, implicit))

    return Loader


class _Builder:
    """Makes values of nodes; a node with several names becomes one value."""

    def __init__(self, dates_are_text: bool) -> None:
        self.dates_are_text = dates_are_text
        self.known: dict[int, tuple[Any, int]] = {}  # of a node, its value and how many values that holds
        self.size = 0

    def build(self, node: Any) -> Any:
        if id(node) in self.known:
            value, size = self.known[id(node)]
            self.size += size
        else:
            before = self.size
            self.size += 1
            value = self.make(node)
            self.known[id(node)] = value, self.size - before
        if self.size > _MAX_VALUES:
            raise FileFault("FILE_READ", "it holds too many values")
        return value

    def make(self, node: Any) -> Any:
        tag = node.tag.removeprefix(_TAG)
        if node.id == "sequence" and tag in ("seq", "omap", "pairs"):
            return [self.build(each) for each in node.value]
        if node.id == "mapping" and tag in ("map", "set"):
            return self.make_mapping(node)
        if node.id != "scalar":
            raise _at(node, f"unknown tag {node.tag}")
        text = node.value
        if tag == "str":
            return text
        if tag == "binary":
            return {}
        value = read_word(text)
        if isinstance(value, dict) and self.dates_are_text:
            value = text
        if tag == _PLAIN or (tag in _KINDS and isinstance(value, _KINDS[tag])):
            return value
        raise _at(node, f"this is not what the tag {node.tag} promises")

    def make_mapping(self, node: Any) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        own: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.id == "scalar" and key_node.tag == _PLAIN and key_node.value == "<<":
                found = self.build(value_node)
                for each in found if isinstance(found, list) else [found]:
                    if not isinstance(each, dict):
                        raise _at(value_node, "only mappings can be merged")
                    merged = each | merged
                continue
            key = _name(self.build(key_node))
            if key in own:
                raise _at(key_node, "this key is there already")
            own[key] = self.build(value_node)
        return merged | own


_KINDS: Final[dict[str, Any]] = {
    "null": type(None),
    "bool": bool,
    "int": int,
    "float": (int, float),
    "timestamp": dict,
}


def read_word(text: str) -> Any:
    """Return what a plain word means: nothing, a truth, a number, itself; a date is an object without members."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return _read_integer(text.replace("_", ""))
    if text[-1] != "_" and _FLOAT.fullmatch(text):
        plain = text.replace("_", "").lower()
        return math.nan if plain == ".nan" else float(plain.replace(".inf", "inf"))
    return {} if _DATE.fullmatch(text) else text


def _read_integer(digits: str) -> int | float:
    sign = -1 if digits[0] == "-" else 1
    digits = digits.lstrip("+-")
    if digits[:2] in ("0b", "0x"):
        return sign * int(digits[2:], 2 if digits[1] == "b" else 16)
    if digits[0] == "0":
        return sign * int(digits, 8)
    return sign * (int(digits) if len(digits) <= 15 else float(digits))


def _name(key: Any) -> str:
    """Return a key as ECMAScript writes it."""
    if key is None or isinstance(key, bool):
        return "null" if key is None else str(key).lower()
    if isinstance(key, float) and key.is_integer():
        return str(int(key))
    return ",".join(map(_name, key)) if isinstance(key, list) else str(key)


def _at(node: Any, problem: str) -> FileFault:
    return FileFault("FILE_READ", problem, node.start_mark.line + 1)
