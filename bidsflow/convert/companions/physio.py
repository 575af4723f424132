"""Pulse, breathing and heart beside the images: what Siemens scanners log of them, as regular traces. Pure.

Three ways of writing the same thing are read:

- the log files of the CMRR multiband sequences (``EJA_1``), packed into one element of a DICOM object;
- the XML of Siemens' own physio logging (XA), in the same element;
- the text files of the monitoring unit (``.puls``, ``.resp``), of VB, VE and XA.

Time is counted in tics of 2.5 ms since midnight in the first two, in ms since midnight in the third, by the clock that
images have their AcquisitionTime from.

Sources: CMRR-C2P/MB, ``readCMRRPhysio.m``; Siemens' ``physiodcm2tsv.py`` and style sheets (MAGNETOM World,
"Physiologging"); bidsphysio (``dcm2bidsphysio.py``, ``pmu2bidsphysio.py``); dcm_qa_physio, README ("Trigger-sentinel
handling"); BIDS, "Physiological and other continuous recordings".
"""

from __future__ import annotations

import re
import struct
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from xml.etree import ElementTree as ET

#: Seconds of a tic of Siemens' clock, and the seconds of a day.
TIC, DAY = 0.0025, 86400.0
#: Labels and columns by the name that the scanner has for a signal (BIDS knows cardiac, respiratory and trigger).
_LABELS = {"PULS": "cardiac", "RESP": "respiratory", "ECG": "ecg", "EXT": "external"}
#: Stands in the place of a value where a row only says that the scanner has found a beat.
_MARK = 2048
#: A packed log is written in rows of so many bytes; what it unpacks to is bounded.
_ROW, _MOST = 1024, 256 << 20
#: Seconds by which the samples of a text file may miss the time that it covers.
_TOLERANCE = 1.0
#: No log of one measurement lasts longer (seconds).
_LONGEST = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Trace:
    """One signal at regular times.

    Attributes
    ----------
    label : str
        ``cardiac``, ``respiratory``, ``ecg`` or ``external``.
    start, step : float
        Seconds since midnight of the first sample, and between two.
    columns : mapping of str to tuple
        Samples by column; None where the scanner logged none.
    beats : tuple of float
        When the scanner found a beat or a breath, seconds since midnight.
    """

    label: str
    start: float
    step: float
    columns: Mapping[str, tuple[int | None, ...]]
    beats: tuple[float, ...] = ()

    @property
    def length(self) -> int:
        """How many samples it has."""
        return len(next(iter(self.columns.values())))

    @property
    def stop(self) -> float:
        """Seconds since midnight of the last sample."""
        return self.start + (self.length - 1) * self.step

    @property
    def is_flat(self) -> bool:
        """Whether nothing was measured: no sensor was there."""
        return all(len(set(values) - {None}) < 2 for values in self.columns.values())

    def cut(self, begin: float, end: float) -> Trace:
        """Return what lies between two times."""
        first = max(0, round((begin - self.start) / self.step))
        last = min(self.length, round((end - self.start) / self.step) + 1)
        columns = {name: values[first:last] for name, values in self.columns.items()}
        return Trace(self.label, self.start + first * self.step, self.step, columns, self.beats)


@dataclass(frozen=True, slots=True)
class Recording:
    """What was logged at one time.

    Attributes
    ----------
    traces : tuple of Trace
        By label.
    volumes : tuple of float
        When each volume began, seconds since midnight; empty where the log does not say.
    """

    traces: tuple[Trace, ...]
    volumes: tuple[float, ...] = ()


@dataclass(slots=True)
class _Log:
    """The rows of one signal, as they are read."""

    period: int = 0
    samples: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    beats: list[int] = field(default_factory=list)


def read_payload(payload: bytes) -> Recording:
    """Return what an element (7FE1,1010) holds, whichever of the two ways it is written in.

    Raises
    ------
    ValueError
        If it is neither, or damaged; why, in a clause.
    """
    if payload[:2] == b"\x1f\x8b" or payload.lstrip()[:1] == b"<":
        return _read_xml(payload)
    return read_logs(_unpack(payload))


def _unpack(payload: bytes) -> list[str]:
    """Return the log files in a payload: each has a row with its length and name, and fills the rows of its share.

    The share is the same for all; how many there are follows from where the next one can begin.
    """
    found = []
    for count in range(1, 7):
        share, rest = divmod(len(payload), count)
        if rest or share % _ROW:
            continue
        parts = [payload[rank * share : (rank + 1) * share] for rank in range(count)]
        if all(_is_log(part) for part in parts):
            found = [part[_ROW : _ROW + struct.unpack_from("<I", part)[0]].decode(errors="replace") for part in parts]
    if not found:
        raise ValueError("its data hold no logs of the kind that CMRR sequences write")
    return found


