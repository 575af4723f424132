"""dcm2niix: what goes in, what comes out, and what is not trusted."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import struct
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import nibabel as nib
import numpy as np
import pydicom
import pytest

from bidsflow.convert.content import read_content
from bidsflow.convert.dcm2niix import Dcm2niix, find_program
from bidsflow.convert.laying import find_own_folders, lay_out, reads_in_place
from bidsflow.convert.nifti import read_shape
from bidsflow.convert.outputs import Output, check_output, collect, compress, match_outputs
from bidsflow.convert.plan import Decision
from bidsflow.convert.planner import make_plan
from bidsflow.convert.run import Result, Status, convert
from bidsflow.dataset.tree import open_dataset
from bidsflow.dicom.header import Header
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Image, Inventory, Series
from bidsflow.errors import ConversionError, StorageError, ToolError
from bidsflow.phantom import write
from bidsflow.sources import find_files


def take(export: Path) -> Inventory:
    found = find_files([export])
    return take_inventory(found.files, set_aside=found.set_aside)


def make_nifti(path: Path, shape: tuple[int, ...], *, missing: int = 0) -> Path:
    """Write a NIfTI-1 image of 16-bit zeros, with some bytes missing at its end."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *([1] * (7 - len(shape))))
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<f", header, 108, 352.0)
    voxels = 2
    for size in shape:
        voxels *= size
    path.write_bytes(bytes(header) + bytes(voxels - missing))
    return path


def make_series(*images: Image) -> Series:
    header = Header({})
    patient = type("Nobody", (), {"id": "", "name": "", "birth_date": "", "sex": ""})()
    return Series("1", "2", patient, 3, "bold", "", "", images, (), header)  # type: ignore[arg-type]


def make_program(folder: Path, script: str, **more: float) -> Dcm2niix:
    """Write a program that stands for dcm2niix; its last argument but two is the folder to write to."""
    program = folder / "dcm2niix"
    program.write_text("#!/bin/sh\nwhile [ $# -gt 3 ]; do shift; done\nout=$2\n" + script)
    program.chmod(0o755)
    return Dcm2niix(str(program), **more)


def convert_with(program: Dcm2niix | None, inventory: Inventory, target: Path) -> Result:
    planned = make_plan(inventory)
    return convert(planned.plan, inventory, open_dataset(target), planned.key, tool=program)


SERIES = make_series(Image(Header({}), (4, 4, 2), 3))


def run(tmp_path: Path, script: str) -> tuple[Output, ...]:
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    return make_program(tmp_path, script).run(SERIES, tmp_path / "in", tmp_path / "out")


def test_links_lead_to_files_even_through_relative_links(small_export: Path, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for file in sorted(small_export.rglob("*SBRef/*.dcm"))[:1]:
        (tmp_path / "deep" / "1.dcm").symlink_to(os.path.relpath(file, tmp_path / "deep"))
    (series,) = take(tmp_path / "deep").series
    (tmp_path / "in").mkdir()
    lay_out(series, series.instances, tmp_path / "in", set())
    assert (tmp_path / "in" / "000000.dcm").read_bytes()[128:132] == b"DICM"


def test_compressed_files_are_laid_out_unpacked(small_export: Path, tmp_path: Path) -> None:
    file = next(small_export.rglob("*SBRef/*.dcm"))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "1.dcm.gz").write_bytes(gzip.compress(file.read_bytes()))
    inventory = take(tmp_path / "deep")
    assert find_in_place(inventory) == set()
    (tmp_path / "in").mkdir()
    (series,) = inventory.series
    lay_out(series, series.instances, tmp_path / "in", read_content(series).packed)
    assert (tmp_path / "in" / "000000.dcm").read_bytes() == file.read_bytes()


