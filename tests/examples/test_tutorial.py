"""What docs/pipelines.md tells readers to do works, as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "pipelines.md"


def change(root: Path, block: str) -> None:
    """Do what a block says: of one file, lines that go (-) and lines that come (+)."""
    head, *lines = block.splitlines()
    path = root / head.removeprefix("--- ")
    old = "\n".join(line[1:] for line in lines if line.startswith("-"))
    new = "\n".join(line[1:] for line in lines if line.startswith("+"))
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path.name} does not have: {old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.slow
def test_tutorial_works_from_nothing_to_tests_that_pass(tmp_path: Path) -> None:
    blocks = re.findall(r"^```(sh|diff)\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    said = ""
    for kind, block in blocks:
        if kind == "diff":
            change(tmp_path, block)
            continue
        done = subprocess.run(
            ["sh", "-e", "-c", block], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        said += done.stdout
    assert "image\tmean\tstdv\tvolume_ml\tmedian\nsub-01_T1w\t" in said
    assert "--threshold" in said
    assert re.search(r"\d+ passed", said)
