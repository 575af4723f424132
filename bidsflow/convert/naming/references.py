"""Which single volumes are references of which runs, and which EPIs with few volumes are halves of field maps. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import replace

from bidsflow.convert.naming import words
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.physics import FEW_VOLUMES, only_b_zero
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import FAIR, STRONG, WEAK, Kind

Drafts = list[Draft]

_OPPOSITE = {"AP": "PA", "PA": "AP", "LR": "RL", "RL": "LR", "HF": "FH", "FH": "HF"}


def find_references(drafts: Drafts) -> Drafts:
    """Tell single-band references from runs, and tie each to the run that follows it.

    A reference comes right before its run, with the same geometry, echo and component. One that no run follows, or
    only the run of another, is for a person.
    """
    waiting: dict[Hashable, int] = {}
    run_of: dict[int, Draft] = {}
    for rank, draft in enumerate(drafts):
        key = (draft.geometry, draft.image.echo, draft.image.component)
        if _may_be_reference(draft):
            waiting[key] = rank
        elif draft.to_convert and draft.is_planar and draft.image.volumes > 1 and key in waiting:
            if _agree(drafts[waiting[key]], draft):
                run_of[waiting[key]] = draft
            del waiting[key]
    return [_name_reference(draft, run_of.get(rank)) for rank, draft in enumerate(drafts)]


def _may_be_reference(draft: Draft) -> bool:
    if not draft.to_convert or not draft.datatype:
        return False
    if words.is_reference(draft.series):
        return True
    return draft.is_planar and draft.image.volumes == 1 and draft.suffix != "epi" and not draft.exact


def _agree(reference: Draft, run: Draft) -> bool:
    """Return whether nothing speaks against a reference being that of a run."""
    ours, theirs = (one.series.protocol_name.lower().removesuffix("_sbref") for one in (reference, run))
    if ours and theirs and ours != theirs:
        return False
    if reference.direction and run.direction and reference.direction != run.direction:
        return False
    return words.is_reference(reference.series) or reference.finding.kind is run.finding.kind


def _name_reference(draft: Draft, run: Draft | None) -> Draft:
    if not _may_be_reference(draft) or (draft.exact and draft.suffix != "sbref"):
        return draft
    named = words.is_reference(draft.series)
    if run is None:
        if named:
            return draft.decided(Decision.REVIEW, "its words call it a single-band reference, but no run follows it")
        if draft.suffix == "bold":
            return draft.decided(Decision.REVIEW, "a single gradient-echo EPI volume, and no run that it belongs to")
        return draft
    if run.suffix == "epi":
        said = f"the single-band reference of series {run.series.number}, a field map, has no name in BIDS"
        return draft.decided(Decision.REVIEW, said)
    tied = replace(draft, measurement=run.series.uid)
    if draft.exact:
        return tied.noted(f"the single-band reference of series {run.series.number}")
    datatype = "dwi" if run.datatype == "dwi" else "func"
    if named:
        said = f"its words call it the single-band reference of series {run.series.number}"
        return tied.named(datatype, "sbref", STRONG, said)
    if _has_word(run, "MB") and not _has_word(draft, "MB"):
        said = f"a single volume before series {run.series.number}, which is multiband (MB in ImageType) as it is not"
        return tied.named(datatype, "sbref", FAIR, said)
    said = f"a single volume before series {run.series.number}: its single-band reference, or a run that was stopped"
    return tied.named(datatype, "sbref", WEAK, said)


def _has_word(draft: Draft, word: str) -> bool:
    header = draft.image.header
    return word in header.words("ImageType") or word in header.words("SiemensImageType")


def find_blips(drafts: Drafts) -> Drafts:
    """Decide which EPIs with few volumes are halves of field maps.

    Diffusion without a weighted volume is, beside weighted diffusion of the same geometry. A few volumes of gradient
    echo are, where they run against a long run of the same geometry, and so is the twin of such a half.
    """
    weighted: dict[Hashable, Draft] = {}
    long: dict[Hashable, Draft] = {}
    for draft in drafts:
        if draft.to_convert and draft.suffix == "dwi" and not only_b_zero(draft.image):
            weighted.setdefault(draft.geometry, draft)
        if draft.to_convert and draft.suffix == "bold" and draft.image.volumes > FEW_VOLUMES:
            long.setdefault((draft.geometry, draft.direction), draft)
    halves = [_find_half(draft, weighted, long) for draft in drafts]
    found: dict[Hashable, Draft] = {}
    for before, after in zip(drafts, halves, strict=True):
        if after is not before and after.finding.kind is not Kind.DIFFUSION:
            found.setdefault((after.geometry, after.image.volumes, _OPPOSITE[after.direction]), after)
    return [_find_twin(draft, found) for draft in halves]


def _is_short(draft: Draft) -> bool:
    return draft.to_convert and draft.is_planar and not draft.exact and draft.image.volumes <= FEW_VOLUMES


def _find_half(draft: Draft, weighted: dict[Hashable, Draft], long: dict[Hashable, Draft]) -> Draft:
    if not _is_short(draft) or draft.suffix == "sbref":
        return draft
    if draft.finding.kind is Kind.DIFFUSION:
        partner = weighted.get(draft.geometry) if draft.suffix == "epi" else None
        if partner is None:
            return draft
        return draft.named(
            "fmap", "epi", STRONG, f"it has the geometry of the diffusion series {partner.series.number}"
        )
    against = long.get((draft.geometry, _OPPOSITE.get(draft.direction, "none")))
    if draft.suffix != "bold" or against is None:
        return draft
    return draft.named("fmap", "epi", FAIR, f"a few volumes in the reverse direction of series {against.series.number}")


def _find_twin(draft: Draft, found: dict[Hashable, Draft]) -> Draft:
    half = found.get((draft.geometry, draft.image.volumes, draft.direction))
    if half is None or not _is_short(draft) or draft.suffix != "bold":
        return draft
    return draft.named("fmap", "epi", FAIR, f"as few volumes as series {half.series.number}, which runs against it")


def follow_runs(drafts: Drafts) -> Drafts:
    """Give references the name of their run, and its fate."""
    runs: dict[str, Drafts] = defaultdict(list)
    for draft in drafts:
        if draft.suffix in ("bold", "dwi", "cbv"):
            runs[draft.series.uid].append(draft)
    return [_follow(draft, runs[draft.measurement]) if _is_tied(draft) else draft for draft in drafts]


def _is_tied(draft: Draft) -> bool:
    return draft.to_convert and draft.suffix == "sbref" and draft.measurement != draft.series.uid


def _follow(draft: Draft, runs: Drafts) -> Draft:
    run = next((one for one in runs if one.to_convert), None)
    if run is None:
        reason = runs[0].evidence[0] if runs else "it has no name"
        return draft.decided(Decision.REVIEW, f"its run is for a person to decide ({reason})")
    if draft.exact:
        return draft.with_entity("run", run.entity("run"))
    own = tuple((key, value) for key, value in draft.entities if key in ("echo", "part"))
    return replace(draft, entities=own + run.without("echo", "part")).with_entity("dir", run.entity("dir"))
