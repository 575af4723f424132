"""The private memory of a dataset: what came from what."""

from __future__ import annotations

from pathlib import Path

import pytest

from bidsflow.convert.ledger import read_ledger
from bidsflow.dataset.tree import Dataset, open_dataset
from bidsflow.errors import DatasetError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(tmp_path / "bids")


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"a": 1}', '{"a": {"series_uid": "1", "image": "x", "source": "", "files": {}}}',
             '{"a": {"series_uid": "1", "image": 1, "source": "", "files": {"f": [1]}}}'],
)  # fmt: skip
def test_damaged_ledger_is_said(dataset: Dataset, text: str) -> None:
    dataset.ledger_file("sub-01").write_text(text)
    with pytest.raises(DatasetError, match="is damaged"):
        read_ledger(dataset, "sub-01")
