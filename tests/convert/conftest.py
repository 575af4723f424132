"""A small export, and ways to run the command on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bidsflow.cli.main import main
from bidsflow.phantom import make_sessions, write

#: Kinds of series of the small export: quick to convert, and wired to each other.
SERIES = ("topup", "sbref", "rest")


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def read_tree(root: Path) -> dict[str, bytes]:
    """Return every file of a dataset by its path, bidsflow's own left out."""
    files = (file for file in root.rglob("*") if file.is_file() or file.is_symlink())
    names = ((str(file.relative_to(root)), file) for file in files)
    return {name: file.read_bytes() for name, file in names if not name.startswith(".bidsflow")}


def read_times(root: Path) -> dict[str, int]:
    """Return when files and folders were changed, bidsflow's own included, but for its index and lock."""
    own = ("inventory.sqlite", "lock")
    return {
        str(file.relative_to(root)): file.stat().st_mtime_ns
        for file in root.rglob("*")
        if file.name not in own and file.name not in ("staging", ".bidsflow")
    }


def spawn(*args: object, script: str = "", cwd: Path | None = None, **more: object) -> subprocess.Popen[str]:
    """Start the command in a process group of its own."""
    code = script or "from bidsflow.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="surrogateescape",
        start_new_session=True, cwd=cwd, **more,  # type: ignore[call-overload]
    )  # fmt: skip


def finish(process: subprocess.Popen[str], timeout: float = 120) -> Ran:
    out, err = process.communicate(timeout=timeout)
    return Ran(process.returncode, out, err)


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Ran]]:
    """Run the command in this process."""
    import signal

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}

    def run(*args: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["bidsflow", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        code = end.value.code
        said = capsys.readouterr()
        return Ran(code if isinstance(code, int) else 0, said.out, said.err)

    yield run
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def small_export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person, two visits. Read only: change a copy."""
    root = tmp_path_factory.mktemp("small")
    write(root / "scan", size="tiny", sessions=make_sessions(1, 2), series=SERIES)
    return root / "scan" / "dicom"


@pytest.fixture(scope="session")
def two_people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, one visit each; a folder for each. Read only: change a copy."""
    root = tmp_path_factory.mktemp("two")
    write(root / "scan", size="tiny", sessions=make_sessions(2, 1), series=("sbref", "rest"))
    return root / "scan" / "dicom"


@pytest.fixture(scope="session")
def reference(small_export: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The dataset ``bids`` that an undisturbed run makes of the small export."""
    target = tmp_path_factory.mktemp("reference") / "bids"
    ran = finish(spawn("convert", small_export, target))
    assert ran.code == 0, ran.err
    return read_tree(target)


@pytest.fixture
def my_export(small_export: Path, tmp_path: Path) -> Path:
    """A copy of the small export, to change."""
    return Path(shutil.copytree(small_export, tmp_path / "export", symlinks=True))


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
