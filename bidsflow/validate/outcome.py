"""The issues of a dataset as a whole, as they are kept for the next time that nothing has changed."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any

from bidsflow.validate.issues import Head, IssueTable, Overview, Severity
from bidsflow.validate.kept import read_data
from bidsflow.validate.store import write_data

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def load_outcome(place: Path, digest: bytes) -> tuple[IssueTable, Any] | None:
    """Return the issues of a dataset as a whole, and what was kept with them, if nothing has changed in it."""
    data = read_data(place)
    if data is None or data[0] != digest:
        return None
    _, heads, paths, kinds, places, overview, rest = data
    table = IssueTable(read_heads(heads), paths, array("I", kinds), array("I", places), Overview(*overview))
    return table, rest


def save_outcome(place: Path, digest: bytes, issues: IssueTable, rest: Any) -> None:
    """Remember the issues of a dataset as a whole."""
    heads, paths, overview = write_heads(issues.heads), list(issues.paths), tuple(issues.overview)
    write_data(place, (digest, heads, paths, issues.kinds.tobytes(), issues.places.tobytes(), overview, rest))


def read_heads(heads: Iterable[tuple[Any, ...]]) -> list[Head]:
    """Return heads that `write_heads` wrote."""
    return [Head(code, Severity(severity), *rest) for code, severity, *rest in heads]


def write_heads(heads: Iterable[Head]) -> list[tuple[Any, ...]]:
    """Return heads as `marshal` writes them, which knows no enumerations."""
    return [(head.code, head.severity.value, *head[2:]) for head in heads]
