"""Tables of BIDS as rows of text. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

#: What stands for "not known" (BIDS, "Tabular files").
MISSING = "n/a"

Row = Mapping[str, str]


def parse_tsv(text: str, key: str = "") -> list[dict[str, str]]:
    r"""Return the rows of a table by column.

    Only tabs and line ends separate: people's cells may hold every other character.

    Parameters
    ----------
    text : str
        Of the file; a byte-order mark and Windows line ends are let pass.
    key : str, optional
        A column that must be there, with another value in each row.

    Raises
    ------
    ValueError
        If a row would lose a cell, or the key does not name each row; what is wrong, in a clause.

    Examples
    --------
    >>> parse_tsv("participant_id\tage\nsub-01\t34\n")
    [{'participant_id': 'sub-01', 'age': '34'}]
    """
    lines = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    if not any(lines):
        return []
    columns = lines[0].split("\t")
    if key and key not in columns:
        raise ValueError(f"it has no column {key}; columns are separated by tabs")
    if len(set(columns)) < len(columns):
        raise ValueError("a column stands twice in its header")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if any(cells[len(columns) :]):
            raise ValueError(f"line {number} has more cells than the header has columns")
        if line.strip():
            rows.append(dict(zip(columns, cells, strict=False)))
    names = [row.get(key, "") for row in rows] if key else []
    if "" in names:
        raise ValueError(f"line {names.index('') + 2} has no {key}")
    if len(set(names)) < len(names):
        raise ValueError(f"two rows have the same {key}")
    return rows


def format_tsv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return a table as text; cells that a row does not have are `MISSING`, tabs and line ends become blanks."""
    lines = ["\t".join(columns)]
    lines += ["\t".join(re.sub(r"[\t\r\n]+", " ", row.get(column) or MISSING) for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def merge_rows(old: Sequence[Row], new: Sequence[Row], key: str) -> list[dict[str, str]]:
    """Return old and new rows, one per value of the key column, in its order.

    New cells fill or replace those of the same column; columns and rows that only the old table has stay, since a
    person may have added them.
    """
    merged = {row[key]: dict(row) for row in old}
    for row in new:
        merged[row[key]] = {**merged.get(row[key], {}), **row}
    return [merged[value] for value in sorted(merged)]


def columns_of(rows: Sequence[Row], first: Sequence[str]) -> list[str]:
    """Return the columns of rows, those named first where any row has them."""
    found = dict.fromkeys(column for row in rows for column in row)
    return [column for column in first if column in found] + [column for column in found if column not in first]
