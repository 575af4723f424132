"""Values to HTML: escaped, closed to the outside, well formed."""

from __future__ import annotations

import base64
import hashlib
import html
import math
import pathlib
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from bidsflow import report
from bidsflow.report.page import render, trace_path
from bidsflow.report.rating import Rating
from bidsflow.report.shapes import Drawing, Flicker, Ink, Path, Picture, Words
from bidsflow.report.swarms import Measure, Point, Swarms, find_fences
from bidsflow.report.values import (
    Badge,
    Bar,
    Block,
    Column,
    Fact,
    Figure,
    Gallery,
    Kind,
    Link,
    Listing,
    Note,
    Page,
    Pairs,
    Section,
    Step,
    Strip,
    Strips,
    Table,
    Text,
    Tone,
    Trace,
    status,
)

EVIL = """</td></script></style><script>alert('x')</script>" onload="alert(1)" '<img src=http://x.org/a>`<b>`"""
VOID = frozenset({"br", "img", "input", "link", "meta", "wbr", "hr"})


class Outline(HTMLParser):
    """Tags in their order, checked for balance; attributes collected."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(attrs) == len(dict(attrs)), f"{tag} has an attribute twice"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def make_table(text: str, *, n_rows: int = 6) -> Table:
    columns = (Column(text), Column(text, Kind.PATH), Column(text, Kind.PROSE), Column("n", Kind.NUMBER))
    cells = (*((text, text, text, k) for k in range(n_rows)), (Badge(text, Tone.ERROR), None, Bar(0.5), 1284.5))
    return Table(text, (*columns, Column("s")), tuple((*row, status("review")) for row in cells))


def make_page(text: str) -> Page:
    """Return a page in which every string is the same text, and every kind of block occurs."""
    figure = Figure(
        text,
        b"\x89PNG",
        width=4,
        height=3,
        alt=text,
        caption=text,
        details=(text, text),
        note=text,
        traces=(Trace(text, (1.0, math.nan, 3.0), text), Trace(text, ())),
    )
    blocks: tuple[Block, ...] = (
        make_table(text),
        Table(text, (Column(text),), (), text),
        figure,
        Gallery((figure, Figure(text, note=text)), text),
        Strips(text, (Strip(text, (Badge(text), Badge(text, Tone.OK))),)),
        Text(f"{text}\n\n{text}"),
        Note(text, Tone.WARNING),
        Listing(text, text),
        Pairs(text, ((text, text),)),
    )
    return Page(
        title=text,
        subtitle=text,
        facts=(Fact(43, text), Fact(text, text, Tone.OK)),
        steps=(Step(text, text), Step(text, tone=Tone.ERROR)),
        sections=(Section(text, blocks, text, Badge(text)), Section(text)),
        details=((text, text),),
    )


def test_render_gives_balanced_tags() -> None:
    outline = Outline(render(make_page("plain")))
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert len(outline.named("h1")) == 1
    assert {"header", "nav", "main", "footer"} <= {tag for tag, _ in outline.tags}


def test_render_lets_no_text_become_markup() -> None:
    plain, evil = Outline(render(make_page("plain"))), Outline(render(make_page(EVIL)))
    tags = [tag for tag, _ in evil.tags if tag not in {"wbr", "code", "span"}]
    assert tags == [tag for tag, _ in plain.tags if tag not in {"wbr", "code", "span"}]
    names = {name for _, attrs in evil.tags for name in attrs}
    assert names == {name for _, attrs in plain.tags for name in attrs}
    assert "onload" not in names
    assert len(evil.named("script")) == 1


def test_render_shows_a_hostile_text_as_it_is() -> None:
    page = Page("t", sections=(Section("s", (Table("c", (Column("x"),), ((EVIL,),)),)),))
    cell = re.search(r"<th role=\"rowheader\"[^>]*>(.*?)</th>", render(page), re.DOTALL)
    assert cell is not None
    assert html.unescape(cell[1].replace("<wbr>", "")) == EVIL


@pytest.mark.parametrize("character", ["\x00", "\x1b", "\x9b", "\u202e", "\u2066", "\udc80"], ids=ascii)
def test_render_replaces_characters_that_no_text_needs(character: str) -> None:
    text = render(make_page(f"a{character}b"))
    assert character not in text
    assert "a\ufffdb" in text
    text.encode("utf-8")


def test_render_refers_to_nothing_outside() -> None:
    text = render(make_page("plain"))
    assert not re.search(r"https?:|//[a-z]|@import|url\(", re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    for _, attrs in Outline(text).tags:
        assert (attrs.get("src") or "data:").startswith("data:image/") or "src" not in attrs
        assert (attrs.get("href") or "#").startswith("#")
        assert "style" not in attrs  # the policy forbids it
        assert not any(name.startswith("on") for name in attrs)


def test_render_permits_only_its_own_style_and_script() -> None:
    text = render(make_page(EVIL))
    outline = Outline(text)
    policy = next(a["content"] for a in outline.named("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in (policy or "").split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in (policy or "")
    for tag in ("style", "script"):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert body is not None
        digest = base64.b64encode(hashlib.sha256(body[1].encode()).digest()).decode()
        assert rules[f"{tag}-src"] == f"'sha256-{digest}'"
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_render_gives_the_same_bytes_for_the_same_page() -> None:
    assert render(make_page("plain")) == render(make_page("plain"))


def test_render_names_tables_and_pictures() -> None:
    outline = Outline(render(make_page("plain")))
    assert all(attrs["alt"] for attrs in outline.named("img"))
    assert all(attrs["scope"] in {"col", "row"} for attrs in outline.named("th"))
    ids = {attrs.get("id") for _, attrs in outline.tags}
    assert all(attrs["aria-labelledby"] in ids for _, attrs in outline.tags if "aria-labelledby" in attrs)
    assert all(attrs["aria-label"] for attrs in outline.named("input"))


def test_render_links_every_section() -> None:
    page = Page("t", sections=tuple(Section(title) for title in ("Plan", "Plan", "µ", "", "Plan-2")))
    outline = Outline(render(page))
    targets = [attrs["id"] for attrs in outline.named("section")]
    assert len(set(targets)) == 5
    assert [attrs["href"] for attrs in outline.named("a")][1:] == [f"#{target}" for target in targets]


def test_render_sets_code_between_backticks_only_in_prose() -> None:
    page = Page("a `b`", sections=(Section("s", (Text("Look at `0018,9087` <b>."),)),))
    text = render(page)
    assert "<code>0018,9087</code> &lt;b&gt;." in text
    assert "<h1>a `b`</h1>" in text


def test_render_gives_sort_keys_to_what_is_not_text() -> None:
    columns = tuple(Column(name) for name in "abcd")
    page = Page("t", sections=(Section("s", (Table("c", columns, (("x", 1284, Bar(0.25), None),)),)),))
    cells = [a.get("data-key") for tag, a in Outline(render(page)).tags if tag in {"th", "td"} and "data-label" in a]
    assert cells == [None, "1284", "0.25", ""]


def test_table_raises_when_a_row_is_too_short() -> None:
    with pytest.raises(ValueError, match="row 2: 1 cells for 2 columns"):
        Table("c", (Column("a"), Column("b")), (("x", "y"), ("x",)))


def test_table_counts_its_statuses() -> None:
    rows = (("a", status("skip")), ("b", status("convert")), ("c", status("convert")), ("d", None))
    table = Table("c", (Column("a"), Column("b")), rows)
    assert table.statuses == ("skip", "convert", "convert", "")
    assert table.tally == ((status("convert"), 2), (status("skip"), 1))


def test_trace_breaks_the_line_when_a_value_is_missing() -> None:
    assert trace_path((0.0, 1.0, math.nan, 0.5, 0.0), 8, 2) == "M0 2L2 0M6 1L8 2"


@pytest.mark.parametrize("values", [(), (1.0,), (math.nan, math.inf)], ids=str)
def test_trace_is_empty_when_there_is_no_line(values: tuple[float, ...]) -> None:
    assert trace_path(values, 10, 4) == ""


def make_drawing(text: str) -> Drawing:
    shapes = (
        Path("M0 0h9", Ink.SKY, text, dash="4 2", fill=True, scale=(2.0, 1.0)),
        Words(text, 3, 4, "middle"),
        Picture(b"RIFF", "image/webp", 0, 0, 5, 5),
    )
    return Drawing(text, 40, 30, shapes, text, text, (text,), text, plate=True)


def make_interactive(text: str) -> Page:
    """Return a page of what can be switched, pointed at and filled in."""
    points = (Point(text, "sub-01.html", text), *(Point(text, "", "b") for _ in range(5)))
    measures = (Measure(text, (1.0, 2.0, 3.0, 4.0, 5.0, 99.0), text, text), Measure(text, (math.nan,) * 6))
    blocks: tuple[Block, ...] = (
        make_drawing(text),
        Drawing(text, note=text),
        Flicker(text, make_drawing(text), make_drawing(text), (text, text), text),
        Swarms(text, points, measures),
        Rating(text, text, text, ((text, text),)),
        Table(text, (Column(text),), ((Link(text, "sub-01.html"),),)),
    )
    return Page(text, sections=(Section(text, blocks),))


def test_render_lets_no_text_become_markup_in_drawings_and_forms() -> None:
    plain, evil = Outline(render(make_interactive("plain"))), Outline(render(make_interactive(EVIL)))
    dropped = {"wbr", "code", "span"}
    assert [t for t, _ in evil.tags if t not in dropped] == [t for t, _ in plain.tags if t not in dropped]
    assert {n for _, attrs in evil.tags for n in attrs} == {n for _, attrs in plain.tags for n in attrs}


def test_render_draws_nothing_from_outside_and_links_only_beside_itself() -> None:
    for tag, attrs in Outline(render(make_interactive("plain"))).tags:
        href = attrs.get("href") or "#"
        assert href.startswith("data:image/" if tag == "image" else ("#", "sub-01.html"))
        assert "style" not in attrs
        assert not any(name.startswith("on") for name in attrs)


def test_render_names_drawings_and_fields() -> None:
    outline = Outline(render(make_interactive("plain")))
    ids = [attrs["id"] for _, attrs in outline.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert all(attrs["aria-labelledby"] in ids for _, attrs in outline.tags if "aria-labelledby" in attrs)
    pictures = [attrs for attrs in outline.named("svg") if attrs.get("role") == "img"]
    assert pictures
    assert all(attrs["aria-label"] for attrs in pictures)


def test_render_gives_each_image_its_values_in_every_lane() -> None:
    outline = Outline(render(make_interactive("plain")))
    lanes = [attrs["data-lane"] for _, attrs in outline.tags if "data-lane" in attrs]
    assert lanes == ["1,2,3,4,5,99", ",,,,,"]


def test_render_stays_small_when_there_are_a_thousand_images() -> None:
    points = tuple(Point(f"sub-{k:04d}_ses-01_T1w", f"sub-{k:04d}_ses-01_T1w.html", "ab"[k % 2]) for k in range(1000))
    values = tuple(math.sin(k * 1.7) * 1000 / 7 for k in range(1000))
    page = Page("t", sections=(Section("s", (Swarms("c", points, (Measure("m", values),) * 60),)),))
    assert len(render(page)) < 3_000_000


def test_flicker_raises_when_sizes_differ() -> None:
    with pytest.raises(ValueError, match="differ"):
        Flicker("t", Drawing("a", 3, 4), Drawing("b", 3, 5))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs a JavaScript engine")
@pytest.mark.parametrize("values", [(1.0, 2, 3, 4, 100), (1.0, 1, 1, 1, 2), (0.0, 1, 5, 7, 7.5, 9)])
def test_script_finds_the_same_fences(values: tuple[float, ...]) -> None:
    script = (pathlib.Path(report.__file__).parent / "templates" / "figures.js").read_text(encoding="utf-8")
    start = script.index("function findFences")
    code = script[start : script.index("\n}\n", start) + 2]
    call = f"const f = findFences({list(values)}); console.log(f.middle, f.low, f.high);"
    said = subprocess.run(["node", "-e", code + call], capture_output=True, text=True, check=True, timeout=60).stdout
    fences = find_fences(values)
    assert [float(word) for word in said.split()] == pytest.approx([fences.median, fences.low, fences.high])


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs a browser")
def test_script_brings_the_page_to_life_in_a_browser(tmp_path: pathlib.Path) -> None:
    (tmp_path / "page.html").write_text(render(make_interactive("plain")), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command = ["chromium", *flags, "--dump-dom", (tmp_path / "page.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    tags = Outline(done.stdout).tags
    assert sum(attrs.get("class") == "ring" for _, attrs in tags) == 1  # the other measure has no value
    assert any("stacked" in (attrs.get("class") or "") for _, attrs in tags)
    assert not any("hidden" in attrs for tag, attrs in tags if tag in {"button", "input"} or "data-tools" in attrs)
