"""A BIDS App's command line in a container: what is bound, and what its words become."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from bidsflow.app.wrap import contain, find_mentions, inside, plan_container, replace_paths, to_binds, to_line
from bidsflow.errors import OptionError
from bidsflow.executors.container import Bind


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder: with a dataset ``in``, and a folder that is called like a label."""
    for name in ("in/sub-01", "in/derivatives", "01", "templates"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("in/filter.json", "filter.json", "licence.txt"):
        (tmp_path / name).touch()
    for name in ("FS_LICENSE", "TEMPLATEFLOW_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bound(line: str, *, foreign: bool = False) -> dict[str, bool]:
    """Return what a command line binds and whether it may be written to, below the current folder."""
    binds = to_binds(find_mentions(shlex.split(line), foreign=foreign))
    return {one.source.removeprefix(f"{Path.cwd()}/"): one.writable for one in binds}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("in out participant", {"in": False, "out": True}),
        ("./in/ ../{here}/out participant group --participant-label 01 sub-02", {"in": False, "out": True}),
        ("in out participant -w work", {"in": False, "out": True, "work": True}),
        ("in out participant --work_dir=work", {"in": False, "out": True, "work": True}),
        ("--work-dir work in out participant", {"in": False, "out": True, "work": True}),
        ("in out participant --work-dir out/work", {"in": False, "out": True}),
        ("in in/derivatives/qc participant", {"in": False, "in/derivatives/qc": True}),
        ("in out participant --bids-filter-file filter.json", {"in": False, "out": True, "filter.json": False}),
        ("in out participant --bids-filter-file in/filter.json", {"in": False, "out": True}),
        ("in out participant -d a=01 b=./templates", {"in": False, "out": True, "01": False, "templates": False}),
        ("in out participant --bids-database-dir index", {"in": False, "out": True, "index": True}),
        ("in out --mem 8G participant", {"in": False, "out": True}),
        ("in out participant --atlas ./templates", {"in": False, "out": True, "templates": False}),
        ("in out participant --note a/b", {"in": False, "out": True}),
        ("--version", {}),
        ("--help", {}),
        ("in out participant --help", {}),
        ("", {}),
    ],
)
def test_paths_of_a_command_line_are_bound(line: str, expected: dict[str, bool], here: Path) -> None:
    assert bound(line.format(here=here.name)) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("in out participant --fs-license-file licence.txt", {"in": False, "out": True, "licence.txt": False}),
        ("in out participant --fs-subjects-dir fs", {"in": False, "out": True, "fs": True}),
        ("in out participant --derivatives min=./templates", {"in": False, "out": True, "templates": False}),
        ("in out participant --output-spaces T1w", {"in": False, "out": True}),
    ],
)
def test_paths_of_others_are_bound(line: str, expected: dict[str, bool]) -> None:
    assert bound(line, foreign=True) == expected


def test_words_keep_their_order_and_get_full_paths(here: Path) -> None:
    words = ["in", "out", "participant", "--work-dir=work", "-d", "a=01", "--participant-label", "01"]
    mentions = find_mentions(words)
    assert replace_paths(words, mentions, to_binds(mentions)) == (
        f"{here}/in", f"{here}/out", "participant", f"--work-dir={here}/work", "-d", f"a={here}/01",
        "--participant-label", "01",
    )  # fmt: skip


def test_paths_in_a_configuration_are_bound(here: Path) -> None:
    (here / "run.toml").write_text(
        f'[run]\nbids_dir = "/elsewhere"\n[options]\nwork_dir = "{here}/work"\nderivatives = ["a={here}/01"]\n'
        f"[parameters]\nthreshold = 1.0\n"
    )
    expected = {"in": False, "out": True, "run.toml": False, "work": True, "01": False}
    assert bound("in out participant --config run.toml") == expected


def test_relative_path_in_a_configuration_is_refused(here: Path) -> None:
    (here / "run.toml").write_text('work-dir = "work"\n')
    with pytest.raises(OptionError, match="work_dir is a relative path"):
        bound("in out participant --config run.toml")


@pytest.mark.parametrize("line", ["in", "in --work-dir out", "participant"])
def test_command_line_without_places_is_refused(line: str) -> None:
    with pytest.raises(OptionError, match="BIDS_DIR OUTPUT_DIR"):
        find_mentions(line.split())


def test_links_that_lead_out_of_a_dataset_are_bound(here: Path) -> None:
    (here / "archive/p7").mkdir(parents=True)
    (here / "in/sub-02").symlink_to("../archive/p7")
    (here / "in/sub-03").symlink_to(here / "archive")
    (here / "in/sub-04").symlink_to("sub-01")
    (here / "in/sub-05").symlink_to("/nowhere")
    assert bound("in out participant") == {"in": False, "out": True, "archive": False}


def test_path_that_would_hide_the_image_stands_elsewhere() -> None:
    binds = to_binds(
        find_mentions(["/usr/share", "/home", "participant", "--work-dir", "/home/w", "-d", "a=/usr/share/x"])
    )
    (home,) = [one for one in binds if one.source == "/home"]
    (share,) = [one for one in binds if one.source == "/usr/share"]
    assert home.target.startswith("/bound/")
    assert share.target.startswith("/bound/")
    assert len(binds) == 2
    assert inside("/usr/share/x/y", binds) == f"{share.target}/x/y"
    assert inside("/home/w", binds) == f"{home.target}/w"


def test_inner_bind_follows_an_outer_one_that_stands_elsewhere() -> None:
    binds = to_binds(find_mentions(["/usr/share", "/usr/share/out", "participant"]))
    assert binds[1] == Bind("/usr/share/out", f"{binds[0].target}/out", writable=True)


def test_command_is_whole(here: Path) -> None:
    command = contain("qc.sif", ["in", "out", "participant"], runtime="apptainer")
    assert command == (
        "apptainer", "run", "--cleanenv", "--containall", "--no-home", "-B", f"{here}/in:{here}/in:ro",
        "-B", f"{here}/out", "--env", f"BIDSFLOW_CONTAINER={here}/qc.sif", "--pwd", "/tmp", f"{here}/qc.sif",
        f"{here}/in", f"{here}/out", "participant",
    )  # fmt: skip


def test_licence_and_templates_of_others_come_along(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FS_LICENSE", str(here / "licence.txt"))
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(here / "gone"))
    words = ["in", "out", "participant"]
    command = plan_container("x.sif", words, runtime="apptainer", foreign=True).command
    assert f"{here}/licence.txt:{here}/licence.txt:ro" in command
    assert f"FS_LICENSE={here}/licence.txt" in command
    assert not any("TEMPLATEFLOW" in word or "BIDSFLOW" in word for word in command)
    assert not any("FS_LICENSE" in word for word in contain("x.sif", words, runtime="apptainer"))


@pytest.mark.parametrize("network", [False, True])
def test_templates_can_be_kept_when_they_can_be_fetched(
    network: bool, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(here / "templates"))
    words = ["in", "out", "participant"]
    command = plan_container("x.sif", words, runtime="apptainer", foreign=True, network=network).command
    assert (f"{here}/templates" in command) == network
    assert (f"{here}/templates:{here}/templates:ro" in command) != network


def test_line_makes_the_folders_that_are_missing(here: Path) -> None:
    contained = plan_container("x.sif", ["in", "my out", "participant", "-w", "01"], runtime="apptainer")
    assert contained.folders == (here / "my out", here / "01")
    assert to_line(contained).startswith(f"mkdir -p '{here}/my out' && apptainer run ")
    assert shlex.split(to_line(contained))[4:] == list(contained.command)
