"""New images keep clear of what a dataset holds, and of each other. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from bidsflow.convert.plan import NOT_APPLICABLE, Decision, PlanRow
from bidsflow.names import parse_name, slot_of

#: An image: SeriesInstanceUID and rank in its series.
_RowKey = tuple[str, int]


def find_runs(rows: Sequence[PlanRow], taken: Mapping[_RowKey, str], shared: Mapping[_RowKey, str]) -> list[PlanRow]:
    """Return the rows so that new images keep clear of what the dataset holds.

    The images of one measurement (echoes, parts, reference) move together: to the run of those that the dataset holds
    already under the same labels, else, where one of their names is taken, to the next run that is free for all. Under
    other labels (a map without a direction) runs are counted by themselves. Parts of one image (magnitude, phase) share
    their run, and so no image gets the name of another part of what was measured otherwise.
    """
    groups: dict[str, list[PlanRow]] = defaultdict(list)
    for row in rows:
        if row.decision is Decision.CONVERT:
            groups[shared[key_of(row)]].append(row)
    held = set(map(slot_of, taken.values()))
    stems, measured = set(map(_stem, taken.values())), {uid for uid, _ in taken}
    used = held | stems | {slot_of(row.path) for row in rows if row.decision is Decision.CONVERT}
    moved: dict[_RowKey, PlanRow] = {}
    for measurement, members in groups.items():
        new = [row for row in members if key_of(row) not in taken]
        kept = {_labels(row): row for row in reversed(members) if key_of(row) in taken}
        for row in [row for row in new if _labels(row) in kept]:
            first = kept[_labels(row)]
            run = parse_name(first.path).entity("run")
            said = f"It was measured with series {first.series_number}, which was converted before, and has its run."
            moved[key_of(row)] = _set_run(row, run, said)
        new = [row for row in new if _labels(row) not in kept]
        others = set() if measurement in measured else stems
        if any(slot_of(row.path) in held or _stem(row.path) in others for row in new):
            run = _next_run(new, used)
            said = f"Its name is taken by an image converted before, so it is run {run}."
            moved |= {key_of(row): _set_run(row, run, said) for row in new}
            used |= {slot_of(moved[key_of(row)].path) for row in new}
    return [moved.get(key_of(row), row) for row in rows]


def _stem(path: str) -> str:
    """Return what the names of the parts of one image share."""
    return slot_of(str(parse_name(path).with_entity("part", "")))


def key_of(row: PlanRow) -> _RowKey:
    """Return which image a row is about."""
    return row.series_uid, row.image


def _labels(row: PlanRow) -> tuple[object, ...]:
    """Return what the names of a measurement's images share that are counted together."""
    name = parse_name(row.path)
    return name.folder, name.datatype, tuple(pair for pair in name.entities if pair[0] not in ("run", "echo", "part"))


def _set_run(row: PlanRow, run: str, said: str) -> PlanRow:
    path = str(parse_name(row.path).with_entity("run", run))
    return row if path == row.path else replace(row, path=path, evidence=f"{said} {row.evidence}")


def _next_run(rows: Sequence[PlanRow], used: set[str]) -> str:
    names, run = [parse_name(row.path) for row in rows], 2
    width = max(len(name.entity("run")) for name in names)
    while any({slot_of(path := str(name.with_entity("run", str(run)))), _stem(path)} & used for name in names):
        run += 1
    return str(run).zfill(width)


def refuse_conflicts(rows: Sequence[PlanRow], taken: Mapping[_RowKey, str]) -> list[PlanRow]:
    """Return the rows so that no two claim one path: new images under one name are all set before a person.

    Names that no one can tell apart count as one (`names.slot_of`).
    """
    claims = Counter(slot_of(row.path) for row in rows if row.decision is Decision.CONVERT)
    held = {slot_of(path): key for key, path in taken.items()}
    return [
        _contest(row)
        if row.decision is Decision.CONVERT
        and held.get(slot_of(row.path)) != key_of(row)
        and (claims[slot_of(row.path)] > 1 or slot_of(row.path) in held)
        else row
        for row in rows
    ]


def _contest(row: PlanRow) -> PlanRow:
    evidence = f"Two images claim this name; say which is which. {row.evidence}"
    return replace(row, decision=Decision.REVIEW, evidence=evidence, b0_identifier="", b0_source="")


def free_proposals(
    rows: Sequence[PlanRow], taken: Mapping[_RowKey, str], shared: Mapping[_RowKey, str]
) -> list[PlanRow]:
    """Return the rows so that a person converts what is proposed by the decision alone.

    No proposal has a name that is taken in the dataset, by what the plan converts, or by another proposal. The images
    of one measurement move together: to the run of those that are converted, else to the next that is free for all.
    Those of one measurement that nothing but their rank tells apart get a run each.
    """
    converted = [row for row in rows if row.decision is Decision.CONVERT]
    used = {slot_of(path) for path in taken.values()} | {slot_of(row.path) for row in converted}
    homes = {shared[key_of(row)]: parse_name(row.path).entity("run") for row in converted}
    groups: dict[tuple[str, int], list[PlanRow]] = defaultdict(list)
    same: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.decision is Decision.REVIEW and row.path != NOT_APPLICABLE:
            measurement, slot = shared[key_of(row)], slot_of(row.path)
            groups[measurement, same[measurement, slot]].append(row)
            same[measurement, slot] += 1
    proposed = {slot_of(row.path) for members in groups.values() for row in members}
    moved: dict[_RowKey, PlanRow] = {}
    for (measurement, _), members in groups.items():
        if any(slot_of(row.path) in used for row in members):
            run = _choose_run(members, used | proposed, homes.get(measurement))
            moved |= {key_of(row): _propose_run(row, run) for row in members}
        used |= {slot_of(moved.get(key_of(row), row).path) for row in members}
    return [moved.get(key_of(row), row) for row in rows]


def _choose_run(rows: Sequence[PlanRow], used: set[str], home: str | None) -> str:
    """Return the run of the rest of their measurement, where it is free for all of them; else the next that is."""
    if home is not None and not any(
        slot_of(str(parse_name(one.path).with_entity("run", home))) in used for one in rows
    ):
        return home
    return _next_run(rows, used)


def _propose_run(row: PlanRow, run: str) -> PlanRow:
    path = str(parse_name(row.path).with_entity("run", run))
    said = "The run that is proposed is free."
    return row if path == row.path else replace(row, path=path, evidence=f"{row.evidence} {said}")
