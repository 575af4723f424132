"""The methods text says what ran, and cites what it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bidsflow.app.methods import body_of, methods_text
from bidsflow.app.spec import Citation, Pipeline
from bidsflow.errors import PipelineError


def test_references_are_numbered_in_the_order_of_the_text(toy: Pipeline) -> None:
    text = methods_text(toy, "Multiplied [@Toy2020], as [@Toy2020] says.")
    assert "bidsflow toy* 1.2.0" in text
    assert "Multiplied [3], as [3] says." in text
    assert "3. Toy T. How to multiply. J Toys 1, 2020. https://doi.org/10.1/toy" in text
    assert text.count("\n1. ") == text.count("\n2. ") == text.count("\n3. ") == 1


def test_versions_are_those_that_are_installed(toy: Pipeline) -> None:
    from importlib.metadata import version

    assert f"nipype {version('nipype')}" in methods_text(toy, "")


def test_pipeline_that_says_nothing_has_a_text(toy: Pipeline) -> None:
    silent = replace(toy, methods="")
    assert body_of(silent, toy.params()) == ""
    assert "bidsflow toy" in methods_text(silent, "")


def test_parameters_that_ran_are_in_the_text(toy: Pipeline) -> None:
    assert "multiplied by 2.5" in body_of(toy, toy.params(factor=2.5))


def test_reference_that_the_pipeline_does_not_list_is_told(toy: Pipeline) -> None:
    with pytest.raises(PipelineError, match="Nobody1999"):
        methods_text(toy, "As in [@Nobody1999].")


@pytest.mark.parametrize("key", ["Toy-2020", "Toy_2020", "Müller2020"])
def test_keys_may_hold_more_than_letters(key: str, toy: Pipeline) -> None:
    pipeline = replace(toy, citations=(Citation(key, "Reference."),))
    text = methods_text(pipeline, f"See [@{key}].")
    assert "See [3]." in text
    assert "3. Reference.\n" in text
