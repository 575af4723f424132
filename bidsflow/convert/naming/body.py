"""Which images show another part of the body than the head. Pure.

The header's BodyPartExamined is typed once, and often left from the patient before: it counts unless a measurement
that is only made of brains carries the same value.
"""

from __future__ import annotations

import re

from bidsflow.convert.naming import words
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.physics import FEW_VOLUMES
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import Kind

Drafts = list[Draft]

#: Parts of the body as PS3.16 Annex L and the scanners write them, blanks and underscores left out.
_ELSEWHERE = re.compile(
    r"(?:L|R|LEFT|RIGHT|BOTH)?(?:KNEE|HIP|ANKLE|FOOT|LEG|CALF|THIGH|FEMUR|SHOULDER|ELBOW|WRIST|HAND|ARM|FOREARM|"
    r"BREAST|(?:UPPER|LOWER)?EXTREMITY)S?|ABDOMEN|LIVER|KIDNEY|PANCREAS|PELVIS|PROSTATE|UTERUS|RECTUM|BLADDER|HEART|"
    r"CARDIAC|CHEST|THORAX|NECK|[CTLS]?SPINE|[CTL][TLS]SPINE|WHOLESPINE|SPINALCORD|WHOLEBODY|ABDOMENPELVIS|CHESTABDOMEN"
)
#: Coils that fit no head.
_COIL = re.compile(
    r"knee|shoulder|wrist|ankle|foot|breast|elbow|(?<![a-z])hand(?![a-z])|prostate|endorect", re.IGNORECASE
)
#: Kinds that are measured in brains only, or nearly so.
_OF_BRAINS = frozenset({Kind.ASL, Kind.FLAIR, Kind.MP2RAGE})


def doubt_body(drafts: Drafts) -> Drafts:
    """Set images before a person that seem to show another part of the body than the head."""
    wrong = {_part(draft) for draft in drafts if _is_brain(draft) and not _may_be_cord(draft)}
    return [_doubt(draft, wrong) if _counts(draft) else draft for draft in drafts]


def _counts(draft: Draft) -> bool:
    """Return whether a part of the body would make the name of an image wrong; functional runs move hands and feet."""
    return draft.to_convert and not draft.exact and draft.datatype in ("anat", "dwi")


def _part(draft: Draft) -> str:
    return re.sub(r"[^A-Z]", "", draft.series.header.text("BodyPartExamined").upper())


def _is_brain(draft: Draft) -> bool:
    """Return whether an image shows a brain by its physics, or by words that name no other part."""
    if words.body_part(draft.series) and draft.datatype != "func":
        return False
    header = draft.series.header
    run = draft.suffix == "bold" and draft.image.volumes > FEW_VOLUMES and "bold" in words.hinted(draft.series)
    mprage = (
        draft.finding.kind is Kind.T1W and header.text("MRAcquisitionType") == "3D" and header.number("InversionTime")
    )
    return run or bool(mprage) or draft.finding.kind in _OF_BRAINS or words.says_brain(draft.series)


def _may_be_cord(draft: Draft) -> bool:
    """Return whether an image may show the spinal cord, which has functional runs and MPRAGEs as the brain has."""
    spine = "SPIN" in _part(draft) or _part(draft) == "NECK"
    return spine and draft.finding.kind not in _OF_BRAINS and not words.says_brain(draft.series)


def _doubt(draft: Draft, wrong: set[str]) -> Draft:
    if said := words.body_part(draft.series):
        return draft.decided(Decision.REVIEW, f"its words name a part of the body that is not the head ({said})")
    if _is_brain(draft):
        return draft
    part = _part(draft)
    if _ELSEWHERE.fullmatch(part) and part not in wrong:
        return draft.decided(Decision.REVIEW, f"BodyPartExamined is {part}, and nothing says that it shows a head")
    coil = _COIL.search(draft.series.header.text("ReceiveCoilName"))
    if coil:
        return draft.decided(Decision.REVIEW, f"its coil is one for another part of the body ({coil[0].lower()})")
    return draft
