"""Compare a plan with what the dataset has: what is to be done, what is done, what a person has changed. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache

from bidsflow.convert.content import (
    Stamp,
    fields_digest,
    list_numbers,
    mark_digest,
    read_content,
    read_numbers,
    source_digest,
    verify,
)
from bidsflow.convert.folder import EXTENSIONS, Carried, Session, group_by_folder
from bidsflow.convert.ledger import Entry, Ledger, made_of, read_ledger, read_taken
from bidsflow.convert.namesakes import Likeness, Shared, compare, doubt_series, group_shared, shared_uid
from bidsflow.convert.nifti import is_damaged
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.strays import find_strays
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name, subject_of

#: Why images are made again of which the dataset has lost files.
MISSING = "files of it are missing"
#: What to do about an image that stays although its series has changed.
_DECIDE = "decide by a plan: bidsflow plan EXPORT --bids-dir BIDS_DIR"
#: Why an image is not replaced by one of another series that has its UID.
_OTHER = (
    "by number and protocol the dataset has another series under its SeriesInstanceUID; the image of that stays as it "
    "is: run the same command again, and this one gets a name of its own"
)


class Status(StrEnum):
    """What became of a planned image."""

    WRITTEN = "written"
    MOVED = "moved"
    UNCHANGED = "unchanged"
    EDITED = "left alone"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A planned image and what became of it.

    Attributes
    ----------
    row : PlanRow
        The plan for it.
    status : Status
        What became of it.
    reason : str
        Why, where it is neither written nor unchanged; what a person should know of what was written.
    waits : bool
        Whether a person has to decide between what was left alone and what is to be done.
    """

    row: PlanRow
    status: Status
    reason: str = ""
    waits: bool = False

    @property
    def is_written(self) -> bool:
        """Whether its files were written, be it under another name than before."""
        return self.status in (Status.WRITTEN, Status.MOVED)


@dataclass(frozen=True, slots=True)
class Work:
    """What there is to do in one folder of a subject or session.

    Attributes
    ----------
    session : Session
        What the plan says of it.
    todo : mapping of str to tuple of PlanRow
        Rows to convert, by SeriesInstanceUID.
    done : tuple of Outcome
        What became of the other rows.
    why : mapping of (str, int) to str
        Why rows have to be converted, by SeriesInstanceUID and rank; ``""`` for what is new.
    """

    session: Session
    todo: Mapping[str, tuple[PlanRow, ...]]
    done: tuple[Outcome, ...]
    why: Mapping[tuple[str, int], str]

    @property
    def planned(self) -> tuple[PlanRow, ...]:
        """The rows to convert."""
        return tuple(row for rows in self.todo.values() for row in rows)


@dataclass(frozen=True, slots=True)
class _View:
    """What the dataset has and the plan wants, as far as it concerns the rows of the plan."""

    dataset: Dataset
    plan: Plan
    ledgers: Mapping[str, Ledger]
    former: Mapping[tuple[str, int], str]
    force: bool
    shared: Shared


def survey(dataset: Dataset, plan: Plan, by_uid: Mapping[str, Series], *, force: bool) -> list[Work]:
    """Return what there is to do, folder by folder.

    Parameters
    ----------
    dataset : Dataset
        What is there.
    plan : Plan
        What is to be there.
    by_uid : mapping of str to Series
        The series of the export.
    force : bool
        Do again what is done, and what a person has changed.

    Raises
    ------
    DatasetError
        If a ledger is damaged.
    """
    rows = plan.decided(Decision.CONVERT)
    named, converted = frozenset(map(_image, plan.rows)), frozenset(map(_image, rows))
    folders = group_by_folder(rows)
    ledgers = {folder: read_ledger(dataset, folder) for folder in folders}
    planned = planned_paths(rows)
    settled = all(_owns(ledgers[folder].get(row.path), row) for folder, members in folders.items() for row in members)
    taken = {} if settled else read_taken(dataset)
    former = {image: path for image, path in taken.items() if planned.get(image, path) != path}
    ledgers |= {
        folder: read_ledger(dataset, folder) for folder in {parse_name(path).folder for path in former.values()}
    }
    view = _View(dataset, plan, ledgers, former, force, group_shared(by_uid.values()))
    subjects: dict[str, dict[str, Series]] = defaultdict(dict)
    for row in rows:
        subjects[parse_name(row.path).sub][row.series_uid] = by_uid[row.series_uid]
    heirs = _find_heirs(taken, planned)
    sessions = []
    for folder, members in folders.items():
        sub = parse_name(members[0].path).sub
        subject = tuple(subjects[sub].values())
        series = {row.series_uid: by_uid[row.series_uid] for row in members}
        moved = {_image(row): former[_image(row)] for row in members if _image(row) in former}
        heir_of = tuple(sorted(old for old, new in heirs.items() if new == sub))
        session = Session(folder, tuple(members), named, converted, series, subject, moved, heir_of,
                          description=plan.description, numbered=plan.numbered, ruled=plan.ruled)  # fmt: skip
        sessions.append(_sort(view, session))
    sessions = _hold_strays(view, sessions)
    blocked = find_blocked(dataset, ledgers, [row for one in sessions for row in one.planned], force=force)
    return _hold_back([_block(one, blocked) for one in sessions])


