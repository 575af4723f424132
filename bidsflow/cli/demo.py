"""`bidsflow demo`: the whole way on made-up data."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bidsflow.cli.options import INTERRUPTED, STORAGE, TARGET, end_help

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.cli.answers import Written
    from bidsflow.cli.story import Teller, Way
    from bidsflow.convert.plan import PlanRow
    from bidsflow.convert.planner import Planned
    from bidsflow.convert.run import Result
    from bidsflow.dataset.tree import Dataset
    from bidsflow.dicom.series import Inventory
    from bidsflow.phantom import Truth
    from bidsflow.report.values import Figure
    from bidsflow.validate import Report

#: Who comes to the scanner, and how often.
_PEOPLE, _VISITS = 2, 2


HELP_END = end_help(
    {
        "bidsflow demo DIR": "work in a new folder, and leave DIR/report.html",
        "bidsflow demo DIR --open": "look at the page at once",
        "bidsflow demo DIR --no-qc": "end with the dataset, in half the time",
    },
    {
        0: "every planned image is on disk, and the dataset is valid",
        1: "a series failed, or the quality of a participant could not be measured",
        16: "the dataset has errors",
    },
    TARGET, STORAGE, INTERRUPTED,
)  # fmt: skip


def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to work; absent or empty.", show_default=False)],
    dialect: Annotated[
        Literal["classic", "enhanced", "ge"] | None,
        typer.Option(
            help="Whose DICOM; by default classic for one person, enhanced for the other.", show_default=False
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    no_quality: Annotated[bool, typer.Option("--no-qc", help="End with the dataset: measure no quality.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came out as JSON instead of a story.")] = False,
) -> None:
    """Show the whole way on a made-up export: scan, plan, convert, validate, measure, and a page to look at.

    Takes two or three minutes. The page is DIR/report.html, one file that needs nothing else.
    """
    import json

    from bidsflow.cli.pages import build_page
    from bidsflow.cli.quality import add_quality
    from bidsflow.cli.steps import consoles
    from bidsflow.cli.story import Teller, summarize
    from bidsflow.cli.validate import EXIT_INVALID
    from bidsflow.report.write import save

    check_empty(folder)
    out, err = consoles()
    teller = Teller(None if as_json else out)
    try:
        way = travel(folder, (dialect,) if dialect else ("classic", "enhanced"), teller, err, quality=not no_quality)
        page = save(add_quality(build_page(way), way.quality), folder / "report.html")
    except KeyboardInterrupt:
        clear(folder)  # the same command then begins again
        raise
    if as_json:
        typer.echo(json.dumps(summarize(way, page), indent=2))
    measured = way.quality is not None and bool(way.quality.done)
    teller.end({
        "Page": f"{page} ({page.stat().st_size / 1e6:.1f} MB, one file)",
        "Dataset": f"{folder / 'bids'}",
        "Plan": f"{folder / 'plan.tsv'} (edit it, then convert with --plan)",
        **({"Quality": f"{folder / 'qc' / 'group_qc.html'}"} if measured else {}),
    })  # fmt: skip
    if open_page and not show(page):
        err.print(f"no browser was found; open {page} in yours", soft_wrap=True, markup=False)
    if not way.result.complete or (way.quality is not None and way.quality.failed):
        raise typer.Exit(1)
    if not way.report.ok:
        raise typer.Exit(EXIT_INVALID)


def check_empty(folder: Path) -> None:
    """Make sure that nothing of the user's is in the way.

    Raises
    ------
    DatasetError
        If the folder is a file, holds anything, or cannot be looked into.
    """
    from bidsflow.errors import DatasetError

    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise DatasetError(str(folder), f"the folder cannot be read ({error.strerror})", "Name another one") from error
    if taken:
        raise DatasetError(str(folder), "not an empty folder", "Name a new one: nothing is overwritten")


def clear(folder: Path) -> None:
    """Remove what lies in a folder that was empty before."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def travel(folder: Path, dialects: Sequence[str], teller: Teller, err: Console, *, quality: bool = True) -> Way:
    """Go the whole way in an empty folder, with the functions that the commands use.

    Parameters
    ----------
    folder : Path
        Absent or empty.
    dialects : sequence of str
        One for all people, or one for each of them.
    teller : Teller
        Told what is done and what comes out.
    err : Console
        For progress bars.
    quality : bool
        Whether to measure the quality of the images.
    """
    from bidsflow.app.registry import find_pipeline
    from bidsflow.cli import story
    from bidsflow.cli.answers import compare_content, compare_names
    from bidsflow.cli.quality import measure_quality, tell_quality
    from bidsflow.dataset.tree import open_dataset
    from bidsflow.sources import show_aside
    from bidsflow.validate import run as validate

    exports = [folder / dialect / "dicom" for dialect in dialects]
    commands = list_commands(folder, dialects, exports, quality=quality)
    told = iter(commands)
    teller.begin(*next(told))
    truths = write_exports(folder, dialects, err)
    teller.add(story.tell_export(truths))
    teller.begin(*next(told))
    dataset = open_dataset(folder / "bids", exports)
    inventory = take_inventory(exports, dataset, err)
    teller.add(story.tell_scan(inventory))
    teller.begin(*next(told))
    planned = write_plan(inventory, folder / "plan.tsv")
    teller.add(story.tell_plan(planned.plan))
    teller.begin(*next(told))
    result = carry_out(planned, inventory, dataset, err)
    images = read_images(dataset.root, result)
    teller.add(story.tell_conversion(result, images))
    teller.begin(*next(told))
    report = validate(dataset.root)
    teller.add(story.tell_validation(report))
    measured = None
    if quality:
        teller.begin(*next(told))
        measured = measure_quality(find_pipeline("qc"), dataset.root, err)
        teller.add(tell_quality(measured))
    teller.begin("compare with the truth, which the conversion has not seen", "")
    answers, tallies = compare_names(planned.plan, truths), compare_content(images, truths)
    teller.add(story.tell_truth(answers, tallies))
    kinds, sessions = draw_images(dataset.root, images, err)
    return story.Way(
        commands=commands,
        origin=story.tell_export(truths)[0],
        inventory=inventory,
        aside=show_aside(inventory, exports),
        plan=planned.plan,
        result=result,
        images=images,
        report=report,
        answers=answers,
        tallies=tallies,
        tree=draw_tree(dataset.root, story.folder_of(images[0].row) if images else ""),
        kinds=kinds,
        sessions=sessions,
        versions=list_versions(truths, report),
        quality=measured,
    )


