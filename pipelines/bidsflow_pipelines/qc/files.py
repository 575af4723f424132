"""Where qc keeps what, and how a file of measures is written and read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bidsflow.app.derivatives import Results
from bidsflow.names import BidsName

#: Suffixes of the images that are measured.
MODALITIES = ("T1w", "T2w", "bold", "dwi")


def measures_file(image: BidsName) -> BidsName:
    """Return where the measures of an image stand: beside where the image would, as MRIQC has it."""
    return image.with_ext(".json")


def figures_file(image: BidsName) -> str:
    """Return where the drawings of an image are kept, for its page."""
    return f"sub-{image.sub}/figures/{image.stem}.json"


def timeseries_file(image: BidsName) -> BidsName:
    """Return where the table of what changes over volumes stands."""
    return replace(image, suffix="timeseries", ext=".tsv").with_entity("desc", "qc")


def derived(image: BidsName, suffix: str, **entities: str) -> BidsName:
    """Return the name of an image that was derived from another: ``desc-brain_mask``.

    Images of one run that differ in suffix (T1w, T2w) would get one name; the suffix goes into ``desc`` then.
    """
    name = replace(image, suffix=suffix, ext=".nii.gz")
    for key, value in entities.items():
        name = name.with_entity(key, value)
    return name


def to_values(measures: Mapping[str, float], flags: tuple[str, ...] = (), scanner: str = "") -> dict[str, Any]:
    """Return what a file of measures holds: what could not be measured is null; doubts are said in ``warnings``."""
    found: dict[str, Any] = {key: _to_json(value) for key, value in sorted(measures.items())}
    return {**found, "warnings": list(flags), "scanner": scanner}


def _to_json(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    return int(value) if isinstance(value, int) else float(f"{value:.10g}")


def clean_doubts(doubts: tuple[str, ...]) -> tuple[str, ...]:
    """Return what engines doubt; those that doubt nothing say an empty text."""
    return tuple(doubt for doubt in doubts if doubt)


def zooms_of(img: Any) -> tuple[float, float, float]:  # nibabel has no types
    """Return the voxel size of an open image, in millimetres."""
    x, y, z = (float(size) for size in img.header.get_zooms()[:3])
    return x, y, z


def find_measures(results: Results, modality: str) -> tuple[Path, ...]:
    """Return the files of measures of a participant, for one kind of image."""
    return tuple(path for path in results.find(f"**/*_{modality}.json") if path.parent.name != "figures")


def measures_of(content: Mapping[str, Any]) -> dict[str, float]:
    """Return the measures in a file, NaN where one could not be computed."""
    return {
        key: math.nan if value is None else float(value)
        for key, value in content.items()
        if value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
    }


def name_scanner(metadata: Mapping[str, Any]) -> str:
    """Return maker, model and field strength, as far as a sidecar says.

    Examples
    --------
    >>> name_scanner({"Manufacturer": "Siemens", "ManufacturersModelName": "Prisma", "MagneticFieldStrength": 3})
    'Siemens Prisma 3 T'
    """
    field = metadata.get("MagneticFieldStrength")
    words = [metadata.get("Manufacturer"), metadata.get("ManufacturersModelName")]
    strength = f"{float(field):g} T" if isinstance(field, (int, float)) else ""
    return " ".join(str(word).strip() for word in (*words, strength) if word)
