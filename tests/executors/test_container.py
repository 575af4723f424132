"""Which program runs a container, and the words that it is given."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

from bidsflow.errors import OptionError, ToolError
from bidsflow.executors.container import Bind, Box, Runtime, find_runtime, has_image, say_how_to_get, wrap


class Machine:
    """A machine with some programs, whose stores hold some images; those that are broken answer nothing."""

    def __init__(self, *programs: str, images: Sequence[str] = (), broken: Sequence[str] = (), says: str = "") -> None:
        self.programs, self.images, self.broken, self.says = programs, images, broken, says

    def find(self, program: str) -> str | None:
        return f"/usr/bin/{program}" if program in self.programs else None

    def ask(self, command: Sequence[str]) -> str | None:
        program = command[0]
        if command[1] == "--version":
            return f"{self.says or program} version 4\n"
        if program in self.broken:
            return None
        if command[1:3] == ("image", "inspect"):
            return "sha256:1\n" if f"{program} {command[-1]}" in self.images else None
        return self.says

    def choose(self, image: str, wanted: str = "") -> Runtime:
        return find_runtime(image, wanted, find=self.find, ask=self.ask)


ALL = ("docker", "podman", "apptainer", "singularity")


@pytest.mark.parametrize(
    ("machine", "image", "program"),
    [
        (Machine(*ALL), "x/qc:1", "docker"),
        (Machine(*ALL, images=["podman x/qc:1"]), "x/qc:1", "podman"),
        (Machine(*ALL, images=["docker x/qc:1", "podman x/qc:1"]), "x/qc:1", "docker"),
        (Machine(*ALL, broken=["docker"]), "x/qc:1", "podman"),
        (Machine(*ALL), "/images/qc.sif", "apptainer"),
        (Machine("docker", "singularity"), "qc.sif", "singularity"),
        (Machine(*ALL), "docker://x/qc:1", "apptainer"),
    ],
)
def test_program_is_found_for_an_image(machine: Machine, image: str, program: str) -> None:
    assert machine.choose(image).program == program


def test_docker_without_root_is_seen() -> None:
    assert Machine("docker", says="[name=seccomp name=rootless]").choose("x:1").rootless
    assert not Machine("docker", says="[name=seccomp]").choose("x:1").rootless


def test_podman_that_is_called_docker_is_seen() -> None:
    assert Machine("docker", broken=["docker"], says="podman").choose("x:1").program == "podman"


def test_wanted_program_need_not_be_here() -> None:
    """Nodes of a cluster have it after ``module load``; the login node has not."""
    assert Machine().choose("qc.sif", "apptainer") == Runtime("apptainer")


@pytest.mark.parametrize(
    ("machine", "image", "wanted", "error", "text"),
    [
        (Machine(), "x:1", "", ToolError, "module load"),
        (Machine("apptainer"), "x/qc:1", "", ToolError, "apptainer build qc_1.sif"),
        (Machine("docker"), "qc.sif", "", ToolError, "There is docker"),
        (Machine("docker", broken=["docker"]), "x:1", "", ToolError, "does not answer"),
        (Machine(*ALL), "qc.sif", "docker", OptionError, "apptainer or singularity"),
        (Machine(*ALL), "x:1", "apptainer", OptionError, "docker or podman"),
        (Machine(*ALL), "x:1", "rkt", OptionError, "docker, podman"),
    ],
)
def test_error_says_what_to_do_when_nothing_fits(
    machine: Machine, image: str, wanted: str, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        machine.choose(image, wanted)


def test_image_is_looked_for_and_never_fetched(tmp_path: Path) -> None:
    asked: list[Sequence[str]] = []
    assert not has_image(Runtime("podman"), "x:1", ask=asked.append)
    assert asked == [("podman", "image", "inspect", "--format", "{{.Id}}", "x:1")]
    assert not has_image(Runtime("apptainer"), str(tmp_path / "qc.sif"))
    (tmp_path / "qc.sif").touch()
    assert has_image(Runtime("apptainer"), str(tmp_path / "qc.sif"))


def test_way_to_get_an_image_is_said() -> None:
    assert say_how_to_get(Runtime("docker"), "x/qc:1") == "docker pull x/qc:1"
    assert say_how_to_get(Runtime("apptainer"), "docker://x/qc:1") == "apptainer pull qc_1.sif docker://x/qc:1"


def pairs(command: Sequence[str]) -> set[tuple[str, str]]:
    return set(itertools.pairwise(command))


BOX = Box("x:1", (Bind("/in", "/in"), Bind("/out", "/out", writable=True)), {"A": "b c"})


def test_store_runs_as_the_user_without_network_and_frozen() -> None:
    command = wrap(Runtime("docker", has_init=True), BOX, ("/in", "/out"), uid=5, gid=6)
    assert command[:2] == ("docker", "run")
    assert command[-3:] == ("x:1", "/in", "/out")
    assert {"--rm", "--read-only", "--pull=never", "--init"} <= set(command)
    assert {
        ("--user", "5:6"),
        ("--network", "none"),
        ("--tmpfs", "/tmp:exec,mode=1777"),
        ("--env", "A=b c"),
        ("--workdir", "/tmp"),
        ("--mount", "type=bind,source=/in,target=/in,readonly"),
        ("--mount", "type=bind,source=/out,target=/out"),
    } <= pairs(command)


def test_user_is_kept_when_podman_has_no_root() -> None:
    assert ("--userns", "keep-id") in pairs(wrap(Runtime("podman", rootless=True), BOX, (), uid=5, gid=6))
    assert "--userns" not in wrap(Runtime("podman"), BOX, (), uid=0, gid=0)


def test_docker_without_root_takes_its_own_root_for_the_user() -> None:
    assert "--user" not in wrap(Runtime("docker", rootless=True), BOX, (), uid=5, gid=6)


def test_image_of_others_may_be_written_to_and_use_the_network() -> None:
    command = wrap(Runtime("docker"), Box("x:1", network=True, frozen=False, extra=("--gpus", "all")), ())
    assert not {"--read-only", "--network", "--no-home"} & set(command)
    assert command[-3:] == ("--gpus", "all", "x:1")


def test_bind_at_tmp_is_not_hidden() -> None:
    assert "--tmpfs" not in wrap(Runtime("docker"), Box("x:1", (Bind("/work", "/tmp", writable=True),)), ())


def test_file_runs_with_nothing_of_the_user() -> None:
    command = wrap(Runtime("apptainer"), BOX, ("/in", "/out"), uid=5, gid=6)
    assert command == (
        "apptainer", "run", "--cleanenv", "--containall", "--no-home", "-B", "/in:/in:ro", "-B", "/out",
        "--env", "A=b c", "--pwd", "/tmp", "x:1", "/in", "/out",
    )  # fmt: skip


ODD = '/my data/a:b,c/"quoted"'


@pytest.mark.parametrize("program", ALL)
def test_odd_path_is_one_field_of_a_mount(program: str) -> None:
    command = wrap(Runtime(program), Box("x:1", (Bind(ODD, ODD),)), ())
    (mount,) = [after for before, after in itertools.pairwise(command) if before == "--mount"]
    (fields,) = csv.reader([mount])
    assert fields[:3] == ["type=bind", f"source={ODD}", f"target={ODD}"]
    assert fields[3] in ("readonly", "ro")


@pytest.mark.parametrize(("value", "word"), [("a, b", "X=a, b"), ("k=a, b", '"X=k=a, b"'), ("k=a", "X=k=a")])
def test_variable_is_one_for_apptainer(value: str, word: str) -> None:
    """It reads several of them, with commas, from one that has two signs of equality (seen with 1.4.5)."""
    assert ("--env", word) in pairs(wrap(Runtime("apptainer"), Box("x.sif", environment={"X": value}), ()))


@pytest.mark.parametrize(("word", "said"), [("/a $HOME/b", True), ('a"b', True), ("/a b", False)])
def test_words_that_a_start_script_would_change_are_kept_from_it(word: str, said: bool) -> None:
    pair = ("--env", "SINGULARITY_NO_EVAL=1")
    assert (pair in pairs(wrap(Runtime("apptainer"), BOX, (word,)))) is said
    assert pair not in pairs(wrap(Runtime("podman"), BOX, (word,)))
