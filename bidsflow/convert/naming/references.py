"""Which single volumes are references of which runs, and which EPIs with few volumes are halves of field maps. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace

from bidsflow.convert.cohort import Usual
from bidsflow.convert.naming import words
from bidsflow.convert.naming.draft import ENOUGH, Draft
from bidsflow.convert.naming.physics import FEW_VOLUMES, only_b_zero
from bidsflow.convert.naming.repeats import lacks_volumes, planned_volumes
from bidsflow.convert.plan import Decision
from bidsflow.convert.visits import seconds_of
from bidsflow.dicom.physics import FAIR, STRONG, WEAK, Kind, phase_encoding

Drafts = list[Draft]

#: Why a reference waits for a person that has no run in its export; it may be that of a run of the dataset.
NO_RUN = "no run of its voxels and echo follows it directly"

#: A run begins within this time after its reference (s), which the scanner measures as the first part of it, or has the
#: next number. What comes later follows a run that was lost.
RIGHT_AFTER = 600.0

_OPPOSITE = {"AP": "PA", "PA": "AP", "LR": "RL", "RL": "LR", "HF": "FH", "FH": "HF"}
#: The halves of a field map begin within this time (s); what comes later may be another visit to the scanner.
_SOON = 1800.0


def find_references(drafts: Drafts) -> Drafts:
    """Tell single-band references from runs, and tie each to the run that follows it.

    A reference comes right before its run, with the same voxels, echo time and component. One that no run follows
    within minutes, or only the run of another, is for a person.
    """
    waiting: dict[Hashable, int] = {}
    next_run: dict[int, Draft] = {}
    for rank, draft in enumerate(drafts):
        key = _readout_key(draft)
        if _may_be_reference(draft):
            waiting[key] = rank
        elif key in waiting and draft.is_planar and draft.image.volumes > 1 and draft.decision is not Decision.SKIP:
            reference = waiting.pop(key)
            if _is_right_after(draft, drafts[reference]):
                next_run[reference] = draft
    return [_name_reference(draft, next_run.get(rank)) for rank, draft in enumerate(drafts)]


def _is_right_after(run: Draft, reference: Draft) -> bool:
    """Return whether a run began right after a reference, as far as numbers and times tell."""
    ours, theirs = reference.series, run.series
    if ours.study_uid == theirs.study_uid and theirs.number - ours.number == 1:
        return True
    begun, again = seconds_of(ours.started), seconds_of(theirs.started)
    return begun is None or again is None or abs(again - begun) <= RIGHT_AFTER


def _readout_key(draft: Draft) -> Hashable:
    """Return what a reference and its run have in common for certain: where the voxels lie, and which signal it is."""
    header, image = draft.image.header, draft.image
    spacing = (*header.numbers("PixelSpacing"), header.number("SliceThickness"))
    return draft.geometry, tuple(round(one, 1) for one in spacing), round(image.echo_time, 1), image.component


def _may_be_reference(draft: Draft) -> bool:
    if not draft.to_convert or not draft.datatype:
        return False
    if draft.suffix == "sbref" or words.is_reference(draft.series):
        return True
    return draft.is_planar and draft.image.volumes == 1 and draft.suffix != "epi" and not draft.exact


def _find_difference(reference: Draft, run: Draft) -> str:
    """Return a clause on what speaks against a reference being that of the run after it, ``""`` where nothing does."""
    number = run.series.number
    ours, theirs = (words.words_but_kind(one.series) for one in (reference, run))
    if ours and theirs and ours != theirs:
        return f"its name does not go with that of series {number}, the run after it"
    if reference.direction and run.direction and reference.direction != run.direction:
        directions = f"{reference.direction}, and that of series {number}, the run after it, {run.direction}"
        return f"its phase encoding runs {directions}"
    if not _is_called_reference(reference) and reference.finding.kind is not run.finding.kind:
        return f"series {number}, the run after it, is {run.finding.kind.value}"
    return ""


def _is_called_reference(draft: Draft) -> bool:
    return draft.suffix == "sbref" or words.is_reference(draft.series)


def _name_reference(draft: Draft, run: Draft | None) -> Draft:
    if not _may_be_reference(draft) or (draft.exact and draft.suffix != "sbref"):
        return draft
    named = _is_called_reference(draft)
    difference = _find_difference(draft, run) if run is not None else NO_RUN
    if run is None or difference:
        return _doubt_reference(draft, named, difference)
    if run.suffix == "epi":
        plain = named and run.finding.kind is Kind.SPIN_EPI  # a gradient echo may be a run that was stopped
        return _skip_of_field(draft, run) if plain else _doubt_of_field(draft, run)
    tied = replace(draft, measurement=run.home)
    if draft.exact:
        return tied.noted(f"the single-band reference of series {run.series.number}")
    datatype = "dwi" if run.datatype == "dwi" else "func"
    if named:
        said = f"its words call it the single-band reference of series {run.series.number}"
        return tied.named(datatype, "sbref", STRONG, said)
    if has_word(run, "MB") and not has_word(draft, "MB"):
        said = f"a single volume before series {run.series.number}, which is multiband (MB in ImageType) as it is not"
        return tied.named(datatype, "sbref", FAIR, said)
    said = f"a single volume before series {run.series.number}: its single-band reference, or a run that was stopped"
    return tied.named(datatype, "sbref", WEAK, said)


def _doubt_reference(draft: Draft, named: bool, because: str) -> Draft:
    """Set a reference without a run before a person; what is proposed for one volume is an ``sbref``."""
    if not named and draft.suffix != "bold":
        return draft
    what = "its words call it a single-band reference, but" if named else "a single gradient-echo EPI volume:"
    diffusion = draft.finding.kind is Kind.DIFFUSION
    if draft.image.volumes == 1 and (diffusion or draft.suffix == "bold"):
        draft = replace(draft, datatype="dwi" if diffusion else draft.datatype, suffix="sbref")
    return draft.decided(Decision.REVIEW, f"{what} {because}")


def has_word(draft: Draft, word: str) -> bool:
    """Return whether the image type of a draft, or that of Siemens, has a word."""
    header = draft.image.header
    return word in header.words("ImageType") or word in header.words("SiemensImageType")


@dataclass(frozen=True, slots=True)
class _Session:
    """What a session has that its EPIs with few volumes are held against.

    Attributes
    ----------
    weighted : mapping
        Weighted diffusion, by geometry.
    against : mapping
        The first functional run with many volumes, by geometry and direction.
    longer : mapping
        The same, by all that a run and its repetition have in common.
    usual : mapping of (str, int) to Usual
        What other people have, by SeriesInstanceUID and rank.
    """

    weighted: Mapping[Hashable, Drafts]
    against: Mapping[Hashable, Draft]
    longer: Mapping[Hashable, Draft]
    usual: Mapping[tuple[str, int], Usual]


def find_blips(drafts: Drafts, usual: Mapping[tuple[str, int], Usual]) -> Drafts:
    """Decide which EPIs with few volumes are halves of field maps.

    Diffusion without a weighted volume is, beside weighted diffusion of the same geometry; unless it was planned to be
    as long as one that has its name and direction, and was stopped before its first weighted volume. A few volumes of
    gradient echo are, where they run against a long run of the same geometry, and so is the twin of such a half; unless
    they are what is left of a run that was stopped. Diffusion without a weighted volume is, too, where two of them are
    alike but for their direction.

    Parameters
    ----------
    drafts : list of Draft
        Of one session.
    usual : mapping of (str, int) to Usual
        How long other people's runs of the same protocol are, by SeriesInstanceUID and rank.
    """
    weighted: dict[Hashable, Drafts] = defaultdict(list)
    against: dict[Hashable, Draft] = {}
    longer: dict[Hashable, Draft] = {}
    for draft in drafts:
        if draft.to_convert and draft.suffix == "dwi" and not only_b_zero(draft.image):
            weighted[draft.geometry].append(draft)
        if draft.to_convert and draft.suffix == "bold" and draft.image.volumes > FEW_VOLUMES:
            against.setdefault((draft.geometry, draft.direction), draft)
            longer.setdefault(_name_key(draft), draft)
    session = _Session(weighted, against, longer, usual)
    halves = [_find_half(draft, session) for draft in drafts]
    found: dict[Hashable, Draft] = {}
    for before, after in zip(drafts, halves, strict=True):
        if after.suffix == "epi" and after is not before and after.finding.kind is not Kind.DIFFUSION:
            found.setdefault((after.geometry, after.image.volumes, _OPPOSITE[after.direction]), after)
    decided = _pair_unweighted([_find_twin(draft, found, session) for draft in halves], session)
    # The halves of a field map have no echo in their names: each series is a measurement of its own.
    return [replace(one, measurement=one.series.uid) if one.suffix == "epi" else one for one in decided]


def _name_key(draft: Draft) -> Hashable:
    """Return what a run and its repetition have in common: the name that was typed, and how they were measured."""
    series, image = draft.series, draft.image
    return series.description, series.protocol_name, draft.geometry, draft.direction, image.echo, image.component


def _was_longer(draft: Draft, session: _Session) -> bool:
    """Return whether a few volumes are what is left of a run: more were planned, or other people have more."""
    planned = lacks_volumes(draft) and planned_volumes(draft.series) > FEW_VOLUMES
    usual = session.usual.get((draft.series.uid, draft.rank))
    return planned or (usual is not None and usual.volumes > FEW_VOLUMES and draft.image.volumes < usual.least)


def _find_longer(draft: Draft, session: _Session) -> Draft | None:
    """Return the run with many volumes that has the name and the direction of an image with few."""
    named = draft.series.description or draft.series.protocol_name
    return session.longer.get(_name_key(draft)) if named else None


def _is_short(draft: Draft) -> bool:
    return draft.to_convert and draft.is_planar and not draft.exact and draft.image.volumes <= FEW_VOLUMES


def _find_half(draft: Draft, session: _Session) -> Draft:
    if not _is_short(draft) or draft.suffix == "sbref":
        return draft
    if draft.finding.kind is Kind.DIFFUSION:
        partners = session.weighted.get(draft.geometry, []) if draft.suffix == "epi" else []
        if not partners:
            return draft
        whole = next((partner for partner in partners if _was_to_be(draft, partner)), None)
        if whole is not None:
            said = f"planned as series {whole.series.number}, and stopped before its first weighted volume"
            return draft.named("dwi", "dwi", STRONG, said)
        return draft.named(
            "fmap", "epi", STRONG, f"it has the geometry of the diffusion series {partners[0].series.number}"
        )
    against = session.against.get((draft.geometry, _OPPOSITE.get(draft.direction, "none")))
    if draft.suffix != "bold" or against is None:
        return draft
    longer, was_longer = _find_longer(draft, session), _was_longer(draft, session)
    if longer is not None:
        return draft if was_longer else _doubt_namesake(draft, longer)
    if was_longer:
        said = f"fewer volumes than were to be measured, in the reverse direction of series {against.series.number}: "
        return draft.decided(Decision.REVIEW, f"{said}a run that was stopped, or half of a field map")
    return draft.named("fmap", "epi", FAIR, f"a few volumes in the reverse direction of series {against.series.number}")


def _doubt_namesake(draft: Draft, longer: Draft) -> Draft:
    """Return a few volumes under the name of a run: they were stopped, unless they were planned to be so few."""
    if not planned_volumes(draft.series):
        return draft
    said = f"series {longer.series.number} of the same name and direction has {longer.image.volumes} volumes, and this "
    said += f"one was planned with {draft.image.volumes}: a short run, or half of a field map"
    return draft.decided(Decision.REVIEW, said)


def _was_to_be(draft: Draft, partner: Draft) -> bool:
    """Return whether a diffusion series was planned as another: under its name and direction, and as long at least."""
    ours, theirs = (
        (one.series.description, one.series.protocol_name, one.direction or one.entity("dir"), one.image.component)
        for one in (draft, partner)
    )
    return ours == theirs and any(ours[:2]) and planned_volumes(draft.series) >= max(partner.image.volumes, 2)


def _find_twin(draft: Draft, found: Mapping[Hashable, Draft], session: _Session) -> Draft:
    half = found.get((draft.geometry, draft.image.volumes, draft.direction))
    if half is None or not _is_short(draft) or draft.suffix != "bold" or _was_longer(draft, session):
        return draft
    return draft.named("fmap", "epi", FAIR, f"as few volumes as series {half.series.number}, which runs against it")


def _pair_unweighted(drafts: Drafts, session: _Session) -> Drafts:
    """Return diffusion without a weighted volume as halves of a field map where two run against each other.

    Nobody measures the same few volumes in both directions, one after the other, for anything else. What was to be
    longer is no half, and only headers are believed on the direction.
    """
    open_ = [one for one in drafts if _may_be_half(one, session)]
    pairs: dict[int, Draft] = {}
    for one in open_:
        against = (other for other in open_ if _runs_against(one, other))
        nearest = min(against, key=lambda other: _seconds_between(one, other), default=None)
        if nearest is not None:
            said = f"as few volumes as series {nearest.series.number}, which was measured alike and runs against it"
            pairs[id(one)] = one.named("fmap", "epi", FAIR, said)
    return [pairs.get(id(draft), draft) for draft in drafts]


def _may_be_half(draft: Draft, session: _Session) -> bool:
    if not _is_short(draft) or draft.suffix != "epi" or draft.finding.kind is not Kind.DIFFUSION:
        return False
    known = draft.direction and draft.direction == phase_encoding(draft.series.header)
    return bool(known) and draft.confidence < ENOUGH and not _was_longer(draft, session)


def _runs_against(one: Draft, other: Draft) -> bool:
    """Return whether two images differ in nothing but the direction of phase encoding, and were measured soon after."""
    alike = _readout_key(one) == _readout_key(other) and one.image.volumes == other.image.volumes
    rates = [draft.series.header.number("RepetitionTime") for draft in (one, other)]
    against = one.direction == _OPPOSITE.get(other.direction, "none")
    return alike and against and rates[0] == rates[1] and _seconds_between(one, other) <= _SOON


def _seconds_between(one: Draft, other: Draft) -> float:
    """Return how long after each other two images began; 0 where anonymisation took both times, else infinite."""
    begun, again = (seconds_of(draft.series.started) for draft in (one, other))
    if begun is None or again is None:
        return 0.0 if begun is again else math.inf
    return abs(begun - again)


def follow_runs(drafts: Drafts) -> Drafts:
    """Give references the name of their run, and its fate."""
    runs: dict[str, Drafts] = defaultdict(list)
    for draft in drafts:
        runs[draft.home].append(draft)
    return [_follow(draft, runs[draft.measurement]) if _is_tied(draft) else draft for draft in drafts]


def _is_tied(draft: Draft) -> bool:
    return draft.to_convert and draft.suffix == "sbref" and draft.measurement != draft.home


def _follow(draft: Draft, members: Drafts) -> Draft:
    """Return a reference with the name of the image of its echo, where that is converted as a run."""
    if any(one.suffix == "epi" for one in members):
        return _doubt_of_field(draft, members[0])
    runs = [one for one in members if one.to_convert and one.suffix in ("bold", "dwi", "cbv")]
    run = next((one for one in runs if _readout_key(one) == _readout_key(draft)), runs[0] if runs else None)
    if run is None:
        return draft.decided(Decision.REVIEW, f"its run is for a person to decide ({members[0].evidence[0]})")
    if draft.exact:
        return draft.with_entity("run", run.entity("run"))
    named = replace(draft, entities=run.without("part")).with_entity("part", draft.entity("part"))
    return named.with_entity("echo", run.entity("echo") or draft.entity("echo")).with_entity("dir", run.entity("dir"))


def _doubt_of_field(draft: Draft, half: Draft) -> Draft:
    said = f"the single-band reference of series {half.series.number}, a field map, has no name in BIDS"
    return draft.decided(Decision.REVIEW, said)


def _skip_of_field(draft: Draft, half: Draft) -> Draft:
    """Leave out the reference of a spin-echo field map: no session with such field maps is without one."""
    said = f"the single-band reference of series {half.series.number}, a field map, for which BIDS has no name"
    left = draft.named("", "", STRONG).decided(Decision.SKIP, said)
    return replace(left, entities=(), exact=False)
