"""`bidsflow validate`: whether a dataset keeps to BIDS."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from bidsflow.cli.again import is_for_programs, keep_answer, write_out
from bidsflow.cli.options import INTERRUPTED, STORAGE, USAGE, end_help

if TYPE_CHECKING:
    from bidsflow.validate import Report
    from bidsflow.validate.config import Config
    from bidsflow.validate.options import Options

#: As the reference validator: the dataset was checked, and it has errors.
EXIT_INVALID = 16

_STDOUT = "-"
_WIDEST = 120
_OUTPUT = "Output"

#: How the reference validator spells options, and how they are spelt here.
_SPELLINGS = {
    "--ignoreWarnings": "--ignore-warnings",
    "--ignoreNiftiHeaders": "--ignore-nifti-headers",
    "--datasetTypes": "--dataset-types",
    "--blacklistModalities": "--blacklist-modalities",
    "--outfile": "--output",
    "-s": "--schema",
}
_FORMATS = {"text": [], "json": ["--json"], "json_pp": ["--json", "--indent"]}

HELP_END = end_help(
    {
        "bidsflow validate BIDS_DIR": "errors and warnings, grouped",
        "bidsflow validate BIDS_DIR --ignore-warnings": "errors only",
        "bidsflow validate BIDS_DIR --html report.html": "a page to look through, send and print",
        "bidsflow validate BIDS_DIR --json": "every issue, for a program; as bids-validator does",
        "bidsflow validate BIDS_DIR --subject 01 --subject 02": "two subjects only",
    },
    {0: "no errors (warnings do not count)", EXIT_INVALID: "the dataset has errors"},
    USAGE, STORAGE, INTERRUPTED,
)  # fmt: skip


class ValidateCommand(TyperCommand):
    """Takes the spellings of the reference validator, too, and `--sarif` without a file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse arguments after they were respelt."""
        return super().parse_args(ctx, respell(args))


#: What the command line makes of `validate`.
COMMAND = ValidateCommand


def respell(args: Iterable[str]) -> list[str]:
    """Return arguments as they are spelt here.

    Examples
    --------
    >>> respell(["ds", "--format", "json", "--ignoreWarnings", "--sarif"])
    ['ds', '--json', '--ignore-warnings', '--sarif', '-']
    """
    pending = list(args)
    done: list[str] = []
    while pending:
        name, equals, value = pending.pop(0).partition("=")
        if name == "--":
            return [*done, name, *pending]
        if name == "--format" and (value or pending):
            value = value or pending.pop(0)
            if value not in _FORMATS:
                raise typer.BadParameter(f"{value!r} is none; there are {', '.join(_FORMATS)}", param_hint="--format")
            done += _FORMATS[value]
            continue
        done.append(_SPELLINGS.get(name, name) + equals + value)
        if name == "--sarif" and not equals and not _is_file_name(pending):
            done.append(_STDOUT)
    return done


def _is_file_name(following: list[str]) -> bool:
    """Return whether what follows an option is a file to write, not another option or the dataset."""
    if not following or (following[0].startswith("-") and following[0] != _STDOUT):
        return False
    return not Path(following[0]).is_dir()


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is made of a report, and where it goes."""

    as_json: bool
    indent: bool
    sarif: str | None
    html: Path | None
    output: Path | None
    verbose: bool

    @property
    def saves(self) -> bool:
        """Whether a page or SARIF holds the report, so that the verdict is enough on a terminal."""
        return self.html is not None or self.sarif is not None