def test_encodings_that_dcm2niix_refuses_are_laid_out_anew(small_export: Path, tmp_path: Path) -> None:
    file = next(small_export.rglob("*SBRef/*.dcm"))
    ds = pydicom.dcmread(file)
    before = b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\0"
    for name in ("deflated", "misnamed"):
        (tmp_path / name).mkdir()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    ds.save_as(tmp_path / "deflated" / "1.dcm")
    # the same length, so that that of the meta information stays true
    named = file.read_bytes().replace(before, before.replace(b"1.2.1\0", b"1.2\0\0\0"))
    (tmp_path / "misnamed" / "1.dcm").write_bytes(named)
    for name, syntax in (("deflated", "1.2.840.10008.1.2.1"), ("misnamed", "1.2.840.10008.1.2")):
        inventory = take(tmp_path / name)
        assert find_in_place(inventory) == set()
        (series,) = inventory.series
        (tmp_path / name / "in").mkdir()
        lay_out(series, series.instances, tmp_path / name / "in", set())
        laid = pydicom.dcmread(tmp_path / name / "in" / "000000.dcm")
        assert (laid.file_meta.TransferSyntaxUID, laid.original_encoding) == (syntax, (name == "misnamed", True))
        assert laid.PixelData == ds.PixelData


def find_in_place(inventory: Inventory) -> set[str]:
    own = find_own_folders(inventory)
    return {
        s.uid
        for s in inventory.series
        if s.uid in own and reads_in_place(s.instances, *own[s.uid], read_content(s).packed)
    }


def test_folder_with_another_image_is_not_read_as_it_is(my_export: Path) -> None:
    before = take(my_export)
    assert find_in_place(before) == {series.uid for series in before.series}
    folder = next(my_export.rglob("*SBRef"))
    (folder / "broken.dcm").write_bytes(next(folder.glob("*.dcm")).read_bytes()[:900])
    assert len(find_in_place(take(my_export))) == len(before.series) - 1


def test_folder_with_a_file_that_came_later_is_not_read_as_it_is(my_export: Path) -> None:
    inventory = take(my_export)
    folder = next(my_export.rglob("*SBRef"))
    shutil.copy(next(folder.glob("*.dcm")), folder / "late.dcm")
    assert len(find_in_place(inventory)) == len(inventory.series) - 1


def test_series_whose_folder_vanishes_stops_no_other(my_export: Path, tmp_path: Path) -> None:
    inventory = take(my_export)
    shutil.rmtree(sorted(my_export.rglob("*BOLD_rest"))[0])
    result = convert_with(None, inventory, tmp_path / "bids")
    assert not result.complete
    assert (result.count(Status.WRITTEN), result.count(Status.FAILED)) == (7, 1)


def test_sidecar_with_control_characters_is_read(tmp_path: Path) -> None:
    make_nifti(tmp_path / "image.nii", (4, 4, 2))
    (tmp_path / "image.json").write_text('{"a": "x\x1b[31m"}')
    assert collect(tmp_path)[0].sidecar == {"a": "x\x1b[31m"}


@pytest.mark.parametrize("text", ["", '{"a": 1', "[1]"])
def test_sidecar_that_is_cut_costs_the_series_only(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="wrote a file that cannot be read"):
        run(tmp_path, f"printf '%s' '{text}' > $out/image.json; : > $out/image.nii")


def test_program_that_says_why_it_refuses(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"exit code 2\): Error: no valid DICOM in the series$"):
        run(tmp_path, "echo 'Chris'; echo \"Error: no valid DICOM in $3\"; exit 2")


def test_encoding_that_the_program_does_not_know_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"transfer syntax '1\.2'; export it without compression"):
        run(tmp_path, "echo \"Warning: Unsupported transfer syntax '1.2'\"; exit 2")


@pytest.mark.parametrize("path", ["./Doe John 1.dcm", "/data/Doe John/1.dcm"])
def test_names_of_files_are_not_repeated(path: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=r"Unable to open \(a path\)$"):
        run(tmp_path, f"echo 'Unable to open {path}'; exit 2")


def test_folder_that_is_gone_is_not_taken_for_a_missing_program(tmp_path: Path) -> None:
    program = make_program(tmp_path, "exit 0")
    with pytest.raises(FileNotFoundError):
        program.run(SERIES, tmp_path / "gone", tmp_path)


def test_program_that_says_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="it gives no reason"):
        run(tmp_path, "exit 0")


def test_program_that_crashes_leaves_nothing_in_the_export(tmp_path: Path) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern")
    if not pattern.exists() or pattern.read_text()[0] in "|/":
        pytest.skip("memory of crashed processes goes elsewhere here")
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        with pytest.raises(ConversionError, match="killed"):
            run(tmp_path, "sleep 0.5; kill -ABRT $$")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert not list((tmp_path / "in").iterdir())


def test_program_that_is_killed(tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="killed"):
        run(tmp_path, "kill -9 $$")


