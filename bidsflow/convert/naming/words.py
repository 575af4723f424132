"""What the words say that people typed: names after ReproIn, task labels, hints. Pure.

Words never decide against physics. They name what physics cannot know (the task), and confirm or doubt the rest.
Source of the grammar: the ReproIn convention (doi:10.5281/zenodo.1218250), as implemented by heudiconv's
``heuristics/reproin.py``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bidsflow.dicom.series import Patient, Series
from bidsflow.names import to_label

_REPROIN = re.compile(
    r"(?:[^:]*:)?(?:WIP )?(?P<datatype>anat|func|fmap|dwi|perf)(?:-(?P<suffix>[A-Za-z0-9]+))?"
    r"(?P<entities>(?:_[a-z]+(?:-[A-Za-z0-9]+|[+=]))*)(?:__.*)?(?:_SBRef|_ND|_NORM|_Pha|_MPR\w*)?"
)
_KEYS = frozenset({"ses", "task", "acq", "ce", "rec", "dir", "run", "mod", "echo", "part", "recording", "proc", "inv"})
#: Suffix that a datatype stands for where ReproIn names none.
_DEFAULT_SUFFIX = {"func": "bold", "dwi": "dwi"}

_TASK = re.compile(r"task[-_ ]?([A-Za-z0-9]+)", re.IGNORECASE)
_REST = re.compile(
    r"(?<![a-z])(?:rest(?:ing)?(?:[-_ ]?state)?|rs[-_ ]?f?mri|rsbold|rest[-_ ]?f?mri)(?![a-z])", re.IGNORECASE
)
_GENERIC = re.compile(
    r"(?:bold|b?fmri|func|functional|epi|ep2d|ge|se|gre|fid|cmrr|mbep2d|mb\d*|sms\d*|me|iso|moco|wip|pe|dir|ap|pa|lr|rl|"
    r"sbref|run\d*|ax|axial|tra|trans|cor|sag|mag|pha|phase|e\d+|p\d+|s\d+|\d+|\d*p?\d*mm|\d+iso|tr\d*|te\d*|"
    r"\d+vols?|\d+dyn|fast|single|band|multi|multiband|multiecho|echo|3t|7t|new|old|copy)",
    re.IGNORECASE,
)

#: Words that hint at a suffix. They confirm, they never decide.
_HINTS: tuple[tuple[str, str], ...] = (
    ("T1w", r"t1|mprage|mp[-_ ]?rage|bravo|spgr|tfl"),
    ("T2w", r"t2(?!\s*\*|[-_ ]?star|[-_ ]?flair)|cube|space"),
    ("FLAIR", r"flair|dark[-_ ]?fluid"),
    ("PDw", r"\bpd\b|proton"),
    ("bold", r"bold|fmri|f-mri|func|rest|task"),
    ("dwi", r"dwi|dti|diff|dsi|noddi|hardi"),
    ("fmap", r"field[-_ ]?map|fmap|b0[-_ ]?map|topup|distort|pepolar|spin[-_ ]?echo[-_ ]?field|blip"),
    ("asl", r"asl|perf"),
    ("localizer", r"local[iz]|scout|survey|plan|3[-_ ]?plane"),
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
    """

    datatype: str
    suffix: str
    entities: tuple[tuple[str, str], ...]
    text: str


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
    pairs = []
    for piece in filter(None, match["entities"].split("_")):
        key, _, value = piece.rstrip("+=").partition("-")
        if key not in _KEYS:
            return None
        if value and key != "ses":
            pairs.append((key, value))
    if len({key for key, _ in pairs}) != len(pairs):
        return None
    suffix = match["suffix"] or _DEFAULT_SUFFIX.get(match["datatype"], "")
    return Given(match["datatype"], suffix, tuple(pairs), text.strip())


def given_name(series: Series) -> Given | None:
    """Return the name that a series' protocol gives in full."""
    return read_reproin(series.protocol_name) or read_reproin(series.description)


def is_reference(series: Series) -> bool:
    """Return whether the words call a series the single-band reference of another."""
    text = f"{series.description} {series.header.text('ImageComments')}".lower()
    return "sbref" in text or "single-band reference" in text or "single band reference" in text


def hinted(series: Series) -> frozenset[str]:
    """Return the suffixes that the words of a series hint at."""
    text = _words(series).lower().replace("_", " ")
    return frozenset(suffix for suffix, pattern in _HINTS if re.search(pattern, text))


def direction(series: Series) -> str:
    """Return the phase-encoding direction that the words name, ``""`` where they name none."""
    match = re.search(r"(?<![A-Za-z])(AP|PA|LR|RL|HF|FH|SI|IS)(?![A-Za-z])", _words(series).replace("_", " "))
    return {"SI": "HF", "IS": "FH"}.get(match[1], match[1]) if match else ""


def task_label(series: Series) -> tuple[str, str]:
    """Return the task's label, and a clause on where it comes from.

    Nothing is invented: where no task is named, the label repeats what is left of the description, or its own word
    for functional imaging.
    """
    text = _without_person(_words(series), series.patient)
    named = _TASK.search(text)
    if named and not _GENERIC.fullmatch(named[1]):
        return to_label(named[1]), f"the description names the task {named[1]}"
    if _REST.search(text.replace("_", " ")):
        return "rest", "the description says rest"
    pieces = [piece for piece in re.split(r"[^A-Za-z0-9]+", text) if piece]
    left = [piece for piece in pieces if not _GENERIC.fullmatch(piece)]
    label = to_label(" ".join(left))
    if label:
        return label[0].lower() + label[1:], "no task is named: the label repeats the description"
    generic = next((p for p in pieces if p.lower() in ("fmri", "bold", "func", "epi")), "bold")
    return generic.lower(), "no task is named: the label repeats the description's own word"


def _words(series: Series) -> str:
    return series.description or series.protocol_name


def _without_person(text: str, patient: Patient) -> str:
    """Return a text without the patient's name and ID, which people do type into descriptions."""
    for part in (*patient.name.split(), *re.split(r"[^A-Za-z0-9]+", patient.id)):
        if (len(part) > 2 and not part.isdigit()) or len(part) > 4:
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(part)}(?![A-Za-z0-9])", " ", text, flags=re.IGNORECASE)
    return text
