"""What an export holds, as values: patients, series, their images, and the files that were set aside."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bidsflow.dicom.header import Header

#: A word that stands where anybody's ID or name would: what anonymisers, consoles and tests write.
_NOBODY: Final = re.compile(
    r"anon[^\W\d]*|pseudonym|unknown|unbekannt|inconnu|name|noname|none|null|nil|na|nn|s|x+|0+|patient|pat|person|participant|"
    r"proband|subject|subj|sub|volunteer|test|(?:de)?identified|deid|removed|deleted|redacted|defaced|hidden|masked|"
    r"empty|blank|dummy|unnamed|undefined|unspecified|withheld|id|noid|(?:patient|subject)s?(?:id|name)|ctp|"
    # What is typed to get past the form of a console.
    r"123456(?:7(?:89?0?)?)?|1{6,}|9{6,}|匿名\w*|无名|無名|익명\w*|аноним\w*",
    re.IGNORECASE,
)
#: Words that stand beside these. By themselves, and beside initials, they are names of people, too.
_BETWEEN: Final = re.compile(r"not|no|by", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class File:
    """One file of an export.

    Attributes
    ----------
    path : str
        Absolute path.
    size : int
        In bytes, as on disk.
    mtime_ns : int
        Time of the last change, nanoseconds since the epoch.
    inode : int
        Number of the file on its disk: a file that was put in the place of another has its own. Of a copy, a number
        that goes with its bytes: when it was unpacked tells nothing.
    passing : bool
        True for a copy that goes with the end of the command, unpacked from an archive.
    """

    path: str
    size: int
    mtime_ns: int
    inode: int = 0
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Instance:
    """One DICOM instance: a file and what its header says.

    Attributes
    ----------
    file : File
        What was read.
    header : Header
        What it says.
    beside : File, optional
        The file that holds its pixels, where that is another one (the REC of a PAR).
    digest : bytes
        `digest.digest_of` the bytes of `file`; empty where they were not read all together with the header.
    """

    file: File
    header: Header
    beside: File | None = None
    digest: bytes = b""

    @property
    def files(self) -> tuple[File, ...]:
        """All that it is made of."""
        return (self.file,) if self.beside is None else (self.file, self.beside)


@dataclass(frozen=True, slots=True)
class Patient:
    """Who was scanned, as far as the headers tell. Private: never printed unless the user asks for it.

    Attributes
    ----------
    id, name, birth_date, sex : str
        As in the header, folded so that spelling does not split one person (case, blanks, carets).
    """

    id: str
    name: str
    birth_date: str
    sex: str

    @property
    def key(self) -> str:
        """A text that is equal for the same person; private like the person."""
        return "\x1f".join((self.id, self.name, self.birth_date))

    @property
    def is_named(self) -> bool:
        """Whether ID or name say who it is; what many people are called (``ANONYMOUS``) does not."""
        return not (is_placeholder(self.id) and is_placeholder(self.name))


def is_placeholder(text: str) -> bool:
    """Return whether an ID or a name is one that archives and scanners give to anybody, or none at all.

    Examples
    --------
    >>> [is_placeholder(text) for text in ("^^", "ANONYMOUS PATIENT", "n/a", "000", "Doe Anon", "ANON01", "Patient 7")]
    [True, True, True, True, False, False, False]
    >>> [is_placeholder(text) for text in ("Deidentified by CTP", "NoID", "123456", "匿名", "123457", "STUDY01")]
    [True, True, True, True, False, False]
    >>> [is_placeholder(text) for text in ("no name", "NO", "NO^S")]
    [True, False, False]
    """
    words = re.findall(r"[^\W_]+", text)
    told = [word for word in words if not _BETWEEN.fullmatch(word)]
    enough = len(told) == len(words) or any(len(word) > 1 for word in told)
    return (enough and all(map(_NOBODY.fullmatch, told))) or _NOBODY.fullmatch("".join(words)) is not None


@dataclass(frozen=True, slots=True)
class SetAside:
    """A file that is not used, and why.

    Attributes
    ----------
    path : str
        Absolute path.
    reason : str
        A short clause: ``empty file``, ``pixel data is truncated``, ...
    harmless : bool
        True for what no one will miss (a text file, a DICOMDIR, a report object); False for what may be lost data.
    patient : Patient or None
        Whose it is, where its header could be read. Private.
    lost : bool
        True where no one can tell what images it holds: a folder that may not be read, an archive or a file that breaks
        off; and where it is an image that breaks off, of which the export has no whole copy.
    """

    path: str
    reason: str
    harmless: bool = False
    patient: Patient | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """The part of a series that becomes one NIfTI image: one echo, one component, one geometry.

    Attributes
    ----------
    echo : int
        Rank of the echo time within the measurement, from 1; 0 where it has one echo only.
    echo_time : float
        In milliseconds; 0 where unknown.
    component : str
        ``magnitude``, ``phase``, ``real`` or ``imaginary``.
    orientation : tuple of float
        Direction cosines of rows and columns (DICOM PS3.3 C.7.6.2.1.1), rounded; empty where unknown.
    matrix : tuple of int
        Columns, rows and slices of one volume, mosaics unfolded.
    volumes : int
        Number of volumes.
    b_values : tuple of float
        The distinct b-values in s/mm², ascending; empty where the header says nothing of diffusion.
    n_instances : int
        Files that belong to this image.
    header : Header
        Header of its first instance in acquisition order.
    """

    header: Header
    matrix: tuple[int, int, int]
    volumes: int
    echo: int = 0
    echo_time: float = 0.0
    component: str = "magnitude"
    orientation: tuple[float, ...] = ()
    b_values: tuple[float, ...] = ()
    n_instances: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """One acquired series: what one run of the sequence, or one step of reconstruction, left behind.

    Attributes
    ----------
    uid : str
        SeriesInstanceUID.
    study_uid : str
        StudyInstanceUID.
    patient : Patient
        Private.
    number : int
        SeriesNumber; 0 where absent. For people, never for identity.
    description, protocol_name : str
        SeriesDescription and ProtocolName, without control characters, and without the name, ID and birth date of the
        person where someone typed them there.
    started : str
        ``YYYYMMDDHHMMSS.ffffff`` of the first instance; ``""`` where unknown. Private (a date).
    images : tuple of Image
        In order of component, echo and orientation.
    instances : sequence of Instance
        In order of acquisition; of large exports they are unpacked whenever they are asked for.
    header : Header
        Header of the first instance, as it is. Private.
    problems : tuple of str
        What a person should know, `incomplete` included.
    incomplete : tuple of str
        What shows that images of the series are missing, or lie nowhere: gaps between slices or instance numbers, a
        volume that is not full, a geometry that is missing or impossible.
    parts : int
        SeriesInstanceUIDs under which it came; more than one where the scanner gave volumes or slices their own.
    measurement : str
        SeriesInstanceUID of the first echo, where echoes of one measurement are series of their own; else ``""``.
    echo_times : tuple of float
        Those of all echoes of such a measurement, in milliseconds, ascending; else empty.
    """

    uid: str
    study_uid: str
    patient: Patient
    number: int
    description: str
    protocol_name: str
    started: str
    images: tuple[Image, ...]
    instances: Sequence[Instance]
    header: Header
    problems: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    parts: int = 1
    measurement: str = ""
    echo_times: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """How people know the series: its number and its description."""
        return f"{self.number} {self.description or self.protocol_name or 'without a description'}"


class Conflict(StrEnum):
    """What makes the identity of patients doubtful."""

    ONE_ID_TWO_PEOPLE = "one patient ID stands for different names, birth dates or sexes"
    ONE_ID_TWO_SCANNERS = "one patient ID was used on two scanners, which may number their patients alike"
    ONE_ID_TWO_PLACES = "one patient ID lay in two scanners at one time"
    ONE_PERSON_TWO_IDS = "one name and birth date stands under two patient IDs"
    ONE_STUDY_TWO_PEOPLE = "one study stands for different patients"


@dataclass(frozen=True, slots=True)
class Collision:
    """Patients whose headers do not tell whether they are one person.

    Attributes
    ----------
    conflict : Conflict
        What was seen.
    patients : tuple of Patient
        Private.
    series : tuple of str
        SeriesInstanceUIDs that are concerned.
    """

    conflict: Conflict
    patients: tuple[Patient, ...]
    series: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.conflict.value} ({len(self.series)} series concerned)"


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that was found in an export.

    Attributes
    ----------
    series : tuple of Series
        By patient, study, start and number.
    set_aside : tuple of SetAside
        Every file that belongs to no series, in the order of its path.
    collisions : tuple of Collision
        Patients who may be one person or two.
    n_read : int
        Files whose header was read now.
    n_reused : int
        Files that the index already knew.
    origins : tuple of (str, str)
        Folders that archives were unpacked to, and the paths that people know them by.
    twins : tuple of tuple of str
        SeriesInstanceUIDs of series that hold the same pixels under UIDs of their own.
    """

    series: tuple[Series, ...]
    set_aside: tuple[SetAside, ...]
    collisions: tuple[Collision, ...] = ()
    n_read: int = 0
    n_reused: int = 0
    origins: tuple[tuple[str, str], ...] = ()
    twins: tuple[tuple[str, ...], ...] = ()

    def pseudonyms(self) -> dict[str, str]:
        """Return a name for each patient that says nothing of the person, ``P1``, ``P2``, ... by `Patient.key`."""
        keys = dict.fromkeys(series.patient.key for series in self.series)
        return {key: f"P{rank}" for rank, key in enumerate(keys, start=1)}
