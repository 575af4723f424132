"""Configurations of other converters as studies: dcm2bids, BIDScoin, heudiconv.

Comes in: a file, and for heudiconv what an export holds. Goes out: a `Study`, and a note on each thing that could not
be carried over. Nothing of the file is believed: JSON and YAML are read as plain values, expressions are checked, and a
heuristic, which is a program, runs apart from everything (`sandbox`).
"""

from __future__ import annotations

from pathlib import Path

from bidsflow.convert.importers.imported import Imported, Note
from bidsflow.dicom.series import Inventory
from bidsflow.errors import ConfigError

__all__ = ["Imported", "Note", "import_study"]


def import_study(path: Path, inventory: Inventory | None = None) -> Imported:
    """Return the study that the configuration of another converter describes.

    Parameters
    ----------
    path : Path
        ``.json`` of dcm2bids, ``.yaml`` of BIDScoin, ``.py`` of heudiconv.
    inventory : Inventory or None
        What an export holds; a heuristic can only be asked what it makes of given series.

    Raises
    ------
    ConfigError
        If the file cannot be used.
    """
    from bidsflow.convert.importers.imported import read_text

    where, suffix = str(path), path.suffix.lower()
    if suffix not in (".json", ".yaml", ".yml", ".py"):
        told = "a configuration of dcm2bids is JSON (.json), of BIDScoin YAML (.yaml), of heudiconv a program (.py)"
        raise ConfigError(where, (told,))
    text = read_text(path)
    if suffix == ".json":
        from bidsflow.convert.importers.dcm2bids import import_dcm2bids

        return import_dcm2bids(text, where)
    if suffix == ".py":
        from bidsflow.convert.importers.heudiconv import import_heudiconv

        return import_heudiconv(text, where, inventory)
    from bidsflow.convert.importers.bidscoin import import_bidscoin

    return import_bidscoin(text, where)
