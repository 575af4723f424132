"""What is no pair that can be read is told, with what to do, and names no one."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

from bidsflow.dicom.inventory import take_inventory
from bidsflow.sources.aside import Aside, show_aside
from bidsflow.sources.folder import find_files
from tests.parrec import T1, write_pair


def show(folder: Path) -> list[Aside]:
    return list(show_aside(take_inventory(find_files([folder]).files), [folder]))


def pack(path: Path) -> None:
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


def test_whole_pair_leaves_nothing_aside(tmp_path: Path) -> None:
    write_pair(tmp_path, T1)
    assert show(tmp_path) == []


def test_broken_pair_is_told_once_with_what_to_do(tmp_path: Path) -> None:
    rec = write_pair(tmp_path, T1, name="Jane_Doe_T1").with_suffix(".REC")
    rec.write_bytes(rec.read_bytes()[:-10])
    assert [one.lost for one in take_inventory(find_files([tmp_path]).files).set_aside] == [True]
    (aside,) = show(tmp_path)
    assert (aside.path, aside.harmless) == ("***_***_T1.PAR", False)
    assert "its REC breaks off" in aside.reason
    assert "the images as DICOM" in aside.advice


def test_old_pair_is_told_by_its_version(tmp_path: Path) -> None:
    write_pair(tmp_path, replace(T1, version="V3"))
    par, rec = show(tmp_path)
    assert (par.reason, rec.reason) == (
        "Philips PAR/REC: a PAR of V3; those of V4, V4.1, V4.2 are read", "Philips PAR/REC: the pixels of a pair"
    )  # fmt: skip
    assert (par.harmless, rec.harmless) == (False, True)


def test_rec_alone_is_told(tmp_path: Path) -> None:
    write_pair(tmp_path, T1).unlink()
    (aside,) = show(tmp_path)
    assert (aside.reason, aside.harmless) == ("Philips PAR/REC: a REC without its PAR", False)


def test_compressed_halves_are_to_be_unpacked(tmp_path: Path) -> None:
    par = write_pair(tmp_path, T1)
    pack(par.with_suffix(".REC"))
    half, rec = show(tmp_path)
    assert half.reason == "Philips PAR/REC: its REC is compressed; unpack it first"
    pack(par)
    for one in (rec, *show(tmp_path)):
        assert one.reason == "Philips PAR/REC: one half of a pair, compressed"
        assert one.advice.startswith("unpack it first")


def test_par_under_another_name_and_xml_are_told(tmp_path: Path) -> None:
    par = write_pair(tmp_path, T1, name="a")
    par.rename(tmp_path / "a.txt")
    (tmp_path / "b.xml").write_text("<PRIDE_V5>\n")
    reasons = {Path(one.path).suffix: one.reason for one in show(tmp_path)}
    assert reasons[".txt"] == "Philips PAR/REC: a PAR under another name"
    assert reasons[".xml"] == "Philips PAR/REC: the XML form, which is not read"
