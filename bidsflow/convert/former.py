"""Labels that nobody has any more: their rows go from the tables once no file is left under them."""

from __future__ import annotations

from bidsflow.convert.place import Place
from bidsflow.convert.private import holds_files, read_former
from bidsflow.convert.tables import PARTICIPANT_COLUMNS, PARTICIPANTS, SESSION_COLUMNS
from bidsflow.dataset.draft import Draft
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.tsv import MISSING
from bidsflow.dataset.write import Staging, commit


def drop_former(staged: Staging) -> None:
    """Drop the rows of former labels that say nothing, and tables that are empty then. The caller holds the lock.

    Such a row stays behind where files of others do, since a table has to list every folder; people move those later.
    A row in which someone has written stays.

    Raises
    ------
    DatasetError
        If a table cannot be read, or the dataset cannot be written to.
    StorageError
        If the disk is full.
    """
    dataset = staged.dataset
    places = [Place.of(folder) for folder in read_former(dataset) if not holds_files(dataset.root, folder)]
    if not places:
        return
    draft, gone = Draft(dataset, staged.tree()), list[str]()
    for place in places:
        if place.ses:
            gone += _drop(draft, place.sessions, SESSION_COLUMNS, f"ses-{place.ses}")
    for sub in sorted({place.sub for place in places}):
        if not _has_files(dataset, sub, gone):
            gone += _drop(draft, PARTICIPANTS, PARTICIPANT_COLUMNS, f"sub-{sub}")
    commit(staged, draft.tree, gone, gone)


def _drop(draft: Draft, table: str, columns: tuple[str, ...], key: str) -> list[str]:
    """Stage a table without a row, if that is bare; return the table if no row is left."""
    row = next((one for one in draft.read_rows(table, columns[0]) if one[columns[0]] == key), None)
    if row is None or any(cell not in ("", MISSING) for column, cell in row.items() if column != columns[0]):
        return []
    return [] if draft.write_rows(table, [], columns, [key]) else [table]


def _has_files(dataset: Dataset, sub: str, gone: list[str]) -> bool:
    files = (file for file in (dataset.root / f"sub-{sub}").rglob("*") if not file.is_dir())
    return any(str(file.relative_to(dataset.root)) not in gone for file in files)
