"""``bidsflow phantom``: write a scanner export with a known content."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bidsflow.cli.options import INTERRUPTED, STORAGE, TARGET, USAGE, end_help

if TYPE_CHECKING:
    from bidsflow.phantom import Truth


HELP_END = end_help(
    {
        "bidsflow phantom DIR": "one person, one visit, every kind of series",
        "bidsflow phantom DIR --subjects 2 --sessions 2": "a small study",
        "bidsflow phantom DIR --series t1w,bold --dialect ge": "two kinds of series, as GE writes them",
    },
    {0: "written"},
    USAGE, TARGET, STORAGE, INTERRUPTED,
)  # fmt: skip


def phantom(  # noqa: PLR0917 - typer declares options as parameters
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; absent or empty.", show_default=False)],
    subjects: Annotated[int, typer.Option(min=1, help="How many people are scanned.")] = 1,
    sessions: Annotated[int, typer.Option(min=1, help="How often each of them comes.")] = 1,
    dialect: Annotated[str, typer.Option(help="Whose DICOM: classic, enhanced or ge.")] = "classic",
    series: Annotated[
        str, typer.Option(help="Kinds of series, with commas: t1w,bold,fmap,dwi,...; all if empty.")
    ] = "",
    size: Annotated[str, typer.Option(help="Of the images: tiny, small, medium or large.")] = "small",
    seed: Annotated[int, typer.Option(help="Another seed, another study.")] = 0,
    logs: Annotated[
        Literal["none", "cmrr", "xml", "text"],
        typer.Option(help="Pulse and breathing of the runs: as CMRR's or Siemens' own DICOM object, or as text files."),
    ] = "none",
    as_json: Annotated[bool, typer.Option("--json", help="Print the answer key as JSON.")] = False,
) -> None:
    """Write a scanner export with a known content, and the answer key beside it.

    The export in DIR/dicom converts as one of a real scanner; DIR/truth/truth.json says what is in it.
    The same options give the same bytes.
    """
    from bidsflow.phantom import make_sessions, write
    from bidsflow.phantom.physio import write_logs
    from bidsflow.phantom.truth import format_truth

    visits = make_sessions(subjects, sessions, seed=seed)
    words = [w.strip() for w in series.split(",") if w.strip()] or None
    try:
        with _Progress() as bar:
            truth = write(
                folder,
                sessions=visits,
                dialect=dialect,
                seed=seed,
                size=size,
                series=words,
                progress=bar.update,
            )
        if logs != "none":
            write_logs(folder, truth, form=logs)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(format_truth(truth) if as_json else summarize_truth(truth, folder))


def summarize_truth(truth: Truth, folder: Path) -> str:
    """Return what was written, for people."""
    files = sum(s.files for s in truth.series)
    lines = [f"{len(truth.sessions)} session(s), {files} files in {folder / truth.export}"]
    for series in truth.sessions[0].series:
        name = ", ".join(f"{n.datatype}/{n.suffix}" for n in series.names) or f"- ({series.skip})"
        shape = "x".join(str(n) for n in series.shape)
        lines.append(f"  {series.number:3d}  {series.description:<28} {shape:<14} {name}")
    lines.append(f"What is in it: {folder / 'truth' / 'truth.json'}")
    return "\n".join(lines)


class _Progress:
    """A bar on a terminal, and nothing elsewhere."""

    def __enter__(self) -> _Progress:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True, disable=not sys.stderr.isatty())
        self._task = self._bar.add_task("scan", total=None)
        self._bar.start()
        return self

    def update(self, description: str, done: int, total: int) -> None:
        """Show the series that is being written."""
        self._bar.update(self._task, description=description, completed=done, total=total)

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()
