"""Put PAR and REC together, and pairs beside what the same export holds as DICOM. Reads nothing but some of a REC."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow.dicom.grouping import patient_of
from bidsflow.dicom.header import Header
from bidsflow.dicom.parrec import REC_BYTES, SCAN, identify
from bidsflow.dicom.partable import NAME
from bidsflow.dicom.series import File, Instance, SetAside, is_placeholder
from bidsflow.dicom.tags import find_maker

#: What a PAR takes over of the DICOM files of its examination: it holds no ID.
_PERSON = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "PatientAge")
#: How the name of a REC ends that cannot be read in place.
_PACKED = ".rec.gz"


@dataclass(frozen=True, slots=True)
class Paired:
    """PARs that can be used, and those that cannot.

    Attributes
    ----------
    instances : tuple of Instance
        PARs with their RECs.
    set_aside : tuple of SetAside
        The others, and why.
    recs : frozenset of str
        Paths of the RECs that a PAR speaks of.
    """

    instances: tuple[Instance, ...]
    set_aside: tuple[SetAside, ...]
    recs: frozenset[str] = frozenset()


def pair_files(pars: Sequence[Instance], files: Sequence[File]) -> Paired:
    """Return PARs with their RECs, without those that have none that is whole.

    Parameters
    ----------
    pars : sequence of Instance
        Those of an export.
    files : sequence of File
        Everything that lies in it.
    """
    recs = _find_recs(files)
    packed = {_fold(file.path[: -len(_PACKED)]) for file in files if file.path.lower().endswith(_PACKED)}
    whole: list[Instance] = []
    aside: list[SetAside] = []
    used: set[str] = set()
    for one in pars:
        stem = _stem(one.file.path)
        rec = recs.get(stem) or recs.get(_fold(stem))
        need = one.header.integer(REC_BYTES)
        if rec is not None:
            used.add(rec.path)
        reason = "a PAR without its REC, which has the pixels"
        if rec is not None and rec.size == need:
            try:
                whole.append(replace(one, header=identify(one.header, rec.path), beside=rec))
                continue
            except OSError as error:
                reason = f"its REC cannot be read ({error.strerror})"
        elif rec is not None:
            said = "breaks off" if rec.size < need else "holds more than its PAR lists"
            reason = f"its REC {said} ({rec.size} of {need} bytes)"
        elif _fold(stem) in packed:
            reason = "its REC is compressed; unpack it first"
        aside.append(SetAside(one.file.path, f"{NAME}: {reason}", patient=patient_of(one.header), lost=True))
    kept, rivals = _part_rivals(whole)
    return Paired(tuple(kept), (*aside, *rivals), frozenset(used))


def _part_rivals(pairs: Sequence[Instance]) -> tuple[list[Instance], list[SetAside]]:
    """Return pairs, and those that differ though they are one acquisition of one examination by their PARs.

    Where the examination has no time, all are kept: they are for review.
    """
    uids: dict[str, set[str]] = defaultdict(set)
    for one in pairs:
        if one.header.text("StudyTime"):
            uids[one.header.text(SCAN)].add(one.header.text("SeriesInstanceUID"))
    kept = [one for one in pairs if len(uids[one.header.text(SCAN)]) < 2]
    rivals = [one for one in pairs if len(uids[one.header.text(SCAN)]) > 1]
    reason = f"{NAME}: another PAR of its examination and number is not the same; neither is used"
    aside = [SetAside(one.file.path, reason, patient=patient_of(one.header)) for one in rivals]
    return kept, aside


def _find_recs(files: Sequence[File]) -> dict[str, File]:
    """Return the RECs by their path without extension, and by that with the name in small letters."""
    recs = {_stem(file.path): file for file in files if file.path[-4:].lower() == ".rec"}
    return {_fold(stem): file for stem, file in recs.items()} | recs


def _stem(path: str) -> str:
    return os.path.splitext(path)[0]  # noqa: PTH122 - paths are text here, there may be many


def _fold(stem: str) -> str:
    folder, slash, name = stem.rpartition("/")
    return f"{folder}{slash}{name.lower()}"


def join_examinations(pairs: Sequence[Instance], headers: Sequence[Header]) -> Paired:
    """Return pairs as part of the examination that is there as DICOM, without those that it has already.

    DICOM tells more. Philips scanners export one examination in both ways; the number of a series is the same, and so
    is the day and the time of the examination. Where one has no time, the person's name has to be the same.

    Parameters
    ----------
    pairs : sequence of Instance
        PARs with their RECs.
    headers : sequence of Header
        One of each series of DICOM.
    """
    days: dict[str, list[Header]] = defaultdict(list)
    for other in headers:
        if find_maker(other.text("Manufacturer")) == "PHILIPS" and "StudyDate" in other:
            days[other.text("StudyDate")].append(other)
    kept: list[Instance] = []
    aside: list[SetAside] = []
    for one in pairs:
        header = one.header
        same = [other for other in days[header.text("StudyDate")] if _is_same_examination(header, other)]
        if any(other.integer("SeriesNumber") == header.integer("SeriesNumber") for other in same):
            reason = f"{NAME}: the same series is there as DICOM, which tells more"
            aside.append(SetAside(one.file.path, reason, True, patient_of(header)))
        elif len({patient_of(other).key for other in same}) == 1:
            kept.append(replace(one, header=_adopt(header, same)))
        else:
            kept.append(one)
    return Paired(tuple(kept), tuple(aside))


def _is_same_examination(header: Header, other: Header) -> bool:
    ours, theirs = header.text("StudyTime"), other.text("StudyTime")
    if ours.strip("0.") and theirs.strip("0."):
        return theirs.startswith(ours)
    name = patient_of(header).name
    return name == patient_of(other).name and not is_placeholder(name)


def _adopt(header: Header, same: Sequence[Header]) -> Header:
    """Return the header of a PAR as one of the person, and of the study where there is only one that day."""
    found: Mapping[str, str] = {key: text for key in _PERSON if (text := same[0].text(key))}
    studies = {other.text("StudyInstanceUID") for other in same}
    study = {"StudyInstanceUID": studies.pop()} if len(studies) == 1 else {}
    return Header({**header.values, **found, **study}, header.pixels, header.problems)
