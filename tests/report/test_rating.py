"""The form, and the page that tells what it saves."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from bidsflow.report.page import render
from bidsflow.report.rating import ARTEFACTS, CONFIDENCES, GRADES, Rating
from bidsflow.report.values import Page, Section

DOCS = Path(__file__).parents[2] / "docs" / "rating.md"
SCRIPT = (resources.files("bidsflow.report") / "templates" / "figures.js").read_text(encoding="utf-8")


def test_form_asks_for_grade_artefacts_and_confidence() -> None:
    text = render(Page("t", sections=(Section("s", (Rating("sub-01/anat/sub-01_T1w.nii.gz"),)),)))
    assert len(re.findall(r'<input type="radio" name="rating-[^>]*>', text)) == len(GRADES)
    assert len(re.findall(r'<input type="radio" name="confidence-[^>]*>', text)) == len(CONFIDENCES)
    assert len(re.findall(r'<input type="checkbox" name="artefact-[^>]*>', text)) == len(ARTEFACTS)
    assert 'data-stem="sub-01_T1w"' in text


def test_form_requires_a_grade_and_a_confidence() -> None:
    text = render(Page("t", sections=(Section("s", (Rating("a.nii"), Rating("b.nii"))),)))
    groups = re.findall(r'name="([^"]*)"[^>]* required', text)
    assert len(groups) == len(set(groups)) == 4


@pytest.mark.skipif(not DOCS.exists(), reason="docs are beside a checkout only")
def test_docs_tell_every_key_of_the_file_and_every_artefact() -> None:
    body = re.search(r"const rating = \{(.*?)\n    \};", SCRIPT, re.DOTALL)
    assert body is not None
    keys = re.findall(r"^      (\w+):", body[1], re.MULTILINE)
    told = re.findall(r"^\| `([^`]+)`", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert told == [*keys, *(key for key, _ in ARTEFACTS)]
