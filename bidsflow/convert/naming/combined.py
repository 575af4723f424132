"""Images that the scanner combined of others of an anatomical measurement. Pure.

Of all echoes (the RMS of a MEMPRAGE) Siemens says MEAN in ImageType, be it the mean or the root mean square. They are
what most people use; where the export has the echoes as well, both are named, of one run. Of the two inversions of an
MP2RAGE (UNI) there may be a second one, without the noise outside of the head (UNI-DEN).
"""

from __future__ import annotations

import math
from dataclasses import replace

from bidsflow.convert.naming import hintwords, words
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import image_words

Drafts = list[Draft]

#: Times and angles that differ by less than this share are one.
_TOLERANCE = 0.01
#: Values of ImageType of what is the mean of several images.
_MEANS = ("MEAN", "RMS")


def is_combined(draft: Draft) -> bool:
    """Return whether an image of anatomy is a mean of others, by its ImageType."""
    return draft.datatype == "anat" and draft.to_convert and bool(_find_word(draft))


def _find_word(draft: Draft) -> str:
    return next((word for word in image_words(draft.image.header) if word in _MEANS), "")


def tie_combined(drafts: Drafts) -> Drafts:
    """Tie combined images to the echoes before them; doubt those beside others that they may be made of.

    One without anything beside it goes as it is: nothing else of its measurement is there.
    """
    result = []
    for rank, draft in enumerate(drafts):
        if is_combined(draft):
            alike = [one for one in drafts if _may_be_part(one, draft)]
            echoes = [one for one in alike if one.image.echo]
            before = [one for one in drafts[:rank] if one in echoes]
            mean = f"ImageType says {_find_word(draft)}"
            draft = draft.noted(f"the mean or root mean square of several images, as of an MPRAGE's echoes ({mean})")
            if echoes:
                draft = replace(draft, measurement=(before or echoes)[-1].measurement)
            elif alike:
                said = f"{mean}, and series {alike[0].series.number} may be one of the images that it was made of"
                draft = draft.decided(Decision.REVIEW, said)
        result.append(draft)
    return result


def _may_be_part(one: Draft, combined: Draft) -> bool:
    same = (one.suffix, one.geometry, one.series.study_uid, one.image.component) == (
        combined.suffix, combined.geometry, combined.series.study_uid, combined.image.component
    )  # fmt: skip
    protocol = one.series.protocol_name and one.series.protocol_name == combined.series.protocol_name
    return same and one.to_convert and not is_combined(one) and bool(protocol or may_be_made_of(combined, one))


def may_be_made_of(draft: Draft, original: Draft) -> bool:
    """Return whether nothing that both headers tell of how often and how far was excited differs."""
    pairs = (
        (draft.series.header.number(keyword), original.series.header.number(keyword))
        for keyword in ("RepetitionTime", "InversionTime", "FlipAngle")  # what is made of several echoes has its own
    )
    return all(not ours or not theirs or math.isclose(ours, theirs, rel_tol=_TOLERANCE) for ours, theirs in pairs)


def label_combined(drafts: Drafts) -> Drafts:
    """Tell combined images from their echoes by a label, behind that of their filter."""
    return [_label(draft) if is_combined(draft) and draft.measurement != draft.home else draft for draft in drafts]


def _label(draft: Draft) -> Draft:
    if draft.exact and draft.entity("rec"):
        return draft
    return draft.with_entity("rec", ("rms" if hintwords.names_rms(draft.series) else "mean") + draft.entity("rec"))


def label_denoised(drafts: Drafts) -> Drafts:
    """Tell the combined image of an MP2RAGE without noise from the plain one, by the words: ImageType has none for it.

    What takes the noise away changes the values as well, so the label stands also where the plain one is not there.
    """
    return [_label_denoised(draft) if draft.to_convert and draft.suffix == "UNIT1" else draft for draft in drafts]


def _label_denoised(draft: Draft) -> Draft:
    said = hintwords.names_denoised(draft.series)
    if not said or draft.entity("rec"):
        return draft
    return draft.with_entity("rec", "denoised").noted(f"the {words.source(draft.series)} says {said} (denoised)")
