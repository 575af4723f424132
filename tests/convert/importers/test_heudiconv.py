"""A heuristic is asked what it makes of an export; it can do nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bidsflow.convert.importers.heudiconv import import_heudiconv
from bidsflow.convert.importers.sandbox import ask_heuristic
from bidsflow.errors import ConfigError
from bidsflow.phantom import write
from tests.convert.conftest import Ran

HEURISTIC = """
import re
from heudiconv.utils import SeqInfo
POPULATE_INTENDED_FOR_OPTS = {"matching_parameters": ["Shims"], "criterion": "Closest"}
def create_key(template, outtype=("nii.gz",), annotation_classes=None):
    return template, outtype, annotation_classes
def infotodict(seqinfo):
    t1 = create_key("{bids_subject_session_dir}/anat/{bids_subject_session_prefix}_acq-mine_T1w")
    rest = create_key("sub-{subject}/func/sub-{subject}_task-{name}_run-{item:02d}_bold")
    info = {t1: [], rest: []}
    for s in seqinfo:
        assert "Phantom" not in repr(s) and "PHANTOM" not in repr(s)
        if "t1" in s.series_description.lower() and s.dim4 == 1:
            info[t1].append(s.series_id)
        elif "rest" in s.protocol_name.lower() and s.dim4 > 5:
            info[rest].append({"item": s.series_id, "name": "quiet"})
    return info
"""


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("heuristic")
    write(root / "scan", series=("t1w", "sbref", "rest"))
    return root / "scan" / "dicom"


def test_plan_has_the_names_that_the_heuristic_gives(cli: Callable[..., Ran], export: Path, tmp_path: Path) -> None:
    (tmp_path / "h.py").write_text(HEURISTIC)
    ran = cli("study", "import", tmp_path / "h.py", "--export", export, "-o", tmp_path / "study.toml")
    assert ran.code == 0, ran.err
    assert "POPULATE_INTENDED_FOR_OPTS: left out" in ran.err
    plan = cli("plan", export, "--study", tmp_path / "study.toml", "--tsv").out
    rows = [line.split("\t") for line in plan.splitlines()[1:]]
    named = sorted(row[8] for row in rows if row[7] == "convert")
    assert named == ["sub-01/anat/sub-01_acq-mine_T1w", "sub-01/func/sub-01_task-quiet_bold"]
    assert all(row[7] == "skip" for row in rows if row[8] not in named)


def test_heuristic_without_export_asks_for_one() -> None:
    with pytest.raises(ConfigError, match="add --export EXPORT"):
        import_heudiconv(HEURISTIC, "h.py", None)


def test_reproin_is_not_run() -> None:
    found = import_heudiconv("from heudiconv.heuristics.reproin import *\n1/0", "h.py", None)
    assert found.study.rules == ()
    assert "understood without rules" in found.notes[0].text


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("open('here', 'w')", "writes a file"),
        ("import os; os.open('here', os.O_CREAT | os.O_WRONLY)", "writes a file"),
        ("open('/etc/passwd').read()", "reads a file"),
        ("import os; os.listdir('/')", "reads a file or folder"),
        ("import os; os.remove('/nothing')", "os.remove"),
        ("import os; os.fork()", "os.fork"),
        ("import subprocess", "imports subprocess"),
        ("import socket", "imports socket"),
        ("import ctypes", "imports ctypes"),
        pytest.param(
            "[one for one in object.__subclasses__() if one.__name__ == 'CDLL'][0](None)",
            "ctypes.dlopen",
            marks=pytest.mark.skipif(sys.version_info >= (3, 13), reason="nothing has loaded ctypes there"),
        ),
        ("(lambda: 0).__code__.replace(co_consts=(1,))", "code.__new__"),
        ("import numpy", "standard library"),
        ("def (:", "SyntaxError"),
        ("x = 'a' * (1 << 34)", "MemoryError"),
        ("import os; os._exit(0)", "without an answer"),
        ("raise ValueError('Phantom^Person')", "ValueError (line 1)"),
    ],
)
def test_heuristic_can_do_nothing_else(line: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ask_heuristic(f"{line}\n{HEURISTIC}", "h.py", [[]])
    assert says in str(caught.value)
    assert "Phantom" not in str(caught.value)