def list_commands(
    folder: Path, dialects: Sequence[str], exports: Sequence[Path], *, quality: bool = True
) -> tuple[tuple[str, str], ...]:
    """Return what is done in each step, and what a user would type for it."""
    from bidsflow.cli.quality import CHOICE, FOLDER

    people = "" if len(dialects) > 1 else f" --subjects {_PEOPLE}"
    option = "" if dialects[0] == "classic" else f" --dialect {dialects[0]}"
    sources = " ".join(shlex.quote(str(export)) for export in exports)
    made, plan, bids, qc = (shlex.quote(str(folder / name)) for name in (dialects[0], "plan.tsv", "bids", FOLDER))
    last = (("measure the quality of its first visits", f"bidsflow run qc {bids} {qc} {' '.join(CHOICE)}"),)
    return (
        ("make an export with a known content", f"bidsflow phantom {made}{people} --sessions {_VISITS}{option}"),
        ("scan it: what does it hold?", f"bidsflow scan {sources}"),
        ("plan: a name for every image, and why", f"bidsflow plan {sources} -o {plan}"),
        ("convert what the plan says", f"bidsflow convert {sources} {bids}"),
        ("validate the dataset", f"bidsflow validate {bids}"),
        *(last if quality else ()),
    )


def write_exports(folder: Path, dialects: Sequence[str], err: Console) -> tuple[Truth, ...]:
    """Write an export for each dialect, and return the answer keys."""
    from bidsflow.cli.steps import progress_bar
    from bidsflow.phantom import make_sessions, write

    visits = make_sessions(_PEOPLE, _VISITS)
    people = list(dict.fromkeys(visit.subject.label for visit in visits))
    truths = []
    for rank, dialect in enumerate(dialects):
        chosen = [visit for visit in visits if len(dialects) == 1 or visit.subject.label == people[rank]]
        with progress_bar(err, f"scanning ({dialect})") as update:
            truths.append(
                write(
                    folder / dialect,
                    sessions=chosen,
                    dialect=dialect,
                    progress=lambda title, done, total, update=update: update(done, total, title),  # type: ignore[misc]
                )
            )
    return tuple(truths)


def take_inventory(exports: Sequence[Path], dataset: Dataset, err: Console) -> Inventory:
    """Take the inventory, and keep it in the dataset as `bidsflow convert` does."""
    from bidsflow.cli.steps import opened

    with opened(exports, dataset.index_file, err, digests=True) as inventory:  # folders, which stay
        return inventory


