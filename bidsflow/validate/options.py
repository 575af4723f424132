"""What a validation is asked to do, as one value that every part of the engine is handed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bidsflow.validate.config import Config


@dataclass(frozen=True, slots=True)
class Options:
    """How to validate.

    Attributes
    ----------
    compat : bool
        Say exactly what the reference validator says, its known faults included.
    schema : str, optional
        The BIDS schema to go by: a version (``1.2.7``) or the path of a ``schema.json``. By default the newest that is
        installed; with `compat`, the one that the reference validator comes with.
    max_rows : int, optional
        How many rows of each table to check: 0 for the header only, -1 for all. By default the first 1000, and all
        of ``participants.tsv``.
    ignore_nifti_headers : bool
        Do not open images: for trees whose images are empty or not fetched.
    ignore_warnings : bool
        Report errors only.
    recursive : bool
        Validate the datasets below ``derivatives/``, too.
    config : Config, optional
        Which issues to silence or to regrade.
    jobs : int, optional
        How many processes work on more than 1500 files; by default one. A script that asks for more must be guarded by
        ``if __name__ == "__main__":``, as `multiprocessing` wants it.
    subjects : tuple of str
        Check just the files of these subjects, labels without ``sub-``, and those of the whole dataset.
    cache : bool
        Use and keep what an earlier validation found of files that have not changed.
    dataset_types : tuple of str
        Report a dataset of another type than these (``raw``, ``derivative``, ``study``).
    blacklist_modalities : tuple of str
        Report subjects with data of these modalities (``mri``, ``eeg``).

    nested : bool
        Whether the dataset lies within one that is validated; with `compat`, its ``.bidsignore`` is not heeded then.
    before : tuple of str
        With `compat`, the datasets beside it whose tables and JSON files are taken for its own, where they stand at
        the root and have the same name: those that the file system lists before it. The reference does so by mistake.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    compat: bool = False
    schema: str | None = None
    max_rows: int | None = None
    ignore_nifti_headers: bool = False
    ignore_warnings: bool = False
    recursive: bool = False
    config: Config | None = None
    jobs: int | None = None
    subjects: tuple[str, ...] = ()
    cache: bool = True
    dataset_types: tuple[str, ...] = ()
    blacklist_modalities: tuple[str, ...] = ()
    nested: bool = False
    before: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.max_rows is not None and self.max_rows < -1:
            raise ValueError(f"max_rows is {self.max_rows}: -1 means all rows, 0 none")
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"jobs is {self.jobs}: at least one process is needed")


def make_options(
    *, config: Config | str | Path | None = None, subjects: str | tuple[str, ...] = (), **given: object
) -> Options:
    """Return options from what a caller gives.

    Parameters
    ----------
    config : Config or path, optional
        A path is read.
    subjects : str or tuple of str
        With or without ``sub-``.
    **given
        As in `Options`; a name that it does not have is a `TypeError`.

    Raises
    ------
    ConfigError
        If the configuration cannot be used.
    StorageError
        If it cannot be read.

    Examples
    --------
    >>> make_options(subjects="sub-01", max_rows=-1).subjects
    ('01',)
    """
    if isinstance(config, str | Path):
        from bidsflow.validate.config import read_config

        config = read_config(Path(config))
    labels = (subjects,) if isinstance(subjects, str) else subjects
    bare = tuple(dict.fromkeys(label.removeprefix("sub-") for label in labels))
    return Options(config=config, subjects=bare, **given)  # type: ignore[arg-type]
