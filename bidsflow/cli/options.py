"""What several commands share: options, and how their help ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import typer

SessionsOption = Annotated[
    Literal["auto", "always", "never"],
    typer.Option("--sessions", help="Whether names have a session: auto gives them where someone was scanned twice."),
]

#: What an exit code means whichever command ends with it.
USAGE, SOURCE, TOOL, TARGET, STORAGE, INTERRUPTED = 2, 65, 69, 73, 74, 130
_CODES = {
    USAGE: "the command line is wrong",
    SOURCE: "the export, the file or the plan cannot be used",
    TOOL: "a program is missing",
    TARGET: "the folder to write into cannot be used",
    STORAGE: "a file cannot be read or written, or the disk is full",
    INTERRUPTED: "interrupted",
}


def end_help(examples: Mapping[str, str], codes: Mapping[int, str], *common: int) -> str:
    """Return the end of a command's help: how it is used, and what its exit codes mean.

    Parameters
    ----------
    examples : mapping of str to str
        Command lines, and what each is for.
    codes : mapping of int to str
        The exit codes of this command.
    common : int
        The exit codes that mean what they always mean.
    """
    used = [line for command, purpose in examples.items() for line in (f"  {command}", f"      {purpose}")]
    meanings = {**codes, **{code: _CODES[code] for code in common}}
    ends = [f"  {code:>3}  {meaning}" for code, meaning in sorted(meanings.items())]
    return "\n".join(["Examples:", *used, "", "Exit codes:", *ends])


def unwrap(text: str) -> str:
    r"""Return a docstring with each paragraph on one line, so that a terminal of any width wraps it well.

    Examples
    --------
    >>> unwrap("One.\n\n    Two is\n    long.")
    'One.\n\nTwo is long.'
    """
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
