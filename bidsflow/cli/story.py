"""What happened on the way from an export to a dataset: as values, as lines on a terminal, as JSON."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bidsflow.cli.answers import Answer, Tally, Verdict, Written, count_verdicts
from bidsflow.convert.drift.findings import count_words
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.run import Result, Status
from bidsflow.names import parse_name

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.cli.quality import Quality
    from bidsflow.dicom.series import Inventory
    from bidsflow.phantom import Truth
    from bidsflow.report.values import Figure
    from bidsflow.sources import Aside
    from bidsflow.validate import Report


@dataclass(frozen=True, slots=True)
class Way:
    """Everything that happened between an export and a checked dataset.

    Attributes
    ----------
    commands : tuple of (str, str)
        What was done and how a user would have typed it.
    origin : str
        One sentence on the export.
    inventory, plan, result
        What the steps returned.
    aside : tuple of Aside
        What was set aside, as it may be shown.
    images : tuple of Written
        What stands on disk.
    report : Report
        Of the validation.
    answers, tallies
        The comparison with the truth.
    tree : str
        Part of the dataset as a tree of folders.
    kinds, sessions : tuple of Figure
        One image of each kind; one of each session.
    versions : tuple of (str, str)
        Of the programs that took part.
    quality : Quality or None
        What came of qc; None where it was not wanted.
    """

    commands: tuple[tuple[str, str], ...]
    origin: str
    inventory: Inventory
    aside: tuple[Aside, ...]
    plan: Plan
    result: Result
    images: tuple[Written, ...]
    report: Report
    answers: tuple[Answer, ...]
    tallies: tuple[Tally, ...]
    tree: str
    kinds: tuple[Figure, ...]
    sessions: tuple[Figure, ...]
    versions: tuple[tuple[str, str], ...]
    quality: Quality | None = None


def first_clause(row: PlanRow) -> str:
    """Return what decided about a row, in a few words.

    Examples
    --------
    >>> row = PlanRow("1.2", 1, 1, "", "scout", 3, 1, Decision.SKIP, "n/a", 0.9, "A localizer; 3 directions.")
    >>> first_clause(row)
    'a localizer'
    """
    text = row.evidence.split("; ")[0].rstrip(".")
    first = text.split(" ")[0]
    return (
        text if any(char.isupper() for char in first[1:]) else text[:1].lower() + text[1:]
    )  # a tag keeps its spelling


def count_reasons(rows: Iterable[PlanRow]) -> list[tuple[str, int]]:
    """Return why rows were decided as they were, with counts, the most frequent first."""
    return Counter(first_clause(row) for row in rows).most_common()


def list_fields(images: Sequence[Written]) -> dict[str, list[str]]:
    """Return the paths of the images that measure each B0 field, by the label in their sidecars."""
    fields: dict[str, list[str]] = {}
    for image in images:
        for label in _labels(image.sidecar, "B0FieldIdentifier"):
            fields.setdefault(f"{folder_of(image.row)}\n{label}", []).append(image.row.path)
    return fields


def list_corrected(images: Sequence[Written]) -> list[tuple[Written, str]]:
    """Return each image that a B0 field corrects, with the label of the field, as the sidecars say."""
    return [(image, label) for image in images for label in _labels(image.sidecar, "B0FieldSource")]


def _labels(sidecar: Mapping[str, object], key: str) -> list[str]:
    value = sidecar.get(key, [])
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def folder_of(row: PlanRow) -> str:
    """Return the folder of the subject or session that a named row goes to."""
    return parse_name(row.path).folder


def describe_names(answers: Sequence[Answer]) -> list[str]:
    """Return the honest count of names in sentences, without a full stop."""
    counts = count_verdicts(answers)
    expected = sum(bool(one.expected) for one in answers)
    lines = [f"{expected} names in the answer key: {counts[Verdict.SAME]} as planned"]
    for remark, count in Counter(one.remark for one in answers if one.verdict is Verdict.SHORTER).most_common():
        lines.append(f"{count} shorter: {remark}")
    lines.append(f"{counts[Verdict.OTHER]} with another name, {counts[Verdict.MISSED]} missed")
    left = [one for one in answers if not one.expected]
    asked = sum(one.verdict is Verdict.ASKED for one in left)
    lines.append(
        f"{len(left)} images that the key leaves out: {counts[Verdict.LEFT_OUT]} skipped, {asked} put before a person, "
        f"{counts[Verdict.EXTRA]} converted"
    )
    unsure = counts[Verdict.ASKED] - asked
    return [*lines, f"{unsure} images with a name in the key were put before a person"] if unsure else lines


def tell_export(truths: Sequence[Truth]) -> list[str]:
    """Return who was scanned, and by which kind of scanner."""
    people = [(session.subject, truth.dialect) for truth in truths for session in truth.sessions]
    who = ", ".join(f"sub-{label} {dialect}" for label, dialect in dict.fromkeys(people))
    n_series = sum(len(truth.series) for truth in truths)
    return [f"{len(set(people))} people, {len(people)} visits, {n_series} series as DICOM ({who})"]


def tell_scan(inventory: Inventory) -> list[str]:
    """Return what an export holds."""
    from bidsflow.dicom.physics import classify

    people, studies = len(inventory.pseudonyms()), len({series.study_uid for series in inventory.series})
    n_files = sum(len(series.instances) for series in inventory.series)
    kinds = Counter(classify(series, series.images[0]).kind.value for series in inventory.series)
    return [
        f"{len(inventory.series)} series in {n_files:,} files: {people} people, {studies} visits, "
        f"{count_words(len(inventory.set_aside), 'file')} set aside",
        "told by physics, not by words: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()),
    ]


def tell_plan(plan: Plan) -> list[str]:
    """Return how many images get a name, which do not and why, and a name with its evidence."""
    counts = ", ".join(f"{len(plan.decided(decision))} {word}" for decision, word in _WORDS.items())
    lines = [f"{len(plan.rows)} images: {counts}"]
    for decision, word in ((Decision.SKIP, "skip"), (Decision.REVIEW, "review")):
        reasons = "; ".join(f"{count} × {reason}" for reason, count in count_reasons(plan.decided(decision)))
        lines += [f"{word}: {reasons}"] if reasons else []
    named = plan.decided(Decision.CONVERT)
    field = next((row for row in named if row.b0_identifier and "_dir-" in row.path), None)
    examples = [row for row in (named[0] if named else None, field) if row is not None]
    return lines + [f"{row.title} becomes {parse_name(row.path).stem}: {row.evidence.rstrip('.')}" for row in examples]


_WORDS = {Decision.CONVERT: "to convert", Decision.SKIP: "to skip", Decision.REVIEW: "for review"}


def tell_conversion(result: Result, images: Sequence[Written]) -> list[str]:
    """Return what was written, what failed, and how field maps are wired."""
    sessions = len({folder_of(image.row) for image in images})
    lines = [
        f"{result.count(Status.WRITTEN)} images in {count_words(sessions, 'session')}, each session committed whole; "
        f"{result.count(Status.FAILED)} failed"
    ]
    lines += [f"failed: {one.row.title}: {one.reason}" for one in result.outcomes if one.status is Status.FAILED]
    fields, corrected = list_fields(images), list_corrected(images)
    lines.append(
        f"{count_words(len(fields), 'field map')}; {len(corrected)} images say which one corrects them (B0FieldSource)"
    )
    return lines


def tell_validation(report: Report) -> list[str]:
    """Return the verdict."""
    verdict = "valid" if report.ok else "not valid"
    codes = Counter(issue.code for issue in report.issues)
    common = ", ".join(f"{count} × {code}" for code, count in codes.most_common(3))
    lines = [
        f"{verdict}: {count_words(len(report.errors), 'error')}, {count_words(len(report.warnings), 'warning')} in "
        f"{report.n_files} files ({report.engine}, BIDS schema {report.schema_version})"
    ]
    return [*lines, f"most are {common}"] if common else lines


def tell_truth(answers: Sequence[Answer], tallies: Sequence[Tally]) -> list[str]:
    """Return the honest count of names, and of what images and sidecars say."""
    content = ", ".join(f"{one.what} {one.same}/{one.known}" for one in tallies)
    return [*describe_names(answers), f"on disk as scanned: {content}"]


def summarize(way: Way, page: Path) -> dict[str, object]:
    """Return what came out, as it is printed by ``--json``."""
    return {
        "page": str(page),
        "series": len(way.inventory.series),
        "files": sum(len(series.instances) for series in way.inventory.series),
        "images": {str(decision): len(way.plan.decided(decision)) for decision in Decision},
        "written": way.result.count(Status.WRITTEN),
        "failed": way.result.count(Status.FAILED),
        "validation": _summarize_report(way.report),
        "quality": asdict(way.quality) if way.quality else None,
        "names": {str(verdict): count for verdict, count in count_verdicts(way.answers).items()},
        "differences": [
            {"planned": one.planned, "expected": one.expected, "verdict": str(one.verdict), "remark": one.remark}
            for one in way.answers
            if one.verdict not in (Verdict.SAME, Verdict.LEFT_OUT)
        ],
        "content": [asdict(tally) for tally in way.tallies],
    }


def _summarize_report(report: Report) -> dict[str, object]:
    errors, warnings = len(report.errors), len(report.warnings)
    return {"valid": report.ok, "errors": errors, "warnings": warnings, "engine": report.engine}


class Teller:
    """Tells a story on a terminal, step by step; silent without a console."""

    def __init__(self, out: Console | None) -> None:
        self._out = out
        self._step = 0
        self._start = time.monotonic()

    def begin(self, title: str, command: str) -> None:
        """Announce a step, and the command that does the same."""
        self._step += 1
        self._start = time.monotonic()
        self._print(f"\n[bold]{self._step}  {title}[/]", "")
        if command:
            self._print(f"[cyan]$ {_plain(command)}[/]", "   ")

    def add(self, lines: Sequence[str]) -> None:
        """Say what came out of a step; the last line gets the time that it took."""
        for line in lines[:-1]:
            self._print(_plain(line), "   ")
        self._print(f"{_plain(lines[-1])} [dim]({time.monotonic() - self._start:.1f} s)[/]", "   ")

    def end(self, pairs: Mapping[str, str]) -> None:
        """Say where things are."""
        self._print("", "")
        for name, value in pairs.items():
            self._print(f"[bold]{name:<9}[/]{_plain(value)}", "")

    def _print(self, text: str, indent: str) -> None:
        if self._out is None:
            return
        if not self._out.is_terminal:  # a line stays a line in a file
            self._out.print(indent + text, soft_wrap=True)
            return
        from rich.padding import Padding

        self._out.print(Padding(text, (0, 0, 0, len(indent)), expand=False))


def _plain(text: str) -> str:
    from bidsflow.cli.steps import printable

    return printable(text)
