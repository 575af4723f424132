"""What the words say that people typed: names after ReproIn, task labels, hints. Pure.

Words never decide against physics. They name what physics cannot know (the task), and confirm or doubt the rest.
Source of the grammar: the ReproIn convention (doi:10.5281/zenodo.1218250), as implemented by heudiconv's
``heuristics/reproin.py``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bidsflow.dicom.series import Patient, Series
from bidsflow.names import ENTITY_ORDER, to_label

_REPROIN = re.compile(
    r"(?:[^:]*:)?(?:WIP )?(?P<datatype>anat|func|fmap|dwi|perf)(?:-(?P<suffix>[A-Za-z0-9]+))?"
    r"(?P<entities>(?:_[a-z]+(?:-[A-Za-z0-9]+|[+=]))*)(?:__.*)?(?:_SBRef|_ND|_NORM|_Pha|_MPR\w*)*"
)
_SESSION = re.compile(
    r"(?:[^:]*:)?(?:WIP )?(?:anat|func|fmap|dwi|perf)(?:-[A-Za-z0-9]+)?(?:_[a-z]+(?:-[A-Za-z0-9]+|[+=]))*?"
    r"_ses-([A-Za-z0-9]+)"
)
_KEYS = frozenset(ENTITY_ORDER) - {"sub"}
#: Suffix that a datatype stands for where ReproIn names none.
_DEFAULT_SUFFIX = {"func": "bold", "dwi": "dwi"}

_TASK = re.compile(r"(?<![A-Za-z])task[-_ ]?([A-Za-z0-9]+)", re.IGNORECASE)
_REST = re.compile(
    r"(?<![a-z])(?:rest(?:ing)?(?:[-_ ]?state)?|rs[-_ ]?f?mri|rs[-_ ]?bold|rest[-_ ]?f?mri)(?![a-z])", re.IGNORECASE
)
#: Words of a description that are about the measurement, not about the task.
_GENERIC = re.compile(
    r"(?:bold|[a-z]?fmri|fmrt|irmf|func|functional|epi|ep2d|ge|se|gre|fe|fid|cmrr|mbep2d|mb\d*|sms\d*|me|iso|moco|wip|pe|"
    r"dir|ap|pa|lr|rl|task|sbref|run\d*|ax|axial|tra|trans|cor|sag|mag|pha|phase|e\d+|p\d+|s\d+|\d+|\d*p?\d*mm|\d+iso|"
    r"tr\d*|te\d*|\d+vols?|\d+dyn|fast|single|band|multi|multiband|multiecho|echo|3t|7t|new|old|copy)",
    re.IGNORECASE,
)

#: Words that hint at a suffix. They confirm or doubt, they never decide. Underscores of a text are blanks.
_HINTS: tuple[tuple[str, str], ...] = (
    ("T1w", r"(?<![a-z])(?:3d)?t1(?!\d)|mp[- ]?rage|bravo|spgr|(?<![a-z])tfl|(?<![a-z])vibe"),
    ("T2w", r"(?<![a-z])(?:3d)?t2(?!\s*\*|[- ]?star|[- ]?flair|\d)|(?<![a-z])cube|(?<![a-z])space"),
    ("FLAIR", r"flair|dark[- ]?fluid"),
    ("PDw", r"(?<![a-z])pdw?(?![a-z])|proton"),
    ("T2starw", r"t2\s*\*|t2[- ]?star|h(?:a?e)mo|(?<![a-z])(?:swi|swan|medic|merge|qsm)(?![a-z])"),
    ("bold", r"bold|fmri|f-mri|fmrt|irmf|(?<![a-z])func|(?<![a-z])rest(?![a-z])|(?<![a-z])task"),
    ("dwi", r"dwi|dti|dmri|diff|(?<![a-z])dsi|noddi|hardi"),
    ("fmap", r"field[- ]?map|fmap|b0[- ]?map|top[- ]?up|distort|pepolar|blip|(?<![a-z])rev(?:ersed?)?(?![a-z])"),
)
#: Words for measurements that look like one with a name here, and are another. The first is what people read.
_LOOK_ALIKES: tuple[tuple[str, str], ...] = (
    ("localizer", r"local[iz]|lokali|scout|survey|(?<![a-z])3[- ]?pl(?:ane|n)?(?![a-z])|rep[eé]rage"),
    ("calibration", r"(?<![a-z])cal(?:ib\w*)?(?![a-z])|coil[- ]?survey|ref[- ]?scan|sense[- ]?ref|ref[- ]?sense"),
    ("perfusion", r"perf(?!orm)|(?<![a-z])(?:dsc|dce|pwi)(?![a-z])|(?<![a-z])p?c?asl(?![a-z])"),
    ("angiography", r"(?<![a-z])(?:tof|mra|mrv|angio\w*|venogr\w*)(?![a-z])"),
    ("double inversion", r"(?<![a-z])dir(?![-a-z0-9])|double inversion"),
    ("MP2RAGE", r"mp2rage|(?<![a-z])inv[- ]?[12](?!\d)|(?<![a-z])uni(?: images)?$"),
    ("magnetization transfer", r"(?<![a-z])mt(?:on|off|c|r|w|sat)?(?![a-z])"),
    ("B1 map", r"(?<![a-z])b1(?!\d)"),
    ("water and fat", r"dixon|(?<![a-z])(?:in|out|opp(?:osed)?)[- ]?(?:of[- ]?)?ph(?:ase)?(?![a-z])"),
    ("a map of diffusion", r"(?<![a-z])(?:e?adc|fa|tracew?)(?![a-z])|apparent diff|anisotrop"),
)


@dataclass(frozen=True, slots=True)
class Given:
    """A name that the protocol gives in full, after ReproIn.

    Attributes
    ----------
    datatype, suffix : str
        `suffix` is ``""`` where the name leaves it open.
    entities : tuple of (str, str)
        Without subject and session; ``run+`` counts as no run, since runs are numbered by time.
    text : str
        The name as it was typed.
    session : str
        Label of the session, ``""`` where the name has none.
    """

    datatype: str
    suffix: str
    entities: tuple[tuple[str, str], ...]
    text: str
    session: str = ""


def read_reproin(text: str) -> Given | None:
    """Return the parts of a name after ReproIn; None where a text is none.

    Examples
    --------
    >>> read_reproin("func-bold_task-fa_run-1").entities
    (('task', 'fa'), ('run', '1'))
    >>> read_reproin("ep2d_bold_task") is None
    True
    """
    match = _REPROIN.fullmatch(text.strip())
    if match is None or not (match["suffix"] or match["entities"]):
        return None
    pairs, session = [], ""
    for piece in filter(None, match["entities"].split("_")):
        key, _, value = piece.rstrip("+=").partition("-")
        if key not in _KEYS:
            return None
        if key == "ses":
            session = value
        elif value:
            pairs.append((key, value))
    if len({key for key, _ in pairs}) != len(pairs):
        return None
    suffix = match["suffix"] or _DEFAULT_SUFFIX.get(match["datatype"], "")
    return Given(match["datatype"], suffix, tuple(pairs), text.strip(), session)


def given_name(series: Series) -> Given | None:
    """Return the name that a series' protocol gives in full."""
    return read_reproin(series.protocol_name) or read_reproin(series.description)


