"""`bidsflow convert`: from exports to a BIDS dataset."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bidsflow.cli.options import (
    INTERRUPTED,
    SOURCE,
    STORAGE,
    TARGET,
    TOOL,
    USAGE,
    AccountOption,
    ArrayLimitOption,
    ExecutorOption,
    ExtraOption,
    MemoryOption,
    PartitionOption,
    SessionsOption,
    SetupOption,
    SiteOption,
    StudyOption,
    TimeOption,
    end_help,
)

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.cli.companions import Beside
    from bidsflow.cli.conversion import Conversion
    from bidsflow.convert.cluster import Submitted
    from bidsflow.convert.originals import Kept
    from bidsflow.convert.plan import Plan
    from bidsflow.convert.planner import Planned
    from bidsflow.convert.run import Result
    from bidsflow.dataset.tree import Dataset
    from bidsflow.dicom.series import Inventory
    from bidsflow.executors import Request
    from bidsflow.sources.aside import Aside


#: Memory of a task on a cluster where nobody says anything: an image of some gigabytes is held once.
_MEMORY_GB = 4.0

HELP_END = end_help(
    {
        "bidsflow convert EXPORT BIDS_DIR": "make a dataset, or bring it up to date",
        "bidsflow convert EXPORT1 EXPORT2 BIDS_DIR": "of several exports",
        "bidsflow convert EXPORT BIDS_DIR --dry-run": "see what would be done",
        "bidsflow convert EXPORT BIDS_DIR --subject 01": "one person only",
        "bidsflow convert EXPORT BIDS_DIR --study study.toml": "with the names that your study gives",
        "bidsflow convert EXPORT BIDS_DIR --sessions always": "the first visit of people who will come back",
        "bidsflow convert EXPORT BIDS_DIR --plan plan.tsv": "carry out a plan that you edited",
        "bidsflow convert EXPORT BIDS_DIR --executor slurm": "a task for each session on a cluster",
    },
    {
        0: "every planned image is on disk",
        1: "a series failed, or a part of the export cannot be read; the others are there (--dry-run: it would be so)",
    },
    USAGE, SOURCE, TOOL, TARGET, STORAGE, INTERRUPTED,
)  # fmt: skip


def convert(  # noqa: PLR0917 - typer declares options as parameters
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="EXPORT... BIDS_DIR",
            help="Folders or files from the scanner, then the dataset.",
            show_default=False,
            readable=False,
        ),
    ],
    plan_file: Annotated[
        Path | None,
        typer.Option("--plan", help="Carry out this plan (see bidsflow plan).", show_default=False, readable=False),
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Series at the same time; 0: one per processor.")
    ] = 0,
    subject: Annotated[
        list[str] | None,
        typer.Option("--subject", help="Only this subject (01 or sub-01); may be repeated.", show_default=False),
    ] = None,
    session: Annotated[
        list[str] | None,
        typer.Option("--session", help="Only this session (01 or ses-01); may be repeated.", show_default=False),
    ] = None,
    sessions: SessionsOption = "auto",
    study: StudyOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, write nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Convert again what is there, changes by hand included.")
    ] = False,
    keep_source: Annotated[
        bool,
        typer.Option(
            "--keep-source",
            help="Archive the DICOM files in sourcedata/, with SHA-256 sums. They name the person: never share them.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON what was done, or the plan.")] = False,
    executor: ExecutorOption = "",
    site: SiteOption = "",
    partition: PartitionOption = "",
    account: AccountOption = "",
    time: TimeOption = "",
    mem: MemoryOption = "",
    array_limit: ArrayLimitOption = 0,
    setup: SetupOption = None,
    submit_extra: ExtraOption = None,
) -> None:
    """Convert exports into a BIDS dataset; no configuration is needed.

    A second run does only what is missing or changed, and leaves alone what you edited. Images that are up for review
    are listed and not converted; they do not count as planned.
    """
    from bidsflow.cli.conversion import Conversion, read_plan
    from bidsflow.cli.originals import check_keeping
    from bidsflow.cli.steps import consoles, default_jobs, open_study
    from bidsflow.dataset.tree import Dataset, check_readable, check_target

    exports, bids_dir = _part_paths(paths)
    request = Conversion(
        exports=tuple(exports),
        dataset=Dataset(check_readable(bids_dir, exports) if dry_run else check_target(bids_dir, exports)),
        plan=None if plan_file is None else read_plan(plan_file),
        study=open_study(study, bids_dir, consoles()[1]),
        where=str(plan_file or "plan"),
        sessions=sessions,
        subject_labels=tuple(subject or ()),
        session_labels=tuple(session or ()),
        jobs=jobs or default_jobs(),
        keep=keep_source,
        command=context.obj or (),
    )
    given = {
        "executor": executor, "site": site, "partition": partition, "account": account, "time": time, "mem": mem,
        "array_limit": array_limit, "setup": setup, "submit_extra": submit_extra, "n_cpus": jobs,
    }  # fmt: skip
    cluster = _ask_cluster(given)
    if keep_source:
        check_keeping(request.dataset, exports, cluster)
    if dry_run:
        if not _show(request, force=force, as_json=as_json):
            raise typer.Exit(1)
        return
    with ExitStack() as stack:
        if cluster is not None:
            _submit(request, cluster, stack, force=force)
        elif not _carry_out(request, stack, force=force, as_json=as_json):
            raise typer.Exit(1)


def _part_paths(paths: Sequence[Path]) -> tuple[list[Path], Path]:
    """Return the exports and the dataset.

    Raises
    ------
    typer.BadParameter
        If one of them is missing, or their order is wrong.
    """
    if len(paths) < 2:
        raise typer.BadParameter("give at least one export and, last, the dataset: bidsflow convert EXPORT BIDS_DIR")
    *exports, bids_dir = paths
    _check_order(exports, bids_dir)
    return exports, bids_dir


def _check_order(exports: Sequence[Path], bids_dir: Path) -> None:
    """Refuse paths in the wrong order, before a folder that bidsflow must not touch is taken for the dataset.

    Raises
    ------
    typer.BadParameter
        If the last path holds someone's files and an export is a dataset, or is not there.
    """
    from bidsflow.dataset.tree import STATE

    try:
        if (bids_dir / STATE).is_dir() or not any(bids_dir.iterdir()):
            return
        datasets = [one for one in exports if (one / "dataset_description.json").is_file() or (one / STATE).is_dir()]
        absent = [one for one in exports if not one.exists()]
    except OSError:  # absent, a file, or closed: whoever opens them says so
        return
    for export in (*datasets, *absent):
        what = "is a BIDS dataset" if export in datasets else "does not exist"
        raise typer.BadParameter(
            f"{export} {what}, and {bids_dir} holds files that are not bidsflow's. Exports come first, the dataset "
            "comes last: bidsflow convert EXPORT BIDS_DIR"
        )


def _ask_cluster(given: Mapping[str, Any]) -> Request | None:
    """Return what is asked of a cluster, None where everything is to be done here."""
    if not any(value for name, value in given.items() if name != "n_cpus"):
        return None
    from bidsflow.executors.site import make_request

    request = make_request({name: value for name, value in given.items() if value}, memory_gb=_MEMORY_GB)
    return None if request.executor == "local" else request


def _submit(request: Conversion, cluster: Request, stack: ExitStack, *, force: bool) -> None:
    """Scan and plan here, and submit a task for each session."""
    from bidsflow.cli.conversion import open_both, reserve
    from bidsflow.cli.steps import consoles, print_notes, print_reviews, print_set_aside
    from bidsflow.convert.cluster import submit
    from bidsflow.convert.plan import Decision
    from bidsflow.errors import SourceError

    out, err = consoles()
    inventory, idle = open_both(request, err, stack)
    if inventory.origins:
        hint = "Unpack it first, where all nodes see it"
        raise SourceError(inventory.origins[0][1], "tasks of a cluster cannot read an archive", hint)
    if idle is not None:
        plan = idle.plan
    else:
        inventory, planned, basis = reserve(request, inventory)
        plan = planned.plan
        sent = submit(
            plan, inventory, request.dataset, planned.key, cluster, basis=basis, force=force, command=request.command
        )
        _report_sent(sent, cluster, request.dataset, out)
    print_reviews(plan.decided(Decision.REVIEW), err)
    print_notes(plan, inventory, err)
    print_set_aside(inventory, request.exports, err)


def _report_sent(sent: Submitted, cluster: Request, dataset: Dataset, out: Console) -> None:
    """Say which sessions were submitted, and how to see how they stand."""
    from bidsflow.convert.drift.findings import count_words

    if sent.live:
        out.print(f"{count_words(len(sent.live), 'session')} submitted before", markup=False)
    if sent.batch is not None:
        ids = ", ".join(job for job, _ in sent.batch.jobs)
        sessions = count_words(len(sent.batch.names), "session")
        said = f"{sessions}: {cluster.executor} job {ids}; scripts and logs: {sent.folder}"
        out.print(said, markup=False, soft_wrap=True)
    elif not sent.live:
        out.print("every planned image is there", markup=False)
    out.print(f"How it stands: bidsflow jobs {shlex.quote(str(dataset.root))}", markup=False, soft_wrap=True)


def _show(request: Conversion, *, force: bool, as_json: bool) -> bool:
    """Print what would be done, write nothing, and return whether that would be all, as far as is known before."""
    from bidsflow.cli.companions import Beside, report_beside
    from bidsflow.cli.conversion import ask_opinions, plan_conversion
    from bidsflow.cli.originals import keep, report_former, report_kept
    from bidsflow.cli.outcome import list_changes, print_changes
    from bidsflow.cli.steps import cache_file, consoles, opened, print_notes, print_plan, print_set_aside
    from bidsflow.convert.changes import find_left, foresee, foresee_companions, note_split
    from bidsflow.convert.held import meet_dataset
    from bidsflow.convert.pending import read_pending
    from bidsflow.convert.plan import to_json

    out, err = consoles()
    dataset, exports = request.dataset, request.exports
    read_pending(dataset)  # the run would stumble over it as well
    with opened(exports, cache_file(exports), err, beside=dataset.index_file) as inventory:
        inventory = meet_dataset(dataset, inventory)
        opinions = {} if request.plan else ask_opinions(request, inventory)
        planned = plan_conversion(request, inventory, opinions)
        made = planned.plan
        foresight, left = foresee(dataset, made, inventory, force=force), find_left(dataset, made)
        along = foresee_companions(dataset, foresight.prospects)
        split = note_split(dataset, planned.key, inventory, foresight.prospects)
        made = replace(made, notes=(*made.notes, *foresight.notes, *split))
        whole = foresight.complete and not any(one.lost for one in inventory.set_aside)
        if as_json:
            typer.echo(to_json(made, list_changes(foresight, left, along)), nl=False)
            return whole
        print_plan(made, out)
        print_changes(made, foresight, left, along, out)
        report_beside(Beside.put(dataset, inventory, exports, planned, force=force, dry=True), out, dry=True)
        if request.keep:
            report_kept(keep(dataset, inventory, made, dry=True), out)
        else:
            report_former(dataset, inventory, made, out)
        print_notes(made, inventory, err)
        print_set_aside(inventory, exports, err)
        return whole


@dataclass(frozen=True, slots=True)
class _Done:
    """What came of a conversion: the plan with its notes, images, files that it left alone, companions, originals."""

    plan: Plan
    result: Result
    left: tuple[str, ...]
    beside: Beside
    kept: tuple[Kept, ...] = ()


def _carry_out(request: Conversion, stack: ExitStack, *, force: bool, as_json: bool) -> bool:
    """Convert, print what came of it, and return whether that is all that was planned, of all that the export holds."""
    from bidsflow.cli.companions import report_beside
    from bidsflow.cli.conversion import open_both
    from bidsflow.cli.outcome import report_counts, report_json, report_problems
    from bidsflow.cli.steps import consoles, print_notes, print_set_aside
    from bidsflow.convert.drift.findings import count_words
    from bidsflow.sources import show_aside

    out, err = consoles()
    inventory, idle = open_both(request, err, stack)
    if idle is not None:
        done = _leave(request, inventory, idle, force=force)
    else:
        done = _convert(request, inventory, err, force=force)
    aside = show_aside(inventory, request.exports)
    if idle is None:
        _note_aside(request, inventory, aside)
    lost = [one for one in inventory.set_aside if one.lost]
    whole = done.result.complete and not lost and not any(one.unread for one in done.kept)
    if as_json:
        report_json(done.result, done.plan.notes, done.left, aside, done.beside, complete=whole)
        return whole
    report_problems(done.result, done.left, err)
    report_beside(done.beside, err)
    print_notes(done.plan, inventory, err)
    print_set_aside(inventory, request.exports, err)
    report_counts(done.result, request.dataset, out, err)
    if lost:
        parts = count_words(len(lost), "part")
        err.print(f"[red]not whole[/] {parts} of the export cannot be read, see above", soft_wrap=True)
    return whole


def _leave(request: Conversion, inventory: Inventory, idle: Planned, *, force: bool) -> _Done:
    """Return what came of a plan that converts nothing."""
    from bidsflow.cli.companions import Beside
    from bidsflow.convert.plan import Decision
    from bidsflow.convert.run import Result

    plan, beside = idle.plan, Beside()
    result = Result((), plan.decided(Decision.REVIEW), plan.decided(Decision.SKIP))
    if result.reviews:  # else there is no dataset, and what was unpacked is gone
        beside = Beside.put(request.dataset, inventory, request.exports, idle, force=force)
    return _Done(plan, result, (), beside)


def _convert(request: Conversion, inventory: Inventory, err: Console, *, force: bool) -> _Done:
    """Plan and convert, put companions beside the images, and keep the originals where that is asked for."""
    from bidsflow.cli.companions import Beside
    from bidsflow.cli.conversion import reserve
    from bidsflow.cli.originals import keep, report_former, report_kept
    from bidsflow.cli.steps import progress_bar
    from bidsflow.convert.changes import find_left, note_split
    from bidsflow.convert.private import read_key
    from bidsflow.convert.run import convert

    dataset = request.dataset
    inventory, planned, basis = reserve(request, inventory)

    def tell(note: str) -> None:
        err.print(f"[yellow]note[/] {note}", soft_wrap=True)

    with progress_bar(err, "converting") as update:
        result = convert(
            planned.plan, inventory, dataset, planned.key, jobs=request.jobs, force=force, basis=basis,
            progress=update, tell=tell, command=request.command,
        )  # fmt: skip
    if result.renewed is not None:  # with the labels that another run may have given
        planned = replace(planned, plan=result.renewed, key=read_key(dataset))
    plan, left = planned.plan, find_left(dataset, planned.plan)
    plan = replace(plan, notes=(*plan.notes, *result.notes, *note_split(dataset, planned.key, inventory)))
    beside = Beside.put(dataset, inventory, request.exports, planned, force=force)
    kept: tuple[Kept, ...] = ()
    if request.keep:
        kept = keep(dataset, inventory, plan)
        report_kept(kept, err)
    else:
        report_former(dataset, inventory, plan, err)
    return _Done(plan, result, left, beside, kept)


def _note_aside(request: Conversion, inventory: Inventory, aside: Sequence[Aside]) -> None:
    """Remember in the dataset which files of the exports were set aside, until a later run reads them."""
    from bidsflow.convert.pending import Quarantined, note_files

    files = [
        (_name_origin(raw.path, inventory), Quarantined(one.path, one.reason))
        for raw, one in zip(inventory.set_aside, aside, strict=True)
        if not one.harmless
    ]
    note_files(request.dataset, request.exports, files)


def _name_origin(path: str, inventory: Inventory) -> str:
    """Return where a file lies; of one that was unpacked, the archive counts."""
    return next((shown for folder, shown in inventory.origins if path.startswith(f"{folder}/")), path)
