"""What only the other images of a session tell: tasks, directions, parts, runs. Pure.

Each step takes the drafts of one session in order of acquisition and returns them in the same order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from bidsflow.convert.cohort import Usual
from bidsflow.convert.naming import words
from bidsflow.convert.naming.agent import doubt_dynamics, doubt_passage, mark_agent
from bidsflow.convert.naming.body import doubt_body
from bidsflow.convert.naming.combined import label_combined, label_denoised, tie_combined
from bidsflow.convert.naming.doubts import (
    abstain,
    doubt_derived,
    propose_reformats,
    skip_corrected,
    skip_results,
)
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.followers import doubt_orphans, find_tied, follow_sources, tie_followers
from bidsflow.convert.naming.guess import Guess
from bidsflow.convert.naming.halves import keep_first_echoes
from bidsflow.convert.naming.labelling import doubt_lone_maps, settle_m0
from bidsflow.convert.naming.linked import link_collections
from bidsflow.convert.naming.magnitudes import find_magnitudes
from bidsflow.convert.naming.maps import pair_phases
from bidsflow.convert.naming.numbers import take_typed_runs
from bidsflow.convert.naming.protocols import tell_protocols_apart
from bidsflow.convert.naming.reconstructions import tell_reconstructions_apart
from bidsflow.convert.naming.references import find_blips, find_references, follow_runs
from bidsflow.convert.naming.repeats import doubt_uneven, mark_again, mark_stopped, propose_runs
from bidsflow.convert.naming.rules import hold_reviewed, pin_entities, settle_ruled
from bidsflow.convert.naming.tasks import NO_TASKS, Tasks, doubt_merged, name_task
from bidsflow.convert.naming.twoscans import find_two_scans
from bidsflow.convert.plan import Decision
from bidsflow.dicom.echoes import drop_echo_words
from bidsflow.dicom.physics import Kind, find_axis, find_contradiction, phase_encoding
from bidsflow.dicom.series import Series
from bidsflow.schema import takes

Drafts = list[Draft]

_PARTS = {"magnitude": "mag", "phase": "phase", "real": "real", "imaginary": "imag"}


def name_session(
    drafts: Sequence[Draft],
    guesses: Mapping[str, Guess],
    usual: Mapping[tuple[str, int], Usual] | None = None,
    held: Collection[str] = (),
    tasks: Tasks = NO_TASKS,
) -> Drafts:
    """Return the drafts of one session with everything but subject and session in their names.

    Parameters
    ----------
    drafts : sequence of Draft
        As `decide.draft_image` leaves them, in order of acquisition.
    guesses : mapping of str to Guess
        dcm2niix's second opinion by SeriesInstanceUID.
    usual : mapping of (str, int) to Usual, optional
        How long other people's runs of the same protocol are, by SeriesInstanceUID and rank.
    held : collection of str, optional
        BodyPartExamined of the images of the session that a dataset has of other exports.
    tasks : Tasks, optional
        What the runs of the whole export tell of each other's tasks.
    """
    set_tasks, take_runs = partial(_set_tasks, tasks=tasks), partial(take_typed_runs, tasks=tasks)
    find_stopped, find_halves = partial(mark_stopped, usual=usual or {}), partial(find_blips, usual=usual or {})
    doubt_parts = partial(doubt_body, held=held)
    current = [_set_direction(draft, guesses) for draft in drafts]
    steps = (
        find_references, find_halves, find_magnitudes, find_two_scans, pair_phases, set_tasks, skip_results,
        skip_corrected, find_stopped, keep_first_echoes, tie_combined, doubt_derived, propose_reformats,
        link_collections, doubt_parts, mark_agent, doubt_passage, doubt_dynamics, doubt_lone_maps, settle_m0, abstain,
        doubt_merged, settle_ruled, _share_measurements, tie_followers, _set_echo_and_part, label_denoised,
        tell_reconstructions_apart, label_combined, _drop_needless_directions, tell_protocols_apart, pin_entities,
        take_runs, _number_runs, _refuse_same_index, mark_again, follow_runs, follow_sources, doubt_orphans,
        doubt_uneven, _propose_labels, propose_runs, hold_reviewed,
    )  # fmt: skip
    for step in steps:
        current = step(current)
    return current


def _set_direction(draft: Draft, guesses: Mapping[str, Guess]) -> Draft:
    """Give EPIs the direction of their phase encoding, from the header, else dcm2niix, else words."""
    if not draft.to_convert or not draft.is_planar:
        return draft
    direction, where = _find_direction(draft, guesses)
    if not where and (against := find_contradiction(direction, draft.series.header)):
        said = (
            f"{words.source(draft.series)} says {direction}" if not draft.entity("dir") else f"name has dir-{direction}"
        )
        return draft.noted(f"the {said}, but by the header phase encoding runs {against}")
    draft = replace(draft, direction=direction)
    needed = not draft.exact or draft.suffix == "epi"  # BIDS wants a direction in the name of every fmap/epi
    if not direction or not needed or draft.entity("dir"):
        return draft
    if not where:
        return draft.with_entity("dir", direction).noted(_say_typed(draft, direction))
    typed = words.direction(draft.series)
    against = f", although the {words.source(draft.series)} says {typed}" if typed not in ("", direction) else ""
    return draft.with_entity("dir", direction).noted(f"phase encoding runs {direction} ({where}{against})")


def _find_direction(draft: Draft, guesses: Mapping[str, Guess]) -> tuple[str, str]:
    """Return where phase encoding runs to, and who measured that; nobody where only a name or words say it."""
    guess = guesses.get(draft.series.uid)
    if measured := phase_encoding(draft.series.header):
        return measured, "header"
    if guess is not None and guess.direction:
        return guess.direction, "dcm2niix"
    return draft.entity("dir") or words.direction(draft.series), ""


def _say_typed(draft: Draft, direction: str) -> str:
    told = "the header tells the axis, not the polarity" if find_axis(draft.series.header) else "no header tells it"
    return f"phase encoding runs {direction} ({words.source(draft.series)}; {told})"


def _set_tasks(drafts: Drafts, tasks: Tasks) -> Drafts:
    """Give every functional image a task: echoes that are series of their own that of the first, and no other."""
    first: dict[str, Draft] = {}
    for draft in drafts:
        if draft.image.echo < 2 and draft.suffix != "sbref":
            first.setdefault(draft.home, draft)
    result = []
    for draft in drafts:
        if draft.datatype == "func" and not draft.entity("task"):
            label, because = name_task(first.get(draft.home, draft).series, tasks)
            draft = draft.with_entity("task", label).noted(because)
        result.append(draft)
    return result


def _share_measurements(drafts: Drafts) -> Drafts:
    """Tie phase, real and imaginary images to the magnitudes that were measured with them, so that they share a run."""
    latest: dict[Hashable, Draft] = {}
    same_time: dict[Hashable, Draft] = {}
    telling = len({one.series.started for one in drafts}) > 1  # else anonymisation has set one time for all
    for draft in drafts:
        if telling and draft.has_time and draft.to_convert and draft.image.component == "magnitude":
            same_time.setdefault((_sort_key(draft), draft.series.started), draft)
    result = []
    for draft in drafts:
        key = _sort_key(draft)
        if draft.to_convert and draft.image.component == "magnitude":
            latest[key] = draft
        elif _takes_part(draft) and draft.suffix != "sbref":
            partner = same_time.get((key, draft.series.started)) or latest.get(key)
            draft = replace(draft, measurement=partner.measurement) if partner is not None else draft
        result.append(draft)
    return result


def _takes_part(draft: Draft) -> bool:
    """Return whether BIDS tells magnitude and phase of an image apart by a label, not by its suffix."""
    return draft.to_convert and takes(draft.datatype, draft.suffix, "part")


def _sort_key(draft: Draft) -> Hashable:
    labels = tuple(draft.entity(key) for key in ("task", "dir", "inv", "flip", "mt"))
    return draft.datatype, draft.suffix, draft.geometry, draft.image.volumes, round(draft.image.echo_time, 1), labels


def _set_echo_and_part(drafts: Drafts) -> Drafts:
    """Name echoes by their rank, and magnitude and phase where both are there."""
    named = [draft for draft in drafts if draft.to_convert and draft.datatype in ("func", "anat", "dwi")]
    complex_ = {_protocol_key(one) for one in drafts if _takes_part(one) and one.image.component != "magnitude"}
    echoes: dict[Hashable, Drafts] = defaultdict(list)
    for draft in named:
        echoes[_echoes_key(draft)].append(draft)
    known = _list_echoes(drafts)
    result = []
    for draft in drafts:
        if draft.to_convert and draft.datatype in ("func", "anat", "dwi"):
            several = len(echoes[_echoes_key(draft)]) > 1
            if draft.image.echo and several and draft.datatype != "dwi" and not draft.entity("echo"):
                draft = _number_echo(draft, echoes[_echoes_key(draft)], known)
        if _takes_part(draft) and _protocol_key(draft) in complex_ and not draft.entity("part"):
            draft = draft.with_entity("part", _PARTS[draft.image.component])
        result.append(draft)
    return result


def _propose_labels(drafts: Drafts) -> Drafts:
    """Name echoes and parts of what is for a person as what is converted is named: each gets a file by its decision."""
    proposed = [one for one in drafts if one.decision is Decision.REVIEW and one.datatype in ("func", "anat", "dwi")]
    echoes: dict[Hashable, Drafts] = defaultdict(list)
    parts: dict[Hashable, set[str]] = defaultdict(set)
    for draft in proposed:
        echoes[_echoes_key(draft)].append(draft)
        parts[_protocol_key(draft)].add(draft.image.component)
    known = _list_echoes(drafts)
    named = {id(draft): draft for draft in proposed}
    for draft in proposed:
        several = draft.image.echo and len(echoes[_echoes_key(draft)]) > 1
        if several and not draft.entity("echo") and takes(draft.datatype, draft.suffix, "echo"):
            echo = _number_echo(draft, echoes[_echoes_key(draft)], known).entity("echo")
            named[id(draft)] = draft.with_entity("echo", echo)
        complex_ = len(parts[_protocol_key(draft)]) > 1 and takes(draft.datatype, draft.suffix, "part")
        if complex_ and not draft.entity("part"):
            named[id(draft)] = named[id(draft)].with_entity("part", _PARTS[draft.image.component])
    return [named.get(id(draft), draft) for draft in drafts]


def _echoes_key(draft: Draft) -> Hashable:
    return draft.home, draft.suffix, draft.image.component


def _list_echoes(drafts: Drafts) -> dict[Hashable, set[tuple[float, ...]]]:
    """Return the echo times of each measurement (ms), whatever becomes of it, by what runs of a protocol share."""
    known: dict[Hashable, set[tuple[float, ...]]] = defaultdict(set)
    for draft in drafts:
        known[_echoes_protocol(draft)].add(_list_times(draft.series))
    return known


def _echoes_protocol(draft: Draft) -> Hashable:
    header = draft.image.header
    excited = tuple(round(header.number(keyword), 1) for keyword in ("RepetitionTime", "FlipAngle"))
    protocol, kind = drop_echo_words(draft.series.protocol_name), (draft.suffix, draft.image.component)
    return protocol, kind, draft.image.volumes > 1, draft.geometry, excited


def _list_times(series: Series) -> tuple[float, ...]:
    """Return the echo times of the measurement that a series belongs to, ascending, to a tenth of a ms."""
    times = series.echo_times or [image.echo_time for image in series.images if image.echo]
    return tuple(sorted({round(time, 1) for time in times}))


def _number_echo(draft: Draft, echoes: Drafts, known: Mapping[Hashable, Collection[tuple[float, ...]]]) -> Draft:
    """Return a draft with its echo: by EchoNumbers, which also tell that one is missing, else by the rank of its time.

    A run of its protocol that has the same echo times and more tells the rank, too.

    Source: DICOM PS3.3 C.8.3.1, Echo Number(s); enhanced objects have none.
    """
    numbers = [one.image.header.integer("EchoNumbers") for one in sorted(echoes, key=lambda one: one.image.echo_time)]
    told, number = "", draft.image.header.integer("EchoNumbers")
    if numbers[0] < 1 or numbers != sorted(set(numbers)):
        times = _list_times(draft.series)
        full = max((some for some in known[_echoes_protocol(draft)] if {*some} >= {*times}), key=len)
        if full == times:
            return draft.with_entity("echo", str(draft.image.echo))
        numbers, number = [full.index(time) + 1 for time in times], full.index(round(draft.image.echo_time, 1)) + 1
        told = f"; another run of its protocol has {' and '.join(f'{time:g}' for time in full)} ms"
    draft = draft.with_entity("echo", str(number))
    absent = [str(number) for number in range(1, numbers[-1]) if number not in numbers]
    if not absent:
        return draft
    there = " and ".join(map(str, numbers))
    said = f"echo {' and '.join(absent)} is missing in the export (there are {there}{told})"
    return draft.decided(Decision.REVIEW, said)


def _protocol_key(draft: Draft) -> Hashable:
    return draft.suffix, draft.series.protocol_name, draft.geometry


def _drop_needless_directions(drafts: Drafts) -> Drafts:
    """Keep the direction in a functional run's name only where the session has the same run in another direction.

    A name that the protocol gives without one says nothing of its direction. Diffusion keeps it always: its distortion
    is part of what it is, and other sessions may have the other direction.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    for draft in drafts:
        silent = draft.exact and not draft.entity("dir")
        if draft.to_convert and draft.datatype == "func" and draft.suffix != "noRF" and not silent:
            seen[draft.entity("task")].add(draft.entity("dir"))
    return [
        draft.with_entity("dir", "")
        if draft.datatype == "func" and not draft.exact and len(seen[draft.entity("task")]) < 2
        else draft
        for draft in drafts
    ]


