"""How much of a file is read at most, and what its damage is called."""

from __future__ import annotations

import contextlib
import struct
import warnings
from collections.abc import Iterator
from typing import Final

from pydicom import config
from pydicom.errors import BytesLengthException, InvalidDicomError

from bidsflow.errors import HeaderError

#: Sequences inside sequences: a structured report needs some twenty, a file made to exhaust memory thousands.
MAX_DEPTH: Final = 64

#: Values that are longer, in bytes, stay on disk; sequences are read whatever their length, up to `MAX_READ`.
MAX_VALUE: Final = 2**20
MAX_READ: Final = 2**28

#: A gzip or deflate stream that grows beyond this is refused.
MAX_UNPACKED: Final = 2**32
MAX_INFLATED: Final = 2**28

#: The length of what ends with a delimiter.
UNDEFINED: Final = 0xFFFFFFFF

#: What pydicom raises when the bytes are not what they claim to be.
DAMAGE: Final = (
    EOFError,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    NotImplementedError,
    ArithmeticError,
    struct.error,
    BytesLengthException,
    InvalidDicomError,
)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from quoting values, which may be a person's, in warnings and logs."""
    with warnings.catch_warnings(), config.disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def name_damage(error: BaseException) -> HeaderError:
    """Say in our words what pydicom stumbled over; its own words may quote values."""
    if isinstance(error, HeaderError):
        return error
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, RecursionError):
            return HeaderError(too_deep())
        seen = seen.__context__
    return HeaderError("the file is truncated or damaged: its elements cannot be told apart")


def too_deep() -> str:
    """Say what is wrong with a file whose sequences are nested without end."""
    return f"sequences are nested more than {MAX_DEPTH} deep, which no scanner writes"
