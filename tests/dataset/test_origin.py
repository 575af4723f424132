"""What is running, and in which image."""

from __future__ import annotations

import pytest

from bidsflow import __version__
from bidsflow.dataset.origin import name_image, name_version


@pytest.mark.parametrize(
    ("revision", "version"),
    [
        (None, __version__),
        ("", __version__),
        ("unknown", __version__),
        ("3f2a1b9", f"{__version__}+g3f2a1b9"),
        ("3f2a1b9-dirty", f"{__version__}+g3f2a1b9.dirty"),
    ],
)
def test_version_has_the_revision_of_its_image(revision: str | None, version: str) -> None:
    assert name_version({} if revision is None else {"BIDSFLOW_REVISION": revision}) == version


def test_image_is_named_as_whoever_started_it_did() -> None:
    built = {"BIDSFLOW_IMAGE": "bidsflow-qc:0.1.0"}
    converted = {**built, "APPTAINER_NAME": "qc.sif"}
    said = {**converted, "BIDSFLOW_CONTAINER": "/images/qc.sif"}
    assert [name_image(one) for one in ({}, built, converted, said)] == [
        "", "bidsflow-qc:0.1.0", "qc.sif", "/images/qc.sif"
    ]  # fmt: skip
