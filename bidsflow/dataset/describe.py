"""The files that say what a dataset is. Pure: values in, text out. Nothing is invented: what is unknown is left out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

#: Version of BIDS that bidsflow writes.
BIDS_VERSION = "1.11.1"
#: What a README says of labels that are numbers.
PROMISE = b"Subject labels say nothing of the person. "
#: Where a README names the programs that made the dataset, and how it names them.
_MADE = re.compile(
    rb"It was converted from the files of the scanner by (bidsflow \S+(?:(?:,| and) (?:dcm2niix|nibabel) \S+)*)\.\s*$",
    re.MULTILINE,
)


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
    content = {
        "Name": name,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "GeneratedBy": _list_generators(generators, container),
    }
    return to_json(content)


def _list_generators(generators: Sequence[tuple[str, str]], container: Mapping[str, str]) -> list[object]:
    inside = {"Container": dict(container)} if container else {}
    return [{"Name": program, "Version": version, **inside} for program, version in generators]


def add_generators(
    data: bytes, generators: Sequence[tuple[str, str]], container: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """Return ``dataset_description.json`` with programs that it does not name; one without bidsflow stays as it is.

    Parameters
    ----------
    data : bytes
        What the dataset has.
    generators, container
        As of `dataset_description`.

    Examples
    --------
    >>> made = dataset_description("x", [("bidsflow", "1"), ("nibabel", "5")]).encode()
    >>> [one["Name"] for one in json.loads(add_generators(made, [("nibabel", "6"), ("dcm2niix", "1")]))["GeneratedBy"]]
    ['bidsflow', 'nibabel', 'dcm2niix']
    """
    try:
        content = json.loads(data)
        named = {one["Name"] for one in content["GeneratedBy"]}
        new = [one for one in generators if one[0] not in named]
        if not new or "bidsflow" not in named:
            return data
        content["GeneratedBy"] += _list_generators(new, container)
        return to_json(content).encode()
    except (ValueError, TypeError, KeyError):  # damaged or written by hand: the validator says so
        return data


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
    return (
        f"# {name}\n\n"
        f"This is a BIDS dataset (version {BIDS_VERSION} of the standard, https://bids.neuroimaging.io). "
        f"It was converted from the files of the scanner by {_join(generators)}.\n\n"
        + (PROMISE.decode() if numbered else "")
        + "Dates are shifted by a whole number of days per subject, to before\n"
        "1925, so that intervals within a subject are true. Faces have not been removed from images.\n"
    )


def _join(generators: Sequence[tuple[str, str]]) -> str:
    *before, last = (f"{program} {version}" for program, version in generators)
    return f"{', '.join(before)} and {last}" if before else last


def name_generators(data: bytes, generators: Sequence[tuple[str, str]]) -> bytes:
    r"""Return a README with programs that it does not name, where it still has the sentence that `readme` wrote.

    Examples
    --------
    >>> made = readme("x", [("bidsflow", "1"), ("nibabel", "5")]).encode()
    >>> name_generators(made, [("nibabel", "6"), ("dcm2niix", "1")]).split(b" by ")[1].split(b"\n")[0]
    b'bidsflow 1, nibabel 5 and dcm2niix 1.'
    """
    found = _MADE.search(data)
    if found is None:
        return data
    words = re.split(r",? and |, | ", found[1].decode(errors="replace"))
    named = list(zip(words[::2], words[1::2], strict=True))
    new = [one for one in generators if one[0] not in words]
    return data[: found.start(1)] + _join([*named, *new]).encode() + data[found.end(1) :] if new else data


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
