"""What verdicts depend on beside the dataset: what is installed. Quick to import."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bidsflow import __version__
from bidsflow.validate.compile.schema import digest_schema
from bidsflow.validate.digests import name_value

_ROOM = os.path.dirname(__file__)  # noqa: PTH120 -- text, which is faster to look through


def list_versions(schema: str | None = None) -> tuple[str, str, str, str]:
    """Return what tells bidsflow, hedtools and the schema (named as for `load_schema`) from those of another time."""
    return __version__, name_code(), find_hedtools(), digest_schema(schema)


@cache
def name_code() -> str:
    """Return what tells the code that validates from that of another moment: the version stays where it is edited.

    Sizes and times of the files: to read them takes as long as to look through a dataset.
    """
    return name_value((sorted(_stamp_code(_ROOM)), list(_stamp(f"{_ROOM}/../cli/validate.py"))))


def _stamp_code(folder: str) -> Iterator[tuple[str, int, int]]:
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                if entry.name.endswith(".py"):
                    yield from _stamp(entry.path)
                elif entry.is_dir() and not entry.name.startswith((".", "_")):
                    yield from _stamp_code(entry.path)
    except OSError:  # installed as an archive
        return


def _stamp(path: str) -> Iterator[tuple[str, int, int]]:
    try:
        found = os.stat(path)  # noqa: PTH116 -- as above
    except OSError:
        return
    yield path, found.st_size, found.st_mtime_ns


@cache
def find_hedtools() -> str:
    """Return the version of `hedtools`; nothing if it is not installed.

    `importlib.metadata` would tell, too, and take longer to import than all else before a validation.
    """
    spec = find_spec("hed")
    if spec is None or not spec.origin:
        return ""
    names = (path.stem for path in Path(spec.origin).parents[1].glob("hedtools-*.dist-info"))
    return next(names, "").removeprefix("hedtools-") or "of unknown version"
