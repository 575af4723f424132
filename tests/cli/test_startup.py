"""Help must come at once: it loads none of the heavy packages."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command

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


@pytest.mark.parametrize("args", [("--help",), *((name, "--help") for name in COMMANDS)], ids=" ".join)
def test_help_loads_no_heavy_package(args: tuple[str, ...]) -> None:
    loaded = list_loaded(*args)
    assert "bidsflow.cli.main" in loaded
    assert HEAVY & loaded == set()


def test_every_command_is_covered() -> None:
    assert {"scan", "plan", "convert", "validate", "demo", "phantom", "dump"} <= set(COMMANDS)
