"""What values mean in the schema's expressions: JavaScript's truth, equality, order, arithmetic, and functions.

A value is None (null), `UNDEFINED`, a bool, a number, a str, a list or a dict. What JavaScript throws is `ThrownError`;
whoever evaluates an expression takes that as null, as the reference does.

Source: ECMAScript, "Abstract Operations" (https://tc39.es/ecma262/#sec-abstract-operations); the functions'
definitions in https://bids-specification.readthedocs.io/en/stable/appendices/schema.html, their fine print from the
reference's behaviour.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from functools import cmp_to_key, lru_cache
from math import isnan
from operator import le
from typing import TYPE_CHECKING, Any, Final

from bidsflow.validate.compile.regex import compile_pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bidsflow.validate.context.context import Context


class Undefined:
    """The value of what is not there; falsy."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"

    def __reduce__(self) -> str:
        return "UNDEFINED"


class ThrownError(Exception):
    """An expression took a member of null, or called a function with what it does not take."""


UNDEFINED: Final = Undefined()
_NAN = math.nan
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?)", re.ASCII)
_LEADING = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|Infinity)", re.ASCII)
_TEXTS = frozenset({str})
#: The numbers in the lists that were asked last: onsets are asked for by several rules and several images.
_recent: dict[int, tuple[list[Any], list[float]]] = {}
_RECENT: Final = 16
#: What every object of JavaScript has, so that the reference takes columns and folders of these names for known.
OF_EVERY_OBJECT: Final = frozenset(
    {"constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable", "toLocaleString", "toString", "valueOf"}
    | {"__proto__", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"}
)
_BASES = {"0x": 16, "0o": 8, "0b": 2}
#: What JavaScript's trim takes away; Python's takes 0x1c to 0x1f and 0x85 as well, and leaves the byte order mark.
_SPACES = "\t\n\v\f\r \xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000\ufeff"


def truthy(value: Any) -> bool:
    """Return whether a value counts as true: all but false, null, undefined, 0, NaN and ``""``."""
    if value.__class__ is float:
        return bool(value) and not isnan(value)
    return bool(value) or value.__class__ in (list, dict)


def is_null(value: Any) -> bool:
    """Return whether a value is null or undefined."""
    return value is None or value is UNDEFINED


def equals(a: Any, b: Any) -> bool:
    """Return ``a == b``, with JavaScript's conversions."""
    if a.__class__ is b.__class__:
        return a is b if a.__class__ in (list, dict) else bool(a == b)
    if is_null(a) or is_null(b):
        return is_null(a) and is_null(b)
    if a.__class__ in (list, dict) and b.__class__ in (list, dict):
        return False
    a, b = _flatten(a), _flatten(b)
    if a.__class__ is str and b.__class__ is str:
        return bool(a == b)
    return to_number(a) == to_number(b)


def same(a: Any, b: Any) -> bool:
    """Return ``a === b``."""
    if a.__class__ in (list, dict) or b.__class__ in (list, dict):
        return a is b
    if isinstance(a, bool) or isinstance(b, bool) or is_null(a) or is_null(b):
        return a is b
    return bool(a == b)


def less(a: Any, b: Any) -> bool:
    """Return ``a < b``."""
    a, b = _flatten(a), _flatten(b)
    if a.__class__ is str and b.__class__ is str:
        return bool(a < b)
    return to_number(a) < to_number(b)


def at_most(a: Any, b: Any) -> bool:
    """Return ``a <= b``."""
    a, b = _flatten(a), _flatten(b)
    if a.__class__ is str and b.__class__ is str:
        return bool(a <= b)
    return to_number(a) <= to_number(b)


def add(a: Any, b: Any) -> Any:
    """Return ``a + b``: a concatenation as soon as one is text."""
    a, b = _flatten(a), _flatten(b)
    if a.__class__ is str or b.__class__ is str:
        return to_text(a) + to_text(b)
    return to_number(a) + to_number(b)


def subtract(a: Any, b: Any) -> float:
    """Return ``a - b``."""
    return to_number(a) - to_number(b)


def multiply(a: Any, b: Any) -> float:
    """Return ``a * b``."""
    return to_number(a) * to_number(b)


def divide(a: Any, b: Any) -> float:
    """Return ``a / b``; infinite, or not a number, where `b` is zero."""
    above, below = to_number(a), to_number(b)
    if below:
        return above / below
    return _NAN if not above or isnan(above) else math.copysign(math.inf, above) * math.copysign(1, below)


def remainder(a: Any, b: Any) -> float:
    """Return ``a % b``, which has the sign of `a`."""
    a, b = to_number(a), to_number(b)
    if not b or not math.isfinite(a):
        return _NAN
    return int(rest) if (rest := math.fmod(a, b)) == int(rest) else rest


def power(a: Any, b: Any) -> float:
    """Return ``a ** b``."""
    a, b = to_number(a), to_number(b)
    try:
        value: complex = a**b
    except (OverflowError, ZeroDivisionError):
        return math.inf
    return value if isinstance(value, int | float) else _NAN


def negate(a: Any) -> float:
    """Return ``-a``."""
    return -to_number(a)


def contains(key: Any, value: Any) -> bool:
    """Return ``key in value``: a key of an object; of a list, an index, or a member that is text.

    JavaScript knows no members; the schema's ``"micr" in dataset.modalities`` means one.
    """
    if value.__class__ is dict:
        return (key if key.__class__ is str else to_text(key)) in value
    if value.__class__ is list:
        if key.__class__ is str and key in value:
            return True
        number = to_number(key)
        return 0 <= number < len(value) and number == int(number)
    raise ThrownError


def get(value: Any, key: str) -> Any:
    """Return ``value.key``."""
    if value.__class__ is dict:
        return value.get(key, UNDEFINED)
    if is_null(value):
        raise ThrownError
    return len(value) if key == "length" and value.__class__ in (str, list) else UNDEFINED


def get_item(value: Any, key: Any) -> Any:
    """Return ``value[key]``."""
    if value.__class__ in (list, str):
        number = to_number(key) if not is_null(key) else _NAN
        inside = 0 <= number < len(value) and number == int(number)
        return value[int(number)] if inside else UNDEFINED
    return get(value, to_text(key))


def to_number(value: Any) -> float:
    """Return ``Number(value)``; NaN for what is none."""
    kind = value.__class__
    if kind is int or kind is float:
        return value  # type: ignore[no-any-return]
    if kind is str:
        return _read_number(value)
    if kind is bool:
        return int(value)
    if value is None:
        return 0
    return _read_number(to_text(value)) if kind is list else _NAN


@lru_cache(maxsize=1 << 12)
def _read_number(text: str) -> float:
    text = text.strip(_SPACES)
    if not text:
        return 0
    if _DECIMAL.fullmatch(text):
        return float(text)
    if text.lstrip("+-") == "Infinity" and len(text) <= 9:
        return -math.inf if text[0] == "-" else math.inf
    base = _BASES.get(text[:2].lower())
    try:
        return int(text[2:], base) if base and "_" not in text and text[2:3] not in "+-" else _NAN
    except ValueError:
        return _NAN


def parse_float(text: str) -> float:
    """Return the number that a text begins with, as ``parseFloat``; NaN if none: 35 for ``35-40``."""
    found = _LEADING.match(text.lstrip(_SPACES))
    return float(found[0]) if found else _NAN


def to_text(value: Any) -> str:
    """Return ``String(value)``."""
    if value.__class__ is str:
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if is_null(value):
        return "null" if value is None else "undefined"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return str(int(value)) if value == int(value) and abs(value) < 1e21 else repr(value)
    if value.__class__ is list:
        return ",".join("" if is_null(item) else to_text(item) for item in value)
    return "[object Object]" if value.__class__ is dict else str(value)


def _flatten(value: Any) -> Any:
    """Return a primitive: lists and objects become text."""
    return to_text(value) if value.__class__ in (list, dict) else value


# The functions of the language.


def allequal(a: Any, b: Any) -> Any:
    """Return whether two lists hold the same values in the same order."""
    if is_null(a) or is_null(b):
        return False
    if a.__class__ is not list or b.__class__ not in (list, str):
        raise ThrownError
    if len(a) != len(b):
        return False
    return a == b if _TEXTS.issuperset(map(type, a)) else all(map(same, a, b))


def count(values: Any, value: Any) -> int:
    """Return how many values of a list are the given one."""
    if value.__class__ is str:
        return _as_list(values).count(value)
    return sum(same(item, value) for item in _as_list(values))


def exists(context: Context, paths: Any, where: Any = "dataset") -> int:
    """Return how many paths exist, seen from the dataset, subject, stimuli or file; or are BIDS URIs."""
    if is_null(paths):
        return 0
    listed = paths if paths.__class__ is list else [paths]
    if not all(path.__class__ is str for path in listed):
        raise ThrownError
    if where == "bids-uri":
        return sum(path.startswith("bids:") for path in listed)
    return sum(number for path, number in Counter(listed).items() if context.has_file(path, where))


def index(values: Any, value: Any) -> Any:
    """Return where a value stands in a list, or null."""
    if values.__class__ is str:
        return found if (found := values.find(to_text(value))) >= 0 else None
    return next((at for at, item in enumerate(_as_list(values)) if same(item, value)), None)


def intersects(a: Any, b: Any) -> Any:
    """Return the values of the longer list that the other holds, too; false where there are none."""
    left = a if a.__class__ is list else [a]
    right = b if b.__class__ is list else [b]
    if len(left) < len(right):
        left, right = right, left
    if not right:
        return False
    known = {_identify(item) for item in right}
    return [item for item in left if _identify(item) in known] or False


def length(values: Any) -> Any:
    """Return the length of a list or a text, else null."""
    return len(values) if values.__class__ in (list, str) else None


def match(text: Any, pattern: Any) -> bool:
    """Return whether a pattern is found in a text."""
    if text.__class__ is not str:
        raise ThrownError
    return compile_pattern(to_text(pattern)).search(text) is not None


def maximum(values: Any) -> Any:
    """Return the largest number of a list, ignoring what is no number; -inf where there is none, null for null."""
    return None if is_null(values) else max(_find_numbers(values), default=-math.inf)


def minimum(values: Any) -> Any:
    """Return the smallest number of a list, ignoring what is no number; inf where there is none, null for null."""
    return None if is_null(values) else min(_find_numbers(values), default=math.inf)


def sort(values: Any, method: Any = "auto") -> list[Any]:
    """Return a sorted copy of a list: by value, as numbers (``numeric``) or as text (``lexical``)."""
    listed = _as_list(values)
    if method == "numeric":
        keys = [to_number(item) for item in listed]
        if not any(map(isnan, keys)):
            return listed if all(map(le, keys, keys[1:])) else sorted(listed, key=to_number)
        return _sort_as_runs(listed, _compare_numbers)
    if method == "lexical":
        return sorted(listed, key=to_text)
    if method != "auto":
        raise ThrownError
    by_value = cmp_to_key(_compare_values)
    alike = len({item.__class__ for item in listed}) < 2
    return sorted(listed, key=by_value) if alike else _sort_as_runs(listed, _compare_values)


def _sort_as_runs(listed: Sequence[Any], compare: Callable[[Any, Any], float]) -> list[Any]:
    """Return a sorted copy, step by step as JavaScript engines sort short arrays.

    NaN compares as equal to everything, which is no order: what comes out depends on which pairs are compared, and
    Python's own sort has compared others since 3.13. Source: V8, ``third_party/v8/builtins/array-sort.tq``
    (``CountAndMakeRun``, ``BinaryInsertionSort``), which it uses for up to 32 elements and for runs of longer arrays.
    """
    done = list(listed[:2])
    falls = len(done) == 2 and compare(done[1], done[0]) < 0
    for item in listed[2:]:
        if (compare(item, done[-1]) < 0) is not falls:
            break
        done.append(item)
    rest = listed[len(done) :]
    if falls:
        done.reverse()
    for item in rest:
        left, right = 0, len(done)
        while left < right:
            middle = (left + right) // 2
            if compare(item, done[middle]) < 0:
                right = middle
            else:
                left = middle + 1
        done.insert(left, item)
    return done


def substr(text: Any, start: Any, end: Any) -> Any:
    """Return the part of a text from `start` up to `end`; null if any is null."""
    if is_null(text) or is_null(start) or is_null(end):
        return None
    if text.__class__ is not str:
        raise ThrownError
    first = to_number(start)
    first = max(len(text) + first, 0) if first < 0 else first
    size = to_number(end) - to_number(start)
    return text[int(first) : int(first + max(size, 0))] if not (isnan(size) or isnan(first)) else ""


def kind_of(value: Any) -> str:
    """Return the type of a value as the language names it: array, null, boolean, number, string, object."""
    if is_null(value):
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {list: "array", str: "string"}.get(value.__class__, "object")


def unique(values: Any) -> Any:
    """Return the values of a list, each once, in their order."""
    if values is None:
        return None
    listed = [] if values is UNDEFINED else list(values) if values.__class__ is str else _as_list(values)
    found: dict[Any, Any] = {}
    for item in listed:
        found.setdefault(_identify(item), item)
    return list(found.values())


def _identify(value: Any) -> Any:
    """Return a key that is equal for values that JavaScript's sets hold as one."""
    if value.__class__ in (list, dict):
        return ("object", id(value))
    return ("bool", value) if value.__class__ is bool else value


def _as_list(values: Any) -> list[Any]:
    if values.__class__ is not list:
        raise ThrownError
    found: list[Any] = values
    return found


def _find_numbers(values: Any) -> list[float]:
    if values.__class__ is not list:
        values = [values]
    known = _recent.get(id(values))
    if known is None or known[0] is not values:
        if len(_recent) > _RECENT:
            _recent.clear()
        known = (values, [number for number in map(to_number, values) if not isnan(number)])
        _recent[id(values)] = known
    return known[1]


def _compare_values(a: Any, b: Any) -> int:
    return less(b, a) - less(a, b)


def _compare_numbers(a: Any, b: Any) -> int:
    difference = to_number(a) - to_number(b)
    return 0 if isnan(difference) else (difference > 0) - (difference < 0)


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "allequal": allequal, "count": count, "exists": exists, "index": index, "intersects": intersects, "length": length,
    "match": match, "max": maximum, "min": minimum, "sorted": sort, "substr": substr, "type": kind_of, "unique": unique,
}  # fmt: skip
