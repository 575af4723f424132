"""Elements that are taken of many headers at once are those that each header has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.dicom.header import Header
from bidsflow.dicom.pick import Pick
from bidsflow.dicom.shared import Variation

pytestmark = pytest.mark.hypothesis
KEYWORDS = ("Rows", "Columns", "EchoTime", "PatientID", "AcquisitionTime")
VALUES = st.text("01", max_size=1)


@st.composite
def headers(draw: st.DrawFn) -> list[Header]:
    """Draw headers, most of them variations of a few others, in any order."""
    bases = draw(st.lists(st.dictionaries(st.sampled_from(KEYWORDS), VALUES), min_size=1, max_size=3))
    found = []
    for base in draw(st.lists(st.sampled_from(bases), max_size=8)):
        own = {key: draw(VALUES) for key in base if draw(st.booleans())}
        found.append(Header(Variation(base, own) if draw(st.booleans()) else {**base, **own}))
    return found


@given(headers(), st.lists(st.sampled_from((*KEYWORDS, "Absent")), unique=True))
def test_what_is_taken_is_what_each_header_says(some: list[Header], keywords: list[str]) -> None:
    take = Pick(*keywords)
    assert [take(header) for header in some] == [tuple(map(header.text, keywords)) for header in some]
