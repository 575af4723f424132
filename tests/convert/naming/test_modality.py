"""What no magnet made is left out with a reason, and never fails or waits as unknown."""

from __future__ import annotations

import pytest

from bidsflow.convert.naming.decide import draft_image
from tests.convert.naming import scans as s

CASES = {
    "CT": ("skip", "computed tomography, which BIDS has no place for"),
    "US": ("skip", "ultrasound"),
    "PT": ("skip", "TracerName, InjectedMass, SpecificRadioactivity, ModeOfAdministration"),
    "OT": ("skip", "neither of a scanner nor named"),
    "MRI": ("review", "not an image of MR by its Modality"),
}


@pytest.mark.parametrize("modality", CASES)
def test_other_modalities_are_set_aside_with_what_they_are(modality: str) -> None:
    series = s.make(1, "brain", {"Modality": modality})
    draft = draft_image(series, series.images[0], 1, {})
    decision, says = CASES[modality]
    assert (draft.decision.value, draft.datatype) == (decision, "")
    assert says in draft.evidence[0]
