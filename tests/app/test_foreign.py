"""BIDS Apps of others on a cluster: a made-up app in a made-up Podman, run by the tasks that were submitted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.app.cluster import Submission, jobs_room, look, retry
from bidsflow.app.foreign import ForeignCall, parse, submit
from bidsflow.errors import DatasetError, InputError, OptionError
from bidsflow.executors.base import Phase
from bidsflow.executors.batches import draft_script
from tests.executors.cluster import Cluster, make_cluster

from .conftest import make_dataset

#: Has every image; an app in it notes its words, and fails for whom a file ``fail-LABEL`` is there.
_PODMAN = """#!/bin/bash
case "$1 $2" in
  "image inspect") exit 0 ;;
  run*) while [ "$1" != app:1 ]; do shift; done; shift
        printf '%s\\n' "$*" >> {log}; for last; do :; done
        for label in 01 02; do case " $* " in *" $label "*) [ ! -e {root}/fail-$label ] || exit 3 ;; esac; done ;;
esac
"""
CONTAINER = ("--container", "app:1", "--container-runtime", "podman")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with a dataset ``in``."""
    root = tmp_path / "here"
    make_dataset(root / "in")
    (root / "filter.json").write_text("{}")
    for name in ("FS_LICENSE", "TEMPLATEFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def cluster(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = make_cluster(tmp_path / "cluster")
    podman = made.root / "bin" / "podman"
    podman.write_text(_PODMAN.format(log=tmp_path / "log", root=root))
    podman.chmod(0o755)
    monkeypatch.setenv("PATH", made.path)
    return made


def ask(line: str, *, container: tuple[str, ...] = CONTAINER) -> ForeignCall:
    return parse("theirs", [*line.split(), "--executor", "slurm"], container)


Ran = Callable[[], list[str]]


@pytest.fixture
def ran(root: Path, tmp_path: Path) -> Ran:
    """Return the words that the app was given since, without what stands before the level."""

    def read() -> list[str]:
        log = tmp_path / "log"
        lines = sorted(log.read_text().splitlines()) if log.exists() else []
        log.unlink(missing_ok=True)
        assert all(line.startswith(f"{root}/in {root}/out ") for line in lines)
        return [line.removeprefix(f"{root}/in {root}/out ") for line in lines]

    return read


def names(sent: Submission) -> list[list[str]]:
    return [list(batch.names) for batch in sent.batches]


def stands(root: Path) -> dict[str, str]:
    return {one.name: one.phase.value for one in look(jobs_room(root / "out"))}


def test_each_participant_is_a_task_and_the_group_waits(cluster: Cluster, ran: Ran, root: Path) -> None:
    sent = submit(ask("in out participant group --skip x"))
    assert names(sent) == [["sub-01", "sub-02"], ["group"]]
    assert cluster.jobs[2]["options"]["dependency"] == "afterany:1"
    assert names(submit(ask("in out participant"))) == []
    cluster.run()
    assert ran() == [
        "group --skip x",
        "participant --skip x --participant_label 01",
        "participant --skip x --participant_label 02",
    ]
    assert stands(root) == {"sub-01": "done", "sub-02": "done", "group": "done"}


def test_who_failed_is_retried_and_who_is_done_is_left_alone(cluster: Cluster, ran: Ran, root: Path) -> None:
    (root / "fail-02").touch()
    submit(ask("in out participant group --mem-mb 1800"))
    cluster.run()
    ran()
    standings = look(jobs_room(root / "out"))
    assert [(one.name, one.phase.value, one.said) for one in standings] == [
        ("sub-01", "done", ""), ("sub-02", "failed", "exit code 3"), ("group", "done", ""),
    ]  # fmt: skip
    (root / "fail-02").unlink()
    again = retry(jobs_room(root / "out"), standings, {"memory_gb": 4.0})
    cluster.run()
    assert ran() == ["group --mem-mb 3600", "participant --mem-mb 3600 --participant_label 02"]
    assert "#SBATCH --mem=4000M" in (jobs_room(root / "out") / again[0].id / "run.sh").read_text()
    assert set(stands(root).values()) == {"done"}
    assert names(submit(ask("in out participant"))) == []
    assert names(submit(ask("in out participant --force --participant-label 02"))) == [["sub-02"]]


def test_who_is_done_with_other_options_is_told(cluster: Cluster, root: Path) -> None:
    submit(ask("in out participant --space a"))
    cluster.run()
    sent = submit(ask("in out participant --space b"))
    assert (names(sent), sent.done) == ([], ("sub-01", "sub-02"))
    assert sent.notes == ("2 of these with other options or another image: --force does them again",)
    assert submit(ask("in out participant --space a")).notes == ()


def test_two_apps_share_an_output_folder(cluster: Cluster, root: Path) -> None:
    submit(ask("in out participant"))
    other = parse("another", ["in", "out", "participant", "--executor", "slurm"], CONTAINER)
    assert names(submit(other)) == [["sub-01", "sub-02"]]
    assert len(look(jobs_room(root / "out"))) == 4


def test_apps_that_share_an_output_folder_are_retried_apart(cluster: Cluster, root: Path) -> None:
    (root / "fail-02").touch()
    submit(ask("in out participant group"))
    cluster.run()
    (root / "fail-02").unlink()
    submit(parse("another", ["in", "out", "participant", "group", "--executor", "slurm"], CONTAINER))
    again = retry(jobs_room(root / "out"), look(jobs_room(root / "out")), {})
    assert [(one.app, one.level, one.names) for one in again] == [
        ("theirs", "participant", ("sub-02",)), ("theirs", "group", ("group",)),
    ]  # fmt: skip
    assert again[1].after == tuple(job for job, _ in again[0].jobs)
    done = subprocess.run(
        [sys.executable, "-m", "bidsflow", "jobs", "out"], capture_output=True, text=True, check=False
    )
    assert "  pending another sub-02  " in done.stdout
    assert "  pending theirs sub-02  " in done.stdout


class Line(NamedTuple):
    given: str
    command: str


LINES = [
    Line("in out participant --participant-label 02 sub-01 -vv", "participant -vv --participant-label 01"),
    Line("in out participant --participant_label=01", "participant --participant_label 01"),
    Line("in out participant --participant_labels 02 01 --y", "participant --y --participant_labels 01"),
    Line("--x 1 in out participant --y", "participant --x 1 --y --participant_label 01"),
    Line("in out participant -w steps --y", "participant --y --participant_label 01 -w {root}/steps/sub-01"),
    Line("in out participant --bids-filter-file filter.json",
         "participant --bids-filter-file {root}/filter.json --participant_label 01"),
    Line("in out participant --nthreads 4 --mem_gb=9", "participant --nthreads 4 --mem_gb=9 --participant_label 01"),
    Line("in out participant --mem 10G --cpus 3 --a {{cpus}} --b={{mem_mb}}",
         "participant --a 3 --b=9000 --participant_label 01"),
    Line("in out participant --nthreads 4 --cpus 2", "participant --nthreads 4 --participant_label 01"),
    Line("in out participant --force bbr no-x --y", "participant --force bbr no-x --y --participant_label 01"),
    Line("in out participant --y --force", "participant --y --participant_label 01"),
    Line("in out group --participant_label 01", "group --participant_label 01"),
    Line("in out group -w steps", "group -w {root}/steps/group"),
]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.given)
def test_words_reach_the_app(line: Line, cluster: Cluster, ran: Ran, root: Path) -> None:
    submit(ask(line.given.format()))
    cluster.run()
    assert ran()[0] == line.command.format(root=root)