def test_program_that_hangs_is_ended_and_its_series_failed(two_people: Path, tmp_path: Path) -> None:
    program = make_program(tmp_path, "sleep 20", patience=0.2)  # the shell dies, what it started keeps the pipe open
    result = convert_with(program, take(two_people), tmp_path / "bids")
    assert result.count(Status.FAILED) == len(result.outcomes) == 4
    assert {one.reason for one in result.outcomes} == {
        "dcm2niix was stopped after 0 min: it hangs, or the disk does not answer"
    }


def test_program_that_finds_no_room_ends_the_run(small_export: Path, tmp_path: Path) -> None:
    program = make_program(tmp_path, 'echo "Error: Unable to write $out/image.nii (disk full?)"; exit 1')
    with pytest.raises(StorageError, match="could not write its files there"):
        convert_with(program, take(small_export), tmp_path / "bids")


def test_program_that_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be started"):
        Dcm2niix(str(tmp_path / "nothing")).run(SERIES, tmp_path, tmp_path)


def test_program_starts_no_more_once_stopped(tmp_path: Path) -> None:
    tool = make_program(tmp_path, "echo >> $out/ran")
    tool.stop()
    with pytest.raises(ConversionError, match="killed"):
        tool.run(SERIES, tmp_path, tmp_path)
    assert not (tmp_path / "ran").exists()


def make_output(folder: Path, name: str, shape: tuple[int, ...], *, missing: int = 0, **sidecar: object) -> Output:
    nifti = make_nifti(folder / f"{name}.nii", shape, missing=missing)
    return Output(nifti, sidecar, {}, read_shape(nifti))


def test_output_that_is_whole_passes(tmp_path: Path) -> None:
    check_output(SERIES, SERIES.images[0], make_output(tmp_path, "image", (4, 4, 2, 3)))


@pytest.mark.parametrize(
    ("shape", "missing", "reason"),
    [
        ((4, 4, 2, 3), 1, "less than its own header announces"),
        ((4, 4, 2, 2), 0, "made 2 volumes where the headers announce 3"),
        ((4, 5, 2, 3), 0, "made 4x5x2 voxels where the headers announce 4x4x2"),
    ],
)
def test_output_that_is_not_what_was_planned(shape: tuple[int, ...], missing: int, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match=reason):
        check_output(SERIES, SERIES.images[0], make_output(tmp_path, "image", shape, missing=missing))


def test_output_without_a_header(tmp_path: Path) -> None:
    nifti = tmp_path / "image.nii"
    nifti.write_bytes(bytes(20))
    with pytest.raises(ConversionError):
        check_output(SERIES, SERIES.images[0], Output(nifti, {}, {}, read_shape(nifti)))


TIMES = {"image_e2_ph": 0.02, "image_e1": 0.01, "image_e2": 0.02, "image_e1_ph": 0.01}


def test_outputs_are_matched_by_component_and_echo(tmp_path: Path) -> None:
    head = Header({})
    images = [Image(head, (4, 4, 2), 3, 1, 10.0), Image(head, (4, 4, 2), 3, 2, 20.0),
              Image(head, (4, 4, 2), 3, 1, 10.0, "phase"), Image(head, (4, 4, 2), 3, 2, 20.0, "phase")]  # fmt: skip
    made = [make_output(tmp_path, name, (4, 4, 2, 3), EchoTime=time)
            for name, time in TIMES.items()]  # fmt: skip
    found = match_outputs(make_series(*images), made)
    assert [found[rank].stem for rank in (1, 2, 3, 4)] == ["image_e1", "image_e2", "image_e1_ph", "image_e2_ph"]


@pytest.mark.parametrize("order", [1, -1])
def test_output_without_echo_time_is_the_map_that_has_none(order: int, tmp_path: Path) -> None:
    """dcm2niix v1.0.20260724 calls both magnitudes where Philips' RescaleType alone (Hz) tells the map."""
    images = [Image(Header({}), (4, 4, 2), 1, 0, time) for time in (0.0, 4.6)]
    made = [make_output(tmp_path, "image_e1", (4, 4, 2), EchoTime=0.0046), make_output(tmp_path, "imagea", (4, 4, 2))]
    found = match_outputs(make_series(*images[::order]), made[::order])
    assert [found[rank].stem for rank in (1, 2)] == ["imagea", "image_e1"][::order]


