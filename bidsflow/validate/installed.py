"""What verdicts depend on beside the dataset: what is installed. Quick to import."""

from __future__ import annotations

import os
import sys

from bidsflow import __version__
from bidsflow.validate.digests import name_value

TYPE_CHECKING = False  # `typing` takes as long to import as all else here
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Size and time of the last change of a file, with its path.
_Stamp = tuple[str, int, int]

_ROOM = os.path.dirname(__file__)  # noqa: PTH120 -- text, which is faster to look through
#: What was found once holds for the process: the code that runs is the code of when it was imported.
_found: dict[str, str] = {}


def list_versions(schema: str | None = None) -> tuple[str, str, str, str]:
    """Return what tells bidsflow, hedtools and the schema (named as for `load_schema`) from those of another time."""
    from bidsflow.validate.compile.schema import digest_schema

    return __version__, name_code(), find_hedtools(), digest_schema(schema)


def stamp_installed() -> tuple[object, ...]:
    """Return what tells all that a plain validation uses from that of another moment, without reading it."""
    schema = os.path.join(find_package("bidsschematools"), "data", "schema.json")  # noqa: PTH118
    return __version__, name_code(), find_hedtools(), list(_stamp(schema))


def name_code() -> str:
    """Return what tells the code that validates from that of another moment: the version stays where it is edited.

    Sizes and times of the files: to read them takes as long as to look through a dataset.
    """
    if "code" not in _found:
        _found["code"] = name_value((sorted(_stamp_code(_ROOM)), list(_stamp(f"{_ROOM}/../cli/validate.py"))))
    return _found["code"]


def _stamp_code(folder: str) -> Iterator[_Stamp]:
    try:
        with os.scandir(folder) as listing:
            for entry in listing:
                if entry.name.endswith(".py"):
                    yield from _stamp(entry.path)
                elif entry.is_dir() and not entry.name.startswith((".", "_")):
                    yield from _stamp_code(entry.path)
    except OSError:  # installed as an archive
        return


def _stamp(path: str) -> Iterator[_Stamp]:
    try:
        found = os.stat(path)  # noqa: PTH116 -- as above
    except OSError:
        return
    yield path, found.st_size, found.st_mtime_ns


def find_hedtools() -> str:
    """Return the version of `hedtools`; nothing if it is not installed.

    `importlib.metadata` would tell, too, and take longer to import than all else before a validation.
    """
    if "hed" not in _found:
        _found["hed"] = _find_hedtools()
    return _found["hed"]


def _find_hedtools() -> str:
    folder = find_package("hed")
    if not folder:
        return ""
    for name in os.listdir(os.path.dirname(folder)):  # noqa: PTH120, PTH208
        if name.startswith("hedtools-") and name.endswith(".dist-info"):
            return name.removeprefix("hedtools-").removesuffix(".dist-info")
    return "of unknown version"


def find_package(name: str) -> str:
    """Return the folder of an installed package, ``""`` where there is none; imports neither it nor `importlib.util`.

    A folder without an ``__init__`` is none: uninstalling may leave one behind.
    """
    if sys.modules.get(name, ...) is None:  # what Python takes for a module that cannot be imported
        return ""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None)
        if spec is not None:
            return os.path.dirname(spec.origin) if spec.origin else ""  # noqa: PTH120
    return ""
