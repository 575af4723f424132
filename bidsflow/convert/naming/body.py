"""Which images show another part of the body than the head. Pure.

The header's BodyPartExamined is typed once, and often left from the patient before: it counts unless a measurement
that is only made of brains carries the same value.

A session of the spinal cord alone is named as one of a brain is: nobody takes its T1w for another's. Were it a brain
under a value that was left, its names would be the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from bidsflow.convert.naming import hintwords
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.physics import FEW_VOLUMES
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import Kind

Drafts = list[Draft]

#: Parts of the body as PS3.16 Annex L and the scanners write them, blanks and underscores left out.
_ELSEWHERE = re.compile(
    r"(?:L|R|LEFT|RIGHT|BOTH)?(?:KNEE|HIP|ANKLE|FOOT|LEG|CALF|THIGH|FEMUR|SHOULDER|ELBOW|WRIST|HAND|ARM|FOREARM|"
    r"BREAST|(?:UPPER|LOWER)?EXTREMITY)S?|ABDOMEN|LIVER|KIDNEY|PANCREAS|PELVIS|PROSTATE|UTERUS|RECTUM|BLADDER|HEART|"
    r"CARDIAC|CHEST|THORAX|WHOLEBODY|ABDOMENPELVIS|CHESTABDOMEN"
)
_SPINE = re.compile(
    r"NECK|(?:[CTLS]|[CTL][TLS]|WHOLE|CERVICAL|THORACIC|LUMBAR|SACRAL)?SPINE|SPINALCORD|CERVICAL|THORACIC|LUMBAR|SACRUM"
)
#: Words for the spine among those for parts of the body.
_SPINE_WORDS = re.compile(r"spin|wirbel|[lbh]ws|rachis|myelo|lumbar|cervical|thoracic|sacr")
#: Words for what else is measured of a neck.
_SOFT = re.compile(r"carot|thyroid|thyreo|schilddr|larynx|pharynx|paroti|plexus|lymph")
#: Coils that fit no head.
_COIL = re.compile(
    r"knee|shoulder|wrist|ankle|foot|breast|elbow|(?<![a-z])hand(?![a-z])|prostate|endorect", re.IGNORECASE
)
#: Coils of which no element lies at the head, and those of which none lies elsewhere.
_SPINE_COIL = re.compile(r"(?!.*(?:head|brain|(?<![a-z])hn)).*(?:spine|neck|(?<![a-z])ctl)", re.IGNORECASE)
_HEAD_COIL = re.compile(r"(?!.*(?:spine|neck|(?<![a-z])ctl|(?<![a-z])hn)).*(?:head|brain)", re.IGNORECASE)
#: Kinds that are measured in brains only, or nearly so.
_OF_BRAINS = frozenset({Kind.ASL, Kind.FLAIR, Kind.MP2RAGE})


def doubt_body(drafts: Drafts, held: Collection[str] = ()) -> Drafts:
    """Set images before a person that seem to show another part of the body than the head.

    Spines are named where all of a session shows the spine, and wait beside a head.

    Parameters
    ----------
    drafts : list of Draft
        Of one session.
    held : collection of str
        BodyPartExamined of the images of the session that a dataset has of other exports, ``""`` where it says none.
    """
    if _shows_spine(drafts) and all(_SPINE.fullmatch(_letters(one)) for one in held):
        said = "all images of the session show the spine or the neck, and none a head"
        return [draft.noted(said) if _counts(draft) else draft for draft in drafts]
    wrong = {_part(draft) for draft in drafts if _is_brain(draft) and not _may_be_cord(draft)}
    return [_doubt(draft, wrong) if _counts(draft) else draft for draft in drafts]


def _shows_spine(drafts: Drafts) -> bool:
    """Return whether all images of a session say that they show the spine; those that are left out may be silent.

    Vessels and glands of the neck are no spine.
    """
    measured = _find_regions(draft for draft in drafts if draft.decision is not Decision.SKIP)
    left_out = _find_regions(draft for draft in drafts if draft.decision is Decision.SKIP)
    soft = any(draft.finding.kind is Kind.ANGIO or _SOFT.search(_text(draft)) for draft in drafts)
    return measured == {"spine"} and left_out <= {"spine", ""} and not soft


def _find_regions(drafts: Iterable[Draft]) -> set[str]:
    return {_find_region(draft) for draft in drafts}


def _find_region(draft: Draft) -> str:
    """Return ``spine``, ``head`` or ``other``, ``""`` where nothing tells.

    Words, kind and coil go before BodyPartExamined, which is often left from the patient before.
    """
    if said := hintwords.body_part(draft.series):
        return "spine" if _SPINE_WORDS.search(said) else "other"
    if hintwords.says_brain(draft.series) or draft.finding.kind in _OF_BRAINS or "aahead" in _text(draft):
        return "head"
    coil, part = draft.series.header.text("ReceiveCoilName"), _part(draft)
    if _SPINE_COIL.match(coil):
        return "spine"
    if _HEAD_COIL.match(coil):
        return "head"
    if _SPINE.fullmatch(part) and not _COIL.search(coil):
        return "spine"
    if not part:
        return ""
    return "other" if _ELSEWHERE.fullmatch(part) or _COIL.search(coil) else "head"


def _text(draft: Draft) -> str:
    return f"{draft.series.description} {draft.series.protocol_name}".lower()


def _counts(draft: Draft) -> bool:
    """Return whether a part of the body would make the name of an image wrong; functional runs move hands and feet."""
    return draft.to_convert and not draft.exact and draft.datatype in ("anat", "dwi")


def _part(draft: Draft) -> str:
    return _letters(draft.series.header.text("BodyPartExamined"))


def _letters(text: str) -> str:
    return re.sub(r"[^A-Z]", "", text.upper())


def _is_brain(draft: Draft) -> bool:
    """Return whether an image shows a brain by its physics, or by words that name no other part."""
    if hintwords.body_part(draft.series) and draft.datatype != "func":
        return False
    header = draft.series.header
    run = draft.suffix == "bold" and draft.image.volumes > FEW_VOLUMES and "bold" in hintwords.hinted(draft.series)
    mprage = (
        draft.finding.kind is Kind.T1W and header.text("MRAcquisitionType") == "3D" and header.number("InversionTime")
    )
    return run or bool(mprage) or draft.finding.kind in _OF_BRAINS or hintwords.says_brain(draft.series)


def _may_be_cord(draft: Draft) -> bool:
    """Return whether an image may show the spinal cord, which has functional runs and MPRAGEs as the brain has."""
    spine = _SPINE.fullmatch(_part(draft))
    return bool(spine) and draft.finding.kind not in _OF_BRAINS and not hintwords.says_brain(draft.series)


def _doubt(draft: Draft, wrong: set[str]) -> Draft:
    if said := hintwords.body_part(draft.series):
        return draft.decided(Decision.REVIEW, f"its words name a part of the body that is not the head ({said})")
    if _is_brain(draft):
        return draft
    part = _part(draft)
    if (_SPINE.fullmatch(part) or _ELSEWHERE.fullmatch(part)) and part not in wrong:
        return draft.decided(Decision.REVIEW, f"BodyPartExamined is {part}, and nothing says that it shows a head")
    coil = _COIL.search(draft.series.header.text("ReceiveCoilName"))
    if coil:
        return draft.decided(Decision.REVIEW, f"its coil is one for another part of the body ({coil[0].lower()})")
    return draft
