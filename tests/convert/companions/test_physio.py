"""Logs are read as they are written, and refused with the reason where they are damaged."""

from __future__ import annotations

import gzip
import struct
from typing import NamedTuple

import pytest

from bidsflow.convert.companions.physio import read_logs, read_payload, read_text

HEAD = "LogVersion = EJA_1\nLogDataType = PULS\nSampleTime = 2\nACQ_TIME_TICS CHANNEL VALUE SIGNAL\n"
FOOT = "\nPULS Freq Per: 76 786\nLogStartMDHTime:  1000\nLogStopMDHTime:   {stop}\n6003\n"
SAMPLES = " ".join(["7"] * 50)


def test_marks_are_beats_and_no_samples() -> None:
    log = read_logs([f"{HEAD}100 PULS 5\n101 PULS 2048 PULS_TRIGGER\n102 PULS 6\n104 PULS 7 PULS_TRIGGER\n"])
    (trace,) = log.traces
    assert trace.columns == {"cardiac": (5, 6, 7)}
    assert trace.beats == (101 * 0.0025, 104 * 0.0025)
    assert (trace.start, trace.step) == (0.25, 0.005)


def test_gap_stays_a_gap_and_jitter_is_none() -> None:
    (trace,) = read_logs([f"{HEAD}100 PULS 1\n101 PULS 2\n104 PULS 3\n110 PULS 6\n"]).traces
    assert trace.columns["cardiac"] == (1, 2, 3, None, None, 6)


def test_channels_of_an_ecg_are_columns() -> None:
    text = HEAD.replace("PULS", "ECG") + "".join(f"{t} ECG{n} {t + n}\n" for t in (4, 6) for n in (1, 2))
    (trace,) = read_logs([text]).traces
    assert trace.columns == {"ecg1": (5, 7), "ecg2": (6, 8)}


def test_echoes_of_a_volume_are_one_volume() -> None:
    info = "LogDataType = ACQUISITION_INFO\n0 0 90 92 0\n0 1 80 82 0\n0 0 95 97 1\n1 0 480 482 0\n"
    assert read_logs([HEAD + "100 PULS 5\n102 PULS 6\n", info]).volumes == (0.2, 1.2)


def test_text_file_is_read_at_the_rate_of_its_version() -> None:
    old = read_text(f"1 2 40 280 {SAMPLES} 5000 9 5003{FOOT.format(stop=2020)}", ".puls").traces[0]
    assert (old.label, old.step, old.length, old.beats) == ("cardiac", 0.02, 51, (2.0,))
    new = read_text(
        f"1 2 20 2 5002 LOGVERSION_RESP 1 6002 {SAMPLES} 5002 x 6002 9 5003{FOOT.format(stop=1120)}", ".resp"
    )
    assert (new.traces[0].label, new.traces[0].step, new.traces[0].length) == ("respiratory", 0.0025, 51)


class Damage(NamedTuple):
    text: str
    reason: str


@pytest.mark.parametrize("case", [
    Damage(f"1 2 40 280 {SAMPLES} 5003", "does not end with the times"),
    Damage(f"1 2 40 280 {SAMPLES}{FOOT.format(stop=2000)}", "break off"),
    Damage(f"1 2 40 280 {SAMPLES} 5003{FOOT.format(stop=60000)}", "50 samples at 50 Hz do not fit the 59.0 s"),
    Damage(f"1 2 40 280 a b 5003{FOOT.format(stop=2000)}", "more than numbers"),
], ids=lambda case: case.reason[:12])  # fmt: skip
def test_damaged_text_file_is_refused(case: Damage) -> None:
    with pytest.raises(ValueError, match=case.reason):
        read_text(case.text, ".puls")


@pytest.mark.parametrize(("payload", "reason"), [
    (b"", "no logs"),
    (struct.pack("<II", 9999, 4) + bytes(1016), "no logs"),
    (gzip.compress(b"<PhysioData>", mtime=0)[:-4], "break off"),
    (gzip.compress(b"<PhysioData>", mtime=0), "XML is damaged"),
    (b"<PhysioData/>", "no signal"),
    (b'<PhysioData><PhysioStream TYPE="PULS"><PMU TIME_TICS="x" DATA="1"/></PhysioStream></PhysioData>', "TIME_TICS"),
])  # fmt: skip
def test_damaged_payload_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_payload(payload)


def test_row_that_is_no_row_is_named() -> None:
    with pytest.raises(ValueError, match="line 5 "):
        read_logs([f"{HEAD}100 PULS\n"])


@pytest.mark.parametrize(("rows", "reason"), [
    ("34559998 PULS 1000\n2 PULS 1001\n", "past midnight"),
    ("100 PULS 1000\n98000000000 PULS 1001\n", "damaged"),
])  # fmt: skip
def test_times_that_are_no_measurement_are_refused(rows: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_logs([f"{HEAD}{rows}"])


def test_row_of_a_volume_that_breaks_off_is_named() -> None:
    with pytest.raises(ValueError, match="line 2 of a log breaks off"):
        read_logs(["LogDataType = ACQUISITION_INFO\n1 2\n"])
