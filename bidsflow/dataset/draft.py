"""A commit in the making: files are staged where they differ from what the dataset has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.tsv import columns_of, format_tsv, merge_rows, parse_tsv
from bidsflow.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Draft:
    """A staging tree over a dataset: what is staged hides what the dataset has.

    Attributes
    ----------
    dataset : Dataset
        As it is before the commit.
    tree : Path
        Mirrors the dataset; holds only what the commit changes.
    """

    dataset: Dataset
    tree: Path

    def find(self, name: str) -> Path | None:
        """Return where a file stands, staged or in the dataset; None where there is none."""
        return next((one for one in (self.tree / name, self.dataset.root / name) if one.is_file()), None)

    def place(self, name: str) -> Path:
        """Return where to stage a file."""
        target = self.tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def write(self, name: str, data: bytes) -> Path:
        """Stage a file unless the dataset has it as it should be, and return where it stands."""
        present = self.find(name)
        if present is not None and present.read_bytes() == data:
            return present
        target = self.place(name)
        target.write_bytes(data)
        return target

    def read_rows(self, name: str, key: str) -> list[dict[str, str]]:
        """Return the rows of a table, none where the dataset does not have it.

        Raises
        ------
        DatasetError
            If a person has left a table that cannot be read without losing something.
        """
        present = self.find(name)
        return [] if present is None else read_table(present, key)

    def write_rows(
        self, name: str, rows: Iterable[Mapping[str, str]], first: Sequence[str], drop: Iterable[str] = ()
    ) -> list[str]:
        """Stage a table with new rows among those that it has, and return its columns.

        Parameters
        ----------
        name : str
            Of the file, relative to the dataset.
        rows : iterable of mapping
            Their cells replace or join those of the row with the same key.
        first : sequence of str
            Columns that come first where they are; the first of them is the key.
        drop : iterable of str
            Keys of rows that go.

        Returns
        -------
        columns : list of str
            Empty where no row is left; nothing is staged then.
        """
        old, gone = self.read_rows(name, first[0]), set(drop)
        merged = merge_rows([row for row in old if row[first[0]] not in gone], list(rows), first[0])
        columns = columns_of(merged or old, first)
        if merged and merged != sorted(old, key=lambda row: row[first[0]]):
            self.write(name, format_tsv(merged, columns).encode())
        return columns if merged else []


def read_table(path: Path, key: str) -> list[dict[str, str]]:
    """Return the rows of a table that people may have edited.

    Raises
    ------
    DatasetError
        If it cannot be read without losing something.
    """
    try:
        return parse_tsv(path.read_bytes().decode("utf-8-sig"), key)
    except UnicodeDecodeError as error:
        raise DatasetError(str(path), "the table is not UTF-8", "Save it as tab-separated UTF-8 text") from error
    except ValueError as error:
        raise DatasetError(str(path), f"the table cannot be read: {error}", "Repair it, or move it away") from error
