"""The contract holds for a pipeline as it is made, and each of its checks notices what it is there for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bidsflow.app import contract
from bidsflow.app.registry import find_pipeline
from bidsflow.app.scaffold import new_pipeline

from .conftest import make_dataset

_MEASURING = "    volume = "
_RESULT = 'return Measured({"mean"', 'return Measured({"chance": __import__("os").urandom(8).hex(), "mean"'


def _also(statement: str) -> tuple[str, str]:
    return _MEASURING, f"    {statement}\n{_MEASURING}"


#: What is done to a new pipeline: the file, what stands there, what is put in its place, and the check that notices.
BROKEN = {
    "writes-into-the-dataset": ("steps", *_also('image.with_name("new.txt").touch()'), contract.check_run),
    "writes-into-a-closed-dataset": ("steps", *_also('image.with_name(".new").touch()'), contract.check_read_only),
    "writes-into-the-home": ("steps", *_also('Path("~/new").expanduser().touch()'), contract.check_run),
    "leaves-temporary-files": ("steps", *_also('__import__("tempfile").mkstemp()'), contract.check_run),
    "makes-no-page": ("__init__", '    report="makes_no_page.report:build",\n', "", contract.check_run),
    "fails-for-all": ("steps", *_also("raise ValueError"), contract.check_run),
    "differs-when-forced": ("steps", *_RESULT, contract.check_rerun),
    "differs-when-others-run": ("steps", *_RESULT, contract.check_parallel),
    "differs-when-interrupted": ("steps", *_RESULT, contract.check_interruption),
    "reads-no-image": ("workflow", "participant.images,", "participant.images[:0],", contract.check_broken_image),
    "cannot-be-built": ("workflow", "steps.measure,", "steps.missing,", contract.check_dry_run),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", BROKEN)
def test_a_check_notices(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    file, old, new, check = BROKEN[what]
    new_pipeline(what, tmp_path / "made")
    (tmp_path / "empty").mkdir()
    call = f"{tmp_path / 'made'}/"
    case = contract.Case(find_pipeline(call), call, make_dataset(tmp_path / "bids"), tmp_path / "empty")
    path = tmp_path / "made" / what.replace("-", "_") / f"{file}.py"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(AssertionError):
        check(case)
