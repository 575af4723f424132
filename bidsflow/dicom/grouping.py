"""From instances to series: identity by content. Pure.

Source of the rules: PS3.3 C.7.3.1 (a series has one UID, one patient, one study); what real exports break of it is
said where it is handled.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations

from bidsflow.dicom.echoes import join_echoes
from bidsflow.dicom.geometry import find_fault
from bidsflow.dicom.header import Header
from bidsflow.dicom.images import split_images
from bidsflow.dicom.joining import join_parts
from bidsflow.dicom.lost import find_lost_slices, find_lost_start
from bidsflow.dicom.occasions import part_studies
from bidsflow.dicom.order import EARLY, LATE, find_disorder
from bidsflow.dicom.parrec import DOUBTS
from bidsflow.dicom.parting import SHARED, part_series
from bidsflow.dicom.person import hide_people, person_pattern
from bidsflow.dicom.pick import Pick
from bidsflow.dicom.series import Collision, Conflict, Image, Instance, Patient, Series, SetAside, is_placeholder
from bidsflow.dicom.tags import find_maker

_UID = re.compile(r"[0-9.]{1,64}")
_DAY, _TIME = re.compile(r"\d{8}"), re.compile(r"\d{2,6}(\.\d+)?")
#: What has a date and a time in a header, the nearest to the measurement first.
_CLOCKS = ("Acquisition", "Series", "Content", "Study")
_HALF_A_DAY = 12
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
#: Begins what is said of a series whose slices do not fit together.
UNLIKE = "its slices have "
#: What is said of a series of which an image shows writing (PS3.3 C.7.6.1).
WRITTEN_ON = "its pixels may show the name of the person (BurnedInAnnotation is YES): look at them first"
#: Why an image is not used that was not fetched to its end.
TRUNCATED = "its pixel data is truncated"
#: Makers whose frames dcm2niix puts into order.
_SORTED = ("PHILIPS", "CANON", "BRUKER")
_DICOMDIR = "1.2.840.10008.1.3.10"
#: What objects are called that hold a log of the body's own signals (CMRR-C2P/MB, ``readCMRRPhysio.m``).
PHYSIO = "a recording of pulse or breathing"
#: Whose an instance is.
_OWNER = ("StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate", "PatientSex")
#: Secondary capture (PS3.4 annex B.5).
_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
#: CT, MR and PET image storage, classic and enhanced (PS3.4 annex B.5).
_IMAGES = frozenset(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "2.1", "4", "4.1", "4.3", "4.4", "128", "130"))


def patient_of(header: Header) -> Patient:
    """Return who an instance belongs to, spelling folded."""
    name = " ".join(re.split(r"[\s^,=]+", header.text("PatientName").upper())).strip()
    sex = header.text("PatientSex").upper()[:1]
    return Patient(header.text("PatientID"), name, header.text("PatientBirthDate"), sex)


def refuse(header: Header) -> tuple[str, bool, Patient] | None:
    """Return why an instance cannot be part of a series, whether no one will miss it, and whose it is; None if it can.

    Examples
    --------
    >>> refuse(Header({"SOPInstanceUID": "1.2", "SOPClassUID": "1.2.840.10008.1.3.10"}, "absent"))[:2]
    ('an index of a medium (DICOMDIR)', True)
    """
    reason = _find_fault(header)
    return None if reason is None else (*reason, patient_of(header))


class Gate:
    """Refuses instances that cannot be part of a series; what those of one series have in common is looked at once."""

    __slots__ = ("_passed", "_take")

    def __init__(self) -> None:
        self._take = Pick("SOPClassUID", "SeriesInstanceUID", "StudyInstanceUID", "Rows", "Columns")
        self._passed: set[tuple[str, ...]] = set()

    def refuse(self, header: Header) -> tuple[str, bool, Patient] | None:
        """Return why an instance cannot be part of a series, as `refuse` does."""
        common = self._take(header)
        if header.pixels == "complete" and common in self._passed and _UID.fullmatch(header.text("SOPInstanceUID")):
            return None
        reason = refuse(header)
        if reason is None:
            self._passed.add(common)
        return reason


def _find_fault(header: Header) -> tuple[str, bool] | None:
    if header.text("SOPClassUID") == _DICOMDIR:
        return "an index of a medium (DICOMDIR)", True
    if header.pixels == "absent":
        name = _not_an_image(header.text("SOPClassUID"))
        if "PHYSIO" in header.words("ImageType") or header.text("SeriesDescription").lower().endswith("_physiolog"):
            name = PHYSIO  # its class is raw data, spectroscopy or Siemens' own, by the software
        if "Rows" in header and not name:
            return "its pixel data is missing", False
        if header.text("SOPClassUID") in _IMAGES:
            return "its image is missing: it has neither Rows nor pixel data", False
        return f"not an image ({name or _class_name(header)})", True
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        if not _UID.fullmatch(header.text(keyword)):
            return f"its {keyword} is missing or not a UID", False
    if header.pixels == "truncated":
        return TRUNCATED, False
    if header.integer("Rows") < 1 or header.integer("Columns") < 1:
        return "it has no rows or no columns", False
    return None


#: How the classes of objects begin that never hold pixels (PS3.4 table B.5-1, and makers' own storage).
_NOT_IMAGES = {
    "1.2.840.10008.5.1.4.1.1.66.": "a registration, segmentation or tract",
    "1.2.840.10008.5.1.4.1.1.66": "raw data",
    "1.2.840.10008.5.1.4.1.1.67": "a mapping of values",
    "1.2.840.10008.5.1.4.1.1.9.": "a waveform",
    "1.2.840.10008.5.1.4.1.1.104.": "a document",
    "1.2.840.10008.5.1.4.1.1.481.": "a plan or record of radiotherapy",
    "1.2.840.10008.5.1.4.1.1.88.": "a structured report",
    "1.2.840.10008.5.1.4.1.1.11.": "a presentation state",
    "1.2.840.10008.5.1.4.1.1.4.2": "spectroscopy",
    "1.3.12.2.1107.5.9.1": "Siemens' own data: spectroscopy, a protocol or a recording",
    "1.3.46.670589.11.0.0.12.": "Philips' protocol, spectroscopy or raw data",
}


def _not_an_image(uid: str) -> str:
    return next((name for start, name in _NOT_IMAGES.items() if uid.startswith(start)), "")


def _class_name(header: Header) -> str:
    uid = header.text("SOPClassUID")
    return f"class {uid}" if _UID.fullmatch(uid) else "of an unknown class"


def group_series(
    instances: Iterable[Instance], protocols: Mapping[str, Mapping[str, str]]
) -> tuple[tuple[Series, ...], tuple[SetAside, ...]]:
    """Return the series that instances make, and the instances that contradict their series.

    Parameters
    ----------
    instances : iterable of Instance
        Each SOPInstanceUID once.
    protocols : mapping of str to mapping
        What the makers' protocols say, by path of the file they were read from.
    """
    by_uid: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        by_uid[instance.header.text("SeriesInstanceUID")].append(instance)
    agreed = {uid: agree(members) for uid, members in by_uid.items()}
    ordered = {uid: in_order(agreeing) for uid, (agreeing, _) in agreed.items()}
    aside = tuple(say_stranger(one) for _, strangers in agreed.values() for one in strangers)
    return make_series(ordered, protocols, tuple), aside


def say_stranger(one: Instance) -> SetAside:
    """Return what is said of an instance that contradicts its series."""
    reason = "it contradicts its series: another patient or study under one SeriesInstanceUID"
    return SetAside(one.file.path, reason, patient=patient_of(one.header))


def make_series(
    by_uid: Mapping[str, Sequence[Instance]],
    protocols: Mapping[str, Mapping[str, str]],
    keep: Callable[[Sequence[Instance]], Sequence[Instance]],
) -> tuple[Series, ...]:
    """Return the series of instances that agree, in their order.

    Parameters
    ----------
    by_uid : mapping of str to sequence of Instance
        Those of each SeriesInstanceUID, in order of acquisition.
    protocols : mapping of str to mapping
        What the makers' protocols say, by path of the file they were read from.
    keep : callable
        Makes instances what a series holds them as.
    """
    single, parted = part_series(by_uid, keep)
    made = [_make_series(*one, protocols, keep) for one in join_parts(single)]
    every = part_studies([_say_parted(one) if one.uid in parted else one for one in made])
    return join_echoes(sorted(every, key=_order))


def _say_parted(series: Series) -> Series:
    return replace(series, problems=(*series.problems, SHARED))


def _order(series: Series) -> tuple[str, str, str, int, str]:
    return series.patient.key, series.header.text("StudyDate"), series.study_uid, series.number, series.uid


def agree(members: Sequence[Instance]) -> tuple[list[Instance], list[Instance]]:
    """Return the instances of the patient and study that most instances of a series name, and the others."""
    take = Pick(*_OWNER)
    spelled = [take(one.header) for one in members]
    if len(set(spelled)) == 1:
        return list(members), []
    keys = {words: (words[0], patient_of(Header(dict(zip(_OWNER, words, strict=True)))).key) for words in set(spelled)}
    owners = [keys[words] for words in spelled]
    most = max(Counter(owners).items(), key=lambda pair: (pair[1], pair[0]))[0]
    ours = [one for one, key in zip(members, owners, strict=True) if key == most]
    return ours, [one for one, key in zip(members, owners, strict=True) if key != most]


def in_order(instances: Iterable[Instance]) -> list[Instance]:
    """Return instances in order of acquisition."""

    def rank(one: Instance) -> tuple[int, int, str, str]:
        header = one.header
        uid = header.text("SOPInstanceUID")
        return (
            header.integer("AcquisitionNumber"),
            header.integer("InstanceNumber"),
            header.text("AcquisitionTime"),
            uid,
        )

    return sorted(instances, key=rank)


def _make_series(
    uid: str,
    members: Sequence[Instance],
    parts: int,
    protocols: Mapping[str, Mapping[str, str]],
    keep: Callable[[Sequence[Instance]], Sequence[Instance]],
) -> Series:
    ordered = tuple(members)
    added = next((protocols[one.file.path] for one in ordered if one.file.path in protocols), {})
    first = ordered[0].header
    header = Header({**first.values, **added}, first.pixels, first.problems)
    images, problems = split_images(ordered, header)
    doubts = tuple(doubt for doubt in first.text(DOUBTS).split("\\") if doubt)
    lost = _missing_numbers(ordered)
    volumes = any(one.volumes > 1 for one in images)
    lost_slices = find_lost_slices(images, header)
    late, is_lost = find_lost_start(ordered, images, header)
    missing = (
        *_find_faults(images),
        *_find_unlike(ordered),
        *_find_scattered(ordered),
        *lost,
        *((lost_slices,) if lost_slices else ()),
        *((late,) if is_lost else ()),
        *doubts,
        *(_find_disorder(ordered, images, lacking=bool(lost), joined=parts > 1) if volumes else ()),
    )
    odd = sorted({problem for one in ordered for problem in one.header.problems})
    if _is_written_on(ordered):
        odd.append(WRITTEN_ON)
    if late and not is_lost:
        odd.append(late)
    if parts > 1:
        odd.append(f"the scanner gave its parts {parts} SeriesInstanceUIDs")
    patient = patient_of(header)
    person = person_pattern(patient)
    description, protocol_name = (
        clean(hide_people(text, person)) for text in (header.text("SeriesDescription"), header.text("ProtocolName"))
    )
    return Series(
        uid=uid,
        study_uid=header.text("StudyInstanceUID"),
        patient=patient,
        number=header.integer("SeriesNumber"),
        description=description,
        protocol_name=protocol_name,
        started=_find_start(ordered),
        images=images,
        instances=members if parts == 1 else keep(members),
        header=header,
        problems=(*problems, *missing, *odd),
        incomplete=(*problems, *missing),
        parts=parts,
    )


def _is_written_on(ordered: Sequence[Instance]) -> bool:
    take = Pick("BurnedInAnnotation")
    return any(take(one.header) == ("YES",) for one in ordered)


def _find_faults(images: Sequence[Image]) -> tuple[str, ...]:
    """Return what is wrong with the geometry of MR images; pictures of a screen have none."""
    faults = (
        find_fault(one.header, one.orientation)
        for one in images
        if one.header.text("Modality") in ("MR", "") and not one.header.text("SOPClassUID").startswith(_CAPTURE)
    )
    return tuple(dict.fromkeys(fault for fault in faults if fault))


def _find_unlike(ordered: Sequence[Instance]) -> tuple[str, ...]:
    """Return what is wrong with single slices: dcm2niix takes what the first of them says for all."""
    sizes: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    take, lost = Pick("Frames.Images", "ImageOrientationPatient", "Columns", "Rows", "PixelSpacing"), 0
    for one in ordered:
        frames, orientation, columns, rows, spacing = take(one.header)
        if not frames:
            sizes[orientation, columns, rows].add(spacing)
            lost += not one.header.text("ImagePositionPatient")
    found = []
    for spellings in sizes.values():
        values = [Header({"PixelSpacing": text}).numbers("PixelSpacing") for text in spellings]
        if len({tuple(round(value, 3) for value in one) for one in values}) > 1:
            found.append(f"{UNLIKE}voxels of different sizes (PixelSpacing)")
    if 0 < lost < len(ordered):
        found.append(f"{UNLIKE}no place, {lost} of {len(ordered)} (ImagePositionPatient is missing)")
    return tuple(dict.fromkeys(found))


def _find_scattered(ordered: Sequence[Instance]) -> tuple[str, ...]:
    """Return that frames lie in another order in a file than in space, which PS3.3 C.7.6.16 allows.

    dcm2niix sorts such frames for some makers only; those of the others it mixes, and says nothing (v1.0.20260724).
    """
    mixed = (
        "Frames.Scattered" in one.header and not one.header.text("Manufacturer").upper().startswith(_SORTED)
        for one in ordered
    )
    return (f"{UNLIKE}another order in the file than in space, in which dcm2niix would mix them",) if any(mixed) else ()


def _find_disorder(
    ordered: Sequence[Instance], images: Sequence[Image], *, lacking: bool, joined: bool
) -> tuple[str, ...]:
    single: list[Header] = []
    volumes: list[Header] = []
    for one in ordered:
        (volumes if _holds_frames(one.header) else single).append(one.header)
    whole = sum(one.volumes for one in images) == len(ordered)
    disorder = find_disorder(single, whole=whole, lacking=lacking, joined=joined) or find_disorder(
        volumes, whole=True, joined=joined
    )
    numbers = sorted({one.header.integer("SeriesNumber") for one in ordered})
    if disorder and len(numbers) > 1:
        shown = " and ".join(map(str, numbers))
        disorder = f"its images are of more than one series: its SeriesInstanceUID has the SeriesNumbers {shown}"
    return (disorder,) if disorder else ()


def _holds_frames(header: Header) -> bool:
    """Return whether an enhanced file holds a volume at least; some hold a single slice, as classic ones do."""
    return "Frames.Images" in header and header.integer("NumberOfFrames", 1) > 1


def clean(text: str) -> str:
    """Return a text without control characters, for a table or a terminal."""
    return _CONTROL.sub(" ", text).strip()


def _find_start(members: Sequence[Instance]) -> str:
    """Return when the first of some instances was measured, ``""`` where no date is known.

    Over midnight all of them may have the date of the first: no series lasts from night to night.
    """
    take, seen, times = Pick("AcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"), set(), set()
    for one in members:
        texts = take(one.header)
        if texts in seen:
            continue
        if _DAY.match(texts[0]) or (_DAY.fullmatch(texts[1]) and _TIME.fullmatch(texts[2].replace(":", ""))):
            # `when` asks for nothing else
            seen.add(texts)
        times.add(when(one.header))
    begin = min(times - {""}, default="")
    evening = [time for time in times if time[:8] == begin[:8] and time[8:10] >= LATE[:2]]
    return min(evening) if evening and "" < begin[8:10] < EARLY[:2] else begin


def when(header: Header) -> str:
    """Return the time of acquisition as ``YYYYMMDDHHMMSS.ffffff``; ``""`` where no date is known."""
    date_time = header.text("AcquisitionDateTime")
    if _DAY.match(date_time):
        return date_time.split("+")[0].split("-")[0]
    for kind in _CLOCKS:
        day = header.text(f"{kind}Date")
        if _DAY.fullmatch(day):
            return _join_moment(day, _read_time(header, kind), _find_time(header, kind))
    return ""


def _read_time(header: Header, kind: str) -> str:
    time = header.text(f"{kind}Time").replace(":", "")
    return time if _TIME.fullmatch(time) else ""


def _find_time(header: Header, kind: str) -> str:
    """Return the time of day of an image whose date is that of its acquisition, series, content or study.

    Anonymisers take dates away and leave times. A study has one time for all of its images.
    """
    own = _read_time(header, kind)
    if own and kind != "Study":
        return own
    times = (_read_time(header, other) for other in _CLOCKS if other != "Study")
    return next((time for time in times if time.strip("0.")), own)


def _join_moment(day: str, began: str, time: str) -> str:
    """Return a day with a time; what comes half a day before the moment at which that day is known was after midnight.

    Examples
    --------
    >>> _join_moment("20240229", "235000", "001000"), _join_moment("20240229", "100000", "095500")
    ('20240301001000', '20240229095500')
    """
    if began[:2] and time and int(began[:2]) - int(time[:2]) >= _HALF_A_DAY:
        try:
            day = (date(int(day[:4]), int(day[4:6]), int(day[6:])) + timedelta(days=1)).strftime("%Y%m%d")
        except (ValueError, OverflowError):  # no day of the calendar
            return day + time
    return day + time


def _missing_numbers(ordered: Sequence[Instance]) -> tuple[str, ...]:
    """Return a sentence where instance numbers have gaps, which means that the export is not complete."""
    numbers = sorted({one.header.integer("InstanceNumber") for one in ordered})
    if len(numbers) != len(ordered) or numbers[0] != 1:
        return ()
    gaps = numbers[-1] - len(numbers)
    return (f"{gaps} of {numbers[-1]} instances are missing in the export",) if gaps else ()


def find_collisions(series: Sequence[Series]) -> tuple[Collision, ...]:
    """Return the patients whose headers do not tell whether they are one person or two."""
    found: list[Collision] = []
    by_id: dict[str, list[Series]] = defaultdict(list)
    by_name: dict[tuple[str, str], list[Series]] = defaultdict(list)
    by_study: dict[str, list[Series]] = defaultdict(list)
    for one in series:
        by_study[one.study_uid].append(one)
        if not is_placeholder(one.patient.id):
            by_id[one.patient.id].append(one)
        if one.patient.birth_date and not is_placeholder(one.patient.name):
            by_name[(one.patient.name, one.patient.birth_date)].append(one)
    for members in by_id.values():
        people = [one.patient for one in members]
        if any(len({getattr(p, field) for p in people} - {""}) > 1 for field in ("name", "birth_date", "sex")):
            found.append(_collision(Conflict.ONE_ID_TWO_PEOPLE, members))
        elif _lies_in_two_places(members):
            found.append(_collision(Conflict.ONE_ID_TWO_PLACES, members))
        elif _many_scanners([one.header for one in members]):
            found.append(_collision(Conflict.ONE_ID_TWO_SCANNERS, members))
    found += [
        _collision(Conflict.ONE_PERSON_TWO_IDS, members)
        for members in by_name.values()
        if len({one.patient.id for one in members} - {""}) > 1
    ]
    found += [
        _collision(Conflict.ONE_STUDY_TWO_PEOPLE, members)
        for members in by_study.values()
        if len({one.patient.key for one in members}) > 1
    ]
    return tuple(found)


def _collision(conflict: Conflict, members: Sequence[Series]) -> Collision:
    patients = {one.patient.key: one.patient for one in members}
    return Collision(conflict, tuple(patients.values()), tuple(one.uid for one in members))


def _lies_in_two_places(members: Sequence[Series]) -> bool:
    """Return whether a person was measured by one scanner while another was at work on them.

    Times are those of series in YYYYMMDDHHMM, so that clocks that differ by a minute do no harm; a scanner is at work
    from the first to the last series of a study.
    """
    times: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in members:
        serial, time = one.header.text("DeviceSerialNumber"), one.started[:12]
        if serial and len(time) == 12 and time[8:].strip("0") and one.header.text("Modality") == "MR":
            times[serial, one.study_uid].append(time)
    spans = [(serial, min(some), max(some)) for (serial, _), some in times.items()]
    return any(
        one != other and begun < until and since < ended
        for (one, begun, ended), (other, since, until) in combinations(spans, 2)
    )


def _many_scanners(headers: Sequence[Header]) -> bool:
    """Return whether headers come from several scanners; a name changes when software does, so makers are compared."""
    makers = {find_maker(name) or name.strip().upper() for h in headers if (name := h.text("Manufacturer"))}
    serials = {serial for h in headers if (serial := h.text("DeviceSerialNumber"))}
    return len(makers) > 1 or len(serials) > 1
