"""What several commands do: take inventory with a bar, plan, print plans. Heavy imports stay inside."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.table import Table

    from bidsflow.convert.known import Known
    from bidsflow.convert.plan import Plan, PlanRow
    from bidsflow.convert.planner import Planned
    from bidsflow.convert.study.apply import Rulebook, StudyFile
    from bidsflow.convert.subjects import Sessions
    from bidsflow.dicom.series import Inventory
    from bidsflow.sources import Aside

#: Wider than any line.
_ENDLESS = 100_000
#: Lines of one kind that are printed before the rest is counted.
SHOWN = 20


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
            console.width = _ENDLESS
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


@contextmanager
def opened(
    exports: Sequence[Path],
    index: Path | None,
    err: Console,
    room: Path | None = None,
    *,
    beside: Path | None = None,
    digests: bool = False,
) -> Iterator[Inventory]:
    """Take the inventory of exports, with a bar; what archives hold can be read until the end of the `with` block.

    Parameters
    ----------
    room : Path or None
        Where archives are unpacked, in a folder that goes at the end. None: below `$TMPDIR`.
    beside : Path or None
        An index that is asked besides `index`, and that stays as it is.
    digests : bool
        Whether what is read will be converted; see `take_inventory`.

    Raises
    ------
    SourceError
        If a path cannot be opened, or holds no DICOM images at all.
    StorageError
        If there is no room for what archives hold.
    """
    from contextlib import ExitStack

    from bidsflow.dicom.inventory import take_inventory
    from bidsflow.errors import SourceError
    from bidsflow.sources import (
        Unpacked,
        common_room,
        find_archives,
        find_files,
        miss_files,
        scratch,
        show_aside,
        tell_packed,
        unpack,
    )

    found = find_files(exports)
    with ExitStack() as stack:
        unpacked = Unpacked(found)
        if find_archives(found.files, exports):
            folder = stack.enter_context(scratch(room or common_room()))
            with progress_bar(err, "unpacking, MB") as update:
                unpacked = unpack(found, exports, folder, lambda done, total: update(done >> 20, total >> 20, ""))
        found = miss_files(unpacked.found)
        with progress_bar(err, "reading headers") as update:
            inventory = take_inventory(
                found.files,
                set_aside=found.set_aside,
                index_path=index,
                beside=beside,
                digests=digests,
                progress=lambda done, total: update(done, total, ""),
            )
        inventory = replace(inventory, origins=unpacked.origins, set_aside=tell_packed(inventory.set_aside))
        if not inventory.series:
            where = ", ".join(str(export) for export in exports)
            aside = show_aside(inventory, exports)
            raise SourceError(where, f"no DICOM images found ({count_reasons(aside)})", _find_hint(exports, aside))
        yield inventory


def count_reasons(aside: Sequence[Aside], most: int | None = 3) -> str:
    """Return why files were set aside, with counts, the most frequent first."""
    from collections import Counter

    reasons = Counter(one.kind for one in aside)
    return "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(most)) or "it is empty"


def _find_hint(exports: Sequence[Path], aside: Sequence[Aside]) -> str:
    """Return what to do about an export without images."""
    from collections import Counter

    for export in exports:
        if (export / "dataset_description.json").is_file():
            return f"{export} is a BIDS dataset, not an export. Datasets come last: bidsflow convert EXPORT BIDS_DIR"
    advice = Counter(one.advice for one in aside if one.advice)
    if advice:
        text = advice.most_common(1)[0][0]
        return text[0].upper() + text[1:]
    if any("DICOMDIR" in one.reason for one in aside):
        return "A DICOMDIR is an index only: give the folder that holds the images as well (the whole disc)"
    return "Give the folder that the scanner or PACS wrote"


def plan_inventory(
    inventory: Inventory,
    known: Known | None = None,
    *,
    sessions: Sessions | None = None,
    book: Rulebook | None = None,
) -> Planned:
    """Plan an inventory, with dcm2niix's opinion where it is needed."""
    from bidsflow.convert.known import NOTHING
    from bidsflow.convert.opinion import ask_dcm2niix
    from bidsflow.convert.planner import make_plan, undecided
    from bidsflow.convert.study.apply import NO_RULES
    from bidsflow.convert.subjects import Sessions

    book = book or NO_RULES
    guesses = ask_dcm2niix(undecided(inventory, book), default_jobs())
    return make_plan(inventory, known or NOTHING, guesses=guesses, sessions=sessions or Sessions.AUTO, book=book)


def open_study(given: Path | None, bids_dir: Path | None, err: Console) -> StudyFile | None:
    """Return the study that is in force, and say which it is; None where there is none.

    Raises
    ------
    StudyError
        If it cannot be used.
    """
    from bidsflow.convert.drift.findings import count_words
    from bidsflow.convert.study.apply import find_study

    file = find_study(given, bids_dir)
    if file is not None:
        name = f" ({file.study.name})" if file.study.name else ""
        count = len(file.study.rules)
        rules = f": {count_words(count, 'rule')} for series" if count else ""
        err.print(f"[dim]study {printable(f'{file.path}{name}')}{rules}[/]", soft_wrap=True)
    return file


