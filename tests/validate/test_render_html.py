"""Reports as a page: whole by itself, safe whatever files are called, small whatever is found."""

from __future__ import annotations

import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from bidsflow.dataset.files import save_bytes
from bidsflow.errors import StorageError
from bidsflow.validate import Issue, Report, Severity
from bidsflow.validate.render.html import PAGE_SIZE, render_html, save_html
from tests.validate.reports import make_many, read_recorded, to_report

NASTY = '<script>alert(1)</script>&"\x1b\u202e\udcff'


class Page(HTMLParser):
    """Reads a page: its tags, attributes and the contents of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.scripts: list[str] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if ("http-equiv", "Content-Security-Policy") in attrs:
            self.policy = dict(attrs)["content"] or ""
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "srcset")]

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script" and data.strip():
            self.scripts.append(data)


def load_data(text: str) -> Any:
    return json.loads(Page(text).scripts[0])


def test_page_fetches_nothing() -> None:
    text = render_html(to_report(read_recorded("recursive")))
    page = Page(text)
    assert page.policy.startswith("default-src 'none'; ")
    assert not {"link", "img", "iframe", "object"}.intersection(page.tags)
    assert all(link.startswith(("#", "https://neurostars.org/")) for link in page.links)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest", text)


def test_page_shows_each_code_with_what_to_do_and_all_its_places() -> None:
    report = to_report(read_recorded("undescribed"))
    text = render_html(report)
    for issue in report:
        assert issue.code in text
        assert issue.place.split(":")[0] in text
    assert "Let one sidecar of each folder apply" in text
    data = load_data(text)
    assert sum(len(group["p"]) for group in data["groups"]) == len(list(report))


def test_page_holds_lines_and_what_was_seen_where_it_differs() -> None:
    issues = tuple(Issue("C", Severity.ERROR, "a.tsv", "age", f"'{n}'", line=n) for n in (2, 7))
    data = load_data(render_html(Report("ds", issues)))
    assert data == {"paths": ["a.tsv"], "seen": ["'2'", "'7'"], "groups": [{"p": [0, 0], "l": [2, 7], "m": [0, 1]}]}


def test_page_is_safe_whatever_things_are_called(tmp_path: Path) -> None:
    issue = Issue(NASTY, Severity.ERROR, NASTY, NASTY, NASTY, NASTY, (NASTY,))
    inner = Report("x", (issue, Issue(NASTY, Severity.ERROR, "a", "b", "c")))
    report = Report("ds", (issue,), engine=NASTY, meanings={NASTY: NASTY}, ignored=(issue,), derivatives={NASTY: inner})
    path = save_html(report, tmp_path / "x.html")
    page = Page(path.read_text(encoding="utf-8"))
    assert page.tags.count("script") == 2
    assert "alert(1)" not in page.scripts[1]


def test_page_of_very_many_issues_is_small() -> None:
    report = make_many(20, 5000)
    text = render_html(report)
    assert text.count("<li>") == 20 * PAGE_SIZE
    assert len(text) < 2_000_000
    assert sum(len(group["p"]) for group in load_data(text)["groups"]) == 100_000


def test_page_of_very_many_groups_shows_fewer_places_of_each() -> None:
    assert render_html(make_many(1200, 20)).count("<li>") == 1200 * 10


def test_page_of_a_clean_dataset_says_so() -> None:
    text = render_html(Report("ds", (), n_files=3))
    assert "No issue at all." in text
    assert "<title>ds: valid" in text


def test_page_replaces_an_older_one_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.html"
    path.write_text("old")
    save_html(Report("ds", ()), path)
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [one.name for one in tmp_path.iterdir()] == ["x.html"]
    with pytest.raises(StorageError, match="none"):
        save_html(Report("ds", ()), tmp_path / "none" / "x.html")


def test_what_is_no_file_stays_what_it_is(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(pipe.read_bytes)
        save_bytes([b"a", b"b"], link)
        assert received.result() == b"ab"
    assert pipe.is_fifo()
    assert link.is_symlink()
