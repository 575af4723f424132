"""How a conversion grows with the export: time and memory for 1, 10 and 100 sessions of the phantom.

    python benchmarks/convert_scale.py [--sessions 1,10,100] [--rounds 3] [--dialect classic] [--jobs 2]
    python benchmarks/convert_scale.py --slices 1000,100000,1000000      # needs 4 kB of disk for each

Each size is converted into a new dataset, and then once more, when nothing is left to do. bidsflow and dcm2niix are
separate processes; memory is that of the largest. Seconds are user and system time of all of them.

With ``--slices`` exports of so many tiny files are planned, twice: runs of 1000 slices, ten in each of many studies,
all of one person. Nothing is converted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from meter import Cost, measure_command

_LIMIT_S = 3600


def main() -> int:
    """Measure and print; end with 1 if a conversion failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", default="1,10,100", type=lambda text: [int(number) for number in text.split(",")])
    parser.add_argument("--slices", type=lambda text: [int(number) for number in text.split(",")])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dialect", default="classic")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--work", type=Path, help="where the exports are made")
    options = parser.parse_args()
    failed = 0
    if options.slices:
        print("| files | CPU s | us per file | MB | again, CPU s | us per file | again, MB |")
        print("|--:|--:|--:|--:|--:|--:|--:|")
        for number in options.slices:
            with tempfile.TemporaryDirectory(prefix="bidsflow-scale-", dir=options.work) as name:
                failed += measure_plan(Path(name).resolve(), number)
        return min(failed, 1)
    print("| sessions | files | CPU s | per session | wall s | MB | again, CPU s | per session | again, MB |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for number in options.sessions:
        with tempfile.TemporaryDirectory(prefix="bidsflow-scale-", dir=options.work) as name:
            failed += measure(Path(name).resolve(), number, options)
    return min(failed, 1)


def measure(work: Path, number: int, options: argparse.Namespace) -> int:
    """Print the row of one size; return 1 if a conversion failed."""
    kind = ("--subjects", str(number), "--dialect", options.dialect, "--size", "tiny")
    made = [*command(), "phantom", str(work / "ph"), *kind]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
    export = work / "ph" / "dicom"
    n_files = sum(len(files) for _, _, files in os.walk(export))
    first, again = [], []
    for _ in range(options.rounds):
        shutil.rmtree(work / "bids", ignore_errors=True)
        for costs in (first, again):
            cost = convert(work, export, options.jobs)
            if cost is None:
                print(f"{number} sessions: the conversion failed; see above", file=sys.stderr)
                return 1
            costs.append(cost)
    new, old = (Cost(*(statistics.median(getattr(one, key) for one in costs) for key in ("wall", "cpu", "rss_mb")))
                for costs in (first, again))  # fmt: skip
    print(
        f"| {number} | {n_files} | {new.cpu:.2f} | {new.cpu / number:.2f} | {new.wall:.2f} | {new.rss_mb:.0f} "
        f"| {old.cpu:.2f} | {old.cpu / number:.3f} | {old.rss_mb:.0f} |",
        flush=True,
    )
    return 0


def measure_plan(work: Path, number: int) -> int:
    """Print the row of an export of many tiny files; return 1 if it cannot be planned."""
    write_slices(work / "dicom", number)
    row = [str(number)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(work / "cache")}
    words = [*command(), "plan", str(work / "dicom"), "-o", str(work / "plan.tsv")]
    for _ in ("first", "again"):
        (work / "plan.tsv").unlink(missing_ok=True)
        with (work / "log.txt").open("w", encoding="utf-8") as out:
            cost, code = measure_command(words, out, work, environment, _LIMIT_S)
        if code != 0:
            print((work / "log.txt").read_text(encoding="utf-8", errors="replace")[-2000:], file=sys.stderr)
            return 1
        row += [f"{cost.cpu:.2f}", f"{1e6 * cost.cpu / number:.0f}", f"{cost.rss_mb:.0f}"]
    print(f"| {' | '.join(row)} |", flush=True)
    return 0


def write_slices(folder: Path, number: int) -> None:
    """Write slices of EPI runs, each a file of its own: twenty make a volume, a thousand a run, ten runs a study."""
    template = make_template()
    for rank in range(number):
        study, run, slice_ = rank // 10_000, rank // 1000, rank % 1000
        own = folder / f"{study:03d}" / f"{run:04d}"
        if not slice_:
            own.mkdir(parents=True, exist_ok=True)
        words = {
            b"66666": study + 10_000, b"777777": run + 100_000, b"8888888": rank + 1_000_000, b"4444": run % 10 + 1001,
            b"5555": slice_ + 1000, b"3333": 1000 + 4 * (slice_ % 20),
            b"235959": 90_000 + 100 * (run % 10) + slice_ // 20,
        }  # fmt: skip
        data = template
        for word, value in words.items():
            data = data.replace(word, f"{value:0{len(word)}d}".encode())
        (own / f"{slice_:04d}.dcm").write_bytes(data)


def make_template() -> bytes:
    """Return a slice with numbers of a fixed length, each of one digit, where one differs from another."""
    import io

    import pydicom
    from pydicom.uid import ExplicitVRLittleEndian

    uid = "1.2.826.0.1.3680043.8.498"
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    header.SOPInstanceUID = header.file_meta.MediaStorageSOPInstanceUID = f"{uid}.8888888"
    header.StudyInstanceUID, header.SeriesInstanceUID = f"{uid}.166666", f"{uid}.1777777"
    header.FrameOfReferenceUID = f"{uid}.266666"
    header.PatientID, header.PatientName = "scale", "Scale"
    header.Modality, header.Manufacturer, header.ImageType = (
        "MR",
        "GE MEDICAL SYSTEMS",
        ["ORIGINAL", "PRIMARY", "OTHER"],
    )
    header.StudyDate, header.StudyTime = "20240304", "090000"
    header.AcquisitionDate, header.AcquisitionTime = "20240304", "235959"
    header.SeriesNumber, header.InstanceNumber = "4444", "5555"
    header.SeriesDescription, header.ProtocolName = "BOLD rest", "BOLD rest"
    header.ScanningSequence, header.SequenceVariant, header.ScanOptions = ["EP", "GR"], "NONE", ""
    header.MRAcquisitionType, header.RepetitionTime, header.EchoTime, header.FlipAngle = "2D", "2000", "30", "77"
    header.MagneticFieldStrength, header.EchoTrainLength, header.NumberOfTemporalPositions = "3", "1", "50"
    header.SliceThickness, header.SpacingBetweenSlices = "4", "4"
    header.ImageOrientationPatient, header.PixelSpacing = ["1", "0", "0", "0", "1", "0"], ["4", "4"]
    header.ImagePositionPatient = ["-8", "-8", "3333"]
    header.Rows = header.Columns = 4
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
    header.PixelData = bytes(32)
    made = io.BytesIO()
    pydicom.dcmwrite(made, header, enforce_file_format=True)
    return made.getvalue()


def convert(work: Path, export: Path, jobs: int) -> Cost | None:
    """Return what a conversion costs; None, and what it said, if it failed."""
    log = work / "log.txt"
    words = [*command(), "convert", str(export), str(work / "bids"), "--jobs", str(jobs)]
    with log.open("w", encoding="utf-8") as out:
        cost, code = measure_command(words, out, work, os.environ, _LIMIT_S)
    if code == 0:
        return cost
    print(log.read_text(encoding="utf-8", errors="replace")[-2000:], file=sys.stderr)
    return None


def command() -> list[str]:
    """Return the words that call bidsflow in this environment."""
    return [sys.executable, "-m", "bidsflow"]


if __name__ == "__main__":
    sys.exit(main())
