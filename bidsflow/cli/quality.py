"""The last step of `bidsflow demo`: run qc on the dataset, and lead to its pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bidsflow.report.values import Badge, Block, Column, Kind, Link, Note, Page, Section, Step, Table, Tone

if TYPE_CHECKING:
    from rich.console import Console

    from bidsflow.app.outcome import Event
    from bidsflow.app.spec import Pipeline

#: Where the derivatives are, beside the dataset; pages lead there.
FOLDER = "qc"
#: The first visit of everyone: finding the brain of an anatomical image is what costs.
CHOICE = ("participant", "group", "--session-label", "01")


@dataclass(frozen=True, slots=True)
class Quality:
    """What came of qc.

    Attributes
    ----------
    done, failed : tuple of str
        Participants, without ``sub-``.
    complaint : str
        Why nothing was measured; ``""`` where something was.
    """

    done: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    complaint: str = ""


def measure_quality(pipeline: Pipeline, dataset: Path, err: Console) -> Quality:
    """Run a pipeline on the first session of a dataset, into a folder beside it.

    Parameters
    ----------
    pipeline : Pipeline
        qc; what it needs may be missing, which is told and no error.
    dataset : Path
        Valid, as far as is known.
    err : Console
        For a progress bar.
    """
    from bidsflow.app.command import parse
    from bidsflow.app.registry import load
    from bidsflow.app.run import run
    from bidsflow.cli.steps import progress_bar
    from bidsflow.errors import PipelineError

    try:
        load(pipeline.workflow)
    except PipelineError as error:
        return Quality(complaint=str(error))
    arguments = (str(dataset), str(dataset.parent / FOLDER), *CHOICE, "--skip-bids-validation")
    total = done = 0
    with progress_bar(err, "measuring") as update:

        def hear(event: Event) -> None:
            nonlocal total, done
            total += int(event.value) if event.kind == "steps" else 0
            done += event.kind == "step"
            if total:
                update(done, total, event.text if event.kind == "step" else "")

        outcome = run(pipeline, parse(pipeline, arguments, f"bidsflow run {pipeline.name}"), hear)
    return Quality(outcome.done, outcome.failed)


def tell_quality(quality: Quality) -> list[str]:
    """Return what was measured, or why not."""
    if quality.complaint:
        return [f"not done: {quality.complaint}"]
    lines = [f"failed for sub-{label}: see {FOLDER}/logs" for label in quality.failed]
    people = ", ".join(f"sub-{label}" for label in quality.done) or "nobody"
    return [*lines, f"a page for each of {people}, and one for the group, with tables beside it"]


def add_quality(page: Page, quality: Quality | None) -> Page:
    """Return a page with a section that leads to the pages of qc, before its last one."""
    if quality is None:
        return page
    if quality.complaint:
        step = Step(FOLDER, "not done", Tone.NEUTRAL)
    else:
        step = Step(FOLDER, f"{len(quality.done)} people", Tone.ERROR if quality.failed else Tone.OK)
    sections = (*page.sections[:-1], _show(quality), page.sections[-1])
    return replace(page, steps=(*page.steps, step), sections=sections)


def _show(quality: Quality) -> Section:
    if quality.complaint:
        note = Note(f"Not measured: {quality.complaint}.", Tone.WARNING)
        return Section("Quality", (note,), badge=Badge("not done", Tone.NEUTRAL))
    people: Sequence[tuple[Link, str]] = [
        (Link(f"sub-{label}", f"{FOLDER}/sub-{label}.html"), "every image of the first session, and a form to rate it")
        for label in quality.done
    ]
    group = (Link("the group", f"{FOLDER}/group_qc.html"), "every measure, a dot for each image")
    columns = (Column("Page"), Column("Shows", Kind.PROSE))
    blocks: list[Block] = [
        Note(f"It failed for sub-{label}; {FOLDER}/logs says why.", Tone.ERROR) for label in quality.failed
    ]
    blocks.append(Table("Pages", columns, (*people, group)))
    return Section(
        "Quality",
        tuple(blocks),
        intro="What a person looks at before images are used. The phantom's head is made of ellipsoids: templates do "
        "not fit it, and its anatomical measures mean little.",
        badge=Badge("failed", Tone.ERROR) if quality.failed else Badge("measured", Tone.OK),
    )
