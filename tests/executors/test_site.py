"""Site profiles, and what a command line makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bidsflow.errors import OptionError
from bidsflow.executors.base import Request
from bidsflow.executors.site import make_request, read_site

PROFILE = """
executor = "slurm"
partition = "standard"
account = "lab"
cpus = 2
mem = "4G"
time = "8h"
array_limit = 50
scratch = "$TMPDIR"
setup = ["module load apptainer", "umask 007"]
extra = ["--constraint=avx2"]
"""
READ = Request(
    "slurm", "standard", "lab", 2, 4.0, 480, 50, "$TMPDIR", ("module load apptainer", "umask 007"),
    ("--constraint=avx2",),
)  # fmt: skip


@pytest.fixture
def sites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "bidsflow" / "sites"
    folder.mkdir(parents=True)
    return folder


def test_profile_is_read_by_name_and_by_path(sites: Path, tmp_path: Path) -> None:
    (sites / "mylab.toml").write_text(PROFILE)
    (tmp_path / "here.toml").write_text(PROFILE)
    assert make_request({"site": "mylab"}, 8.0) == READ
    assert make_request({"site": str(tmp_path / "here.toml")}, 8.0) == READ


def test_profile_of_grid_engine_says_how_memory_is_asked_for(sites: Path) -> None:
    (sites / "sge.toml").write_text('executor = "sge"\nparallel_environment = "mpi"\nmemory_resource = "mem_free"\n')
    assert make_request({"site": "sge"}, 8.0) == Request(
        "sge", memory_gb=8.0, parallel_environment="mpi", memory_resource="mem_free"
    )


def test_default_profile_is_read_without_being_named(sites: Path) -> None:
    (sites / "default.toml").write_text(PROFILE)
    assert make_request({"executor": "slurm"}, 8.0) == READ


def test_default_profile_need_not_be_there(sites: Path) -> None:
    assert read_site("") == {}
    assert make_request({"executor": "slurm"}, 8.0) == Request("slurm", memory_gb=8.0)


def test_command_line_wins_over_the_profile(sites: Path) -> None:
    (sites / "mylab.toml").write_text(PROFILE)
    given = {
        "site": "mylab", "executor": "sge", "partition": "short", "account": "other", "time": "90m", "mem": "500M",
        "n_cpus": 1, "array_limit": 3, "scratch": "/scratch", "setup": ["true"], "submit_extra": ["--x"],
    }  # fmt: skip
    assert make_request(given, 8.0) == Request(
        "sge", "short", "other", 1, 0.5, 90, 3, "/scratch", ("true",), ("--constraint=avx2", "--x")
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('colour = "red"', "colour is no setting"),
        ("memory_gb = 3.0", "memory_gb is no setting"),
        ("cpus = '2'", "cpus must be a whole number"),
        ("cpus = true", "cpus must be a whole number"),
        ("cpus = 2.0", "cpus must be a whole number"),
        ("image_on_nodes = 1", "image_on_nodes must be true or false"),
        ("partition = 1", "partition must be a text"),
        ("setup = 'module load x'", "setup must be a list of texts"),
        ("setup = [1]", "setup must be a list of texts"),
        ("mem = 8", "mem must be a text"),
        ("mem = '8'", "mem '8' has no unit"),
        ("time = '8'", "time '8' has no unit"),
        ("cpus = 0", "cpus"),
        ("array_limit = -1", "array_limit"),
        ("cpus =", "cannot be read"),
    ],
)
def test_profile_that_cannot_be_meant_is_told(sites: Path, line: str, said: str) -> None:
    (sites / "mylab.toml").write_text(f'executor = "slurm"\n{line}\n')
    with pytest.raises(OptionError) as caught:
        make_request({"site": "mylab"}, 8.0)
    assert said in str(caught.value)
    assert "mylab.toml" in str(caught.value)


def test_absent_profile_is_told_with_those_that_there_are(sites: Path) -> None:
    with pytest.raises(OptionError, match="there is no such site profile"):
        make_request({"site": "other"}, 8.0)
    (sites / "mylab.toml").write_text(PROFILE)
    with pytest.raises(OptionError, match="mylab"):
        make_request({"site": "other"}, 8.0)


@pytest.mark.parametrize(("option", "value"), [("time", "8"), ("time", "soon"), ("mem", "8"), ("mem", "0G")])
def test_amount_that_cannot_be_meant_is_told(sites: Path, option: str, value: str) -> None:
    with pytest.raises(OptionError, match=f"--{option}"):
        make_request({"executor": "slurm", option: value}, 8.0)


def test_options_of_a_cluster_are_refused_on_this_machine(sites: Path) -> None:
    with pytest.raises(OptionError, match="--array-limit, --setup"):
        make_request({"array_limit": 3, "setup": ["x"], "mem": "4G"}, 8.0)
    assert make_request({"executor": "local"}, 8.0).executor == "local"


@pytest.mark.parametrize("text", ['time = "1h"', 'executor = "local"'])
def test_profile_without_a_cluster_is_refused(text: str, tmp_path: Path) -> None:
    site = tmp_path / "lab.toml"
    site.write_text(text)
    with pytest.raises(OptionError, match="names no cluster"):
        make_request({"site": str(site)}, 1.0)
