"""Commits: whole or not at all, whatever comes in between."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from bidsflow.dataset.tree import Dataset, open_dataset
from bidsflow.dataset.write import Staging, commit, locked, recover, staging, write_durably
from bidsflow.errors import DatasetError


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return open_dataset(tmp_path / "bids")


def stage(staged: Staging, files: dict[str, str]) -> Path:
    tree = staged.tree()
    for name, text in files.items():
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return tree


def read_tree(dataset: Dataset) -> dict[str, str]:
    files = (file for file in dataset.root.rglob("*") if file.is_file() and dataset.state not in file.parents)
    return {str(file.relative_to(dataset.root)): file.read_text() for file in files}


def put(dataset: Dataset, files: dict[str, str], remove: tuple[str, ...] = ()) -> None:
    with staging(dataset) as staged, locked(dataset):
        commit(staged, stage(staged, files), remove)


def test_commit_adds_replaces_and_removes(dataset: Dataset) -> None:
    put(dataset, {"README": "one", "sub-01/anat/a": "1", "sub-01/anat/b": "1"})
    put(dataset, {"README": "two", "sub-01/func/c": "2"}, ("sub-01/anat/a", "sub-01/anat/b"))
    assert read_tree(dataset) == {"README": "two", "sub-01/func/c": "2"}
    assert not (dataset.root / "sub-01" / "anat").exists()
    assert list((dataset.state / "journal").iterdir()) == list((dataset.state / "staging").iterdir()) == []


def read_replaced(dataset: Dataset) -> dict[str, str]:
    """Return what was put by, by its path in the dataset, whatever the commit."""
    rooms = (dataset.state / "replaced").glob("*")
    return {
        str(file.relative_to(room)): file.read_text() for room in rooms for file in room.rglob("*") if file.is_file()
    }


def test_what_is_replaced_is_put_by_where_asked(dataset: Dataset) -> None:
    put(dataset, {"sub-01/a": "1", "sub-01/b": "1", "c": "1"})
    with staging(dataset) as staged, locked(dataset):
        commit(staged, stage(staged, {"sub-01/a": "2", "c": "2"}), ("sub-01/b",), ("sub-01/a", "sub-01/b"))
    assert read_tree(dataset) == {"sub-01/a": "2", "c": "2"}
    assert read_replaced(dataset) == {"sub-01/a": "1", "sub-01/b": "1"}


@pytest.mark.parametrize("done", range(3))
def test_putting_by_is_finished_once_by_the_next_command(dataset: Dataset, done: int) -> None:
    put(dataset, {"a": "old"})
    staged = dataset.state / "staging" / "run-dead"
    staged.mkdir()
    (staged / "a").write_text("new")
    own = dataset.state.name
    entries = {"moves": [[f"{own}/staging/run-dead/a", "a"]], "remove": [], "keep": [["a", f"{own}/replaced/then/a"]]}
    (dataset.state / "journal" / "dead.json").write_text(json.dumps(entries))
    aside = dataset.state / "replaced" / "then" / "a"
    if done > 0:
        aside.parent.mkdir(parents=True)
        os.link(dataset.root / "a", aside)
    if done > 1:
        (staged / "a").replace(dataset.root / "a")
    with locked(dataset):
        pass
    assert (read_tree(dataset), read_replaced(dataset)) == ({"a": "new"}, {"a": "old"})


def test_empty_commit_touches_nothing(dataset: Dataset) -> None:
    put(dataset, {"README": "one"})
    before = dataset.root.stat().st_mtime_ns
    put(dataset, {})
    assert dataset.root.stat().st_mtime_ns == before


@pytest.mark.parametrize("done", range(4))
def test_commit_that_died_is_finished(dataset: Dataset, done: int) -> None:
    put(dataset, {"b": "old", "gone": "x"})
    staged = dataset.state / "staging" / "run-dead"
    moves = []
    for rank, name in enumerate(("a", "b", "c")):
        source = staged / name
        source.parent.mkdir(exist_ok=True)
        source.write_text(name)
        moves.append([os.path.relpath(source, dataset.root), name])
        if rank < done:
            source.replace(dataset.root / name)
    (dataset.state / "journal" / "run-dead.json").write_text(json.dumps({"moves": moves, "remove": ["gone"]}))
    with staging(dataset):
        assert read_tree(dataset) == {"a": "a", "b": "b", "c": "c"}
        assert not staged.exists()


def test_staging_of_the_living_is_left_alone(dataset: Dataset) -> None:
    with staging(dataset) as one, staging(dataset) as two:
        assert one.folder.is_dir()
        assert two.folder.is_dir()


def test_interrupted_commit_is_finished_before_its_files_are_swept(dataset: Dataset) -> None:
    def interrupt() -> None:
        with staging(dataset) as staged:
            tree = stage(staged, {"a": "new", "b": "new"})
            moves = [[os.path.relpath(tree / name, dataset.root), name] for name in ("a", "b")]
            write_durably(dataset.state / "journal" / "x.json", json.dumps({"moves": moves, "remove": []}).encode())
            (tree / "a").replace(dataset.root / "a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert read_tree(dataset) == {"a": "new", "b": "new"}
    assert not any((dataset.state / "staging").iterdir())


@pytest.mark.parametrize(("there", "staged"), [("sub-01", "sub-01/anat/a"), ("README/x", "README")])
def test_commit_is_refused_before_it_begins_where_something_is_in_the_way(
    dataset: Dataset, there: str, staged: str
) -> None:
    (dataset.root / there).parent.mkdir(exist_ok=True)
    (dataset.root / there).write_text("mine")
    with pytest.raises(DatasetError, match="in the way"):
        put(dataset, {"a": "1", staged: "1"})
    assert read_tree(dataset) == {there: "mine"}
    put(dataset, {"a": "1"})


def test_commit_is_refused_where_a_folder_to_be_removed_from_is_a_folder(dataset: Dataset) -> None:
    (dataset.root / "old").mkdir()
    with pytest.raises(DatasetError, match="in the way"):
        put(dataset, {"a": "1"}, ("old",))


@pytest.mark.skipif(not os.path.ismount("/dev/shm") or not os.access("/dev/shm", os.W_OK), reason="needs a second disk")
def test_commit_is_refused_where_a_folder_lies_on_another_disk(dataset: Dataset, tmp_path: Path) -> None:
    other = Path("/dev/shm") / f"bidsflow-test-{os.getpid()}"
    other.mkdir()
    try:
        if other.stat().st_dev == dataset.root.stat().st_dev:
            pytest.skip("needs a second disk")
        (dataset.root / "sub-01").symlink_to(other)
        with pytest.raises(DatasetError, match="another disk"):
            put(dataset, {"sub-01/a": "1"})
    finally:
        other.rmdir()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"moves": [["a"]], "remove": []}', '{"moves": []}', "\xff"])
def test_damaged_journal_is_said(dataset: Dataset, text: str) -> None:
    journal = dataset.state / "journal" / "x.json"
    journal.write_text(text, encoding="latin-1")
    with (
        pytest.raises(DatasetError, match=r"x\.json: this journal of bidsflow is damaged\. Delete it"),
        locked(dataset),
    ):
        pass
    journal.unlink()
    with locked(dataset):
        assert recover(dataset) == 0


def test_commit_that_cannot_be_finished_says_what_to_repair_and_is_kept(dataset: Dataset) -> None:
    source = dataset.state / "staging" / "a"
    source.write_text("new")
    journal = dataset.state / "journal" / "x.json"
    journal.write_text(json.dumps({"moves": [[".bidsflow/staging/a", "a"]], "remove": []}))
    (dataset.root / "a").mkdir()
    with pytest.raises(DatasetError, match="cannot be finished"), locked(dataset):
        pass
    (dataset.root / "a").rmdir()
    with locked(dataset):
        assert read_tree(dataset) == {"a": "new"}


def test_committed_files_have_the_rights_that_the_user_chose(dataset: Dataset) -> None:
    before = os.umask(0o027)
    try:
        put(dataset, {"sub-01/anat/a": "1"})
    finally:
        os.umask(before)
    assert (dataset.root / "sub-01" / "anat").stat().st_mode & 0o777 == 0o750
    assert (dataset.root / "sub-01" / "anat" / "a").stat().st_mode & 0o777 == 0o640


def test_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "plan.tsv"
    write_durably(target, b"one")
    with pytest.raises(TypeError):
        write_durably(target, "no bytes")  # type: ignore[arg-type]
    assert target.read_bytes() == b"one"
    assert [one.name for one in tmp_path.iterdir()] == ["plan.tsv"]


def test_error_names_the_file_and_not_its_first_half(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    for target in (tmp_path / "absent" / "plan.tsv", tmp_path / "taken"):
        with pytest.raises(OSError, match="directory") as caught:
            write_durably(target, b"one")
        assert (caught.value.filename, caught.value.filename2) == (str(target), None)
        assert "tmp'" not in str(caught.value)


def test_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_durably(pipe, b"rows")
        assert os.read(reader, 100) == b"rows"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
