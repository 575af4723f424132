"""Validate a dataset by the engine that is there: at present the reference validator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bidsflow.errors import DatasetError

if TYPE_CHECKING:
    from bidsflow.validate.issues import Report


def run(
    root: str | Path,
    *,
    ignore_warnings: bool = False,
    ignore_nifti_headers: bool = False,
    recursive: bool = False,
    config: Path | None = None,
    max_rows: int | None = None,
    program: Path | None = None,
) -> Report:
    """Return what is wrong with a dataset.

    Parameters
    ----------
    root : str or Path
        The folder with ``dataset_description.json``; that it is missing is an issue like any other.
    ignore_warnings : bool
        Report errors only.
    ignore_nifti_headers : bool
        Do not open images: for trees whose images are empty or not fetched.
    recursive : bool
        Validate the datasets below ``derivatives/``, too.
    config : Path, optional
        A JSON file that lowers, raises or ignores codes: ``{"ignore": [{"code": "EMPTY_FILE"}]}``.
    max_rows : int, optional
        How many rows of each table to check; -1 for all, 0 for the header only. By default the first 1000, and
        all of ``participants.tsv``.
    program : Path, optional
        The reference validator, where it is not to be looked for.

    Returns
    -------
    report : Report
        Issues, and which schema was asked.

    Raises
    ------
    DatasetError
        If `root` is no folder.
    ToolError
        If the reference validator is missing or fails.
    """
    from bidsflow.validate.reference import run_reference

    root = Path(root)
    if not root.is_dir():
        raise DatasetError(str(root), "this is not a folder", "Give the root of a BIDS dataset")
    return run_reference(
        root,
        ignore_warnings=ignore_warnings,
        ignore_nifti_headers=ignore_nifti_headers,
        recursive=recursive,
        config=config,
        max_rows=max_rows,
        program=program,
    )
