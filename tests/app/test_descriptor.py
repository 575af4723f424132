"""A command line as a Boutiques descriptor."""

from __future__ import annotations

import json

import pytest

from bidsflow.app.command import make_parser, parse
from bidsflow.app.descriptor import describe_pipeline, to_text
from bidsflow.app.spec import Pipeline


def test_descriptor_is_valid(toy: Pipeline) -> None:
    validator = pytest.importorskip("boutiques.validator")
    validator.validate_descriptor(json.loads(to_text(describe_pipeline(toy, "x/toy:1"))))


def test_every_described_option_is_one_of_the_command(toy: Pipeline) -> None:
    flags = {flag for action in make_parser(toy, "toy")._actions for flag in action.option_strings}
    described = {one.get("command-line-flag") for one in describe_pipeline(toy)["inputs"]} - {None}
    assert described <= flags


def test_parameters_have_their_types_and_defaults(toy: Pipeline) -> None:
    inputs = {one["id"]: one for one in describe_pipeline(toy)["inputs"]}
    assert (inputs["factor"]["type"], inputs["factor"]["default-value"]) == ("Number", 2.0)
    assert (inputs["times"]["type"], inputs["times"]["integer"]) == ("Number", True)
    assert (inputs["keep_sign"]["type"], inputs["keep_sign"]["command-line-flag"]) == ("Flag", "--no-keep-sign")
    assert (inputs["times"]["minimum"], inputs["times"]["maximum"]) == (1, 99)
    assert "minimum" not in inputs["factor"]
    assert inputs["extra"]["command-line-flag"] == "--extra"
    assert inputs["method"]["value-choices"] == ["mean", "median"]
    assert inputs["analysis_level"]["value-choices"] == ["participant", "group"]


def test_values_filled_in_are_understood_by_the_command(toy: Pipeline) -> None:
    """Boutiques puts a value in the place of its key, with its flag before."""
    descriptor = describe_pipeline(toy)
    given = {"bids_dir": "bids", "output_dir": "out", "analysis_level": "participant", "times": "3", "keep_sign": "",
             "participant_label": "01 02", "mem": "8G"}  # fmt: skip
    line = descriptor["command-line"]
    for one in descriptor["inputs"]:
        value = given.get(one["id"])
        text = "" if value is None else f"{one.get('command-line-flag', '')} {value}"
        line = line.replace(one["value-key"], text)
    call = parse(toy, line.split()[1:], "bidsflow-toy")
    assert call.selection.participants == ("01", "02")
    assert (call.params["times"], call.params["keep_sign"], call.resources.memory_gb) == (3, False, 8.0)
