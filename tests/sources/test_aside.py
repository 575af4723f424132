"""What was set aside is shown with a path that names no one, and with what it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.dicom.header import Header
from bidsflow.dicom.series import File, Instance, Inventory, Patient, Series, SetAside
from bidsflow.sources import show_aside, tell_packed

PERSON = Patient("CANID-77123", "KANARIE ZELDZAAM", "19610823", "F")
OTHER = Patient("ROE99", "ROE JANE", "", "")


def make_inventory(*aside: SetAside) -> Inventory:
    header = Header({})
    instance = Instance(File("/x", 1, 1), header)
    series = Series("1.2", "1", PERSON, 3, "rest", "", "", (), (instance,), header)
    return Inventory((series,), aside)


def test_path_is_relative_to_the_export_and_names_no_one(tmp_path: Path) -> None:
    folder = tmp_path / "Kanarie_Zeldzaam" / "CANID-77123_19610823" / "20240304_rest"
    (shown,) = show_aside(make_inventory(SetAside(f"{folder}/IM1", "empty file")), [tmp_path])
    assert (shown.path, shown.reason) == ("***_***/***_***/***_rest/IM1", "empty file")


def test_person_of_whom_nothing_can_be_used_is_masked_too(tmp_path: Path) -> None:
    aside = SetAside(f"{tmp_path}/JaneRoe/ROE99/SR1", "not an image", True, patient=OTHER)
    (shown,) = show_aside(make_inventory(aside), [tmp_path])
    assert shown.path == "JaneRoe/***/SR1"  # four letters and less are masked as words only
    (shown,) = show_aside(make_inventory(SetAside(f"{tmp_path}/Jane Roe/x", "x", patient=OTHER)), [tmp_path])
    assert shown.path == "*** ***/x"


def test_original_of_a_copy_is_masked_too(tmp_path: Path) -> None:
    aside = SetAside(f"{tmp_path}/b/IM1", f"a copy of {tmp_path}/Kanarie/IM1", True)
    (shown,) = show_aside(make_inventory(aside), [tmp_path])
    assert (shown.reason, shown.kind, shown.harmless) == ("a copy of ***/IM1", "a copy", True)


def test_paths_of_several_exports_can_be_told_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "dicom").mkdir(parents=True)
    exports = [tmp_path / "one" / "dicom", tmp_path / "two" / "dicom"]
    shown = show_aside(make_inventory(*(SetAside(f"{one}/IM1", "empty file") for one in exports)), exports)
    assert [one.path for one in shown] == ["one/dicom/IM1", "two/dicom/IM1"]


def test_export_that_is_a_file_or_closed_has_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "IM1").touch()
    monkeypatch.chdir(tmp_path)
    (shown,) = show_aside(make_inventory(SetAside(f"{tmp_path}/IM1", "empty file")), [Path("IM1")])
    assert shown.path == "IM1"
    (shown,) = show_aside(make_inventory(SetAside(f"{tmp_path}", "the folder cannot be read")), [tmp_path])
    assert shown.path == "."


def test_whole_paths_are_shown_to_who_asks(tmp_path: Path) -> None:
    path = f"{tmp_path}/Kanarie/IM1"
    (shown,) = show_aside(make_inventory(SetAside(path, "empty file")), [tmp_path], identified=True)
    assert shown.path == path


@pytest.mark.parametrize("reason", ["not DICOM", "a compressed file that does not decompress"])
def test_unknown_bytes_get_a_name_whatever_the_file_is_called(tmp_path: Path, reason: str) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(b"7z\xbc\xaf\x27\x1c")
    (shown,) = show_aside(make_inventory(SetAside(str(path), reason, harmless=True)), [tmp_path])
    assert (shown.reason, shown.harmless) == ("a 7z archive", False)
    assert shown.advice == "unpack it first: 7z x FILE -oFOLDER"


def test_reason_stays_where_bytes_tell_nothing_more(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"?")
    aside = [SetAside(f"{tmp_path}/{name}", "not DICOM") for name in ("a", "gone")]
    shown = show_aside(make_inventory(*aside), [tmp_path])
    assert [(one.reason, one.advice) for one in shown] == [("not DICOM", "")] * 2


def test_damaged_dicom_keeps_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"%PDF-")
    (shown,) = show_aside(make_inventory(SetAside(f"{tmp_path}/a", "its pixel data is truncated")), [tmp_path])
    assert shown.reason == "its pixel data is truncated"


class Named(NamedTuple):
    name: str
    data: bytes
    reason: str
    packed: bool


NAMED = (
    Named("a.7z", b"7z\xbc\xaf\x27\x1c", "a 7z archive", True),
    Named("a", b"Rar!\x1a\x07\x01\0", "a rar archive", True),
    Named("a.zip", b"<html>404 Not Found</html>", "called an archive, and none that can be read", True),
    Named("a.TAR.GZ", b"", "called an archive, and none that can be read", True),
    Named("a.7z.002", bytes(99), "called an archive, and none that can be read", True),
    Named("a.zip", b"PK\5\6" + bytes(18), "an empty zip archive", False),
    Named("a.zip", b"%PDF-1.7", "a PDF", False),
    Named("a.puls", b"", "empty file", False),
    Named("a.isotropic", b"?", "not DICOM", False),
    Named("azip", b"?", "not DICOM", False),
)


@pytest.mark.parametrize("case", NAMED, ids=str)
def test_archive_that_nobody_opened_is_lost(case: Named, tmp_path: Path) -> None:
    (tmp_path / case.name).write_bytes(case.data)
    aside = SetAside(f"{tmp_path}/{case.name}", "not DICOM" if case.data else "empty file")
    (told,) = tell_packed([aside])
    assert told.lost is case.packed
    (shown,) = show_aside(make_inventory(told), [tmp_path])
    assert shown.reason == case.reason
    assert bool(shown.advice) is case.packed


@pytest.mark.parametrize(
    "reason",
    ["its pixel data is truncated", "the file ends inside its header (after 9 bytes)", "empty file",
     "a compressed file that ends too early"],
)  # fmt: skip
def test_damaged_image_says_what_to_do(reason: str, tmp_path: Path) -> None:
    lost = [SetAside(f"{tmp_path}/a", reason, lost=one) for one in (True, False)]
    assert [one.advice for one in show_aside(make_inventory(*lost), [tmp_path])] == ["fetch it again", ""]


def test_uid_that_a_file_is_called_after_is_masked(tmp_path: Path) -> None:
    uid = "1.3.12.2.1107.5.2.43.66012.2023031209153012345"
    inventory = make_inventory(SetAside(f"{tmp_path}/MR.{uid}.dcm", "empty file"))
    assert show_aside(inventory, [tmp_path])[0].path == "MR.***.dcm"
    assert uid in show_aside(inventory, [tmp_path], identified=True)[0].path
