"""An answer is given again, without what would understand the question, as long as it is true."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.cli import again
from bidsflow.validate.store import find_folder
from tests.validate.defects.datasets import BASES
from tests.validate.defects.tree import write_tree

#: Longer than what a file must have rested to be remembered.
REST = 0.15
_CODE = """\
import sys
from bidsflow.cli.start import main
try:
    main()
finally:
    sys.stderr.write(f"typer: {'typer' in sys.modules}")
"""


class Said(NamedTuple):
    code: int
    text: bytes
    anew: bool


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "ds"
    write_tree(BASES["mri"](), root)
    (root / "notes.docx").write_text("x")
    time.sleep(REST)
    return root


def ask(*words: str | Path, cwd: Path | None = None, code: Path | None = None) -> Said:
    """Return what `bidsflow validate` says into a pipe, and whether the question was understood anew."""
    command = [sys.executable, "-c", _CODE, "validate", *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(code)} if code else None
    done = subprocess.run(command, capture_output=True, check=False, cwd=cwd, env=env)
    said, _, anew = done.stderr.decode().rpartition("typer: ")
    assert said == "" or done.returncode == 2
    return Said(done.returncode, done.stdout, anew == "True")


@pytest.mark.parametrize("words", [(), ("--json",), ("--compat", "-v"), ("--ignore-warnings", "--format=json_pp")])
def test_same_words_on_the_same_dataset_get_the_same_answer_at_once(words: tuple[str, ...], dataset: Path) -> None:
    first, second = ask(dataset, *words), ask(dataset, *words)
    assert (first.code, first.anew) == (16, True)
    assert second == first._replace(anew=False)


def change_file(root: Path) -> None:
    path = root / "dataset_description.json"
    path.write_text(path.read_text() + " ")


def add_file(root: Path) -> None:
    (root / "sub-01" / "x.txt").touch()


def mend(root: Path) -> None:
    (root / "notes.docx").unlink()


def damage_answer(_root: Path) -> None:
    (out,) = (find_folder() / "answers").glob("*.out")
    out.write_bytes(out.read_bytes()[:-1])


def damage_record(_root: Path) -> None:
    (record,) = (find_folder() / "answers").glob("*.bin")
    record.write_bytes(record.read_bytes()[:-1])


def pipe_answer(_root: Path) -> None:
    (out,) = (find_folder() / "answers").glob("*.out")
    out.unlink()
    os.mkfifo(out)


def mistake_record(_root: Path) -> None:
    (record,) = (find_folder() / "answers").glob("*.bin")
    shutil.copy(next(find_folder().glob("*/whole-*.bin")), record)


CHANGES = [change_file, add_file, mend, damage_answer, damage_record, pipe_answer, mistake_record]


@pytest.mark.parametrize("change", CHANGES)
def test_question_is_answered_anew_when_something_has_changed(change: Callable[[Path], None], dataset: Path) -> None:
    ask(dataset)
    change(dataset)
    said = ask(dataset)
    assert said.anew
    assert said == ask(dataset, "--no-cache")


def test_old_answer_loads_next_to_nothing(dataset: Path) -> None:
    """Start-up is most of what it costs: `typing`, `pathlib` and `re` take longer than a small dataset."""
    ask(dataset)
    show = "finally:\n    sys.stderr.write(f\"typer: {' '.join(sys.modules)}\")"
    told = _CODE.replace(_CODE[_CODE.index("finally:") :], show)
    done = subprocess.run([sys.executable, "-c", told, "validate", dataset], capture_output=True, check=False)
    bare = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, check=True)
    loaded = set(done.stderr.decode().split()) - set(bare.stdout.decode().split())
    assert "bidsflow.cli.again" in loaded
    assert loaded & {"bidsflow.cli.main", "contextlib", "functools", "pathlib", "re", "typing"} == set()


def test_other_questions_have_other_answers(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other" / "ds"
    write_tree(BASES["eeg"](), other)
    time.sleep(REST)
    assert ask("ds", cwd=tmp_path).text != ask("ds", cwd=other.parent).text
    assert not ask("ds", cwd=tmp_path).anew
    assert ask("ds", "--ignore-warnings", cwd=tmp_path).anew
    monkeypatch.setenv("COLUMNS", "60")
    assert ask("ds", cwd=tmp_path).anew


@pytest.mark.parametrize("words", ["--recursive", "--no-cache", "--subject=01", "--html=x.html", "--sarif=-"])
def test_answer_that_depends_on_more_is_not_kept(words: str, dataset: Path) -> None:
    for _ in range(2):
        assert ask("ds", words, cwd=dataset.parent).anew


def test_answer_into_a_file_is_written_again(dataset: Path, tmp_path: Path) -> None:
    out, link = tmp_path / "out.json", tmp_path / "link.json"
    link.symlink_to(out)
    written = []
    for anew in (True, False):
        assert ask("ds", "--json", "-o", "link.json", cwd=tmp_path).anew == anew
        written.append(out.read_bytes())
        out.unlink()
    assert written[0] == written[1] == ask("ds", "--json", cwd=tmp_path).text


def test_answer_into_a_file_that_cannot_be_written_is_an_error(dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "there" / "out.json"
    out.parent.mkdir()
    ask("ds", "-o", out, cwd=tmp_path)
    out.unlink()
    out.parent.rmdir()
    words = [sys.executable, "-m", "bidsflow", "validate", dataset, "-o", out]
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, "there is no folder" in done.stderr) == (2, True)


def show(dataset: Path, **more: str) -> Said:
    """Return what a terminal of 100 columns shows."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    command = [sys.executable, "-c", _CODE, "validate", str(dataset)]
    env = {"TERM": "xterm-256color", **os.environ, **more}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=env) as process:
        os.close(theirs)
        shown = bytearray()
        with contextlib.suppress(OSError):  # what Linux says when the other end is closed
            while part := os.read(ours, 1 << 16):
                shown += part
        said = process.communicate()[1].decode()
    os.close(ours)
    return Said(process.returncode, bytes(shown), said.endswith("True"))


