"""Words beside a task that always tell a condition, and those that are remarks on a run. Pure."""

from __future__ import annotations

import re

#: Words that tell what was done, by themselves: a run that has one is of that condition, whatever else was measured.
_CONDITIONS = frozenset({
    "eo", "ec", "open", "closed", "close", "eyesopen", "eyesclosed", "offen", "geschlossen", "ouverts", "fermes",
    "abiertos", "cerrados", "aperti", "chiusi", "abertos", "fechados", "gesloten", "pre", "post", "before", "after",
    "vorher", "nachher", "avant", "apres", "antes", "despues", "prima", "dopo", "left", "right", "lh", "rh", "links",
    "rechts", "gauche", "droite", "izquierda", "derecha", "easy", "hard", "low", "high", "on", "off", "placebo",
    "verum", "sham",
})  # fmt: skip
#: Abbreviations, which are written in capitals.
_ABBREVIATED = frozenset({"eo", "ec", "lh", "rh"})
#: What people write behind the name of a run that did not go well, or of the one that takes its place.
_REMARKS = re.compile(
    r"bad|poor|moved|moving|artefacts?|artifacts?|fail(?:ed)?|stopped|aborted?|cancel(?:l?ed)?|interrupted|incomplete|"
    r"unfinished|broken|wrong|crash(?:ed)?|noisy|sleepy|asleep|discard(?:ed)?|excluded?|ignore|unusable|"
    r"do_?not_?use|retake|remeasured?|rerun|rescan|restart(?:ed)?|repeated|backup|"
    r"schlecht|bewegt|abgebrochen|abbruch|unvollstaendig|unvollstandig|fehler|falsch|nochmal|neustart|"
    r"mauvaise?|bouge|arrete|interrompue?|refaite?|erreur|"
    r"malo|mala|movido|interrumpido|incompleto|repetido|repeticion|fallido|"
    r"mosso|interrotto|ripetuto|slecht|bewogen|afgebroken|mislukt|opnieuw|onvolledig|herhaling|ruim|interrompido",
    re.IGNORECASE,
)
#: Words that may be a remark, or a condition (study and test); initials of people are as short as abbreviations.
_DOUBTFUL = re.compile(
    r"(?i:test|good|final|error|partial|repetition|extra|try|trial|additional|spare|prueba|prova|essai|teste)|[A-Z]{1,2}"
)


def is_condition(word: str) -> bool:
    """Return whether a word tells a condition by itself."""
    return word.lower() in _CONDITIONS


def spell_condition(word: str) -> str:
    """Return a word that tells a condition as all labels have it.

    Examples
    --------
    >>> spell_condition("ec"), spell_condition("PRE")
    ('EC', 'pre')
    """
    return word.upper() if word.lower() in _ABBREVIATED else word.lower()


def is_remark(word: str) -> bool:
    """Return whether a word is about how a run went, and tells no condition."""
    return bool(_REMARKS.fullmatch(word))


def may_be_remark(word: str) -> bool:
    """Return whether a word beside a run of the same name without it is a remark rather than a condition."""
    return is_remark(word) or (bool(_DOUBTFUL.fullmatch(word)) and not is_condition(word))
