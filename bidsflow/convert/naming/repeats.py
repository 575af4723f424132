"""Runs that were stopped, that are short, or that were measured again. Pure.

Nothing is left out for that: what was repeated is for a person to decide, with a proposal; what is short and alone is
converted, and said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow.convert.cohort import Usual
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.vocabulary import drop_remarks
from bidsflow.convert.plan import Decision
from bidsflow.dicom.images import CUT_SHORT, is_noise
from bidsflow.dicom.physics import is_difference
from bidsflow.dicom.series import Series

Drafts = list[Draft]

#: What is measured over time, so that it may end too early.
_TIMED = frozenset({"bold", "cbv", "dwi", "asl"})
#: What has a task, beside which people type that a run repeats another.
_REMARKED = frozenset({"bold", "cbv"})
#: What the column of a plan says of the run that is to be kept.
KEEP = "keep"


@dataclass(frozen=True, slots=True)
class _Lack:
    """What a run lacks.

    Attributes
    ----------
    said : str
        A clause for the evidence.
    count : str
        The same in the fewest words.
    """

    said: str
    count: str


def planned_volumes(series: Series) -> int:
    """Return how many volumes were prescribed, 0 where the header does not say.

    NumberOfTemporalPositions is what was prescribed, not what was reached (DICOM PS3.3 C.8.3.1); GE and enhanced.
    """
    header = series.header
    return header.integer("PlannedVolumes") or header.integer("NumberOfTemporalPositions")


def lacks_volumes(draft: Draft) -> bool:
    """Return whether more volumes were prescribed than an image has, and no noise ends its run instead."""
    return planned_volumes(draft.series) > draft.image.volumes + _count_noise(draft) + _count_passes(draft)


def mark_stopped(drafts: Drafts, usual: Mapping[tuple[str, int], Usual]) -> Drafts:
    """Set runs that ended too early, and were repeated, before a person; note those that were not repeated.

    How long a run should be is told by its header, else by other people under the same protocol. Where neither tells, a
    run with fewer volumes than another of the same name is in doubt.

    Parameters
    ----------
    drafts : list of Draft
        Of one session.
    usual : mapping of (str, int) to Usual
        What other people have, by SeriesInstanceUID and rank.
    """
    told = _mark_all(drafts, usual)
    # No echo is stopped before the others: where the run is whole, one that is short lacks images (`doubt_uneven`).
    longest = _find_longest(told)
    lacking = {id(draft) for draft in drafts if _is_uneven(draft, longest)}
    if not lacking:
        return told
    others = iter(_mark_all([draft for draft in drafts if id(draft) not in lacking], usual))
    return [draft if id(draft) in lacking else next(others) for draft in drafts]


def _mark_all(drafts: Drafts, usual: Mapping[tuple[str, int], Usual]) -> Drafts:
    groups: dict[Hashable, Drafts] = defaultdict(list)
    for draft in drafts:
        if draft.to_convert and draft.suffix in _TIMED:
            groups[_name_key(draft)].append(draft)
    marked: dict[int, Draft] = {}
    for members in groups.values():
        lacks = [_find_lack(draft, usual.get((draft.series.uid, draft.rank))) for draft in members]
        marked |= {id(draft): _mark(at, members, lacks, usual) for at, draft in enumerate(members)}
        if any(marked[id(draft)].decision is Decision.REVIEW for draft in members):
            kept = [marked[id(draft)] for draft in members]
            marked |= {
                id(draft): replace(one, repeat=one.repeat or KEEP)
                for draft, one in zip(members, kept, strict=True)
                if one.to_convert
            }
    return [marked.get(id(draft), draft) for draft in drafts]


def doubt_uneven(drafts: Drafts) -> Drafts:
    """Set echoes before a person that have fewer volumes than the others of their run: images are missing."""
    longest = _find_longest(drafts)
    result = []
    for draft in drafts:
        if draft.to_convert and _is_uneven(draft, longest):
            other, volumes = longest[_echoes_key(draft)], draft.image.volumes
            said = f"images of this echo are missing in the export: it holds {_count(volumes)}, and "
            said += f"{_name_echo(other)} of the same run (series {other.series.number}) {other.image.volumes}"
            column = draft.repeat or f"short ({volumes} of {other.image.volumes} volumes)"
            draft = replace(draft.decided(Decision.REVIEW, said), repeat=column)
        result.append(draft)
    return result


def _name_echo(draft: Draft) -> str:
    return f"echo {draft.entity('echo') or draft.image.echo}"


def _find_longest(drafts: Drafts) -> dict[Hashable, Draft]:
    """Return the longest echo of each run that is to be converted."""
    longest: dict[Hashable, Draft] = {}
    for draft in drafts:
        if draft.to_convert and draft.suffix in _TIMED and draft.image.echo:
            before = longest.setdefault(_echoes_key(draft), draft)
            if draft.image.volumes > before.image.volumes:
                longest[_echoes_key(draft)] = draft
    return longest


def _echoes_key(draft: Draft) -> Hashable:
    return draft.home, draft.suffix, draft.image.component


def _is_uneven(draft: Draft, longest: Mapping[Hashable, Draft]) -> bool:
    other = longest.get(_echoes_key(draft)) if draft.image.echo and draft.suffix in _TIMED else None
    return other is not None and draft.image.volumes < other.image.volumes


def _name_key(draft: Draft) -> Hashable:
    series, image = draft.series, draft.image
    names = series.description, series.protocol_name
    if draft.suffix in _REMARKED and not draft.exact:
        names = drop_remarks(series.description), drop_remarks(series.protocol_name)
    return (
        draft.suffix, *names, draft.geometry, image.echo, image.component, draft.direction or draft.entity("dir"),
    )  # fmt: skip


def _find_lack(draft: Draft, usual: Usual | None) -> _Lack | None:
    """Return what a run lacks, None where it is whole as far as anything tells."""
    volumes, planned = draft.image.volumes, planned_volumes(draft.series)
    if lacks_volumes(draft):
        return _Lack(f"it holds {volumes} of {planned} planned volumes", f"{volumes} of {planned} volumes")
    cut = next((one for one in draft.series.incomplete if one.startswith(CUT_SHORT)), "")
    if cut:
        return _Lack(cut, "its last volume is not whole")
    if usual is not None and volumes < usual.least:
        others = f"{usual.people} other people have {usual.volumes} under this protocol"
        return _Lack(f"it holds {_count(volumes)}, and {others}", f"{volumes} of {usual.volumes} volumes")
    return None


def _count_passes(draft: Draft) -> int:
    """Return the volumes of the other pass of GE's labelled blood, where one of the two is declared to be derived."""
    images = draft.series.images
    return sum(one.volumes for one in images if one is not draft.image) if any(map(is_difference, images)) else 0