def test_terminal_shows_the_same_again_with_its_colours(dataset: Path) -> None:
    ask(dataset)
    first, second, plain = show(dataset), show(dataset), show(dataset, NO_COLOR="1")
    assert (first.anew, second, plain.anew) == (True, first._replace(anew=False), True)
    assert b"\x1b[" in first.text
    assert first.text.count(b"\n") == plain.text.count(b"\n") > 3


def test_answer_is_added_to_a_file(dataset: Path, tmp_path: Path) -> None:
    whole = ask(dataset, "--json").text
    log = tmp_path / "log"
    for _ in range(2):
        with log.open("ab") as file:
            subprocess.run([sys.executable, "-m", "bidsflow", "validate", dataset, "--json"], stdout=file, check=False)
    assert log.read_bytes() == whole + whole


def test_reader_that_has_gone_leaves_the_verdict(dataset: Path) -> None:
    ask(dataset, "--json")
    command = f"{sys.executable} -m bidsflow validate {dataset} --json | head -c 5; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (16, '{"iss', "")


def test_link_that_leads_elsewhere_by_now_is_another_dataset(dataset: Path, tmp_path: Path) -> None:
    other, link = tmp_path / "other", tmp_path / "current"
    write_tree(BASES["eeg"](), other)
    link.symlink_to(dataset)
    time.sleep(REST)
    first = ask("current", cwd=tmp_path)
    assert not ask("current", cwd=tmp_path).anew
    link.unlink()
    assert ask("current", cwd=tmp_path).code == 2
    link.symlink_to(other)
    assert ask("current", cwd=tmp_path) not in (first, first._replace(anew=False))


def test_other_code_of_the_same_version_gives_its_own_answer(dataset: Path, tmp_path: Path) -> None:
    copy = tmp_path / "code" / "bidsflow"
    shutil.copytree(Path(again.__file__).parents[1], copy, ignore=shutil.ignore_patterns("__pycache__", "pipelines"))
    assert ask(dataset, cwd=tmp_path, code=copy.parent).anew
    assert not ask(dataset, cwd=tmp_path, code=copy.parent).anew
    os.utime(copy / "validate" / "rules" / "checks.py")
    assert ask(dataset, cwd=tmp_path, code=copy.parent).anew


def test_answers_together_are_not_longer_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "MOST_BYTES", 250)
    before = 0
    for number in range(4):
        before = time.time_ns() if number == 2 else before
        time.sleep(0.02)  # the oldest go first
        again.keep_answer([str(number)], [b"x" * 100], tmp_path, "", 0)
    kept = [out.stat().st_mtime_ns for out in (find_folder() / "answers").glob("*.out")]
    assert len(kept) == len(list((find_folder() / "answers").glob("*.bin"))) == 2
    assert min(kept) > before


def test_question_in_a_folder_that_is_gone_is_answered(dataset: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    code = f"import os; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r})\n{_CODE}"
    command = [sys.executable, "-c", code, "validate", str(dataset)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (16, "typer: True")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_answer_that_cannot_be_written_is_an_error_of_storage(dataset: Path) -> None:
    for _ in range(2):
        command = [sys.executable, "-c", "from bidsflow.cli.start import main; main()", "validate", dataset]
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (74, "error: No space left on device\n")
        ask(dataset)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_answer_into_a_slow_pipe_that_does_not_wait_is_whole(unbuffered: str, dataset: Path) -> None:
    whole = ask(dataset, "--json")
    assert len(whole.text) > 1 << 16  # more than a pipe holds
    for more in ([], ["--no-cache"]):
        source, target = os.pipe()
        os.set_blocking(target, False)
        words = [sys.executable, "-m", "bidsflow", "validate", str(dataset), "--json", *more]
        with subprocess.Popen(words, stdout=target, env={**os.environ, "PYTHONUNBUFFERED": unbuffered}) as process:
            os.close(target)
            time.sleep(REST)
            with open(source, "rb") as file:  # noqa: PTH123 -- a number
                assert file.read() == whole.text
        assert process.returncode == whole.code


@pytest.mark.parametrize("words", ["", "--json"])
def test_closed_output_leaves_the_verdict(words: str, dataset: Path) -> None:
    for _ in range(2):
        command = f"{sys.executable} -m bidsflow validate {dataset} {words} >&-"
        done = subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, check=False)
        assert (done.returncode, done.stderr) == (16, "")


def test_interrupt_while_an_answer_is_kept_leaves_no_half(tmp_path: Path) -> None:
    def stop() -> Iterator[bytes]:
        yield b"x"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again.keep_answer(["x"], stop(), tmp_path, "", 0)
    assert list((find_folder() / "answers").iterdir()) == []


def test_what_a_killed_process_left_is_removed_in_time(tmp_path: Path) -> None:
    folder = find_folder() / "answers"
    folder.mkdir(parents=True)
    old, new = folder / "tmpold", folder / "tmpnew"
    for half in (old, new):
        half.touch()
    os.utime(old, (0, 0))
    again.keep_answer(["x"], [b"x"], tmp_path, "", 0)
    assert (old.exists(), new.exists()) == (False, True)