def _number_runs(drafts: Drafts) -> Drafts:
    """Give what was measured more than once a run, by time; the images of one measurement share it.

    Runs that protocols give keep their form; the others go on from there in the same form (``run-01``, ``run-02``).
    """
    given: dict[Hashable, dict[int, str]] = defaultdict(dict)
    settled: dict[Hashable, str] = {}
    for draft in drafts:
        if draft.to_convert and draft.entity("run").isdecimal():
            given[_base(draft)][int(draft.entity("run"))] = draft.entity("run")
            settled[_base(draft), draft.measurement] = draft.entity("run")
    measured: dict[Hashable, list[str]] = defaultdict(list)
    tied = find_tied(drafts)
    for draft in drafts:
        base, measurement = _base(draft), draft.measurement
        if _is_numbered(draft, tied) and (base, measurement) not in settled and measurement not in measured[base]:
            measured[base].append(measurement)
    for base, members in measured.items():
        if len(members) + len(given[base]) > 1:
            runs = _free_runs(len(members), given[base])
            settled |= {(base, one): run for one, run in zip(members, runs, strict=True)}
    return [
        draft.with_entity("run", settled.get((_base(draft), draft.measurement), ""))
        if _is_numbered(draft, tied)
        else draft
        for draft in drafts
    ]


