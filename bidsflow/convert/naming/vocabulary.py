"""The words that stand beside a task in the names of runs, by what they are about: one table. Pure."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache

from bidsflow.convert.naming import words


class About(Enum):
    """What a word beside a task is about.

    Attributes
    ----------
    MEASURED
        The measurement, the number or the moment of the run: no label of a named task holds it.
    RECORDED
        The recordings beside it, and what is prepared for a run.
    REMARK
        How the run went: a person should look.
    REPEAT
        That the run repeats another: a person should look.
    CONDITION
        What was done: every label holds it, also that of a lone run.
    COURSE
        A condition, too, unless the runs that have it differ in their phase encoding (``fwd``, ``R``).
    DOUBTFUL
        A remark beside a run of the same name without it, else a word like others (``test``, initials).
    OTHER
        A word that the table does not have: the runs of a session tell.
    """

    MEASURED = "measured"
    RECORDED = "recorded"
    REMARK = "remark"
    REPEAT = "repeat"
    CONDITION = "condition"
    COURSE = "course"
    DOUBTFUL = "doubtful"
    OTHER = "other"


#: A number beside these words is a load or another grade of a condition, and never a run: ``2-back``, ``dose_1``. Two
#: digits are a run (``nback_01``).
_LOADS = (
    re.compile(r"(?<![A-Za-z0-9])(?<!run[-_ ])(?P<one>\d)[-_ ]?(?P<two>back|bk)(?![A-Za-z0-9])", re.IGNORECASE),
    re.compile(r"(?<![A-Za-z0-9])(?P<one>(?:n[-_ ]?)?back)[-_ ]?(?P<two>\d)(?![A-Za-z0-9])", re.IGNORECASE),
    re.compile(
        r"(?<![A-Za-z])(?P<one>cond|condition|level|load|dose|type)[-_ ]*(?P<two>\d)(?![A-Za-z0-9])", re.IGNORECASE
    ),
)
#: A side and the number of a run: elsewhere R1 is a run.
_SIDE = re.compile(r"((?:hand|foot|finger|arm|leg|toe)s?[-_ ]?[LR])(\d)(?![A-Za-z0-9])")
_LOAD = re.compile(r"\d(?:back|bk)|n?back\d|(?:cond|condition|level|load|dose|type)\d", re.IGNORECASE)

_MEASURED = re.compile(
    # images, their reconstruction, and how they were measured
    r"nd|norm|dis[23]d|dico|filtered|unfiltered|orig|hf|fh|c?sense\d*|clear|grappa\d*|i?pat\d*|acc\d*|pf\d*|\d+ch\w*|"
    r"ch\d+|hires|highres|lowres|slices?|\d+sl\w*|vols?|volumes?|dyn\w*|asc\w*|desc\w*|int|interleaved|acq|mri|"
    r"blip|topup|fs|x?\d+x\d+\w*|[a-z]*\d{3,}[a-z]*|eyes?|augen|yeux|ojos|occhi|ogen|et|"
    # the number and the moment of a run
    r"first|second|third|\d+(?:st|nd|rd|th)|\d[a-d]|block|part|set|r\d+|t\d*|tp\d*|nr|nummer|number|take|"
    r"mins?|\d+min\w*|sec|\d+s|ses\d*|sess\d*|session\d*|visit\d*|day\d+|week\d*|scan|sub|state|v\d+\w*",
    re.IGNORECASE,
)
#: Recordings, and what is prepared for a run.
_RECORDED = re.compile(
    r"pmu|physio\w*|puls|pulse\w*|resp\w*|ecg|ekg|ppg|eyetrack\w*|trigger\w*|shim\w*|fat[-_]?sat", re.IGNORECASE
)
#: What people write behind the name of a run that did not go well.
_REMARKS = re.compile(
    r"bad|poor|moved|moving|artefacts?|artifacts?|fail(?:ed)?|stopped|aborted?|cancel(?:l?ed)?|interrupted|incomplete|"
    r"unfinished|broken|wrong|crash(?:ed)?|noisy|sleepy|asleep|discard(?:ed)?|excluded?|ignore|unusable|do_?not_?use|"
    r"backup|schlecht|bewegt|abgebrochen|abbruch|unvollstaendig|unvollstandig|fehler|falsch|"
    r"mauvaise?|bouge|arrete|interrompue?|erreur|malo|mala|movido|interrumpido|incompleto|fallido|"
    r"mosso|interrotto|slecht|bewogen|afgebroken|mislukt|onvolledig|ruim|interrompido",
    re.IGNORECASE,
)
#: What people write beside the name of the run that takes its place.
_REPEATS = re.compile(
    r"repeat(?:ed)?|rep\d*|rpt|redo|redone|retry|again|retake|remeasured?|rerun|rescan|restart(?:ed)?|try|attempt|"
    r"versuch|wdh|wiederholung|wiederholt|nochmal|nochmals|erneut|neu|neustart|bis|encore|refaite?|"
    r"repetido|repeticion|ripetuto|opnieuw|herhaling",
    re.IGNORECASE,
)
#: Words that tell what was done, by themselves: a run that has one is of that condition, whatever else was measured.
_CONDITIONS = frozenset({
    "eo", "ec", "open", "closed", "close", "eyesopen", "eyesclosed", "offen", "geschlossen", "ouverts", "fermes",
    "abiertos", "cerrados", "aperti", "chiusi", "abertos", "fechados", "gesloten", "pre", "post", "before", "after",
    "vorher", "nachher", "avant", "apres", "antes", "despues", "prima", "dopo", "left", "right", "lh", "rh", "links",
    "rechts", "gauche", "droite", "izquierda", "derecha", "hand", "hands", "foot", "feet", "finger", "fingers",
    "tongue", "lips", "easy", "hard", "low", "high", "on", "off", "drug", "placebo", "verum", "sham", "active",
    "passive", "day", "night", "morning", "evening", "happy", "sad", "angry", "fear", "fearful", "neutral", "disgust",
    "positive", "negative", "congruent", "incongruent", "music", "movie", "silence",
})  # fmt: skip
#: Single letters are conditions where they are capitals: others are numbers of runs and leftovers of words.
_LETTERS = frozenset({"A", "B"})
_COURSES = re.compile(r"[LR]|(?i:fwd|bwd|forwards?|backwards?|rev|reversed?)")
#: Of resting, these words can name nothing but the course of phase encoding.
_ALWAYS_COURSES = re.compile(r"fwd|bwd|forwards?|backwards?|rev|reversed?", re.IGNORECASE)
#: Abbreviations, which are written in capitals.
_ABBREVIATED = frozenset({"eo", "ec", "lh", "rh", "a", "b", "l", "r"})
#: Words that may be a remark, or a condition (study and test); initials of people are as short as abbreviations.
_DOUBTFUL = re.compile(
    r"(?i:test|good|final|error|partial|repetition|extra|trial|additional|spare|prueba|prova|essai|teste)|[A-Z]{2}"
)
#: What is switched on or off, or high or low, in the measurement and the recordings.
_SWITCHED = re.compile(
    r"(?<![a-z])(?:(?:pmu|physio|fat[-_ ]?sat|fs|trigger|shim|promo|moco|pulse|resp|mb|sms|c?sense|grappa|asset)"
    r"[-_ ]*(?:on|off)|(?:low|high)[-_ ]*res(?:olution)?)(?![a-z])",
    re.IGNORECASE,
)
#: Courses that are spelled by their ends: ``A>>P``, ``S to I``.
_ENDS = re.compile(
    r"(?<![A-Za-z0-9])(?:A{0}P|P{0}A|L{0}R|R{0}L|H{0}F|F{0}H|S{0}I|I{0}S)(?![A-Za-z0-9])".replace(
        "{0}", r"(?:[-_ ]*>+[-_ ]*|[-_ ]to[-_ ]|[-_ ])"
    )
)
#: Which of several a run is: ``2of4``.
_OF_SEVERAL = re.compile(r"(?<![A-Za-z0-9])(\d{1,2})[-_ ]?(?:of|von)[-_ ]?\d{1,2}(?![A-Za-z0-9])", re.IGNORECASE)

#: What words are about that are neither conditions nor generic; the first that fits.
_PATTERNS = (
    (About.COURSE, _COURSES), (About.REPEAT, _REPEATS), (About.REMARK, _REMARKS), (About.RECORDED, _RECORDED),
    (About.MEASURED, _MEASURED), (About.DOUBTFUL, _DOUBTFUL),
)  # fmt: skip


@lru_cache(maxsize=4096)
def tell_about(word: str) -> About:
    """Return what a word beside a task is about.

    Examples
    --------
    >>> [tell_about(word).name for word in ("EC", "wdh", "64ch", "R", "JS", "story")]
    ['CONDITION', 'REPEAT', 'MEASURED', 'COURSE', 'DOUBTFUL', 'OTHER']
    """
    if word.lower() in _CONDITIONS or word in _LETTERS or is_load(word):
        return About.CONDITION
    if words.is_generic(word):
        return About.MEASURED
    found = (about for about, pattern in _PATTERNS if pattern.fullmatch(word))
    return next(found, About.OTHER)


def names_course(word: str) -> bool:
    """Return whether a word beside resting names the course of its phase encoding, whatever the headers say."""
    return bool(_ALWAYS_COURSES.fullmatch(word))


def is_load(word: str) -> bool:
    """Return whether a word is a load: its number is a condition, and never a run."""
    return bool(_LOAD.fullmatch(word))


def mend_text(text: str) -> str:
    """Return a text in which each load is one word, without what was switched on or off, and how many runs there are.

    The number of a run stands apart from the side before it.

    Examples
    --------
    >>> [mend_text(text) for text in ("fMRI_2-back_1", "n-back 0 run1", "pain_level_2", "nback_01")]
    ['fMRI_2back_1', 'n-back0 run1', 'pain_level2', 'nback_01']
    >>> [mend_text(text) for text in ("rest_PMU_on", "rest 2of4", "hand_R2", "faces_R2")]
    ['rest_ ', 'rest 2', 'hand_R_2', 'faces_R2']
    """
    text = _OF_SEVERAL.sub(r"\1", _SWITCHED.sub(" ", text))
    for pattern in _LOADS:
        text = pattern.sub(r"\g<one>\g<two>", text)
    return _SIDE.sub(r"\1_\2", text)


def drop_courses(text: str) -> str:
    """Return a text without courses that are spelled by their ends.

    Examples
    --------
    >>> drop_courses("EO A>>P"), drop_courses("EO_L_R"), drop_courses("EO A B")
    ('EO  ', 'EO_ ', 'EO A B')
    """
    return _ENDS.sub(" ", text)


def drop_remarks(text: str) -> str:
    """Return the words of a text, but for remarks on how a run went.

    Examples
    --------
    >>> drop_remarks("task-rest_rerun"), drop_remarks("rest_EO")
    ('task rest', 'rest EO')
    """
    kept = (word for word in re.findall(r"[^\W_]+", text) if tell_about(word) not in (About.REMARK, About.REPEAT))
    return " ".join(kept)


def spell_condition(word: str) -> str:
    """Return a word that tells a condition as all labels have it.

    Examples
    --------
    >>> spell_condition("ec"), spell_condition("PRE")
    ('EC', 'pre')
    """
    return word.upper() if word.lower() in _ABBREVIATED else word.lower()
