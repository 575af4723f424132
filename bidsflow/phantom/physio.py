"""Pulse and breathing of a pretend person, logged as Siemens scanners log them, beside the runs of an export.

The waves are known functions of the time since the first volume of a run, so that a reader can be held against them.

Sources: as in `bidsflow.convert.companions.physio`, written here anew from the same descriptions.
"""

from __future__ import annotations

import gzip
import math
import struct
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filereader import dcmread
from pydicom.filewriter import dcmwrite

from bidsflow.phantom.header import make_meta
from bidsflow.phantom.truth import SeriesTruth, Truth
from bidsflow.phantom.uid import make_uid

#: Beats and breaths per second, and seconds that a log begins before its run and ends after it.
PULSE, BREATH = 1.1, 0.27
BEFORE, AFTER = 4.0, 2.0
_TIC = 0.0025
#: Tics between two samples.
_PERIODS = {"PULS": 2, "RESP": 8}


def wave(kind: str, seconds: float) -> int:
    """Return what a sensor shows so many seconds after the first volume of a run began.

    Parameters
    ----------
    kind : {"PULS", "RESP"}
        Finger sensor or belt.
    """
    rate = {"PULS": PULSE, "RESP": BREATH}[kind]
    return round(2100 + 900 * math.sin(2 * math.pi * rate * seconds))


def write_logs(root: Path, truth: Truth, *, form: str = "cmrr") -> tuple[Path, ...]:
    """Write a log for each run of an export, and return the files.

    Parameters
    ----------
    root : Path
        Folder that `write` wrote the export to.
    truth : Truth
        What is in it.
    form : {"cmrr", "xml", "text"}
        As a DICOM object of CMRR's sequences (VE11) or of Siemens' own logging (XA), or as text files of the monitoring
        unit (VE11).
    """
    made: list[Path] = []
    for session in truth.sessions:
        for rank, series in enumerate(one for one in session.series if one.key in ("rest", "task")):
            folder = root / truth.export / series.folder
            first = dcmread(sorted(folder.iterdir())[0], stop_before_pixels=True)
            if form == "text":
                made += _write_texts(folder.parent, series, rank)
            else:
                pack: Callable[[SeriesTruth], bytes] = {"cmrr": _pack_logs, "xml": _pack_xml}[form]
                made.append(_write_object(folder, first, series, pack(series), truth.seed, form))
    return tuple(made)


def _count_tics(series: SeriesTruth) -> int:
    """Return when the first volume began, tics since midnight."""
    start = datetime.fromisoformat(series.start)
    seconds = start.hour * 3600 + start.minute * 60 + start.second + start.microsecond / 1e6
    return round(seconds / _TIC)


def _sample(series: SeriesTruth, kind: str) -> list[tuple[int, int]]:
    """Return the tics and values of a signal."""
    zero, period = _count_tics(series), _PERIODS[kind]
    volumes = series.shape[3]
    begin = zero - round(BEFORE / _TIC)
    end = zero + round((volumes * series.repetition_time + AFTER) / _TIC)
    return [(tic, wave(kind, (tic - zero) * _TIC)) for tic in range(begin, end, period)]


