"""How many headers a second bidsflow reads, beside pydicom reading the same elements of the same files.

    python benchmarks/scan.py [FOLDER ...] [--rounds 5] [--json]

Without a folder, exports of the phantom are made, of medium size, and read. Both readers take turns over all files of
a folder, each round beginning with a reader of ours that has seen nothing yet ("seen": the same reader, a second time).
Counted are seconds of this process, of its user and system time, so that others on the machine do not change the
outcome; the medians are shown, and that of the ratio in each round. Files come from the page cache: what is compared
is the work of reading headers, not the disk. Of multi-frame files both read what is said once and what is said of each
frame: the number of volumes, echoes and b-values is to be had nowhere else.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pydicom

from bidsflow.dicom.read import Reader
from bidsflow.errors import HeaderError
from bidsflow.phantom import DIALECTS, SIZES, write
from bidsflow.sources import find_files

#: What a converter asks of every file: who, when, which series, which image, where, how.
KEYWORDS = [
    "SpecificCharacterSet", "ImageType", "SOPClassUID", "SOPInstanceUID", "StudyDate", "AcquisitionDate", "StudyTime",
    "AcquisitionTime", "Modality", "Manufacturer", "SeriesDescription", "PatientName", "PatientID", "PatientBirthDate",
    "ScanningSequence", "SequenceName", "RepetitionTime", "EchoTime", "ProtocolName", "StudyInstanceUID",
    "SeriesInstanceUID", "SeriesNumber", "InstanceNumber", "ImagePositionPatient", "ImageOrientationPatient", "Rows",
    "Columns",
]  # fmt: skip
#: What it asks of every frame of a multi-frame file: where it is, its echo, its component, its b-value.
GROUPS = {
    "FrameContentSequence": "TemporalPositionIndex",
    "PlanePositionSequence": "ImagePositionPatient",
    "PlaneOrientationSequence": "ImageOrientationPatient",
    "MREchoSequence": "EffectiveEchoTime",
    "MRImageFrameTypeSequence": "ComplexImageComponent",
    "MRDiffusionSequence": "DiffusionBValue",
}
SHARED, FRAMES = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"


@dataclass(frozen=True)
class Result:
    """One folder, measured; rates are files a second, the ratio is of a reader that has seen nothing yet."""

    folder: str
    files: int
    ours: float
    ours_again: float
    pydicom: float
    ratio: float


def read_ours(paths: Sequence[str], reader: Reader) -> None:
    for path in paths:
        reader.read(path)


def read_theirs(paths: Sequence[str]) -> None:
    for path in paths:
        ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*KEYWORDS, SHARED, FRAMES])
        for name in (SHARED, FRAMES):
            for item in ds.get(name, ()):
                read_groups(item)


def read_groups(item: pydicom.Dataset) -> dict[str, object]:
    """Return what one item of functional groups says of a frame, or of all of them."""
    found = {}
    for group, keyword in GROUPS.items():
        if group in item and len(item[group].value):
            found[keyword] = item[group].value[0].get(keyword)
    return found


def measure(call: Callable[[], None]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


def is_readable(path: str) -> bool:
    """Return whether both readers take a file (pydicom opens no gzip file)."""
    try:
        pydicom.dcmread(path, stop_before_pixels=True, specific_tags=KEYWORDS)
        Reader().read(path)
    except (pydicom.errors.InvalidDicomError, HeaderError):
        return False
    return True


def compare(name: str, folder: Path, rounds: int) -> Result | None:
    paths = [file.path for file in find_files([folder]).files if is_readable(file.path)]
    if not paths:
        return None
    ours, again, theirs = [], [], []
    for _ in range(rounds):
        reader = Reader()
        ours.append(measure(lambda reader=reader: read_ours(paths, reader)))
        theirs.append(measure(lambda: read_theirs(paths)))
        again.append(measure(lambda reader=reader: read_ours(paths, reader)))
    rates = [round(len(paths) / statistics.median(times), 1) for times in (ours, again, theirs)]
    ratio = round(statistics.median(their / our for our, their in zip(ours, theirs, strict=True)), 2)
    return Result(name, len(paths), rates[0], rates[1], rates[2], ratio)


def run(folders: Sequence[Path], rounds: int, size: str) -> list[Result]:
    if folders:
        found = [compare(folder.name, folder, rounds) for folder in folders]
    else:
        with tempfile.TemporaryDirectory() as place:
            found = []
            for dialect in sorted(DIALECTS):
                truth = write(Path(place) / dialect, dialect=dialect, size=size)
                found.append(compare(f"phantom, {dialect}, {size}", Path(place) / dialect / truth.export, rounds))
    return [one for one in found if one is not None]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, help="exports; by default ones of the phantom are made")
    parser.add_argument("--rounds", type=int, default=5, help="how often each reader takes its turn")
    parser.add_argument("--size", choices=SIZES, default="medium", help="of the phantom's exports")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").disabled = True
    results = run(options.folders, options.rounds, options.size)
    if options.json:
        print(json.dumps([asdict(one) for one in results], indent=2))
        return
    print(f"{'export':<28}{'files':>7}{'bidsflow/s':>12}{'seen/s':>10}{'pydicom/s':>11}{'ratio':>8}")
    for one in results:
        print(
            f"{one.folder:<28}{one.files:>7}{one.ours:>12.0f}{one.ours_again:>10.0f}{one.pydicom:>11.0f}{one.ratio:>8.1f}"
        )


if __name__ == "__main__":
    main()
