"""What the words of a series hint at: contrasts, agents, parts of the body, and what looks alike. Pure."""

from __future__ import annotations

import re

from bidsflow.convert.naming import words
from bidsflow.dicom.series import Series
from bidsflow.dicom.tags import find_maker

#: Words that hint at a suffix. They confirm or doubt, they never decide. Underscores of a text are blanks.
_HINTS: tuple[tuple[str, str], ...] = (
    ("T1w", r"(?<![a-z])(?:3d)?t1(?!\d)|mp[- ]?rage|bravo|spgr|(?<![a-z])tfl|(?<![a-z])vibe"),
    ("T2w", r"(?<![a-z])(?:3d)?t2(?!\s*\*|[- ]?star|[- ]?flair|\d)|(?<![a-z])cube|(?<![a-z])space"),
    ("FLAIR", r"flair|dark[- ]?fluid"),
    ("PDw", r"(?<![a-z])pdw?(?![a-z])|proton"),
    ("T2starw", r"t2\s*\*|t2[- ]?star|h(?:a?e)mo|(?<![a-z])(?:swip?|swan|medic|merge|qsm)(?![a-z])|(?<![a-z])m-?ffe"),
    ("bold", r"bold|fmri|f-mri|fmrt|irmf|(?<![a-z])func|(?<![a-z])rest(?![a-z])|(?<![a-z])task"),
    ("dwi", r"dwi(?!d)|dti|dmri|diff(?!ic|er)|(?<![a-z])dsi|noddi|hardi"),
    ("fmap", r"field[- ]?map|fmap|b0[- ]?map|top[- ]?up|distort|pepolar|blip|(?<![a-z])(?:fm|rev(?:ersed?)?)(?![a-z])"),
)
#: Words for measurements that look like one with a name here, and are another. The first is what people read.
_LOOK_ALIKES: tuple[tuple[str, str], ...] = (
    (
        "localizer",
        r"local[iz]|lokali|scout|survey|smart ?(?:brain|exam)|(?<![a-z])3[- ]?pl(?:ane|n)?(?![a-z])|rep[eé]rage",
    ),
    ("calibration", r"(?<![a-z])cal(?:ib\w*)?(?![a-z])|coil[- ]?survey|ref[- ]?scan|sense[- ]?ref|ref[- ]?sense"),
    (
        "perfusion",
        r"(?<![a-z])perf(?![a-z])|perfu[szx]|(?<![a-z])(?:dsc|dce|pwi|r?cbf)(?![a-z])|(?<![a-z])p?c?asl(?![a-z])",
    ),
    ("angiography", r"(?<![a-z])(?:tof|mra|mrv|angio\w*|venogr\w*)(?![a-z])"),
    ("double inversion", r"(?<![a-z])dir(?![-a-z0-9])|double inversion"),
    ("MP2RAGE", r"mp2rage|(?<![a-z])inv[- ]?[12](?!\d)|(?<![a-z])uni(?: images)?$"),
    ("magnetization transfer", r"(?<![a-z])mt(?:on|off|c|r|w|sat)?(?![a-z])"),
    ("B1 map", r"(?<![a-z])b1(?!\d)"),
    ("water and fat", r"dixon|(?<![a-z])(?:in|out|opp(?:osed)?)[- ]?(?:of[- ]?)?ph(?:ase)?(?![a-z])"),
    ("nulled white matter", r"fgatir|(?<![a-z])wmn"),
    ("magnetization of amides", r"(?<![a-z])(?:aptw?|cest)(?![a-z])"),
    ("a map of diffusion", r"(?<![a-z])(?:e?adc|fa|tracew?)(?![a-z])|apparent diff|anisotrop"),
)
#: Words for measurements before and after a contrast agent (KM: Kontrastmittel).
_WITHOUT_AGENT = re.compile(
    r"(?:no|non|without|w/?o|ohne|sans|senza|sin)[-. ]?(?:gd|gad\w*|contrast\w*|km|kontrast\w*|c|iv)(?![a-z])"
    r"|(?<![a-z])(?:pre|nativ\w*|unenhanced|plain|blanc)(?![a-z])|(?<![a-z])c-(?![a-z0-9])|-c(?![a-z0-9])"
)
_WITH_AGENT = re.compile(
    r"(?<![a-z])(?:post|gd|gad|gado\w*|contrast\w*|enhanced|inject\w*|km|mdc|ce)(?![a-z])"
    r"|\+ ?(?:c|gd|gad|km|contrast|k)(?![a-z])|(?<![a-z])c ?\+"
)
#: Words for parts of the body that are not the head. A hand or a foot in a task is none.
_BODY = re.compile(
    r"(?<![a-z])(?:knee|knie|genou|hip|ankle|foot|shoulder|schulter|elbow|wrist|hand|finger|femur|thigh|calf|"
    r"abdomen|abdominal|liver|leber|kidney|renal|pancreas|mrcp|pelvis|pelvic|prostate|uterus|rectum|bladder|"
    r"breast|mamma|cardiac(?![- ]?(?:gat|trig))|heart|myocard\w*|thorax|chest|"
    r"(?:[ctls]|lumbar|cervical|thoracic|sacral|whole)?[- ]?(?:spine|wirbels\w*)|lws|bws|hws|rachis|"
    r"spinal cord|myelo\w*|lumbar|cervical|thoracic|sacrum)(?![a-z])"
)
_BRAIN = re.compile(r"brain|(?<![a-z])head(?!neck)|sch[aä]del|cereb|hirn|cr[aâ]ne|enc[eé]phal|hippocamp|neuro|cranium")


