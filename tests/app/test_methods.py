"""The methods text says what ran, and cites what it names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bidsflow.app.methods import cohort_text, describe_setting, methods_text
from bidsflow.app.spec import Citation, Pipeline
from bidsflow.app.state import Setting
from bidsflow.errors import PipelineError


def describe(toy: Pipeline, body: str, **more: object) -> Setting:
    return replace(describe_setting(toy, {}), methods=body, **more)  # type: ignore[arg-type]


def test_references_are_numbered_in_the_order_of_the_text(toy: Pipeline) -> None:
    text = methods_text(toy, describe(toy, "Multiplied [@Toy2020], as [@Toy2020] says."))
    assert "bidsflow toy* 1.2.0" in text
    assert "Multiplied [3], as [3] says." in text
    assert "3. Toy T. How to multiply. J Toys 1, 2020. https://doi.org/10.1/toy" in text
    assert text.count("\n1. ") == text.count("\n2. ") == text.count("\n3. ") == 1


def test_versions_are_those_that_are_installed(toy: Pipeline) -> None:
    from importlib.metadata import version

    assert f"nipype {version('nipype')}" in methods_text(toy, describe(toy, ""))


def test_pipeline_that_says_nothing_has_a_text(toy: Pipeline) -> None:
    setting = describe_setting(replace(toy, methods=""), {})
    assert setting.methods == ""
    assert "bidsflow toy" in methods_text(toy, setting)


def test_parameters_that_ran_are_in_the_text(toy: Pipeline) -> None:
    assert "multiplied by 2.5" in describe_setting(toy, {"factor": 2.5}).methods


def test_reference_that_the_pipeline_does_not_list_is_told(toy: Pipeline) -> None:
    with pytest.raises(PipelineError, match="Toy2020"):
        describe_setting(replace(toy, citations=()), {})


def test_text_that_cannot_be_made_is_told(toy: Pipeline) -> None:
    with pytest.raises(PipelineError, match=r"its methods text cannot be made \(TypeError: "):
        describe_setting(replace(toy, methods="toy_pipeline.steps:scale"), {})


def test_reference_of_an_older_version_is_listed_by_its_key(toy: Pipeline) -> None:
    text = methods_text(toy, describe(toy, "As in [@Old1999].", version="0.9"))
    assert "toy* 0.9" in text
    assert "As in [3]." in text
    assert "3. Old1999\n" in text


def test_each_way_of_making_is_described_with_what_differs(toy: Pipeline) -> None:
    two, three = describe_setting(toy, {"factor": 2.0, "times": 1}), describe_setting(toy, {"factor": 3.0, "times": 1})
    text = cohort_text(toy, [(two, ("01", "03")), (three, ("02",))])
    first, second = text.split("## ")[1:]
    assert first.startswith("sub-01, sub-03\n\nWhat differs: factor=2.0.")
    assert "multiplied by 2 " in first
    assert second.startswith("sub-02\n\nWhat differs: factor=3.0.")
    assert "multiplied by 3 " in second
    assert text.count("J Toys 1, 2020") == 1


def test_one_way_of_making_has_the_text_of_one(toy: Pipeline) -> None:
    setting = describe_setting(toy, {})
    assert cohort_text(toy, [(setting, ("01", "02"))]) == methods_text(toy, setting)


@pytest.mark.parametrize("key", ["Toy-2020", "Toy_2020", "Müller2020"])
def test_keys_may_hold_more_than_letters(key: str, toy: Pipeline) -> None:
    pipeline = replace(toy, citations=(Citation(key, "Reference."),))
    text = methods_text(pipeline, describe(toy, f"See [@{key}]."))
    assert "See [3]." in text
    assert "3. Reference.\n" in text
