"""What only the other images of a session tell: references, halves of field maps, repeats, directions, runs. Pure.

Each step takes the drafts of one session in order of acquisition and returns them in the same order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence

from bidsflow.convert.naming import words
from bidsflow.convert.naming.draft import ENOUGH, Draft
from bidsflow.convert.naming.guess import Guess
from bidsflow.convert.naming.physics import only_b_zero
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import Kind, is_declared_derived, phase_encoding

Drafts = list[Draft]


def name_session(drafts: Sequence[Draft], guesses: Mapping[str, Guess]) -> Drafts:
    """Return the drafts of one session with everything but subject and session in their names.

    Parameters
    ----------
    drafts : sequence of Draft
        As `decide.draft_image` leaves them, in order of acquisition.
    guesses : mapping of str to Guess
        dcm2niix's second opinion by SeriesInstanceUID.
    """
    current = list(drafts)
    for step in (_find_references, _find_blips, _pair_phases, _set_tasks):
        current = step(current)
    current = [_set_direction(draft, guesses) for draft in current]
    for step in (_mark_aborted, _doubt_filtered, _abstain, _set_echo_and_part, _tell_filters_apart):
        current = step(current)
    return _number_runs(_drop_needless_directions(current))


def _geometry(draft: Draft) -> Hashable:
    return draft.image.matrix, tuple(round(value, 1) for value in draft.image.orientation)


def _find_references(drafts: Drafts) -> Drafts:
    """Tell single-band references from runs: one volume, and a run of the same geometry that follows."""
    result = []
    for i, draft in enumerate(drafts):
        single = draft.image.volumes == 1 and draft.finding.kind in (
            Kind.GRADIENT_EPI, Kind.SPIN_EPI, Kind.DIFFUSION, Kind.EPI,
        )  # fmt: skip
        named = words.is_reference(draft.series)
        if not draft.to_convert or draft.exact or not (single or (named and draft.datatype)):
            result.append(draft)
            continue
        run = next((one for one in drafts[i + 1 :] if _is_run_of(one, draft, named)), None)
        if run is not None and (named or draft.suffix != "epi"):
            because = "its words call it the single-band reference" if named else "a single volume"
            datatype = "dwi" if run.finding.kind is Kind.DIFFUSION else "func"
            confidence = 0.95 if named else 0.75
            draft = draft.named(datatype, "sbref", confidence, f"{because} of series {run.series.number}")
        elif named:
            draft = draft.decided(Decision.REVIEW, "its words call it a single-band reference, but no run follows it")
        elif draft.suffix == "bold":
            draft = draft.decided(Decision.REVIEW, "a single gradient-echo EPI volume, and no run that it belongs to")
        result.append(draft)
    return result


def _is_run_of(run: Draft, reference: Draft, named: bool) -> bool:
    """Return whether a draft is a run that an earlier single volume can be the reference of."""
    if not run.to_convert or run.image.volumes < 2 or _geometry(run) != _geometry(reference):
        return False
    if run.image.echo != reference.image.echo or run.image.component != reference.image.component:
        return False
    same_kind = run.finding.kind == reference.finding.kind
    return same_kind or (named and run.suffix in ("bold", "dwi"))


def _find_blips(drafts: Drafts) -> Drafts:
    """Decide what EPIs with few volumes are: diffusion without weighting is the other half of a field map."""
    weighted = [one for one in drafts if one.suffix == "dwi" and one.to_convert and not only_b_zero(one.image)]
    result = []
    for draft in drafts:
        if draft.finding.kind is Kind.DIFFUSION and draft.suffix == "epi" and draft.to_convert and not draft.exact:
            partner = next((one for one in weighted if _geometry(one) == _geometry(draft)), None)
            if partner is not None:
                draft = draft.named(
                    "fmap", "epi", 0.8, f"it has the geometry of the diffusion series {partner.series.number}"
                )
        result.append(draft)
    return result


def _pair_phases(drafts: Drafts) -> Drafts:
    """Bring the magnitudes and phases of gradient-echo field maps together into sets.

    A set is one series of magnitudes and the phase series that follows it with the same geometry. A phase image of
    one series with both echoes is phase1 and phase2; alone it is the difference. What finds no partner is reviewed.
    """
    is_map = [d.to_convert and d.finding.kind in (Kind.FIELD_GRE, Kind.FIELD_HZ) and not d.exact for d in drafts]
    members = [draft for draft, flag in zip(drafts, is_map, strict=True) if flag]
    sets: list[list[Draft]] = []
    for draft in members:
        opens = draft.image.component == "magnitude" and draft.finding.kind is Kind.FIELD_GRE
        same_series = sets and sets[-1][0].series.uid == draft.series.uid
        if sets and (same_series or (not opens and _geometry(sets[-1][0]) == _geometry(draft))):
            sets[-1].append(draft)
        else:
            sets.append([draft])
    named = {id(draft): fate for one in sets for draft, fate in zip(one, _name_set(one), strict=True)}
    return [named.get(id(draft), draft) for draft in drafts]


def _name_set(members: Sequence[Draft]) -> Drafts:
    phases = [one for one in members if one.image.component == "phase" and one.finding.kind is Kind.FIELD_GRE]
    maps = [one for one in members if one.suffix == "fieldmap"]
    magnitudes = [one for one in members if one.image.component == "magnitude" and one not in maps]
    if (not phases and not maps) or not magnitudes:
        lacking = "a phase image" if magnitudes else "its magnitude images"
        return [one.decided(Decision.REVIEW, f"a field map without {lacking}") for one in members]
    result = []
    for one in members:
        if maps and one in magnitudes:
            one = one.named("fmap", "magnitude", one.confidence)
        elif one in phases and len(phases) == 2:
            one = one.named("fmap", f"phase{1 + phases.index(one)}", one.confidence)
        result.append(one)
    return result


def _set_tasks(drafts: Drafts) -> Drafts:
    """Give every functional image a task."""
    result = []
    for draft in drafts:
        if draft.datatype == "func" and not draft.entity("task"):
            label, because = words.task_label(draft.series)
            draft = draft.with_entity("task", label).noted(because)
        result.append(draft)
    return result


def _set_direction(draft: Draft, guesses: Mapping[str, Guess]) -> Draft:
    """Give EPIs the direction of their phase encoding, from the header, else dcm2niix, else words."""
    if not draft.to_convert or draft.datatype not in ("func", "dwi", "fmap") or draft.exact or draft.entity("dir"):
        return draft
    if draft.finding.kind not in (Kind.DIFFUSION, Kind.GRADIENT_EPI, Kind.SPIN_EPI, Kind.EPI):
        return draft
    measured = phase_encoding(draft.series.header)
    guess = guesses.get(draft.series.uid)
    if measured:
        return draft.with_entity("dir", measured).noted(f"phase encoding runs {measured} (header)")
    if guess is not None and guess.direction:
        return draft.with_entity("dir", guess.direction).noted(f"phase encoding runs {guess.direction} (dcm2niix)")
    worded = words.direction(draft.series)
    return draft.with_entity("dir", worded).noted(f"its description says {worded}") if worded else draft


def _mark_aborted(drafts: Drafts) -> Drafts:
    """Set runs that were stopped before their planned end, and repeated, before a person."""
    result = []
    for draft in drafts:
        header = draft.series.header
        # NumberOfTemporalPositions is what was prescribed, not what was reached (DICOM PS3.3 C.8.3.1); GE and enhanced.
        planned = header.integer("PlannedVolumes") or header.integer("NumberOfTemporalPositions")
        if not draft.to_convert or draft.suffix != "bold" or draft.image.volumes >= planned:
            result.append(draft)
            continue
        said = f"it holds {draft.image.volumes} of {planned} planned volumes"
        repeat = next((one for one in drafts if _repeats(one, draft)), None)
        if repeat is None:
            result.append(draft.noted(said))
        else:
            result.append(
                draft.decided(Decision.REVIEW, f"aborted: {said}, and series {repeat.series.number} repeats it")
            )
    return result


def _repeats(later: Draft, draft: Draft) -> bool:
    return (
        later.series.started > draft.series.started
        and later.suffix == draft.suffix
        and later.series.protocol_name == draft.series.protocol_name
        and later.image.volumes > draft.image.volumes
        and later.image.echo == draft.image.echo
        and _geometry(later) == _geometry(draft)
    )


def _doubt_filtered(drafts: Drafts) -> Drafts:
    """Set images that are declared as derived before a person where an original of the same kind is there."""
    originals = {
        (one.suffix, one.series.study_uid)
        for one in drafts
        if one.datatype == "anat" and not is_declared_derived(one.image)
    }
    return [
        draft.decided(Decision.REVIEW, f"ImageType begins with DERIVED, and there is an original {draft.suffix}")
        if draft.to_convert and draft.datatype == "anat" and is_declared_derived(draft.image)
        and (draft.suffix, draft.series.study_uid) in originals
        else draft
        for draft in drafts
    ]  # fmt: skip


def _abstain(drafts: Drafts) -> Drafts:
    """Set before a person what the evidence does not carry."""
    return [
        draft.decided(Decision.REVIEW, f"too little evidence for {draft.datatype}/{draft.suffix}")
        if draft.to_convert and draft.confidence < ENOUGH
        else draft
        for draft in drafts
    ]


def _set_echo_and_part(drafts: Drafts) -> Drafts:
    """Name echoes by their rank, and magnitude and phase where both are there."""
    phases = {(d.suffix, d.series.protocol_name) for d in drafts if d.to_convert and d.image.component != "magnitude"}
    result = []
    for draft in drafts:
        if draft.to_convert and draft.datatype in ("func", "anat", "dwi") and not draft.exact:
            if draft.image.echo and draft.datatype != "dwi" and not draft.entity("echo"):
                draft = draft.with_entity("echo", str(draft.image.echo))
            if (draft.suffix, draft.series.protocol_name) in phases and not draft.entity("part"):
                part = {"magnitude": "mag", "phase": "phase", "real": "real", "imaginary": "imag"}[
                    draft.image.component
                ]
                draft = draft.with_entity("part", part)
        elif draft.to_convert and draft.exact and draft.image.echo and draft.datatype == "func":
            draft = draft.with_entity("echo", str(draft.image.echo))
        result.append(draft)
    return result


def _tell_filters_apart(drafts: Drafts) -> Drafts:
    """Name two reconstructions of one measurement by their filter (Siemens NORM against ND)."""
    groups: dict[Hashable, Drafts] = defaultdict(list)
    for draft in drafts:
        if draft.to_convert and draft.datatype == "anat" and not draft.entity("rec"):
            groups[(draft.suffix, draft.entities, draft.series.started, draft.series.protocol_name)].append(draft)
    renamed: dict[int, Draft] = {}
    for members in groups.values():
        labels = [_filter(one) for one in members]
        if len(members) > 1 and len(set(labels)) == len(members):
            for one, label in zip(members, labels, strict=True):
                because = "a second reconstruction of the same measurement, told apart by the filter in ImageType"
                renamed[id(one)] = one.with_entity("rec", label).noted(because)
    return [renamed.get(id(draft), draft) for draft in drafts]


def _filter(draft: Draft) -> str:
    values = {*draft.image.header.words("ImageType"), *draft.image.header.words("SiemensImageType")}
    return "norm" if "NORM" in values else "nonorm"


def _drop_needless_directions(drafts: Drafts) -> Drafts:
    """Keep the direction in a functional run's name only where the session has the same run in another direction.

    Diffusion keeps it always: its distortion is part of what it is, and other sessions may have the other direction.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    for draft in drafts:
        if draft.to_convert and draft.datatype == "func":
            seen[draft.entity("task")].add(draft.entity("dir"))
    return [
        draft.with_entity("dir", "")
        if draft.datatype == "func" and not draft.exact and len(seen[draft.entity("task")]) < 2
        else draft
        for draft in drafts
    ]


