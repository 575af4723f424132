"""What the words say that people typed: names after ReproIn, task labels, hints. Pure.

Words never decide against physics. They name what physics cannot know (the task), and confirm or doubt the rest.
Source of the grammar: the ReproIn convention (doi:10.5281/zenodo.1218250), as implemented by heudiconv's
``heuristics/reproin.py``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bidsflow.convert.naming.sounds import foreign_runs, is_task_word, name_person
from bidsflow.dicom.person import name_spellings
from bidsflow.dicom.series import Patient, Series
from bidsflow.dicom.tags import find_maker
from bidsflow.names import ENTITY_ORDER, to_label, to_plain_letters

_REPROIN = re.compile(
    r"(?:[^:]*:)?(?:WIP )?(?P<datatype>anat|func|fmap|dwi|perf)(?:-(?P<suffix>[A-Za-z0-9]+))?"
    r"(?P<entities>(?:_[a-z]+(?:-[A-Za-z0-9]+|[+=]))*)(?:__.*)?(?:_SBRef|_ND|_NORM|_Pha|_MPR\w*)*"
)
_SESSION = re.compile(
    r"(?:[^:]*:)?(?:WIP )?(?:anat|func|fmap|dwi|perf)(?:-[A-Za-z0-9]+)?(?:_[a-z]+(?:-[A-Za-z0-9]+|[+=]))*?"
    r"_ses-([A-Za-z0-9]+)"
)
_KEYS = frozenset(ENTITY_ORDER) - {"sub"}
#: Labels of phase encoding that name a course in the patient; others (``fwd``) are free to the protocol.
DIRECTIONS = frozenset({"AP", "PA", "LR", "RL", "HF", "FH"})
#: Suffix that a datatype stands for where ReproIn names none.
_DEFAULT_SUFFIX = {"func": "bold", "dwi": "dwi"}
#: How people shorten the suffixes of anatomy.
_SHORT = {"T1": "T1w", "T2": "T2w", "PD": "PDw", "T2star": "T2starw", "flair": "FLAIR", "Flair": "FLAIR"}

#: How sequences end the names of echoes that are series of their own, with the part of the signal (CMRR: ``_E01_M``).
_ECHO = re.compile(r"(?<![A-Za-z0-9])(?:e|te|echo)[-_ ]?\d+(?:_[MP])?(?![A-Za-z0-9])", re.IGNORECASE)
#: Words of a description that are about the measurement, not about the task.
_GENERIC = re.compile(
    r"(?:bold|[a-z]?fmri|fmrt|irmf|func|functional|epi|ep2d|ge|se|gre|fe|fid|cmrr|mbep2d|mb\d*|sms\d*|me|iso|moco|wip|pe|"
    r"dir|ap|pa|lr|rl|tasks?|sbref|(?:run|lauf|durchgang)\d*|ax|axial|tra|trans|cor|sag|mag|pha|phase|e\d+|p\d+|s\d+|\d+|\d*p?\d*mm|\d+iso|"
    r"tr\d*|te\d*|fov\d*|\d+vols?|\d+dyn|fast|single|band|multi|multiband|multiecho|echo|3t|7t|new|old|copy)",
    re.IGNORECASE,
)

#: How people number runs.
_RUN = re.compile(r"(?<![a-z])(?:run|lauf|durchgang)[-_ #]?(\d{1,2})(?!\d)")
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
#: Words for the kind of a measurement, which a reference and its run do not share.
_KINDS = re.compile(
    r"sbref|single[-_ ]?band|(?<![a-z])(?:sb|ref(?:erence)?|bold|cbv|epi|dwi|dti|dmri|diff|func|fmri)(?![a-z])"
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


#: Resting fMRI as HCP and UK Biobank call it (tfMRI is that of tasks), and words that say so in full, or otherwise.
_RFMRI = re.compile(r"(?<![a-z])rfmri(?![a-z])", re.IGNORECASE)
_RESTING_OR_TASK = re.compile(r"(?<![a-z])(?:rest|task)", re.IGNORECASE)


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
    if match["datatype"] == "anat":
        suffix = _SHORT.get(suffix, suffix)
    return Given(match["datatype"], suffix, tuple(pairs), text.strip(), session)


def given_name(series: Series) -> Given | None:
    """Return the name that a series' protocol gives in full."""
    return read_reproin(series.protocol_name) or read_reproin(series.description)


def given_sessions(series: Sequence[Series]) -> dict[str, str]:
    """Return the session labels that protocols give, by StudyInstanceUID.

    ReproIn names the session in one series, mostly the localizer, and means the whole visit. Where the series of a
    study name several, or a label holds the person's name, none is taken.
    """
    return {study: min(labels) for study, labels in find_sessions(series).items() if len(labels) == 1}


