"""What every BIDS App must be able to do, as checks that its own tests call: see `CHECKS`.

A check runs the real command on a small made-up dataset and asserts what came out. A pipeline's tests are three
lines: see what ``bidsflow new-pipeline`` writes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bidsflow.app.command import make_parser
from bidsflow.app.descriptor import describe_pipeline
from bidsflow.app.options import OPTIONS
from bidsflow.app.spec import Pipeline, parameters

#: Seconds after which a run is taken for hanging.
PATIENCE = 1800


@dataclass(frozen=True, slots=True)
class Case:
    """What a check works with.

    Attributes
    ----------
    pipeline : Pipeline
        The one to check.
    call : str
        How the command line names it: its name, or its folder.
    dataset : Path
        A small dataset with at least two participants that the pipeline can run; never changed.
    folder : Path
        An empty folder.
    """

    pipeline: Pipeline
    call: str
    dataset: Path
    folder: Path

    def run(
        self, output: Path, *arguments: str, dataset: Path | None = None, levels: tuple[str, ...] = ("participant",)
    ) -> subprocess.CompletedProcess[str]:
        """Run the pipeline in a process of its own, from an empty folder, with an empty home."""
        return subprocess.run(
            self._command(dataset or self.dataset, output, levels, arguments),
            cwd=self._place("here"),
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, output: Path, *arguments: str) -> subprocess.Popen[str]:
        """Begin to run the pipeline, and do not wait for it."""
        return subprocess.Popen(
            self._command(self.dataset, output, ("participant",), arguments),
            cwd=self._place("here"),
            env=self._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _command(
        self, dataset: Path, output: Path, levels: tuple[str, ...], arguments: tuple[str, ...]
    ) -> tuple[str, ...]:
        program = (sys.executable, "-m", "bidsflow", "run", self.call)
        return (*program, str(dataset), str(output), *levels, "--skip-bids-validation", *arguments)

    def _place(self, name: str) -> Path:
        place = self.folder / name
        place.mkdir(exist_ok=True)
        return place

    def _environment(self) -> dict[str, str]:
        home = str(self._place("home"))
        places = {"HOME": home, "XDG_CACHE_HOME": home, "XDG_CONFIG_HOME": home, "TMPDIR": str(self._place("tmp"))}
        return {**os.environ, **places}


Check: TypeAlias = Callable[[Case], None]


def make_dataset(folder: Path, subjects: int = 2, series: Sequence[str] | None = None) -> Path:
    """Return a small BIDS dataset, scanned by the pretend scanner and converted like any other.

    Parameters
    ----------
    folder : Path
        Gets the export (``scan``) and the dataset (``bids``).
    subjects : int
        Participants, each with one session.
    series : sequence of str, optional
        Kinds of series, as `bidsflow.phantom.write` knows them; by default all. Fewer take less time.
    """
    from bidsflow.phantom import make_sessions, write

    truth = write(folder / "scan", sessions=make_sessions(subjects, 1), size="tiny", series=series)
    dataset = folder / "bids"
    subprocess.run(
        [sys.executable, "-m", "bidsflow", "convert", str(folder / "scan" / truth.export), str(dataset)],
        check=True,
        capture_output=True,
    )
    return dataset


def digest_tree(root: Path) -> dict[str, str]:
    """Return the digests of all files of a tree by path; logs, the state of runs and links are left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith((".bidsflow/", "logs/")):
            found[name] = hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    return found


def _assert_equal(one: Mapping[str, str], two: Mapping[str, str]) -> None:
    """Compare two outputs; their descriptions name their own folders."""
    different = sorted(name for name in {*one, *two} - {"dataset_description.json"} if one.get(name) != two.get(name))
    assert not different, f"two runs differ in {different}"


