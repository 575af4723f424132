"""`bidsflow check`: whether every subject has the protocol, as it was planned and as the others have it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import INTERRUPTED, SOURCE, STORAGE, TARGET, USAGE, end_help

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.convert.drift.findings import Drift
    from bidsflow.convert.drift.observation import Observation
    from bidsflow.convert.study.apply import StudyFile

HELP_END = end_help(
    {
        "bidsflow check EXPORT": "what is missing, and which values are not those of the other subjects",
        "bidsflow check BIDS_DIR --html drift.html": "the same of a dataset, as a page",
        "bidsflow check BIDS_DIR --study study.toml": "against the protocol of a study, too",
        "bidsflow check BIDS_DIR --json": "for a program",
    },
    {0: "nothing differs", 1: "something differs"},
    USAGE, SOURCE, TARGET, STORAGE, INTERRUPTED,
)  # fmt: skip


def check(
    where: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXPORT|BIDS_DIR",
            help="A dataset, or folders or files from the scanner.",
            show_default=False,
            readable=False,
        ),
    ],
    study: Annotated[
        Path | None,
        typer.Option(
            "--study",
            help="The protocol that is expected: study.toml; default: BIDS_DIR/code/study.toml.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page as well.", show_default=False)
    ] = None,
) -> None:
    """Compare what was measured with the protocol and with the other subjects.

    Finds images that are missing, extra, repeated or short, and parameters that differ: TR, TE, TI, flip angle, voxels,
    matrix, phase encoding, readout, b-values, coil, software, scanner. Of an export the headers are read, of a dataset
    the sidecars and the headers of its images. Writes nothing but the page.
    """
    import json
    from dataclasses import asdict

    from bidsflow.cli.steps import consoles, open_study
    from bidsflow.convert.drift.compare import compare
    from bidsflow.convert.drift.images import observe_dataset
    from bidsflow.convert.drift.page import make_page
    from bidsflow.convert.drift.protocol import fields_of
    from bidsflow.report.write import save

    out, err = consoles()
    dataset = _find_dataset(where)
    file = open_study(study, dataset, err)
    expected = file.study.expected if file is not None else ()
    fields = fields_of(expected)
    seen = observe_dataset(dataset, fields) if dataset is not None else _observe_export(where, fields, file, err)
    drift = compare(seen, expected)
    if html is not None:
        save(make_page(drift, where[0].resolve().name, file.path.name if file is not None else ""), html)
    if as_json:
        told = {
            "findings": [asdict(one) for one in drift.findings],
            "usual": [asdict(one) for one in drift.usual],
            "visits": [{"subject": subject, "session": session} for subject, session in drift.visits],
            "notes": list(drift.notes),
        }
        typer.echo(json.dumps(told, indent=2))
    else:
        _print(drift, out, err)
    if drift.findings:
        raise typer.Exit(1)


def _find_dataset(where: Sequence[Path]) -> Path | None:
    """Return the dataset that is to be looked at, None where exports are.

    Raises
    ------
    typer.BadParameter
        If there is more than the one.
    """
    if not any((path / "dataset_description.json").is_file() for path in where):
        return None
    if len(where) > 1:
        raise typer.BadParameter("name one dataset, or one or several exports")
    return where[0]


def _observe_export(
    where: Sequence[Path], fields: frozenset[str], study: StudyFile | None, err: Console
) -> tuple[Observation, ...]:
    """Return what was measured in an export, with the names that its plan gives."""
    from bidsflow.cli.steps import cache_file, opened, plan_inventory
    from bidsflow.convert.drift.headers import observe_export
    from bidsflow.convert.study.apply import lay_over
    from bidsflow.convert.subjects import Sessions

    with opened(where, cache_file(where), err) as inventory:
        book = lay_over(study, inventory, where)
        sessions = Sessions(book.study.sessions.names)
        made = plan_inventory(inventory, sessions=sessions, book=book).plan
        return observe_export(inventory, made, fields)


def _print(drift: Drift, out: Console, err: Console) -> None:
    """Print a table of what differs, and how many visits were compared."""
    from rich.table import Table

    from bidsflow.cli.steps import print_table, printable
    from bidsflow.convert.drift.findings import Kind, count_words
    from bidsflow.convert.drift.observation import label_of

    colours = {Kind.MISSING: "red", Kind.SHORT: "red", Kind.CHANGED: "yellow", Kind.REPEATED: "yellow"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("visit", "image", "what", "found", "expected", "by"):
        table.add_column(title, overflow="fold", no_wrap=title in ("what", "by"))
    for one in drift.findings:
        what = f"{one.kind.value} {label_of(one.parameter)}" if one.parameter else one.kind.value
        colour = colours.get(one.kind, "cyan")
        table.add_row(
            printable(one.visit), printable(one.name), f"[{colour}]{printable(what)}[/]", printable(one.found),
            printable(one.expected), one.against.value,
        )  # fmt: skip
    if drift.findings:
        print_table(table, out)
    for note in drift.notes:
        err.print(f"[yellow]note[/] {printable(note)}", soft_wrap=True)
    alike = "nothing differs" if drift.visits else "nothing was compared"
    told = count_words(len(drift.findings), "difference") if drift.findings else alike
    subjects = count_words(len({subject for subject, _ in drift.visits}), "subject")
    err.print(f"{subjects}, {count_words(len(drift.visits), 'visit')}: {told}", soft_wrap=True)
