"""`bidsflow plan`: what a conversion would write, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bidsflow.cli.options import SessionsOption


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
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
    as_tsv: Annotated[bool, typer.Option("--tsv", help="Print the plan as TSV.")] = False,
    sessions: SessionsOption = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace the file of --output if it is there.")] = False,
) -> None:
    """Name every image of an export, with the evidence, and write nothing but the plan.

    Edit the plan (a spreadsheet does) and give it back: bidsflow convert EXPORT... BIDS_DIR --plan plan.tsv
    """
    from bidsflow.cli.steps import (
        cache_file,
        consoles,
        default_jobs,
        plan_inventory,
        plan_table,
        print_set_aside,
        printable,
        take,
    )
    from bidsflow.convert.ledger import read_key, read_skipped, read_taken
    from bidsflow.convert.plan import Decision, to_json, to_tsv
    from bidsflow.convert.subjects import Key, Sessions
    from bidsflow.dataset.tree import Dataset, check_target
    from bidsflow.dataset.write import write_durably

    out, err = consoles()
    if output is not None and output.exists() and not force:
        raise typer.BadParameter(f"{output} is there, perhaps edited: name another file, or add --force")
    if output is not None and not output.parent.is_dir():
        raise typer.BadParameter(f"{output.parent} is not a folder: name a file in one that exists")
    dataset = Dataset(check_target(bids_dir, exports)) if bids_dir is not None else None
    inventory = take(exports, cache_file(exports), err)
    key, taken = (read_key(dataset), read_taken(dataset)) if dataset else (Key(), {})
    skipped = read_skipped(dataset) if dataset else frozenset[tuple[str, int]]()
    made = plan_inventory(inventory, key, taken, Sessions(sessions), default_jobs(), skipped).plan
    if output is not None:
        write_durably(output, to_tsv(made).encode(), mode=0o600)  # UIDs of some scanners hold the time of the scan
    if as_json:
        typer.echo(to_json(made), nl=False)
    elif as_tsv:
        typer.echo(to_tsv(made), nl=False)
    else:
        out.print(plan_table(made))
    counts = ", ".join(f"{len(made.decided(decision))} to {decision}" for decision in Decision)
    err.print(f"{len(made.rows)} images: {counts}")
    print_set_aside(inventory, err)
    if output is not None:
        err.print(f"plan written to {printable(str(output))}", soft_wrap=True)
