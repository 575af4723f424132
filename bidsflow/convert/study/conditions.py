"""One condition: read from a value of TOML, written as one, and held against the value of a field. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from bidsflow.convert.study.fields import FIELDS
from bidsflow.convert.study.spec import Condition, Json, Relation, Scalar
from bidsflow.dicom.physics import Kind

#: Numbers are equal that differ by no more than this share: scanners write 29.999999 for 30.
_TOLERANCE = 1e-3
#: Elements whose values are words, of which `contains` means one.
_MULTIPLE = frozenset({
    "ImageType", "FrameType", "SiemensImageType", "ScanningSequence", "SequenceVariant", "ScanOptions",
})  # fmt: skip
#: What makes a text a pattern of a shell.
_WILD = re.compile(r"[*?\[]")
_NUMBER = r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|inf)"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})\s*")
_BOUND = re.compile(rf"\s*(<=|>=|<|>|=)?\s*({_NUMBER})\s*")
_QUANTIFIED = re.compile(r"[*+\0]|\{\d+,")
_GROUP = re.compile(r"\(([^()]*)\)([*+]|\{\d+,)?")
#: What stands for itself in a regular expression: an escaped letter, a set.
LITERAL = re.compile(r"\\.|\[\^?\]?[^\]]*\]", re.DOTALL)
#: Relations that only numbers, or only texts, can have.
_ONLY: dict[Relation, type] = {
    Relation.LESS: float, Relation.MORE: float, Relation.BETWEEN: float, Relation.GLOB: str, Relation.REGEX: str,
}  # fmt: skip
#: The only values of fields that bidsflow fills itself.
_CHOICES = {
    "kind": tuple(kind.value for kind in Kind),
    "component": ("magnitude", "phase", "real", "imaginary"),
    "plane": ("ax", "cor", "sag"),
    "direction": ("AP", "PA", "LR", "RL", "HF", "FH"),
}


def suggest(word: str, known: Iterable[object]) -> str:
    """Return the end of a message that names what a word may have been meant for, ``""`` where nothing is near.

    Examples
    --------
    >>> suggest("EchoTme", ["EchoTime", "FlipAngle"]), suggest("xyz", ["EchoTime"])
    ('; did you mean EchoTime?', '')
    """
    names = {str(name).lower(): str(name) for name in known}
    close = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"; did you mean {names[close[0]]}?" if close else ""


def check_field(name: str) -> None:
    """Make sure that bidsflow knows a field.

    Raises
    ------
    ValueError
        If not; says what may have been meant.
    """
    if name not in FIELDS:
        raise ValueError(f"no element of the header that bidsflow reads{suggest(name, FIELDS)}")


def parse_conditions(name: str, value: Json) -> tuple[Condition, ...]:
    """Return the conditions on one field: several where the value is a table ``{ all = [...] }``.

    Raises
    ------
    ValueError
        As `parse_condition`.
    """
    if isinstance(value, dict) and value.keys() == {"all"}:
        several = value["all"]
        if not isinstance(several, list):
            raise ValueError(f"all: expected a list of conditions, got {show(several)}")
        return tuple(parse_condition(name, one) for one in several)
    return (parse_condition(name, value),)


def parse_condition(name: str, value: Json) -> Condition:
    """Return the condition that a key and a value of TOML stand for.

    Parameters
    ----------
    name : str
        The field.
    value : str, float, list or dict
        A number, a text (a pattern, where it has ``*``, ``?`` or ``[``), ``">20"``, a list for one of several, or a
        table that names the relation: ``{ regex = "..." }``, ``{ not = ... }``.

    Raises
    ------
    ValueError
        If the field is unknown or the value is none for it; says what was expected.

    Examples
    --------
    >>> parse_condition("EchoTime", ">20").relation, parse_condition("SeriesDescription", "*rest*").relation
    (<Relation.MORE: 'more'>, <Relation.GLOB: 'glob'>)
    """
    check_field(name)
    if isinstance(value, dict):
        return _parse_table(name, value)
    if isinstance(value, list):
        return _make(name, Relation.ANY, value)
    if FIELDS[name] is float:
        return _parse_number(name, value)
    text = _text(value)
    return _make(name, Relation.GLOB if _WILD.search(text) else Relation.EQUALS, text)


def _parse_table(name: str, table: dict[str, Json]) -> Condition:
    if len(table) != 1:
        raise ValueError(f"expected one of {', '.join(Relation)} or not, got {len(table)} keys")
    key, value = next(iter(table.items()))
    if key == "not":
        inner = parse_condition(name, value)
        return Condition(inner.field, inner.relation, inner.value, not inner.negated)
    if key not in list(Relation):
        raise ValueError(f"unknown relation {key!r}{suggest(key, Relation)}; there are {', '.join(Relation)} and not")
    return _make(name, Relation(key), value)


def _parse_number(name: str, value: Json) -> Condition:
    """Return the condition on a number: the number itself, or a text such as ``>20`` and ``10..20``."""
    if isinstance(value, str):
        if found := _RANGE.fullmatch(value):
            return _make(name, Relation.BETWEEN, [float(found[1]), float(found[2])])
        if (found := _BOUND.fullmatch(value)) and found[1]:
            number = float(found[2])
            made: dict[str, tuple[Relation, Json]] = {
                "<": (Relation.LESS, number),
                ">": (Relation.MORE, number),
                "=": (Relation.EQUALS, number),
                "<=": (Relation.BETWEEN, [-math.inf, number]),
                ">=": (Relation.BETWEEN, [number, math.inf]),
            }
            return _make(name, *made[found[1]])
    if not _is_number(value):
        raise ValueError(f'expected a number or ">20", got {show(value)}')
    return _make(name, Relation.EQUALS, value)


def _make(name: str, relation: Relation, value: Json) -> Condition:
    """Return a condition whose value fits its relation and its field."""
    checked: Scalar | tuple[Scalar, ...]
    if relation in _ONLY and FIELDS[name] is not _ONLY[relation]:
        raise ValueError(f"holds {'numbers' if FIELDS[name] is float else 'text'}, which {relation} is not for")
    if relation is Relation.BETWEEN:
        ends = value if isinstance(value, list) else []
        numbers = [_number(end) for end in ends]
        if len(numbers) != 2 or not numbers[0] <= numbers[1]:
            raise ValueError(f"expected two numbers, the smaller first, got {show(value)}")
        checked = tuple(numbers)
    elif relation is Relation.ANY:
        if not isinstance(value, list) or not value:
            raise ValueError(f"expected a list of values, got {show(value)}")
        checked = tuple(_scalar(name, one) for one in value)
    elif relation in (Relation.LESS, Relation.MORE):
        checked = _number(value)
    elif relation in (Relation.GLOB, Relation.REGEX):
        checked = _text(value)
        if relation is Relation.REGEX:
            check_expression(checked)
    else:
        checked = _scalar(name, value)
    if relation in (Relation.EQUALS, Relation.ANY) and name in _CHOICES:
        for one in checked if isinstance(checked, tuple) else (checked,):
            if one not in _CHOICES[name] and not _WILD.search(str(one)):
                near = suggest(str(one), _CHOICES[name]) or f": one of {', '.join(_CHOICES[name])}"
                raise ValueError(f"is never {show(one)}{near}")
    return Condition(name, relation, checked)


def check_expression(pattern: str) -> None:
    """Make sure that a regular expression is one, and that it ends in time on every text.

    Raises
    ------
    ValueError
        If not.
    """
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"no regular expression ({error}): {show(pattern)}") from error
    if repeats_within(pattern):
        raise ValueError(f"repeats what is repeated, which may take for ever: simplify {show(pattern)}")


def repeats_within(pattern: str) -> bool:
    r"""Return whether a regular expression repeats a group that repeats something itself.

    Examples
    --------
    >>> repeats_within("(a+)+"), repeats_within("(a+)b*"), repeats_within(r"[(+]+(\+)+")
    (True, False, False)
    """
    rest, before = LITERAL.sub("x", pattern), ""
    while rest != before:
        if any(repeated and _QUANTIFIED.search(inner) for inner, repeated in _GROUP.findall(rest)):
            return True
        before, rest = rest, _GROUP.sub(lambda found: "\0" if _QUANTIFIED.search(found[0]) else "x", rest)
    return False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - no NaN


def _number(value: Json) -> float:
    if not isinstance(value, int | float) or not _is_number(value):
        raise ValueError(f"expected a number, got {show(value)}")
    return value


def _text(value: Json) -> str:
    if isinstance(value, str):
        return value
    raise ValueError(f"expected a text, got {show(value)}")


def _scalar(name: str, value: Json) -> Scalar:
    return _number(value) if FIELDS[name] is float else _text(value)


def show(value: object) -> str:
    """Return a value as a message shows it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def format_conditions(conditions: Iterable[Condition]) -> dict[str, Json]:
    """Return the table of TOML that `parse_conditions` reads, key by key, as these conditions."""
    fields: dict[str, list[Json]] = {}
    for one in conditions:
        fields.setdefault(one.field, []).append(format_condition(one))
    return {name: some[0] if len(some) == 1 else {"all": some} for name, some in fields.items()}


def format_condition(condition: Condition) -> Json:
    """Return the value of TOML that `parse_condition` reads as this condition."""
    value, relation = condition.value, condition.relation
    plain = Relation.GLOB if isinstance(value, str) and _WILD.search(value) else Relation.EQUALS
    inner: Json
    if isinstance(value, tuple):
        inner = list(value) if relation is Relation.ANY else {relation.value: list(value)}
    elif relation is plain:
        inner = value
    elif relation in (Relation.LESS, Relation.MORE) and math.isfinite(float(value)):
        number = int(value) if float(value).is_integer() else value
        inner = f"{'<' if relation is Relation.LESS else '>'}{number!r}"
    else:
        inner = {relation.value: value}
    return {"not": inner} if condition.negated else inner


def find_match(condition: Condition, text: str) -> dict[str, str] | None:
    r"""Return the named groups that a condition finds in the value of a field; None where it does not hold.

    What an image does not have is neither equal to anything, nor less, nor more; a negated condition then holds.

    Examples
    --------
    >>> find_match(parse_condition("SeriesDescription", {"regex": "task_(?P<task>[a-z]+)"}), "bold_task_rest")
    {'task': 'rest'}
    >>> find_match(parse_condition("ImageType", {"not": {"contains": "M"}}), "ORIGINAL\\PRIMARY\\M\\ND") is None
    True
    """
    found = _search(condition, text)
    if condition.negated:
        return {} if found is None else None
    return found


def _search(condition: Condition, text: str) -> dict[str, str] | None:
    if condition.relation is Relation.REGEX:
        match = re.search(str(condition.value), text)
        return None if match is None else {key: found or "" for key, found in match.groupdict().items()}
    holds = _holds_number if FIELDS[condition.field] is float else _holds_text
    return {} if text and holds(condition, text) else None


def _holds_text(condition: Condition, text: str) -> bool:
    value, relation = condition.value, condition.relation
    if isinstance(value, tuple):
        return any(_fits(text, str(one)) for one in value)
    if relation is Relation.CONTAINS:
        return str(value) in (text.split("\\") if condition.field in _MULTIPLE else text)
    return _fits(text, str(value)) if relation is Relation.GLOB else text.strip() == value


def _fits(text: str, pattern: str) -> bool:
    """Return whether a text fits a pattern of a shell, or is the pattern to the letter: ``T1 [brain]``."""
    return fnmatchcase(text, pattern) or text.strip() == pattern


def _holds_number(condition: Condition, text: str) -> bool:
    """Return whether a number holds a condition; of several (PixelSpacing) all must, but for ``contains``."""
    relation, value = condition.relation, condition.value
    values = [float(one) for one in (value if isinstance(value, tuple) else (value,))]
    holds = {
        Relation.LESS: lambda number: number < values[0],
        Relation.MORE: lambda number: number > values[0],
        Relation.BETWEEN: lambda number: values[0] <= number <= values[-1],
    }.get(relation, lambda number: any(math.isclose(number, one, rel_tol=_TOLERANCE, abs_tol=1e-9) for one in values))
    try:
        numbers = [float(word) for word in text.split("\\")]
    except ValueError:
        return False
    return any(map(holds, numbers)) if relation is Relation.CONTAINS else all(map(holds, numbers))
