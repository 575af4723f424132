"""Errors cross processes: each is the same behind a pickle, and says what to do."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
from collections.abc import Iterator

import pytest

import bidsflow
from bidsflow.errors import BidsflowError, OptionError, StorageError, describe_error


def _walk(kind: type[BidsflowError]) -> Iterator[type[BidsflowError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _walk(child)


def _import_all() -> None:
    for module in pkgutil.walk_packages(bidsflow.__path__, "bidsflow."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


_import_all()
ERRORS = sorted(set(_walk(BidsflowError)), key=lambda kind: kind.__name__)


def make_error(kind: type[BidsflowError]) -> BidsflowError:
    """Return an error with a different value for each of its arguments."""
    if kind.__init__ is BidsflowError.__init__:
        return kind("what was seen")
    names = list(inspect.signature(kind.__init__).parameters)[1:]
    return kind(*[("first", "second") if name == "problems" else f"the {name}" for name in names])


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_is_the_same_behind_a_pickle(kind: type[BidsflowError]) -> None:
    error = make_error(kind)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert copy.args == error.args
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_tells_all_that_it_was_given(kind: type[BidsflowError]) -> None:
    error = make_error(kind)
    for value in error.args:
        for piece in value if isinstance(value, tuple) else (value,):
            assert piece in str(error)
    assert error.exit_code != 0
    assert (error.exit_code == 2) == isinstance(error, OptionError)  # wrong use of the command line


def test_every_error_but_the_base_is_a_builtin_kind_as_well() -> None:
    assert len(ERRORS) > 5
    for kind in ERRORS:
        if kind is not BidsflowError:
            assert any(base.__module__ == "builtins" and base is not Exception for base in kind.__mro__[1:-3]), kind


def test_an_unexpected_error_is_described_without_its_message() -> None:
    with pytest.raises(KeyError) as caught:
        {}["secret name"]
    assert describe_error(caught.value) == "KeyError"


@pytest.mark.parametrize("reason", ["the disk is full", "the disk quota is reached", "No space left on device"])
def test_room_is_asked_for_where_there_is_none(reason: str) -> None:
    assert "make room" in str(StorageError("a", reason))


@pytest.mark.parametrize("reason", ["the disk is read-only", "Permission denied", "Input/output error"])
def test_room_is_not_asked_for_where_it_would_not_help(reason: str) -> None:
    assert "make room" not in str(StorageError("a", reason))
