"""Keep the wiring of field maps true to what is converted: a label means a whole field, or it goes. Pure.

Source: BIDS, ``B0FieldIdentifier`` and ``B0FieldSource`` ("Fieldmap data"); schema, ``rules.checks.fmap`` (which
magnitude a phase or a map in Hz needs: ``MISSING_MAGNITUDE1_FILE``, ``FIELDMAP_WITHOUT_MAGNITUDE_FILE``).
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from bidsflow.convert.adoption import adopt
from bidsflow.convert.links import Held, Links, Standing, sources
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, Plan, PlanRow
from bidsflow.dicom.physics import phase_encoding
from bidsflow.dicom.series import Series
from bidsflow.errors import BidsflowError
from bidsflow.names import parse_name

#: A field: the folder of its subject or session, and its label.
_FieldKey = tuple[str, str]

_EPI = frozenset({"epi", "bold", "sbref", "dwi", "cbv"})
_PHASES = frozenset({"phasediff", "phase1", "phase2", "fieldmap"})


@dataclass(frozen=True, slots=True)
class Wired:
    """Rows whose labels all mean something, and what was taken away for that.

    Attributes
    ----------
    rows : tuple of PlanRow
        In the order in which they were given.
    notes : tuple of str
        What was taken away.
    held : mapping of str to Held
        What the dataset holds besides, by folder, with the labels that its images get from the rows.
    """

    rows: tuple[PlanRow, ...]
    notes: tuple[str, ...] = ()
    held: Mapping[str, Held] = field(default_factory=dict)


def keep_links(
    rows: Sequence[PlanRow],
    before: Mapping[str, Links],
    others: Sequence[Links],
    joined: Collection[str] = (),
    decided: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[PlanRow]:
    """Return the rows of one session so that they stay wired to images that their plan knows nothing of.

    An export may hold a part of a session, of which others were converted before. What those images measure still
    corrects what it has corrected, and no field gets a label that they have.

    Parameters
    ----------
    rows : sequence of PlanRow
        Of one session, to be converted or there already.
    before : mapping of str to Links
        How these images are wired in the dataset, by path; none for new ones.
    others : sequence of Links
        The images of the session that the plan does not name.
    joined : collection of str
        Labels of fields that rows and these images measure together.
    decided : mapping of str to collection of str
        Labels that the plan has known when it said what corrects an image, by path: they stay only where it says so.
    """
    measured = {one.identifier for one in others} - {""}
    linked = measured.union(*(one.sources for one in others))
    names = {**_name_apart(rows, before, measured - {*joined}, linked), **{label: label for label in joined}}
    result = []
    for row in rows:
        old = before.get(row.path, Links())
        own = names.get(row.b0_identifier, "") or (old.identifier if old.identifier in linked else "")
        kept = tuple(label for label in old.sources if label in measured and label not in decided.get(row.path, ()))
        planned = tuple(names.get(label, label) for label in sources(row))
        result.append(replace(row, b0_identifier=own, b0_source=",".join(kept or planned)))
    return result


def _name_apart(
    rows: Sequence[PlanRow], before: Mapping[str, Links], measured: set[str], linked: set[str]
) -> dict[str, str]:
    """Return a label for each field of a plan: the one that it had, where others know that or have the planned one."""
    had: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.b0_identifier:
            had[row.b0_identifier] += filter(None, [before.get(row.path, Links()).identifier])
    names: dict[str, str] = {}
    for label, olds in had.items():
        free = [old for old in olds if old not in names.values()]
        wanted = next((old for old in free if old in linked or label in measured), label)
        known = measured - {*olds} | {*names.values()}
        while wanted in known:
            wanted = _count_up(wanted)
        names[label] = wanted
    return names


def _count_up(label: str) -> str:
    """Return a label with its first number one higher.

    Examples
    --------
    >>> _count_up("pepolar9ses01"), _count_up("mine")
    ('pepolar10ses01', 'mine2')
    """
    head, number, tail = re.fullmatch(r"(\D*)(\d*)(.*)", label).groups()  # type: ignore[union-attr]
    return f"{head}{int(number or 1) + 1}{tail}"


def settle_fields(
    rows: Sequence[PlanRow],
    by_uid: Mapping[str, Series],
    held: Mapping[str, Held],
    unaware: Collection[tuple[str, int]] = (),
) -> Wired:
    """Return rows wired as the dataset will be: to what they convert, and to what stays there beside it.

    A label stays where the dataset will hold the whole field, whichever plan its images came with.

    Parameters
    ----------
    rows : sequence of PlanRow
        Of any decisions.
    by_uid : mapping of str to Series
        The series of the rows.
    held : mapping of str to Held
        What the dataset holds, by folder; nothing for folders in which no other image stands.
    unaware : collection of (str, int)
        Images of which a plan speaks that has known nothing of these fields: what corrects them does so still.
    """
    settled = list(rows)
    places: dict[str, list[int]] = defaultdict(list)
    for at, row in enumerate(rows):
        if row.decision is Decision.CONVERT:
            places[_folder(row)].append(at)
    for folder, one in held.items():
        if one.strangers:
            here = [rows[at] for at in places[folder]]
            links = [other.links for other in one.strangers]
            seen = {other.links.identifier for other in one.strangers if other.shot is not None} - {""}
            decided = {row.path: seen for row in here if (row.series_uid, row.image) not in unaware}
            kept = keep_links(here, one.before, links, _find_joined(here, one, by_uid), decided)
            for at, row in zip(places[folder], kept, strict=True):
                settled[at] = row
    adopted = {folder: adopt(one, [settled[at] for at in places[folder]], by_uid) for folder, one in held.items()}
    wired = drop_broken_fields(settled, by_uid, [other for one in adopted.values() for other in one.staying])
    return replace(wired, held=adopted)


def _find_joined(rows: Sequence[PlanRow], held: Held, by_uid: Mapping[str, Series]) -> set[str]:
    """Return the labels of fields that rows measure with images of the dataset only: whole together, not alone."""
    own: dict[str, list[PlanRow]] = defaultdict(list)
    for row in rows:
        own[row.b0_identifier].append(row)
    theirs: dict[str, list[Standing]] = defaultdict(list)
    for one in held.strangers:
        theirs[one.links.identifier].append(one)
    shared = (own.keys() & theirs.keys()) - {""}
    return {
        label
        for label in shared
        if _find_lack(own[label], by_uid) and not _find_lack([*own[label], *theirs[label]], by_uid)
    }


def drop_broken_fields(
    rows: Sequence[PlanRow], by_uid: Mapping[str, Series], staying: Sequence[Standing] = ()
) -> Wired:
    """Return rows without the labels of fields that the images of the dataset will not measure.

    A gradient echo measures a field by its phases and its first magnitude, an EPI by two directions. A label that other
    images carry as well (an anatomy, for a correction without a field map) is left to the person who wrote it.

    Parameters
    ----------
    rows : sequence of PlanRow
        Of any decisions; those that are not converted are returned as they are.
    by_uid : mapping of str to Series
        The series of the rows, for the directions of their phase encoding.
    staying : sequence of Standing
        Images that the dataset holds besides.
    """
    fields = _find_fields(rows)
    members = _join(fields, staying)
    proposed = _join(_find_fields(rows, waiting=True), staying)
    possible = {key for key, some in proposed.items() if not _find_lack(some, by_uid)}
    lacks = {key: lack for key in fields if (lack := _find_lack(members[key], by_uid))}
    whole = members.keys() - lacks.keys()
    notes = [_say_broken(key, lack, rows) for key, lack in lacks.items()]
    notes += [_say_gone(key, rows) for key in _find_wanted(rows) if key not in members]
    return Wired(tuple(_keep_whole(row, whole, whole | possible) for row in rows), tuple(notes))


def _keep_whole(row: PlanRow, whole: set[_FieldKey], possible: set[_FieldKey]) -> PlanRow:
    """Return a row with the labels of whole fields; to convert what waits, a person changes its decision only."""
    if row.decision is Decision.SKIP or not (row.b0_identifier or row.b0_source):
        return row
    folder, before = _folder(row), sources(row)
    if row.decision is Decision.REVIEW:
        return replace(row, b0_source=",".join(label for label in before if (folder, label) in possible))
    kept = tuple(label for label in before if (folder, label) in whole)
    own = row.b0_identifier if (folder, row.b0_identifier) in whole else ""
    if (own, kept) == (row.b0_identifier, before):
        return row
    return replace(row, b0_identifier=own, b0_source=",".join(kept))


def _find_fields(rows: Sequence[PlanRow], *, waiting: bool = False) -> dict[_FieldKey, list[PlanRow]]:
    """Return the images of each field that are converted; if asked for, those that wait for a person as well."""
    decisions = (Decision.CONVERT, Decision.REVIEW) if waiting else (Decision.CONVERT,)
    fields: dict[_FieldKey, list[PlanRow]] = defaultdict(list)
    for row in rows:
        folder = _folder(row)  # what waits may have no name yet
        if row.decision in decisions and row.b0_identifier and folder:
            fields[folder, row.b0_identifier].append(row)
    return fields


def _join(
    fields: Mapping[_FieldKey, Sequence[PlanRow]], staying: Sequence[Standing]
) -> dict[_FieldKey, list[PlanRow | Standing]]:
    """Return the images of each field: those that are converted, and those that stay."""
    members: dict[_FieldKey, list[PlanRow | Standing]] = defaultdict(list)
    for key, rows in fields.items():
        members[key] += rows
    for one in staying:
        if one.links.identifier:
            members[parse_name(one.path).folder, one.links.identifier].append(one)
    return members


def _find_wanted(rows: Sequence[PlanRow]) -> dict[_FieldKey, None]:
    """Return the fields that converted images are to be corrected by, in order."""
    return {(_folder(row), label): None for row in rows if row.decision is Decision.CONVERT for label in sources(row)}


def _folder(row: PlanRow) -> str:
    """Return the folder of a row's subject or session; ``""`` where its path is no name."""
    try:
        return parse_name(row.path).folder
    except BidsflowError:
        return ""


