"""What is remembered of a validation never makes it say anything else than a fresh look would."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sys
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import pytest

from bidsflow.validate import Report, run, store
from bidsflow.validate.context.load import Loader
from bidsflow.validate.store import find_folder
from bidsflow.validate.survey import survey
from tests.validate.defects.datasets import BASES
from tests.validate.defects.tree import write_tree

#: Longer than what a file must have rested to be remembered.
REST = 0.15


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are checked, as they are."""
    seen: list[str] = []
    load = Loader.load

    def spy(self: Loader, file: object) -> object:
        seen.append(file.path)  # type: ignore[attr-defined]
        return load(self, file)  # type: ignore[arg-type]

    monkeypatch.setattr(Loader, "load", spy)
    return seen


def make(base: str, root: Path) -> Path:
    write_tree(BASES[base](), root)
    time.sleep(REST)
    return root


def findings(report: Report) -> list[tuple[object, ...]]:
    return sorted((one.code, one.subcode, one.severity, one.location, one.line, one.message) for one in report)


def rewrite(path: Path, random: random.Random) -> None:
    text = path.read_bytes()
    path.write_bytes(random.choice([text + b" ", text[: len(text) // 2], b"{}", text.replace(b"1", b"x", 1)]))


def remove(path: Path, _random: random.Random) -> None:
    path.unlink()


def rename(path: Path, random: random.Random) -> None:
    path.rename(path.with_name(random.choice(["x" + path.name, path.name.replace("sub-01", "sub-02"), "README.md"])))


def copy(path: Path, random: random.Random) -> None:
    folder = random.choice([path.parent, path.parent.parent])
    name = random.choice([f"x{path.name}", path.name.replace("task-", "acq-b_task-"), "notes.txt"])
    (folder / name).write_bytes(path.read_bytes())


def restore_times(path: Path, _random: random.Random) -> None:
    """Change the content, but neither size nor time of change that `ls` shows."""
    old = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))


CHANGES: list[Callable[[Path, random.Random], None]] = [rewrite, remove, rename, copy, restore_times]


def pick(root: Path, random: random.Random) -> Path:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    small = [path for path in files if path.suffix in (".json", ".tsv", ".bval", ".bvec") or path.name[0] == "."]
    return random.choice(random.choice([files, small]))


@pytest.mark.parametrize("base", ["mri", "sessions", "asl", "eeg", "extras", "derivative"])
def test_report_after_any_change_is_that_of_a_fresh_look(base: str, tmp_path: Path) -> None:
    root, random_one = make(base, tmp_path / "ds"), random.Random(base)
    assert findings(run(root)) == findings(run(root, cache=False))
    for _ in range(12):
        for _ in range(random_one.randint(1, 2)):
            random_one.choice(CHANGES)(pick(root, random_one), random_one)
        time.sleep(REST)
        fresh = findings(run(root, cache=False))
        assert findings(run(root)) == fresh
        assert findings(run(root)) == fresh


def test_nothing_is_read_again_where_nothing_has_changed(tmp_path: Path, reads: list[str]) -> None:
    root = make("mri", tmp_path / "ds")
    first = run(root)
    assert reads
    reads.clear()
    assert run(root) == first
    assert reads == []


def test_after_a_changed_sidecar_only_what_inherits_it_is_checked(tmp_path: Path, reads: list[str]) -> None:
    root = make("mri", tmp_path / "ds")
    run(root)
    reads.clear()
    (sidecar,) = root.glob("task-*_bold.json")
    sidecar.write_text(sidecar.read_text().replace("{", '{"Instructions": "look", ', 1))
    run(root)
    whole = {"/participants.tsv", "/dataset_description.json"}  # what is said of them depends on the subjects
    files = {path for path in reads if not path.endswith("/")} - whole
    assert f"/{sidecar.name}" in files
    assert {path.rpartition("_")[2] for path in files} <= {"bold.nii.gz", "bold.json", "bold.nii"}
    assert any(path.endswith("bold.nii.gz") for path in files)


def test_a_new_subject_does_not_make_the_others_checked_again(tmp_path: Path, reads: list[str]) -> None:
    root = make("mri", tmp_path / "ds")
    run(root)
    reads.clear()
    shutil.copytree(root / "sub-01", root / "sub-09")
    for path in sorted((root / "sub-09").rglob("sub-01*")):
        path.rename(path.with_name(path.name.replace("sub-01", "sub-09")))
    report = run(root)
    assert "PARTICIPANT_ID_MISMATCH" in {issue.code for issue in report.errors}
    assert not [path for path in reads if path.startswith("/sub-01/") and not path.endswith("/")]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\0" * 100])
def test_damaged_memory_is_as_none(content: bytes, tmp_path: Path) -> None:
    root = make("mri", tmp_path / "ds")
    first = run(root)
    written = list(find_folder().rglob("*.bin"))
    assert written
    for path in written:
        path.write_bytes(content)
    assert run(root) == first


def test_what_is_remembered_is_for_its_owner_only(tmp_path: Path) -> None:
    run(make("mri", tmp_path / "ds"))
    assert {path.stat().st_mode & 0o777 for path in find_folder().rglob("*.bin")} == {0o600}


def test_nothing_is_written_into_the_dataset(tmp_path: Path) -> None:
    root = make("mri", tmp_path / "ds")
    before = sorted(root.rglob("*"))
    run(root)
    assert sorted(root.rglob("*")) == before


def test_without_cache_nothing_is_kept(tmp_path: Path) -> None:
    run(make("mri", tmp_path / "ds"), cache=False)
    assert not [path for path in find_folder().rglob("*.bin") if not path.name.startswith("rules-")]


def test_user_without_a_home_does_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make("mri", tmp_path / "ds")
    whole = findings(run(root))

    def know_nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr("pwd.getpwuid", know_nobody)
    assert findings(run(root)) == whole == findings(run(root, cache=False))


def test_datasets_validated_longest_ago_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_MOST_DATASETS", 2)
    for name in ("a", "b", "c"):
        run(make("mri", tmp_path / name))
        time.sleep(0.02)
    kept = {place.parent for place in find_folder().glob("*/*.bin")}
    assert kept == {store.find_place(str(tmp_path / name), "").parent for name in ("b", "c")}


def test_relative_folder_of_caches_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert find_folder() == tmp_path / ".cache" / "bidsflow" / "validate"


def test_root_may_be_written_otherwise(tmp_path: Path, reads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run(make("mri", tmp_path / "ds"))
    reads.clear()
    monkeypatch.chdir(tmp_path)
    run("ds")
    assert reads == []


@pytest.mark.parametrize("folder", ["sub-02", "sub-02/func"])
def test_folder_that_was_away_during_a_check_is_looked_at_again(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make("mri", tmp_path / "ds")
    whole = findings(run(root, cache=False))

    def steal(when: int, total: int) -> None:
        if (root / folder).exists():
            (root / folder).rename(tmp_path / "away")

    broken = run(root, progress=steal)
    (tmp_path / "away").rename(root / folder)
    assert findings(broken) != whole
    assert not broken.fingerprint
    time.sleep(REST)
    assert findings(run(root)) == whole


def test_survey_sees_that_a_folder_was_replaced_by_one_like_it(tmp_path: Path) -> None:
    root = make("mri", tmp_path / "ds")
    before = survey(str(root))
    time.sleep(REST)
    (root / "sub-01").rename(tmp_path / "away")
    (tmp_path / "away").rename(root / "sub-01")
    after = survey(str(root))
    assert after[0] != before[0]
    assert after[1] > before[1]


@pytest.mark.parametrize(("old", "new"), [("gone", "./gone"), ("odd", "./odd"), (".", "../ds")])
def test_link_that_says_otherwise_where_it_leads_nowhere_is_seen(old: str, new: str, tmp_path: Path) -> None:
    root = make("mri", tmp_path / "ds")
    (root / "odd").symlink_to(old)
    time.sleep(REST)
    run(root, compat=True)
    (root / "odd").unlink()
    (root / "odd").symlink_to(new)
    time.sleep(REST)
    assert findings(run(root, compat=True)) == findings(run(root, compat=True, cache=False))


@pytest.mark.parametrize("name", ["*_events.tsv", "*_bold.json", "participants.tsv", "*.nii.gz", ".bidsignore"])
def test_file_that_could_not_be_read_is_looked_at_again(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make("mri", tmp_path / "ds")
    (root / ".bidsignore").write_text("notes.docx\n")
    (root / "notes.docx").write_text("x")
    time.sleep(REST)
    whole = findings(run(root, cache=False))
    open_file = os.open

    def fail(path: str, *more: int, **named: int) -> int:
        if fnmatch(os.path.basename(path), name):  # noqa: PTH119 -- text, or a path
            raise OSError(errno.EIO, "Input/output error")
        return open_file(path, *more, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        broken = run(root)
    assert findings(broken) != whole
    assert not broken.fingerprint
    assert findings(run(root)) == whole


def test_annotations_are_checked_again_when_their_checker_could_not_be_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hed")
    root = make("hed", tmp_path / "ds")
    whole = findings(run(root, cache=False))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "hed.schema", None)
        broken = findings(run(root))
    assert broken != whole
    assert findings(run(root)) == whole


@pytest.mark.skipif(not os.geteuid(), reason="root may read everything")
def test_empty_folder_that_may_be_read_again_is_seen(tmp_path: Path) -> None:
    folder = make("mri", tmp_path / "ds") / "sub-01" / "beh"
    folder.mkdir(mode=0)
    time.sleep(REST)
    assert "FILE_READ" in {issue.code for issue in run(tmp_path / "ds")}
    folder.chmod(0o700)
    assert "FILE_READ" not in {issue.code for issue in run(tmp_path / "ds")}
