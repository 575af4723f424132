"""What verdicts depend on beside the dataset: what is installed. Quick to import."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bidsflow import __version__
from bidsflow.validate.compile.schema import digest_schema


def list_versions(schema: str | None = None) -> tuple[str, str, str]:
    """Return the version of bidsflow and of hedtools, and what tells the schema apart, named as for `load_schema`."""
    return __version__, find_hedtools(), digest_schema(schema)


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
