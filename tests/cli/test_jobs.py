"""`bidsflow jobs`, and what a submission says: on made-up batches, without running anything."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bidsflow.cli.main import main
from bidsflow.executors.base import Request
from bidsflow.executors.batches import Batch, read_batches, submit_batch, write_batch
from tests.executors.cluster import Cluster, Command, Ran, make_cluster


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = make_cluster(tmp_path / "cluster")
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run the command in this process."""
    import signal

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*args: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["bidsflow", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Ran(end.value.code if isinstance(end.value.code, int) else 0, said.out, said.err)

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


LABELS = ("01", "02", "03")
Submit = Callable[..., Batch]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An output folder in which nothing was submitted yet."""
    folder = tmp_path / "the out"
    (folder / ".bidsflow" / "jobs").mkdir(parents=True)
    (folder / ".bidsflow" / "journal").mkdir()
    return folder


@pytest.fixture
def submit(out: Path, cluster: Cluster) -> Submit:
    """Submit an array whose command fails for sub-02, and a group level after it."""

    def send(labels: tuple[str, ...] = LABELS, name: str = "20200101-000000-aa", **changes: object) -> Batch:
        room = out / ".bidsflow" / "jobs"
        command = ("bash", "-c", 'echo "working on $2"; [ "$2" != 02 ] || { echo no such luck; exit 7; }', "x")
        batch = Batch(
            name, "bidsflow-toy", "participant", command, tuple(f"sub-{one}" for one in labels),
            tuple(("--p", one) for one in labels), Request("slurm", memory_gb=2, minutes=60),
        )  # fmt: skip
        batch = replace(batch, **changes)  # type: ignore[arg-type]
        write_batch(room, batch)
        return submit_batch(room, batch)

    return send


def read_json(ran: Ran) -> dict[str, dict[str, object]]:
    return {one["name"]: one for one in json.loads(ran.out)["tasks"]}


def test_jobs_says_how_each_task_stands(cli: Command, cluster: Cluster, submit: Submit, out: Path) -> None:
    submit()
    ran = cli("jobs", out)
    assert (ran.code, "3 pending" in ran.out, "sub-03" in ran.out) == (0, True, True)
    cluster.run()
    ran = cli("jobs", out)
    assert ran.code == 1
    assert ran.out.startswith("2 done, 1 failed")
    assert "error: exit code 7" in ran.out
    assert "| no such luck" in ran.out
    assert "1.2.log" in ran.out
    assert f"bidsflow jobs '{out}' --retry" in ran.out
    assert "sub-01" not in ran.out
    assert "sub-01" in cli("jobs", out, "--all").out


def test_json_holds_all_that_is_known(cli: Command, cluster: Cluster, submit: Submit, out: Path) -> None:
    submit()
    cluster.run()
    ran = cli("jobs", out, "--json")
    assert ran.code == 1
    found = read_json(ran)
    assert [found[f"sub-{one}"]["phase"] for one in LABELS] == ["done", "failed", "done"]
    assert found["sub-02"].items() >= {
        "level": "participant", "cause": "error", "reason": "exit code 7", "batch": "20200101-000000-aa", "number": 2,
        "job": ["1"], "node": "n1", "attempts": 1, "log_end": ["working on 02", "no such luck"],
    }.items()  # fmt: skip
    assert json.loads(ran.out)["silent"] == {}


@pytest.mark.parametrize(
    ("state", "cause", "hint"),
    [("TIMEOUT", "time limit", "of 60 min"), ("OUT_OF_MEMORY", "memory", "of 2 GB"), ("NODE_FAIL", "node failure", "")],
)
def test_likely_cause_is_told(
    cli: Command, cluster: Cluster, submit: Submit, out: Path, state: str, cause: str, hint: str
) -> None:
    submit()
    cluster.put(1, state, [2])
    found = read_json(cli("jobs", out, "--json"))
    assert (found["sub-02"]["phase"], found["sub-02"]["cause"]) == ("failed", cause)
    assert hint in str(found["sub-02"]["reason"])


def test_retry_submits_what_failed_with_what_is_asked(
    cli: Command, cluster: Cluster, submit: Submit, out: Path
) -> None:
    submit()
    cluster.run()
    ran = cli("jobs", out, "--retry", "--mem", "16G", "--time", "8h", "--cpus", 4, "--partition", "long")
    assert (ran.code, "again: 1 participant as slurm job 2" in ran.err) == (0, True)
    newest = read_batches(out / ".bidsflow" / "jobs")[-1]
    assert newest.names == ("sub-02",)
    script = (out / ".bidsflow" / "jobs" / newest.id / "run.sh").read_text()
    for line in ("--mem=16000M", "--time=480", "--cpus-per-task=4", "--partition=long"):
        assert f"#SBATCH {line}\n" in script
    assert "2 done" in cli("jobs", out).out


def test_retry_where_nothing_has_failed_submits_nothing(
    cli: Command, cluster: Cluster, submit: Submit, out: Path
) -> None:
    submit(("01",))
    ran = cli("jobs", out, "--retry")
    assert (ran.code, "nothing has failed" in ran.err, len(cluster.jobs)) == (0, True, 1)


def test_retry_that_fails_again_while_it_is_watched_is_a_failure(
    cli: Command, cluster: Cluster, submit: Submit, out: Path
) -> None:
    submit(("02",))
    cluster.run()
    program = cluster.root / "bin" / "sbatch"  # by the first look it is over
    program.write_text(program.read_text().replace('write_text("PENDING")', 'write_text("TIMEOUT")'))
    assert cli("jobs", out, "--retry", "--watch").code == 1


def test_cancel_ends_what_waits_and_keeps_what_is_done(
    cli: Command, cluster: Cluster, submit: Submit, out: Path
) -> None:
    submit()
    cluster.put(1, "COMPLETED", [1])
    ran = cli("jobs", out, "--cancel")
    assert "cancelled: 1" in ran.err
    assert "1 done, 2 failed" in ran.out
    assert {str(one["cause"]) for one in read_json(cli("jobs", out, "--json")).values()} == {"", "cancelled"}
    ran = cli("jobs", out, "--cancel")
    assert "nothing waits or runs" in ran.err


def test_watch_ends_with_the_last_task(cli: Command, cluster: Cluster, submit: Submit, out: Path) -> None:
    submit(("01", "03"))
    cluster.run()
    ran = cli("jobs", out, "--watch")
    assert (ran.code, "2 done" in ran.out) == (0, True)


def test_silent_scheduler_is_told_and_nothing_is_lost(
    cli: Command, cluster: Cluster, submit: Submit, out: Path
) -> None:
    submit()
    cluster.switch("down")
    ran = cli("jobs", out, "--json")
    assert ran.code == 0
    assert "Unable to contact" in ran.err
    assert "Unable to contact" in json.loads(ran.out)["silent"]["slurm"]
    assert {one["phase"] for one in read_json(ran).values()} == {"pending"}
    assert cli("jobs", out, "--retry").code == 69
    assert len(cluster.jobs) == 1


def test_jobs_works_on_a_machine_without_the_scheduler(
    cli: Command, cluster: Cluster, submit: Submit, out: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    submit(("01",))
    cluster.run()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    shutil.rmtree(cluster.root)
    ran = cli("jobs", out)
    assert (ran.code, "1 done" in ran.out, ran.err) == (0, True, "")


def test_tasks_are_told_where_there_is_no_accounting(cli: Command, cluster: Cluster, submit: Submit, out: Path) -> None:
    cluster.switch("no-accounts")
    submit()
    assert "3 pending" in cli("jobs", out).out
    cluster.run()
    assert cli("jobs", out).out.startswith("2 done, 1 failed")


def test_task_that_was_killed_and_forgotten_has_vanished(
    cli: Command, cluster: Cluster, submit: Submit, out: Path
) -> None:
    batch = submit(("01",))
    cluster.switch("no-accounts")
    cluster.put(1, "FAILED")
    folder = out / ".bidsflow" / "jobs" / batch.id
    about = json.loads((folder / "batch.json").read_text())
    (folder / "batch.json").write_text(json.dumps({**about, "submitted": time.time() - 3600}))
    assert read_json(cli("jobs", out, "--json"))["sub-01"]["cause"] == "vanished"
    assert cli("jobs", out, "--retry").code == 0
    cluster.run()
    assert "1 done" in cli("jobs", out).out


def test_damaged_note_is_told(cli: Command, cluster: Cluster, submit: Submit, out: Path) -> None:
    batch = submit()
    (out / ".bidsflow" / "jobs" / batch.id / "batch.json").write_text("{")
    ran = cli("jobs", out)
    assert (ran.code, "damaged" in ran.err) == (73, True)


@pytest.mark.parametrize(
    "options", [("--mem", "16G"), ("--retry", "--cancel"), ("--retry", "--mem", "16"), ("--retry", "--time", "8")]
)
def test_options_that_cannot_be_meant_are_told(
    cli: Command, cluster: Cluster, submit: Submit, out: Path, options: tuple[str, ...]
) -> None:
    submit()
    assert cli("jobs", out, *options).code == 2
    assert len(cluster.jobs) == 1


def test_folder_in_which_nothing_was_submitted_is_told(cli: Command, tmp_path: Path) -> None:
    ran = cli("jobs", tmp_path)
    assert (ran.code, "nothing was submitted" in ran.err) == (2, True)


def test_jobs_are_found_in_the_folder_of_the_pipeline_below(
    cli: Command, cluster: Cluster, submit: Submit, out: Path, tmp_path: Path
) -> None:
    submit()
    shutil.move(out, tmp_path / "all" / "bidsflow-toy")
    assert "3 pending" in cli("jobs", tmp_path / "all").out
