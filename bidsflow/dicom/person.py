"""Where a text names the person who was scanned, and the text without it. Pure.

People type names into descriptions, and scanners and archives make folder names of them.
"""

from __future__ import annotations

import re

from bidsflow.dicom.series import Patient

#: What stands for a part of a text that names someone.
MASK = "***"

#: A day of this or the last century, as folders are called after it (``20240304``, ``2024-03-04_09-15``).
_DAY = r"(?<!\d)(?:19|20)\d\d([-._]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)"


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
    names = {word for word in re.findall(r"[^\W_]+", patient.name) if len(word) > 1}
    parts = [patient.id, patient.birth_date, *re.findall(r"[^\W_]+", patient.id)]
    return names | {part for part in parts if (len(part) > 2 and not part.isdigit()) or len(part) > 4}


def hide_people(path: str, people: re.Pattern[str] | None) -> str:
    """Return a path, or a part of one, without the days that folders are called after, and without people.

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
    return re.sub(_DAY, MASK, path if people is None else people.sub(MASK, path))