def find_sessions(series: Sequence[Series]) -> dict[str, set[str]]:
    """Return all session labels that protocols give, by StudyInstanceUID, but for those that hold a person's name."""
    named: dict[str, set[str]] = defaultdict(set)
    for one in series:
        for text in (one.protocol_name, one.description):
            match = _SESSION.match(text.strip())
            if match and not names_person((match[1],), one.patient):
                named[one.study_uid].add(match[1])
    return named


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


def hinted(series: Series) -> dict[str, str]:
    """Return the suffixes that the words of a series hint at, each with the word that does.

    Where the description hints at nothing, the name of the protocol may (GE's is that of the whole examination).
    """
    return _find(_HINTS, _words(series)) or _find(_HINTS, _other_words(series))


def hint_source(series: Series) -> str:
    """Return which words of a series hint at a suffix, as people call them."""
    found = _find(_HINTS, _words(series))
    return "protocol name" if not found and _find(_HINTS, _other_words(series)) else source(series)


def _other_words(series: Series) -> str:
    whole = find_maker(series.header.text("Manufacturer")) == "GE"
    return "" if whole or not series.description else series.protocol_name


def look_alikes(series: Series) -> dict[str, str]:
    """Return the measurements without a name here that the words of a series hint at, each with the word that does."""
    return _find(_LOOK_ALIKES, _words(series))


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
    text = _words(series).lower().replace("_", " ")
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
    text = f"{_words(series)} {series.header.text('ImageComments')}".lower().replace("_", " ")
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


def drop_correction(name: str) -> str:
    """Return the name of a protocol without the words that scanners add to copies that are corrected for motion.

    Examples
    --------
    >>> drop_correction("epi_bold_rest_MOCO"), drop_correction("MoCoSeries")
    ('epi_bold_rest', '')
    """
    return re.sub(r"[-_ ]*(?:mo[-_]?co|motion[-_ ]?corr[a-z]*)(?:[-_ ]?series)?", "", name.strip(), flags=re.IGNORECASE)


def names_denoised(series: Series) -> str:
    """Return the word of a series for an image whose noise was taken away, ``""`` where none stands."""
    return _match(r"(?<![a-z])den(?:oised?)?(?![a-z])", series)


def _match(pattern: str, series: Series) -> str:
    found = re.search(pattern, _words(series).lower().replace("_", " "))
    return found[0].strip() if found else ""


def body_part(series: Series) -> str:
    """Return the word of a series for a part of the body that is not the head, ``""`` where none or the head stands."""
    text = f"{series.description} {series.protocol_name}".lower().replace("_", " ")
    found = _BODY.search(text)
    return found[0].strip() if found and not _BRAIN.search(text) else ""


def says_brain(series: Series) -> bool:
    """Return whether the words of a series name the head or a part of it."""
    return bool(_BRAIN.search(f"{series.description} {series.protocol_name}".lower()))


def telling_words(series: Series) -> tuple[str, ...]:
    """Return the words of a series that may tell its protocol from others: no person, no number, nothing generic."""
    pieces = re.split(r"[^A-Za-z0-9]+", to_plain_letters(_without_person(_words(series), series.patient)))
    return tuple(
        piece for piece in pieces if len(piece) > 1 and not piece.isdecimal() and not _GENERIC.fullmatch(piece)
    )


def run_number(series: Series) -> int | None:
    """Return the number of the run that the words name, None where they name none, or two.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "task-stop_run-02", "", "", (), (), Header())
    >>> run_number(named)
    2
    """
    found = {int(text) for text in _RUN.findall(_words(series).lower())}
    return found.pop() if len(found) == 1 else None


def direction(series: Series) -> str:
    """Return the phase-encoding direction that the words name, ``""`` where they name none, or two."""
    found = set(re.findall(r"(?<![A-Za-z])(AP|PA|LR|RL|HF|FH|SI|IS)(?![A-Za-z])", _words(series).replace("_", " ")))
    one = found.pop() if len(found) == 1 else ""
    return {"SI": "HF", "IS": "FH"}.get(one, one)


def task_text(series: Series) -> str:
    """Return the words that may name a task, in plain letters: without echoes, and without the person."""
    own = _without_person(_ECHO.sub(" ", _say_resting(_words(series))), series.patient)
    meant = {to_label(run).lower() for run in foreign_runs(own) if is_task_word(run)}
    return _drop_words(to_plain_letters(own), _telling_parts(series.patient) - meant)