def write_plan(inventory: Inventory, path: Path) -> Planned:
    """Plan an inventory, and write the plan where a person can edit it."""
    from bidsflow.cli.steps import plan_inventory
    from bidsflow.convert.plan import to_tsv
    from bidsflow.dataset.write import write_durably

    planned = plan_inventory(inventory)
    write_durably(path, to_tsv(planned.plan).encode())
    return planned


def carry_out(planned: Planned, inventory: Inventory, dataset: Dataset, err: Console) -> Result:
    """Convert what a plan says."""
    from bidsflow.cli.steps import default_jobs, progress_bar
    from bidsflow.convert.run import convert

    with progress_bar(err, "converting") as update:
        return convert(planned.plan, inventory, dataset, planned.key, jobs=default_jobs(), progress=update)


def read_images(root: Path, result: Result) -> tuple[Written, ...]:
    """Return every converted image as it stands on disk: headers, sidecars and tables, no voxels."""
    import json

    import nibabel as nib

    from bidsflow.cli.answers import Written
    from bidsflow.convert.run import Status

    images = []
    for outcome in result.outcomes:
        if outcome.status is Status.WRITTEN:
            stem = root / outcome.row.path
            table = stem.with_name(f"{stem.name}.bval")
            b_values = tuple(float(word) for word in table.read_text().split()) if table.exists() else ()
            sidecar = json.loads(stem.with_name(f"{stem.name}.json").read_text())
            shape = nib.load(stem.with_name(f"{stem.name}.nii.gz")).shape
            images.append(Written(outcome.row, shape, sidecar, b_values))
    return tuple(images)


def draw_images(root: Path, images: Sequence[Written], err: Console) -> tuple[tuple[Figure, ...], tuple[Figure, ...]]:
    """Return a figure of each kind of image in the first session, and of one T1w and one run in each other session."""
    from bidsflow.cli.steps import progress_bar
    from bidsflow.cli.story import first_clause, folder_of
    from bidsflow.names import parse_name
    from bidsflow.report.figures import mosaic

    kinds: dict[tuple[str, ...], PlanRow] = {}
    runs: dict[tuple[str, str], PlanRow] = {}
    for image in images:
        name = parse_name(image.row.path)
        folder = folder_of(image.row)
        if folder == folder_of(images[0].row):
            kinds.setdefault((name.datatype, name.suffix, name.entity("dir")), image.row)
        elif name.suffix in ("T1w", "bold"):
            runs.setdefault((folder, name.suffix), image.row)
    chosen = dict.fromkeys((*kinds.values(), *runs.values()))
    figures: dict[PlanRow, Figure] = {}
    with progress_bar(err, "drawing") as update:
        for done, row in enumerate(chosen, start=1):
            caption = f"Series {row.series_number}, {row.series_description}: {first_clause(row)}."
            figures[row] = mosaic(root / f"{row.path}.nii.gz", caption=caption, max_width=480)
            update(done, len(chosen), row.series_description)
    return tuple(figures[row] for row in kinds.values()), tuple(figures[row] for row in runs.values())


def draw_tree(root: Path, session: str) -> str:
    """Return a dataset as a tree of folders: one session in full, the others counted."""
    lines = [f"{root.name}/"]
    paths = sorted(root.iterdir(), key=lambda path: (path.is_dir(), path.name))
    for path in paths:
        if not path.name.startswith("."):
            lines += _branch(path, root, session, 1)
    return "\n".join(lines)


def _branch(path: Path, root: Path, session: str, depth: int) -> list[str]:
    indent, place = "    " * depth, path.relative_to(root).as_posix()
    if path.is_file():
        return [f"{indent}{path.name}"]
    if not (place.startswith(session) or session.startswith(f"{place}/")):
        return [f"{indent}{path.name}/   ({sum(one.is_file() for one in path.rglob('*'))} files)"]
    lines = [f"{indent}{path.name}/"]
    for one in sorted(path.iterdir(), key=lambda one: (one.is_dir(), one.name)):
        lines += _branch(one, root, session, depth + 1)
    return lines


def list_versions(truths: Sequence[Truth], report: Report) -> tuple[tuple[str, str], ...]:
    """Return which programs took part."""
    from bidsflow.convert.top import DCM2NIIX, generated_by

    phantom = f"{', '.join(truth.dialect for truth in truths)}; size {truths[0].size}, seed {truths[0].seed}"
    checked = ("Validator", f"{report.engine}, BIDS schema {report.schema_version}")
    return (*generated_by([DCM2NIIX]), ("Phantom", phantom), checked)


def show(page: Path) -> bool:
    """Open a page in the browser of the user, and return whether there is one."""
    import webbrowser

    return webbrowser.open(page.resolve().as_uri())
