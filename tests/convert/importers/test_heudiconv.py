"""A heuristic is asked what it makes of an export; it can do nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bidsflow.convert.importers.heudiconv import import_heudiconv
from bidsflow.convert.importers.imported import Imported
from bidsflow.convert.importers.sandbox import ask_heuristic
from bidsflow.dicom.inventory import take_inventory
from bidsflow.errors import ConfigError
from bidsflow.phantom import write
from bidsflow.sources import find_files
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


COUNTING = """
import numpy as np
def infotodict(seqinfo):
    info = {}
    count = 0
    for s in seqinfo:
        name = "moved" if s.dcm_dir_name.endswith("_MoCo") else "still"
        if "nback" in s.protocol_name and s.dim4 > 1:
            count += 1
            run = f"sub-{{subject}}/func/sub-{{subject}}_task-nback_acq-{name}_run-{count}_bold"
            info[run, ("nii.gz",), None] = [s.series_id]
        if s.study_description == "Sleep":
            info["sub-{subject}/anat/sub-{subject}_T1w", ("nii.gz",), None] = [s.series_id]
    return info
"""


def _import(text: str, export: Path) -> Imported:
    return import_heudiconv(text, "h.py", take_inventory(find_files([export]).files))


def test_runs_that_a_heuristic_counts_are_numbered_by_time(tmp_path: Path) -> None:
    """An export with a run that was stopped must not teach that the run of all volumes is the second."""
    write(tmp_path / "scan", series=("aborted", "t1w"))
    found = _import(COUNTING, tmp_path / "scan" / "dicom")
    (rule,) = [rule for rule in found.study.rules if rule.suffix == "bold"]
    assert rule.entities == {"task": "nback", "acq": "still"}
    assert [one.field for one in rule.match] == ["ProtocolName"]
    assert any("numbers what was measured twice" in note.text for note in found.notes)


def test_heuristic_sees_folders_without_the_person_and_is_told_what_it_cannot_see(tmp_path: Path) -> None:
    write(tmp_path / "scan", series=("rest",))
    (folder,) = {path.parent for path in (tmp_path / "scan" / "dicom").rglob("*.dcm")}
    folder.rename(folder.with_name("Phantom_20240304_MoCo"))
    text = COUNTING.replace("nback", "rest").replace('.endswith("_MoCo")', ' == "***_***_MoCo"')
    found = _import(text, tmp_path / "scan" / "dicom")
    (rule,) = [rule for rule in found.study.rules if rule.suffix == "bold"]
    assert rule.entities["acq"] == "moved"
    (note,) = [note.text for note in found.notes if note.where == "infotodict"]
    assert note.startswith("asks for study_description: not shown to it")


def test_package_that_is_not_there_may_be_imported_but_not_used(export: Path) -> None:
    with pytest.raises(ConfigError, match=r"uses numpy\.max; it may import the standard library"):
        _import(COUNTING.replace("count = 0", "count = np.max([0])"), export)


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
        ("import tests", "standard library"),
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
