"""What the reference validator says, read from recorded output, from pretended programs and from the real one."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bidsflow.errors import DatasetError, ToolError
from bidsflow.validate import Issue, Report, Severity, run
from bidsflow.validate.reference import PROGRAM, parse_report, run_reference

HAS_PROGRAM = (Path(sys.executable).parent / PROGRAM).is_file() or shutil.which(PROGRAM) is not None
real = [
    pytest.mark.validator,
    pytest.mark.skipif(not HAS_PROGRAM, reason=f"{PROGRAM} is not installed (extra `validate`)"),
]

# Printed by version 3.0.2 with --json --recursive; issues that add nothing are left out.
RECORDED = json.loads("""
{"issues": {"issues": [
   {"code": "TSV_VALUE_INCORRECT_TYPE", "subCode": "participant_id", "severity": "error",
    "location": "/participants.tsv", "issueMessage": "'01'",
    "rule": "rules.tabular_data.modality_agnostic.Participants", "line": 2},
   {"code": "MISSING_DATASET_DESCRIPTION", "severity": "error", "affects": ["/dataset_description.json"]},
   {"code": "JSON_KEY_RECOMMENDED", "subCode": "GeneratedBy", "severity": "warning",
    "location": "/dataset_description.json",
    "issueMessage": "Field description: Used to specify provenance\\nof the dataset.\\n",
    "rule": "rules.dataset_metadata.dataset_description"}],
  "codeMessages": {"JSON_KEY_RECOMMENDED": "A JSON file is missing a key listed as recommended.",
   "NO_AUTHORS": "with one author\\nper value.\\n"}},
 "summary": {"sessions": [], "subjects": ["01"], "totalFiles": 4, "size": 62, "schemaVersion": "1.2.7"},
 "derivativesSummary": {"/derivatives/x/": {
  "issues": {"issues": [{"code": "SUBJECT_FOLDERS", "severity": "warning",
    "location": "/dataset_description.json", "rule": "rules.checks.dataset.SubjectFolders"}],
   "codeMessages": {"SUBJECT_FOLDERS": "There are no subject directories."}},
  "summary": {"totalFiles": 1, "schemaVersion": "1.2.7"}}}}
""")


def make_program(path: Path, *, stdout: str = "", stderr: str = "", code: int = 0) -> Path:
    """Write a program that takes any argument and answers as told."""
    (path / "out").write_text(stdout)
    (path / "err").write_text(stderr)
    program = path / "pretended-validator"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {path}/args\ncat {path}/out\ncat {path}/err >&2\nexit {code}\n'
    )
    program.chmod(0o755)
    return program


def image() -> bytes:
    """Return the smallest NIfTI-1 image that the validator accepts: 4 x 4 x 4, int16, 1 mm."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 4, 4, 4, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<f", header, 108, 352.0)
    header[123] = 10  # millimetres, seconds
    struct.pack_into("<hh", header, 252, 1, 1)
    for row in range(3):
        struct.pack_into("<4f", header, 280 + 16 * row, *(float(row == column) for column in range(4)))
    header[344:348] = b"n+1\0"
    return gzip.compress(bytes(header) + bytes(128), mtime=0)


def make_dataset(root: Path, participants: str = "participant_id\nsub-01\n") -> Path:
    anat = root / "sub-01" / "anat"
    anat.mkdir(parents=True)
    description = {"Name": "tiny", "BIDSVersion": "1.10.0", "DatasetType": "raw", "Authors": ["A", "B"]}
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "README").write_text("A tiny dataset that a test of bidsflow has written. " * 5)
    (root / "participants.tsv").write_text(participants)
    (anat / "sub-01_T1w.nii.gz").write_bytes(image())
    (anat / "sub-01_T1w.json").write_text("{}")
    return root


