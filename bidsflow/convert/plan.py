"""The plan: one row per image to be written, with the evidence for its name. The contract of a conversion.

Comes in: rows, or the TSV or JSON text of a plan. Goes out: rows, checked, or text. Opens no file.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType

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
    repeat : str
        For people: what is known of a measurement that was stopped, is short or was repeated, and what is proposed;
        ``""`` for others. `decision` alone counts.
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
    repeat: str = ""

    @property
    def title(self) -> str:
        """How people know the row."""
        name = self.series_description or self.protocol_name
        return f"series {self.series_number} ({name})" if name else f"series {self.series_number}"

    @property
    def full_title(self) -> str:
        """How people know the row among those of all subjects and sessions."""
        folder = "/".join(part for part in self.path.split("/")[:-1] if part.startswith(("sub-", "ses-")))
        return f"{self.title} of {folder}" if folder else self.title


@dataclass(frozen=True, slots=True)
class Plan:
    """What a conversion is to do.

    Attributes
    ----------
    rows : tuple of PlanRow
        In the order of acquisition.
    notes : tuple of str
        What a person should know before saying yes.
    fields : mapping of (str, int) to mapping, or None
        Fields that a study puts into sidecars, by SeriesInstanceUID and rank of the image. None: no study is in force,
        and what one has put there stays.
    description : mapping
        Fields that a study puts into ``dataset_description.json`` where they are absent.
    numbered : bool
        Whether labels of subjects are numbers that say nothing of the person; a study may make them of IDs.
    ruled : mapping of (str, int) to frozenset of str, or None
        What rules of a study gave of the names of images: see `spec.Rule.given`. None: no study has made the names.
    untrusted : mapping of (str, int) to str
        Why images that the dataset has are not made again, even though their series has changed: see `doubts`.
    """

    rows: tuple[PlanRow, ...]
    notes: tuple[str, ...] = ()
    fields: Mapping[tuple[str, int], Mapping[str, object]] | None = None
    description: Mapping[str, object] = field(default_factory=dict)
    numbered: bool = True
    ruled: Mapping[tuple[str, int], frozenset[str]] | None = None
    untrusted: Mapping[tuple[str, int], str] = field(default_factory=dict)

    def fields_of(self, row: PlanRow) -> Mapping[str, object]:
        """Return the fields that a study puts into the sidecar of an image."""
        return (self.fields or {}).get((row.series_uid, row.image), {})

    def decided(self, decision: Decision) -> tuple[PlanRow, ...]:
        """Return the rows with one decision."""
        return tuple(row for row in self.rows if row.decision is decision)


#: What stands for "nothing" in a cell, as in every table of BIDS.
NOT_APPLICABLE = "n/a"

COLUMNS = tuple(field.name for field in fields(PlanRow))
#: Columns that every plan must have; those of fields and repeats may be missing.
_NEEDED = COLUMNS[:11]
#: Characters of a name without its extension: file systems take 255 (NAME_MAX), and ``.nii.gz`` has 7 of them.
LONGEST = 248
#: Columns that are listed by name where they are missing; the rest is counted.
_LISTED = 4
#: What a spreadsheet puts at the beginning of a text; the longer marks first, since one begins with another.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_SAVE_AS = "save it as text in UTF-8 (tabs or commas); Excel calls that 'CSV UTF-8' or 'Unicode Text'"


def to_tsv(plan: Plan) -> str:
    """Return a plan as tab-separated text, one row per image."""
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(COLUMNS)
    for row in plan.rows:
        writer.writerow([_cell(value) for value in asdict(row).values()])
    return stream.getvalue()


def to_json(plan: Plan, more: Mapping[str, object] = MappingProxyType({})) -> str:
    """Return a plan as JSON text: ``{"rows": [...], "notes": [...]}``, and whatever else is to stand beside them."""
    told = {"rows": [asdict(row) for row in plan.rows], "notes": list(plan.notes), **more}
    return json.dumps(told, indent=2) + "\n"


def _cell(value: object) -> str:
    text = " ".join(str(value).split())
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):  # else reading takes them for a spreadsheet's
        text = '"' + text.replace('"', '""') + '"'
    return text or NOT_APPLICABLE


def from_bytes(data: bytes, where: str = "plan") -> Plan:
    """Return the plan in a file, in UTF-8 or in the UTF-16 that Excel calls Unicode text; see `from_tsv`.

    Raises
    ------
    PlanError
        If the bytes are no text, or as `from_tsv`.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if not encoding:  # a header is ASCII, so where its zeros stand tells UTF-16 without a mark
        encoding = {(True, False): "utf-16-le", (False, True): "utf-16-be"}.get(
            (data[1:2] == b"\0", data[:1] == b"\0"), "utf-8"
        )
    try:
        return from_tsv(data.decode(encoding), where)
    except UnicodeDecodeError as error:
        kind = "is a spreadsheet's own file" if data.startswith((b"PK", b"\xd0\xcf")) else "is not UTF-8 or UTF-16"
        raise PlanError(where, (f"the file {kind}; {_SAVE_AS}",)) from error


