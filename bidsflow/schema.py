"""The BIDS schema as data (bidsschematools), loaded once, and the questions that other rooms ask of it.

Comes in: names. Goes out: what the standard says of them. Imports nothing heavy until asked.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from bidsflow.names import BidsName

if TYPE_CHECKING:
    from bidsschematools.types.namespace import Namespace


@cache
def load() -> Namespace:
    """Return the schema that the installed bidsschematools carries."""
    from bidsschematools.schema import load_schema

    return load_schema()


@cache
def _raw_patterns() -> tuple[re.Pattern[str], ...]:
    """Return the patterns of every path that a raw dataset may have below a subject."""
    from bidsschematools.rules import regexify_filename_rules

    schema = load()
    rules = regexify_filename_rules(schema.rules.files.raw, schema, level=2)
    return tuple(re.compile(rule["regex"]) for rule in rules)


def allows(name: BidsName) -> bool:
    """Return whether the standard knows a file of this name in a raw dataset.

    Examples
    --------
    >>> allows(BidsName("01", "anat", "T1w", ".nii.gz")), allows(BidsName("01", "anat", "bold", ".nii.gz"))
    (True, False)
    """
    path = str(name)
    return any(pattern.fullmatch(path) for pattern in _raw_patterns())