def _is_log(part: bytes) -> bool:
    if len(part) < _ROW:
        return False
    size, name = struct.unpack_from("<II", part)
    return 0 < size <= len(part) - _ROW and 0 < name < _ROW - 8 and part[8 : 8 + name].rstrip(b"\0").endswith(b".log")


def read_logs(texts: Iterable[str]) -> Recording:
    """Return what some log files of one measurement hold.

    Raises
    ------
    ValueError
        If one cannot be read; the line is named.
    """
    logs: dict[str, _Log] = {}
    volumes: dict[int, int] = {}
    for text in texts:
        kind, rows, period = _split_log(text)
        if kind == "ACQUISITION_INFO":
            for number, cells in rows:
                if len(cells) < 3:
                    raise ValueError(f"line {number} of a log breaks off")
                volume, _, start = _whole(cells[:3], number)
                volumes[volume] = min(start, volumes.get(volume, start))
        elif kind in _LABELS:
            logs[kind] = _collect(rows, period)
    if not logs:
        raise ValueError("it holds no signal")
    return _assemble(logs, [volumes[one] for one in sorted(volumes)])


def _split_log(text: str) -> tuple[str, list[tuple[int, list[str]]], int]:
    """Return what a log file says it is, its rows with the numbers of their lines, and the tics between two samples."""
    said: dict[str, str] = {}
    rows = []
    for number, line in enumerate(text.splitlines(), start=1):
        key, mark, value = line.partition("=")
        cells = line.split("#")[0].split()
        if mark:
            said[key.strip()] = value.strip()
        elif cells and cells[0].lstrip("-").isdigit():
            rows.append((number, cells))
    if "LogDataType" not in said:
        raise ValueError("a log does not say what it holds (LogDataType)")
    return said["LogDataType"], rows, _whole([said.get("SampleTime", "0")], 0)[0]


def _whole(cells: Sequence[str], number: int) -> list[int]:
    try:
        return [int(cell) for cell in cells]
    except ValueError:
        raise ValueError(f"line {number} of a log holds no whole numbers where it should") from None


def _collect(rows: Sequence[tuple[int, list[str]]], period: int) -> _Log:
    log = _Log(period)
    for number, cells in rows:
        if len(cells) < 3:
            raise ValueError(f"line {number} of a log breaks off")
        tic, value = _whole([cells[0], cells[2]], number)
        marked = len(cells) > 3 and cells[3].endswith("_TRIGGER")
        if marked:
            log.beats.append(tic)
        if not marked or value != _MARK:
            log.samples[cells[1]][tic] = value
    return log


