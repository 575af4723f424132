"""The files of JSON in which a dataset keeps what bidsflow has to remember."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bidsflow.errors import DatasetError


def read_json(path: Path) -> dict[str, Any]:
    """Return what a file of bidsflow holds; nothing where it is absent.

    Raises
    ------
    DatasetError
        If it is damaged.
    """
    try:
        stored = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise say_damaged(path) from error
    if not isinstance(stored, dict):
        raise say_damaged(path)
    return stored


def say_damaged(path: Path) -> DatasetError:
    """Return the error for a file of bidsflow that cannot be understood."""
    return DatasetError(
        str(path), "this file of bidsflow is damaged", "Restore it from a backup, or convert into a new folder"
    )
