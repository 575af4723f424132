"""The commands by which images of a dataset were made, for `bidsflow trace`. They stay private, as paths may name.

A command is stored once under a digest of what it says; entries of ledgers name the digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bidsflow.convert.dcm2niix import OPTIONS
from bidsflow.convert.memory import read_json
from bidsflow.convert.top import DCM2NIIX, NIBABEL, generated_by
from bidsflow.dataset.tree import Dataset
from bidsflow.dataset.write import write_durably
from bidsflow.errors import BidsflowError


@dataclass(frozen=True, slots=True)
class Command:
    """One command that has converted.

    Attributes
    ----------
    words : tuple of str
        Of the command line, after ``bidsflow``; empty where it was called otherwise (from Python).
    folder : str
        Where it was called, from which relative paths go.
    versions : dict of str to str
        Of bidsflow and of what it called.
    dcm2niix : tuple of str
        The options that every series was converted with.
    """

    words: tuple[str, ...]
    folder: str
    versions: dict[str, str] = field(default_factory=dict)
    dcm2niix: tuple[str, ...] = ()


def make_command(words: Sequence[str], folder: str = "") -> Command:
    """Return the command that is being carried out; `folder` is where it was given, by default the current one."""
    where = (folder or str(Path.cwd())) if words else ""
    return Command(tuple(words), where, dict(generated_by((DCM2NIIX, NIBABEL))), OPTIONS)


def note_command(dataset: Dataset, command: Command) -> str:
    """Store a command, and return the digest by which entries of ledgers name it. The caller holds the lock."""
    text = json.dumps(asdict(command), indent=1).encode()
    digest = hashlib.blake2b(text, digest_size=8).hexdigest()
    file = _file(dataset, digest)
    if not file.exists():
        file.parent.mkdir(mode=0o700, exist_ok=True)
        write_durably(file, text, mode=0o600)
    return digest


def read_command(dataset: Dataset, digest: str) -> Command | None:
    """Return a command; None where it was not noted, or its file is gone or damaged."""
    if not re.fullmatch(r"[0-9a-f]{16}", digest):
        return None
    try:
        stored = read_json(_file(dataset, digest))
        versions = {str(name): str(version) for name, version in stored["versions"].items()}
        words, options = (tuple(map(str, stored[key])) for key in ("words", "dcm2niix"))
        return Command(words, str(stored["folder"]), versions, options)
    except (BidsflowError, KeyError, TypeError, AttributeError):
        return None


def _file(dataset: Dataset, digest: str) -> Path:
    return dataset.state / "commands" / f"{digest}.json"
