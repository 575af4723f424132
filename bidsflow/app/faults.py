"""What is wrong with the files of a participant, found before anything runs.

A fault is of one participant and keeps out nobody else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bidsflow.app.choice import is_selected
from bidsflow.app.invocation import Selection
from bidsflow.app.spec import Query
from bidsflow.errors import BidsflowError
from bidsflow.names import parse_name

if TYPE_CHECKING:
    from bidsflow.app.inputs import Image
    from bidsflow.validate.issues import Issue

#: A pointer of git-annex is a short text; images are not.
_POINTER_BYTES = 32768


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an image cannot be used, found before anything runs."""

    participant: str
    path: str
    reason: str

    def __str__(self) -> str:
        return f"sub-{self.participant}: {self.path}: {self.reason}"


def check_sidecars(root: Path, label: str) -> list[Fault]:
    """Return the sidecars of a participant that cannot be read."""
    faults = []
    for path in sorted((root / f"sub-{label}").rglob("*.json")):
        where = path.relative_to(root).as_posix()
        reason = _absent(path, where)
        try:
            if not reason:
                json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            reason = f"it is no JSON ({error})"
        if reason:
            faults.append(Fault(label, where, reason))
    return faults


def check_image(root: Path, image: Image, query: Query, label: str) -> list[Fault]:
    """Return what stops an image from being used: absent content, missing metadata, missing companions."""
    where = image.path.relative_to(root).as_posix()
    reasons = [_absent(image.path, where)]
    missing = [key for key in query.needs if key not in image.metadata]
    if missing:
        reasons.append(f"its sidecar has no {' and no '.join(missing)}")
    for ext in query.companions:
        beside = image.beside(ext)
        reasons.append(_absent(beside, beside.relative_to(root).as_posix()))
    return [Fault(label, where, reason) for reason in reasons if reason]


def _absent(path: Path, where: str) -> str:
    """Return why the content of a file is not there, ``""`` where it is."""
    if is_unfetched(path):
        return f"its content is not here; fetch it first: datalad get {where}, or git annex get {where}"
    if not path.exists():
        return f"{where} is missing"
    if not os.access(path, os.R_OK):
        return f"{where} cannot be read; check its permissions"
    return "" if path.stat().st_size else f"{where} is empty"


def is_unfetched(path: Path) -> bool:
    """Return whether a file only says where git-annex has its content: a link to nothing, or a pointer."""
    if path.is_symlink() and not path.exists():
        return True
    if not path.is_file() or not os.access(path, os.R_OK) or path.stat().st_size >= _POINTER_BYTES:
        return False
    with path.open("rb") as stream:
        return b"/annex/objects" in stream.read(512)


def sort_issues(
    root: Path, issues: Sequence[Issue], labels: Sequence[str], selection: Selection
) -> tuple[list[Issue], list[Fault]]:
    """Return the errors of a validation that concern everybody, and the faults of the participants who are chosen.

    An error in a file of a participant is his own. It does not matter if he is not chosen, if its session, task or run
    is not, or if the content of the file is not here: what is read of such files is checked by `check_image`.

    Parameters
    ----------
    root : Path
        The raw dataset.
    issues : sequence of Issue
        Errors; warnings stop nobody.
    labels : sequence of str
        The chosen participants, without ``sub-``.
    selection : Selection
        Which of their images.
    """
    common: list[Issue] = []
    own: dict[tuple[str, str, str], list[Issue]] = {}
    for issue in issues:
        folder = issue.location.partition("/")[0]
        label = folder.removeprefix("sub-")
        if label == folder or not (root / folder).is_dir():
            common.append(issue)
        elif label in labels and _is_asked(issue.location, selection) and not is_unfetched(root / issue.location):
            own.setdefault((label, issue.code, issue.subcode), []).append(issue)
    return common, [_to_fault(label, found) for (label, *_), found in own.items()]


def _is_asked(location: str, selection: Selection) -> bool:
    try:
        return is_selected(parse_name(location), selection)
    except BidsflowError:
        return True


def _to_fault(label: str, issues: Sequence[Issue]) -> Fault:
    """Return the issues of one kind that a participant has as one fault."""
    first = issues[0]
    places = dict.fromkeys(issue.location for issue in issues)
    more = f", and in {len(places) - 1} more files" if len(places) > 1 else ""
    code = " ".join(filter(None, (first.code, first.subcode)))
    return Fault(label, first.location, f"does not keep to BIDS: {code}{more}")