@pytest.mark.parametrize("names", [["image", "imagea"], []])
def test_series_that_splits_otherwise_is_said(names: list[str], tmp_path: Path) -> None:
    made = [make_output(tmp_path, name, (4, 4, 2, 3)) for name in names]
    with pytest.raises(ConversionError, match=f"1 image planned, {len(names)} made"):
        match_outputs(SERIES, made)


def test_what_dcm2niix_computes_itself_is_left_out(tmp_path: Path) -> None:
    made = [make_output(tmp_path, name, (4, 4, 2, 3)) for name in ("image", "image_ADC", "image_Eq")]
    assert match_outputs(SERIES, made) == {1: made[0]}


def test_series_that_is_what_dcm2niix_would_compute_is_itself(tmp_path: Path) -> None:
    (made,) = [make_output(tmp_path, name, (4, 4, 2, 3)) for name in ("image_ADC",)]
    assert match_outputs(SERIES, [made]) == {1: made}


def convert_all(folder: Path, target: Path) -> tuple[Series, list[str]]:
    """Return the only series of a folder, and the outputs of dcm2niix that are its images, by rank."""
    (series,) = take(folder).series
    target.mkdir()
    found = match_outputs(series, Dcm2niix(find_program()).run(series, folder, target))
    for rank, output in found.items():
        check_output(series, series.images[rank - 1], output)
    return series, [found[rank].stem for rank in sorted(found)]


def test_overlay_makes_no_image(tmp_path: Path) -> None:
    write(tmp_path / "x", dialect="classic", series=["t1w"])
    (folder,) = {file.parent for file in (tmp_path / "x" / "dicom").rglob("*") if file.is_file()}
    for file in folder.iterdir():
        dataset = pydicom.dcmread(file)
        size = dataset.Rows * dataset.Columns // 8
        for element, vr, value in (
            (0x0010, "US", dataset.Rows), (0x0011, "US", dataset.Columns), (0x0040, "CS", "R"), (0x0050, "SS", [1, 1]),
            (0x0100, "US", 1), (0x0102, "US", 0), (0x3000, "OW", b"\xff" * (size + size % 2)),
        ):  # fmt: skip
            dataset.add_new((0x6000, element), vr, value)
        dataset.save_as(file)
    assert convert_all(folder, tmp_path / "out")[1] == ["image"]
    assert list((tmp_path / "out").glob("*ROI*.nii"))


def test_noise_in_a_file_per_volume_is_an_image_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "x", dialect="enhanced", series=["rest"])
    (folder,) = {file.parent for file in (tmp_path / "x" / "dicom").rglob("*") if file.is_file()}
    files = sorted(folder.iterdir(), key=lambda file: int(pydicom.dcmread(file).InstanceNumber))
    for file in files[-3:]:
        dataset = pydicom.dcmread(file)
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            frame[0x0021, 0x10FE][0].add_new((0x0021, 0x1075), "CS", ["ORIGINAL", "PRIMARY", "M", "MB", "NOISE"])
        dataset.save_as(file)
    series, stems = convert_all(folder, tmp_path / "out")
    assert stems == ["image", "image_noRF"]
    assert [image.volumes for image in series.images] == [len(files) - 3, 3]
    rows = make_plan(take(folder)).plan.rows
    assert [row.path.rpartition("_")[2] for row in rows] == ["bold", "noRF"]
    assert "planned volumes" not in " ".join(row.evidence for row in rows)


