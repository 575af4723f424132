"""Parts of one session that several commands convert at the same moment: as if they had come one after another."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydicom import dcmread

from bidsflow.convert.plan import Plan, from_tsv, to_tsv
from bidsflow.phantom import make_sessions, write

from .conftest import Ran, finish, read_tree, spawn
from .test_originals import read_members
from .test_two_exports import BOLD, KINDS, read_sidecars, read_source

#: Runs the command; when it begins to convert, and so has planned, it waits for all others to be as far.
_MEETING = """
import os, re, sys, time
own, count = sys.argv[1], int(sys.argv[2])
del sys.argv[1:3]
met = False
def hook(kind, args):
    global met
    if kind == "os.mkdir" and re.search("staging/run-.*/in$", str(args[0])) and not met:
        met = True
        open(own, "w").close()
        end = time.monotonic() + 60
        while len(os.listdir(os.path.dirname(own))) < count and time.monotonic() < end:
            time.sleep(0.01)
from bidsflow.cli.main import main
sys.addaudithook(hook)
main()
"""
#: The same, met when it begins to write an archive of originals.
_MEETING_AT_ARCHIVE = _MEETING.replace("os.mkdir", "open").replace("staging/run-.*/in$", r"staging/run-.*\.tar\.gz$")
#: What goes into the exports, by the folders of series; the rest is the first export.
PARTINGS = {
    "field map": ("*SpinEcho*",),
    "half of a field map": ("*_PA",),
    "both runs": ("*BOLD*", "*DWI*"),
    "four exports": ("*SpinEcho*", "*gre_field*", "*BOLD*"),
}


def part(export: Path, root: Path, patterns: Sequence[str]) -> list[Path]:
    """Copy an export in parts, by what folders of series match."""
    exports = [Path(shutil.copytree(export, root / "part-0"))]
    for number, pattern in enumerate(patterns, start=1):
        for folder in sorted(one for one in exports[0].rglob(pattern) if one.is_dir()):
            target = root / f"part-{number}" / folder.relative_to(exports[0])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, target)
        exports.append(root / f"part-{number}")
    return exports


def convert_at_once(
    exports: Sequence[Path], target: Path, each: Sequence[Sequence[object]] = (), *, script: str = _MEETING
) -> list[Ran]:
    """Convert exports by processes that have all planned before the first of them commits; `each` has more words."""
    meeting = target.parent / f"meeting-{target.name}"
    meeting.mkdir(parents=True)
    started = [
        spawn(meeting / str(number), len(exports), "convert", "-j", 1, *more, one, target, script=script)
        for number, (one, more) in enumerate(zip(exports, each or [()] * len(exports), strict=True))
    ]
    ran = list(map(finish, started))
    assert len(list(meeting.iterdir())) == len(exports)
    return ran


def check_left(target: Path) -> None:
    """Nothing of a run is left behind."""
    for room in ("journal", "staging"):
        assert not any((target / ".bidsflow" / room).iterdir())


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One visit with two sorts of field maps. Read only."""
    root = tmp_path_factory.mktemp("visit")
    write(root / "scan", sessions=make_sessions(1, 1), size="tiny", series=KINDS)
    return root / "scan" / "dicom"