def _say_resting(text: str) -> str:
    """Return a text with ``rsfMRI`` for the ``rfMRI`` of HCP and UK Biobank, where it says no rest and no task."""
    return text if _RESTING_OR_TASK.search(text) else _RFMRI.sub("rsfMRI", text)


def say_script(series: Series) -> str:
    """Return what is said of words that are written in another script than labels are, ``""`` for others."""
    return " in Latin letters" if foreign_words(series) else ""


def foreign_words(series: Series) -> tuple[str, ...]:
    """Return the words of a series that are not in Latin letters, without the digits in them.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "fMRI 左手 Übung2", "", "", (), (), Header())
    >>> foreign_words(named)
    ('左手',)
    """
    text = unicodedata.normalize("NFC", _without_person(_words(series), series.patient))
    return tuple(word for word in re.findall(r"[^\W\d_]+", text) if not _is_latin(word))


def _is_latin(word: str) -> bool:
    return all(unicodedata.name(letter, "").startswith("LATIN") for letter in unicodedata.normalize("NFKC", word))


def is_generic(piece: str) -> bool:
    """Return whether a word of a description is about the measurement, not about the task."""
    return bool(_GENERIC.fullmatch(piece))


def protocol(series: Series) -> str:
    """Return the name of a series' protocol, its description where anonymisation took that."""
    return series.protocol_name or series.description


def source(series: Series) -> str:
    """Return which words of a series are looked at, as people call them."""
    return "description" if series.description else "protocol name"


def _words(series: Series) -> str:
    return series.description or series.protocol_name


def _without_person(text: str, patient: Patient) -> str:
    """Return a text without the patient's name and ID, which people do type into descriptions."""
    return _drop_words(text, _telling_parts(patient))


def _drop_words(text: str, parts: Iterable[str]) -> str:
    for part in parts:
        text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(part)}(?![A-Za-z0-9])", " ", text, flags=re.IGNORECASE)
    return text


def _telling_parts(patient: Patient) -> set[str]:
    """Return what names a patient, in small letters: names from two letters on, IDs from three, numbers from five.

    Shorter ones are initials, runs and b-values. Names count in every spelling (`person.name_spellings`).
    """
    names = name_spellings(patient.name)
    names |= {to_label(name).lower() for name in names}
    parts = [(name, 2) for name in names] + [(part, 3) for part in re.findall(r"[0-9a-z]+", patient.id.lower())]
    return {part for part, shortest in parts if len(part) >= (5 if part.isdecimal() else shortest)}


def names_person(labels: Iterable[str], patient: Patient) -> bool:
    """Return whether a label holds what names a patient: a part of four letters anywhere, a shorter one as a word.

    Words inside a label begin with a capital or stand in capitals.

    Examples
    --------
    >>> anna = Patient("", "LI ANNA", "", "")
    >>> names_person(["liRest"], anna), names_person(["preANNA"], anna), names_person(["listening"], anna)
    (True, True, False)
    """
    parts = _telling_parts(patient)
    folded = [(label.lower(), _label_words(label)) for label in labels]
    return any(part in words or (len(part) > 3 and part in label) for part in parts for label, words in folded)


def sounds_like_person(labels: Iterable[str], series: Series) -> bool:
    """Return whether a label holds words of another script that name the patient, see `sounds.name_person`.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header
    >>> kim = Series("1", "2", Patient("", "KIM CHEOLSU", "", ""), 3, "김철수 faces", "", "", (), (), Header())
    >>> sounds_like_person(["gimCheolSuFaces"], kim), sounds_like_person(["faces"], kim)
    (True, False)
    """
    runs = foreign_runs(_without_person(_words(series), series.patient))
    if not name_person(runs, series.patient.name):
        return False
    told = [to_label(run).lower() for run in runs if not is_task_word(run)]
    return any(word in label.lower() for word in told for label in labels)


def drop_foreign(labels: Iterable[str], series: Series) -> list[str]:
    """Return labels without the words that a series has in another script, whose syllables are no words.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header, Patient, Series
    >>> named = Series("1", "2", Patient("", "", "", ""), 3, "faces1 任务", "", "", (), (), Header())
    >>> drop_foreign(["faces1RenWu"], named)
    ['faces1 ']
    """
    kept = list(labels)
    for run in foreign_runs(_words(series)):
        kept = [re.sub(re.escape(to_label(run)), " ", label, count=1, flags=re.IGNORECASE) for label in kept]
    return kept


def _label_words(label: str) -> set[str]:
    """Return the words that a label was joined of, in small letters; what stands in capitals counts both ways."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]{2,}|[A-Z]?[a-z]+", label) + re.findall(r"[A-Z]{2,}", label)
    return {label.lower(), *(word.lower() for word in found)}
