"""The engine as its callers see it: parts of a dataset, several processes, and where it departs from the reference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bidsflow.errors import DatasetError, SchemaError
from bidsflow.validate import Options, Report, engine, run, validate_paths
from bidsflow.validate.compile.schema import REFERENCE_VERSION, load_schema
from tests.validate.defects.datasets import BASES
from tests.validate.defects.tree import write_tree


@pytest.fixture
def mri(tmp_path: Path) -> Path:
    return write_tree(BASES["mri"](), tmp_path / "ds")


def codes(report: Report) -> set[str]:
    return {issue.code for issue in report}


def break_events(root: Path, subject: str) -> str:
    """Spoil a table of a subject; return where."""
    path = sorted((root / subject / "func").glob("*_events.tsv"))[0]
    path.write_text("onset\n1\n")
    return path.relative_to(root).as_posix()


class TestParts:
    """Some files of a dataset, without the rest."""

    def test_only_what_was_asked_for_is_judged(self, mri: Path) -> None:
        first, second = break_events(mri, "sub-01"), break_events(mri, "sub-02")
        assert {issue.location for issue in run(mri, cache=False).errors} >= {first, second}
        assert {issue.location for issue in validate_paths(mri, ["sub-01"]).errors} == {first}
        assert {issue.location for issue in validate_paths(mri, [mri.absolute() / second]).errors} == {second}
        assert {issue.location for issue in run(mri, subjects=("02",), cache=False).errors} == {second}

    def test_verdict_on_a_part_is_that_of_the_whole(self, mri: Path) -> None:
        whole = {issue for issue in run(mri, cache=False) if issue.location.startswith("sub-01/")}
        assert {issue for issue in validate_paths(mri, ["sub-01"]) if issue.location.startswith("sub-01/")} == whole

    def test_other_subjects_are_not_opened(self, mri: Path, tmp_path: Path) -> None:
        for path in (mri / "sub-02").rglob("*.nii.gz"):
            path.unlink()
            os.mkfifo(path)  # opening it would wait for ever, or fail
        assert validate_paths(mri, ["sub-01"]).ok

    def test_session_is_judged_with_what_it_inherits(self, tmp_path: Path) -> None:
        root = write_tree(BASES["sessions"](), tmp_path / "ds")
        session = sorted(root.glob("sub-*/ses-*"))[0].relative_to(root)
        assert validate_paths(root, [session]).ok

    @pytest.mark.parametrize("path", ["../other", "/etc", "sub-01/../../x"])
    def test_path_outside_is_refused(self, path: str, mri: Path) -> None:
        with pytest.raises(DatasetError, match="does not lie below"):
            validate_paths(mri, [path])


class TestProcesses:
    """Several processes say what one says, in the same order."""

    def test_several_processes_say_the_same(self, mri: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        break_events(mri, "sub-02")
        monkeypatch.setattr(engine, "_MANY", 1)
        assert run(mri, cache=False, jobs=2) == run(mri, cache=False, jobs=1)

    def test_command_uses_several(self, tmp_path: Path) -> None:
        root = write_tree(BASES["mri"](), tmp_path / "ds")
        (events,) = sorted((root / "sub-01" / "func").glob("*run-1_events.tsv"))
        for number in range(engine._MANY):
            (events.parent / f"sub-01_task-n{number}_events.tsv").write_bytes(events.read_bytes())
        command = [sys.executable, "-m", "bidsflow", "validate", str(root), "--json", "--no-cache", "--jobs"]
        one, two = (subprocess.run([*command, jobs], capture_output=True, check=False) for jobs in ("1", "2"))
        assert json.loads(one.stdout) == json.loads(two.stdout)
        assert (one.returncode, one.stderr) == (two.returncode, two.stderr)


class TestDepartures:
    """Where the default says something else than the reference, which `compat` copies."""

    def test_people_beyond_a_thousand_are_known(self, mri: Path) -> None:
        labels = [f"{number:04}" for number in range(1001)]
        source = (mri / "sub-01" / "anat" / "sub-01_T1w.nii.gz").read_bytes()
        for label in labels:
            folder = mri / f"sub-{label}" / "anat"
            folder.mkdir(parents=True)
            (folder / f"sub-{label}_T1w.nii.gz").write_bytes(source)
        with (mri / "participants.tsv").open("a") as file:
            rest = "\tn/a" * (file.tell() and (mri / "participants.tsv").read_text().split("\n")[0].count("\t"))
            file.writelines(f"sub-{label}{rest}\n" for label in labels)
        assert "PARTICIPANT_ID_MISMATCH" not in codes(run(mri, cache=False))
        assert "PARTICIPANT_ID_MISMATCH" in codes(run(mri, cache=False, compat=True))

    def test_modalities_are_known(self, tmp_path: Path) -> None:
        root = write_tree(BASES["micr"](), tmp_path / "ds")
        (root / "samples.tsv").unlink()
        (root / "samples.json").unlink(missing_ok=True)
        assert "SAMPLES_TSV_MISSING" in codes(run(root, cache=False))
        assert "SAMPLES_TSV_MISSING" not in codes(run(root, cache=False, compat=True))

    def test_participants_without_their_column_are_an_issue(self, mri: Path) -> None:
        (mri / "participants.tsv").write_text("age\n3\n")
        for compat in (False, True):
            report = run(mri, cache=False, compat=compat)
            assert ("TSV_COLUMN_MISSING", "participant_id") in {(one.code, one.subcode) for one in report.errors}

    def test_type_that_was_not_asked_for_is_an_issue(self, mri: Path) -> None:
        assert "UNSUPPORTED_DATASET_TYPE" in codes(run(mri, cache=False, dataset_types=("derivative",)))
        assert run(mri, cache=False, dataset_types=("raw",)).ok

    def test_modality_that_is_not_wanted_is_an_issue(self, mri: Path) -> None:
        assert "BLACKLISTED_MODALITY" in codes(run(mri, cache=False, blacklist_modalities=("MRI",)))
        assert run(mri, cache=False, blacklist_modalities=("EEG", "nonsense")).ok

    def test_carriage_returns_in_bidsignore_do_not_count(self, mri: Path) -> None:
        (mri / "extra.txt").write_text("x")
        (mri / ".bidsignore").write_bytes(b"extra/\r\n\r\nextra.txt\r\n")
        assert run(mri, cache=False).ok
        (mri / ".bidsignore").write_bytes(b"extra/\r\n\r\n")
        assert "NOT_INCLUDED" in codes(run(mri, cache=False))
        assert "NOT_INCLUDED" not in codes(run(mri, cache=False, compat=True))

    def test_folder_that_is_ignored_by_a_pattern_with_a_slash_is_ignored(self, mri: Path) -> None:
        (mri / ".bidsignore").write_text("extra/\n")
        assert [issue.location for issue in run(mri, cache=False, compat=True).errors] == ["extra/"]
        assert run(mri, cache=False).ok


class TestSchemas:
    """Which schema is asked."""

    def test_default_is_the_installed_one_and_compat_the_references(self, mri: Path) -> None:
        assert run(mri, cache=False).schema_version == load_schema().version != REFERENCE_VERSION
        assert run(mri, cache=False, compat=True).schema_version == REFERENCE_VERSION
        assert run(mri, cache=False, schema=REFERENCE_VERSION).schema_version == REFERENCE_VERSION

    def test_schema_may_be_a_file(self, mri: Path, tmp_path: Path) -> None:
        data = dict(load_schema(REFERENCE_VERSION).data)
        data["schema_version"] = "9.9.9"
        path = tmp_path / "schema.json"
        path.write_text(json.dumps(data))
        assert run(mri, cache=False, schema=str(path)).schema_version == "9.9.9"

    @pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
    def test_what_is_no_schema_is_refused(self, content: str | None, mri: Path, tmp_path: Path) -> None:
        path = tmp_path / "schema.json"
        if content is not None:
            path.write_text(content)
        with pytest.raises(SchemaError, match="cannot use the BIDS schema"):
            run(mri, Options(schema=str(path), cache=False))

    def test_version_that_is_not_there_is_refused_with_those_that_are(self, mri: Path) -> None:
        with pytest.raises(SchemaError, match=rf"{REFERENCE_VERSION} and {load_schema().version}"):
            run(mri, schema="0.1.0", cache=False)


def test_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="not a folder"):
        run(tmp_path / "nothing")


def test_derivatives_have_the_description_of_the_first_for_the_reference_only(tmp_path: Path) -> None:
    root = write_tree(BASES["mri"](), tmp_path / "ds")
    for name in ("a", "b"):
        (root / "derivatives" / name).mkdir(parents=True)
        (root / "derivatives" / name / "dataset_description.json").write_text("{}")
    first = next(below.name for below in (root / "derivatives").iterdir())
    (root / "derivatives" / first / "dataset_description.json").write_text("{")
    for _ in range(2):  # from memory, too
        plain, compat = (run(root, compat=compat, recursive=True).derivatives for compat in (False, True))
        broken = {name: "JSON_INVALID" in codes(report) for name, report in plain.items()}
        assert broken == {f"derivatives/{name}": name == first for name in ("a", "b")}
        assert all("JSON_INVALID" in codes(report) for report in compat.values())