def _sort(view: _View, session: Session) -> Work:
    """Return which rows of a session have to be converted, and the outcomes of the others."""
    todo: dict[str, list[PlanRow]] = defaultdict(list)
    done: list[Outcome] = []
    seen: dict[str, Stamp] = {}
    kept: set[str] = set()
    carried: dict[tuple[str, int], Carried] = {}
    marks: dict[tuple[str, int], str] = {}
    why: dict[tuple[str, int], str] = {}
    read = cache(lambda uid, like: _read_content(session.series[uid], like))
    for row in session.rows:
        series, held = session.series[row.series_uid], _find_entry(view, row)
        if reason := _distrust(view, row, held, series, read):
            done.append(Outcome(row, Status.FAILED, reason))
            continue
        entry = None if view.force else held
        stamps = {} if entry is None else _verify_files(view.dataset, entry)
        current = "" if entry is None else mark_digest(_find_whole(entry, series, view.shared))
        same = entry is not None and _is_same(entry, series, view.shared, read)
        if same:
            marks[_image(row)] = current
        if entry is not None:
            outcome = _look(view, row, entry, stamps, series, same=same)
        else:
            outcome = "" if held is None else "asked for by --force"
        seen |= {name: now for name, now in stamps.items() if now is not None}
        if isinstance(outcome, Outcome):
            done.append(outcome)
        else:
            todo[row.series_uid].append(row)
            why[_image(row)] = outcome
            edited = {name for name, now in stamps.items() if now is None}
            former = view.former.get(_image(row), "")
            if entry is not None and former and edited:
                carried[_image(row)] = _carry(former, entry, edited if same else stamps.keys(), whole=not same)
            else:
                kept |= edited
    return Work(
        replace(session, seen=seen, marks=marks, kept=frozenset(kept), carried=carried),
        {uid: tuple(some) for uid, some in todo.items()},
        tuple(done),
        why,
    )


def _carry(former: str, entry: Entry, names: Collection[str], *, whole: bool) -> Carried:
    """Return what goes along with an image that gets another name, by the names of the files that do."""
    return Carried(former, entry, tuple(sorted(name.removeprefix(former) for name in names)), whole)


def _distrust(view: _View, row: PlanRow, held: Entry | None, series: Series, read: Callable[[str, str], str]) -> str:
    """Return why what the dataset has of an image is better than what the export has now, ``""`` where it is not."""
    if held is None:
        return ""
    namesake = doubt_series(made_of(held), series, row.image)
    asked = namesake in row.evidence  # and the person said that both are one series
    doubt = view.plan.untrusted.get(_image(row), "") or ("" if asked else namesake)
    other = namesake != "" and compare(made_of(held), series, row.image) is Likeness.OTHER
    if not (doubt or other) or _is_same(held, series, view.shared, read):
        return ""
    if other:
        return _OTHER
    return f"its series has changed, and {doubt}; the image stays as it is ({_DECIDE})"


def find_disputed(dataset: Dataset, plan: Plan, by_uid: Mapping[str, Series]) -> dict[tuple[str, int], str]:
    """Return why images that a dataset has stay although their series have changed, by SeriesInstanceUID and rank.

    Parameters
    ----------
    dataset : Dataset
        What is there.
    plan : Plan
        With what is `untrusted`.
    by_uid : mapping of str to Series
        The series of the export.

    Raises
    ------
    DatasetError
        If a ledger is damaged.
    """
    taken = read_taken(dataset) if plan.untrusted else {}
    ledgers = {folder: read_ledger(dataset, folder) for folder in {parse_name(path).folder for path in taken.values()}}
    read = cache(lambda uid, like: _read_content(by_uid[uid], like))
    disputed, shared = {}, group_shared(by_uid.values())
    for image, doubt in plan.untrusted.items():
        path = taken.get(image, "")
        entry = ledgers[parse_name(path).folder].get(path) if path else None
        if entry is not None and not _is_same(entry, by_uid[image[0]], shared, read):
            disputed[image] = doubt
    return disputed