@pytest.mark.parametrize(
    ("line", "cpus", "memory"),
    [
        ("--nprocs 4 --mem-mb 9000", 4, 10.0),
        ("--n_procs=4 --mem_gb 9", 4, 10.0),
        ("--nthreads 4 --mem-mb 9000 --n-cpus 8 --mem 32G", 8, 32.0),
        ("--nthreads all", 1, 0.0),
        ("", 1, 0.0),
    ],
)
def test_task_gets_what_the_app_is_told(line: str, cpus: int, memory: float, root: Path) -> None:
    request = ask(f"in out participant {line}").request
    assert (request.cpus, request.memory_gb) == (cpus, memory)


def test_scratch_is_the_work_folder_of_the_app(cluster: Cluster, ran: Ran, root: Path, tmp_path: Path) -> None:
    submit(ask(f"in out participant --scratch {tmp_path}/scratch"))
    cluster.run()
    said = ran()
    assert all(f"--work-dir {tmp_path}/scratch/bidsflow-" in line for line in said)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_work_folder_wins_over_the_scratch_of_a_site(cluster: Cluster, ran: Ran, root: Path, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(f'executor = "slurm"\nscratch = "{tmp_path}/scratch"\n')
    submit(ask(f"in out participant -w work --site {tmp_path}/site.toml"))
    submit(ask(f"in other participant --site {tmp_path}/site.toml"))
    cluster.run()
    lines = (tmp_path / "log").read_text().splitlines()
    assert ["--work-dir" in line for line in sorted(lines)] == [True, True, False, False]


def test_variables_of_apps_are_taken_along(cluster: Cluster, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FS_LICENSE", str(root / "a b.txt"))
    sent = submit(ask("in out participant --dry-run"))
    assert f"env 'FS_LICENSE={root}/a b.txt' {sys.executable}" in draft_script(sent.folder, sent.batches[0])
    assert not (root / "out").exists()


@pytest.mark.parametrize(
    ("line", "error", "text"),
    [
        ("in out", OptionError, "level"),
        ("in out participant --per session", OptionError, "--per"),
        ("in out participant --time 8", OptionError, "--time"),
        ("in out participant --mem 8000", OptionError, "no unit"),
        ("in out participant --help", OptionError, "nothing to submit"),
        ("in out participant -h", OptionError, "nothing to submit"),
        ("--version", OptionError, "nothing to submit"),
        ("in out participant -w", OptionError, "-w: expected a folder"),
        ("in out participant -w w --scratch /s", OptionError, "both say"),
        ("in out participant --mem-mb {mem_mb}", OptionError, "how much memory"),
        ("in out participant --participant-label 09", OptionError, "no sub-09"),
        ("in out participant --bids-filter-file x.json", InputError, "no such file"),
        ("absent out participant", InputError, "no such file"),
        ("in in participant", DatasetError, "it is the dataset"),
        ("in . participant", DatasetError, "lies around it"),
    ],
)
def test_mistake_is_told_before_anything_is_submitted(
    line: str, error: type[Exception], text: str, cluster: Cluster, root: Path
) -> None:
    with pytest.raises(error, match=text):
        submit(ask(line))
    assert cluster.jobs == {}


def test_output_may_lie_among_the_derivatives(cluster: Cluster, root: Path) -> None:
    assert names(submit(ask("in in/derivatives participant"))) == [["sub-01", "sub-02"]]
    assert (root / "in/derivatives/.bidsflow").stat().st_mode & 0o777 == 0o700


def test_what_the_app_is_not_told_is_said(root: Path) -> None:
    said = " ".join(
        submit(ask("in out participant --mem 8G --cpus 4 --dry-run", container=("--container", "x.sif"))).notes
    )
    assert all(word in said for word in ("{cpus}", "{mem_mb}", "--scratch"))
    assert submit(ask("in out participant --nthreads 4 --mem-mb 900 --dry-run")).notes == ()


def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "bidsflow", "run", name, "in", "out", "participant", "--executor", "slurm", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_command_says_what_it_submits(cluster: Cluster, root: Path) -> None:
    done = run("theirs", *CONTAINER)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "participant: sub-01, sub-02: slurm job 1"
    assert {one.phase for one in look(jobs_room(root / "out"))} == {Phase.PENDING}


@pytest.mark.parametrize("name", ["theirs", "qc"])
@pytest.mark.parametrize(
    ("image", "text"),
    [("absent.sif", "image_on_nodes = true"), ("docker://x/app:1", "apptainer pull app_1.sif docker://x/app:1")],
)
def test_image_that_no_node_could_run_is_refused(cluster: Cluster, name: str, image: str, text: str) -> None:
    done = run(name, "--container", image)
    assert (done.returncode, text in done.stderr, cluster.jobs) == (69, True, {})


def test_image_that_only_nodes_see_is_believed_in(cluster: Cluster, root: Path, tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('executor = "slurm"\nimage_on_nodes = true\n')
    done = run("theirs", "--container", "images/app.sif", "--site", f"{tmp_path}/site.toml", "-w", "work")
    assert (done.returncode, done.stderr, len(cluster.jobs)) == (0, "", 1)
    batch = look(jobs_room(root / "out"))[0].batch
    assert f"{root}/images/app.sif" in batch.command


def test_image_that_is_not_in_the_store_here_is_told(cluster: Cluster) -> None:
    podman = cluster.root / "bin" / "podman"
    podman.write_text(podman.read_text().replace("exit 0", "exit 125"))
    done = run("theirs", "--container", "app:1", "--container-runtime", "podman")
    assert (done.returncode, len(cluster.jobs)) == (0, 1)
    assert "podman here has no image app:1; a task on a node without it fails" in done.stderr
    assert "podman pull app:1" in done.stderr
