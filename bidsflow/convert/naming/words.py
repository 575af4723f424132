"""The words that people typed for a series, and what is about the measurement in them. Pure.

Words never decide against physics. They name what physics cannot know (the task), and confirm or doubt the rest.
"""

from __future__ import annotations

import re

from bidsflow.dicom.series import Series

#: Labels of phase encoding that name a course in the patient; others (``fwd``) are free to the protocol.
DIRECTIONS = frozenset({"AP", "PA", "LR", "RL", "HF", "FH"})
#: Words of a description that are about the measurement, not about the task.
_GENERIC = re.compile(
    r"(?:bold|[a-z]?fmri|fmrt|irmf|func|functional|epi|ep2d|ge|se|gre|fe|fid|cmrr|mbep2d|mb\d*|sms\d*|me|iso|moco|wip|"
    r"pe|dir|ap|pa|lr|rl|tasks?|sbref|(?:run|lauf|durchgang)\d*|ax|axial|tra|trans|cor|sag|mag|pha|phase|e\d+|p\d+|"
    r"s\d+|\d+|\d*p?\d*mm|\d+iso|"
    r"tr\d*|te\d*|fov\d*|\d+vols?|\d+dyn|fast|single|band|multi|multiband|multiecho|echo|3t|7t|new|old|copy)",
    re.IGNORECASE,
)
#: How people number runs.
_RUN = re.compile(r"(?<![a-z])(?:run|lauf|durchgang)[-_ #]?(\d{1,2})(?!\d)")
#: Words for the kind of a measurement, which a reference and its run do not share.
_KINDS = re.compile(
    r"sbref|single[-_ ]?band|(?<![a-z])(?:sb|ref(?:erence)?|bold|cbv|epi|dwi|dti|dmri|diff|func|fmri)(?![a-z])"
)


def is_reference(series: Series) -> bool:
    """Return whether the words call a series the single-band reference of another."""
    text = f"{series.description} {series.header.text('ImageComments')}".lower().replace("-", " ")
    return "sbref" in text or "single band reference" in text


def words_but_kind(series: Series) -> tuple[str, ...]:
    """Return the words of a series' name, in small letters, without those for its kind.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "", "func-SBRef_task-rest", "", (), (), Header())
    >>> words_but_kind(named)
    ('task', 'rest')
    """
    text = (series.protocol_name or series.description).lower()
    return tuple(re.findall(r"[^\W_]+", _KINDS.sub(" ", text)))


def drop_correction(name: str) -> str:
    """Return the name of a protocol without the words that scanners add to copies that are corrected for motion.

    Examples
    --------
    >>> drop_correction("epi_bold_rest_MOCO"), drop_correction("MoCoSeries")
    ('epi_bold_rest', '')
    """
    return re.sub(r"[-_ ]*(?:mo[-_]?co|motion[-_ ]?corr[a-z]*)(?:[-_ ]?series)?", "", name.strip(), flags=re.IGNORECASE)


def run_number(series: Series) -> int | None:
    """Return the number of the run that the words name, None where they name none, or two.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "task-stop_run-02", "", "", (), (), Header())
    >>> run_number(named)
    2
    """
    found = {int(text) for text in _RUN.findall(typed(series).lower())}
    return found.pop() if len(found) == 1 else None


def direction(series: Series) -> str:
    """Return the phase-encoding direction that the words name, ``""`` where they name none, or two."""
    found = set(re.findall(r"(?<![A-Za-z])(AP|PA|LR|RL|HF|FH|SI|IS)(?![A-Za-z])", typed(series).replace("_", " ")))
    one = found.pop() if len(found) == 1 else ""
    return {"SI": "HF", "IS": "FH"}.get(one, one)


def is_generic(piece: str) -> bool:
    """Return whether a word of a description is about the measurement, not about the task."""
    return bool(_GENERIC.fullmatch(piece))


def protocol(series: Series) -> str:
    """Return the name of a series' protocol, its description where anonymisation took that."""
    return series.protocol_name or series.description


def source(series: Series) -> str:
    """Return which words of a series are looked at, as people call them."""
    return "description" if series.description else "protocol name"


def typed(series: Series) -> str:
    """Return what was typed for a series: its description, else the name of its protocol."""
    return series.description or series.protocol_name
