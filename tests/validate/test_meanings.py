"""Every code that a validation may report has a meaning in words."""

from __future__ import annotations

import pytest

from bidsflow.validate.compile.schema import REFERENCE_VERSION, load_schema
from bidsflow.validate.meanings import MEANINGS, find_meanings
from tests.validate.defects.record import read_expected, unpack

RECORD = read_expected()


def recorded_codes() -> set[str]:
    """Return the codes that the reference gave for the datasets of the table."""
    return {finding[1] for packed in RECORD["bases"].values() for finding in unpack(packed)}


@pytest.mark.parametrize("version", [REFERENCE_VERSION, None])
def test_codes_that_occur_have_a_meaning(version: str | None) -> None:
    codes = recorded_codes() | MEANINGS.keys()
    meanings = find_meanings(codes, load_schema(version).data)
    assert {code for code in codes if not meanings.get(code)} == set()


def test_meaning_of_the_schema_is_one_line() -> None:
    found = find_meanings(["README_FILE_SMALL"], load_schema(REFERENCE_VERSION).data)
    assert found["README_FILE_SMALL"].startswith("The recommended file '/README' is very small. Please")


def test_code_of_nobody_has_none() -> None:
    assert find_meanings(["NO_SUCH_CODE"], load_schema(REFERENCE_VERSION).data) == {}
