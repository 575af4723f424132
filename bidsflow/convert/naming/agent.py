"""Which images a contrast agent was given before, and which runs may be its first passage. Pure.

What the header says of an agent (PS3.3 C.7.6.4) is often typed once for a whole visit, and then says nothing of one
series. It is evidence where it tells series apart: absent or denied before, present from then on.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum, auto

from bidsflow.convert.naming import hintwords, words
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.physics import FEW_VOLUMES
from bidsflow.convert.plan import Decision
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import Kind, sequence_named
from bidsflow.dicom.series import Series

Drafts = list[Draft]

#: What scanners and people write for "no agent".
_DENIED = re.compile(
    r"(?:no|none|non|n|nil|not?[ -].*|non[ -].*|w/?o\b.*|without.*|ohne.*|sans.*|0+(?:[.,]0+)?\s*(?:ml|cc|mmol|l)?|"
    r"n/?a|unknown|unbekannt|false|native?.*|nativ.*|pre\b.*|plain|unenhanced|[-.*?]+)?"
)
#: Names of gadolinium chelates, of products and of molecules.
_GADOLINIUM = re.compile(
    r"gado|gada|(?<![a-z])gd|gad(?![a-z])|dotarem|clariscan|magnevist|magnegita|omniscan|pro-?hance|multi-?hance|"
    r"primovist|eovist|vasovist|ablavar|vueway|elucirem|artirem|cyclolux|dotagraf|dotavision|opti-?mark"
)
_IRON = re.compile(r"ferumoxytol|feraheme|rienso")
#: Suffixes whose contrast an agent changes visibly: there, a wrong name would be a wrong image.
_CHANGED = frozenset({"T1w", "FLAIR", "angio"})
#: From this number on, equal spoiled gradient echoes are phases of one dynamic measurement.
_MANY = 5
#: A first passage is watched for 1 to 2 minutes (ASFNR recommendations, doi:10.3174/ajnr.A4341); seconds.
_PASSAGE = (45.0, 150.0)
#: Sequences that are called after functional imaging (Siemens, UIH).
_FUNCTIONAL = r"bold|fmri"
#: No first passage is sampled faster than this (ms): without multiband, a brain takes a second.
_SHORTEST_TR = 1000.0


class Agent(Enum):
    """What a header says of a contrast agent."""

    SILENT = auto()
    DENIED = auto()
    NAMED = auto()
    GIVEN = auto()


def read_agent(header: Header) -> Agent:
    """Return what a header says of a contrast agent; only enhanced objects say of each image that it was given."""
    administered = header.text("ContrastBolusAgentAdministered")
    if administered in ("YES", "NO"):
        return Agent.GIVEN if administered == "YES" else Agent.DENIED
    if "POST_CONTRAST" in header.words("ImageType") + header.words("FrameType"):
        return Agent.GIVEN
    if "PRE_CONTRAST" in header.words("ImageType") + header.words("FrameType"):
        return Agent.DENIED
    text = header.text("ContrastBolusAgent").strip().lower()
    if not text:
        return Agent.SILENT
    return Agent.DENIED if _DENIED.fullmatch(text) else Agent.NAMED


def shows_agent(series: Series) -> bool | None:
    """Return whether the header or the words of a series say that an agent was given; None where they say nothing."""
    said, (given, without) = read_agent(series.header), hintwords.agent(series)
    if said is Agent.GIVEN or given:
        return True
    if said is Agent.DENIED or without:
        return False
    return True if said is Agent.NAMED else None


def agent_label(header: Header) -> str:
    """Return a label for the agent: its active part where the header says which, else ``contrast``.

    The text of the header itself is free, and never becomes a label.
    """
    text = header.text("ContrastBolusAgent").lower()
    if _GADOLINIUM.search(text):
        return "gadolinium"
    return "ferumoxytol" if _IRON.search(text) else "contrast"


@dataclass(frozen=True, slots=True)
class _Visit:
    """What the agents of all series of a study say together.

    Attributes
    ----------
    tells : bool
        Whether an image without an agent comes before the first with one.
    after : frozenset of str
        SeriesInstanceUIDs of what comes after the first with one.
    began : str
        Time of day of the first series, ``HHMMSS``.
    """

    tells: bool
    after: frozenset[str]
    began: str


def mark_agent(drafts: Drafts) -> Drafts:
    """Name anatomy that was measured after a contrast agent, and doubt what may have been."""
    studies: dict[str, Drafts] = defaultdict(list)
    for draft in drafts:
        studies[draft.series.study_uid].append(draft)
    visits = {study: _sum_up(members) for study, members in studies.items()}
    return [
        _mark(draft, visits[draft.series.study_uid])
        if draft.to_convert and draft.datatype == "anat" and not draft.exact
        else draft
        for draft in drafts
    ]


def _sum_up(drafts: Drafts) -> _Visit:
    """Return what the series of a study say together; localizers, which nobody fills in, do not count."""
    measured = [draft.series for draft in drafts if draft.decision is not Decision.SKIP]
    named = [read_agent(series.header) in (Agent.NAMED, Agent.GIVEN) for series in measured]
    first = named.index(True) if True in named else len(named)
    began = min((draft.series.started for draft in drafts if draft.series.started), default="")
    return _Visit(0 < first < len(named), frozenset(series.uid for series in measured[first:]), began[8:14])


def _mark(draft: Draft, visit: _Visit) -> Draft:
    said, (given, without) = read_agent(draft.series.header), hintwords.agent(draft.series)
    where, changed = words.source(draft.series), draft.suffix in _CHANGED
    if said in (Agent.SILENT, Agent.DENIED):
        denied = "denies one" if said is Agent.DENIED else "names none"
        if given and changed:
            doubt = f"the {where} speaks of a contrast agent ({given}), the header {denied}"
            return draft.decided(Decision.REVIEW, doubt)
        if changed and draft.series.uid in visit.after:
            doubt = f"an earlier series names a contrast agent, and the header of this one {denied}"
            return draft.decided(Decision.REVIEW, doubt)
        return draft
    injected = _injected(draft, visit)
    if injected > draft.series.started[8:14]:
        return draft.noted("the contrast agent that the header names was given later (ContrastBolusStartTime)")
    if without and changed:
        return draft.decided(Decision.REVIEW, f"the header names a contrast agent, the {where} says {without}")
    why = _find_witness(said, visit, injected, given, where)
    if why:
        label = agent_label(draft.series.header)
        what = label if label != "contrast" else "a contrast agent"
        return draft.with_entity("ce", label).noted(f"measured after {what} ({why})")
    if not changed:
        return draft.noted("the header names a contrast agent, which may have been given later")
    doubt = "the header names a contrast agent from the first series on, so it does not tell what was measured after it"
    return draft.decided(Decision.REVIEW, doubt)


def _injected(draft: Draft, visit: _Visit) -> str:
    """Return the time of day of an injection during the visit; one before it was typed when the patient came."""
    match = re.match(r"\d{6}", draft.series.header.text("ContrastBolusStartTime").replace(":", ""))
    known = visit.began and draft.series.started[8:14]
    return match[0] if match and known and match[0] > visit.began else ""


def _find_witness(said: Agent, visit: _Visit, injected: str, given: str, where: str) -> str:
    """Return the clause that shows that an image was measured after the agent, ``""`` where nothing shows it."""
    if said is Agent.GIVEN:
        return "the header says of the image itself that it was given"
    if injected:
        return "ContrastBolusStartTime"
    if visit.tells:
        return "ContrastBolusAgent, which earlier series lack"
    return f"ContrastBolusAgent, and the {where} says {given}" if given else ""


def doubt_passage(drafts: Drafts) -> Drafts:
    """Set runs before a person that may watch the first passage of a contrast agent, and that no word calls functional.

    Gradient-echo EPI with many volumes is both; perfusion (DSC) is short, and its agent may stand in the header.
    """
    return [_doubt_passage(draft) if _may_be_passage(draft) else draft for draft in drafts]


def _may_be_passage(draft: Draft) -> bool:
    if not draft.to_convert or draft.exact or draft.suffix != "bold" or draft.image.volumes <= FEW_VOLUMES:
        return False
    return "bold" not in hintwords.hinted(draft.series) and "FMRI" not in draft.image.header.words("ImageType")


def _doubt_passage(draft: Draft) -> Draft:
    header, where = draft.series.header, words.source(draft.series)
    silent = f"no word of the {where} calls it functional"
    if read_agent(header) in (Agent.NAMED, Agent.GIVEN):
        return draft.decided(
            Decision.REVIEW, f"the header names a contrast agent, and {silent}: perhaps perfusion (DSC)"
        )
    if sequence_named(header, _FUNCTIONAL):
        return draft
    seconds = draft.image.volumes * header.number("RepetitionTime") / 1000
    if _PASSAGE[0] <= seconds <= _PASSAGE[1] and header.number("RepetitionTime") >= _SHORTEST_TR:
        said = f"it lasts {seconds:.0f} s, as the first passage of a contrast agent (DSC) does, and {silent}"
        return draft.decided(Decision.REVIEW, said)
    return draft


def doubt_dynamics(drafts: Drafts) -> Drafts:
    """Set spoiled gradient echoes before a person that are repeated so often that they watch an agent arrive (DCE)."""
    counts = Counter(_dynamic_key(draft) for draft in drafts if _is_spoiled(draft))
    return [
        draft.decided(
            Decision.REVIEW, f"measured {counts[_dynamic_key(draft)]} times alike, as phases of a dynamic are"
        )
        if _is_spoiled(draft) and counts[_dynamic_key(draft)] >= _MANY
        else draft
        for draft in drafts
    ]


def _is_spoiled(draft: Draft) -> bool:
    return (
        draft.to_convert
        and not draft.exact
        and draft.finding.kind is Kind.T1W
        and draft.image.component == "magnitude"
        and not draft.series.header.number("InversionTime")
        and draft.series.header.text("MRAcquisitionType") == "3D"
    )


def _dynamic_key(draft: Draft) -> Hashable:
    header = draft.series.header
    same = ("RepetitionTime", "FlipAngle", "MRAcquisitionType")
    return draft.geometry, draft.image.echo_time, tuple(header.text(keyword) for keyword in same)
