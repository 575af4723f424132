"""Whatever the files of a dataset hold, and whatever lies about in it: a report, never an exception."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidsflow.validate import Report, run
from tests.validate.defects.datasets import BASES
from tests.validate.defects.tree import write_tree

pytestmark = pytest.mark.hypothesis

#: Bases with all kinds of files between them.
KINDS = ("mri", "asl", "eeg", "meg", "pet", "micr", "motion", "beh", "extras", "derivative")

json_texts = st.recursive(
    st.sampled_from(["null", "true", '""', "0", "-1e999", "1E400", '"n/a"', "[]", "{}", '"\\ud800"']),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(inner, max_size=3).map(
            lambda parts: "{" + ",".join(f'"k{n}":{p}' for n, p in enumerate(parts)) + "}"
        )
    ),
    max_leaves=8,
)
tables = st.lists(
    st.lists(st.sampled_from(["onset", "duration", "n/a", "", " ", "1", "-1e9", "\ufeff", "\x00", "é"]), max_size=4),
    max_size=5,
).map(lambda rows: "\n".join("\t".join(row) for row in rows))
contents = (
    st.binary(max_size=600)
    | json_texts.map(str.encode)
    | tables.map(str.encode)
    | st.binary(max_size=200).map(lambda data: gzip.compress(data, mtime=0))
    | st.binary(max_size=400).map(lambda data: b"\x5c\x01\x00\x00" + data)
    | tables.map(lambda text: gzip.compress(text.encode(), mtime=0))
)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bases")
    return {kind: write_tree(BASES[kind](), folder / kind) for kind in KINDS}


def look(root: Path, *, compat: bool) -> Report:
    report = run(root, cache=False, compat=compat, recursive=True)
    assert report.summary.schema_version
    return report


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), kind=st.sampled_from(KINDS), compat=st.booleans())
def test_random_content_anywhere_is_reported(
    data: st.DataObject, kind: str, compat: bool, bases: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = bases[kind]
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    chosen = data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=3, unique=True))
    before = {path: path.read_bytes() for path in chosen}
    try:
        for path in chosen:
            path.write_bytes(data.draw(contents))
        look(root, compat=compat)
    finally:
        for path, content in before.items():
            path.write_bytes(content)


names = st.text(st.characters(blacklist_characters="/\x00", blacklist_categories=["Cs"]), min_size=1, max_size=40)
bids_like = st.from_regex(r"\A(sub|ses|task|acq|run|x|)-?[a-z0-9]{0,3}(_[a-zA-Z0-9-]{0,6}){0,4}(\.[a-z.]{0,7})?\Z")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.lists(bids_like | names, min_size=1, max_size=4), content=contents, compat=st.booleans())
def test_random_names_are_reported(where: list[str], content: bytes, compat: bool, bases: dict[str, Path]) -> None:
    root = bases["mri"]
    where = [name for name in where if name not in (".", "..", "") and len(name.encode()) < 200]
    if not where or (root / where[0]).exists():
        return
    path = root.joinpath(*where)
    try:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    except FileExistsError:
        path.write_bytes(content)
    try:
        look(root, compat=compat)
    finally:
        if len(where) > 1:
            shutil.rmtree(root / where[0])
        else:
            path.unlink()


def test_odd_things_in_a_dataset_are_reported(tmp_path: Path) -> None:
    root = write_tree(BASES["mri"](), tmp_path / "ds")
    anat = root / "sub-01" / "anat"
    os.mkfifo(anat / "sub-01_acq-pipe_T1w.nii.gz")
    os.mkfifo(root / "sub-01" / "func" / "sub-01_task-pipe_events.tsv")
    (anat / "sub-01_acq-self_T1w.json").symlink_to("sub-01_acq-self_T1w.json")
    (anat / "sub-01_acq-gone_T1w.nii.gz").symlink_to("nowhere")
    (root / "sub-02" / "up").symlink_to(root)
    Path(os.fsdecode(os.fsencode(anat) + b"/sub-\xff_T1w.nii.gz")).write_bytes(b"x")
    deep = anat
    for _ in range(60):
        deep = deep / "a"
    deep.mkdir(parents=True)
    codes = {issue.code for issue in run(root, cache=False)}
    assert {"SYMLINK_BROKEN", "SYMLINK_CYCLE", "NOT_INCLUDED"} <= codes


def test_large_tables_are_read_no_further_than_needed(tmp_path: Path) -> None:
    root = write_tree(BASES["mri"](), tmp_path / "ds")
    (events,) = sorted((root / "sub-01" / "func").glob("*run-1_events.tsv"))
    with events.open("w") as file:
        file.write("onset\tduration\n")
        file.writelines(f"{row}\t1\n" for row in range(2000))
        file.truncate(1 << 34)  # sixteen gigabytes of nothing
    assert "TSV_EQUAL_ROWS" not in {issue.code for issue in run(root, cache=False)}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_files_are_reported(tmp_path: Path) -> None:
    root = write_tree(BASES["mri"](), tmp_path / "ds")
    (sidecar,) = root.glob("task-*_bold.json")
    sidecar.chmod(0)
    assert "FILE_READ" in {issue.code for issue in run(root, cache=False)}