def given_sessions(series: Sequence[Series]) -> dict[str, str]:
    """Return the session labels that protocols give, by StudyInstanceUID.

    ReproIn names the session in one series, mostly the localizer, and means the whole visit. Where the series of a
    study name several, or a label holds the person's name, none is taken.
    """
    named: dict[str, set[str]] = defaultdict(set)
    for one in series:
        for text in (one.protocol_name, one.description):
            match = _SESSION.match(text.strip())
            if match and not names_person((match[1],), one.patient):
                named[one.study_uid].add(match[1])
    return {study: labels.pop() for study, labels in named.items() if len(labels) == 1}


def is_reference(series: Series) -> bool:
    """Return whether the words call a series the single-band reference of another."""
    text = f"{series.description} {series.header.text('ImageComments')}".lower().replace("-", " ")
    return "sbref" in text or "single band reference" in text


def hinted(series: Series) -> dict[str, str]:
    """Return the suffixes that the words of a series hint at, each with the word that does."""
    return _find(_HINTS, series)


def look_alikes(series: Series) -> dict[str, str]:
    """Return the measurements without a name here that the words of a series hint at, each with the word that does."""
    return _find(_LOOK_ALIKES, series)


def _find(patterns: tuple[tuple[str, str], ...], series: Series) -> dict[str, str]:
    text = _words(series).lower().replace("_", " ")
    found = ((name, re.search(pattern, text)) for name, pattern in patterns)
    return {name: match[0].strip() for name, match in found if match}


def direction(series: Series) -> str:
    """Return the phase-encoding direction that the words name, ``""`` where they name none, or two."""
    found = set(re.findall(r"(?<![A-Za-z])(AP|PA|LR|RL|HF|FH|SI|IS)(?![A-Za-z])", _words(series).replace("_", " ")))
    one = found.pop() if len(found) == 1 else ""
    return {"SI": "HF", "IS": "FH"}.get(one, one)


def task_label(series: Series) -> tuple[str, str]:
    """Return the task's label, and a clause on where it comes from.

    Nothing is invented: where no task is named, the label repeats what is left of the words, or their own word for
    functional imaging.
    """
    text, where = _without_person(_words(series), series.patient), source(series)
    named = _TASK.search(text)
    if named and not _GENERIC.fullmatch(named[1]):
        return to_label(named[1]), f"the {where} names the task {named[1]}"
    if _REST.search(text.replace("_", " ")):
        return "rest", f"the {where} says rest"
    pieces = [piece for piece in re.split(r"[^A-Za-z0-9]+", text) if piece]
    label = to_label(" ".join(piece for piece in pieces if not _GENERIC.fullmatch(piece)))
    if label:
        label = label if label[:2].isupper() else label[0].lower() + label[1:]
        return label, f"no task is named: the label repeats the {where}"
    generic = next((p.lower() for p in pieces if p.lower() in ("fmri", "bold", "func", "epi")), "")
    if generic:
        return generic, f"no task is named: the label repeats the {where}'s own word"
    return "bold", "no task is named, nor anything else that could be a label"


def source(series: Series) -> str:
    """Return which words of a series are looked at, as people call them."""
    return "description" if series.description else "protocol name"


def _words(series: Series) -> str:
    return series.description or series.protocol_name


def _without_person(text: str, patient: Patient) -> str:
    """Return a text without the patient's name and ID, which people do type into descriptions."""
    for part in (*patient.name.split(), *re.split(r"[^A-Za-z0-9]+", patient.id)):
        if (len(part) > 2 and not part.isdigit()) or len(part) > 4:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(part)}(?![A-Za-z0-9])", " ", text, flags=re.IGNORECASE)
    return text


def names_person(labels: Iterable[str], patient: Patient) -> bool:
    """Return whether a label holds what names a patient: as a whole from three letters on, as a part from four.

    Numbers count from five digits on: shorter ones are runs and b-values.
    """
    parts = {part.lower() for part in re.findall(r"[0-9A-Za-z]+", f"{patient.name} {patient.id}")}
    telling = [part for part in parts if len(part) > (4 if part.isdecimal() else 2)]
    folded = [label.lower() for label in labels]
    return any(part == label or (len(part) > 3 and part in label) for part in telling for label in folded)
