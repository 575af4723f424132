"""What a new session costs depends on the session, not on how many people the dataset holds: work is counted."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.convert.held import read_held
from bidsflow.convert.ledger import read_taken
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.dataset.tree import Dataset
from tests.convert.conftest import finish, spawn

#: Counts how often each of bidsflow's functions is called, and how often each ledger is opened.
COUNT = """
import collections, json, os, sys
where = sys.argv.pop(1)
from bidsflow.cli.main import main
calls, opened = collections.Counter(), collections.Counter()
def note(frame, event, argument):
    if event == "call":
        calls[frame.f_code.co_name] += 1
def hook(kind, args):
    if kind == "open" and "/.bidsflow/ledger/" in str(args[0]) and str(args[0]).endswith(".json"):
        opened[os.path.basename(str(args[0]))] += 1
sys.addaudithook(hook)
sys.setprofile(note)
try:
    main()
finally:
    sys.setprofile(None)
    with open(where, "w") as out:
        json.dump({"calls": calls, "opened": opened}, out)
"""


class Work(NamedTuple):
    """What a command did."""

    calls: dict[str, int]
    opened: dict[str, int]
    out: str


def count_work(tmp_path: Path, *args: object) -> Work:
    ran = finish(spawn(tmp_path / "work.json", *args, script=COUNT))
    assert ran.code == 0, ran.err
    counted = json.loads((tmp_path / "work.json").read_text())
    return Work(counted["calls"], counted["opened"], ran.out)


def grow(dataset: Path, people: int) -> Path:
    """Let a dataset of one person hold more of them: their ledgers, tables of scans, and who they are."""
    state = dataset / ".bidsflow"
    key = json.loads((state / "private" / "key.json").read_text())
    for number in range(101, 101 + people):
        ledger = json.loads((state / "ledger" / "sub-01.json").read_text().replace("sub-01", f"sub-{number}"))
        for entry in ledger.values():
            entry["series_uid"] += f".{number}"
            entry["moment"] = f"{number}{entry['moment'][3:]}"
        (state / "ledger" / f"sub-{number}.json").write_text(json.dumps(ledger))
        (dataset / f"sub-{number}").mkdir()
        scans = (dataset / "sub-01" / "sub-01_scans.tsv").read_text().replace("sub-01", f"sub-{number}")
        (dataset / f"sub-{number}" / f"sub-{number}_scans.tsv").write_text(scans)
        key["subjects"][f"{number}\x1fSomeone {number}\x1f"] = str(number)
        key["shifts"][str(number)] = -45000
        key["sessions"][f"1.{number}"] = [str(number), ""]
    (state / "private" / "key.json").write_text(json.dumps(key))
    rows = "".join(f"sub-{number}\tn/a\tn/a\n" for number in range(101, 101 + people))
    with (dataset / "participants.tsv").open("a") as table:
        table.write(rows)
    return dataset


@pytest.fixture
def datasets(two_people: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two datasets with one person of the export in each; with few others, and with many."""
    ran = finish(spawn("convert", two_people / "P001", tmp_path / "bids"))
    assert ran.code == 0, ran.err
    few, many = (shutil.copytree(tmp_path / "bids", tmp_path / name / "bids") for name in ("few", "many"))
    return grow(few, 2), grow(many, 20)


OTHERS = [f"sub-{number}.json" for number in range(101, 121)]


def test_others_are_read_once_and_not_parsed_when_a_session_is_planned(
    datasets: tuple[Path, Path], two_people: Path, tmp_path: Path
) -> None:
    few, many = (count_work(tmp_path, "plan", two_people / "P002", "--bids-dir", one, "--tsv") for one in datasets)
    assert few.calls["parse_name"] == many.calls["parse_name"] > 0
    assert {name: many.opened[name] for name in OTHERS} == dict.fromkeys(OTHERS, 1)
    assert few.out == many.out
    assert few.out.count("sub-02/") > 1


def test_others_are_read_once_and_not_parsed_when_a_session_is_converted(
    datasets: tuple[Path, Path], two_people: Path, tmp_path: Path
) -> None:
    few, many = (count_work(tmp_path, "convert", two_people / "P002", one, "--jobs", "1") for one in datasets)
    assert few.calls["parse_name"] == many.calls["parse_name"] > 0
    assert {name: many.opened[name] for name in OTHERS} == dict.fromkeys(OTHERS, 1)
    assert (datasets[1] / "sub-02" / "sub-02_scans.tsv").is_file()


def test_what_stands_beside_the_rest_of_many_people_is_looked_up_in_linear_time(datasets: tuple[Path, Path]) -> None:
    def count(root: Path) -> float:
        dataset = Dataset(root)
        late = [
            PlanRow(uid, rank, 1, "", "", 1, 1, Decision.CONVERT, path, 1.0, "")
            for (uid, rank), path in read_taken(dataset).items()
            if path.endswith("_bold")
        ]
        calls: list[str] = []
        sys.setprofile(lambda frame, event, _: calls.append(frame.f_code.co_name) if event == "call" else None)
        try:
            held = read_held(dataset, late)
        finally:
            sys.setprofile(None)
        assert len(held) == len(late)
        return calls.count("parse_name") / len(late)

    few, many = map(count, datasets)
    assert many <= few


def test_what_headers_said_of_people_is_not_written_again(two_people: Path, tmp_path: Path) -> None:
    first, again = (count_work(tmp_path, "convert", two_people, tmp_path / "bids", "--jobs", "1") for _ in range(2))
    assert first.calls["format_said"] == 2
    assert "format_said" not in again.calls
