"""What goes in and out of a step, as the annotations of its function say: which value fits which argument.

nipype keeps text where a function has paths, and lists where it has tuples; both directions are here.
"""

from __future__ import annotations

import hashlib
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from bidsflow.app.spec import fits
from bidsflow.errors import FlowError

#: An argument of this name gets the number of threads that a step may use.
THREADS = "threads"


@dataclass(frozen=True, slots=True)
class Output:
    """A value that a step will have when it has run.

    Attributes
    ----------
    step : str
        Name of the step.
    field : str
        Name of the output.
    kind : type or annotation
        What it will be.
    """

    step: str
    field: str
    kind: Any


def check_results(function: Callable[..., Any], result: tuple[Any, ...]) -> dict[str, Any]:
    """Return the outputs of a function as nipype keeps them.

    Raises
    ------
    FlowError
        If they are not those that it declares, or a file is not there.
    """
    kinds = results_of(function)
    if len(result) != len(kinds):
        raise FlowError(function.__name__, f"it returned {len(result)} values instead of {', '.join(kinds)}")
    for (name, kind), value in zip(kinds.items(), result, strict=True):
        if is_file(kind) and value is not None and not Path(value).exists():
            raise FlowError(function.__name__, f"its output {name} was not written: {value}")
    return {name: from_python(value) for name, value in zip(kinds, result, strict=True)}


@cache
def arguments_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the annotations of a function's arguments, by name.

    Raises
    ------
    FlowError
        If other processes could not find the function, or an argument has no annotation.
    """
    if "<" in function.__qualname__:  # <locals>, <lambda>: other processes could not find it
        raise FlowError(function.__name__, "a step is a function at the top of a module")
    hints = typing.get_type_hints(function)
    missing = [name for name in inspect.signature(function).parameters if name not in hints]
    if missing:
        raise FlowError(function.__name__, f"say the type of {', '.join(missing)}")
    return {name: hints[name] for name in inspect.signature(function).parameters}


def inputs_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return what a function has to be given: its arguments without the number of threads."""
    return {name: kind for name, kind in arguments_of(function).items() if name != THREADS}


@cache
def results_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the annotations of what a function returns, by name.

    Raises
    ------
    FlowError
        If that is no `NamedTuple`.
    """
    kind = typing.get_type_hints(function).get("return")
    if not (isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")):
        raise FlowError(function.__name__, "it must return a NamedTuple, and say so")
    return typing.get_type_hints(kind)


@cache
def code_of(function: Callable[..., Any]) -> str:
    """Return a digest of the module that a function stands in, so that changed code runs again."""
    source = inspect.getsourcefile(function)
    data = Path(source).read_bytes() if source else function.__code__.co_code
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _strip_optional(kind: Any) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        rest = [one for one in get_args(kind) if one is not type(None)]
        return rest[0] if len(rest) == 1 else Any
    return kind


def _is_optional(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)


def is_file(kind: Any) -> bool:
    """Return whether an annotation says a file, or none."""
    return _strip_optional(kind) is Path


def is_values(kind: Any) -> bool:
    """Return whether an annotation says values that JSON can hold by name, or nothing."""
    origin = get_origin(kind) or kind
    return origin is Any or (isinstance(origin, type) and issubclass(origin, Mapping))


def is_fit(value: Any, kind: Any) -> bool:
    """Return whether a value, or an output that will be there, fits an annotation."""
    if value is None:
        return _is_optional(kind)
    if isinstance(value, Output) and _is_optional(kind):
        value = replace(value, kind=_strip_optional(value.kind))
    kind = _strip_optional(kind)
    if kind is Any:
        return True
    if isinstance(value, Output):
        got = value.kind
        return got is Any or got == kind or (got is int and kind is float)
    origin = get_origin(kind) or kind
    if isinstance(value, (list, tuple)) and origin is tuple:
        inner = get_args(kind)
        each = inner[0] if len(inner) == 2 and inner[1] is Ellipsis else Any
        return all(is_fit(one, each) for one in value)
    if origin in (bool, int, float, str):
        return fits(value, origin)
    return isinstance(value, origin) if isinstance(origin, type) else True


def show(kind: Any) -> str:
    """Return an annotation as messages show it."""
    return getattr(kind, "__name__", None) or str(kind)


def show_value(value: Any) -> str:
    """Return a value, or where it will come from, as messages show it."""
    if isinstance(value, Output):
        return f"{value.step}[{value.field!r}], which is {show(value.kind)}"
    return f"{type(value).__name__} {value!r}"


def from_python(value: Any) -> Any:
    """Return a value as nipype keeps it: paths as text."""
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return [from_python(one) for one in value]
    return value


def to_python(value: Any, kind: Any) -> Any:
    """Return a value as a function wants it: text as path where it says so."""
    if value is None:
        return None
    kind = _strip_optional(kind)
    if kind is Path:
        return Path(value)
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        each = inner[0] if inner else Any
        return tuple(to_python(one, each) for one in value)
    return value
