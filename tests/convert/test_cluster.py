"""Conversion on a cluster: a task for each session, and the same dataset in the end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.executors.cluster import Cluster, make_cluster

from .conftest import Ran, read_tree
from .test_rerun import make_plan

Cli = Callable[..., Ran]


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = make_cluster(tmp_path / "cluster")
    monkeypatch.setenv("PATH", made.path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return made


def stands(cli: Cli, target: Path) -> dict[str, str]:
    return {one["name"]: one["phase"] for one in json.loads(cli("jobs", target, "--json").out)["tasks"]}


def list_parcels(target: Path) -> list[Path]:
    return sorted((target / ".bidsflow" / "jobs").glob("*/parcels/*"))


def test_cluster_makes_the_dataset_that_a_local_conversion_makes(
    cli: Cli, cluster: Cluster, small_export: Path, reference: dict[str, bytes], tmp_path: Path
) -> None:
    target = tmp_path / "é o'clock $HOME" / "bids"
    ran = cli("convert", small_export, target, "--executor", "slurm", "--mem", "3G")
    assert (ran.code, "2 sessions: slurm job 1" in ran.out) == (0, True)
    parcels = list_parcels(target)
    assert [oct(one.stat().st_mode & 0o777) for one in (*parcels, parcels[0].parent)] == ["0o600", "0o600", "0o700"]
    assert not any(path.startswith("sub-") for path in read_tree(target))
    assert stands(cli, target) == {"sub-01_ses-01": "pending", "sub-01_ses-02": "pending"}
    again = cli("convert", small_export, target, "--executor", "slurm")
    assert (again.code, "2 sessions submitted before" in again.out, len(cluster.jobs)) == (0, True, 1)
    cluster.run()
    assert stands(cli, target) == {"sub-01_ses-01": "done", "sub-01_ses-02": "done"}
    assert read_tree(target) == reference
    assert list_parcels(target) == []
    notes = [json.loads(one.read_bytes()) for one in (target / ".bidsflow" / "commands").iterdir()]
    assert {one["folder"] for one in notes} == {str(Path.cwd())}  # not that of the job
    again = cli("convert", small_export, target, "--executor", "slurm")
    assert (again.code, "every planned image is there" in again.out, len(cluster.jobs)) == (0, True, 1)
    again = cli("convert", small_export, target)
    assert (again.code, read_tree(target) == reference) == (0, True)


def test_session_of_which_only_sidecars_change_is_sent(
    cli: Cli, cluster: Cluster, my_export: Path, reference: dict[str, bytes], tmp_path: Path
) -> None:
    target = tmp_path / "bids"
    assert cli("convert", my_export, target).code == 0

    def change(row: dict[str, str]) -> None:
        if row["path"].startswith("sub-01/ses-02/func/"):
            row["b0_source"] = "n/a"

    assert cli("convert", my_export, target, "--plan", make_plan(my_export, target, cli, change)).code == 0
    assert read_tree(target) != reference
    ran = cli("convert", my_export, target, "--executor", "slurm")
    assert (ran.code, "1 session: slurm job 1" in ran.out) == (0, True), ran.said
    cluster.run()
    assert stands(cli, target) == {"sub-01_ses-02": "done"}
    assert read_tree(target) == reference


def test_session_that_failed_is_converted_by_a_retry(
    cli: Cli, cluster: Cluster, my_export: Path, reference: dict[str, bytes], tmp_path: Path
) -> None:
    target = tmp_path / "bids"
    cli("convert", my_export, target, "--executor", "slurm")
    shutil.move(my_export, tmp_path / "away")
    cluster.run()
    assert stands(cli, target) == {"sub-01_ses-01": "failed", "sub-01_ses-02": "failed"}
    assert not any(path.startswith("sub-") for path in read_tree(target))
    assert len(list_parcels(target)) == 2
    shutil.move(tmp_path / "away", my_export)
    assert cli("jobs", target, "--retry", "--mem", "5G").code == 0
    cluster.run()
    assert stands(cli, target) == {"sub-01_ses-01": "done", "sub-01_ses-02": "done"}
    assert read_tree(target) == reference
    assert list_parcels(target) == []


def test_task_that_is_sent_again_after_it_was_done_does_nothing(
    cli: Cli, cluster: Cluster, two_people: Path, tmp_path: Path
) -> None:
    target = tmp_path / "bids"
    cli("convert", two_people, target, "--executor", "slurm")
    cluster.run()
    before = read_tree(target)
    cluster.put(1, "PENDING")
    cluster.run()
    assert stands(cli, target) == {"sub-01": "done", "sub-02": "done"}
    assert read_tree(target) == before


def test_nobody_is_named_in_what_a_submission_leaves(
    cli: Cli, cluster: Cluster, small_export: Path, tmp_path: Path
) -> None:
    """Headers stand in the parcels alone."""
    truth = json.loads((small_export.parent / "truth" / "truth.json").read_text())
    people = {str(value) for value in _find(truth, ("patient_name", "patient_id", "PatientName", "PatientID"))}
    target = tmp_path / "bids"
    cli("convert", small_export, target, "--executor", "slurm")
    cluster.run()
    kept = b"".join(one.read_bytes() for one in (target / ".bidsflow" / "jobs").rglob("*") if one.is_file())
    assert people
    assert [one for one in people if one.encode() in kept] == []


def _find(value: object, keys: tuple[str, ...]) -> list[object]:
    if isinstance(value, dict):
        own = [value[key] for key in keys if value.get(key)]
        return own + [one for each in value.values() for one in _find(each, keys)]
    return [one for each in value for one in _find(each, keys)] if isinstance(value, list) else []


def test_task_finds_what_another_command_has_converted_since_it_was_submitted(
    cli: Cli, cluster: Cluster, small_export: Path, reference: dict[str, bytes], tmp_path: Path
) -> None:
    early, late, target = Path(shutil.copytree(small_export, tmp_path / "early")), tmp_path / "late", tmp_path / "bids"
    for folder in [one for one in early.rglob("*SpinEcho*") if one.is_dir()]:
        shutil.move(folder, late / folder.relative_to(early))
    assert cli("convert", early, target, "--executor", "slurm").code == 0
    shared = next((target / ".bidsflow" / "jobs").glob("*/again.pickle"))
    assert oct(shared.stat().st_mode & 0o777) == "0o600"
    assert cli("convert", late, target).code == 0
    cluster.run()
    assert stands(cli, target) == {"sub-01_ses-01": "done", "sub-01_ses-02": "done"}
    assert read_tree(target) == reference
    assert not shared.exists()
