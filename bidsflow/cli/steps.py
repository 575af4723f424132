"""What several commands do: take inventory with a bar, plan, print plans. Heavy imports stay inside."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.table import Table

    from bidsflow.convert.plan import Plan
    from bidsflow.convert.planner import Planned
    from bidsflow.convert.subjects import Key, Sessions
    from bidsflow.dicom.series import Inventory


def default_jobs() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cache_file(exports: Sequence[Path]) -> Path:
    """Return where the index of an export is kept for commands that have no dataset: the user's cache (XDG)."""
    import hashlib

    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    text = "\n".join(sorted(str(export.resolve()) for export in exports))
    name = hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=10).hexdigest()
    return Path(base) / "bidsflow" / f"inventory-{name}.sqlite"


def consoles() -> tuple[Console, Console]:
    """Return where results go and where everything else goes; what is not a terminal gets lines that are not cut."""
    from rich.console import Console

    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    for console in (out, err):
        if not console.is_terminal:
            console.width = 160
    return out, err


@contextmanager
def progress_bar(err: Console, title: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar on a terminal, nothing elsewhere; yields a function of done, total and what was done last."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}"),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(title, total=None, last="")

        def update(done: int, total: int, last: str = "") -> None:
            bar.update(task, completed=done, total=total, last=printable(last))

        yield update


def printable(text: str) -> str:
    """Return a text that cannot control a terminal, nor be taken for markup."""
    from rich.markup import escape

    return escape("".join(char if char.isprintable() else "?" for char in text))


def take(exports: Sequence[Path], index: Path | None, err: Console) -> Inventory:
    """Take the inventory of exports, with a bar.

    Raises
    ------
    SourceError
        If a path cannot be opened, or holds no DICOM images at all.
    """
    from bidsflow.dicom.inventory import take_inventory
    from bidsflow.errors import SourceError
    from bidsflow.sources import find_files

    found = find_files(exports)
    with progress_bar(err, "reading headers") as update:
        inventory = take_inventory(
            found.files,
            set_aside=found.set_aside,
            index_path=index,
            progress=lambda done, total: update(done, total, ""),
        )
    if not inventory.series:
        where = ", ".join(str(export) for export in exports)
        raise SourceError(
            where, f"no DICOM images found ({_reasons(inventory)})", "Give the folder that the scanner or PACS wrote"
        )
    return inventory


def _kind_of(reason: str) -> str:
    """Return a reason without the path that it may name, so that equal ones can be counted."""
    return "a copy" if reason.startswith("a copy of ") else reason


def _reasons(inventory: Inventory) -> str:
    from collections import Counter

    reasons = Counter(_kind_of(one.reason) for one in inventory.set_aside)
    return "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(3)) or "it is empty"


def plan_inventory(
    inventory: Inventory,
    key: Key,
    taken: dict[tuple[str, int], str],
    sessions: Sessions,
    jobs: int,
    skipped: frozenset[tuple[str, int]] = frozenset(),
) -> Planned:
    """Plan an inventory, with dcm2niix's opinion where it is needed."""
    from bidsflow.convert.opinion import ask_dcm2niix
    from bidsflow.convert.planner import make_plan, undecided

    guesses = ask_dcm2niix(undecided(inventory), jobs)
    return make_plan(inventory, guesses=guesses, key=key, sessions=sessions, taken=taken, skipped=skipped)


def plan_table(plan: Plan) -> Table:
    """Return a plan as a table for a terminal."""
    from rich.table import Table

    colours = {"convert": "green", "skip": "dim", "review": "yellow"}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, justify in (
        ("no.", "right"),
        ("description", "left"),
        ("vol", "right"),
        ("decision", "left"),
        ("path, and why", "left"),
    ):
        table.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for row in plan.rows:
        colour = colours[row.decision]
        why = (
            f"{row.path}\n[dim]{printable(row.evidence)}[/]"
            if row.path != "n/a"
            else f"[dim]{printable(row.evidence)}[/]"
        )
        table.add_row(
            str(row.series_number), printable(row.series_description or row.protocol_name), str(row.n_volumes),
            f"[{colour}]{row.decision}[/]", why,
        )  # fmt: skip
    return table


def print_set_aside(inventory: Inventory, err: Console, *, everything: bool = False) -> None:
    """Say which files were not used and why; what no one will miss is only counted."""
    from collections import Counter

    serious = [one for one in inventory.set_aside if everything or not one.harmless]
    for one in serious[: None if everything else 20]:
        err.print(f"[yellow]set aside[/] {printable(one.path)}: {printable(one.reason)}", soft_wrap=True)
    if len(serious) > 20 and not everything:
        err.print(f"[yellow]set aside[/] {len(serious) - 20} more; `bidsflow scan --set-aside` lists all")
    harmless = Counter(_kind_of(one.reason) for one in inventory.set_aside if one.harmless)
    if harmless and not everything:
        shown = ", ".join(f"{count} x {printable(reason)}" for reason, count in harmless.most_common())
        err.print(f"[dim]{sum(harmless.values())} other files are not images or are copies ({shown})[/]")
    for collision in inventory.collisions:
        err.print(f"[yellow]patients[/] {collision}")
