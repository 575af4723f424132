"""What is named after the run that it was made of: maps of diffusion, volumes of noise. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from bidsflow.convert.naming.draft import Draft
from bidsflow.dicom.physics import Kind

Drafts = list[Draft]


def tie_followers(drafts: Drafts) -> Drafts:
    """Tie maps of diffusion to the run before them with the same protocol and voxels, and to each other without one.

    Volumes of noise are in the series of their run, and need no tie.
    """
    sources: dict[Hashable, str] = {}
    siblings: dict[Hashable, str] = {}
    result = []
    for draft in drafts:
        key = draft.series.study_uid, draft.series.protocol_name, draft.geometry
        if draft.to_convert and draft.suffix == "dwi" and draft.image.component == "magnitude":
            sources[key] = draft.series.uid
        elif draft.to_convert and draft.finding.kind is Kind.MAP and draft.datatype == "dwi" and key[1]:
            moment = (*key, draft.series.started)
            home = sources.get(key) or siblings.setdefault(moment, draft.series.uid)
            draft = replace(draft, measurement=home)
        result.append(draft)
    return result


def follow_sources(drafts: Drafts) -> Drafts:
    """Give maps and noise the labels of the run that they were made of, where it is converted."""
    runs = {draft.series.uid: draft for draft in reversed(drafts) if draft.to_convert and _is_run(draft)}
    echoes = {(draft.series.uid, draft.image.echo): draft for draft in drafts if draft.to_convert and _is_run(draft)}
    result = []
    for draft in drafts:
        if draft.to_convert and draft.finding.kind is Kind.MAP and draft.measurement in runs and not draft.exact:
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


def _is_run(draft: Draft) -> bool:
    return draft.suffix in ("dwi", "bold", "cbv") and draft.image.component == "magnitude"
