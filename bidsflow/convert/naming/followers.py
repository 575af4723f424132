"""What is named after the run that it was made of: maps of diffusion, volumes of noise. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import Kind, phase_encoding

Drafts = list[Draft]


def tie_followers(drafts: Drafts) -> Drafts:
    """Tie maps of diffusion to the run before them with the same protocol and voxels, and to each other without one.

    Maps without a run have its distortion all the same: their direction is what their headers say. Volumes of noise are
    in the series of their run, and need no tie.
    """
    sources: dict[Hashable, str] = {}
    siblings: dict[Hashable, str] = {}
    result = []
    for draft in drafts:
        key = draft.series.study_uid, draft.series.protocol_name, draft.geometry
        if draft.to_convert and draft.suffix == "dwi" and draft.image.component == "magnitude":
            sources[key] = draft.series.uid
        elif draft.to_convert and _is_map(draft):
            if key[1]:
                home = sources.get(key) or siblings.setdefault((*key, draft.series.started), draft.series.uid)
                draft = replace(draft, measurement=home)
            draft = draft if key in sources else _set_direction(draft)
        result.append(draft)
    return result


def follow_sources(drafts: Drafts) -> Drafts:
    """Give maps and noise the labels of the run that they were made of, where it is converted."""
    runs, tied = _find_runs(drafts), find_tied(drafts)
    echoes = {(draft.series.uid, draft.image.echo): draft for draft in drafts if draft.to_convert and _is_run(draft)}
    result = []
    for draft in drafts:
        if (draft.series.uid, draft.rank) in tied:
            source = runs[draft.measurement]
            own = draft.entity("rec")
            draft = replace(draft, entities=source.without("part", "rec")).with_entity("rec", own)
            draft = draft.noted(f"computed from series {source.series.number}")
        elif draft.to_convert and draft.finding.kind is Kind.NOISE:
            source = echoes.get((draft.series.uid, draft.image.echo), draft)
            part = draft.entity("part") or source.entity("part")
            draft = replace(draft, entities=source.without("part")).with_entity("part", part)
        result.append(draft)
    return result


def find_tied(drafts: Drafts) -> frozenset[tuple[str, int]]:
    """Return the maps that are named after the run that they were made of, by SeriesInstanceUID and rank."""
    runs = _find_runs(drafts)
    return frozenset(
        (draft.series.uid, draft.rank)
        for draft in drafts
        if draft.to_convert and draft.finding.kind is Kind.MAP and draft.measurement in runs and not draft.exact
    )


def doubt_orphans(drafts: Drafts) -> Drafts:
    """Set maps of diffusion before a person whose run is not there, where maps of another run have their names."""
    tied = find_tied(drafts)
    owners = {
        (draft.suffix, draft.entities): draft.series.number
        for draft in drafts
        if (draft.series.uid, draft.rank) in tied
    }
    result = []
    for draft in drafts:
        owner = owners.get((draft.suffix, draft.entities))
        if owner is not None and draft.to_convert and _is_map(draft) and (draft.series.uid, draft.rank) not in tied:
            said = f"the run that it was computed of is not here, and series {owner} of another run has its name"
            draft = draft.decided(Decision.REVIEW, said)
        result.append(draft)
    return result


def _set_direction(draft: Draft) -> Draft:
    direction = phase_encoding(draft.series.header)
    if not direction or draft.exact or draft.entity("dir"):
        return draft
    return draft.with_entity("dir", direction).noted(f"phase encoding runs {direction} (header)")


def _is_map(draft: Draft) -> bool:
    """Return whether an image is a map that the scanner computed of a diffusion run."""
    return draft.finding.kind is Kind.MAP and draft.datatype == "dwi"


def _find_runs(drafts: Drafts) -> dict[str, Draft]:
    return {draft.series.uid: draft for draft in reversed(drafts) if draft.to_convert and _is_run(draft)}


def _is_run(draft: Draft) -> bool:
    return draft.suffix in ("dwi", "bold", "cbv") and draft.image.component == "magnitude"
