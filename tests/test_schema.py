"""What is asked of the schema agrees with the schema that is installed."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from bidsflow import schema
from bidsflow.names import ENTITY_ORDER, parse_name


def test_entities_stand_in_the_order_of_the_schema() -> None:
    loaded = schema.load()
    assert tuple(loaded["objects"]["entities"][key]["name"] for key in loaded["rules"]["entities"]) == ENTITY_ORDER


class CaseAllowed(NamedTuple):
    name: str
    allowed: bool


CASES = [
    CaseAllowed("sub-01/anat/sub-01_T1w.nii.gz", True),
    CaseAllowed("sub-01/ses-1/anat/sub-01_ses-1_acq-a_rec-norm_run-2_T2w.nii.gz", True),
    CaseAllowed("sub-01/func/sub-01_task-rest_dir-AP_run-1_echo-2_part-phase_bold.nii.gz", True),
    CaseAllowed("sub-01/func/sub-01_task-rest_sbref.nii.gz", True),
    CaseAllowed("sub-01/fmap/sub-01_run-1_phasediff.nii.gz", True),
    CaseAllowed("sub-01/fmap/sub-01_dir-AP_epi.nii.gz", True),
    CaseAllowed("sub-01/dwi/sub-01_dir-AP_dwi.bval", True),
    CaseAllowed("sub-01/func/sub-01_bold.nii.gz", False),  # no task
    CaseAllowed("sub-01/fmap/sub-01_echo-1_phasediff.nii.gz", False),
    CaseAllowed("sub-01/anat/sub-01_bold.nii.gz", False),
    CaseAllowed("sub-01/anat/sub-01_T1weighted.nii.gz", False),
    CaseAllowed("sub-01/anat/sub-01_dir-AP_T1w.nii.gz", False),
    CaseAllowed("sub-01/dwi/sub-01_echo-1_dwi.nii.gz", False),
    CaseAllowed("sub-01/func/sub-01_task-rest_run-a_bold.nii.gz", False),
    CaseAllowed("sub-01/anat/sub-01_T1w.bval", False),
    CaseAllowed("sub-01/anat/sub-01_T1w", False),
    CaseAllowed("sub-01/nowhere/sub-01_T1w.nii.gz", False),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_names_are_allowed_as_the_standard_says(case: CaseAllowed) -> None:
    assert schema.allows(parse_name(case.name)) is case.allowed
