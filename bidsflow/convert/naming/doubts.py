"""What the other images of a session say against one: copies, and members of a larger measurement. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable
from dataclasses import replace

from bidsflow.convert.naming import hintwords, personwords, words
from bidsflow.convert.naming.agent import agent_label, shows_agent
from bidsflow.convert.naming.combined import is_combined, may_be_made_of
from bidsflow.convert.naming.draft import ENOUGH, Draft
from bidsflow.convert.naming.physics import FEW_VOLUMES, name_by_physics
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import (
    FAIR,
    Kind,
    find_contradiction,
    find_contrast,
    image_words,
    is_declared_derived,
    is_derived_word,
)

Drafts = list[Draft]

#: Values of ImageType of what was only sliced anew (Philips calls its reformats so as it does its projections).
_REFORMATS = frozenset({"MPR", "RESAMPLED", "REFORMATTED", "PROJECTION_IMAGE"})


def skip_results(drafts: Drafts) -> Drafts:
    """Leave out what the scanner computed of functional runs (t-maps, EvaSeries); doubt it where no run tells of what.

    ImageType of such images often says no more than that they were corrected for motion.
    """
    runs = [one for one in drafts if _is_run(one) and not _is_corrected(one) and not is_called_result(one)]
    return [_skip_result(draft, runs) if _may_be_result(draft) else draft for draft in drafts]


def is_called_result(draft: Draft) -> bool:
    """Return whether an image is called as results of functional runs are, and may be one by its physics.

    A run of many volumes that nobody computed is one, whatever it is called (``T-map_learning``).
    """
    said = hintwords.names_result(draft.series)
    measured = draft.image.volumes > FEW_VOLUMES and not _is_corrected(draft) and not is_declared_derived(draft.image)
    return bool(said) and (said.startswith("eva") or not measured)


def _may_be_result(draft: Draft) -> bool:
    named = draft.datatype == "func" and draft.decision is not Decision.SKIP and not draft.exact
    return named and is_called_result(draft)


def _skip_result(draft: Draft, runs: Drafts) -> Draft:
    said = f"the {words.source(draft.series)} says {hintwords.names_result(draft.series)}"
    run = next((one for one in reversed(runs) if _is_of_protocol(draft, one)), None)
    nameless = replace(draft, datatype="", suffix="")
    if run is None:
        return nameless.decided(
            Decision.REVIEW, f"{said}, as what scanners compute of functional runs is called, and no run goes with it"
        )
    return nameless.decided(Decision.SKIP, f"computed of series {run.series.number} on the scanner ({said})")


def skip_corrected(drafts: Drafts) -> Drafts:
    """Leave out what the scanner corrected for motion, where the original is there.

    Siemens' MoCoSeries says MOCO in ImageType, behind ORIGINAL. An original has one copy of each kind: with motion
    corrected, and with distortions as well (MoCoSeries_DiCo).
    """
    originals = [draft for draft in drafts if _is_run(draft) and not _is_corrected(draft)]
    taken: set[Hashable] = set()
    result, before = [], []
    for draft in drafts:
        if _is_run(draft) and not _is_corrected(draft):
            before.append(draft)
        elif _is_run(draft):
            kind = draft.series.description, draft.image.header.words("ImageType")
            alike = [one for one in before + _find_simultaneous(draft, originals) if _is_of_protocol(draft, one)]
            whole = [one for one in alike if _has_volumes_of(draft, one) and (one.series.uid, kind) not in taken]
            if whole:
                taken.add((whole[-1].series.uid, kind))
            draft = _skip_corrected(draft, whole[-1] if whole else None, alike)
        result.append(draft)
    return result


def _find_simultaneous(draft: Draft, originals: Drafts) -> Drafts:
    """Return the runs of the moment of a copy, which may come before them; none where all have one moment."""
    moments = {one.series.started for one in originals}
    return [one for one in originals if len(moments) > 1 and one.series.started == draft.series.started]


def _is_run(draft: Draft) -> bool:
    """Return whether a scanner may have corrected a run; labelled blood is one, too, while its labels are unknown."""
    return (draft.to_convert and draft.is_planar) or (draft.suffix == "asl" and draft.decision is not Decision.SKIP)


def _is_of_protocol(copy: Draft, run: Draft) -> bool:
    """Return whether a run may be what an image was made of; one without a protocol is told by its voxels alone."""
    ours, theirs = ((one.geometry, one.image.echo, one.image.component) for one in (copy, run))
    if ours != theirs or (copy.suffix != run.suffix and _is_run(copy) and _is_corrected(copy)):
        return False
    name = words.drop_correction(words.protocol(copy.series))
    return name in ("", words.drop_correction(words.protocol(run.series)))


def _has_volumes_of(copy: Draft, run: Draft) -> bool:
    return copy.suffix == "asl" or copy.image.volumes == run.image.volumes  # a correction may leave the M0 out


def _is_corrected(draft: Draft) -> bool:
    header = draft.image.header
    return "MOCO" in header.words("ImageType") or "MOCO" in header.words("SiemensImageType")


def _skip_corrected(draft: Draft, original: Draft | None, alike: Drafts) -> Draft:
    said = "corrected for motion on the scanner (ImageType says MOCO)"
    if original is not None:
        return draft.decided(Decision.SKIP, f"a copy of series {original.series.number}, {said}")
    if not alike:
        return draft.decided(Decision.REVIEW, f"{said}, and the original is not in the export")
    numbers = " and ".join(dict.fromkeys(str(one.series.number) for one in alike))
    if any(_has_volumes_of(draft, one) for one in alike):
        return draft.decided(Decision.REVIEW, f"{said}, and series {numbers} of its protocol has another copy")
    has = f"{alike[-1].image.volumes} volumes, and this {draft.image.volumes}"
    return draft.decided(Decision.REVIEW, f"{said}: series {alike[-1].series.number} of its protocol has {has}")


def doubt_derived(drafts: Drafts) -> Drafts:
    """Set images that are declared as derived before a person where an original of the same kind is there.

    GE calls derived what it only filtered. What was made of an original has its repetition and flip angle.
    """
    originals: dict[Hashable, Drafts] = defaultdict(list)
    for one in drafts:
        if one.datatype and not is_declared_derived(one.image):
            originals[_kind_key(one)].append(one)
    result = []
    for draft in drafts:
        if draft.to_convert and is_declared_derived(draft.image) and not is_combined(draft):
            original = next((one for one in originals[_kind_key(draft)] if may_be_made_of(draft, one)), None)
            if original is not None:
                said = (
                    f"ImageType begins with DERIVED, and series {original.series.number} is an original {draft.suffix}"
                )
                draft = draft.decided(Decision.REVIEW, said)
        result.append(draft)
    return result


def propose_reformats(drafts: Drafts) -> Drafts:
    """Put reformats before a person whose original is not there: they may be all that is left of it.

    Those of scouts are left out, whose scouts people do not keep.
    """
    originals = {(one.finding.kind, shows_agent(one.series)) for one in drafts if one.finding.kind is not Kind.DERIVED}
    return [_propose_reformat(one, originals) if _is_reformat(one) else one for one in drafts]


def _is_reformat(draft: Draft) -> bool:
    known = {word for word in image_words(draft.image.header) if is_derived_word(word)} <= _REFORMATS
    told = draft.decision is Decision.SKIP and draft.finding.kind is Kind.DERIVED and draft.rule is None
    scout = {"localizer", "calibration"} & set(hintwords.look_alikes(draft.series))
    return told and known and not scout and bool(_REFORMATS & set(image_words(draft.image.header)))


def _propose_reformat(draft: Draft, originals: Collection[tuple[Kind, bool | None]]) -> Draft:
    finding = find_contrast(draft.series, draft.image, draft.series.header)
    if finding is None or finding.confidence < FAIR:
        return draft
    ours = shows_agent(draft.series)
    if any(kind is finding.kind and _is_agent_of(ours, theirs) for kind, theirs in originals):
        return draft
    said = f"{draft.finding.because}, a reformat, and what it was made of is not in the export"
    free = replace(draft, finding=finding, decision=Decision.CONVERT, evidence=(), confidence=0.0)
    named = name_by_physics(free)
    if ours and any(kind is finding.kind for kind, _ in originals):
        said += ": it was measured after a contrast agent, and what is there before it"
        named = named.with_entity("ce", agent_label(draft.series.header))
    return named.decided(Decision.REVIEW, said)


def _is_agent_of(reformat: bool | None, original: bool | None) -> bool:
    """Return whether a reformat may be of an original by what both say of an agent, which it may not repeat."""
    return reformat is None or reformat == bool(original)


def _kind_key(draft: Draft) -> Hashable:
    return draft.datatype, draft.suffix, draft.geometry if draft.datatype != "anat" else ""


def abstain(drafts: Drafts) -> Drafts:
    """Set before a person what the evidence does not carry, and what would carry a person's name into a path."""
    return [_abstain(draft) if draft.to_convert else draft for draft in map(_hide_person, drafts)]


