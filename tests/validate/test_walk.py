"""The tree of a dataset: links, content that git-annex has elsewhere, folders that nobody may read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bidsflow.validate import run
from bidsflow.validate.context.walk import File, Link, read_tree, sort_as_listed

KEY = "MD5E-s1234--0123456789abcdef0123456789abcdef.nii.gz"


def paths(root: Path) -> list[str]:
    return [file.path for file in read_tree(str(root)).walk()]


def test_hidden_names_are_left_out_but_for_bidsignore_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "sub-01").mkdir()
    for name in (".bidsignore", ".hidden", "a", "sub-01/.bidsignore", "sub-01/b"):
        (tmp_path / name).touch()
    assert paths(tmp_path) == ["/.bidsignore", "/a", "/sub-01/b"]


def test_content_that_annex_has_elsewhere_has_the_size_in_its_key(tmp_path: Path) -> None:
    (tmp_path / "image.nii.gz").symlink_to(f".git/annex/objects/aa/bb/{KEY}/{KEY}")
    found = read_tree(str(tmp_path)).files["image.nii.gz"]
    assert (found.size, found.disk) == (1234, os.devnull)


@pytest.mark.parametrize("target", ["nowhere", "MD5E--0123.nii.gz", "../MD5E-sx--0123"])
def test_link_to_nothing_is_broken(target: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(target)
    tree = read_tree(str(tmp_path))
    assert tree.links == [Link("/link", target, "broken")]
    assert not tree.files


def test_link_to_itself_is_a_cycle(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")
    assert read_tree(str(tmp_path)).links == [Link("/link", "link", "cycle")]


def test_link_to_a_folder_above_ends(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "up").symlink_to("..")
    (tmp_path / "a" / "file").touch()
    tree = read_tree(str(tmp_path))
    assert tree.folders["a"].folders["b"].links == [Link("/a/b/up", "..", "cycle")]
    assert [file.path for file in tree.walk()] == ["/a/file"]


def test_loops_of_links_are_followed_as_far_as_they_are_short(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "up").symlink_to("..")
    assert [link.path for link in read_tree(str(tmp_path), loops=True).links] == []
    assert len(read_tree(str(tmp_path), loops=True).folders["a"].folders["up"].folders["a"].folders) == 1
    (tmp_path / "a" / "too").symlink_to("..")  # 2 to the power of 40 ways
    assert read_tree(str(tmp_path), loops=True).folders["a"].folders


def test_link_to_another_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "ds").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    (tmp_path / "ds" / "sub-01").symlink_to(tmp_path / "elsewhere")
    assert paths(tmp_path / "ds") == ["/sub-01/file"]


@pytest.mark.skipif(os.getuid() == 0 if hasattr(os, "getuid") else True, reason="root may read everything")
def test_folder_that_may_not_be_read_is_empty_and_told(tmp_path: Path) -> None:
    closed = tmp_path / "sub-01"
    closed.mkdir()
    (closed / "file").touch()
    closed.chmod(0)
    try:
        tree = read_tree(str(tmp_path))
    finally:
        closed.chmod(0o700)
    assert list(tree.folders) == ["sub-01"]
    assert list(tree.walk()) == []
    assert tree.links == [Link("/sub-01", "Permission denied", "unreadable")]


def test_file_that_goes_while_the_dataset_is_read_is_an_issue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    for name in ("participants.tsv", "participants.json", "README"):
        (tmp_path / name).write_text("{}")
    gone = {"participants.tsv", "participants.json"}
    make = File.__init__

    def vanish(self: File, name: str, *rest: object, **more: object) -> None:
        make(self, name, *rest, **more)  # type: ignore[arg-type]
        if name in gone:
            (tmp_path / name).unlink()

    monkeypatch.setattr(File, "__init__", vanish)
    found = {(issue.code, issue.location) for issue in run(tmp_path, cache=False).errors}
    assert {("FILE_READ", name) for name in gone} <= found


def test_first_listed_is_by_the_order_on_disk_and_before_folders(tmp_path: Path) -> None:
    for name in ("b/x", "a/x", "a/b/x", "c/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    tree = read_tree(str(tmp_path))
    first = next(tmp_path.iterdir()).name
    assert sort_as_listed(list(tree.walk()))[0].path == f"/{first}/x"
    assert sort_as_listed(list(tree.folders["a"].walk()))[0].path == "/a/x"
    (tmp_path / "z").touch()
    assert sort_as_listed(list(read_tree(str(tmp_path)).walk()))[0].path == "/z"