def _succeed(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, f"exit code {done.returncode}:\n{done.stdout}\n{done.stderr}"


def check_help(case: Case) -> None:
    """The help names every option of every BIDS App, and every parameter."""
    text = make_parser(case.pipeline, "x").format_help()
    for option in OPTIONS:
        assert option.flags[0] in text, option.flags[0]
    for parameter in parameters(case.pipeline):
        assert parameter.flag in text, parameter.flag


def check_descriptor(case: Case) -> None:
    """The descriptor is valid, and every option in it is one that the command takes."""
    descriptor = describe_pipeline(case.pipeline)
    parser = make_parser(case.pipeline, "x")
    flags = {flag for action in parser._actions for flag in action.option_strings}
    described = {one["command-line-flag"] for one in descriptor["inputs"] if "command-line-flag" in one}
    assert described <= flags, described - flags
    for parameter in parameters(case.pipeline):
        assert parameter.flag in described, parameter.flag
    _validate_descriptor(descriptor)


def _validate_descriptor(descriptor: Mapping[str, object]) -> None:
    """Let Boutiques check a descriptor, where it is installed."""
    try:
        from boutiques.validator import validate_descriptor
    except ImportError:
        return
    validate_descriptor(json.loads(json.dumps(descriptor)))


def check_dry_run(case: Case) -> None:
    """A dry run builds every workflow, says what would be done, and writes nothing."""
    done = case.run(case.folder / "out", "--dry-run")
    _succeed(done)
    assert "steps on" in done.stdout
    assert not (case.folder / "out").exists()


def check_run(case: Case) -> None:
    """Participants and group run; what comes out is valid, described, and complete; nothing else is touched."""
    before = digest_tree(case.dataset)
    out = case.folder / "out"
    levels = tuple(level.value for level in case.pipeline.levels)
    _succeed(case.run(out, levels=levels))
    assert digest_tree(case.dataset) == before, "the input was changed"
    for place in ("here", "home", "tmp"):
        left = sorted(path.name for path in (case.folder / place).iterdir())
        assert not left, (
            f"the current folder (here), the home or the temporary folder has something new: {place}/{left}"
        )
    assert (out / "dataset_description.json").is_file()
    assert (out / "logs" / "CITATION.md").is_file()
    if case.pipeline.report:
        assert list(out.glob("sub-*.html")), "there is no report"
    _validate_output(out)


def _validate_output(out: Path) -> None:
    from bidsflow.validate import run as validate

    report = validate(out, ignore_warnings=True)
    assert report.ok, [f"{issue.code} {issue.location}" for issue in report.errors][:10]


def check_rerun(case: Case) -> None:
    """What is done is not done again; what is asked for by force is, and gives the same."""
    out = case.folder / "out"
    _succeed(case.run(out))
    first = digest_tree(out)
    again = case.run(out)
    _succeed(again)
    assert "unchanged" in again.stderr
    _succeed(case.run(out, "--force"))
    _assert_equal(first, digest_tree(out))


def check_parallel(case: Case) -> None:
    """Participants that run at once give the same as one after another."""
    _succeed(case.run(case.folder / "one", "--n-cpus", "1", "--omp-nthreads", "1"))
    _succeed(case.run(case.folder / "two", "--n-cpus", "2", "--omp-nthreads", "1"))
    _assert_equal(digest_tree(case.folder / "one"), digest_tree(case.folder / "two"))


def check_interruption(case: Case) -> None:
    """A run that is interrupted leaves no half-written participant; the same command goes on, with the same result."""
    whole, cut = case.folder / "whole", case.folder / "cut"
    _succeed(case.run(whole))
    running = case.start(cut)
    _wait_for_a_step(cut, running)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode in (0, 130), said
    for report in cut.glob("sub-*.html"):
        assert (cut / report.stem).is_dir()
    _succeed(case.run(cut))
    _assert_equal(digest_tree(whole), digest_tree(cut))


def _wait_for_a_step(out: Path, running: subprocess.Popen[str]) -> None:
    """Wait until a step is done, or the run is over."""
    until = time.monotonic() + PATIENCE
    while running.poll() is None and time.monotonic() < until:
        if any(out.glob(".bidsflow/work/*/sub-*/*/*/result_*.pklz")):
            return
        time.sleep(0.02)


def check_broken_image(case: Case) -> None:
    """A participant whose image is broken fails with a page that says so; the others are done."""
    broken = case.folder / "broken"
    shutil.copytree(case.dataset, broken, ignore=shutil.ignore_patterns(".bidsflow"))
    suffixes = [query.suffix for query in case.pipeline.reads]
    sub = sorted(broken.glob("sub-*"))[0]
    for image in (one for suffix in suffixes for one in sub.rglob(f"*_{suffix}.nii.gz")):
        image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    out = case.folder / "out"
    done = case.run(out, dataset=broken)
    assert done.returncode == 1, done.stderr
    assert list(out.glob(f"logs/*/{sub.name}_crash.html")), done.stderr
    assert not (out / sub.name).exists(), "a participant that failed left derivatives"
    others = [one.name for one in sorted(broken.glob("sub-*")) if one != sub]
    assert all((out / name).is_dir() for name in others), done.stderr


def check_read_only(case: Case) -> None:
    """A dataset that cannot be written to is enough."""
    closed = case.folder / "closed"
    shutil.copytree(case.dataset, closed, ignore=shutil.ignore_patterns(".bidsflow"))
    before = _list_tree(closed)
    _set_writable(closed, False)
    try:
        _succeed(case.run(case.folder / "out", dataset=closed))
    finally:
        _set_writable(closed, True)
    assert _list_tree(closed) == before, "the administrator can write anywhere, and the pipeline did"


def _list_tree(root: Path) -> list[tuple[str, int]]:
    """Return all paths of a tree, hidden ones too, with the time of their last change."""
    return sorted((path.relative_to(root).as_posix(), path.stat().st_mtime_ns) for path in root.rglob("*"))


def _set_writable(root: Path, writable: bool) -> None:
    for path in (root, *root.rglob("*")):
        path.chmod((0o755 if path.is_dir() else 0o644) if writable else (0o555 if path.is_dir() else 0o444))


def check_wrong_option(case: Case) -> None:
    """A wrong option ends with 2, and nothing is written."""
    done = case.run(case.folder / "out", "--no-such-option")
    assert done.returncode == 2, done.stderr
    assert "--no-such-option" in done.stderr
    assert not (case.folder / "out").exists()


#: All checks; a pipeline's tests call each with a `Case`.
CHECKS: tuple[Check, ...] = (
    check_help, check_descriptor, check_dry_run, check_wrong_option, check_run, check_rerun, check_parallel,
    check_interruption, check_broken_image, check_read_only,
)  # fmt: skip