def test_places_of_frames_that_differ_by_noise_are_those_of_one_image(tmp_path: Path) -> None:
    write(tmp_path / "x", dialect="enhanced", series=["topup"])
    files = [file for file in (tmp_path / "x" / "dicom").rglob("*") if file.is_file()]
    volumes = [one for one in map(pydicom.dcmread, files) if one.SeriesDescription.endswith("AP")]
    volumes.sort(key=lambda one: int(one.InstanceNumber))
    frames = [frame for one in volumes for frame in one.PerFrameFunctionalGroupsSequence]
    slices = len(frames) // len(volumes)
    for rank, frame in enumerate(frames):
        x, y, z = frame.PlanePositionSequence[0].ImagePositionPatient
        frame.PlanePositionSequence[0].ImagePositionPatient = [x, y, f"{float(z) + 1e-4 * (rank % 7):.6f}"]
        frame.FrameContentSequence[0].DimensionIndexValues = [1, rank % slices + 1, rank // slices + 1]
    whole = volumes[0]
    whole.PerFrameFunctionalGroupsSequence, whole.NumberOfFrames = frames, len(frames)
    whole.PixelData = b"".join(one.PixelData for one in volumes)
    (tmp_path / "in").mkdir()
    whole.save_as(tmp_path / "in" / "whole.dcm")
    series, stems = convert_all(tmp_path / "in", tmp_path / "out")
    assert stems == ["image"]
    assert (series.images[0].matrix[2], series.images[0].volumes) == (slices, len(volumes))
    assert series.incomplete == ()


def test_compression_gives_the_same_bytes_each_time_and_takes_the_source_away(tmp_path: Path) -> None:
    packed = []
    for name in ("a", "b"):
        nifti = make_nifti(tmp_path / f"{name}.nii", (4, 4, 2, 3))
        content = nifti.read_bytes()
        compress(nifti, tmp_path / f"{name}.nii.gz", lambda data: data)
        assert not nifti.exists()
        packed.append((tmp_path / f"{name}.nii.gz").read_bytes())
    assert packed[0] == packed[1]
    assert gzip.decompress(packed[0]) == content


def test_defaults_of_the_user_change_nothing(
    small_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = next(small_export.rglob("*SBRef"))
    (series,) = take(folder).series
    monkeypatch.setenv("HOME", str(tmp_path))
    found = []
    for name in ("without", "with"):
        (tmp_path / name).mkdir()
        (output,) = Dcm2niix(find_program()).run(series, folder, tmp_path / name)
        found.append(output.nifti.read_bytes())
        (tmp_path / ".dcm2nii.ini").write_text("isGZ=0\nisMaximize16BitRange=1\nisBIDS=1\nfilename=%s\n")
    assert found[0] == found[1]


def test_folder_is_read_whose_path_dcm2niix_would_cut(small_export: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 200) / ("e" * 200) / ("f" * 200)
    shutil.copytree(next(small_export.rglob("*SBRef")), deep)
    inventory = take(deep)
    (series,) = inventory.series
    assert find_in_place(inventory) == {series.uid}
    (tmp_path / "out").mkdir()
    (output,) = Dcm2niix(find_program()).run(series, deep, tmp_path / "out")
    assert sorted(output.shape) == sorted(series.images[0].matrix)


def test_relative_folders_are_those_of_the_caller(
    small_export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(next(small_export.rglob("*SBRef")), tmp_path / "in")
    (series,) = take(tmp_path / "in").series
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    (output,) = Dcm2niix(find_program()).run(series, Path("in"), Path("out"))
    assert (tmp_path / output.nifti).is_file()


@pytest.mark.parametrize("shape", ["volumes", "slices"])
def test_parts_under_uids_of_their_own_become_the_run_that_they_were(tmp_path: Path, shape: str) -> None:
    write(tmp_path / "ge", dialect="ge", series=["rest"])
    files = [pydicom.dcmread(file) for file in sorted((tmp_path / "ge" / "dicom").rglob("*")) if file.is_file()]
    places = sorted({float(one.ImagePositionPatient[2]) for one in files})
    count = dict.fromkeys(places, 0)
    (tmp_path / "parts").mkdir()
    for one in sorted(files, key=lambda one: int(one.InstanceNumber)):
        place = places.index(float(one.ImagePositionPatient[2]))
        volume = count[places[place]]
        count[places[place]] += 1
        one.remove_private_tags()
        if shape == "volumes":
            one.Manufacturer, one.SoftwareVersions, one.ManufacturerModelName = (
                "Siemens",
                "syngo MR XA30",
                "MAGNETOM Vida",
            )
            one.InstanceNumber, one.AcquisitionTime = place + 1, f"10{volume // 30:02d}{volume * 2 % 60:02d}.0"
            part = volume
        else:
            one.Manufacturer, part = "CANON_MEC", place
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            one.SeriesInstanceUID = f"1.2.043.{100 - part}"  # as Siemens has them; the first part does not sort first
            one.save_as(tmp_path / "parts" / f"{volume:03d}-{place:03d}.dcm")
    whole, joined = take(tmp_path / "ge" / "dicom"), take(tmp_path / "parts")
    assert [one.parts for one in joined.series] == [len({one.SeriesInstanceUID for one in files})]
    assert find_in_place(joined) == set()
    images = []
    for name, inventory in (("1", whole), ("2", joined)):
        result = convert_with(None, inventory, tmp_path / name)
        (outcome,) = result.outcomes
        images.append(nib.load(tmp_path / name / f"{outcome.row.path}.nii.gz"))
    assert np.array_equal(np.asanyarray(images[0].dataobj), np.asanyarray(images[1].dataobj))
    assert np.allclose(images[0].affine, images[1].affine)


def write_traced(
    folder: Path,
    weights: list[tuple[float, tuple[float, ...]]],
    *,
    kinds: Mapping[int, Sequence[str]] = MappingProxyType({}),
    maker: str = "Philips",
) -> Path:
    """Write a diffusion series, a file for each of two slices of each volume: Philips numbers them slice by slice.

    Weights without a direction are those of traces, which it appends to the directions; `kinds` is the ImageType of
    volumes that have one of their own.
    """
    folder.mkdir()
    for number in range(2 * len(weights)):
        rank, (weight, direction) = number % len(weights), weights[number % len(weights)]
        ds = pydicom.Dataset()
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = pydicom.uid.MRImageStorage
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.4.{number}"
        ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3", "1.2.3.4"
        ds.PatientName, ds.PatientID = "A", "1"
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = "20200102"
        ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = "101010"
        ds.Modality, ds.Manufacturer, ds.MagneticFieldStrength = "MR", maker, 3
        ds.ImageType = list(kinds.get(rank, ["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"]))
        ds.ScanningSequence, ds.SequenceVariant, ds.MRAcquisitionType = ["SE", "EP"], "SK", "2D"
        ds.SeriesNumber, ds.SeriesDescription = 401, "DWI"
        ds.InstanceNumber = 1 + (number if maker == "Philips" else 2 * rank + number // len(weights))
        ds.RepetitionTime, ds.EchoTime, ds.FlipAngle, ds.EchoTrainLength = 4000, 90, 90, 51
        ds.SliceThickness, ds.SpacingBetweenSlices, ds.PixelSpacing = 2, 2, [2, 2]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.ImagePositionPatient = [-8, -8, 2 * (number // len(weights))]
        ds.DiffusionBValue = weight
        if direction:
            ds.DiffusionGradientOrientation = list(direction)
        ds.Rows = ds.Columns = 8
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation, ds.SamplesPerPixel = 16, 12, 11, 0, 1
        ds.PhotometricInterpretation = "MONOCHROME2"
        ds.PixelData = np.full((8, 8), 100 * rank + 1, "<u2").tobytes()
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


DIRECTIONS = [(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.6, 0.8, 0.0), (0.6, 0.0, 0.8), (0.0, 0.6, 0.8)]
WEIGHTED = [(0.0, ()), *((1000.0, one) for one in DIRECTIONS)]


def check_run(path: Path) -> None:
    """Make sure that an image has the seven volumes of `WEIGHTED`, and that its tables say so."""
    data = np.asarray(nib.load(f"{path}.nii.gz").dataobj)
    assert data.mean(axis=(0, 1, 2)).tolist() == [1, 101, 201, 301, 401, 501, 601]
    assert np.loadtxt(f"{path}.bval").tolist() == [0, *[1000] * 6]
    assert (np.linalg.norm(np.loadtxt(f"{path}.bvec"), axis=0) > 0.9).tolist() == [False, *[True] * 6]


@pytest.mark.parametrize("traces", [0, 1, 2])
def test_trace_that_the_scanner_appends_is_left_out_and_told(traces: int, tmp_path: Path) -> None:
    export = write_traced(tmp_path / "scan", [*WEIGHTED, *[(1000.0, ())] * traces])
    (outcome,) = convert_with(None, take(export), tmp_path / "bids").outcomes
    assert outcome.status is Status.WRITTEN, outcome.reason
    said = f"{traces} of {7 + traces} volumes left out, weighted without a direction (a trace or an ADC)"
    assert outcome.reason == (said if traces else "")
    check_run(tmp_path / "bids" / outcome.row.path)


DERIVED = ("DERIVED", "PRIMARY", "DIFFUSION", "NONE")


class Appended(NamedTuple):
    weights: Sequence[tuple[float, tuple[float, ...]]]
    kinds: Sequence[Sequence[str]]
    rows: Sequence[str]
    reason: str = ""
    maker: str = "Philips"


ONE = "1 derived volume of its series left out (a trace or an ADC)"
TWO = "2 derived volumes of its series left out (a trace or an ADC)"
APPENDED = {
    "trace": Appended([(1000.0, ())], [DERIVED], ["skip"], ONE),
    "two traces": Appended([(1000.0, ())] * 2, [DERIVED] * 2, ["skip"], TWO),
    "zero direction": Appended([(1000.0, (0.0, 0.0, 0.0))], [DERIVED], ["skip"], ONE),
    "named TRACE": Appended([(1000.0, ())], [("DERIVED", "PRIMARY", "TRACE", "NONE")], ["sub-01/dwi/sub-01_trace"]),
    "ORIGINAL and TRACE": Appended(
        [(1000.0, ())], [("ORIGINAL", "PRIMARY", "TRACE", "NONE")], ["sub-01/dwi/sub-01_trace"]
    ),
    "named ADC": Appended([(0.0, ())], [("DERIVED", "PRIMARY", "ADC", "NONE")], ["sub-01/dwi/sub-01_ADC"]),
    "an ADC and a trace": Appended(
        [(0.0, ()), (1000.0, ())],
        [("DERIVED", "PRIMARY", "ADC", "NONE"), ("DERIVED", "PRIMARY", "TRACE", "NONE")],
        ["skip"],
        TWO,
    ),
    "a trace of each kind": Appended(
        [(1000.0, ()), (1000.0, ())],
        [("ORIGINAL", "PRIMARY", "M_SE", "M", "SE"), DERIVED],
        ["skip"],
        f"1 of 8 volumes left out, weighted without a direction (a trace or an ADC); {ONE}",
    ),
    "directions": Appended([(1000.0, one) for one in DIRECTIONS[:3]], [DERIVED] * 3, ["review"]),
    "Siemens": Appended([(1000.0, ())], [DERIVED], ["skip"], ONE, "SIEMENS"),
    "Canon": Appended([(1000.0, ())], [DERIVED], ["skip"], ONE, "CANON_MEC"),
}


@pytest.mark.parametrize("case", APPENDED.values(), ids=APPENDED)
def test_derived_volumes_of_a_diffusion_series_do_not_fail_it(case: Appended, tmp_path: Path) -> None:
    kinds = dict(enumerate(case.kinds, start=len(WEIGHTED)))
    export = write_traced(tmp_path / "scan", [*WEIGHTED, *case.weights], kinds=kinds, maker=case.maker)
    result = convert_with(None, take(export), tmp_path / "bids")
    run, *others = result.outcomes
    assert (run.status, run.reason) == (Status.WRITTEN, case.reason)
    assert [one.status for one in others] == [Status.WRITTEN] * len(others)
    left = [*(str(one.row.path) for one in others), *["review"] * len(result.reviews), *["skip"] * len(result.skipped)]
    assert left == case.rows
    check_run(tmp_path / "bids" / run.row.path)
    for one in others:
        data = np.asarray(nib.load(tmp_path / "bids" / f"{one.row.path}.nii.gz").dataobj)
        assert np.unique(data).tolist() == [701]


def test_plan_says_why_a_derived_volume_is_left_out(tmp_path: Path) -> None:
    export = write_traced(tmp_path / "scan", [*WEIGHTED, (1000.0, ())], kinds={7: DERIVED})
    rows = make_plan(take(export)).plan.rows
    assert [(row.image, row.decision) for row in rows] == [(1, Decision.CONVERT), (2, Decision.SKIP)]
    assert "it stands in the diffusion series that it was computed of (a trace or an ADC)" in rows[1].evidence


def test_volumes_that_are_left_out_must_be_all_that_lack(tmp_path: Path) -> None:
    for stem, volumes in (("image", 3), ("image_ADC", 5)):
        make_nifti(tmp_path / f"{stem}.nii", (4, 4, 2, volumes))
        (tmp_path / f"{stem}.json").write_text("{}")
    image = Image(Header({}), (4, 4, 2), 6)
    output = match_outputs(make_series(image), collect(tmp_path))[1]
    with pytest.raises(ConversionError, match="made 3 volumes where the headers announce 6"):
        check_output(make_series(image), image, output)