def _count_noise(draft: Draft) -> int:
    """Return how many volumes without excitation end the run: what is planned may count them."""
    like = draft.image.echo, draft.image.component
    return sum(one.volumes for one in draft.series.images if is_noise(one.header) and (one.echo, one.component) == like)


def _count(volumes: int) -> str:
    return "one volume" if volumes == 1 else f"{volumes} volumes"


def _mark(at: int, members: Drafts, lacks: Sequence[_Lack | None], usual: Mapping[tuple[str, int], Usual]) -> Draft:
    """Return one of the runs of a name with what is to be said of it beside the others."""
    draft, lack = members[at], lacks[at]
    known = planned_volumes(draft.series) or (draft.series.uid, draft.rank) in usual
    if lack is None and (known or not (draft.series.description or draft.series.protocol_name)):
        return draft
    best = _find_best(at, members, lacks)
    if best is None:
        return replace(draft.noted(lack.said), repeat=f"short ({lack.count})") if lack is not None else draft
    other = members[best]
    number, theirs = other.series.number, other.image.volumes
    if lack is None:
        said = f"perhaps stopped before its end: it holds {_count(draft.image.volumes)}, and series {number} of the "
        column = f"perhaps aborted ({_count(draft.image.volumes)}), series {number} has {theirs}"
        return replace(draft.decided(Decision.REVIEW, f"{said}same name {theirs}"), repeat=column)
    whole = "is whole" if lacks[best] is None else f"has {theirs}"
    then, proposal = ("repeats it", f"repeated by series {number}") if best > at else (
        f"before it has {theirs}", f"series {number} {whole}")  # fmt: skip
    said = f"aborted: {lack.said}, and series {number} {then}"
    return replace(draft.decided(Decision.REVIEW, said), repeat=f"aborted ({lack.count}), {proposal}")


