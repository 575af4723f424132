"""A draft: one image on its way to a name."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bidsflow.convert.plan import Decision
from bidsflow.convert.study.spec import Rule
from bidsflow.dicom.physics import Finding, Kind
from bidsflow.dicom.series import Image, Series
from bidsflow.names import order_entities

#: Below this confidence a person has to look. It lies between `physics.WEAK` and `physics.FAIR`: what fits several
#: measurements needs a second witness, what fits one goes.
ENOUGH = 0.6
#: What agreeing words add: enough to carry a weak finding.
AGREEMENT = 0.15
#: What contradicting words take: a tag of its own (`CERTAIN`) stands against them, parameters alone do not.
CONTRADICTION = 0.3
#: What is left of the confidence in an image that the scanner calls derived.
DERIVED = 0.8
#: A name that the protocol gives in full, confirmed by physics; and one that no physics speak for.
GIVEN, GIVEN_ONLY = 0.98, 0.7

#: Kinds that are read out by EPI.
PLANAR = frozenset({Kind.GRADIENT_EPI, Kind.SPIN_EPI, Kind.DIFFUSION, Kind.EPI})


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
        True where the protocol (ReproIn) or a study specification gives the name in full: no label of it is changed,
        and only what tells images of one name apart is added (echo, part, rec, run).
    direction : str
        Where phase encoding runs to (``AP``, ...), whether the name says so or not; ``""`` where unknown.
    measurement : str
        SeriesInstanceUID of the series whose run the image shares: phases share that of their magnitudes, references
        that of their run, echoes that of the first. The image's own series where it shares none.
    field : str
        Label of the B0 field that the image measures.
    corrected_by : str
        Label of the B0 field that corrects the image.
    rule : Rule or None
        What the study specification says of the image.
    repeat : str
        What the plan says of a run that was stopped or is short, and of what was measured again; ``""`` for others.
    against : str
        What speaks against the name that a study gives, ``""`` where nothing does.
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
    direction: str = ""
    measurement: str = ""
    field: str = ""
    corrected_by: str = ""
    rule: Rule | None = None
    repeat: str = ""
    against: str = ""

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

    def without(self, *keys: str) -> tuple[tuple[str, str], ...]:
        """Return the entities but for some."""
        return tuple(pair for pair in self.entities if pair[0] not in keys)

    def decided(self, decision: Decision, *because: str) -> Draft:
        """Return the draft with another decision, and why; the reason leads the evidence."""
        return replace(self, decision=decision, evidence=(*because, *self.evidence))

    def noted(self, *because: str) -> Draft:
        """Return the draft with more evidence."""
        return replace(self, evidence=(*self.evidence, *because))

    def sure(self, confidence: float, *because: str) -> Draft:
        """Return the draft with another confidence, and why."""
        return replace(self, confidence=confidence, evidence=(*self.evidence, *because))

    @property
    def geometry(self) -> tuple[object, ...]:
        """What images of one geometry have in common: matrix and orientation."""
        return self.image.matrix, tuple(round(value, 1) + 0.0 for value in self.image.orientation)

    @property
    def home(self) -> str:
        """SeriesInstanceUID of the image's own series, of the first echo where echoes are series of their own."""
        return self.series.measurement or self.series.uid

    @property
    def to_convert(self) -> bool:
        """Whether the image is to become a file."""
        return self.decision is Decision.CONVERT

    @property
    def is_planar(self) -> bool:
        """Whether the image was read out by EPI."""
        return self.finding.kind in PLANAR

    @property
    def is_epi_run(self) -> bool:
        """Whether the image is a series of volumes that field maps correct."""
        return self.to_convert and self.suffix in ("bold", "dwi", "sbref", "cbv")

    @property
    def has_time(self) -> bool:
        """Whether the moment of the measurement is known, which anonymisation sets to midnight or takes away."""
        return bool(self.series.started[8:].strip("0."))
