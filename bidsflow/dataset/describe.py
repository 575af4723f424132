"""The files that say what a dataset is. Pure: values in, text out. Nothing is invented: what is unknown is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

#: Version of BIDS that bidsflow writes.
BIDS_VERSION = "1.11.1"
#: What a README says of labels that are numbers.
PROMISE = b"Subject labels say nothing of the person. "


def dataset_description(
    name: str, generators: Sequence[tuple[str, str]], container: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return ``dataset_description.json`` of a raw dataset.

    Parameters
    ----------
    name : str
        Name of the dataset.
    generators : sequence of (str, str)
        Name and version of each program that made it.
    container : mapping of str to str, optional
        The image that they ran in, see `origin.describe_image`.
    """
    inside = {"Container": dict(container)} if container else {}
    content = {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": program, "Version": version, **inside} for program, version in generators],
    }
    return to_json(content)


def fill_description(text: str, title: str, fields: Mapping[str, object]) -> str:
    """Return ``dataset_description.json`` with fields that it lacks; what someone has written into it stays.

    Parameters
    ----------
    text : str
        What the dataset has.
    title : str
        The name that bidsflow gave it, which a field may replace.
    fields : mapping
        What it is to have.

    Examples
    --------
    >>> print(fill_description('{"Name": "bids", "License": "CC0"}', "bids", {"Name": "Sleep"}), end="")
    {
      "Name": "Sleep",
      "License": "CC0"
    }
    """
    try:
        content = json.loads(text)
    except ValueError:  # damaged by hand: the validator says so
        return text
    if not isinstance(content, dict):
        return text
    own = {key: value for key, value in content.items() if (key, value) != ("Name", title)}
    filled = {**content, **fields, **own}
    return text if filled == content else to_json(filled)


def readme(name: str, generators: Sequence[tuple[str, str]], *, numbered: bool = True) -> str:
    """Return the first README of a dataset; `numbered` says that labels of subjects say nothing of the person."""
    made = " and ".join(f"{program} {version}" for program, version in generators)
    return (
        f"# {name}\n\n"
        f"This is a BIDS dataset (version {BIDS_VERSION} of the standard, https://bids.neuroimaging.io). "
        f"It was converted from the files of the scanner by {made}.\n\n"
        + (PROMISE.decode() if numbered else "")
        + "Dates are shifted by a whole number of days per subject, to before\n"
        "1925, so that intervals within a subject are true. Faces have not been removed from images.\n"
    )


def changes(day: str, version: str) -> str:
    """Return the first CHANGES of a dataset (CPAN format, as BIDS asks)."""
    return f"1.0.0 {day}\n  - Converted from the files of the scanner by bidsflow {version}\n"


def participants_columns(columns: Sequence[str]) -> str:
    """Return ``participants.json`` for the columns that a table has."""
    known: Mapping[str, Mapping[str, object]] = {
        "age": {
            "Description": "Age at the first scan in this dataset; ages above 89 are given as 89",
            "Units": "year",
        },
        "sex": {
            "Description": "Sex as registered at the scanner",
            "Levels": {"M": "male", "F": "female", "O": "other"},
        },
    }
    return to_json({column: known[column] for column in columns if column in known})


def to_json(content: object) -> str:
    """Return JSON as bidsflow writes it everywhere: two blanks, no escapes that a person cannot read."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