def hinted(series: Series) -> dict[str, str]:
    """Return the suffixes that the words of a series hint at, each with the word that does.

    Where the description hints at nothing, the name of the protocol may (GE's is that of the whole examination).
    """
    return _find(_HINTS, words.typed(series)) or _find(_HINTS, _other_words(series))


def hint_source(series: Series) -> str:
    """Return which words of a series hint at a suffix, as people call them."""
    found = _find(_HINTS, words.typed(series))
    return "protocol name" if not found and _find(_HINTS, _other_words(series)) else words.source(series)


def _other_words(series: Series) -> str:
    whole = find_maker(series.header.text("Manufacturer")) == "GE"
    return "" if whole or not series.description else series.protocol_name


def look_alikes(series: Series) -> dict[str, str]:
    """Return the measurements without a name here that the words of a series hint at, each with the word that does."""
    return _find(_LOOK_ALIKES, words.typed(series))


def _find(patterns: tuple[tuple[str, str], ...], text: str) -> dict[str, str]:
    text = text.lower().replace("_", " ")
    found = ((name, re.search(pattern, text)) for name, pattern in patterns)
    return {name: _quote(text, match) for name, match in found if match}


def _quote(text: str, match: re.Match[str]) -> str:
    """Return what was found in a text with the rest of the words in which it begins and ends."""
    letters = r"[^\W\d_]*"
    head, tail = re.search(rf"{letters}\Z", text[: match.start()]), re.match(letters, text[match.end() :])
    return f"{head[0] if head else ''}{match[0]}{tail[0] if tail else ''}".strip()


def agent(series: Series) -> tuple[str, str]:
    """Return the words of a series for a contrast agent: those that say it was given, and those that say it was not.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "Ax T1 +C", "", "", (), (), Header())
    >>> agent(named)
    ('+c', '')
    """
    text = words.typed(series).lower().replace("_", " ")
    without = _WITHOUT_AGENT.search(text)
    given = _WITH_AGENT.search(_WITHOUT_AGENT.sub(" ", text))
    return given[0].strip() if given else "", without[0].strip() if without else ""


def names_labelling(series: Series) -> str:
    """Return the word of a series for arterial spin labelling, ``""`` where none stands.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "WIP SOURCE - pCASL", "", "", (), (), Header())
    >>> names_labelling(named), names_m0(named)
    ('pcasl', '')
    """
    return _match(r"(?<![a-z])(?:ve)?p?c?asl(?![a-z])|(?:arterial )?spin[- ]?label+ing", series)