_COLOURS = {"convert": "green", "skip": "dim", "review": "yellow"}

#: Terminals that are narrower get rows of several lines instead of a table.
_NARROW = 100


def print_plan(plan: Plan, out: Console) -> None:
    """Print a plan: a table where there is room for one, else a few lines per image."""
    if out.is_terminal and out.width < _NARROW:
        for row in plan.rows:
            _print_row(row, out)
    else:
        print_table(_plan_table(plan), out)


def _print_row(row: PlanRow, out: Console) -> None:
    from rich.padding import Padding

    title = f"{row.series_number} {printable(row.series_description or row.protocol_name)}"
    volumes = "1 volume" if row.n_volumes == 1 else f"{row.n_volumes} volumes"
    out.print(f"[{_COLOURS[row.decision]}]{row.decision}[/] [bold]{title}[/] [dim]({volumes})[/]")
    if row.path != "n/a":
        out.print(Padding(row.path, (0, 0, 0, 4)))
    out.print(Padding(f"[dim]{printable(row.evidence)}[/]", (0, 0, 0, 4)))


def _plan_table(plan: Plan) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("no.", "description", "vol", "decision", "path, and why"):
        table.add_column(title, justify="right" if title in ("no.", "vol") else "left", overflow="fold")
    for row in plan.rows:
        path = f"{row.path}\n" if row.path != "n/a" else ""
        table.add_row(
            str(row.series_number), printable(row.series_description or row.protocol_name), str(row.n_volumes),
            f"[{_COLOURS[row.decision]}]{row.decision}[/]", f"{path}[dim]{printable(row.evidence)}[/]",
        )  # fmt: skip
    return table


def print_table(table: Table, out: Console) -> None:
    """Print a table; where it does not go to a terminal, its lines are whole and end with their last word."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as capture:
        out.print(table)
    for line in capture.get().splitlines():
        out.print(line.rstrip(), markup=False, soft_wrap=True)


def count_decisions(plan: Plan) -> str:
    """Return how many images a plan has, and what becomes of them."""
    from bidsflow.convert.drift.findings import count_words
    from bidsflow.convert.plan import Decision

    counts = ", ".join(f"{len(plan.decided(decision))} to {decision}" for decision in Decision)
    return f"{count_words(len(plan.rows), 'image')}: {counts}"


def print_reviews(rows: Sequence[PlanRow], err: Console) -> None:
    """Say what a person has to decide, and why; what has no name yet is said once for all visits."""
    from collections import Counter

    said = Counter(f"{printable(row.full_title)}: {printable(row.evidence)}" for row in rows)
    for line, count in list(said.items())[:SHOWN]:
        err.print(f"[yellow]review[/] {line}{f' ({count} times)' if count > 1 else ''}", soft_wrap=True)
    if len(said) > SHOWN:
        rest = sum(list(said.values())[SHOWN:])
        err.print(f"[yellow]review[/] {rest} more; `bidsflow plan` lists all")


def print_notes(plan: Plan, inventory: Inventory, err: Console) -> None:
    """Say what a person should know of a plan; patients in doubt are told by `print_set_aside`."""
    told = {str(collision) for collision in inventory.collisions}
    for note in plan.notes:
        if note not in told:
            err.print(f"[yellow]note[/] {printable(note)}", soft_wrap=True)


def print_set_aside(
    inventory: Inventory, exports: Sequence[Path], err: Console, *, everything: bool = False, identified: bool = False
) -> None:
    """Say which files were not used and why, and which patients are in doubt; what no one will miss is only counted."""
    from bidsflow.sources import show_aside

    aside = show_aside(inventory, exports, identified=identified)
    serious = [one for one in aside if everything or not one.harmless]
    for one in serious[: None if everything else SHOWN]:
        advice = f" ({one.advice})" if one.advice else ""
        err.print(f"[yellow]set aside[/] {printable(one.path)}: {printable(one.reason + advice)}", soft_wrap=True)
    if len(serious) > SHOWN and not everything:
        err.print(f"[yellow]set aside[/] {len(serious) - SHOWN} more; `bidsflow scan --set-aside` lists all")
    harmless = [one for one in aside if one.harmless]
    if harmless and not everything:
        shown = printable(count_reasons(harmless, most=None))
        alone = len(harmless) == 1
        said = "other file is not an image or is a copy" if alone else "other files are not images or are copies"
        err.print(f"[dim]{len(harmless)} {said} ({shown})[/]", soft_wrap=True)
    for collision in inventory.collisions:
        err.print(f"[yellow]patients[/] {collision}", soft_wrap=True)