def test_parse_report_maps_the_recorded_output() -> None:
    report = parse_report(RECORDED, "ds", engine="e 1", bids_version="1.10.0")
    assert report.issues[0] == Issue(
        code="TSV_VALUE_INCORRECT_TYPE",
        severity=Severity.ERROR,
        location="participants.tsv",
        subcode="participant_id",
        message="'01'",
        rule="rules.tabular_data.modality_agnostic.Participants",
        line=2,
    )
    assert (report.schema_version, report.bids_version, report.engine) == ("1.2.7", "1.10.0", "e 1")
    assert (len(report.errors), len(report.warnings), report.ok) == (2, 2, False)
    assert report.issues[2].message == "Field description: Used to specify provenance of the dataset."
    assert report.meanings["NO_AUTHORS"] == "with one author per value."


def test_parse_report_places_an_issue_that_only_affects_files() -> None:
    issue = parse_report(RECORDED, "ds").issues[1]
    assert issue.location == "dataset_description.json"
    assert issue.affects == ("dataset_description.json",)


def test_parse_report_puts_derivatives_below_the_root() -> None:
    report = parse_report(RECORDED, "ds")
    assert report.issues[-1].location == "derivatives/x/dataset_description.json"
    assert report.n_files == 5


def test_run_passes_options_on(tmp_path: Path) -> None:
    output = json.dumps({"issues": {"issues": [], "codeMessages": {}}, "summary": {"totalFiles": 0}})
    program = make_program(tmp_path, stdout=output)
    config = tmp_path / "config.json"
    report = run_reference(
        tmp_path,
        ignore_warnings=True,
        ignore_nifti_headers=True,
        recursive=True,
        config=config,
        max_rows=-1,
        program=program,
    )
    assert report == Report(str(tmp_path), (), engine="pretended-validator")
    args = (tmp_path / "args").read_text().split()
    assert args[:2] == [str(tmp_path), "--json"]
    assert args[2:] == f"--max-rows -1 --ignoreWarnings --ignoreNiftiHeaders --recursive --config {config}".split()


@pytest.mark.parametrize(("n_participants", "rows"), [(3, 1000), (1200, 1201)])
def test_run_checks_at_least_every_participant(tmp_path: Path, n_participants: int, rows: int) -> None:
    output = json.dumps({"issues": {"issues": [], "codeMessages": {}}, "summary": {"totalFiles": 0}})
    (tmp_path / "participants.tsv").write_text("participant_id\n" + "sub-01\n" * n_participants)
    run(tmp_path, program=make_program(tmp_path, stdout=output))
    assert f"--max-rows\n{rows}\n" in (tmp_path / "args").read_text()


def test_run_fails_clearly_when_the_program_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"pip install 'bidsflow\[validate\]'") as caught:
        run(tmp_path, program=tmp_path / "nowhere")
    assert caught.value.exit_code == 69


def test_run_fails_clearly_when_the_program_crashes(tmp_path: Path) -> None:
    complaint = (
        "\x1b[0m\x1b[31merror\x1b[0m: Uncaught (in promise) TypeError: x\n    at async main (file:///main.ts:1)\n"
    )
    program = make_program(tmp_path, stderr=complaint, code=1)
    with pytest.raises(ToolError, match=r"ended with 1: Uncaught \(in promise\) TypeError: x$"):
        run(tmp_path, program=program)


@pytest.mark.parametrize("output", ["", "not JSON", "[]", "{}", '{"issues": {"issues": [{"code": "X"}]}}'])
def test_run_fails_clearly_when_there_is_no_report(tmp_path: Path, output: str) -> None:
    with pytest.raises(ToolError, match="cannot be understood"):
        run(tmp_path, program=make_program(tmp_path, stdout=output, code=16))


def test_run_refuses_what_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "file", tmp_path / "none"):
        with pytest.raises(DatasetError, match="not a folder"):
            run(root)


#: Validates, and interrupts itself at once when the program is started, before Popen returns.
_INTERRUPTED_AT_START = """
import os, pathlib, signal, subprocess, sys
import bidsflow.validate

def execute(self, *args, really=subprocess.Popen._execute_child):
    really(self, *args)
    os.kill(os.getpid(), signal.SIGINT)

subprocess.Popen._execute_child = execute
bidsflow.validate.run(sys.argv[1], program=pathlib.Path(sys.argv[2]))
"""
_INTERRUPTED_LATER = """
import pathlib, sys, bidsflow.validate
bidsflow.validate.run(sys.argv[1], program=pathlib.Path(sys.argv[2]))
"""