def validate(  # noqa: PLR0917 - typer declares options as parameters
    context: typer.Context,
    bids_dir: Annotated[
        Path, typer.Argument(metavar="BIDS_DIR", help="Where dataset_description.json is.", show_default=False)
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Every issue, in the JSON of bids-validator.", rich_help_panel=_OUTPUT)
    ] = False,
    sarif: Annotated[
        str | None,
        typer.Option(
            "--sarif", metavar="[FILE]", help="SARIF 2.1.0 for code scanning, printed or into a file.",
            show_default=False, rich_help_panel=_OUTPUT,
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", dir_okay=False, show_default=False, rich_help_panel=_OUTPUT,
            help="A page to look through: groups, filters, every place; needs no network.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", dir_okay=False, show_default=False, rich_help_panel=_OUTPUT,
            help="Write the text or the JSON into a file.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List every place and every key.", rich_help_panel=_OUTPUT)
    ] = False,
    ignore_warnings: Annotated[bool, typer.Option("--ignore-warnings", help="Report errors only.")] = False,
    ignore_nifti_headers: Annotated[bool, typer.Option("--ignore-nifti-headers", help="Do not open images.")] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Validate the datasets below derivatives/, too.")
    ] = False,
    subject: Annotated[
        list[str] | None,
        typer.Option("--subject", metavar="LABEL", help="Check just this subject; repeatable.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", show_default=False,
            help='JSON that ignores or regrades issues: {"ignore": [{"code": "EMPTY_FILE"}]}.',
        ),
    ] = None,
    max_rows: Annotated[
        int | None,
        typer.Option(
            "--max-rows", min=-1, show_default=False,
            help="Rows to check of each table; -1 for all. By default 1000, and all participants.",
        ),
    ] = None,
    compat: Annotated[
        bool, typer.Option("--compat", help="Say exactly what the reference validator says, faults included.")
    ] = False,
    schema: Annotated[
        str | None,
        typer.Option(
            "--schema", metavar="VERSION|PATH", help="BIDS schema to go by; the newest installed by default.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="Processes; as many as cores for large datasets.", show_default=False),
    ] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Check every file anew, and remember nothing.")
    ] = False,
    dataset_types: Annotated[str, typer.Option("--dataset-types", hidden=True)] = "",
    blacklist_modalities: Annotated[str, typer.Option("--blacklist-modalities", hidden=True)] = "",
    indent: Annotated[bool, typer.Option("--indent", hidden=True)] = False,
) -> None:  # fmt: skip
    """Check a dataset against the BIDS standard.

    Errors make a dataset invalid; warnings are recommendations. What has not changed since the last time is not
    checked again. The dataset is never changed.
    """
    from bidsflow.cli.steps import default_jobs
    from bidsflow.validate.options import Options

    wanted = _Wanted(as_json=as_json, indent=indent, sarif=sarif, html=html, output=output, verbose=verbose)
    _check_usage(bids_dir, wanted, compat=compat)
    options = Options(
        compat=compat,
        schema=schema,
        max_rows=max_rows,
        ignore_nifti_headers=ignore_nifti_headers,
        ignore_warnings=ignore_warnings,
        recursive=recursive,
        config=_read_config(config),
        jobs=jobs or default_jobs(),
        subjects=_find_subjects(bids_dir, subject or []),
        cache=not no_cache,
        dataset_types=_split(dataset_types),
        blacklist_modalities=_split(blacklist_modalities),
    )
    report = _run(bids_dir, options)
    _save(report, wanted)
    _deliver(report, wanted)
    code = 0 if report.ok else EXIT_INVALID
    depends_on_more = wanted.saves or recursive or config is not None or schema is not None
    if report.fingerprint and context.obj and not depends_on_more:
        target = None if output is None else str(output.resolve())
        keep_answer(context.obj, _compose(report, wanted), bids_dir, report.fingerprint, code, target)
    raise typer.Exit(code)


def _check_usage(root: Path, wanted: _Wanted, *, compat: bool) -> None:
    """Refuse what cannot be meant."""
    if not root.is_dir():
        reason = "is not a folder" if root.exists() else "does not exist"
        raise typer.BadParameter(f"{root} {reason}", param_hint="BIDS_DIR")
    if wanted.as_json and wanted.sarif == _STDOUT:
        raise typer.BadParameter("give it a FILE where --json is printed", param_hint="--sarif")
    if wanted.output is not None and not wanted.output.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {wanted.output.parent}", param_hint="--output")
    if not compat and not _looks_like_bids(root):
        above = next((up for up in root.absolute().parents if (up / "dataset_description.json").is_file()), None)
        hint = f"it lies within the dataset {above}" if above else "give the folder that holds this file"
        raise typer.BadParameter(f"{root} has no dataset_description.json: {hint}", param_hint="BIDS_DIR")


def _looks_like_bids(root: Path) -> bool:
    """Return whether a folder may be meant as a dataset: that its description is missing is an issue, then."""
    return (root / "dataset_description.json").exists() or any(root.glob("sub-*"))


def _read_config(path: Path | None) -> Config | None:
    """Return the configuration, and print what is odd about it."""
    if path is None:
        return None
    from bidsflow.errors import ConfigError
    from bidsflow.validate.config import read_config

    try:
        config = read_config(path)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="--config") from error
    for note in config.notes:
        typer.echo(f"note: {path}: {note}", err=True)
    return config


