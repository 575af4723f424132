"""What `bidsflow scan` says of an export as a whole."""

from __future__ import annotations

import pytest

from bidsflow.cli.scan import count_people
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Inventory, Patient, Series


@pytest.mark.parametrize(
    ("people", "said"),
    [
        (("A",), "1 patient"),
        (("A", "A", "B"), "2 patients"),
        (("",), "1 study without an ID or a name"),
        (("", "ANONYMOUS"), "2 studies without an ID or a name"),
        (("A", "", ""), "1 patient and 2 studies without an ID or a name"),
    ],
)
def test_studies_that_name_nobody_are_not_counted_as_one_person(people: tuple[str, ...], said: str) -> None:
    series = (
        Series(f"1.{n}", f"2.{n}", Patient(person, "", "", ""), n, "", "", "", (), (), Header())
        for n, person in enumerate(people)
    )
    assert count_people(Inventory(tuple(series), ())) == said
