"""Where a text names the person who was scanned, and the text without it. Pure.

People type names into descriptions, and scanners and archives make folder names of them.
"""

from __future__ import annotations

import os
import re
import unicodedata

from bidsflow.dicom.series import Patient
from bidsflow.names import to_plain_letters

#: What stands for a part of a text that names someone.
MASK = "***"

#: Letters that are written as two where a keyboard or a scanner does not have them.
_PAIRS = (("ä", "ae"), ("ö", "oe"), ("ü", "ue"), ("å", "aa"), ("ø", "oe"), ("æ", "ae"), ("ß", "ss"))

#: A day of this or the last century, as folders are called after it (``20240304``, ``2024-03-04_09-15``).
_DAY = r"(?<!\d)(?:19|20)\d\d(?P<sep>[-._]?)(?:0[1-9]|1[0-2])(?P=sep)(?:0[1-9]|[12]\d|3[01])(?!\d)"
#: The same as people write it (``04.03.2024``).
_DAY_FIRST = r"(?<!\d)(?:0[1-9]|[12]\d|3[01])(?P<mark>[-._])(?:0[1-9]|1[0-2])(?P=mark)(?:19|20)\d\d(?!\d)"
#: A UID; those of some scanners hold the number of the scanner and the moment of the scan.
_UID = r"(?<!\d)[0-2](?:\.\d+){5,}"


def person_pattern(*patients: Patient) -> re.Pattern[str] | None:
    """Return what finds names, IDs and birth dates of people in a text; None where the headers name no one.

    Names are found as words, long ones within words too (``BOLDJohnson``). Of an ID its parts count as well, but for
    those that every other text holds (``01``, ``MR``).

    Examples
    --------
    >>> person_pattern(Patient("AB-12345", "Doe John", "19800102", "M")).sub("***", "rest_doe_12345, a done deal")
    'rest_***_***, a done deal'
    """
    words = {word for patient in patients for word in _words(patient)}
    if not words:
        return None
    pieces = [
        re.escape(word) if len(word) > 4 and word.isalpha() else rf"(?<![^\W_]){re.escape(word)}(?![^\W_])"
        for word in sorted(words, key=lambda word: (-len(word), word))
    ]
    return re.compile("|".join(pieces), re.IGNORECASE)


def _words(patient: Patient) -> set[str]:
    names = {word for word in name_spellings(patient.name) if len(word) > 1}
    parts = [patient.birth_date, *re.findall(r"[^\W_]+", patient.id)]
    found = names | {part for part in parts if (len(part) > 2 and not part.isdigit()) or len(part) > 4}
    # Of four digits or three letters on, an ID as a whole is no number of a run, and no b-value of any use.
    return found | ({patient.id} if len(patient.id) > (3 if patient.id.isdigit() else 2) else set())


def name_spellings(name: str) -> set[str]:
    """Return how people write a name, in small letters: its words, neighbours joined, with and without accents.

    Examples
    --------
    >>> sorted(name_spellings("MÜLLER"))
    ['mueller', 'muller', 'müller']
    >>> "vanderberg" in name_spellings("VAN DER BERG"), "müller" in name_spellings("MUELLER")
    (True, True)
    """
    words = re.findall(r"[^\W_]+", name.lower())
    runs = {"".join(words[first : first + count]) for first in range(len(words)) for count in (1, 2, 3)}
    return {spelling for run in runs for spelling in _spell(run)}


def _spell(word: str) -> set[str]:
    """Return a word as it is, in plain letters, with two letters for an umlaut, and the other way round."""
    composed = unicodedata.normalize("NFC", word)
    spread, drawn, dropped = composed, composed, composed
    for letter, pair in _PAIRS:
        spread = spread.replace(letter, pair)
        drawn = drawn.replace(pair, letter)
        dropped = dropped.replace(pair, to_plain_letters(letter))
    return {word, composed, to_plain_letters(composed).lower(), spread, drawn, to_plain_letters(dropped).lower()}


def hide_people(path: str, people: re.Pattern[str] | None) -> str:
    """Return a path, or a part of one, without days, UIDs and people, which folders and files are called after.

    Parameters
    ----------
    path : str
        A path.
    people : re.Pattern, optional
        From `person_pattern`.

    Examples
    --------
    >>> hide_people("DOE_JOHN_20240304/t1/00001.dcm", person_pattern(Patient("7", "DOE JOHN", "", "")))
    '***_***_***/t1/00001.dcm'
    """
    text = unicodedata.normalize("NFC", _as_text(path))  # macOS writes accents apart from their letters
    return re.sub(f"{_UID}|{_DAY}|{_DAY_FIRST}", MASK, text if people is None else people.sub(MASK, text))


def _as_text(path: str) -> str:
    """Return a path with the bytes in it that are no UTF-8 as the letters that Latin-1 has for them."""
    try:
        data = os.fsencode(path)
    except UnicodeEncodeError:  # no path of any disk
        return path
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