def names_m0(series: Series) -> str:
    """Return the word of a series for a calibration scan of arterial spin labelling, ``""`` where none stands."""
    return _match(r"(?<![a-z0-9])m0(?![0-9])|m[- ]?zero", series)


def inversion_number(series: Series) -> str:
    """Return which inversion of an MP2RAGE the words or the comment of a series number, ``""`` for none or for two.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "t1_mp2rage_INV2_ND", "", "", (), (), Header())
    >>> inversion_number(named)
    '2'
    """
    text = f"{words.typed(series)} {series.header.text('ImageComments')}".lower().replace("_", " ")
    found = set(re.findall(r"(?<![a-z])inv[- ]?([12])(?!\d)", text))
    return found.pop() if len(found) == 1 else ""


def names_uniform(series: Series) -> str:
    """Return the word of a series for what an MP2RAGE is combined to (UNI, a map of T1), ``""`` where none stands."""
    return _match(
        r"(?<![a-z])uni(?:t1|[- ]?den|[- ]?images?)?(?![a-z])|(?<![a-z])t1[- ]?(?:map|images?)(?![a-z])", series
    )


def transfer_state(series: Series) -> str:
    """Return whether the words of a series say ``on`` or ``off`` of a magnetization transfer pulse; ``""`` for neither.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = [Series("1", "2", Patient("", "", "", ""), 3, text, "", "", (), (), Header())
    ...          for text in ("GRE-MT1", "gre_noMT", "SPGR MT0", "MTC", "MT")]
    >>> [transfer_state(one) for one in named]
    ['on', 'off', 'off', '', '']
    """
    if _match(r"(?<![a-z])(?:mt[- ]?(?:0|off)|(?:no|non|without|w/?o)[- ]?mtc?)(?![a-z0-9])", series):
        return "off"
    return "on" if _match(r"(?<![a-z])mt[- ]?(?:1|on)(?![a-z0-9])", series) else ""


def names_rms(series: Series) -> str:
    """Return the word of a series for a root mean square, ``""`` where none stands."""
    return _match(r"(?<![a-z])rms(?![a-z])", series)


def names_navigator(series: Series) -> str:
    """Return the word of a series for navigators that track the head (vNav), ``""`` where none stands.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "T1w_MPR_vNav_setter", "", "", (), (), Header())
    >>> names_navigator(named)
    'vnav'
    """
    ends = r"(?:igators?|s)?(?![a-z])"
    return _match(rf"(?<![a-z])(?:v[- ]?nav{ends}|epi[- ]?nav{ends}|(?:moco[- ]?)?nav(?:igator)?[- ]?set)", series)


def names_result(series: Series) -> str:
    """Return the word of a series for what scanners compute of functional runs, ``""`` where none stands.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "Mean_&_t-Maps", "", "", (), (), Header())
    >>> names_result(named)
    't-maps'
    """
    return _match(r"eva ?series|(?<![a-z])[tz][- ]?maps?(?![a-z])", series)


def names_denoised(series: Series) -> str:
    """Return the word of a series for an image whose noise was taken away, ``""`` where none stands."""
    return _match(r"(?<![a-z])den(?:oised?)?(?![a-z])", series)


def _match(pattern: str, series: Series) -> str:
    found = re.search(pattern, words.typed(series).lower().replace("_", " "))
    return found[0].strip() if found else ""


def body_part(series: Series) -> str:
    """Return the word of a series for a part of the body that is not the head, ``""`` where none or the head stands."""
    text = f"{series.description} {series.protocol_name}".lower().replace("_", " ")
    found = _BODY.search(text)
    return found[0].strip() if found and not _BRAIN.search(text) else ""


def says_brain(series: Series) -> bool:
    """Return whether the words of a series name the head or a part of it."""
    return bool(_BRAIN.search(f"{series.description} {series.protocol_name}".lower()))