def _find_lack(members: Sequence[PlanRow | Standing], by_uid: Mapping[str, Series]) -> str:
    """Return what images lack to measure a field, ``""`` where they measure one."""
    names = [parse_name(row.path) for row in members]
    suffixes = {name.suffix for name in names}
    if not all(suffix in _EPI | _PHASES or suffix.startswith("magnitude") for suffix in suffixes):
        return ""
    if suffixes & _EPI:
        found = [_direction(row, by_uid) for row in members if parse_name(row.path).suffix in _EPI]
        known = set(found) - {""}
        if len(known) > 1 or ("" in found and len(found) > 1):
            return ""
    if suffixes & {"phasediff", "fieldmap"} or suffixes >= {"phase1", "phase2"}:
        needed = "magnitude" if "fieldmap" in suffixes else "magnitude1"
        return "" if needed in suffixes else f"its {needed} image"
    if suffixes & {"phase1", "phase2"}:
        return "one of its two phase images"
    return "an image of the opposite direction" if suffixes & _EPI else "its phase image"


def _direction(row: PlanRow | Standing, by_uid: Mapping[str, Series]) -> str:
    """Return where phase encoding runs to, by the header or else the name; ``""`` where nothing says."""
    series = by_uid.get(row.series_uid)
    return (phase_encoding(series.header) if series is not None else "") or parse_name(row.path).entity("dir")


