"""Every file below a folder is found once, whatever the folder is like."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from bidsflow.errors import SourceError
from bidsflow.sources import find_files


def make(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def names(*exports: Path) -> list[str]:
    return [Path(one.path).name for one in find_files(exports).files]


def test_files_are_found_at_any_depth_in_order(tmp_path: Path) -> None:
    for name in ("b/2", "a/1", "a/c/d/e/3.dcm", "0"):
        make(tmp_path / name)
    found = find_files([tmp_path])
    assert [os.path.relpath(one.path, tmp_path) for one in found.files] == ["0", "a/1", "a/c/d/e/3.dcm", "b/2"]
    assert found.set_aside == ()


def test_size_time_and_inode_are_noted(tmp_path: Path) -> None:
    path = make(tmp_path / "1", b"abc")
    os.utime(path, ns=(5, 7))
    (file,) = find_files([tmp_path]).files
    assert (file.path, file.size, file.mtime_ns, file.inode) == (str(path), 3, 7, path.stat().st_ino)
    assert find_files([path]).files == (file,)


def test_a_file_may_be_named_itself(tmp_path: Path) -> None:
    one = make(tmp_path / "one")
    make(tmp_path / "other")
    assert names(one) == ["one"]
    assert names(one, tmp_path) == ["one", "other"]


def test_what_is_named_twice_is_found_once(tmp_path: Path) -> None:
    make(tmp_path / "a" / "1")
    assert names(tmp_path, tmp_path / "a", tmp_path / "a" / ".." / "a") == ["1"]
    assert names(tmp_path / "a", tmp_path) == ["1"]


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert find_files([tmp_path]).files == ()


def test_a_very_deep_folder_is_walked(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(300):
        deep /= "d"
    make(deep / "1")
    assert names(tmp_path) == ["1"]


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    make(tmp_path / "far" / "1")
    export = tmp_path / "export"
    export.mkdir()
    (export / "folder").symlink_to(tmp_path / "far")
    (export / "file").symlink_to(tmp_path / "far" / "1")
    assert names(export) == ["file", "1"]


def test_links_that_lead_back_are_walked_once(tmp_path: Path) -> None:
    make(tmp_path / "a" / "1")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "here").symlink_to(".")
    (tmp_path / "b").symlink_to("a")
    assert names(tmp_path) == ["1"]


def test_broken_links_are_told(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop")
    found = find_files([tmp_path])
    assert [Path(one.path).name for one in found.set_aside] == ["dangling", "loop", "pool"]
    assert not any(one.harmless for one in found.set_aside)


def test_what_is_no_file_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        found = find_files([tmp_path])
    assert found.files == ()
    assert [(Path(one.path).name, one.harmless) for one in found.set_aside] == [("pipe", True), ("socket", True)]


def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9/\xff.dcm"
    make(Path(os.fsdecode(raw)))
    (file,) = find_files([tmp_path]).files
    assert os.fsencode(file.path) == raw


def test_odd_names_are_found(tmp_path: Path) -> None:
    odd = sorted(["-rf", "a\nb", "$(rm)", " ", "ä", "a\u0308", "A", "a"])
    for name in odd:
        make(tmp_path / name)
    assert sorted(names(tmp_path)) == odd


def test_an_absent_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        find_files([tmp_path / "absent"])


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_path_that_is_neither_file_nor_folder_is_an_error(tmp_path: Path, kind: str) -> None:
    path = Path("/dev/null")
    if kind == "pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)
    with pytest.raises(SourceError, match="neither a folder nor a file"):
        find_files([path])


def test_a_link_loop_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SourceError, match="cannot be opened"):
        find_files([tmp_path / "loop"])


def test_files_are_in_the_order_of_their_paths_whatever_folders_are_called(tmp_path: Path) -> None:
    for name in ("a/1", "a-1", "a.dcm", "a0/2", "a/b/3", "A", "a/b-3"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    paths = [one.path for one in find_files([tmp_path]).files]
    assert len(paths) == 7
    assert paths == sorted(paths)
    assert [one.path for one in find_files([tmp_path / "a0", tmp_path / "a", tmp_path, tmp_path / "A"]).files] == paths
