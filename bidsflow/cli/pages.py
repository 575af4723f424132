"""What happened on the way from an export to a dataset, as the page that `bidsflow demo` leaves. Opens no file."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bidsflow.cli.answers import Answer, Tally, Verdict, Written, count_verdicts
from bidsflow.cli.story import (
    Way,
    count_reasons,
    describe_names,
    first_clause,
    folder_of,
    list_corrected,
    list_fields,
)
from bidsflow.convert.drift.findings import count_words
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, Plan, PlanRow
from bidsflow.convert.run import Status
from bidsflow.names import parse_name
from bidsflow.report.values import (
    Badge,
    Bar,
    Cell,
    Column,
    Fact,
    Gallery,
    Kind,
    Listing,
    Note,
    Page,
    Section,
    Step,
    Strip,
    Strips,
    Table,
    Tone,
    status,
)

if TYPE_CHECKING:
    from bidsflow.dicom.series import Inventory
    from bidsflow.sources import Aside
    from bidsflow.validate import Group, Report

_TONES = {Decision.CONVERT: Tone.OK, Decision.SKIP: Tone.NEUTRAL, Decision.REVIEW: Tone.WARNING}
_VERDICT_TONES = {
    Verdict.SAME: Tone.OK,
    Verdict.SHORTER: Tone.INFO,
    Verdict.OTHER: Tone.ERROR,
    Verdict.MISSED: Tone.ERROR,
    Verdict.EXTRA: Tone.ERROR,
    Verdict.ASKED: Tone.WARNING,
    Verdict.LEFT_OUT: Tone.NEUTRAL,
}
#: What a reader must see comes first.
_ORDER = (Tone.ERROR, Tone.WARNING, Tone.INFO, Tone.OK, Tone.NEUTRAL)
_WIRED = re.compile(r"corrected by field map \S+ \((.+?)\)(?:;|\.?$)")


def build_page(way: Way) -> Page:
    """Return the page of a demonstration."""
    return Page(
        title="From the scanner to a checked dataset",
        subtitle=way.origin,
        facts=_count_facts(way),
        steps=_list_steps(way),
        sections=(
            _show_glance(way),
            show_inventory(way.inventory, way.aside),
            _show_plan(way.plan),
            _show_images(way),
            _show_fields(way.images, way.plan),
            _show_dataset(way),
            _show_validation(way.report),
            _show_truth(way.answers, way.tallies),
            _show_commands(way.commands),
        ),
        details=way.versions,
    )


def _count_facts(way: Way) -> tuple[Fact, ...]:
    failed = way.result.count(Status.FAILED)
    names = count_verdicts(way.answers)
    expected = sum(bool(one.expected) for one in way.answers)
    wrong = sum(names[verdict] for verdict, tone in _VERDICT_TONES.items() if tone is Tone.ERROR)
    tone = Tone.ERROR if wrong else Tone.OK if names[Verdict.SAME] == expected else Tone.INFO
    facts = [
        Fact(len(way.inventory.series), "series"),
        Fact(way.result.count(Status.WRITTEN), "images written", Tone.OK),
        Fact(len(way.result.skipped), "skipped"),
        Fact(len(way.result.reviews), "for review", Tone.WARNING if way.result.reviews else Tone.OK),
        Fact(failed, "failed", Tone.ERROR if failed else Tone.OK),
    ]
    facts.append(Fact(len(way.report.errors), "BIDS errors", Tone.OK if way.report.ok else Tone.ERROR))
    facts.append(Fact(f"{names[Verdict.SAME]} of {expected}", "names as in truth", tone))
    return tuple(facts)


def _list_steps(way: Way) -> tuple[Step, ...]:
    n_files = sum(len(series.instances) for series in way.inventory.series)
    counts = {decision: len(way.plan.decided(decision)) for decision in Decision}
    detail = f"{count_words(len(way.report.errors), 'error')}, {count_words(len(way.report.warnings), 'warning')}"
    validation = Step("validate", detail, Tone.OK if way.report.ok else Tone.ERROR)
    wrong = sum(_VERDICT_TONES[one.verdict] is Tone.ERROR for one in way.answers)
    return (
        Step("phantom", f"{n_files:,} DICOM files"),
        Step("scan", f"{len(way.inventory.series)} series"),
        Step("plan", f"{counts[Decision.CONVERT]} to convert, {counts[Decision.REVIEW]} for review"),
        Step("convert", f"{way.result.count(Status.WRITTEN)} images", Tone.OK if way.result.complete else Tone.ERROR),
        validation,
        Step("compare", f"{wrong} wrong" if wrong else "nothing wrong", Tone.ERROR if wrong else Tone.OK),
    )


def _show_glance(way: Way) -> Section:
    """Return every session as a strip of its series."""
    decisions: dict[str, list[PlanRow]] = {}
    for row in way.plan.rows:
        decisions.setdefault(row.series_uid, []).append(row)
    places = {row.series_uid: folder_of(row) for row in way.plan.rows if row.path != NOT_APPLICABLE}
    studies = {series.study_uid: places[series.uid] for series in way.inventory.series if series.uid in places}
    strips: dict[str, list[Badge]] = {}
    for series in way.inventory.series:
        rows = decisions[series.uid]
        names = ", ".join(parse_name(row.path).stem for row in rows if row.decision is Decision.CONVERT)
        text = f"{series.title}: {names or f'{rows[0].decision}, {first_clause(rows[0])}'}"
        strips.setdefault(studies.get(series.study_uid, "?"), []).append(Badge(text, _TONES[rows[0].decision]))
    rows_of_marks = tuple(Strip(label, tuple(marks)) for label, marks in strips.items())
    return Section(
        "At a glance",
        (Strips("Every series in the order in which it was scanned", rows_of_marks),),
        intro="Nobody was scanned for this page: a phantom wrote the export, so that the truth is known.",
    )


def show_inventory(inventory: Inventory, set_aside: Sequence[Aside]) -> Section:
    """Return what an export holds and what of it is not used; says nothing of who was scanned."""
    from bidsflow.dicom.physics import classify

    people, studies = inventory.pseudonyms(), dict[str, int]()
    rows: list[tuple[Cell, ...]] = []
    for series in inventory.series:
        image = series.images[0]
        study = studies.setdefault(series.study_uid, len(studies) + 1)
        rows.append((
            f"{people[series.patient.key]}, study {study}", series.number, series.description,
            classify(series, image).kind.value, "×".join(map(str, image.matrix)), image.volumes, len(series.images),
            len(series.instances), "; ".join(series.problems) or None,
        ))  # fmt: skip
    columns = (
        Column("Patient"), Column("No.", Kind.NUMBER), Column("Description"), Column("Measured"), Column("Matrix"),
        Column("Volumes", Kind.NUMBER), Column("Images", Kind.NUMBER), Column("Files", Kind.NUMBER), Column("Problems"),
    )  # fmt: skip
    aside = tuple((one.path, one.reason, status("info" if one.harmless else "warning")) for one in set_aside)
    blocks: list[Table] = [Table("Series", columns, tuple(rows))]
    if aside:
        heads = (Column("File", Kind.PATH), Column("Why", Kind.PROSE), Column("Matter"))
        blocks.append(Table("Files that were set aside", heads, aside))
    return Section(
        "Inventory",
        tuple(blocks),
        intro="Headers only. What was measured is told by physics (sequence, echo times, b-values, orientation), not "
        "by the words of the description. Patients appear under pseudonyms.",
    )


def _show_plan(plan: Plan) -> Section:
    columns = (
        Column("Path", Kind.PATH), Column("Series"), Column("Decision"), Column("Confidence", Kind.NUMBER),
        Column("Evidence", Kind.PROSE),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for row in plan.rows:
        path = None if row.path == NOT_APPLICABLE else row.path
        title = f"{row.series_number} {row.series_description}"
        rows.append((path, title, status(row.decision), Bar(row.confidence, _TONES[row.decision]), row.evidence))
    reviews = [f"{count} × {reason}" for reason, count in count_reasons(plan.decided(Decision.REVIEW))]
    notes: tuple[Note, ...] = tuple(Note(text, Tone.WARNING) for text in plan.notes)
    if reviews:
        notes += (
            Note(f"Up for review, and not converted until a person decides: {'; '.join(reviews)}.", Tone.WARNING),
        )
    return Section(
        "Plan",
        (*notes, Table("Images, their names and why", columns, tuple(rows))),
        intro="One row per image. Nothing is written that is not in the plan; a person may edit it (`plan.tsv`) first.",
    )


def _show_images(way: Way) -> Section:
    return Section(
        "Images",
        (
            Gallery(way.kinds, "One of each kind, from the first session"),
            Gallery(way.sessions, "The other sessions"),
        ),
        intro="As they stand in the dataset. Left is on the left; the bright capsule is at the right, front and top.",
    )


def _show_fields(images: Sequence[Written], plan: Plan) -> Section:
    """Return which image is corrected by which field, as the sidecars on disk say."""
    fields, corrected = list_fields(images), list_corrected(images)
    evidence = {row.path: row.evidence for row in plan.rows}
    rows: list[tuple[Cell, ...]] = []
    used: Counter[str] = Counter()
    for image, label in corrected:
        key = f"{folder_of(image.row)}\n{label}"
        used[key] += 1
        why = _WIRED.search(evidence.get(image.row.path, ""))
        members = ", ".join(_short(path) for path in fields.get(key, []))
        badge = Badge(label, Tone.OK) if members else Badge(f"{label} is missing", Tone.ERROR)
        rows.append((image.row.path, badge, members or None, why[1] if why else None))
    measured: list[tuple[Cell, ...]] = []
    for key, paths in fields.items():
        folder, label = key.split("\n")
        measured.append((folder, label, ", ".join(_short(path) for path in paths), used[key]))
    orphans = [row for row in rows if row[2] is None]
    columns = (Column("Image", Kind.PATH), Column("B0 field"), Column("Measured by"), Column("Chosen for", Kind.PROSE))
    heads = (Column("Session", Kind.PATH), Column("B0 field"), Column("Images"), Column("Corrects", Kind.NUMBER))
    return Section(
        "Field maps",
        (
            Table("Fields that were measured", heads, tuple(measured)),
            Table("Which field corrects which image", columns, tuple(rows)),
        ),
        intro="Read back from the sidecars on disk (`B0FieldIdentifier`, `B0FieldSource`). A run is corrected by the "
        "field with the same shim, else the same geometry, else the nearest in time. Other fields stay for comparison.",
        badge=Badge(f"{len(orphans)} not measured", Tone.ERROR) if orphans else Badge("wired", Tone.OK),
    )


def _short(path: str) -> str:
    """Return the part of a name that tells the images of one session apart."""
    name = parse_name(path)
    return "_".join([*(f"{key}-{value}" for key, value in name.entities), name.suffix])


def _show_dataset(way: Way) -> Section:
    run = next((one for one in way.images if one.row.path.endswith("_bold")), way.images[0] if way.images else None)
    blocks = [Listing("The dataset, with its first session in full", way.tree)]
    if run is not None:
        text = _wrap_json(run.sidecar)
        blocks.append(Listing(f"A sidecar: {run.row.path}.json", text))
    return Section(
        "Dataset",
        tuple(blocks),
        intro="Sessions are converted in a staging area and committed whole. Names, birth dates, patient IDs and the "
        "place of the scanner are left out, dates are moved to before 1925.",
    )


def _wrap_json(value: Mapping[str, object]) -> str:
    """Return JSON with each list of numbers on one line."""
    lines = [f"  {json.dumps(key)}: {json.dumps(item)}" for key, item in value.items()]
    return "{\n" + ",\n".join(lines) + "\n}"


def _show_validation(report: Report) -> Section:
    columns = (
        Column("Code", Kind.PATH), Column("Severity"), Column("Count", Kind.NUMBER), Column("Fields", Kind.PROSE),
        Column("Meaning", Kind.PROSE),
    )  # fmt: skip
    codes: dict[tuple[str, str], list[Group]] = {}
    for group in report.groups:
        codes.setdefault((group.severity, group.code), []).append(group)
    rows = tuple(
        (
            code,
            status(severity),
            sum(group.count for group in groups),
            ", ".join(group.subcode for group in groups if group.subcode) or None,
            report.meanings.get(code, groups[0].message)
            + "".join(f" For example `{group.examples[0]}`." for group in groups[:1] if group.examples),
        )
        for (severity, code), groups in codes.items()
    )
    badge = Badge("valid", Tone.OK) if report.ok else Badge("not valid", Tone.ERROR)
    return Section(
        "Validation",
        (Table("Issues by code", columns, rows, empty="No issue at all."),),
        intro=f"{report.engine}, BIDS schema {report.schema_version}, {report.n_files} files. Errors make a dataset "
        "invalid; warnings are recommendations, here most of all keys that the headers of a phantom do not fill.",
        badge=badge,
    )


def _show_truth(answers: Sequence[Answer], tallies: Sequence[Tally]) -> Section:
    wrong = sum(_VERDICT_TONES[one.verdict] is Tone.ERROR for one in answers)
    columns = (
        Column("Series"), Column("Verdict"), Column("Planned", Kind.PATH), Column("In the answer key", Kind.PATH),
        Column("Remark", Kind.PROSE),
    )  # fmt: skip
    rows = tuple(
        (
            one.title,
            Badge(one.verdict, _VERDICT_TONES[one.verdict]),
            one.planned or None,
            one.expected or None,
            one.remark or None,
        )
        for one in sorted(answers, key=lambda one: _ORDER.index(_VERDICT_TONES[one.verdict]))
    )
    heads = (
        Column("Quantity"), Column("Verdict"), Column("Known for", Kind.NUMBER), Column("As scanned", Kind.NUMBER),
        Column("Not said", Kind.NUMBER), Column("Other", Kind.NUMBER), Column("For example", Kind.PATH),
    )  # fmt: skip
    measures = tuple(
        (
            one.what,
            _judge_tally(one),
            one.known,
            one.same,
            len(one.absent),
            len(one.other),
            next(iter((*one.other, *one.absent)), None),
        )
        for one in tallies
    )
    tone = Tone.ERROR if wrong else Tone.OK
    note = Note("\n".join(f"{line}." for line in describe_names(answers)), tone)
    return Section(
        "Truth",
        (
            note,
            Table("Names", columns, rows),
            Table("What images and sidecars on disk say", heads, measures),
        ),
        intro="The phantom writes an answer key beside its export (`truth/truth.json`) that the conversion never sees.",
        badge=Badge(f"{wrong} wrong", tone) if wrong else Badge("0 wrong", tone),
    )


def _judge_tally(tally: Tally) -> Badge:
    if tally.other:
        return Badge("differs", Tone.ERROR)
    return Badge("not everywhere", Tone.INFO) if tally.absent else Badge("agrees", Tone.OK)


def _show_commands(commands: Sequence[tuple[str, str]]) -> Section:
    text = "\n\n".join(f"# {what}\n{command}" for what, command in commands)
    return Section(
        "Do it yourself",
        (Listing("The commands of this page", text),),
        intro="With an export of your own, begin at the second command. No configuration is needed.",
    )
