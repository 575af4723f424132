"""Reports for tests: as the reference validator gave them, and made up ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bidsflow.validate import Issue, Report, Severity
from bidsflow.validate.report import Summary

RECORDED = Path(__file__).parent / "recorded"  # printed by bids-validator-deno 3.0.2; issues like others are left out


def read_recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def to_report(document: Any, root: str = "ds") -> Report:
    """Return what the reference validator said as a report of ours."""
    issues = [to_issue(found) for found in document["issues"]["issues"]]
    found = document["summary"]
    return Report(
        root,
        tuple(issue for issue in issues if issue.severity is not Severity.IGNORE),
        schema_version=found["schemaVersion"],
        bids_version="1.10.0",
        engine="bidsflow 1.0",
        n_files=found["totalFiles"],
        meanings=document["issues"]["codeMessages"],
        ignored=tuple(issue for issue in issues if issue.severity is Severity.IGNORE),
        derivatives={name.strip("/"): to_report(one) for name, one in document.get("derivativesSummary", {}).items()},
        summary=Summary(
            subjects=tuple(found["subjects"]), sessions=tuple(found["sessions"]), tasks=tuple(found["tasks"]),
            modalities=tuple(found["modalities"]), secondary_modalities=tuple(found["secondaryModalities"]),
            data_types=tuple(found["dataTypes"]), total_files=found["totalFiles"], size=found["size"],
            data_processed=found["dataProcessed"], schema_version=found["schemaVersion"],
            subject_metadata=tuple(found["subjectMetadata"]),
        ),
    )  # fmt: skip


def to_issue(found: Any) -> Issue:
    affects = found.get("affects", [])
    return Issue(
        code=found["code"],
        severity=Severity(found["severity"]),
        location=found.get("location", "").removeprefix("/"),
        subcode=found.get("subCode", ""),
        message=found.get("issueMessage", ""),
        rule=found.get("rule", ""),
        affects=tuple(path.removeprefix("/") for path in ([affects] if isinstance(affects, str) else affects)),
        line=found.get("line", 0),
    )


def make_many(n_keys: int, n_files: int) -> Report:
    """Return a report with one kind of warning for many keys of many files."""
    issues = [
        Issue(
            "SIDECAR_KEY_RECOMMENDED",
            Severity.WARNING,
            f"sub-{n:05d}_bold.nii.gz",
            f"Key{key:03d}",
            "Field description: x",
        )
        for key in range(n_keys)
        for n in range(n_files)
    ]
    return Report("ds", tuple(issues), meanings={"SIDECAR_KEY_RECOMMENDED": "A key is missing."}, n_files=n_files)
