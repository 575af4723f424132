"""Help says how a command is used, and the examples are true."""

from __future__ import annotations

import re
import shlex

import pytest
from typer.main import get_command
from typer.testing import CliRunner

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
        command.make_context(words[0], words[1:], resilient_parsing=True)
        known = {option for param in command.params for option in param.opts}
        assert {word for word in words if word.startswith("-")} <= known


def test_help_says_where_to_start_without_the_source() -> None:
    text = read_help()
    assert "Start here:" in text
    assert "docs/" not in text
    for name in re.findall(r"bidsflow ([a-z]+) ", text.partition("Start here:")[2]):
        assert name in COMMANDS
