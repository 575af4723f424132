"""The plan: one row per image to be written, with the evidence for its name. The contract of a conversion.

Comes in: rows, or the TSV or JSON text of a plan. Goes out: rows, checked, or text. Opens no file.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from bidsflow import names, schema
from bidsflow.errors import BidsflowError, PlanError


class Decision(StrEnum):
    """What happens to an image."""

    CONVERT = "convert"
    SKIP = "skip"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One image: where it comes from, what becomes of it, and why.

    Attributes
    ----------
    series_uid : str
        SeriesInstanceUID of the series.
    image : int
        Rank of the image within its series, from 1 (echoes, phase and magnitude are images of one series).
    series_number : int
        For people.
    protocol_name, series_description : str
        For people, as in the header.
    n_files : int
        Files of the export that make the image.
    n_volumes : int
        Volumes that the image will have.
    decision : Decision
        ``review`` rows are not converted; a person decides.
    path : str
        BIDS path without extension; ``n/a`` for skipped rows. On a ``review`` row it is a proposal, or ``n/a``.
    confidence : float
        Between 0 and 1.
    evidence : str
        One plain sentence that names the tags that decided.
    b0_identifier : str
        Label of the B0 field that this image measures; ``""`` for images that measure none.
    b0_source : str
        Labels of the B0 fields that correct this image, joined by a comma; ``""`` for none.
    """

    series_uid: str
    image: int
    series_number: int
    protocol_name: str
    series_description: str
    n_files: int
    n_volumes: int
    decision: Decision
    path: str
    confidence: float
    evidence: str
    b0_identifier: str = ""
    b0_source: str = ""

    @property
    def title(self) -> str:
        """How people know the row."""
        return f"series {self.series_number} ({self.series_description or self.protocol_name})"


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows in the order of acquisition, and what a person should know before saying yes."""

    rows: tuple[PlanRow, ...]
    notes: tuple[str, ...] = ()

    def decided(self, decision: Decision) -> tuple[PlanRow, ...]:
        """Return the rows with one decision."""
        return tuple(row for row in self.rows if row.decision is decision)


#: What stands for "nothing" in a cell, as in every table of BIDS.
NOT_APPLICABLE = "n/a"

COLUMNS = tuple(field.name for field in fields(PlanRow))


def to_tsv(plan: Plan) -> str:
    """Return a plan as tab-separated text, one row per image."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(COLUMNS)
    for row in plan.rows:
        writer.writerow([_cell(value) for value in asdict(row).values()])
    return stream.getvalue()


def to_json(plan: Plan) -> str:
    """Return a plan as JSON text: ``{"rows": [...], "notes": [...]}``."""
    return json.dumps({"rows": [asdict(row) for row in plan.rows], "notes": list(plan.notes)}, indent=2) + "\n"


def _cell(value: object) -> str:
    text = " ".join(str(value).split())
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):  # else reading takes them for a spreadsheet's
        text = '"' + text.replace('"', '""') + '"'
    return text or NOT_APPLICABLE


def from_tsv(text: str, where: str = "plan") -> Plan:
    """Return the plan in a text that a person may have edited.

    Columns may stand in any order, more columns may be there, and a spreadsheet may have changed line ends and quotes.

    Parameters
    ----------
    text : str
        Tab-separated values with a header.
    where : str
        Name of the file, for messages.

    Raises
    ------
    PlanError
        If a column is missing, or a row cannot be read; every faulty row is named.
    """
    lines = [line.split("\t") for line in text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    header = [_unquote(cell.strip()) for cell in lines[0]]
    missing = [name for name in COLUMNS[:11] if name not in header]
    if missing:
        raise PlanError(where, (f"the column{'s' if len(missing) > 1 else ''} {', '.join(missing)} cannot be found; "
                                "keep the header as bidsflow wrote it and separate columns by tabs",))  # fmt: skip
    twice = [name for name in COLUMNS if header.count(name) > 1]
    if twice:
        raise PlanError(where, tuple(f"the column {name} stands twice; keep one" for name in twice))
    rows: list[PlanRow] = []
    problems: list[str] = []
    for line, cells in enumerate(lines[1:], start=2):
        cells = [_unquote(cell.strip()) for cell in cells]
        if not any(cells):
            continue
        try:
            rows.append(_read_row(dict(zip(header, cells, strict=False))))
        except (ValueError, KeyError) as error:
            problems.append(f"line {line}: {error}")
    problems += check_rows(rows)
    if problems:
        raise PlanError(where, tuple(problems))
    return Plan(tuple(rows))


def _unquote(cell: str) -> str:
    """Return a cell without the quotes that a spreadsheet puts around one; a lone quote is part of the text."""
    if len(cell) > 1 and cell.startswith('"') and cell.endswith('"'):
        return cell[1:-1].replace('""', '"')
    return cell


def _read_row(cells: dict[str, str]) -> PlanRow:
    text = {name: (cells.get(name) or "").strip() for name in COLUMNS}
    text = {name: "" if value == NOT_APPLICABLE and name != "path" else value for name, value in text.items()}
    try:
        decision = Decision(text["decision"].lower())
    except ValueError:
        choices = ", ".join(Decision)
        raise ValueError(f"the decision {text['decision']!r} is none of {choices}") from None
    if not text["series_uid"]:
        raise ValueError("the series_uid is empty")
    return PlanRow(
        series_uid=text["series_uid"],
        image=_whole(text, "image"),
        series_number=_whole(text, "series_number"),
        protocol_name=text["protocol_name"],
        series_description=text["series_description"],
        n_files=_whole(text, "n_files"),
        n_volumes=_whole(text, "n_volumes"),
        decision=decision,
        path=text["path"] or NOT_APPLICABLE,
        confidence=_number(text, "confidence"),
        evidence=text["evidence"],
        b0_identifier=text["b0_identifier"],
        b0_source=text["b0_source"],
    )


def _whole(text: dict[str, str], name: str) -> int:
    return int(_number(text, name))


def _number(text: dict[str, str], name: str) -> float:
    """Return a cell as a finite number, 0 where it is empty; some spreadsheets write a decimal comma."""
    try:
        value = float(text[name].replace(",", ".") or 0)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {text[name]!r}, not a number")
    return value


def check_rows(rows: list[PlanRow]) -> list[str]:
    """Return what is wrong with the rows of a plan, a sentence for each: names that BIDS does not know, names twice."""
    problems = []
    converted = [row for row in rows if row.decision is Decision.CONVERT]
    for row in converted:
        try:
            name = names.parse_name(row.path)
            if name.ext:
                problems.append(f"{row.title}: the path {row.path!r} must have no extension")
            elif not schema.allows(name.with_ext(".nii.gz")):
                problems.append(
                    f"{row.title}: BIDS has no image of the name {row.path}; check its folder, its suffix "
                    "and its entities"
                )
        except BidsflowError as error:
            problems.append(f"{row.title}: {error}")
    for path, count in Counter(row.path for row in converted).items():
        if count > 1:
            titles = ", ".join(row.title for row in converted if row.path == path)
            problems.append(f"{count} rows claim the path {path}: {titles}; give each its own run or skip one")
    for (uid, image), count in Counter((row.series_uid, row.image) for row in rows).items():
        if count > 1:
            problems.append(f"image {image} of series {uid} has {count} rows; keep one")
    return problems
