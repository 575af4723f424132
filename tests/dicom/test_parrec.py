"""PARs are read as the DICOM that would say the same, paired with their RECs, and set aside where they are halves."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from bidsflow.dicom.header import Header
from bidsflow.dicom.images import CUT_SHORT
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.pairs import Paired, join_examinations
from bidsflow.dicom.parrec import read_par
from bidsflow.dicom.physics import Kind, classify
from bidsflow.dicom.series import Instance, Inventory
from bidsflow.errors import HeaderError
from bidsflow.sources.folder import find_files
from tests.parrec import BOLD, DWI, FIELD, FIELD_HZ, T1, Pair, write_pair

#: PARs that nibabel brings for its own tests (licence: nibabel's own, PDDL).
DATA = Path(str(files("nibabel"))) / "tests" / "data"
real = pytest.mark.skipif(not (DATA / "DTI.PAR").exists(), reason="nibabel was installed without its tests")


def take(folder: Path) -> Inventory:
    return take_inventory(find_files([folder]).files)


def tell_aside(folder: Path) -> list[str]:
    return [one.reason.removeprefix("Philips PAR/REC: ") for one in take(folder).set_aside]


@pytest.mark.parametrize(
    ("pair", "kind", "images"),
    [
        (T1, Kind.T1W, [("magnitude", 3.7, 1)]),
        (BOLD, Kind.GRADIENT_EPI, [("magnitude", 30.0, 12)]),
        (DWI, Kind.DIFFUSION, [("magnitude", 80.0, 7)]),
        (FIELD, Kind.FIELD_GRE, [(part, echo, 1) for part in ("magnitude", "phase") for echo in (4.6, 6.9)]),
        (FIELD_HZ, Kind.FIELD_HZ, [("magnitude", 2.5, 1)] * 2),
    ],
    ids=lambda value: value.protocol if isinstance(value, Pair) else "",
)
def test_pair_is_a_series_of_what_was_measured(
    pair: Pair, kind: Kind, images: list[tuple[str, float, int]], tmp_path: Path
) -> None:
    write_pair(tmp_path, pair)
    inventory = take(tmp_path)
    (series,) = inventory.series
    assert [(one.component, one.echo_time, one.volumes) for one in series.images] == images
    assert {one.matrix for one in series.images} == {pair.shape}
    assert {classify(series, one).kind for one in series.images} == {kind}
    assert (series.number, series.description, series.patient.name) == (
        100 * pair.number + 1,
        pair.protocol,
        "DOE JANE",
    )
    assert (series.started, series.problems, inventory.set_aside) == ("20140805", (), ())


@pytest.mark.parametrize("ext", [(".PAR", ".REC"), (".par", ".rec"), (".PAR", ".rec"), (".Par", ".Rec")])
def test_pair_is_found_however_it_is_written(ext: tuple[str, str], tmp_path: Path) -> None:
    write_pair(tmp_path, T1, ext=ext)
    (series,) = take(tmp_path).series
    assert [Path(file.path).suffix for file in series.instances[0].files] == list(ext)


def test_half_pairs_are_set_aside_with_the_reason(tmp_path: Path) -> None:
    par = write_pair(tmp_path, T1)
    rec = par.with_suffix(".REC")
    whole = rec.read_bytes()
    rec.write_bytes(whole[:-10])
    assert tell_aside(tmp_path) == [f"its REC breaks off ({len(whole) - 10} of {len(whole)} bytes)"]
    rec.write_bytes(whole + b"\0\0")
    assert tell_aside(tmp_path) == [f"its REC holds more than its PAR lists ({len(whole) + 2} of {len(whole)} bytes)"]
    rec.unlink()
    assert tell_aside(tmp_path) == ["a PAR without its REC, which has the pixels"]


def test_rec_that_comes_later_is_found_though_its_par_is_known(tmp_path: Path) -> None:
    rec = write_pair(tmp_path / "scan", T1).with_suffix(".REC")
    away = rec.rename(tmp_path / rec.name)

    def scan() -> Inventory:
        return take_inventory(find_files([tmp_path / "scan"]).files, index_path=tmp_path / "index")

    assert (scan().series, scan().n_read) == ((), 0)
    away.rename(rec)
    assert len(scan().series) == 1


@pytest.mark.parametrize("version", ["V4", "V4.1", "V4.2"])
def test_versions_that_nibabel_reads_are_read(version: str, tmp_path: Path) -> None:
    assert read_par(str(write_pair(tmp_path, replace(T1, version=version)))).text("Columns") == "160"


@pytest.mark.parametrize("version", ["V3", "V5"])
def test_other_versions_are_set_aside(version: str, tmp_path: Path) -> None:
    with pytest.raises(HeaderError, match=f"a PAR of {version}; those of V4, V4.1, V4.2 are read"):
        read_par(str(write_pair(tmp_path, replace(T1, version=version))))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Technique  ", "Tecnique  "),
        ("Acquisition nr                     :   3", "Acquisition nr : three"),
        ("1860", ""),
        ("16 100", "9" * 20 + " 100"),
    ],
    ids=["key", "number", "cell", "size"],
)
def test_par_that_is_damaged_is_set_aside(old: str, new: str, tmp_path: Path) -> None:
    par = write_pair(tmp_path, T1)
    assert old in par.read_text()
    par.write_text(par.read_text().replace(old, new))
    with pytest.raises(HeaderError, match="the PAR cannot be understood"):
        read_par(str(par))
    assert not take(tmp_path).series


def test_same_pair_twice_counts_once_and_other_pixels_are_told(tmp_path: Path) -> None:
    write_pair(tmp_path / "a", T1)
    other = write_pair(tmp_path / "b", T1).with_suffix(".REC")
    (aside,) = take(tmp_path).set_aside
    assert aside.reason.startswith("a copy of")
    other.write_bytes(other.read_bytes()[::-1])
    assert tell_aside(tmp_path) == ["another PAR of its examination and number is not the same; neither is used"] * 2


def test_examination_without_a_time_is_for_review_and_never_joined(tmp_path: Path) -> None:
    for rank in (1, 2):
        write_pair(tmp_path / str(rank), replace(BOLD, moment="2000.01.01 / 00:00:00", centre=(rank, 0, 0)))
    series = take(tmp_path).series
    assert len({one.uid for one in series}) == 2
    assert all("nothing tells whose it is" in one.incomplete[0] for one in series)


@pytest.mark.parametrize("name", ["", "anonymous", "XXX"])
def test_name_that_names_no_one_is_none(name: str, tmp_path: Path) -> None:
    write_pair(tmp_path, replace(T1, patient=name))
    (series,) = take(tmp_path).series
    assert series.patient.name == ""


def test_names_of_people_are_hidden_in_descriptions(tmp_path: Path) -> None:
    write_pair(tmp_path, replace(T1, protocol="WIP T1 Doe SENSE"))
    (series,) = take(tmp_path).series
    assert (series.description, series.protocol_name) == ("T1 ***", "T1 ***")


def test_run_that_was_stopped_has_fewer_volumes_than_planned(tmp_path: Path) -> None:
    write_pair(tmp_path, replace(BOLD, planned=40))
    (series,) = take(tmp_path).series
    assert (series.images[0].volumes, series.header.integer("NumberOfTemporalPositions")) == (12, 40)


def test_volume_that_lacks_slices_is_for_review(tmp_path: Path) -> None:
    par = write_pair(tmp_path, BOLD)
    lines = par.read_text().splitlines(keepends=True)
    last = max(rank for rank, line in enumerate(lines) if line[:1].isdigit())
    par.write_text("".join(lines[:last] + lines[last + 1 :]))
    rec = par.with_suffix(".REC")
    rec.write_bytes(rec.read_bytes()[: -2 * 16 * 12])
    (series,) = take(tmp_path).series
    assert series.incomplete[0].startswith(CUT_SHORT)


def test_slices_that_contradict_their_angulation_are_for_review(tmp_path: Path) -> None:
    par = write_pair(tmp_path, BOLD)
    text = par.read_text()
    par.write_text(text.replace(" 0 1 0 2 2.000", " 0 3 0 2 2.000"))
    (series,) = take(tmp_path).series
    assert series.incomplete[0].startswith("its slices have places that contradict their angulation")


def test_angles_of_slices_that_contradict_the_scan_are_for_review(tmp_path: Path) -> None:
    par = write_pair(tmp_path, BOLD)
    par.write_text(par.read_text().replace("[degr]:   0.000", "[degr]:   9.000"))
    (series,) = take(tmp_path).series
    assert series.incomplete == ("its slices have other angles than their stack",)


@real
@pytest.mark.parametrize("path", sorted(DATA.glob("Phantom_EPI*.PAR")), ids=lambda path: path.stem[12:])
def test_place_is_that_of_nibabel_in_real_pars(path: Path) -> None:
    from nibabel.parrec import PARRECHeader

    with path.open(encoding="latin-1") as file:
        known = PARRECHeader.from_fileobj(file)
    affine = np.diag((-1, -1, 1, 1)) @ known.get_affine()
    header = read_par(str(path))
    directions = (affine[:3, :2] / known.get_zooms()[:2]).T.ravel()
    assert np.allclose(header.numbers("ImageOrientationPatient"), directions, atol=1e-3)
    assert np.allclose(header.numbers("ImagePositionPatient"), affine[:3, 3], atol=0.02)
    assert not header.text("Par.Doubts")


@real
@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        ("R11_T2W_TSE", "its slices have places that contradict their angulation"),  # transverse, it says of coronal
        ("fieldmap", "whether its phases are angles, or a field in Hz"),
        ("umass_anonymized", "images of type 17"),
        ("ASL_3D_Multiecho", "not list its images in the order of its REC"),
        ("DTIv40", "b-values and no directions"),
    ],
)
def test_what_is_odd_about_real_pars_is_told(name: str, doubt: str) -> None:
    assert doubt in read_par(str(DATA / f"{name}.PAR")).text("Par.Doubts")


@real
def test_survey_in_three_directions_is_a_localizer(tmp_path: Path) -> None:
    shutil.copy(DATA / "NA.PAR", tmp_path)
    (tmp_path / "NA.REC").write_bytes(bytes(2 * 256 * 256 * 9))
    (series,) = take(tmp_path).series
    assert {classify(series, one).kind for one in series.images} == {Kind.LOCALIZER}


def as_dicom(number: int, **values: str) -> Header:
    common = {
        "Manufacturer": "Philips", "PatientID": "77", "PatientName": "DOE^JANE", "PatientBirthDate": "19800101",
        "StudyDate": "20140805", "StudyTime": "112734.00", "StudyInstanceUID": "1.2.3", "SeriesNumber": str(number),
    }  # fmt: skip
    return Header({**common, **values})


@pytest.fixture
def pair(tmp_path: Path) -> Instance:
    write_pair(tmp_path, T1)
    return take(tmp_path).series[0].instances[0]


def test_series_that_is_there_as_dicom_is_not_taken_twice(pair: Instance) -> None:
    joined = join_examinations([pair], [as_dicom(301)])
    (aside,) = joined.set_aside
    assert (joined.instances, aside.harmless, "there as DICOM" in aside.reason) == ((), True, True)


def test_pair_joins_person_and_examination_that_are_there_as_dicom(pair: Instance) -> None:
    joined = join_examinations([pair], [as_dicom(201)])
    (one,) = joined.instances
    assert (one.header.text("PatientID"), one.header.text("StudyInstanceUID")) == ("77", "1.2.3")
    assert (one.beside, joined.set_aside) == (pair.beside, ())


@pytest.mark.parametrize(("name", "time", "joins"), [("DOE^JANE", "112734", True), ("DOE^JANE", "150000", False),
    ("DOE^JANE", "", True), ("ROE", "", False), ("ROE", "112734.5", True)])  # fmt: skip
def test_pair_joins_by_the_time_and_by_the_name_where_there_is_none(
    name: str, time: str, joins: bool, pair: Instance
) -> None:
    (one,) = join_examinations([pair], [as_dicom(201, PatientName=name, StudyTime=time)]).instances
    assert (one.header.text("PatientID") == "77") is joins


def test_names_that_name_no_one_join_nothing(tmp_path: Path) -> None:
    write_pair(tmp_path, replace(T1, patient="Anonymous Patient"))
    one = take(tmp_path).series[0].instances[0]
    other = as_dicom(301, PatientName="ANONYMOUS^PATIENT", StudyTime="")
    assert join_examinations([one], [other]).instances == (one,)


@pytest.mark.parametrize("shape", [(160, 160, 5), (256, 256, 8)], ids=["small", "large"])
def test_series_of_equal_tables_are_told_apart_by_their_pixels(shape: tuple[int, int, int], tmp_path: Path) -> None:
    uids = set()
    for value in (1, 2):
        folder = tmp_path / str(value)
        rec = write_pair(folder, replace(T1, shape=shape)).with_suffix(".REC")
        rec.write_bytes(bytes(rec.stat().st_size - 2) + bytes([value, 0]))
        uids.add(take(folder).series[0].uid)
    assert len(uids) == 2


def test_pair_is_the_same_series_in_a_second_scan(tmp_path: Path) -> None:
    write_pair(tmp_path / "scan", T1)
    files = find_files([tmp_path / "scan"]).files
    one, two = (take_inventory(files, index_path=tmp_path / "index") for _ in range(2))
    assert (one.series[0].uid, two.n_read) == (two.series[0].uid, 0)


@pytest.mark.parametrize("other", [{"StudyDate": "20140806"}, {"Manufacturer": "SIEMENS"}, {"PatientName": "Roe",
                                   "StudyTime": "0900"}])  # fmt: skip
def test_pair_of_another_examination_stays_apart(other: dict[str, str], pair: Instance) -> None:
    assert join_examinations([pair], [as_dicom(301, **other)]) == Paired((pair,), ())
