"""Run numbers that people typed into the names of functional runs: what logs of events are matched with. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from bidsflow.convert.naming import words
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.tasks import Tasks, run_number

Drafts = list[Draft]

#: What is measured under a task, and has a run number of its own.
_RUNS = frozenset({"bold", "cbv"})


@dataclass(slots=True)
class _Runs:
    """The runs of one name.

    Attributes
    ----------
    first : dict of int to Draft
        The first measurement that each number was typed for, or that a protocol or a study gives it.
    measured : set of str
        All measurements, numbered or not.
    """

    first: dict[int, Draft] = field(default_factory=dict)
    measured: set[str] = field(default_factory=set)


def take_typed_runs(drafts: Drafts, tasks: Tasks) -> Drafts:
    """Give functional runs the numbers that their names have, in whatever order they were measured.

    A number that was typed twice is that of the first; the second gets one that is free (`session`). Where a task has
    one run, and that is number 1, it needs no label.

    Parameters
    ----------
    drafts : list of Draft
        Of one session.
    tasks : Tasks
        Tells which numbers that end names are runs.
    """
    names: dict[Hashable, _Runs] = defaultdict(_Runs)
    highest: dict[str, int] = defaultdict(int)
    for draft in drafts:
        if draft.to_convert and draft.suffix in _RUNS and draft.entity("run").isdecimal():
            names[_base(draft)].first.setdefault(int(draft.entity("run")), draft)
            names[_base(draft)].measured.add(draft.measurement)
    for draft in drafts:
        if _is_open(draft):
            runs, number = names[_base(draft)], run_number(draft.series, tasks)
            runs.measured.add(draft.measurement)
            if number is not None and draft.measurement not in {one.measurement for one in runs.first.values()}:
                runs.first.setdefault(number, draft)
                highest[draft.entity("task")] = max(highest[draft.entity("task")], number)
    needed = {
        base for base, runs in names.items()
        if len(runs.measured) > 1 or any(highest[one.entity("task")] > 1 for one in runs.first.values())
    }  # fmt: skip
    return [_take(draft, names, tasks) if _is_open(draft) and _base(draft) in needed else draft for draft in drafts]


def _is_open(draft: Draft) -> bool:
    """Return whether neither a protocol nor a study gives the run of an image."""
    return draft.to_convert and draft.suffix in _RUNS and not draft.exact and not draft.entity("run")


def _base(draft: Draft) -> Hashable:
    return draft.datatype, draft.suffix, draft.without("echo", "part", "run")


def _take(draft: Draft, names: Mapping[Hashable, _Runs], tasks: Tasks) -> Draft:
    number = run_number(draft.series, tasks)
    first = None if number is None else names[_base(draft)].first.get(number)
    if first is None:
        return draft
    where = words.source(draft.series)
    if first.measurement == draft.measurement:
        return draft.with_entity("run", str(number)).noted(f"the {where} numbers the run {number}")
    said = (
        f"the {where} numbers the run {number}, as that of series {first.series.number}: it has the next that is free"
    )
    return draft.noted(said)