def _number_runs(drafts: Drafts) -> Drafts:
    """Give what was measured more than once a run, by time; echoes, parts and references share that of their series."""
    numbered = _number(drafts, lambda draft: draft.suffix != "sbref" and not draft.entity("run"))
    result = []
    for i, draft in enumerate(numbered):
        if draft.to_convert and draft.suffix == "sbref" and not draft.exact:
            run = next((one for one in numbered[i + 1 :] if _shares_run(one, draft)), None)
            draft = draft.with_entity("run", run.entity("run")) if run is not None else draft
        result.append(draft)
    return result


def _number(drafts: Drafts, wanted: Callable[[Draft], bool]) -> Drafts:
    groups: dict[Hashable, dict[str, None]] = defaultdict(dict)
    for draft in drafts:
        if draft.to_convert and wanted(draft):
            groups[_base(draft)].setdefault(_measurement(draft, drafts))
    result = []
    for draft in drafts:
        if draft.to_convert and wanted(draft) and len(groups[_base(draft)]) > 1:
            rank = 1 + list(groups[_base(draft)]).index(_measurement(draft, drafts))
            draft = draft.with_entity("run", str(rank))
        result.append(draft)
    return result


def _base(draft: Draft) -> Hashable:
    """Return what the names of one measurement's images have in common."""
    kept = tuple(pair for pair in draft.entities if pair[0] not in ("echo", "part"))
    suffix = "gre" if draft.finding.kind is Kind.FIELD_GRE else draft.suffix
    return draft.datatype, suffix, kept


def _measurement(draft: Draft, drafts: Drafts) -> str:
    """Return a key that the images of one measurement share: phases go with the magnitudes before them."""
    if draft.image.component == "magnitude":
        return draft.series.uid
    before = [
        one for one in drafts
        if one.to_convert and one.image.component == "magnitude" and _base(one) == _base(draft)
        and (one.series.started, one.series.number) <= (draft.series.started, draft.series.number)
    ]  # fmt: skip
    return before[-1].series.uid if before else draft.series.uid


def _shares_run(run: Draft, reference: Draft) -> bool:
    own = {key: value for key, value in run.entities if key != "run"}
    theirs = {key: value for key, value in reference.entities if key != "run"}
    same = run.datatype == reference.datatype and run.suffix in ("bold", "dwi") and run.to_convert
    return same and own.get("task") == theirs.get("task") and own.get("dir") == theirs.get("dir")
