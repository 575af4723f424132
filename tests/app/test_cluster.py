"""Runs of the toy pipeline on a cluster: what is submitted, what the tasks make, what is submitted again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bidsflow.app import state
from bidsflow.app.cluster import Submission, jobs_room, look, retry, submit
from bidsflow.app.command import parse
from bidsflow.app.invocation import Invocation
from bidsflow.app.spec import Pipeline
from bidsflow.dataset.tree import Dataset
from bidsflow.errors import OptionError, ToolError
from bidsflow.executors.base import Cause, Phase
from bidsflow.executors.batches import read_batches
from bidsflow.executors.standing import Desk
from tests.executors.cluster import Cluster, make_cluster

from .conftest import make_dataset, read_derivatives, write_image


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = make_cluster(tmp_path / "cluster")
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


Ask = Callable[..., Invocation]


@pytest.fixture
def ask(toy: Pipeline, toy_folder: Path, tmp_path: Path) -> Ask:
    """Return what a command line asks of a cluster."""

    def make(*arguments: object, folder: Path = tmp_path, levels: tuple[str, ...] = ("participant",)) -> Invocation:
        line = (folder / "bids", folder / "out", *levels, "--skip-bids-validation", "--executor", "slurm", *arguments)
        return parse(toy, tuple(map(str, line)), f"bidsflow run {toy_folder}")

    return make


def stands(out: Path) -> dict[str, str]:
    return {one.name: one.phase.value for one in look(jobs_room(out))}


def names(sent: Submission) -> list[list[str]]:
    return [list(batch.names) for batch in sent.batches]


def scripts(sent: Submission) -> list[str]:
    return [(sent.folder / batch.id / "run.sh").read_text() for batch in sent.batches]


def test_cluster_makes_what_a_local_run_makes(
    toy: Pipeline, ask: Ask, cluster: Cluster, finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "é 'toys' $HOME"
    make_dataset(folder / "bids")
    out = folder / "out"
    sent = submit(toy, ask(folder=folder, levels=("participant", "group")))
    assert names(sent) == [["sub-01", "sub-02"], ["group"]]
    assert sent.batches[1].after == ("1",)
    assert cluster.jobs[2]["options"]["dependency"] == "afterany:1"
    assert stands(out) == {"sub-01": "pending", "sub-02": "pending", "group": "pending"}
    again = submit(toy, ask(folder=folder))
    assert (names(again), again.live) == ([], ("sub-01", "sub-02"))
    cluster.run()
    assert stands(out) == {"sub-01": "done", "sub-02": "done", "group": "done"}
    assert read_derivatives(out) == read_derivatives(finished / "out")
    again = submit(toy, ask(folder=folder))
    assert (names(again), again.done, again.live) == ([], ("sub-01", "sub-02"), ())


def test_what_failed_is_submitted_again_with_more(
    toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path
) -> None:
    sent = submit(toy, ask("--trouble", "raise", "--who", "02", "--mem", "2G", levels=("participant", "group")))
    assert "#SBATCH --mem=2000M" in scripts(sent)[0]
    cluster.run()
    room = jobs_room(tmp_path / "out")
    standings = look(room)
    assert [one.phase.value for one in standings] == ["done", "failed", "done"]
    assert (standings[1].cause, standings[1].said) == (Cause.ERROR, "exit code 1")
    again = retry(room, standings, {"memory_gb": 3.0, "minutes": 60})
    assert [(batch.names, batch.level) for batch in again] == [(("sub-02",), "participant"), (("group",), "group")]
    assert again[1].after == tuple(job for job, _ in again[0].jobs)
    script = (room / again[0].id / "run.sh").read_text()
    assert "#SBATCH --mem=3000M" in script
    assert "#SBATCH --time=60" in script
    assert "--mem 3G" in script
    assert (room / again[0].id / "tasks.txt").read_text().count("\n") == 1
    assert f"--config {room / again[0].id}/config.toml" in script  # older folders may be removed
    assert (room / again[0].id / "config.toml").is_file()
    assert stands(tmp_path / "out") == {"sub-01": "done", "sub-02": "pending", "group": "pending"}


def test_script_that_was_changed_by_hand_is_retried_as_it_is(
    toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path
) -> None:
    sent = submit(toy, ask("--trouble", "raise", "--who", "02", "--mem", "2G", levels=("participant", "group")))
    room, first = jobs_room(tmp_path / "out"), sent.batches[0]
    script = room / first.id / "run.sh"
    script.write_text(script.read_text().replace("set -u\n", f"set -u\necho x >> {tmp_path}/edits\n", 1))
    for number, changes in enumerate(({"memory_gb": 3.0, "cpus": 2}, {}), 1):
        cluster.run()
        again = retry(room, look(room), changes)
        assert again[0].names == ("sub-02",)
        told = cluster.jobs[2 * number + 1]["options"]
        assert (told["mem"], told["cpus-per-task"], told["job-name"]) == ("3000M", "2", again[0].title)
        text = (room / again[0].id / "run.sh").read_text()
        assert f"here={room / again[0].id}" in text
        assert f"--config {room / again[0].id}/config.toml" in text
        assert "--n-cpus 2 \\\n  --mem 3G" in text
        assert "sbatch --array=1-1 run.sh" in text
        assert first.id not in text
        assert again[1].overrides == ()
    cluster.run()
    assert (tmp_path / "edits").read_text() == "x\n" * 4


def test_sessions_of_a_person_run_at_the_same_time(toy: Pipeline, ask: Ask, cluster: Cluster, tmp_path: Path) -> None:
    make_dataset(tmp_path / "bids", ())
    for session in ("a", "b"):
        write_image(tmp_path / f"bids/sub-01/ses-{session}/anat/sub-01_ses-{session}_T1w.nii.gz")
    sent = submit(toy, ask("--per", "session"))
    assert names(sent) == [["sub-01_ses-a", "sub-01_ses-b"]]
    cluster.run()
    out = tmp_path / "out"
    assert stands(out) == {"sub-01_ses-a": "done", "sub-01_ses-b": "done"}
    marker = state.read_marker(Dataset(out), "01")
    assert sorted(uri.rpartition("/")[2] for uri in marker.inputs) == [
        "sub-01_ses-a_T1w.nii.gz",
        "sub-01_ses-b_T1w.nii.gz",
    ]
    page = (out / "sub-01.html").read_text()
    assert "ses-a" in page
    assert "ses-b" in page
    assert {name for name in read_derivatives(out) if name.endswith(".nii.gz")} == {
        f"sub-01/ses-{one}/anat/sub-01_ses-{one}_desc-scaled_T1w.nii.gz" for one in ("a", "b")
    }
    assert names(submit(toy, ask("--per", "session"))) == []
    write_image(tmp_path / "bids/sub-01/ses-b/anat/sub-01_ses-b_T1w.nii.gz", value=9)
    assert names(submit(toy, ask("--per", "session"))) == [["sub-01_ses-b"]]


def test_whole_person_takes_the_place_of_sessions_that_failed(
    toy: Pipeline, ask: Ask, cluster: Cluster, tmp_path: Path
) -> None:
    make_dataset(tmp_path / "bids", ())
    write_image(tmp_path / "bids/sub-01/ses-a/anat/sub-01_ses-a_T1w.nii.gz")
    submit(toy, ask("--per", "session", "--trouble", "raise"))
    cluster.run()
    assert stands(tmp_path / "out") == {"sub-01_ses-a": "failed"}
    submit(toy, ask())
    assert stands(tmp_path / "out") == {"sub-01": "pending"}


def test_reports_are_not_made_again_on_a_cluster(toy: Pipeline, ask: Ask, dataset: Path) -> None:
    with pytest.raises(OptionError, match="--reports-only"):
        submit(toy, ask("--reports-only"))


def test_person_is_not_submitted_while_a_session_runs(
    toy: Pipeline, ask: Ask, cluster: Cluster, tmp_path: Path
) -> None:
    make_dataset(tmp_path / "bids", ("02",))
    for session in ("a", "b"):
        write_image(tmp_path / f"bids/sub-01/ses-{session}/anat/sub-01_ses-{session}_T1w.nii.gz")
    assert names(submit(toy, ask("--per", "session", "--session-label", "a"))) == [["sub-01_ses-a", "sub-02"]]
    assert names(submit(toy, ask())) == []
    assert names(submit(toy, ask("--per", "session"))) == [["sub-01_ses-b"]]


Change = Callable[[Path], None]


def change_image(root: Path) -> None:
    write_image(root / "bids/sub-01/anat/sub-01_T1w.nii.gz", value=5)


def add_image(root: Path) -> None:
    write_image(root / "bids/sub-01/anat/sub-01_run-2_T1w.nii.gz")


def lose_derivative(root: Path) -> None:
    (root / "out/sub-01/anat/sub-01_T1w.json").unlink()


def note_failure(root: Path) -> None:
    state.note_failure(Dataset(root / "out"), "01", "later", "run")


@pytest.mark.parametrize("change", [change_image, add_image, lose_derivative, note_failure])
def test_only_whom_a_change_concerns_is_submitted_again(
    toy: Pipeline, ask: Ask, cluster: Cluster, copy: Path, change: Change
) -> None:
    assert names(submit(toy, ask(folder=copy))) == []
    change(copy)
    sent = submit(toy, ask(folder=copy))
    assert (names(sent), sent.done) == ([["sub-01"]], ("sub-02",))


def test_everybody_is_submitted_again_with_another_parameter_or_by_force(
    toy: Pipeline, ask: Ask, cluster: Cluster, copy: Path
) -> None:
    for number, option in enumerate((("--factor", 3), ("--force",)), 1):
        assert names(submit(toy, ask(*option, folder=copy))) == [["sub-01", "sub-02"]]
        cluster.put(number, "CANCELLED")


def test_dry_run_writes_nothing(toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    sent = submit(toy, ask("--dry-run", "--participant-label", "02", levels=("participant", "group")))
    assert names(sent) == [["sub-02"], ["group"]]
    assert sorted(tmp_path.rglob("*")) == before


def test_two_submissions_at_once_submit_everybody_once(
    toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path
) -> None:
    sent: list[Submission] = []
    threads = [threading.Thread(target=lambda: sent.append(submit(toy, ask()))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(one.batches) for one in sent) == [0, 0, 1]
    assert [about["options"]["array"] for about in cluster.jobs.values()] == ["1-2"]


def test_refused_submission_leaves_nobody_waiting(
    toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path
) -> None:
    cluster.switch("refuse")
    with pytest.raises(ToolError, match="Invalid partition name"):
        submit(toy, ask())
    assert set(stands(tmp_path / "out").values()) == {"failed"}
    cluster.switch("refuse", on=False)
    assert names(submit(toy, ask())) == [["sub-01", "sub-02"]]


def test_submission_that_was_interrupted_after_the_scheduler_took_it_is_found(
    toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path
) -> None:
    sent = submit(toy, ask())
    note = sent.folder / sent.batches[0].id / "batch.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "jobs": [], "submitted": 0.0}))
    assert names(submit(toy, ask())) == []
    assert read_batches(sent.folder)[0].jobs == (("1", 0),)


def test_nothing_is_submitted_twice_while_the_scheduler_is_silent(
    toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path
) -> None:
    submit(toy, ask())
    cluster.switch("down")
    with pytest.raises(ToolError, match="Unable to contact"):
        submit(toy, ask())
    desk = Desk()
    assert {one.phase for one in look(jobs_room(tmp_path / "out"), desk)} == {Phase.PENDING}
    assert "Unable to contact" in desk.silent["slurm"]
    assert len(cluster.jobs) == 1


def test_retried_group_takes_the_place_of_the_one_that_waits(
    toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path
) -> None:
    submit(toy, ask(levels=("participant", "group")))
    cluster.put(1, "NODE_FAIL", [1])
    room = jobs_room(tmp_path / "out")
    again = retry(room, look(room), {})
    assert [batch.names for batch in again] == [("sub-01",), ("group",)]
    assert again[1].after == ("1", "3")
    assert (cluster.root / "jobs/2/tasks/1").read_text() == "CANCELLED"


def test_array_that_never_begins_goes_when_its_tasks_are_submitted_again(
    toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path
) -> None:
    submit(toy, ask())
    cluster.put(1, "PENDING BadConstraints")
    room = jobs_room(tmp_path / "out")
    assert {one.cause for one in look(room)} == {Cause.BLOCKED}
    assert names(submit(toy, ask())) == [["sub-01", "sub-02"]]
    assert (cluster.root / "jobs/1/tasks/1").read_text() == "CANCELLED"
    cluster.put(2, "PENDING BadConstraints")
    retry(room, look(room), {"partition": "other"})
    assert (cluster.root / "jobs/2/tasks/2").read_text() == "CANCELLED"
    assert stands(tmp_path / "out") == {"sub-01": "pending", "sub-02": "pending"}


def test_scratch_takes_the_place_of_the_work_folder(
    toy: Pipeline, ask: Ask, cluster: Cluster, dataset: Path, tmp_path: Path
) -> None:
    sent = submit(toy, ask("--scratch", "$TMPDIR/x", "--dry-run"))
    assert '--work-dir "$work"' not in scripts(submit(toy, ask()))[0]
    from bidsflow.executors.batches import draft_script

    assert '--work-dir "$work"' in draft_script(sent.folder, sent.batches[0])


def test_command_says_what_it_submits_and_where_to_look(
    toy_folder: Path, cluster: Cluster, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from bidsflow.cli.run import call as run

    line = [str(copy / "bids"), str(copy / "out"), "participant", "--skip-bids-validation", "--executor", "slurm"]

    def say(*options: str) -> list[str]:
        capsys.readouterr()
        assert run(f"{toy_folder}/", [*line, *options], f"bidsflow run {toy_folder}") == 0
        return capsys.readouterr().out.splitlines()

    said = say("--force", "--dry-run")
    assert said[0] == "participant: would submit sub-01, sub-02 with this script"
    assert "#!/bin/bash" in said
    assert cluster.jobs == {}
    assert say() == [
        "2 done before: sub-01, sub-02",
        "nothing to submit; --force does again what is done",
    ]
    change_image(copy)
    said = say("--mem", "3G")
    assert said[:2] == ["1 done before: sub-02", "participant: sub-01: slurm job 1"]
    assert said[-1] == f"How it stands: bidsflow jobs {copy / 'out'}"
    assert say("--quiet") == []


@pytest.mark.parametrize("line", [("--array-limit", "0"), ("--time", "8"), ("--mem", "8"), ("--per", "run")])
def test_option_that_cannot_be_meant_is_told(ask: Ask, dataset: Path, line: tuple[str, str]) -> None:
    with pytest.raises(OptionError, match=line[0]):
        ask(*line)
