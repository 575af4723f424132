"""What a study says of its data: who is who, what each series is called, and what is expected. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from bidsflow.convert.plan import Decision

#: The version of the file format that this bidsflow writes, and the newest that it reads.
VERSION = 1

#: A value of JSON and TOML, as sidecars and `dataset_description.json` hold them.
Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json]"
Scalar: TypeAlias = str | int | float


class Relation(StrEnum):
    """How a value of a header is held against the value of a condition."""

    #: Texts are equal to the letter, numbers to a thousandth part (scanners write 29.999999 for 30).
    EQUALS = "equals"
    #: The whole text fits a pattern of a shell: ``*``, ``?``, ``[ab]``; upper and lower case differ.
    GLOB = "glob"
    #: A regular expression is found somewhere in the text; its named groups fill templates.
    REGEX = "regex"
    LESS = "less"
    MORE = "more"
    #: Both ends included; ``inf`` leaves one open.
    BETWEEN = "between"
    #: One of the values of the element is equal (``ImageType``), or the text holds it.
    CONTAINS = "contains"
    #: One of several values: numbers are equal, texts fit as patterns of a shell.
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that a rule asks of an image.

    Attributes
    ----------
    field : str
        A keyword of DICOM or the name of a private element that bidsflow reads, with its value in the unit of DICOM
        (EchoTime in ms), or what bidsflow finds out itself: see `fields.FIELDS`.
    relation : Relation
        How the value is compared.
    value : str, float or tuple
        Two numbers for ``between``, one or more values for ``any``, a number for ``less`` and ``more``, else one value.
    negated : bool
        True where the image must *not* fit.
    """

    field: str
    relation: Relation
    value: Scalar | tuple[Scalar, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What some images are. What a rule leaves out stays as bidsflow finds it.

    Attributes
    ----------
    match : tuple of Condition
        All of them must hold.
    decision : Decision or None
        None leaves it to the evidence.
    datatype, suffix : str
        ``""`` leaves them to the evidence.
    entities : mapping of str to str
        Labels by short name (``task``, ``acq``); ``""`` takes a label away. ``{task}`` stands for the group of that
        name in a regular expression of `match`, ``{ProtocolName}`` for a field of the header.
    sidecar : mapping of str to Json
        Fields for the sidecar of each image.
    aslcontext : tuple of str
        The volume types of a perfusion series, in order.
    because : str
        Why; it stands in the plan.
    """

    match: tuple[Condition, ...]
    decision: Decision | None = None
    datatype: str = ""
    suffix: str = ""
    entities: Mapping[str, str] = field(default_factory=dict)
    sidecar: Mapping[str, Json] = field(default_factory=dict)
    aslcontext: tuple[str, ...] = ()
    because: str = ""

    @property
    def given(self) -> frozenset[str]:
        """What it gives of a name: labels by their keys, ``datatype``, ``suffix``, and ``name`` where that is all."""
        kinds = {key for key, text in (("datatype", self.datatype), ("suffix", self.suffix)) if text}
        return frozenset({*kinds, *self.entities, *(("name",) if len(kinds) == 2 else ())})


@dataclass(frozen=True, slots=True)
class Limit:
    """What a parameter should be, and how far from it a number may lie (in its own unit)."""

    value: Scalar
    tolerance: float = 0.0


@dataclass(frozen=True, slots=True)
class Expected:
    """A part of the protocol that each subject, or each of some sessions, should have.

    Attributes
    ----------
    name : str
        A BIDS name without subject, session and extension; a pattern of a shell may stand for a part of it:
        ``func/task-rest_bold``, ``fmap/*_epi``. Runs and echoes of it are counted as one name.
    runs : tuple of (int, int)
        At least and at most.
    volumes : tuple of (int, int) or None
        At least and at most, in each run; None where anything goes.
    parameters : mapping of str to Limit
        By field, as in a `Condition`.
    optional : bool
        True where a session may lack it; where it is there it must be right.
    sessions : tuple of str
        Labels of the sessions that should have it; empty for all.
    """

    name: str
    runs: tuple[int, int] = (1, 1)
    volumes: tuple[int, int] | None = None
    parameters: Mapping[str, Limit] = field(default_factory=dict)
    optional: bool = False
    sessions: tuple[str, ...] = ()


class Source(StrEnum):
    """What labels of subjects and sessions are made of."""

    #: Numbered: subjects by their first scan, sessions of a subject by date.
    NUMBER = "number"
    PATIENT_ID = "PatientID"
    PATIENT_NAME = "PatientName"
    FOLDER = "folder"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of labels, CSV or TSV with a header.

    Attributes
    ----------
    path : str
        Relative to the folder of the study file.
    key : str
        The column that holds what `by` has in the header.
    label : str
        The column that holds the label.
    by : Source
        What the keys are: PatientID, PatientName or folder.
    date : str
        For sessions, the column with the day of the visit; ``""`` where the keys tell the visit.
    """

    path: str
    key: str = "PatientID"
    label: str = "participant_id"
    by: Source = Source.PATIENT_ID
    date: str = ""


@dataclass(frozen=True, slots=True)
class Subjects:
    """How people get their labels.

    Attributes
    ----------
    source : Source
        What a label is made of.
    pattern : str
        A regular expression that is searched in it; its group ``label``, else its first group, else all that it found,
        is the label. ``""`` takes the whole text.
    table : Table or None
        Where the source is a table.
    """

    source: Source = Source.NUMBER
    pattern: str = ""
    table: Table | None = None


@dataclass(frozen=True, slots=True)
class Sessions:
    """How visits get their labels.

    Attributes
    ----------
    source, pattern, table : Source, str, Table
        As of `Subjects`.
    labels : tuple of str
        For numbered sessions: labels in the order of the visits.
    names : str
        Whether names have a session: ``auto`` (where someone was scanned twice), ``always`` or ``never``.
    optional : bool
        True where visits that get no label from `source` are numbered instead of waiting for one.
    """

    source: Source = Source.NUMBER
    pattern: str = ""
    table: Table | None = None
    labels: tuple[str, ...] = ()
    names: str = "auto"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that a study says of its data.

    Attributes
    ----------
    name : str
        For people.
    subjects, sessions : Subjects, Sessions
        Who is who.
    rules : tuple of Rule
        The first that matches an image counts.
    expected : tuple of Expected
        The protocol.
    sidecar : mapping of str to Json
        Fields for the sidecar of every image; those of a rule go before them.
    exclude : tuple of tuple of Condition
        Images that pass all conditions of any of these are skipped, whatever the rules say.
    dataset : mapping of str to Json
        Fields of ``dataset_description.json`` (Name, Authors, License, ...).
    events : mapping of str to Json
        How the logs of each task are read: tables for `companions.tasklogs.read_tasks`.
    version : int
        Of the file format.
    """

    name: str = ""
    subjects: Subjects = field(default_factory=Subjects)
    sessions: Sessions = field(default_factory=Sessions)
    rules: tuple[Rule, ...] = ()
    expected: tuple[Expected, ...] = ()
    sidecar: Mapping[str, Json] = field(default_factory=dict)
    exclude: tuple[tuple[Condition, ...], ...] = ()
    dataset: Mapping[str, Json] = field(default_factory=dict)
    events: Mapping[str, Json] = field(default_factory=dict)
    version: int = VERSION