def _pack_logs(series: SeriesTruth) -> bytes:
    """Return the payload of CMRR's object: for each log a row of 1024 bytes with its length and name, then its text."""
    zero, volumes = _count_tics(series), series.shape[3]
    head = "UUID        = 00000000-0000-0000-0000-000000000000\nScanDate    = 20240304_090500\nLogVersion  = EJA_1\n"
    info = [f"{head}LogDataType = ACQUISITION_INFO\nNumSlices   = 1\nNumVolumes  = {volumes}\nNumEchoes   = 1\n",
            "VOLUME   SLICE   ACQ_START_TICS  ACQ_FINISH_TICS  ECHO\n"]  # fmt: skip
    for volume in range(volumes):
        tic = zero + round(volume * series.repetition_time / _TIC)
        info.append(f"{volume:6d} {0:7d} {tic:16d} {tic + 16:16d} {0:5d}")
    logs = {"Info": "\n".join(info)}
    for kind, period in _PERIODS.items():
        rows = [f"{head}LogDataType = {kind}\nSampleTime  = {period}\n", "ACQ_TIME_TICS  CHANNEL  VALUE  SIGNAL\n"]
        for rank, (tic, value) in enumerate(_sample(series, kind)):
            rows.append(f"{tic:13d} {kind:>8} {value:6d} ")
            if rank % 180 == 90:  # the scanner's own marks are no samples
                rows.append(f"{tic + 1:13d} {kind:>8}   2048  {kind}_TRIGGER")
        logs[kind] = "\n".join(rows)
    share = max(-(-len(text) // 1024) for text in logs.values()) * 1024 + 1024
    parts = []
    for name, text in logs.items():
        title = f"Physio_{name}.log".encode()
        row = struct.pack("<II", len(text), len(title)) + title
        parts.append((row.ljust(1024, b"\0") + text.encode()).ljust(share, b"\0"))
    return b"".join(parts)


def _pack_xml(series: SeriesTruth) -> bytes:
    zero = _count_tics(series)
    starts = [zero + round(volume * series.repetition_time / _TIC) for volume in range(series.shape[3])]
    volumes = "".join(f'<Volume ID="{n}" ECO_ID="0" ACQUISITION_TIME_TICS="{tic}"/>' for n, tic in enumerate(starts))
    streams = "".join(
        f'<PhysioStream TYPE="{kind}">'
        + "".join(f'<PMU TIME_TICS="{tic}" DATA="{value}"/>' for tic, value in _sample(series, kind))
        + "</PhysioStream>"
        for kind in _PERIODS
    )
    text = f"<PhysioData><VolumeAcquisitionDescription>{volumes}</VolumeAcquisitionDescription>{streams}</PhysioData>"
    return gzip.compress(f"{text}\n\0".encode(), mtime=0)


def _write_object(folder: Path, first: Dataset, series: SeriesTruth, payload: bytes, seed: int, form: str) -> Path:
    ds = Dataset()
    for keyword in (
        "SpecificCharacterSet", "StudyDate", "StudyTime", "Manufacturer", "PatientName", "PatientID",
        "PatientBirthDate", "PatientSex", "StudyInstanceUID", "FrameOfReferenceUID",
    ):  # fmt: skip
        if keyword in first:
            ds[keyword] = first[keyword]
    ds.ImageType = ["ORIGINAL", "PRIMARY", "RAWDATA", "PHYSIO" if form == "cmrr" else "NONE"]
    ds.SOPClassUID = "1.3.12.2.1107.5.9.1" if form == "cmrr" else "1.2.840.10008.5.1.4.1.1.66"
    ds.SOPInstanceUID = make_uid(seed, series.uid, "physio")
    ds.SeriesInstanceUID = make_uid(seed, series.uid, "physio", "series")
    ds.Modality = "MR"
    ds.SeriesDescription = series.description + ("_PhysioLog" if form == "cmrr" else "")
    ds.SeriesNumber = series.number + 100
    ds.AcquisitionNumber = len(payload) // 1024 // (len(_PERIODS) + 1)  # rows of one log
    ds.InstanceNumber = 1
    block = ds.private_block(0x7FE1, "SIEMENS CSA NON-IMAGE" if form == "cmrr" else "SIEMENS MR IMA", create=True)
    block.add_new(0x10, "OB", payload if len(payload) % 2 == 0 else payload + b"\0")
    ds.file_meta = make_meta(ds)
    target = folder.with_name(f"{series.number + 100:04d}_{folder.name.partition('_')[2]}_PhysioLog")
    target.mkdir()
    path = target / "00001.dcm"
    dcmwrite(path, ds, enforce_file_format=True)
    return path


def _write_texts(folder: Path, series: SeriesTruth, rank: int) -> list[Path]:
    """Write pulse and breathing as VE11 does: 400 samples a second, marks among them, times of the clock below."""
    zero = _count_tics(series) * _TIC
    start, stop = zero - BEFORE, zero + series.shape[3] * series.repetition_time + AFTER
    made = []
    for kind, head in (("PULS", "1 2 40 280"), ("RESP", "1 2 20 2")):
        values = [str(wave(kind, number / 400 - BEFORE)) for number in range(round((stop - start) * 400))]
        values[400:400] = ["5000"]
        foot = f"LogStartMDHTime:  {round(start * 1000)}\nLogStopMDHTime:   {round(stop * 1000)}\n6003\n"
        text = f"{head} 5002 LOGVERSION_{kind}   1 6002 {' '.join(values)} 5003\n{kind} Freq Per: 66 909\n{foot}"
        path = folder / f"physio_{rank + 1}.{kind.lower()}"
        path.write_text(text, encoding="ascii")
        made.append(path)
    return made
