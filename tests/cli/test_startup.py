"""Help must come at once: it loads none of the heavy packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from bidsflow import cli
from bidsflow.cli.main import app

HEAVY = {"numpy", "pandas", "nibabel", "pydicom", "nipype", "nilearn", "bidsschematools", "PIL", "jinja2"}
COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]
CODE = """\
import sys
from bidsflow.cli.main import main
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""


def list_loaded(*args: str) -> set[str]:
    """Return the modules that a command line has loaded when it ends."""
    done = subprocess.run([sys.executable, "-c", CODE, *args], check=True, capture_output=True, text=True)
    assert "Usage: " in done.stdout
    return set(done.stderr.split())


def test_help_loads_no_heavy_package() -> None:
    assert HEAVY & list_loaded("--help") == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_loads_neither_heavy_packages_nor_other_commands(name: str) -> None:
    loaded = list_loaded(name, "--help")
    assert HEAVY & loaded == set()
    assert {other for other in COMMANDS if f"bidsflow.cli.{other.replace('-', '_')}" in loaded} == {name}


def test_every_command_is_covered() -> None:
    with_help = {path.stem for path in Path(cli.__file__).parent.glob("*.py") if "\nHELP_END = " in path.read_text()}
    assert with_help == {name.replace("-", "_") for name in COMMANDS}