def _read_xml(payload: bytes) -> Recording:
    if payload[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(31)
        try:
            payload = unpacker.decompress(payload, _MOST)
        except zlib.error as error:
            raise ValueError("its compressed data are damaged") from error
        if not unpacker.eof:
            raise ValueError("its compressed data break off" if len(payload) < _MOST else "it unpacks without end")
    try:
        root = ET.fromstring(payload.strip(b"\0 \r\n"))  # expat itself bounds what entities grow to
    except ET.ParseError as error:
        raise ValueError("its XML is damaged") from error
    logs: dict[str, _Log] = {}
    for stream in root.iter("PhysioStream"):
        name = str(stream.get("TYPE", "")).upper()
        kind = next((one for one in _LABELS if name.startswith(one)), "")
        rows = [(_tic(row, "TIME_TICS"), _tic(row, "DATA")) for row in stream.iter("PMU")]
        if kind and rows:
            log = logs.setdefault(kind, _Log(_frequent_gap([tic for tic, _ in rows])))
            log.samples[name].update(rows)
    for row in root.iter("PhysioTrigger"):
        for kind, log in logs.items():
            if str(row.get("SIGNAL", "")).upper().startswith(kind):
                log.beats.append(_tic(row, "TIME_TICS"))
    if not logs:
        raise ValueError("it holds no signal")
    volumes = list(root.iter("Volume"))
    first = min((str(one.get("ECO_ID", "0")) for one in volumes), default="0")
    starts = [_tic(one, "ACQUISITION_TIME_TICS") for one in volumes if one.get("ECO_ID", "0") == first]
    return _assemble(logs, sorted(starts))


def _tic(row: ET.Element, name: str) -> int:
    try:
        return int(row.attrib[name])
    except (KeyError, ValueError) as error:
        raise ValueError(f"its XML has a {row.tag} without a whole number as {name}") from error


def _frequent_gap(tics: Sequence[int]) -> int:
    gaps = Counter(two - one for one, two in pairwise(tics) if two > one)
    return gaps.most_common(1)[0][0] if gaps else 1


def _assemble(logs: Mapping[str, _Log], volumes: Sequence[int]) -> Recording:
    traces = []
    for kind in sorted(logs, key=lambda one: _LABELS[one]):
        log = logs[kind]
        every = [tic for samples in log.samples.values() for tic in samples]
        if not every:
            continue
        period = log.period or _frequent_gap(sorted(set(every)))
        first, count = min(every), (max(every) - min(every)) // period + 1
        if count * period * TIC > _LONGEST:
            raise ValueError("its times are hours apart: it is damaged, or went on past midnight")
        columns = {
            _name_column(kind, name, len(log.samples)): _lay_on_grid(
                samples, first, period, count, 0 if kind == "EXT" else None
            )
            for name, samples in sorted(log.samples.items())
        }
        traces.append(
            Trace(_LABELS[kind], first * TIC, period * TIC, columns, tuple(t * TIC for t in sorted(log.beats)))
        )
    return Recording(tuple(traces), tuple(tic * TIC for tic in volumes))


def _name_column(kind: str, name: str, channels: int) -> str:
    return _LABELS[kind] if channels == 1 else f"{_LABELS[kind]}{name.removeprefix(kind).strip('_') or '1'}"


def _lay_on_grid(
    samples: Mapping[int, int], first: int, period: int, count: int, gap: int | None
) -> tuple[int | None, ...]:
    """Return the sample nearest to each point of a grid; `gap` where none is nearer than the next point."""
    best: dict[int, tuple[int, int]] = {}
    for tic, value in samples.items():
        for point in {(tic - first) // period, -((first - tic) // period)}:
            distance = abs(tic - first - point * period)
            if point not in best or distance < best[point][0]:
                best[point] = distance, value
    return tuple(best[point][1] if point in best else gap for point in range(count))


#: How many numbers stand before the samples of a text file: the method of its triggers.
_TEXT_HEAD = 4
#: Signals that stand interleaved, of which the first is the raw one, by kind and version of the log.
_INTERLEAVED = MappingProxyType({("RESP", "3"): 5})


def read_text(text: str, suffix: str) -> Recording:
    """Return what a text file of the monitoring unit holds.

    Parameters
    ----------
    text : str
        Of the file.
    suffix : str
        ``.puls`` or ``.resp``, which says what it holds where the file does not.

    Raises
    ------
    ValueError
        If it is none, is damaged, or its samples do not fit the time that it covers; why, in a clause.
    """
    head, _, foot = text.partition("\n")
    times = {
        name: int(value) / 1000 for name, value in re.findall(r"^(Log\w+MDHTime):\s+(\d+)\s*$", foot, re.MULTILINE)
    }
    if {"LogStartMDHTime", "LogStopMDHTime"} - times.keys():
        raise ValueError("it does not end with the times of its first and last sample (LogStartMDHTime)")
    start, stop = times["LogStartMDHTime"], times["LogStopMDHTime"]
    said = " ".join(re.findall(r"\b5002\b(.*?)\b6002\b", head))
    kind = _find_kind(said, suffix)
    version = re.search(r"LOGVERSION\w*\s+(\d+)", said)
    numbers = _read_numbers(re.sub(r"\b5002\b.*?\b6002\b", " ", head))
    samples, marks = _take_out_marks(numbers[_TEXT_HEAD:])
    apart = _INTERLEAVED.get((kind, version[1] if version else ""), 1)
    samples, marks = samples[::apart], [mark // apart for mark in marks]
    rate = re.search(r"_SAMPLES_PER_SECOND = (\d+)", said)
    frequency = float(rate[1]) if rate else 400.0 if version else 50.0
    lasts = (stop - start) % DAY
    if not samples or abs(len(samples) / frequency - lasts) > _TOLERANCE:
        raise ValueError(f"its {len(samples)} samples at {frequency:g} Hz do not fit the {lasts:.1f} s that it covers")
    label = _LABELS[kind]
    beats = tuple(start + mark / frequency for mark in marks)
    return Recording((Trace(label, start, 1 / frequency, {label: tuple(samples)}, beats),))


def _find_kind(said: str, suffix: str) -> str:
    named = re.search(r"(?:LOGVERSION_|Logging )(PULS|RESP)", said)
    kind = named[1] if named else suffix.removeprefix(".").upper()
    if kind not in _LABELS:
        raise ValueError("it does not say whether it holds pulse or breathing")
    return kind


def _read_numbers(head: str) -> list[int]:
    try:
        return [int(one) for one in head.split()]
    except ValueError:
        raise ValueError("its first line holds more than numbers") from None


def _take_out_marks(numbers: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the samples up to 5003, and how many stand before each 5000, which says that a beat was found.

    Raises
    ------
    ValueError
        If the end is missing.
    """
    if 5003 not in numbers:
        raise ValueError("its samples break off (5003 is missing)")
    samples: list[int] = []
    marks = []
    for one in numbers[: numbers.index(5003)]:
        if one == 5000:
            marks.append(len(samples))
        elif one != 6000:
            samples.append(one)
    return samples, marks