def _free_runs(count: int, given: Mapping[int, str]) -> list[str]:
    """Return the first runs that are not given, in the form of those that are."""
    width = min((len(text) for text in given.values()), default=1)
    free = (number for number in range(1, count + len(given) + 1) if number not in given)
    return [f"{number:0{width}d}" for number, _ in zip(free, range(count), strict=False)]


def _refuse_same_index(drafts: Drafts) -> Drafts:
    """Set measurements before a person whose runs are one index under two forms: ``run-1`` and ``run-01``."""
    forms: dict[Hashable, set[str]] = defaultdict(set)
    for draft in drafts:
        if draft.to_convert and draft.entity("run").isdecimal():
            forms[(_base(draft), int(draft.entity("run")))].add(draft.entity("run"))
    result = []
    for draft in drafts:
        run = draft.entity("run")
        if draft.to_convert and run.isdecimal() and len(forms[(_base(draft), int(run))]) > 1:
            shown = " and ".join(sorted(f"run-{form}" for form in forms[(_base(draft), int(run))]))
            draft = draft.decided(Decision.REVIEW, f"{shown} are one index, given to two measurements")
        result.append(draft)
    return result


def _is_numbered(draft: Draft, tied: Collection[tuple[str, int]]) -> bool:
    """Return whether an image is counted: what is named after its run is counted with it."""
    follows = draft.suffix == "sbref" and draft.measurement != draft.home
    return draft.to_convert and not draft.entity("run") and not follows and (draft.series.uid, draft.rank) not in tied


def _base(draft: Draft) -> Hashable:
    """Return what the names of one measurement's images have in common."""
    maps = {Kind.FIELD_GRE: "gre", Kind.FIELD_HZ: "map"}
    return draft.datatype, maps.get(draft.finding.kind, draft.suffix), draft.without("echo", "part", "run")
