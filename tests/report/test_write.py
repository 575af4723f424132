"""A page to a file: all of it or nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bidsflow.errors import StorageError
from bidsflow.report.page import render
from bidsflow.report.values import Page
from bidsflow.report.write import save


def test_save_writes_the_page_and_nothing_else(tmp_path: Path) -> None:
    path = save(Page("Größe"), tmp_path / "new" / "report.html")
    assert path.read_text(encoding="utf-8") == render(Page("Größe"))
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]


def test_save_gives_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    path = save(Page("t"), tmp_path / "report.html")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


def test_save_replaces_an_older_page(tmp_path: Path) -> None:
    save(Page("old"), tmp_path / "report.html")
    before = (tmp_path / "report.html").open(encoding="utf-8")
    with before:
        save(Page("new"), tmp_path / "report.html")
        assert "<h1>old</h1>" in before.read()  # whoever reads it keeps the whole old page
    assert "<h1>new</h1>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_save_leaves_nothing_when_the_target_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(StorageError, match=r"report\.html"):
        save(Page("t"), tmp_path / "report.html")
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_save_raises_when_the_folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        save(Page("t"), tmp_path / "file" / "report.html")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_save_keeps_the_older_page_when_the_folder_is_read_only(tmp_path: Path) -> None:
    path = save(Page("old"), tmp_path / "report.html")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError):
            save(Page("new"), path)
    finally:
        tmp_path.chmod(0o700)
    assert path.read_text(encoding="utf-8") == render(Page("old"))
