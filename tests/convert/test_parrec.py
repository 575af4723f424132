"""Pairs of PAR and REC are converted as dcm2niix converts them where it can, and go every way that DICOM goes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import ZipFile

import dcm2niix
import nibabel as nib
import numpy as np
import pytest

from bidsflow.convert.outputs import Output
from bidsflow.convert.parrec import convert_pair
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Series
from bidsflow.errors import ConversionError
from bidsflow.sources.folder import find_files
from tests.parrec import BOLD, DWI, FIELD, FIELD_HZ, T1, Pair, make_pixels, write_pair

from .conftest import Ran, read_tree

Cli = Callable[..., Ran]
#: Directions of slices, straight and oblique.
TURNS = [(plane, angles) for plane in (1, 2, 3) for angles in ((0.0, 0.0, 0.0), (12.0, -7.0, 20.0))]


def read_series(folder: Path) -> Series:
    (series,) = take_inventory(find_files([folder]).files).series
    return series


def convert_one(pair: Pair, folder: Path) -> dict[int, Output]:
    write_pair(folder / "in", pair)
    (folder / "out").mkdir()
    return convert_pair(read_series(folder / "in"), folder / "out")


def read_images(root: Path) -> dict[str, bytes]:
    """Return the images of a dataset."""
    return {name: data for name, data in read_tree(root).items() if name.endswith(".nii.gz")}


def load(output: Output) -> np.ndarray:
    return np.asarray(nib.load(output.nifti).dataobj, dtype=float)


@dataclass(frozen=True)
class Theirs:
    """What dcm2niix makes of a pair."""

    affine: np.ndarray
    data: np.ndarray
    tables: dict[str, np.ndarray]


def ask_dcm2niix(folder: Path, stem: str = "x") -> Theirs:
    out = folder / "theirs"
    out.mkdir()
    command = [dcm2niix.bin, "-g", "i", "-z", "n", "-f", "x", "-o", out, folder / "in"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    img = nib.load(out / f"{stem}.nii")
    tables = {path.suffix: np.loadtxt(path) for path in out.glob(f"{stem}.bv*")}
    return Theirs(img.affine, np.asarray(img.dataobj, dtype=float), tables)


@pytest.mark.parametrize(("orientation", "angles"), TURNS)
def test_image_and_directions_are_those_of_dcm2niix(
    orientation: int, angles: tuple[float, float, float], tmp_path: Path
) -> None:
    ours = convert_one(replace(DWI, orientation=orientation, angles=angles), tmp_path)[1]
    theirs = ask_dcm2niix(tmp_path)
    assert np.allclose(nib.load(ours.nifti).affine, theirs.affine, atol=0.02)
    assert np.allclose(load(ours), theirs.data)
    assert np.allclose(np.loadtxt(ours.tables[".bval"]), theirs.tables[".bval"])
    assert np.allclose(np.loadtxt(ours.tables[".bvec"]), theirs.tables[".bvec"], atol=1e-4)


@pytest.mark.parametrize(("rank", "stem"), [(1, "x_e1"), (2, "x_e2"), (3, "x_e1_ph"), (4, "x_e2_ph")])
def test_echoes_and_phases_are_those_of_dcm2niix(rank: int, stem: str, tmp_path: Path) -> None:
    ours = convert_one(FIELD, tmp_path)[rank]
    assert np.allclose(load(ours), ask_dcm2niix(tmp_path, stem).data, atol=1e-3)
    assert ours.sidecar["EchoTime"] == pytest.approx((0.0046, 0.0069)[(rank - 1) % 2])


def test_field_is_in_hz_and_phase_in_radians(tmp_path: Path) -> None:
    field = convert_one(FIELD_HZ, tmp_path / "a")[2]
    assert load(field).min() == pytest.approx(-500, abs=0.01)
    phase = convert_one(FIELD, tmp_path / "b")[3]
    assert load(phase).min() >= -np.pi - 1e-3
    assert phase.sidecar["Units"] == "rad"


def test_echoes_of_a_run_are_told_apart_by_their_pixels(tmp_path: Path) -> None:
    pair = replace(BOLD, echo_times=(12.0, 30.0), dynamics=3)
    outputs = convert_one(pair, tmp_path)
    for echo in (1, 2):
        data = load(outputs[echo]) / 200  # FP = PV / SS
        expected = np.stack([
            np.stack([make_pixels(pair, number, volume, echo, 0)[::-1].T for number in range(1, 6)], axis=-1)
            for volume in range(3)
        ], axis=-1)  # fmt: skip
        assert np.allclose(data, expected)


def test_slices_with_scales_of_their_own_are_scaled_one_by_one(tmp_path: Path) -> None:
    par = write_pair(tmp_path / "in", T1)
    lines = par.read_text().splitlines(keepends=True)
    first = next(rank for rank, line in enumerate(lines) if line[:1].isdigit())
    lines[first] = lines[first].replace("5.00000e-03", "2.50000e-03")
    par.write_text("".join(lines))
    (tmp_path / "out").mkdir()
    data = load(convert_pair(read_series(tmp_path / "in"), tmp_path / "out")[1])
    for number, scale in ((1, 400), (2, 200)):
        assert np.allclose(data[..., number - 1], make_pixels(T1, number, 0, 1, 0)[::-1].T * scale)


def test_repetition_of_volumes_is_told_by_the_times_of_dynamics(tmp_path: Path) -> None:
    sidecar = convert_one(replace(BOLD, technique="FFE", repetition=22.0, step=0.61), tmp_path)[1].sidecar
    assert sidecar["RepetitionTime"] == pytest.approx(0.61)


def test_sidecar_says_what_a_par_says_and_no_more(tmp_path: Path) -> None:
    sidecar = convert_one(T1, tmp_path)[1].sidecar
    known = {
        "EchoTime": 0.0037, "RepetitionTime": 0.0081, "InversionTime": 0.9, "FlipAngle": 8.0, "PatientPosition": "HFS",
        "Manufacturer": "Philips", "PhaseEncodingAxis": "j", "ConversionSoftware": "nibabel",
    }  # fmt: skip
    assert {key: sidecar[key] for key in known} == known
    unknown = {"MagneticFieldStrength", "PhaseEncodingDirection", "SliceTiming", "TotalReadoutTime", "PatientName"}
    assert not unknown & sidecar.keys()


@pytest.mark.parametrize("damage", ["rec", "order", "directions", "place"])
def test_pair_that_changed_after_the_scan_fails_with_a_reason(damage: str, tmp_path: Path) -> None:
    par = write_pair(tmp_path, T1)
    series = read_series(tmp_path)
    if damage == "rec":
        par.with_suffix(".REC").write_bytes(b"short")
    else:
        old, new = {
            "order": (" 0 2 0 16 100", " 0 2 9 16 100"),
            "directions": ("3.000 0.500  0 1 0 2", "3.000 0.500  0 2 0 2"),
            "place": ("midslice(ap,fh,rl) [mm] :   2.000", "midslice(ap,fh,rl) [mm] :   nan"),
        }[damage]  # fmt: skip
        assert old in par.read_text()
        par.write_text(par.read_text().replace(old, new, 1))
    with pytest.raises(ConversionError, match="its PAR does not make whole images"):
        convert_pair(series, tmp_path)


NAMES = {
    "anat/sub-01_T1w", "func/sub-01_task-rest_bold", "dwi/sub-01_dwi", "fmap/sub-01_magnitude1",
    "fmap/sub-01_magnitude2", "fmap/sub-01_phase1", "fmap/sub-01_phase2",
}  # fmt: skip


@pytest.fixture
def export(tmp_path: Path) -> Path:
    for pair in (T1, BOLD, DWI, FIELD):
        write_pair(tmp_path / "scan", pair)
    return tmp_path / "scan"


def test_session_of_pairs_becomes_valid_bids_without_the_person(export: Path, tmp_path: Path, cli: Cli) -> None:
    ran = cli("convert", export, tmp_path / "bids")
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'bids'}: 7 written\n")
    tree = read_tree(tmp_path / "bids")
    assert {name.removesuffix(".nii.gz") for name in tree if name.endswith(".nii.gz")} == {f"sub-01/{n}" for n in NAMES}
    said = b"".join([*tree.values(), *map(str.encode, tree)]).lower()
    assert not [word for word in (b"jane", b"20140805", b"2014.08.05", b"112734", b"2.25.") if word in said]
    assert not [word for word in ("jane", "2014") if word in ran.said.lower()]
    assert cli("validate", tmp_path / "bids").code == 0
    assert not [name for name in ("README", "CHANGES") if b"DICOM" in tree[name]]
    sidecar = json.loads(tree["sub-01/func/sub-01_task-rest_bold.json"])
    assert sidecar["B0FieldSource"] == json.loads(tree["sub-01/fmap/sub-01_phase1.json"])["B0FieldIdentifier"]


def test_second_run_leaves_pairs_alone_and_a_late_one_is_added(export: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("convert", export, tmp_path / "bids").code == 0
    assert cli("convert", export, tmp_path / "bids").out.endswith(": 7 unchanged\n")
    write_pair(export, replace(T1, protocol="T2W_TSE", technique="TSE", number=9, repetition=4000.0, echo_times=(90.0,),
                               inversion=0.0, flip=90.0, sequence=1, mode="MS"))  # fmt: skip
    assert "1 new" in cli("convert", export, tmp_path / "bids", "--dry-run").said
    assert cli("convert", export, tmp_path / "bids").out.endswith(": 1 written, 7 unchanged\n")


def test_other_pixels_of_an_acquisition_replace_nothing(export: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("convert", export, tmp_path / "bids").code == 0
    before = read_images(tmp_path / "bids")
    rec = next(export.glob("T1W*.REC"))
    rec.write_bytes(rec.read_bytes()[::-1])
    ran = cli("convert", export, tmp_path / "bids")
    assert ran.out.endswith(": 6 unchanged, 1 for review\n")
    assert "another PAR of its examination and number" in ran.said
    assert read_images(tmp_path / "bids") == before


def test_corrected_pair_is_converted_as_it_is_proposed(export: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("convert", export, tmp_path / "bids").code == 0
    before, plan = read_images(tmp_path / "bids"), tmp_path / "plan.tsv"
    rec = next(export.glob("T1W*.REC"))
    rec.write_bytes(rec.read_bytes()[::-1])
    assert cli("plan", export, "--bids-dir", tmp_path / "bids", "-o", plan).code == 0
    plan.write_text(plan.read_text().replace("\treview\t", "\tconvert\t"))
    assert cli("convert", export, tmp_path / "bids", "--plan", plan).out.endswith(": 1 written, 6 unchanged\n")
    after = read_images(tmp_path / "bids")
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"sub-01/anat/sub-01_run-2_T1w.nii.gz"}


@pytest.mark.parametrize("time", ["11:11:11", "12:00:00", "00:00:00"])
def test_someone_without_a_name_never_joins_someone_else(time: str, tmp_path: Path, cli: Cli) -> None:
    anon = replace(T1, patient="anon", moment=f"2000.01.01 / {time}")
    write_pair(tmp_path / "1", anon)
    rec = write_pair(tmp_path / "2", anon).with_suffix(".REC")
    rec.write_bytes(rec.read_bytes()[::-1])
    write_pair(tmp_path / "3", replace(BOLD, patient=anon.patient, moment=anon.moment))
    cli("convert", tmp_path / "1", tmp_path / "bids")
    before = read_images(tmp_path / "bids")
    assert len(before) == (time == "11:11:11")
    for other in ("2", "3"):
        ran = cli("convert", tmp_path / other, tmp_path / "bids")
        assert (ran.code, ran.out.endswith(": nothing to convert, 1 for review\n")) == (0, True)
        assert read_images(tmp_path / "bids") == before


def test_original_pairs_are_kept_whole(export: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("convert", export, tmp_path / "bids", "--keep-source").code == 0
    with tarfile.open(next((tmp_path / "bids" / "sourcedata").rglob("*.tar.gz"))) as archive:
        names = [Path(name) for name in archive.getnames()]
    assert sorted(name.suffix for name in names) == [".PAR"] * 4 + [".REC"] * 4
    assert len({name.with_suffix("") for name in names}) == 4


def test_image_is_traced_to_its_pair(export: Path, tmp_path: Path, cli: Cli) -> None:
    assert cli("convert", export, tmp_path / "bids").code == 0
    ran = cli("trace", tmp_path / "bids" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    assert ran.code == 0
    assert "from the series " in ran.out
    assert cli("status", tmp_path / "bids").out.endswith("7 images, 0 waiting, 0 files set aside\n")
    for where in (export, tmp_path / "bids"):
        assert cli("check", where).code == 0


def test_pairs_in_an_archive_are_converted(export: Path, tmp_path: Path, cli: Cli) -> None:
    with ZipFile(tmp_path / "scan.zip", "w") as archive:
        for file in sorted(export.iterdir()):
            archive.write(file, f"scan/{file.name}")
    assert cli("convert", tmp_path / "scan.zip", tmp_path / "bids").out.endswith(": 7 written\n")


def test_pair_beside_dicom_files_does_not_disturb_them(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    scan = tmp_path / "scan"
    shutil.copytree(two_people, scan)
    folder = next(file.parent for file in sorted(scan.rglob("*")) if file.is_file())
    write_pair(folder, T1)
    ran = cli("convert", scan, tmp_path / "bids")
    assert ran.code == 0, ran.err
    images = {name.removeprefix("sub-") for name in read_tree(tmp_path / "bids") if name.endswith(".nii.gz")}
    runs = {f"{sub}/func/sub-{sub}_task-rest_{end}.nii.gz" for sub in ("02", "03") for end in ("bold", "sbref")}
    assert images == {"01/anat/sub-01_T1w.nii.gz", *runs}


def read_makers(root: Path) -> tuple[list[str], list[str]]:
    """Return the programs that made a dataset, as its description and its README say."""
    listed = json.loads((root / "dataset_description.json").read_text())["GeneratedBy"]
    said = (root / "README").read_text().partition("the scanner by ")[2].partition("\n")[0]
    return [one["Name"] for one in listed], re.findall(r"[a-z]\w+(?= \d)", said)


@pytest.mark.parametrize("first", ["dcm2niix", "nibabel"])
def test_dataset_names_the_programs_that_made_it(first: str, two_people: Path, tmp_path: Path, cli: Cli) -> None:
    write_pair(tmp_path / "pairs", T1)
    orders = [("dcm2niix", two_people), ("nibabel", tmp_path / "pairs")]
    made = ["bidsflow"]
    for program, export in orders if first == "dcm2niix" else orders[::-1]:
        assert cli("convert", export, tmp_path / "bids").code == 0
        made.append(program)
        assert read_makers(tmp_path / "bids") == (made, made)
    for file in ("dataset_description.json", "README"):
        (tmp_path / "bids" / file).unlink()
    write_pair(tmp_path / "late", replace(T1, patient="late", moment="2015.01.01 / 11:11:11"))
    assert cli("convert", tmp_path / "late", tmp_path / "bids").code == 0
    assert read_makers(tmp_path / "bids") == (["bidsflow", "dcm2niix", "nibabel"],) * 2


def test_programs_join_what_someone_wrote_and_do_not_come_back(two_people: Path, tmp_path: Path, cli: Cli) -> None:
    target, one, two = tmp_path / "bids", *sorted(two_people.iterdir())
    write_pair(tmp_path / "pairs", T1)
    assert cli("convert", tmp_path / "pairs", target).code == 0
    description, readme = target / "dataset_description.json", target / "README"
    written = json.loads(description.read_text())
    written["GeneratedBy"][0]["Description"] = "ours"
    written["Authors"] = ["A. Person"]
    description.write_text(json.dumps(written))
    readme.write_text("Converted by hand.\n")
    assert cli("convert", one, target).code == 0
    now = json.loads(description.read_text())
    assert now["GeneratedBy"].pop()["Name"] == "dcm2niix"
    assert now == written
    description.write_text(json.dumps(written))
    assert cli("convert", two, target).code == 0
    assert (description.read_text(), readme.read_text()) == (json.dumps(written), "Converted by hand.\n")


def test_half_of_a_field_map_needs_its_readout_from_a_study(tmp_path: Path, cli: Cli) -> None:
    for number, way in ((9, "AP"), (10, "PA")):
        write_pair(
            tmp_path / "scan", replace(BOLD, protocol=f"topup_{way}", technique="SEEPI", number=number, dynamics=2)
        )
    ran = cli("plan", tmp_path / "scan")
    assert ran.said.count("BIDS requires TotalReadoutTime, which no PAR tells") == 2
    study = tmp_path / "study.toml"
    study.write_text(
        'version = 1\n[[series]]\nmatch = { ProtocolName = "topup_*" }\nsidecar = { TotalReadoutTime = 0.04 }\n'
    )
    ran = cli("convert", tmp_path / "scan", tmp_path / "bids", "--study", study)
    assert (ran.code, ran.out) == (0, f"{tmp_path / 'bids'}: 2 written\n")


def test_directions_that_a_par_does_not_hold_are_not_made_up(tmp_path: Path, cli: Cli) -> None:
    write_pair(tmp_path / "scan", replace(DWI, version="V4"))
    plan = tmp_path / "plan.tsv"
    assert cli("plan", tmp_path / "scan", "-o", plan).code == 0
    assert "PAR (V4) has b-values and no directions" in plan.read_text()
    plan.write_text(plan.read_text().replace("\treview\t", "\tconvert\t"))
    ran = cli("convert", tmp_path / "scan", tmp_path / "bids", "--plan", plan)
    assert ran.code == 1
    assert "nothing tells its directions, which a dwi must have" in ran.err
