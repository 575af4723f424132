"""What several commands share: options, and how their help ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import typer

SessionsOption = Annotated[
    Literal["auto", "always", "never"],
    typer.Option("--sessions", help="Whether names have a session: auto gives them where someone was scanned twice."),
]

StudyOption = Annotated[
    Path | None,
    typer.Option("--study", metavar="FILE", show_default=False, readable=False,
                 help="What your study says of its data (see bidsflow study); default: BIDS_DIR/code/study.toml."),
]  # fmt: skip

_CLUSTER = "Options of a cluster"
ExecutorOption = Annotated[
    str,
    typer.Option("--executor", metavar="NAME", rich_help_panel=_CLUSTER,
                 help="local (default), slurm or sge: submit a task for each session instead of converting here."),
]  # fmt: skip
SiteOption = Annotated[
    str, typer.Option("--site", metavar="NAME", rich_help_panel=_CLUSTER,
                      help="A site profile: NAME.toml in ~/.config/bidsflow/sites, or the path of one."),
]  # fmt: skip
PartitionOption = Annotated[
    str, typer.Option("--partition", "--queue", metavar="NAME", rich_help_panel=_CLUSTER, help="Where to submit to.")
]
AccountOption = Annotated[
    str, typer.Option("--account", metavar="NAME", rich_help_panel=_CLUSTER, help="The account that pays.")
]
TimeOption = Annotated[
    str, typer.Option("--time", metavar="2h", rich_help_panel=_CLUSTER, help="Time limit of a task.")
]
MemoryOption = Annotated[
    str, typer.Option("--mem", metavar="4G", rich_help_panel=_CLUSTER, help="Memory of a task (default: 4G).")
]
ArrayLimitOption = Annotated[
    int, typer.Option("--array-limit", min=0, metavar="N", rich_help_panel=_CLUSTER, help="Tasks that run at once.")
]
SetupOption = Annotated[
    list[str] | None,
    typer.Option("--setup", metavar="LINE", rich_help_panel=_CLUSTER, show_default=False,
                 help="A line of shell before the command; may be repeated."),
]  # fmt: skip
ExtraOption = Annotated[
    list[str] | None,
    typer.Option("--submit-extra", metavar="OPTION", rich_help_panel=_CLUSTER, show_default=False,
                 help="An option for the scheduler as it is; may be repeated."),
]  # fmt: skip

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
