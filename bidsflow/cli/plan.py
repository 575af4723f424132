"""`bidsflow plan`: what a conversion would write, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bidsflow.cli.options import INTERRUPTED, SOURCE, STORAGE, TARGET, USAGE, SessionsOption, StudyOption, end_help

if TYPE_CHECKING:
    from bidsflow.convert.known import Known
    from bidsflow.convert.plan import Plan
    from bidsflow.convert.study.apply import Rulebook
    from bidsflow.dataset.tree import Dataset
    from bidsflow.dicom.series import Inventory

HELP_END = end_help(
    {
        "bidsflow plan EXPORT": "look at the names",
        "bidsflow plan EXPORT -o plan.tsv": "keep them, to edit them",
        "bidsflow plan EXPORT --study study.toml": "with the names that your study gives",
        "bidsflow plan EXPORT --bids-dir BIDS_DIR -o plan.tsv": "for a dataset that is there already",
        "bidsflow convert EXPORT BIDS_DIR --plan plan.tsv": "carry out what was edited",
    },
    {0: "there is a plan; it may hold rows for review"},
    USAGE, SOURCE, TARGET, STORAGE, INTERRUPTED,
)  # fmt: skip


def plan(
    exports: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXPORT...", help="Folders or files from the scanner.", show_default=False, readable=False
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the plan here, as TSV, to edit it.", show_default=False)
    ] = None,
    bids_dir: Annotated[
        Path | None,
        typer.Option(
            "--bids-dir", help="Plan for this dataset, so that known people keep their labels.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON: private, like the plan.")] = False,
    as_tsv: Annotated[bool, typer.Option("--tsv", help="Print the plan as TSV.")] = False,
    sessions: SessionsOption = "auto",
    study: StudyOption = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --output if it is there.")] = False,
) -> None:
    """Say what each image would be called, and why; write nothing but the plan.

    With --output the plan goes to a file, one row per image, and what is up for review is listed. Edit it (a
    spreadsheet does): change a path, or a decision to convert, skip or review.
    """
    from bidsflow.cli.steps import cache_file, consoles, open_study, opened, print_notes, print_set_aside, printable
    from bidsflow.convert.held import meet_dataset, read_known
    from bidsflow.convert.plan import to_tsv
    from bidsflow.convert.study.apply import lay_over
    from bidsflow.dataset.tree import Dataset, check_readable
    from bidsflow.dataset.write import write_durably

    if as_json and as_tsv:
        raise typer.BadParameter("--json and --tsv exclude each other: choose one")
    if output is not None:
        check_output(output, exports, force=force)
    err = consoles()[1]
    dataset = Dataset(check_readable(bids_dir, exports)) if bids_dir is not None else None
    known = read_known(dataset) if dataset else None
    in_force = open_study(study, bids_dir, err)
    with opened(exports, cache_file(exports), err) as inventory:
        inventory = meet_dataset(dataset, inventory) if dataset else inventory
        made = _make_plan(inventory, lay_over(in_force, inventory, exports), sessions, dataset, known)
        if output is not None:
            write_durably(output, to_tsv(made).encode(), mode=0o600)  # UIDs of some scanners hold the time of the scan
        _print(made, output, as_json=as_json, as_tsv=as_tsv)
        print_notes(made, inventory, err)
        print_set_aside(inventory, exports, err)
    if output is not None:
        err.print(f"plan written to {printable(str(output))}", soft_wrap=True)


def _make_plan(
    inventory: Inventory, book: Rulebook, sessions: str, dataset: Dataset | None, known: Known | None
) -> Plan:
    """Return the plan of an inventory, for a new dataset or for one that is there."""
    from bidsflow.cli.steps import plan_inventory
    from bidsflow.convert.doubts import ask_person
    from bidsflow.convert.study.apply import choose_sessions
    from bidsflow.convert.subjects import Sessions
    from bidsflow.convert.survey import find_disputed

    wanted = Sessions(choose_sessions(sessions, book.study.sessions))
    made = plan_inventory(inventory, known, sessions=wanted, book=book).plan
    if dataset is None:
        return made
    return ask_person(made, find_disputed(dataset, made, {one.uid: one for one in inventory.series}))


def check_output(output: Path, exports: Sequence[Path], *, force: bool) -> None:
    """Make sure that the plan can be written, and into no export.

    Raises
    ------
    typer.BadParameter
        If not.
    """
    if output.is_dir():
        raise typer.BadParameter(f"{output} is a folder: name a file, such as {output / 'plan.tsv'}")
    if not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is not a folder: name a file in one that exists")
    target = output.resolve()
    for export in exports:
        if export.resolve() in (target, *target.parents):
            raise typer.BadParameter(f"{output} lies inside the export, which stays as it is: name a file elsewhere")
    if output.exists() and not force:
        raise typer.BadParameter(f"{output} is there, perhaps edited: name another file, or add --force")


def _print(plan: Plan, output: Path | None, *, as_json: bool, as_tsv: bool) -> None:
    """Print a plan, or only what is up for review and how many images there are, if the plan went to a file."""
    from bidsflow.cli.steps import consoles, count_decisions, print_plan, print_reviews
    from bidsflow.convert.plan import Decision, to_json, to_tsv

    out, err = consoles()
    if as_json or as_tsv:
        typer.echo(to_json(plan) if as_json else to_tsv(plan), nl=False)
    elif output is None:
        print_plan(plan, out)
    else:
        print_reviews(plan.decided(Decision.REVIEW), err)
    (err if output is None or as_json or as_tsv else out).print(count_decisions(plan))