def _hide_person(draft: Draft) -> Draft:
    """Return a draft without a name where a label of it would name the patient: neither converted nor proposed."""
    typed = [(key, value) for key, value in draft.entities if key not in ("run", "echo", "part")]
    labels = [value for key, value in typed if not (key == "dir" and value in words.DIRECTIONS)]
    latin = personwords.drop_foreign(labels, draft.series)
    named = personwords.names_person(latin, draft.series.patient) or personwords.sounds_like_person(
        labels, draft.series
    )
    if draft.decision is Decision.SKIP or not named:
        return draft
    said = "a label of its name would hold the name or the ID of the person who was scanned"
    return replace(draft.decided(Decision.REVIEW, said), datatype="", suffix="")


def _abstain(draft: Draft) -> Draft:
    if draft.confidence < ENOUGH:
        return draft.decided(Decision.REVIEW, f"too little evidence for {draft.datatype}/{draft.suffix}")
    if (draft.datatype, draft.suffix) == ("fmap", "epi") and not draft.entity("dir"):
        where = words.source(draft.series)
        said = f"neither the header nor the {where} tells the direction of its phase encoding"
        if find_contradiction(words.direction(draft.series), draft.series.header):
            said = f"the header and the {where} contradict each other on the direction of its phase encoding"
        return draft.decided(Decision.REVIEW, said)
    return draft