def _hold_strays(view: _View, sessions: Sequence[Work]) -> list[Work]:
    """Return work without the images that someone has renamed by hand: made again, they would be there twice."""
    missing = {}
    for row in () if view.force else (row for one in sessions for row in one.planned):
        entry, name = _find_entry(view, row), f"{view.former.get(_image(row), row.path)}.nii.gz"
        if entry is not None and name in entry.files and not (view.dataset.root / name).exists():
            missing[name] = row, entry.files[name]
    if not missing:
        return list(sessions)
    strays = find_strays(view.dataset, {name: known for name, (_, known) in missing.items()})
    held = {_image(missing[name][0]): _say_stray(path) for name, path in strays.items()}
    return [_block(one, held) for one in sessions]


def _say_stray(path: str) -> str:
    return (
        f"it is missing, and seems to be {path}: bidsflow changes names by a study or a plan. Give it back its name "
        "and use these, or --force makes it again"
    )


def _block(work: Work, blocked: Mapping[tuple[str, int], str]) -> Work:
    """Return work without the rows that have something in their way."""
    failed = [Outcome(row, Status.FAILED, blocked[_image(row)]) for row in work.planned if _image(row) in blocked]
    free = {uid: tuple(row for row in rows if _image(row) not in blocked) for uid, rows in work.todo.items()}
    return replace(work, todo={uid: rows for uid, rows in free.items() if rows}, done=(*work.done, *failed))


def _hold_back(work: Sequence[Work]) -> list[Work]:
    """Return work in which what does not leave its folder after all is no longer converted into another one."""
    stuck = {
        _image(outcome.row)
        for one in work
        for outcome in one.done
        if parse_name(one.session.find_place(outcome.row)).folder != one.session.folder
    }
    if not stuck:
        return list(work)
    return [replace(one, session=replace(one.session, converted=one.session.converted - stuck)) for one in work]


def _image(row: PlanRow) -> tuple[str, int]:
    return row.series_uid, row.image


def planned_paths(rows: Sequence[PlanRow]) -> dict[tuple[str, int], str]:
    """Return where each image is to stand, by SeriesInstanceUID and rank."""
    return {_image(row): row.path for row in rows}


def _find_heirs(taken: Mapping[tuple[str, int], str], planned: Mapping[tuple[str, int], str]) -> dict[str, str]:
    """Return the new label of each subject of which all images are to stand under another."""
    labels: dict[str, set[str]] = defaultdict(set)
    for image, path in taken.items():
        labels[subject_of(path)].add(subject_of(planned.get(image, path)))
    return {old: next(iter(new)) for old, new in labels.items() if len(new) == 1 and old not in new}


def find_blocked(
    dataset: Dataset,
    ledgers: Mapping[str, Ledger],
    rows: Sequence[PlanRow],
    *,
    force: bool,
    leaving: Collection[tuple[str, int]] = (),
) -> dict[tuple[str, int], str]:
    """Return why images cannot be written where they are to stand, by SeriesInstanceUID and rank; none for the others.

    An image goes where another stands only if that one leaves; what is blocked stays where it is, and so may block the
    next. A file that bidsflow did not write goes only by force.

    Parameters
    ----------
    dataset : Dataset
        What is there.
    ledgers : mapping of str to Ledger
        What bidsflow wrote, by folder.
    rows : sequence of PlanRow
        The images that are to be written together.
    force : bool
        Whether files that bidsflow did not write may go.
    leaving : collection of (str, int)
        Images that will leave their places besides.
    """
    blocked: dict[tuple[str, int], str] = {}
    while True:
        places = {image: path for image, path in planned_paths(rows).items() if image not in blocked}
        found = {
            _image(row): obstacle
            for row in rows
            if _image(row) not in blocked
            and (obstacle := _find_obstacle(dataset, ledgers, row, places, leaving, force=force))
        }
        if not found:
            return blocked
        blocked |= found


def _find_obstacle(
    dataset: Dataset,
    ledgers: Mapping[str, Ledger],
    row: PlanRow,
    places: Mapping[tuple[str, int], str],
    leaving: Collection[tuple[str, int]],
    *,
    force: bool,
) -> str:
    entry = ledgers[parse_name(row.path).folder].get(row.path)
    if entry is None:
        names = (f"{row.path}{ext}" for ext in EXTENSIONS)
        found = next((name for name in names if not force and (dataset.root / name).exists()), "")
    else:
        owner = entry.series_uid, entry.image
        stays = owner not in leaving and places.get(owner, row.path) == row.path
        found = next(iter(entry.files), row.path) if stays and not _owns(entry, row) else ""
    return f"{found} is in the way; move it, or give the image another name" if found else ""


