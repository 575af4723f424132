"""The group level: a table per modality, and a page on which what lies apart is seen."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bidsflow.app.derivatives import Cohort
from bidsflow.report.outliers import list_outliers
from bidsflow.report.page import render
from bidsflow.report.swarms import Measure, Point, Swarms
from bidsflow.report.values import Badge, Fact, Note, Page, Section, Text, Tone
from bidsflow_pipelines.qc.dictionary import describe_measure
from bidsflow_pipelines.qc.files import MODALITIES, find_measures, measures_of

#: Measures that the page shows; the tables have all of them.
SHOWN = {
    "T1w": ("cjv", "cnr", "snr_total", "snrd_total", "efc", "fber", "fwhm_avg", "inu_med", "qi_1", "qi_2", "wm2max",
            "rpve_gm", "tpm_overlap_gm", "icvs_csf", "icvs_gm", "icvs_wm"),
    "bold": ("fd_mean", "fd_num", "fd_perc", "dvars_std", "dvars_vstd", "tsnr", "snr", "gcor", "aor", "aqi", "efc",
             "fber", "fwhm_avg", "gsr_x", "gsr_y", "dummy_trs"),
    "dwi": ("fd_mean", "ndc", "sigma_pca", "sigma_piesno", "sigma_cc", "snr_cc_shell0", "spikes_global", "fa_nans",
            "fa_degenerate", "bdiffs_max"),
}  # fmt: skip
SHOWN["T2w"] = SHOWN["T1w"]


@dataclass(frozen=True, slots=True)
class Row:
    """One image in the table of its modality.

    Attributes
    ----------
    name : str
        Name of the image without extension.
    label : str
        The participant, without ``sub-``.
    site : str
        Scanner, as far as the measures say; ``""`` where unknown.
    values : mapping of str to float
        Its measures; NaN where one could not be computed.
    """

    name: str
    label: str
    site: str
    values: Mapping[str, float]


def build(cohort: Cohort) -> dict[str, bytes]:
    """Return a table with its dictionary for each modality, and the page, by path."""
    tables = {modality: tuple(_rows(cohort, modality)) for modality in MODALITIES}
    tables = {modality: rows for modality, rows in tables.items() if rows}
    files: dict[str, bytes] = {}
    for modality, rows in tables.items():
        columns = tuple(dict.fromkeys(key for row in rows for key in row.values))
        files[f"group_{modality}.tsv"] = _format_table(rows, columns).encode()
        files[f"group_{modality}.json"] = _format_dictionary(columns).encode()
    files["group_qc.html"] = render(_page(tables, len(cohort.labels), cohort.notes)).encode()
    return files


def _rows(cohort: Cohort, modality: str) -> Iterator[Row]:
    for one in cohort.participants():
        for path in find_measures(one, modality):
            content = one.read_json(path)
            yield Row(path.stem, one.label, str(content.get("scanner", "")), measures_of(content))


def _format_table(rows: tuple[Row, ...], columns: tuple[str, ...]) -> str:
    lines = ["\t".join(("bids_name", "participant_id", "scanner", *columns))]
    for row in rows:
        cells = (_format(row.values.get(column, math.nan)) for column in columns)
        lines.append("\t".join((row.name, f"sub-{row.label}", row.site or "n/a", *cells)))
    return "\n".join(lines) + "\n"


def _format(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.8g}"


def _format_dictionary(columns: tuple[str, ...]) -> str:
    known: dict[str, Any] = {
        "bids_name": {"Description": "Name of the image, without folder and extension."},
        "participant_id": {"Description": "Who was scanned."},
        "scanner": {"Description": "Maker, model and field strength, as the sidecar of the image says."},
    }
    return json.dumps(known | {column: describe_measure(column) for column in columns}, indent=2) + "\n"


def _page(tables: Mapping[str, tuple[Row, ...]], n_participants: int, notes: tuple[str, ...]) -> Page:
    facts = (
        Fact(n_participants, "participant" if n_participants == 1 else "participants"),
        *(Fact(len(rows), name) for name, rows in tables.items()),
    )
    sections = tuple(_section(modality, rows) for modality, rows in tables.items())
    if notes:
        told = tuple(Note(f"{note}.", Tone.WARNING) for note in notes)
        badge = Badge(str(len(notes)), Tone.WARNING)
        sections = (Section("Who is in it", told, "What the tables and dots below do not show.", badge), *sections)
    return Page("Image quality of the group", "A dot is an image; it leads to its page", facts, sections=sections)


def _section(modality: str, rows: tuple[Row, ...]) -> Section:
    points = tuple(Point(row.name, f"sub-{row.label}.html", row.site) for row in rows)
    columns = {name: tuple(row.values.get(name, math.nan) for row in rows) for name in SHOWN[modality]}
    measures = tuple(
        Measure(name, values, describe_measure(name).get("Units", ""), describe_measure(name)["Description"])
        for name, values in columns.items()
        if not all(map(math.isnan, values))
    )
    swarms = Swarms(f"{modality}: one row for each measure", points, measures)
    table = f"All measures are in `group_{modality}.tsv`; `group_{modality}.json` says what each means."
    return Section(modality, (swarms, list_outliers(swarms), Text(table)))