def _say_broken(key: _FieldKey, lack: str, rows: Sequence[PlanRow]) -> str:
    folder, label = key
    left = _titles(row for row in rows if row.b0_identifier == label and _is_left_out(row, folder))
    here = [row for row in rows if row.decision is Decision.CONVERT and _folder(row) == folder]
    members = _titles(row for row in here if row.b0_identifier == label)
    losers = _titles(row for row in here if label in sources(row))
    because = f" ({left}: not converted)" if left else ""
    said = f"{folder}: the field {label} lacks {lack}{because}; its label is taken from {members}"
    return said + (f" and, as a source, from {losers}" if losers else "")


def _say_gone(key: _FieldKey, rows: Sequence[PlanRow]) -> str:
    folder, label = key
    here = [row for row in rows if row.decision is Decision.CONVERT and _folder(row) == folder]
    losers = _titles(row for row in here if label in sources(row))
    return f"{folder}: no image of the field {label} is converted; its label is taken, as a source, from {losers}"


def _titles(rows: Iterable[PlanRow]) -> str:
    return ", ".join(dict.fromkeys(row.title for row in rows))


def _is_left_out(row: PlanRow, folder: str) -> bool:
    return row.decision is not Decision.CONVERT and _folder(row) in ("", folder)


def check_labels(plan: Plan, by_uid: Mapping[str, Series], staying: Sequence[Standing] = ()) -> list[str]:
    """Return a sentence for each row with a label that must be a slip of the pen.

    That is a source that no image of the session measures, and an identifier that parts one field in two.
    """
    problems = []
    labels: dict[str, set[str]] = defaultdict(set)
    for one in staying:
        labels[parse_name(one.path).folder].add(one.links.identifier)
    for row in plan.rows:
        if row.b0_identifier:
            labels[_folder(row)].add(row.b0_identifier)
    for row in plan.decided(Decision.CONVERT):
        folder = _folder(row)
        here = sorted((labels[folder] | labels[""]) - {""})
        if "," in row.b0_identifier or " " in row.b0_identifier:
            problems.append(f"{row.title}: its b0_identifier {row.b0_identifier!r} is not one label")
        for label in sources(row):
            if label not in here and folder:
                problems.append(
                    f"{row.title}: its b0_source names the field {label!r}, which no row of {folder} measures"
                    f"{_suggest(label, here)}"
                )
    return problems + _find_parted(plan, by_uid, staying)


def _suggest(label: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(label, known, n=1)
    if near:
        return f"; is it {near[0]!r}?"
    return f"; there are {', '.join(known)}" if known else f"; write {NOT_APPLICABLE}"


def _find_parted(plan: Plan, by_uid: Mapping[str, Series], staying: Sequence[Standing]) -> list[str]:
    """Return a sentence for each image whose label differs a little from that of the images that it completes.

    A field that lacks an image because a person skipped that image is no slip.
    """
    fields = _find_fields(plan.rows)
    whole = _join(fields, staying)
    skipped = {(_folder(row), row.b0_identifier) for row in plan.rows if row.decision is not Decision.CONVERT}
    open_ = {
        key: members
        for key, members in fields.items()
        if _find_lack(whole[key], by_uid) and key not in skipped and ("", key[1]) not in skipped
    }
    problems: dict[str, None] = {}
    for (folder, label), members in open_.items():
        others = [name for place, name in open_ if place == folder and name != label]
        for near in difflib.get_close_matches(label, others):
            rest = open_[folder, near]
            if len(members) > len(rest) or _find_lack([*members, *rest], by_uid):
                continue
            said = f"its b0_identifier is {label!r}, where the images that it goes with have {near!r}"
            problems |= {f"{row.title}: {said}; give all images of a field one label": None for row in members}
    return list(problems)