def from_tsv(text: str, where: str = "plan") -> Plan:
    """Return the plan in a text that a person may have edited.

    Columns may stand in any order, more columns may be there, and a spreadsheet may have changed line ends and quotes,
    and the tabs to commas or semicolons: the header says which.

    Parameters
    ----------
    text : str
        A table with a header.
    where : str
        Name of the file, for messages.

    Raises
    ------
    PlanError
        If a column is missing, or a row cannot be read; every faulty row is named.
    """
    text = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    try:
        header, *lines = _split_lines(text)
    except ValueError as error:
        raise PlanError(where, (str(error),)) from error
    if problems := _check_header(header):
        raise PlanError(where, tuple(problems))
    rows: list[PlanRow] = []
    for line, cells in enumerate(lines, start=2):
        if not any(cells):
            continue
        try:
            rows.append(_read_row(_pair_up(header, cells)))
        except (ValueError, KeyError) as error:
            problems.append(f"line {line}: {error}")
    problems += check_rows(rows)
    if problems:
        raise PlanError(where, tuple(problems))
    return Plan(tuple(rows))


def _split_lines(text: str) -> Iterator[list[str]]:
    """Yield the cells of each line, the header first.

    Tabs part cells as they stand. With commas and semicolons, which evidence is full of, quotes count (RFC 4180).

    Raises
    ------
    ValueError
        If a quote does not end.
    """
    first = text.split("\n", 1)[0]
    tabs, *others = ((delimiter, sum(name in COLUMNS for name in _bare(first, delimiter))) for delimiter in "\t,;")
    delimiter, known = max(others, key=lambda pair: pair[1])
    if known <= tabs[1] or known < 2:
        for line in text.split("\n"):
            yield [_unquote(cell.strip()) for cell in line.split("\t")]
        return
    yield _bare(first, delimiter)
    reader = csv.reader(io.StringIO(text.partition("\n")[2], newline=""), delimiter=delimiter, strict=True)
    at = 2
    try:
        for cells in reader:
            yield [" ".join(cell.split()) for cell in cells]
            at = reader.line_num + 2
    except csv.Error as error:  # read on, it would swallow the rows behind it
        raise ValueError(f"line {at}: a quote that begins there does not end; {_SAVE_AS}") from error


def _bare(header: str, delimiter: str) -> list[str]:
    return [_unquote(cell.strip()) for cell in header.split(delimiter)]


def _check_header(header: Sequence[str]) -> list[str]:
    """Return what is wrong with the header of a plan, a sentence each."""
    missing = [name for name in _NEEDED if name not in header]
    if len(missing) == len(_NEEDED):
        example = ", ".join(_NEEDED[:3])
        return [f"its first line is not the header of a plan ({example}, ...); keep that line, and {_SAVE_AS}"]
    problems = []
    for name in missing[:_LISTED]:
        near = difflib.get_close_matches(name, [cell for cell in header if cell not in COLUMNS], n=1)
        problems.append(f"the column {name} cannot be found" + (f"; is it {near[0]!r}?" if near else ""))
    if len(missing) > _LISTED:
        problems.append(f"{len(missing) - _LISTED} more columns cannot be found")
    if missing:
        problems.append("keep the header as bidsflow wrote it; columns may be moved and added")
    return problems + [f"the column {name} stands twice; keep one" for name in COLUMNS if header.count(name) > 1]


def _unquote(cell: str) -> str:
    """Return a cell without the quotes that a spreadsheet puts around one; a lone quote is part of the text."""
    if len(cell) > 1 and cell.startswith('"') and cell.endswith('"'):
        return cell[1:-1].replace('""', '"')
    return cell


def _pair_up(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if any(cells[len(header) :]):
        raise ValueError(f"it has {len(cells)} cells where the header has {len(header)}; {_SAVE_AS}")
    return dict(zip(header, cells, strict=False))


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
        repeat=text["repeat"],
    )


def _whole(text: dict[str, str], name: str) -> int:
    value = _number(text, name)
    if not value.is_integer():
        raise ValueError(f"{name} is {text[name]!r}, not a whole number")
    return int(value)


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
            elif len(name.stem) > LONGEST:
                problems.append(
                    f"{row.title}: the name {name.stem[:40]}... has {len(name.stem)} characters, and disks allow "
                    f"{LONGEST}; use shorter labels"
                )
            elif not schema.allows(name.with_ext(".nii.gz")):
                problems.append(
                    f"{row.title}: BIDS has no image of the name {row.path}; check its folder, its suffix "
                    "and its entities"
                )
        except BidsflowError as error:
            problems.append(f"{row.title}: {error}")
    for slot, count in Counter(names.slot_of(row.path) for row in converted).items():
        if count > 1:
            rivals = [row for row in converted if names.slot_of(row.path) == slot]
            paths = " and ".join(dict.fromkeys(row.path for row in rivals))
            claims = ", ".join(row.title for row in rivals)
            problems.append(f"{count} rows claim the path {paths}: {claims}; give each its own run or skip one")
    titles = {(row.series_uid, row.image): row.title for row in rows}  # UIDs of some scanners are times: not shown
    for key, count in Counter((row.series_uid, row.image) for row in rows).items():
        if count > 1:
            problems.append(f"{titles[key]}: its image {key[1]} has {count} rows; keep one")
    return problems
