"""What every dataset has at its root."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.validate.defects.content import to_json, to_tsv
from tests.validate.defects.tree import Tree

README = (
    b"# A small dataset\n\n" + b"It was made to hold one of each, so that a single defect in it can be told apart. " * 3
)


def make_root(subjects: Sequence[str] = ("01",), **description: Any) -> Tree:
    """Return the files at the root of a raw dataset with these subjects."""
    fields = {
        "Name": "Small",
        "BIDSVersion": "1.10.0",
        "DatasetType": "raw",
        "License": "CC0",
        "Authors": ["A. Author", "B. Author"],
    }
    people = "\n".join(f"sub-{label} {30 + number} F right" for number, label in enumerate(subjects))
    return {
        "dataset_description.json": to_json(**{**fields, **description}),
        "README": README,
        "participants.tsv": to_tsv(f"participant_id age sex handedness\n{people}"),
    }
