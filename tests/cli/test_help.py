"""Help says how a command is used, and the examples are true."""

from __future__ import annotations

import re
import shlex
from importlib import import_module

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from bidsflow.cli.commands import PANELS
from bidsflow.cli.main import app

GROUP = get_command(app)
COMMANDS = sorted(GROUP.commands)  # type: ignore[attr-defined]


def read_help(*args: str) -> str:
    result = CliRunner(env={"COLUMNS": "100", "TERM": "dumb"}).invoke(app, [*args, "--help"])
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_and_exit_codes(name: str) -> None:
    text = read_help(name)
    assert "Examples:" in text
    assert re.search(r"Exit codes:\s+0  ", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_are_commands_that_exist(name: str) -> None:
    examples = re.findall(r"^ +(bidsflow .+?) *$", read_help(name), re.M)
    assert examples
    for example in examples:
        words = shlex.split(example.split(" > ")[0])[1:]
        if words[0] == "run":  # its options are those of a pipeline
            continue
        command = GROUP.commands[words[0]]  # type: ignore[attr-defined]
        if hasattr(command, "commands"):  # one that does several things
            words = words[1:]
            command = command.commands[words[0]]
        command.make_context(words[0], words[1:], resilient_parsing=True)
        known = {option for param in command.params for option in param.opts}
        assert {word for word in words if word.startswith("-")} <= known


def test_help_says_where_to_start_without_the_source() -> None:
    text = read_help()
    assert "Start here:" in text
    assert "docs/" not in text
    for name in re.findall(r"bidsflow ([a-z]+) ", text.partition("Start here:")[2]):
        assert name in COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_the_group_shows_a_command_by_its_own_first_line(name: str) -> None:
    module = import_module(f"bidsflow.cli.{name.replace('-', '_')}")
    purpose = getattr(module, name.replace("-", "_")).__doc__
    panel = read_help().partition(f" {PANELS[name]} ")[2].partition("╰")[0]
    assert re.search(rf"^│ {name} +{re.escape(purpose.splitlines()[0][:40])}", panel, re.M)


def test_commands_are_in_the_order_of_the_table_and_completed() -> None:
    context = GROUP.make_context("bidsflow", [], resilient_parsing=True)
    names = [item.value for item in GROUP.shell_complete(context, "")]
    assert names == list(PANELS)
    assert [item.value for item in GROUP.shell_complete(context, "va")] == ["validate"]


def test_unknown_command_is_told_with_the_near_miss() -> None:
    result = CliRunner().invoke(app, ["valdate", "x"])
    assert result.exit_code == 2
    assert "Did you mean 'validate'?" in result.stderr