def _find_subjects(root: Path, given: list[str]) -> tuple[str, ...]:
    """Return labels of subjects that there are."""
    labels = tuple(dict.fromkeys(label.removeprefix("sub-") for one in given for label in _split(one)))
    for label in labels:
        if not (root / f"sub-{label}").is_dir():
            raise typer.BadParameter(f"{root} has no folder sub-{label}", param_hint="--subject")
    return labels


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _run(root: Path, options: Options) -> Report:
    """Validate, with a bar on a terminal.

    Raises
    ------
    typer.BadParameter
        If there is no such schema.
    """
    from bidsflow.errors import SchemaError
    from bidsflow.validate import run

    try:
        if not sys.stderr.isatty():
            return run(root, options)
        from rich.console import Console

        from bidsflow.cli.steps import progress_bar

        with progress_bar(Console(stderr=True), "validating") as update:
            return run(root, options, progress=lambda done, total: update(done, total, ""))
    except SchemaError as error:
        raise typer.BadParameter(str(error), param_hint="--schema") from error


def _save(report: Report, wanted: _Wanted) -> None:
    """Write the page and the SARIF that were asked for."""
    if wanted.html is not None:
        from bidsflow.validate.render.html import save_html

        save_html(report, wanted.html)
    if wanted.sarif not in (None, _STDOUT):
        _write(Path(str(wanted.sarif)), _join(_to_sarif(report)))


def _deliver(report: Report, wanted: _Wanted) -> None:
    """Print the report, or write it into the file of --output."""
    if wanted.output is not None:
        _write(wanted.output, _compose(report, wanted))
    else:
        write_out(_compose(report, wanted))


def _compose(report: Report, wanted: _Wanted) -> Iterator[bytes]:
    """Return what is printed or written."""
    if wanted.output is None and not (is_for_programs() or wanted.as_json or wanted.saves):
        return _colour(report, verbose=wanted.verbose)
    return _join(_choose(report, wanted))


def _choose(report: Report, wanted: _Wanted) -> Iterator[str]:
    """Return what is printed, without colours."""
    if wanted.sarif == _STDOUT:
        return _to_sarif(report)
    if wanted.as_json:
        return _to_json(report, indent=wanted.indent)
    brief = wanted.saves and wanted.output is None
    return _to_verdict(report) if brief else _to_text(report, verbose=wanted.verbose)


def _to_json(report: Report, *, indent: bool) -> Iterator[str]:
    from bidsflow.validate.render.json import iter_json, render_json

    if indent:
        yield render_json(report, indent=2)
    else:
        yield from iter_json(report)
    yield "\n"


def _to_sarif(report: Report) -> Iterator[str]:
    from bidsflow.validate.render.sarif import iter_sarif

    return iter_sarif(report)


def _to_verdict(report: Report) -> Iterator[str]:
    from bidsflow.validate.render.text import verdict

    yield f"{verdict(report)}\n"


def _to_text(report: Report, *, verbose: bool) -> Iterator[str]:
    from bidsflow.validate.render.text import iter_text

    return iter_text(report, width=_find_width(), verbose=verbose)


def _colour(report: Report, *, verbose: bool) -> Iterator[bytes]:
    """Give what a terminal shows."""
    from rich.console import Console

    from bidsflow.validate.render.text import render_text

    console = Console(highlight=False)
    text = render_text(report, width=_find_width(), verbose=verbose)
    if console.legacy_windows:  # colours are calls there, not text
        console.print(text, soft_wrap=True, end="")
        return
    with console.capture() as capture:
        console.print(text, soft_wrap=True, end="")
    yield capture.get().encode(sys.stdout.encoding, "backslashreplace")


def _find_width() -> int:
    return min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)


def _write(path: Path, parts: Iterable[bytes]) -> None:
    from bidsflow.dataset.files import save_bytes

    save_bytes(parts, path)


def _join(pieces: Iterable[str], size: int = 1 << 16) -> Iterator[bytes]:
    """Give text as bytes in larger parts."""
    waiting: list[str] = []
    n_chars = 0
    for piece in pieces:
        waiting.append(piece)
        n_chars += len(piece)
        if n_chars >= size:
            yield "".join(waiting).encode("utf-8", "backslashreplace")
            waiting, n_chars = [], 0
    yield "".join(waiting).encode("utf-8", "backslashreplace")
