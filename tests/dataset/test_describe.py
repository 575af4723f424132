"""The files that say what a dataset is."""

from __future__ import annotations

import json

from bidsflow.dataset.describe import participants_columns


def test_unit_of_ages_is_one_of_the_schema() -> None:
    """The schema's check AGE_UNITS knows ``year``, not ``years``."""
    described = json.loads(participants_columns(("participant_id", "age")))
    assert (list(described), described["age"]["Units"]) == (["age"], "year")
