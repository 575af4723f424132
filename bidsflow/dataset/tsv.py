"""Tables of BIDS as rows of text. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

#: What stands for "not known" (BIDS, "Tabular files").
MISSING = "n/a"

Row = Mapping[str, str]


def parse_tsv(text: str) -> list[dict[str, str]]:
    r"""Return the rows of a table by column.

    Examples
    --------
    >>> parse_tsv("participant_id\tage\nsub-01\t34\n")
    [{'participant_id': 'sub-01', 'age': '34'}]
    """
    lines = text.lstrip("\ufeff").splitlines()
    if not lines:
        return []
    columns = lines[0].split("\t")
    return [dict(zip(columns, line.split("\t"), strict=False)) for line in lines[1:] if line.strip()]


def format_tsv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    """Return a table as text; cells that a row does not have are `MISSING`, tabs and line ends become blanks."""
    lines = ["\t".join(columns)]
    lines += ["\t".join(" ".join(str(row.get(column) or MISSING).split()) for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def merge_rows(old: Sequence[Row], new: Sequence[Row], key: str) -> list[dict[str, str]]:
    """Return old and new rows, one per value of the key column, in its order.

    New cells fill or replace those of the same column; columns and rows that only the old table has stay, since a
    person may have added them.
    """
    merged = {row[key]: dict(row) for row in old if row.get(key)}
    for row in new:
        merged[row[key]] = {**merged.get(row[key], {}), **row}
    return [merged[value] for value in sorted(merged)]


def columns_of(rows: Sequence[Row], first: Sequence[str]) -> list[str]:
    """Return the columns of rows, those named first where any row has them."""
    found = dict.fromkeys(column for row in rows for column in row)
    return [column for column in first if column in found] + [column for column in found if column not in first]
