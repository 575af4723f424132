"""What is scanned: people, sessions, sizes and the description of one series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bidsflow.phantom.grid import Grid
from bidsflow.phantom.signal import Contrast
from bidsflow.phantom.uid import make_rng


@dataclass(frozen=True, slots=True)
class Subject:
    """A made-up person.

    Attributes
    ----------
    label : str
        BIDS label of the subject, letters and digits.
    charset : str
        Specific Character Set of the headers (DICOM PS3.3 C.12.1.1.2).
    """

    label: str
    patient_id: str
    patient_name: str
    birth_date: date
    sex: str = "O"
    weight_kg: float = 70.0
    charset: str = "ISO_IR 100"


@dataclass(frozen=True, slots=True)
class Session:
    """One visit of a subject to the scanner.

    Attributes
    ----------
    label : str
        BIDS label of the session; empty where a study has one session per subject.
    """

    subject: Subject
    label: str
    start: datetime


@dataclass(frozen=True, slots=True)
class Size:
    """How large the images are: matrices (columns, rows, slices), fields of view and volumes.

    ``tiny`` shows how an export is built, and no more: in voxels of 4 and 8 mm hardly one is of fluid alone, and noise
    moves the head by a third of what it moves. ``small`` is coarser than any protocol, but its quality can be measured:
    3 mm leave the ventricles voxels without a rim, 5 mm the edges by which motion is found. In diffusion series these
    edges have to be told from contrast: with 4 mm, and as many directions as a tensor needs (30; Jones 2004,
    doi:10.1002/mrm.20033). Of 12, half of a motion could as well be contrast.
    """

    volume: tuple[int, int, int]
    planar: tuple[int, int, int]
    epi: tuple[int, int, int]
    diffusion: tuple[int, int, int]
    scout: int
    bold_volumes: int
    multiecho_volumes: int
    directions: int


SIZES = {
    "tiny": Size((64, 64, 48), (64, 64, 24), (32, 32, 16), (32, 32, 16), 64, 20, 10, 12),
    "small": Size((80, 80, 60), (64, 64, 24), (48, 48, 24), (64, 64, 32), 64, 20, 10, 30),
    "medium": Size((128, 128, 96), (128, 128, 32), (64, 64, 32), (64, 64, 32), 128, 80, 40, 30),
    "large": Size((256, 256, 176), (256, 256, 40), (96, 96, 48), (96, 96, 48), 256, 200, 100, 64),
}


@dataclass(frozen=True, slots=True)
class PulseSequence:
    """What a header says about the sequence.

    Attributes
    ----------
    scanning, variant, options : tuple of str
        Scanning Sequence, Sequence Variant and Scan Options (DICOM PS3.3 C.8.3.1).
    name : str
        The vendor's name of the sequence, as Siemens writes it.
    program : str
        The vendor's file of the sequence.
    """

    scanning: tuple[str, ...]
    variant: tuple[str, ...]
    options: tuple[str, ...]
    name: str
    program: str
    dimensions: str
    contrast: Contrast
    te_ms: tuple[float, ...]
    bandwidth: float
    echo_train: int = 1


@dataclass(frozen=True, slots=True)
class Readout:
    """How an echo-planar image is read out.

    Attributes
    ----------
    direction : {"AP", "PA"}
        Order of the phase-encoding lines.
    echo_spacing : float
        Effective echo spacing, seconds.
    lines : int
        Phase-encoding lines.
    """

    direction: str
    echo_spacing: float
    lines: int

    @property
    def bids_direction(self) -> str:
        """Return PhaseEncodingDirection for an image whose second axis grows to the front."""
        return "j-" if self.direction == "AP" else "j"

    @property
    def total_readout(self) -> float:
        """Return TotalReadoutTime as BIDS defines it: from the first echo's centre to the last's, seconds."""
        return self.echo_spacing * (self.lines - 1)

    @property
    def bandwidth(self) -> float:
        """Return the bandwidth per pixel in the phase-encoding direction, hertz."""
        return 1 / (self.lines * self.echo_spacing)


@dataclass(frozen=True, slots=True)
class Blocks:
    """A block design and the size of the response in the active region."""

    onsets: tuple[float, ...]
    duration: float
    percent: float


@dataclass(frozen=True, slots=True)
class ImageName:
    """What one image of a series is in BIDS; entities without sub and ses."""

    datatype: str
    suffix: str
    entities: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Series:
    """One series as planned at the console.

    Attributes
    ----------
    key : str
        What it is, in a word of the command line (``t1w``, ``rest``, ...).
    form : {"image", "epi", "phase", "phases", "localizer", "diffusion", "adc", "labelled"}
        How it is computed and written; ``phase`` is the difference of two echoes, ``phases`` is both.
    number : int
        Series Number.
    start : datetime
        When the first volume begins.
    duration : float
        Seconds from the first volume to the last.
    grids : tuple of Grid
        One for every orientation; most series have one.
    volumes, planned : int
        Volumes per echo that were acquired, and that were planned; they differ in an aborted run.
    readout : Readout or None
        None for what is not echo-planar.
    b_values : tuple of float
        s/mm², one per volume; empty for what is not diffusion-weighted.
    directions : tuple of (x, y, z)
        Unit vectors in the scanner (RAS), zero where b is 0.
    names : tuple of ImageName
        One per image that a converter makes, echoes in order; empty where `skip` says why.
    skip : str
        Why a converter leaves the series out; empty where it does not.
    moves : bool
        Whether the head moves during the series.
    maker : {"siemens", "ge"}
        Of the scanner; it decides in which order slices are excited.
    same_scan : bool
        Whether it was reconstructed from the scan of the series before.
    comment : str
        Image Comments.
    labels : tuple of str
        What each volume of labelled blood is (``control``, ``label``, ``m0scan``, ``deltam``); empty for all others.
    """

    key: str
    form: str
    number: int
    description: str
    sequence: PulseSequence
    grids: tuple[Grid, ...]
    start: datetime
    duration: float
    volumes: int = 1
    planned: int = 1
    readout: Readout | None = None
    blocks: Blocks | None = None
    b_values: tuple[float, ...] = ()
    directions: tuple[tuple[float, float, float], ...] = ()
    names: tuple[ImageName, ...] = ()
    skip: str = ""
    moves: bool = False
    maker: str = "siemens"
    same_scan: bool = False
    comment: str = ""
    labels: tuple[str, ...] = ()

    @property
    def grid(self) -> Grid:
        """Return the geometry of a series with one orientation."""
        return self.grids[0]

    @property
    def slice_times(self) -> tuple[float, ...]:
        """Return when each slice of a volume of interleaved slices is excited, seconds since its first.

        With Siemens an even count starts with the second slice, and times are multiples of 2.5 ms.
        """
        count, tr = self.grid.shape[2], self.sequence.contrast.tr_ms / 1000
        if self.maker == "siemens":
            return order_slices(count, int(tr / count / 0.0025 + 1e-9) * 0.0025, first=1 - count % 2)
        return order_slices(count, tr / count)

    def volume_start(self, volume: int) -> datetime:
        """Return when a volume begins."""
        return self.start + timedelta(seconds=volume * self.sequence.contrast.tr_ms / 1000)


def order_slices(count: int, step: float, *, first: int = 0) -> tuple[float, ...]:
    """Return the times of interleaved slices, seconds.

    Parameters
    ----------
    step : float
        Seconds between two excitations.
    first : {0, 1}
        The slice that begins.

    Examples
    --------
    >>> order_slices(5, 0.2)
    (0.0, 0.6, 0.2, 0.8, 0.4)
    >>> order_slices(4, 0.25, first=1)
    (0.5, 0.0, 0.75, 0.25)
    """
    order = [*range(first, count, 2), *range(1 - first, count, 2)]
    times = [0.0] * count
    for place, index in enumerate(order):
        times[index] = round(place * step, 6)
    return tuple(times)


_GIVEN = ("Ada", "Ben", "Cleo", "Dov", "Eva", "Finn", "Gil", "Hana")
_FAMILY = ("Phantom", "Gel", "Agar", "Sphere", "Water", "Grid", "Vial", "Bottle")


def make_sessions(subjects: int = 1, sessions: int = 1, *, seed: int = 0) -> tuple[Session, ...]:
    """Return visits of made-up people, four weeks apart.

    Parameters
    ----------
    subjects, sessions : int
        How many people, and how often each comes. With one visit the session label stays empty.

    Examples
    --------
    >>> [(s.subject.label, s.label) for s in make_sessions(2, 1)]
    [('01', ''), ('02', '')]
    """
    out = []
    for index in range(subjects):
        rng = make_rng(seed, "subject", index)
        born = date(1960, 1, 1) + timedelta(days=int(rng.integers(0, 16000)))
        name = f"{_FAMILY[index // 8 % 8]}^{_GIVEN[index % 8]}"
        subject = Subject(
            label=f"{index + 1:02d}",
            patient_id=f"PHANTOM{seed:02d}{index + 1:03d}",
            patient_name=name,
            birth_date=born,
            sex="MF"[int(rng.integers(0, 2))],
            weight_kg=float(rng.integers(50, 95)),
        )
        for visit in range(sessions):
            start = datetime(2024, 3, 4, 9, 5) + timedelta(days=index + 28 * visit, minutes=47 * (index % 5))
            out.append(Session(subject, f"{visit + 1:02d}" if sessions > 1 else "", start))
    return tuple(out)


def select_keys(series: Sequence[str] | None) -> tuple[str, ...]:
    """Return which kinds of series to scan, in the order of a session.

    Raises
    ------
    ValueError
        A word that is neither a kind of series nor a group of them.
    """
    if series is None:
        return KEYS
    wanted: set[str] = set()
    for word in series:
        group = GROUPS.get(word.lower(), (word.lower(),))
        if not set(group) <= {*KEYS, *MORE_KEYS}:
            known = ", ".join((*KEYS, *MORE_KEYS, *GROUPS))
            raise ValueError(f"{word!r} is no kind of series; known are {known}")
        wanted.update(group)
    return tuple(k for k in (*KEYS, *MORE_KEYS) if k in wanted)


KEYS = (
    "localizer",
    "t1w",
    "t2w",
    "flair",
    "pdw",
    "fieldmap",
    "topup",
    "sbref",
    "rest",
    "task",
    "mebold",
    "aborted",
    "dwi",
    "adc",
)
#: Kinds that are scanned only where they are asked for.
MORE_KEYS = ("asl",)
GROUPS = {
    "all": KEYS,
    "anat": ("t1w", "t2w", "flair", "pdw"),
    "bold": ("sbref", "rest", "task"),
    "func": ("sbref", "rest", "task", "mebold", "aborted"),
    "fmap": ("fieldmap", "topup"),
}
