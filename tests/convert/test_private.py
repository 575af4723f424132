"""The private key of a dataset: who is who."""

from __future__ import annotations

from pathlib import Path

import pytest

from bidsflow.convert.private import read_key, write_key
from bidsflow.convert.subjects import Key
from bidsflow.dataset.tree import Dataset, open_dataset
from bidsflow.errors import DatasetError

KEY = Key({"A": "01"}, {"1.2": ("01", "")}, {"01": -40000})


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(tmp_path / "bids")


def test_key_comes_back_and_is_private(dataset: Dataset) -> None:
    write_key(dataset, KEY)
    assert read_key(dataset) == KEY
    assert dataset.key_file.stat().st_mode & 0o777 == 0o600
    assert dataset.state.stat().st_mode & 0o777 == 0o700


def test_key_that_did_not_change_is_not_written(dataset: Dataset) -> None:
    write_key(dataset, KEY)
    before = dataset.key_file.stat().st_mtime_ns
    write_key(dataset, KEY)
    assert dataset.key_file.stat().st_mtime_ns == before


def test_key_keeps_what_another_run_added(dataset: Dataset) -> None:
    write_key(dataset, KEY)
    write_key(dataset, Key({"B": "02"}, {"1.3": ("02", "")}, {"02": -3}))
    assert read_key(dataset).subjects == {"A": "01", "B": "02"}


def test_key_knows_whose_files_stay_where_a_visit_has_left(dataset: Dataset) -> None:
    write_key(dataset, KEY)
    moved = Key({"A": "09"}, {"1.2": ("09", "")}, {"09": -40000})
    own = dataset.root / "sub-01" / "ses-02" / "x.tsv"
    own.parent.mkdir(parents=True)
    own.touch()
    write_key(dataset, moved)
    assert (read_key(dataset).former, read_key(dataset).shifts) == ({}, moved.shifts)  # a session's files are its own
    (dataset.root / "sub-01" / "events.tsv").touch()
    assert read_key(dataset).former == {"sub-01": "1.2"}
    write_key(dataset, KEY)
    assert read_key(dataset).former == {}


def test_a_label_that_another_run_gave_away_is_refused(dataset: Dataset) -> None:
    write_key(dataset, KEY)
    with pytest.raises(DatasetError, match="sub-01 to someone else"):
        write_key(dataset, Key({"B": "01"}))


def test_one_label_for_two_names_of_a_person_is_allowed(dataset: Dataset) -> None:
    write_key(dataset, KEY)
    write_key(dataset, Key({"A": "01", "B": "01"}))
    assert read_key(dataset).subjects == {"A": "01", "B": "01"}


def test_subjects_of_someone_else_keep_their_labels(dataset: Dataset) -> None:
    (dataset.root / "sub-01").mkdir()
    assert "01" in read_key(dataset).subjects.values()
    write_key(dataset, read_key(dataset))
    assert b"01" not in dataset.key_file.read_bytes()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"subjects": []}', '{"sessions": {"1": "x"}}', '{"shifts": {"01": "a"}}']
)
def test_damaged_key_is_said(dataset: Dataset, text: str) -> None:
    dataset.key_file.write_text(text)
    with pytest.raises(DatasetError, match=r"key\.json: this file of bidsflow is damaged"):
        read_key(dataset)


def test_lost_key_of_a_dataset_with_images_is_said(dataset: Dataset) -> None:
    dataset.ledger_file("sub-01").write_text("{}")
    with pytest.raises(DatasetError, match="the private key of the dataset is gone"):
        read_key(dataset)
