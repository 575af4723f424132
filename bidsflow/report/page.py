"""Values to one HTML text that needs nothing else: no network, no second file, no server.

Comes in: a `values.Page`. Goes out: a `str`. Opens no file but its own templates. The content security policy names
the page's own style and script by their hash, so that nothing that slips into the text can run or load.
"""

from __future__ import annotations

import base64
import hashlib
import math
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING

import bidsflow
from bidsflow.report.rating import CONFIDENCES, GRADES
from bidsflow.report.swarms import Lane, Measure, Swarms, lay_out
from bidsflow.report.values import Badge, Bar, Cell, Link, Page, Tone, Trace, format_number

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_CONTROLS = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n\r"}
# What reverses the direction of a line can make a name read as another one (Unicode TR 36, section 3).
_BIDI = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "\ufffd")
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")
_UNSAFE = _CONTROLS | _BIDI | _SURROGATES

_TONE_ORDER = (Tone.ERROR, Tone.WARNING, Tone.INFO, Tone.OK, Tone.NEUTRAL)
_TRACE_SIZE = (600.0, 48.0)
_MAX_CHIPS = 6


def render(page: Page) -> str:
    """Return the page as one self-contained HTML text.

    Parameters
    ----------
    page : Page
        All of its strings are escaped; control characters and lone surrogates become U+FFFD.

    Returns
    -------
    html : str
        The same for the same page; always encodable as UTF-8.

    Examples
    --------
    >>> "<h1>a &lt; b</h1>" in render(Page("a < b"))
    True
    """
    environment = _environment()
    css, js = _asset("style.css") + _asset("figures.css"), _asset("script.js") + _asset("figures.js")
    return environment.get_template("page.html.j2").render(
        page=page,
        anchors=_anchors(tuple(section.title for section in page.sections)),
        css=_trusted(css),
        js=_trusted(js),
        policy=_policy(css, js),
        version=bidsflow.__version__,
    )


def trace_path(values: tuple[float, ...], width: float, height: float) -> str:
    """Return the outline of a line plot as SVG path data.

    Parameters
    ----------
    values : tuple of float
        Spread evenly from left to right; values that are not finite interrupt the line.
    width, height : float
        Of the drawing, in user units. The largest value is at the top; equal values lie in the middle.

    Returns
    -------
    d : str
        ``""`` if fewer than two values are given.

    Examples
    --------
    >>> trace_path((0.0, 1.0, 0.5), 10, 4)
    'M0 4L5 0L10 2'
    """
    finite = [v for v in values if math.isfinite(v)]
    if len(values) < 2 or not finite:
        return ""
    low, span = min(finite), max(finite) - min(finite)
    parts, pen = [], "M"
    for rank, value in enumerate(values):
        if not math.isfinite(value):
            pen = "M"
            continue
        y = height / 2 if span == 0 else height * (1 - (value - low) / span)
        parts.append(f"{pen}{rank * width / (len(values) - 1):.5g} {y:.4g}")
        pen = "L"
    return "".join(parts)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bidsflow.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    environment.filters.update(
        number=format_number,
        breakable=_breakable,
        soft=_soften,
        prose=_prose,
        paragraphs=_paragraphs,
        cell_key=_cell_key,
        data_uri=_data_uri,
        drawn=_draw_trace,
        place=lambda value: f"{value:.5g}",
        lanes=_draw_lanes,
        values=_write_values,
    )
    environment.tests["badge"] = lambda cell: isinstance(cell, Badge)
    environment.tests["bar"] = lambda cell: isinstance(cell, Bar)
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    environment.globals.update(max_chips=_MAX_CHIPS, grades=GRADES, confidences=CONFIDENCES)
    return environment


@lru_cache(maxsize=8)
def _asset(name: str) -> str:
    return (resources.files("bidsflow.report") / "templates" / name).read_text(encoding="utf-8")


def _trusted(text: str) -> Markup:
    from markupsafe import Markup

    return Markup(text)  # only ever the package's own files


def _policy(css: str, js: str) -> str:
    def hashed(text: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"

    return (
        f"default-src 'none'; img-src data:; style-src {hashed(css)}; script-src {hashed(js)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _harmless(value: object) -> object:
    """Return what a template prints, without characters that no text needs."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return value.translate(_UNSAFE)
    return value


def _anchors(titles: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_unique_slugs(titles))


def _unique_slugs(titles: tuple[str, ...]) -> Iterator[str]:
    seen: set[str] = set()
    for number, title in enumerate(titles, start=1):
        slug = "s-" + (re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or str(number))
        while slug in seen:
            slug = f"{slug}-{number}"
        seen.add(slug)
        yield slug


def _soften(text: str) -> Markup:
    """Escape a text and allow a line break after each slash and underscore."""
    from markupsafe import Markup, escape

    # Breaks are inserted after escaping: no character reference contains a slash or an underscore.
    escaped = str(escape(text.translate(_UNSAFE)))
    return Markup(escaped.replace("/", "/<wbr>").replace("_", "_<wbr>"))


def _breakable(path: str) -> Markup:
    """Escape a path, its folders set apart from its name, and allow line breaks."""
    from markupsafe import Markup

    folder, slash, name = path.rpartition("/")
    if not slash:
        return _soften(name)
    return Markup('<span class="dir">{}</span>{}').format(_soften(folder + slash), _soften(name))


def _prose(text: str) -> Markup:
    """Escape a text and set what stands between backticks as code."""
    from markupsafe import Markup, escape

    escaped = str(escape(text.translate(_UNSAFE)))
    return Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escaped))  # escaped above


def _paragraphs(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(r"\n\s*\n", text) if part.strip())


def _cell_key(cell: Cell) -> str:
    """Return what a cell is sorted by, where that is not the text it shows."""
    match cell:
        case None:
            return ""
        case Badge(tone=tone, text=text):
            return f"{_TONE_ORDER.index(tone)} {text}"
        case Bar(value=value) | (int() | float() as value):
            return repr(value) if math.isfinite(value) else ""
        case Link(text=text):
            return text
        case str():
            return cell


def _data_uri(data: bytes, media: str) -> str:
    return f"data:{media};base64,{base64.b64encode(data).decode()}"


def _draw_trace(trace: Trace) -> dict[str, str | float]:
    width, height = _TRACE_SIZE
    finite = [v for v in trace.values if math.isfinite(v)]
    return {
        "d": trace_path(trace.values, width, height),
        "width": width,
        "height": height,
        "low": format_number(min(finite)) if finite else "",
        "high": format_number(max(finite)) if finite else "",
    }


def _draw_lanes(swarms: Swarms) -> list[tuple[Measure, Lane | None]]:
    ranks, n_groups = swarms.ranks, len(swarms.groups)
    return [(measure, lay_out(measure, ranks, n_groups)) for measure in swarms.measures]


def _write_values(values: tuple[float, ...]) -> str:
    """Return numbers parted by commas, nothing where a value is not finite."""
    return ",".join(f"{v:.4g}" if math.isfinite(v) else "" for v in values)
