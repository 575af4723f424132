"""Images that `make containers` built, programs that run them, and data for them. What is not there is skipped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bidsflow import __version__
from bidsflow.app.contract import make_dataset
from bidsflow.errors import ToolError
from bidsflow.executors.container import find_runtime, has_image
from bidsflow.phantom import make_sessions, write

ROOT = Path(__file__).resolve().parents[2]
#: Someone whom no image knows.
STRANGER = 54321
CONVERT, QC = f"bidsflow-convert:{__version__}", f"bidsflow-qc:{__version__}"
Done = subprocess.CompletedProcess[str]


def bidsflow(*words: object) -> list[str]:
    """Return a command line of bidsflow, outside of any container."""
    return [sys.executable, "-m", "bidsflow", *map(str, words)]


def call(
    command: Sequence[object], *, check: bool = False, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Done:
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=check, cwd=cwd, env=env)


@dataclass(frozen=True)
class Engine:
    """Docker or Podman, as someone would type it who knows nothing of bidsflow."""

    program: str

    def words(self, image: str, *words: object, binds: Sequence[str] = (), entry: str = "") -> list[str]:
        """Return a command for a stranger, on a root that cannot be written, without a network."""
        volumes = [word for bind in binds for word in ("-v", bind)]
        entries = ["--entrypoint", entry] if entry else []
        return [
            self.program, "run", "--rm", "--pull=never", "--read-only", "--tmpfs", "/tmp", "--network", "none",
            "--user", f"{STRANGER}:{STRANGER}", *volumes, *entries, image, *map(str, words),
        ]  # fmt: skip

    def run(self, image: str, *words: object, binds: Sequence[str] = (), entry: str = "") -> Done:
        return call(self.words(image, *words, binds=binds, entry=entry))

    def inspect(self, image: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(call([self.program, "image", "inspect", image]).stdout)[0]
        return found


@pytest.fixture(scope="session")
def engine() -> Engine:
    try:
        runtime = find_runtime(CONVERT)
    except ToolError as error:
        pytest.skip(str(error))
    for image in (CONVERT, QC):
        if not has_image(runtime, image):
            pytest.skip(f"there is no image {image}: make containers")
    return Engine(runtime.program)


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a scanner exported of one person, readable by everyone."""
    folder = tmp_path_factory.mktemp("scan")
    truth = write(folder / "scan", sessions=make_sessions(1, 1), series=("t1w",))
    return open_for_all(folder, folder / "scan" / truth.export)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a dataset of one person, readable by everyone."""
    folder = tmp_path_factory.mktemp("data")
    return open_for_all(folder, make_dataset(folder, 1, ("t1w",)))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder whose name is hard to pass on."""
    folder = tmp_path / "my data, a:b ä"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return a folder that anyone may write to, as a stranger does."""
    folder = tmp_path / "out"
    folder.mkdir()
    open_for_all(tmp_path, folder)
    folder.chmod(0o777)
    return folder


def open_for_all(top: Path, wanted: Path) -> Path:
    """Let everyone read a folder of pytest's, which is the user's own, and return one below it."""
    for folder in (top, *top.parents):
        if folder.name.startswith("pytest-") and folder.stat().st_uid == os.getuid():
            folder.chmod(0o755)
    for path in (top, *top.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return wanted


@pytest.fixture(scope="session")
def apptainer() -> str:
    found = shutil.which("apptainer") or shutil.which("singularity")
    if found is None:
        pytest.skip("neither apptainer nor singularity is here")
    return found


@pytest.fixture(scope="session")
def sifs(engine: Engine, apptainer: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the images as files, built by the committed definitions."""
    folder, built = tmp_path_factory.mktemp("sif"), {}
    for image in (CONVERT, QC):
        name = image.partition(":")[0]
        tar = folder / f"{name}.tar"
        archive = ["--format", "docker-archive"] if engine.program == "podman" else []
        call([engine.program, "save", *archive, "-o", tar, image], check=True)
        recipe = ROOT / "containers" / name.removeprefix("bidsflow-") / "apptainer.def"
        built[image] = folder / f"{name}.sif"
        fast = ["--mksquashfs-args", "-comp lz4"]  # these files are thrown away
        done = call([apptainer, "build", "--fakeroot", *fast, built[image], recipe], cwd=folder)
        assert done.returncode == 0, done.stderr
        tar.unlink()
    return built
