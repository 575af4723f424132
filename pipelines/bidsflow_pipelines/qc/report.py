"""The page of one participant: each image with what to look for, its measures, and a form to rate it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from bidsflow.app.derivatives import Results
from bidsflow.report.rating import Rating
from bidsflow.report.store import load_figures
from bidsflow.report.values import Badge, Block, Cell, Column, Fact, Kind, Note, Page, Section, Table, Text, Tone
from bidsflow_pipelines.qc.dictionary import describe_measure
from bidsflow_pipelines.qc.files import MODALITIES, find_measures, measures_of

_ANAT = "Rings and blur are motion; bright patches in the air are ghosts; the outlines must follow the brain."
#: What a person looks for, by modality.
LOOK_FOR = {
    "T1w": _ANAT,
    "T2w": _ANAT,
    "bold": "Spikes of displacement with bands across the carpet are motion; holes in the mean are lost signal.",
    "dwi": "Dark slices in single volumes are motion during the pulse; directions must cover the sphere.",
}
#: Headline numbers.
HEADLINES = {
    "T1w": ("cnr", "snr_total", "cjv"),
    "T2w": ("cnr", "snr_total", "cjv"),
    "bold": ("tsnr", "fd_mean", "dvars_std"),
    "dwi": ("ndc", "sigma_pca", "fd_mean"),
}


def build(results: Results) -> Page:
    """Return the page of one participant."""
    files = [(modality, path) for modality in MODALITIES for path in find_measures(results, modality)]
    sections = [_section(results, modality, path) for modality, path in files]
    doubts = sum(len(results.read_json(path).get("warnings", ())) for _, path in files)
    return Page(
        f"sub-{results.label}",
        "Image quality",
        facts=(
            Fact(len(files), "images"),
            Fact(doubts, "doubts", Tone.WARNING if doubts else Tone.OK),
        ),
        sections=(*sections, Section("Methods", (Text(results.methods),))),
    )


def _section(results: Results, modality: str, path: Path) -> Section:
    content = results.read_json(path)
    measures = measures_of(content)
    doubts = tuple(str(one) for one in content.get("warnings", ()))
    blocks: list[Block] = [
        Note(f"{doubt}. Look at the outlines before you trust the measures.", Tone.WARNING) for doubt in doubts
    ]
    blocks += load_figures(_figures_of(results, path).read_text(encoding="utf-8"))
    blocks.append(_tabulate(measures))
    image = path.relative_to(results.root).with_suffix(".nii.gz").as_posix()
    blocks.append(Rating(image, path.name))
    badge = Badge("doubts", Tone.WARNING) if doubts else None
    title = path.stem.removeprefix(f"sub-{results.label}_")
    return Section(title, tuple(blocks), _introduce(modality, measures), badge)


def _figures_of(results: Results, path: Path) -> Path:
    return results.root / f"sub-{results.label}" / "figures" / path.name


def _introduce(modality: str, measures: dict[str, float]) -> str:
    shown = [
        f"{name} {measures[name]:.3g}" for name in HEADLINES[modality] if math.isfinite(measures.get(name, math.nan))
    ]
    return f"{LOOK_FOR[modality]} {', '.join(shown)}."


def _tabulate(measures: dict[str, float]) -> Table:
    rows = tuple(_row(name, value) for name, value in sorted(measures.items()))
    columns = (Column("measure"), Column("value", Kind.NUMBER), Column("unit"), Column("meaning", Kind.PROSE))
    return Table("Measures", columns, rows)


def _row(name: str, value: float) -> tuple[Cell, ...]:
    meaning: dict[str, Any] = describe_measure(name)
    return name, value if math.isfinite(value) else None, meaning.get("Units"), meaning["Description"]
