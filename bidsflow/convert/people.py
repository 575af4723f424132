"""What the tables around the images say: ages, sexes, shifted dates. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

from bidsflow.convert.subjects import parse_date
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Series

#: Ages above this identify (45 CFR 164.514).
OLDEST = 89
#: Years from here on are taken for true ones (BIDS, "Scans file").
_TRUE_YEARS = 1925
_UNITS = {"Y": 1.0, "M": 12.0, "W": 52.1775, "D": 365.25}


def age_in_years(header: Header) -> str:
    """Return the age as text, ``""`` where it is not known: PatientAge, else from the birth date.

    Examples
    --------
    >>> age_in_years(Header({"PatientAge": "034Y"}))
    '34'
    """
    match = re.fullmatch(r"(\d{1,3})([YMWD])", header.text("PatientAge"))
    if match:
        years = int(match[1]) / _UNITS[match[2]]
        return _age(years if match[2] != "Y" else int(match[1])) if years > 0 else ""
    born, scanned = parse_date(header.text("PatientBirthDate")), parse_date(header.text("StudyDate"))
    if born is None or scanned is None or not born < scanned:
        return ""
    return _age(scanned.year - born.year - ((scanned.month, scanned.day) < (born.month, born.day)))


def _age(years: float) -> str:
    return f"{min(years, OLDEST):g}" if years >= 2 or isinstance(years, int) else f"{years:.2f}"


def participant_row(subject: str, series: Sequence[Series]) -> dict[str, str]:
    """Return a subject's row of ``participants.tsv``: age at the first scan and sex, where they are known."""
    first = min(series, key=lambda one: one.started or "9")
    row = {"participant_id": f"sub-{subject}"}
    if age := age_in_years(first.header):
        row["age"] = age
    sexes = {one.patient.sex for one in series} & {"M", "F", "O"}
    if len(sexes) == 1:
        row["sex"] = sexes.pop()
    return row


def shifted_time(started: str, shift: int | None) -> str:
    """Return a time of acquisition as BIDS writes it, moved by whole days.

    Returns
    -------
    time : str
        ``""`` where no date or no shift is known, and where the date moved would not lie before 1925 (BIDS, "Scans
        file"): such a header contradicts the one that the shift was made for, and the true day must not come through.

    Examples
    --------
    >>> shifted_time("20220711120517.042500", -44720)
    '1900-02-01T12:05:17.042500'
    """
    day = parse_date(started)
    if day is None or shift is None:
        return ""
    try:
        moved = day + timedelta(days=shift)
    except OverflowError:
        return ""
    if moved.year >= _TRUE_YEARS:
        return ""
    match = re.fullmatch(r"(\d\d)(\d\d)?(\d\d)?(\.\d{1,6})?", started[8:])
    text = ":".join(part or "00" for part in match.groups()[:3]) + (match[4] or "") if match else "00:00:00"
    return f"{moved.isoformat()}T{text}"
