"""A draft: one image on its way to a name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import Finding
from bidsflow.dicom.series import Image, Series
from bidsflow.names import order_entities

#: Below this confidence a person has to look.
ENOUGH = 0.6


@dataclass(frozen=True, slots=True)
class Draft:
    """One image with what is known of its name so far.

    Attributes
    ----------
    series, image : Series, Image
        Where it comes from.
    rank : int
        Rank of the image in its series, from 1.
    finding : Finding
        What the physics say.
    decision : Decision
        ``convert`` until something speaks against it.
    datatype, suffix : str
        ``""`` where unknown.
    entities : tuple of (str, str)
        Without subject and session.
    confidence : float
        Between 0 and 1.
    evidence : tuple of str
        Clauses, the deciding one first.
    exact : bool
        True where the name was given by the protocol in full (ReproIn), so that no entity is added or changed.
    field : str
        Label of the B0 field that the image measures.
    corrected_by : str
        Label of the B0 field that corrects the image.
    """

    series: Series
    image: Image
    rank: int
    finding: Finding
    decision: Decision = Decision.CONVERT
    datatype: str = ""
    suffix: str = ""
    entities: tuple[tuple[str, str], ...] = ()
    confidence: float = 0.0
    evidence: tuple[str, ...] = ()
    exact: bool = False
    field: str = ""
    corrected_by: str = ""

    def entity(self, key: str) -> str:
        """Return the value of an entity, ``""`` where there is none."""
        return dict(self.entities).get(key, "")

    def named(self, datatype: str, suffix: str, confidence: float, *because: str) -> Draft:
        """Return the draft with a name, and why."""
        return replace(
            self, datatype=datatype, suffix=suffix, confidence=confidence, evidence=(*self.evidence, *because)
        )

    def with_entity(self, key: str, value: str) -> Draft:
        """Return the draft with one entity set, or taken away by ``""``."""
        kept = tuple(pair for pair in self.entities if pair[0] != key)
        return replace(self, entities=order_entities((*kept, (key, value)) if value else kept))

    def decided(self, decision: Decision, *because: str) -> Draft:
        """Return the draft with another decision, and why; the reason leads the evidence."""
        return replace(self, decision=decision, evidence=(*because, *self.evidence))

    def noted(self, *because: str) -> Draft:
        """Return the draft with more evidence."""
        return replace(self, evidence=(*self.evidence, *because))

    @property
    def to_convert(self) -> bool:
        """Whether the image is to become a file."""
        return self.decision is Decision.CONVERT

    @property
    def is_epi_run(self) -> bool:
        """Whether the image is a series of volumes that field maps correct."""
        return self.to_convert and self.suffix in ("bold", "dwi", "sbref", "cbv")