def make_deaf_program(folder: Path) -> Path:
    """Write a program that says who it is, heeds no interrupt and does not end for a minute."""
    program = folder / "slow"
    program.write_text(
        f"#!/bin/sh\ntrap '' INT\necho $$ > {folder}/pid.part; mv {folder}/pid.part {folder}/pid\n"
        "n=0; while [ $((n += 1)) -lt 1200 ]; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    return program


def wait_for(path: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return path.exists()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_interrupt_takes_the_program_down(tmp_path: Path) -> None:
    program = make_deaf_program(tmp_path)
    caller = subprocess.Popen([sys.executable, "-c", _INTERRUPTED_LATER, tmp_path, program], stderr=subprocess.DEVNULL)
    assert wait_for(tmp_path / "pid", 20)
    caller.send_signal(signal.SIGINT)
    assert caller.wait(20) != 0
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_interrupt_while_the_program_starts_takes_it_down(tmp_path: Path) -> None:
    program = make_deaf_program(tmp_path)
    caller = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_AT_START, tmp_path, program],
        stderr=subprocess.PIPE, text=True, check=False, timeout=20,
    )  # fmt: skip
    assert "KeyboardInterrupt" in caller.stderr
    started = wait_for(tmp_path / "pid", 2)  # it may have been killed before it said anything
    assert not started or not is_alive(int((tmp_path / "pid").read_text()))


class TestReal:
    """The real validator, offline, on datasets of six files."""

    pytestmark = real

    def test_valid_dataset_is_valid(self, tmp_path: Path) -> None:
        report = run(make_dataset(tmp_path / "ds"))
        assert report.errors == ()
        assert report.warnings
        assert report.n_files == 5
        assert report.bids_version == "1.10.0"
        assert report.schema_version.count(".") == 2
        assert report.engine.startswith("bids-validator-deno")

    def test_misplaced_file_is_an_error(self, tmp_path: Path) -> None:
        root = make_dataset(tmp_path / "ds")
        (root / "sub-01" / "anat" / "sub-01_T3w.nii.gz").write_bytes(image())
        report = run(root, ignore_warnings=True)
        assert not report.ok
        assert {issue.location for issue in report.issues} == {"sub-01/anat/sub-01_T3w.nii.gz"}
        assert all(report.meanings[issue.code] for issue in report.issues)

    def test_bad_value_of_a_table_is_placed_on_its_line(self, tmp_path: Path) -> None:
        root = make_dataset(tmp_path / "ds", "participant_id\tage\nsub-01\tyoung\n")
        (issue,) = run(root, ignore_warnings=True).issues
        assert (issue.code, issue.subcode, issue.place) == ("TSV_VALUE_INCORRECT_TYPE", "age", "participants.tsv:2")
        assert "young" in issue.message

    def test_missing_description_is_an_issue_not_a_failure(self, tmp_path: Path) -> None:
        root = make_dataset(tmp_path / "ds")
        (root / "dataset_description.json").unlink()
        report = run(root)
        assert "MISSING_DATASET_DESCRIPTION" in {issue.code for issue in report.errors}
        assert report.bids_version == ""

    def test_config_ignores_codes(self, tmp_path: Path) -> None:
        root = make_dataset(tmp_path / "ds", "participant_id\tage\nsub-01\tyoung\n")
        config = tmp_path / "config.json"
        config.write_text('{"ignore": [{"code": "TSV_VALUE_INCORRECT_TYPE"}]}')
        assert run(root, config=config).ok

    def test_more_than_a_thousand_participants_are_all_seen(self, tmp_path: Path) -> None:
        names = [f"sub-{n:04d}" for n in range(1, 1021)]
        root = make_dataset(tmp_path / "ds", "\n".join(["participant_id", "sub-01", *names]) + "\n")
        for name in names:
            anat = root / name / "anat"
            anat.mkdir(parents=True)
            (anat / f"{name}_T1w.nii.gz").symlink_to(root / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
        assert run(root, ignore_warnings=True, ignore_nifti_headers=True).errors == ()