def _find_best(at: int, members: Drafts, lacks: Sequence[_Lack | None]) -> int | None:
    """Return the place of the run that stands for a shorter one: a whole one, a later one, the longest."""

    def is_better(place: int) -> bool:
        ours, theirs = members[at].image.volumes, members[place].image.volumes
        return theirs > ours or (theirs == ours and lacks[at] is not None and lacks[place] is None)

    better = [place for place in range(len(members)) if place != at and is_better(place)]
    return max(better, key=lambda place: (lacks[place] is None, members[place].image.volumes, place > at), default=None)


def mark_again(drafts: Drafts) -> Drafts:
    """Note anatomy that was measured more than once, which is done where a person moved: both are runs."""
    groups: dict[Hashable, dict[str, list[Draft]]] = defaultdict(lambda: defaultdict(list))
    for draft in drafts:
        if draft.to_convert and draft.datatype == "anat" and draft.entity("run"):
            rest = draft.without("run", "echo", "part", "inv", "flip", "mt")
            groups[draft.suffix, rest][draft.measurement].append(draft)
    noted: dict[int, Draft] = {}
    for measured in groups.values():
        numbers = [some[0].series.number for some in measured.values()]
        shown = ", ".join(map(str, numbers))
        for place, some in enumerate(measured.values()):
            if len(numbers) > 1:
                last = place == len(numbers) - 1
                column = f"repeats series {numbers[place - 1]}" if last else f"repeated by series {numbers[place + 1]}"
                said = f"measured {len(numbers)} times (series {shown}): look which is to be used"
                noted |= {id(draft): replace(draft.noted(said), repeat=column) for draft in some}
    return [noted.get(id(draft), draft) for draft in drafts]


def propose_runs(drafts: Drafts) -> Drafts:
    """Give stopped runs, and their references, a name that is free: to have one, a person changes its decision only."""
    whole = [draft for draft in drafts if draft.to_convert and draft.suffix in _TIMED | {"sbref"}]
    keepers = {_name_key(draft): draft for draft in whole}
    used: dict[Hashable, set[int]] = defaultdict(set)
    for draft in whole:
        given = draft.entity("run")
        used[_base(draft)] |= {int(given) if given.isdecimal() else 1}
    stopped: dict[str, Draft] = {}
    runs: dict[str, str] = {}
    for draft in drafts:
        keeper = keepers.get(_name_key(draft))
        if _is_stopped(draft) and keeper is not None and draft.measurement not in runs:
            numbers = used[_base(keeper)]
            run = next(number for number in range(2, len(numbers) + 3) if number not in numbers)
            numbers.add(run)
            runs[draft.measurement] = str(run).zfill(len(keeper.entity("run")))
            stopped[draft.measurement] = draft
    return [
        _rename(draft, keepers.get(_name_key(draft)), runs[draft.measurement], stopped[draft.measurement])
        if draft.measurement in runs
        else draft
        for draft in drafts
    ]


def _is_stopped(draft: Draft) -> bool:
    return draft.decision is Decision.REVIEW and draft.suffix in _TIMED and "aborted" in draft.repeat


def _base(draft: Draft) -> Hashable:
    return draft.datatype, draft.suffix, draft.without("echo", "part", "run")


def _rename(draft: Draft, keeper: Draft | None, run: str, stopped: Draft) -> Draft:
    """Return an image of a stopped run, or its reference, with the name of its like in the run that is kept."""
    named = draft if keeper is None else replace(draft, entities=keeper.entities)
    return replace(named.with_entity("run", run), repeat=draft.repeat or stopped.repeat)