def _owns(entry: Entry | None, row: PlanRow) -> bool:
    return entry is not None and (entry.series_uid, entry.image) == _image(row)


def _find_entry(view: _View, row: PlanRow) -> Entry | None:
    """Return what the dataset has of an image, wherever it stands; None where it has nothing."""
    path = view.former.get(_image(row), row.path)
    entry = view.ledgers[parse_name(path).folder].get(path)
    return entry if _owns(entry, row) else None


def _verify_files(dataset: Dataset, entry: Entry) -> dict[str, Stamp | None]:
    """Return the present stamps of the files of an image that are there; None for those that were changed."""
    present = [name for name in entry.files if (dataset.root / name).exists()]
    return {name: verify(dataset.root / name, entry.files[name]) for name in present}


def _is_same(entry: Entry, series: Series, shared: Shared, read: Callable[[str, str], str]) -> bool:
    """Return whether a series is as it was converted; its bytes are read only where its marks are others."""
    whole = _find_whole(entry, series, shared)
    if entry.source != source_digest(whole):
        return False
    if not entry.content or entry.marks == mark_digest(whole):
        return True
    return entry.content == (
        read(series.uid, entry.content) if whole is series else _read_content(whole, entry.content)
    )


def _find_whole(entry: Entry, series: Series, shared: Shared) -> Series:
    """Return the series that an image was made of: before series of one UID were parted, all that came under it."""
    members = shared.get(shared_uid(series), ())
    if len(members) < 2 or entry.source == source_digest(series):
        return series
    whole = replace(series, instances=tuple(one for member in members for one in member.instances))
    return whole if entry.source == source_digest(whole) else series


def _read_content(series: Series, like: str) -> str:
    """Return the digest of the bytes of a series, ``""`` where they cannot be read: the conversion then says why."""
    try:
        return read_content(series, like).digest
    except OSError:
        return ""


def _look(
    view: _View, row: PlanRow, entry: Entry, stamps: Mapping[str, Stamp | None], series: Series, *, same: bool
) -> Outcome | str:
    """Return the outcome of a row that needs no conversion, or why it has to be converted."""
    path = view.former.get(_image(row), row.path)
    edited = [name for name, now in stamps.items() if now is None]
    for name in edited:
        if name.endswith(".nii.gz") and is_damaged(view.dataset.root / name):
            said = f"{_last(name)} is damaged; delete it, and the same command makes it again"
            return Outcome(row, Status.FAILED, said)
    if not same and (loss := _find_loss(entry, series)):
        return Outcome(row, Status.FAILED, loss)
    changed = f"{', '.join(map(_last, edited))} changed by hand"
    missing = len(stamps) < len(entry.files)
    if path != row.path:
        because = f"it stands under {path}"
    elif missing:
        because = MISSING
    elif not same:
        because = "its series has changed"
    elif view.plan.fields is not None and entry.fields != fields_digest(view.plan.fields_of(row)):
        because = "the study says other fields for its sidecar"
    elif edited:
        return Outcome(row, Status.EDITED, changed)
    else:
        return Outcome(row, Status.UNCHANGED)
    if not edited or (because == MISSING and f"{path}.nii.gz" not in stamps):  # the edits stay
        return because
    if path != row.path and (same or not missing):  # a move overwrites nothing
        return f"{because}; {changed}, which goes along as it is"
    said = f"{because}, but {changed}; --force replaces it"
    return Outcome(row, Status.FAILED if missing else Status.EDITED, said, waits=True)


def _find_loss(entry: Entry, series: Series) -> str:
    """Return why less would come of a series that has changed than an image was made of, ``""`` where it would not.

    Where the export may hold another part of the series, nothing is said of a way that loses the first.
    """
    count, before = len(series.instances), read_numbers(entry.numbers)
    here = read_numbers(list_numbers(series))
    lacking = len(before - here) if here else 0
    if (lacking and here - before) or (not before and count < entry.instances):
        files = "1 file" if count == 1 else f"{count} files"
        which = "others of its series" if before else "not all, or others"
        return (
            f"it was made of {entry.instances} files, and the export holds {files}, {which}: give all exports of the "
            "series to one command, and it is made of all; until then it stays as it is"
        )
    if lacking or count < entry.instances:
        return (
            f"the export holds {count} of the {entry.instances} files that it was made of; it stays as it is (--force "
            "would make it of these alone)"
        )
    if not series.incomplete:
        return ""
    said = f"its series has changed, and is in doubt now ({series.incomplete[0]})"
    return f"{said}; it stays as it is, --force makes it of what there is"


def _last(name: str) -> str:
    return name.rpartition("/")[2]
