"""A comparison as a page: what differs, the study at a glance, what is usual. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from bidsflow.convert.drift.findings import Drift, Finding, Kind, count_words, join_parts, name_visit
from bidsflow.convert.drift.observation import PARAMETERS, label_of, show_values
from bidsflow.errors import BidsflowError
from bidsflow.names import parse_name
from bidsflow.report.values import (
    Badge,
    Cell,
    Column,
    Fact,
    Note,
    Page,
    Section,
    Strip,
    Strips,
    Table,
    Tone,
)
from bidsflow.report.values import Kind as Set

TONES = {
    Kind.MISSING: Tone.ERROR,
    Kind.SHORT: Tone.ERROR,
    Kind.CHANGED: Tone.WARNING,
    Kind.REPEATED: Tone.WARNING,
    Kind.EXTRA: Tone.INFO,
    Kind.DIVIDED: Tone.INFO,
}
_ORDER = (Tone.OK, Tone.INFO, Tone.WARNING, Tone.ERROR)


def make_page(drift: Drift, title: str, study: str = "") -> Page:
    """Return the page of a comparison.

    Parameters
    ----------
    drift : Drift
        What was found.
    title : str
        What was looked at.
    study : str
        The file of the study; ``""`` where there was none.
    """
    counts = Counter(one.kind for one in drift.findings)
    told = f"Against {study} and what is usual" if study else "Against what is usual in most subjects"
    return Page(
        title=f"Protocol of {title}",
        subtitle=f"{told}; nothing is changed by looking.",
        facts=(
            _count(len({subject for subject, _ in drift.visits}), "subject"),
            _count(len(drift.visits), "visit"),
            _count(len(drift.usual), "protocol"),
            *(Fact(counts[kind], kind.value, TONES[kind]) for kind in Kind if counts[kind]),
        ),
        sections=(_show_findings(drift), _show_glance(drift), _show_usual(drift)),
    )


def _count(number: int, word: str) -> Fact:
    return Fact(number, count_words(number, word).partition(" ")[2])


def _show_findings(drift: Drift) -> Section:
    shown: list[tuple[Column, Callable[[Finding], Cell]]] = [
        (Column("Visit"), lambda one: one.visit),
        (Column("Image", Set.PATH), lambda one: one.name),
        (Column("What"), lambda one: Badge(one.kind.value, TONES[one.kind])),
        (Column("Parameter"), lambda one: label_of(one.parameter) if one.parameter else None),
        (Column("Found"), lambda one: one.found),
        (Column("Expected"), lambda one: one.expected),
    ]
    if len({one.against for one in drift.findings}) > 1:  # else the title of the page says it
        shown.append((Column("By"), lambda one: one.against.value))
    if any(_shorten_where(one) for one in drift.findings):
        shown.append((Column("Where"), lambda one: _shorten_where(one) or None))
    columns = tuple(column for column, _ in shown)
    rows = tuple(tuple(read(one) for _, read in shown) for one in drift.findings)
    notes = tuple(Note(f"{note[0].upper()}{note[1:]}.") for note in drift.notes)
    worst = Badge(f"{len(rows)}", Tone.WARNING) if rows else Badge("none", Tone.OK)
    return Section("What differs", (*notes, Table("Differences", columns, rows, empty="Nothing differs.")), badge=worst)


def _shorten_where(one: Finding) -> str:
    """Return where a finding is, as far as visit and image do not say it: of a file only its run."""
    try:
        return "_".join(f"{key}-{label}" for key, label in parse_name(one.where).entities if key == "run")
    except BidsflowError:
        return one.where


def _show_glance(drift: Drift) -> Section:
    """Return a row for each visit with a mark for each image that there is, or should be."""
    by_visit: dict[tuple[str, str], dict[str, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    for one in drift.findings:
        by_visit[one.subject, one.session][one.name].append(one)
    usual = {one.name for one in drift.usual}
    joined = {join_parts(name) for name in usual}  # a finding on all echoes is one on each
    names = sorted(usual | {one.name for one in drift.findings if one.subject and one.name not in joined})
    strips = []
    for visit in sorted({*drift.visits, *(visit for visit in by_visit if visit[0])}):
        marks = tuple(
            _mark(name, told)
            for name in names
            if (told := [one for own in dict.fromkeys((name, join_parts(name))) for one in by_visit[visit][own]])
            or (*visit, name) in drift.present
        )
        strips.append(Strip(name_visit(*visit), marks))
    return Section(
        "At a glance",
        (Strips("Each mark is an image; point at it to see its name and what differs", tuple(strips)),),
        intro="A visit in each row, its images in the order of their names.",
    )


def _mark(name: str, findings: Sequence[Finding]) -> Badge:
    tone = max((TONES[one.kind] for one in findings), key=_ORDER.index, default=Tone.OK)
    told = "; ".join(f"{one.kind.value} {label_of(one.parameter) if one.parameter else ''}".strip() for one in findings)
    return Badge(f"{name}: {told or 'as it should be'}", tone)


def _show_usual(drift: Drift) -> Section:
    shown = [key for key in PARAMETERS if any(key in one.parameters for one in drift.usual)]
    columns = (
        Column("Image", Set.PATH), Column("Visits", Set.NUMBER), Column("Images", Set.NUMBER),
        *(Column(label_of(key)) for key in shown),
    )  # fmt: skip
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            one.name,
            one.visits,
            one.images,
            *(show_values(key, one.parameters[key]) if key in one.parameters else None for key in shown),
        )
        for one in drift.usual
    )
    return Section(
        "What is usual",
        (Table("The protocol as it was measured", columns, rows, empty="No image was found."),),
        intro="Values that more than half of the subjects have, of at least three. A dash: too few say it, or they do "
        "not agree.",
    )