@pytest.fixture(scope="module")
def whole(visit: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The sidecars of the visit that is converted at once, by path."""
    target = tmp_path_factory.mktemp("whole") / "bids"
    assert finish(spawn("convert", visit, target)).code == 0
    return dict(read_sidecars(target))


@pytest.mark.parametrize("parting", PARTINGS)
def test_parts_that_are_converted_at_once_find_each_other(
    parting: str, visit: Path, whole: dict[str, object], tmp_path: Path
) -> None:
    exports = part(visit, tmp_path, PARTINGS[parting])
    target = tmp_path / "bids"
    for ran in convert_at_once(exports, target):
        assert ran.code == 0, ran.said
    assert read_sidecars(target) == whole
    check_left(target)
    tree = read_tree(target)
    for export in exports:
        assert finish(spawn("convert", export, target)).code == 0
    assert read_tree(target) == tree


def repeat(series: Path, target: Path, number: int) -> None:
    """Write a series as if it had been measured again, a quarter of an hour later each time."""
    target.mkdir(parents=True)
    for file in sorted(series.iterdir()):
        dataset = dcmread(file)
        for key in ("SeriesInstanceUID", "SOPInstanceUID"):
            setattr(dataset, key, f"{getattr(dataset, key)}.{number}")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.SeriesNumber = int(dataset.SeriesNumber) + 10 * number
        for key in ("SeriesTime", "AcquisitionTime", "ContentTime"):
            clock = datetime.strptime(str(getattr(dataset, key))[:6], "%H%M%S") + timedelta(minutes=15 * number)
            setattr(dataset, key, clock.strftime("%H%M%S"))
        dataset.save_as(target / file.name)


@pytest.fixture
def repeated(tmp_path: Path) -> list[Path]:
    """Three runs of one name, each in an export of its own."""
    write(tmp_path / "scan", sessions=make_sessions(1, 1), size="tiny", series=("rest",))
    (series,) = {file.parent for file in (tmp_path / "scan" / "dicom").rglob("*.dcm")}
    for number in (1, 2):
        repeat(series, tmp_path / f"part-{number}" / series.name, number)
    return [tmp_path / "scan" / "dicom", tmp_path / "part-1", tmp_path / "part-2"]


def read_ledger(target: Path) -> dict[str, dict[str, object]]:
    (ledger,) = (target / ".bidsflow" / "ledger").glob("*.json")
    return {path.rpartition("/")[2]: entry for path, entry in json.loads(ledger.read_bytes()).items()}


def test_runs_of_one_name_that_come_at_once_get_a_number_each(repeated: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "bids"
    for ran in convert_at_once(repeated, target):
        assert ran.code == 0, ran.said
    runs = read_ledger(target)
    assert runs.keys() == {f"sub-01_task-rest{run}_bold" for run in ("", "_run-2", "_run-3")}
    assert len({run["series_uid"] for run in runs.values()}) == len(runs)
    table = (target / "sub-01" / "sub-01_scans.tsv").read_text()
    assert table.count("_bold.nii.gz") == len(runs)
    check_left(target)
    tree = read_tree(target)
    for export in repeated:
        assert finish(spawn("convert", export, target)).code == 0
    assert read_tree(target) == tree


def test_what_has_more_of_a_series_stays_whoever_comes_last(visit: Path, tmp_path: Path) -> None:
    exports, target = (
        [Path(shutil.copytree(visit, tmp_path / f"first-{count}")) for count in (10, 15)],
        tmp_path / "bids",
    )
    for export, count in zip(exports, (10, 15), strict=True):
        (run,) = {one for one in export.rglob("*BOLD_rest") if one.is_dir()}
        for file in sorted(run.iterdir())[count:]:
            file.unlink()
    fewer, more = convert_at_once(exports, target)
    assert more.code == 0, more.said
    assert read_ledger(target)["sub-01_task-rest_bold"]["volumes"] == 15
    assert fewer.code == 0 or "the export holds 10 of the 15 files that it was made of; it stays" in fewer.err
    check_left(target)


def test_a_plan_of_a_person_decides_also_at_once(visit: Path, tmp_path: Path) -> None:
    runs, maps = part(visit, tmp_path, ("*SpinEcho*",))
    plan, target = tmp_path / "plan.tsv", tmp_path / "bids"
    assert finish(spawn("plan", runs, "-o", plan)).code == 0
    rows = from_tsv(plan.read_text()).rows
    plan.write_text(to_tsv(Plan(tuple(replace(row, b0_source="") if row.path.endswith(BOLD) else row for row in rows))))
    for ran in convert_at_once([runs, maps], target, each=(("--plan", plan), ())):
        assert ran.code == 0, ran.said
    in_turn = []
    for name in ("plan first", "plan last"):
        other = tmp_path / name / "bids"
        words = [("convert", runs, other, "--plan", plan), ("convert", maps, other)]
        for one in words if name == "plan first" else words[::-1]:
            assert finish(spawn(*one)).code == 0
        in_turn.append(read_tree(other))
        assert read_source(other, BOLD) is None
    assert read_tree(target) in in_turn


def test_originals_that_are_kept_at_once_are_all_kept(visit: Path, tmp_path: Path) -> None:
    exports, target = part(visit, tmp_path, ("*SpinEcho*", "*BOLD*")), tmp_path / "bids"
    exports.append(exports[1])  # what two of them hold is kept once
    each = [("--keep-source",)] * len(exports)
    said = "".join(ran.said for ran in convert_at_once(exports, target, each, script=_MEETING_AT_ARCHIVE))
    archives = sorted(target.rglob("*.tar.gz"))
    assert sorted(re.findall(r"in (sourcedata/\S+)", said)) == [str(one.relative_to(target)) for one in archives]
    kept = [one for archive in archives for one in read_members(archive).values()]
    assert sorted(kept) == sorted(file.read_bytes() for file in visit.rglob("*.dcm"))


def test_rest_of_a_session_follows_a_label_that_it_got_meanwhile(visit: Path, tmp_path: Path) -> None:
    rest, first = part(visit, tmp_path, ("*t1_*",))
    trees = []
    for name in ("in turn", "at once"):
        plan, target, meeting = (tmp_path / name / one for one in ("plan.tsv", "bids", "meeting"))
        meeting.mkdir(parents=True)
        assert finish(spawn("convert", first, target)).code == 0
        assert finish(spawn("plan", first, "--bids-dir", target, "-o", plan)).code == 0
        plan.write_text(plan.read_text().replace("sub-01", "sub-07"))
        if name == "at once":
            held = spawn(meeting / "rest", 2, "convert", "-j", 1, rest, target, script=_MEETING)
            while not (meeting / "rest").exists() and held.poll() is None:
                time.sleep(0.02)
        assert finish(spawn("convert", first, target, "--plan", plan)).code == 0
        if name == "at once":
            (meeting / "plan").touch()
            ran = finish(held)
        else:
            ran = finish(spawn("convert", rest, target))
        assert ran.code == 0, ran.said
        assert "keeps" not in ran.said
        check_left(target)
        trees.append(read_tree(target))
    assert not any(path.startswith("sub-01") for path in trees[1])
    assert trees[0] == trees[1]


@pytest.mark.parametrize("seed", range(3))
def test_kills_at_any_moment_cost_nothing(seed: int, visit: Path, whole: dict[str, object], tmp_path: Path) -> None:
    """Of parts that are converted at once, some are killed and given again, as a cluster does."""
    exports, target = part(visit, tmp_path, PARTINGS["four exports"]), tmp_path / "bids"
    rng = random.Random(seed)
    todo = list(exports)
    while todo:
        started = {one: spawn("convert", "-j", 1, one, target) for one in todo}
        time.sleep(0.5 + 1.5 * rng.random())
        for one in rng.sample(todo, len(todo) // 2):
            if started[one].poll() is None:
                os.killpg(started[one].pid, signal.SIGKILL)
        ran = {one: finish(process) for one, process in started.items()}
        assert {one.code for one in ran.values()} <= {0, -signal.SIGKILL}, [one.said for one in ran.values()]
        todo = [one for one in todo if ran[one].code]
    assert read_sidecars(target) == whole
    assert finish(spawn("convert", exports[0], target)).code == 0
    check_left(target)
