"""The words of a series without the person, and whether labels hold a person's name. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from bidsflow.convert.naming import words
from bidsflow.convert.naming.sounds import foreign_runs, is_task_word, name_person
from bidsflow.dicom.person import name_spellings
from bidsflow.dicom.series import Patient, Series
from bidsflow.names import to_label, to_plain_letters

#: How sequences end the names of echoes that are series of their own, with the part of the signal (CMRR: ``_E01_M``).
_ECHO = re.compile(r"(?<![A-Za-z0-9])(?:e|te|echo)[-_ ]?\d+(?:_[MP])?(?![A-Za-z0-9])", re.IGNORECASE)
#: Resting fMRI as HCP and UK Biobank call it (tfMRI is that of tasks), and words that say so in full, or otherwise.
_RFMRI = re.compile(r"(?<![a-z])rfmri(?![a-z])", re.IGNORECASE)
_RESTING_OR_TASK = re.compile(r"(?<![a-z])(?:rest|task)", re.IGNORECASE)


def telling_words(series: Series) -> tuple[str, ...]:
    """Return the words of a series that may tell its protocol from others: no person, no number, nothing generic."""
    pieces = re.split(r"[^A-Za-z0-9]+", to_plain_letters(_without_person(words.typed(series), series.patient)))
    return tuple(piece for piece in pieces if len(piece) > 1 and not piece.isdecimal() and not words.is_generic(piece))


def task_text(series: Series) -> str:
    """Return the words that may name a task, in plain letters: without echoes, and without the person."""
    own = _without_person(_ECHO.sub(" ", _say_resting(words.typed(series))), series.patient)
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
    text = unicodedata.normalize("NFC", _without_person(words.typed(series), series.patient))
    return tuple(word for word in re.findall(r"[^\W\d_]+", text) if not _is_latin(word))


def _is_latin(word: str) -> bool:
    return all(unicodedata.name(letter, "").startswith("LATIN") for letter in unicodedata.normalize("NFKC", word))


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
    return any(part in split or (len(part) > 3 and part in label) for part in parts for label, split in folded)


def sounds_like_person(labels: Iterable[str], series: Series) -> bool:
    """Return whether a label holds words of another script that name the patient, see `sounds.name_person`.

    Examples
    --------
    >>> from bidsflow.dicom.series import Header
    >>> kim = Series("1", "2", Patient("", "KIM CHEOLSU", "", ""), 3, "김철수 faces", "", "", (), (), Header())
    >>> sounds_like_person(["gimCheolSuFaces"], kim), sounds_like_person(["faces"], kim)
    (True, False)
    """
    runs = foreign_runs(_without_person(words.typed(series), series.patient))
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
    for run in foreign_runs(words.typed(series)):
        kept = [re.sub(re.escape(to_label(run)), " ", label, count=1, flags=re.IGNORECASE) for label in kept]
    return kept


def _label_words(label: str) -> set[str]:
    """Return the words that a label was joined of, in small letters; what stands in capitals counts both ways."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]{2,}|[A-Z]?[a-z]+", label) + re.findall(r"[A-Z]{2,}", label)
    return {label.lower(), *(word.lower() for word in found)}
