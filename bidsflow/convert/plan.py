"""The plan: one row per image to be written, with the evidence for its name. The contract of a conversion.

Comes in: rows, or the TSV or JSON text of a plan. Goes out: rows, checked, or text. Opens no file.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from dataclasses import asdict, dataclass, fields
from enum import StrEnum

from bidsflow import names
from bidsflow.errors import BidsflowError, PlanError


class Decision(StrEnum):
    """What happens to an image."""

    CONVERT = "convert"
    SKIP = "skip"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class PlanRow:
    """One image: where it comes from, what becomes of it, and why.

    Attributes
    ----------
    series_uid : str
        SeriesInstanceUID of the series.
    image : int
        Rank of the image within its series, from 1 (echoes, phase and magnitude are images of one series).
    series_number : int
        For people.
    protocol_name, series_description : str
        For people, as in the header.
    n_files : int
        Files of the export that make the image.
    n_volumes : int
        Volumes that the image will have.
    decision : Decision
        ``review`` rows are not converted; a person decides.
    path : str
        BIDS path without extension; ``n/a`` for skipped rows. On a ``review`` row it is a proposal, or ``n/a``.
    confidence : float
        Between 0 and 1.
    evidence : str
        One plain sentence that names the tags that decided.
    b0_identifier : str
        Label of the B0 field that this image measures; ``""`` for images that measure none.
    b0_source : str
        Labels of the B0 fields that correct this image, joined by a comma; ``""`` for none.
    """

    series_uid: str
    image: int
    series_number: int
    protocol_name: str
    series_description: str
    n_files: int
    n_volumes: int
    decision: Decision
    path: str
    confidence: float
    evidence: str
    b0_identifier: str = ""
    b0_source: str = ""

    @property
    def title(self) -> str:
        """How people know the row."""
        return f"series {self.series_number} ({self.series_description or self.protocol_name})"


@dataclass(frozen=True, slots=True)
class Plan:
    """Rows in the order of acquisition, and what a person should know before saying yes."""

    rows: tuple[PlanRow, ...]
    notes: tuple[str, ...] = ()

    def decided(self, decision: Decision) -> tuple[PlanRow, ...]:
        """Return the rows with one decision."""
        return tuple(row for row in self.rows if row.decision is decision)
