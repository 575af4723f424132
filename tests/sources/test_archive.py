"""Archives give their files, whatever else is in them, and nothing leaves the folder that they are unpacked to."""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bidsflow.dicom.series import SetAside
from bidsflow.errors import StorageError
from bidsflow.sources import Unpacked, archive, common_room, find_archives, find_files, scratch, unpack

FILES = {"DICOM/IM1": b"one" * 1000, "DICOM/PA 1/IM2": b"two", "empty": b""}


def make_zip(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.mkdir("folder")
        for name, data in files.items():
            out.writestr(name, data)
    return path


def make_tar(path: Path, files: dict[str, bytes] = FILES, mode: str = "w") -> Path:
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            out.addfile(info, io.BytesIO(data))
    return path


def make_zst(path: Path) -> Path:
    zstandard = pytest.importorskip("zstandard")
    path.write_bytes(zstandard.ZstdCompressor().compress(make_tar(path.with_name("plain")).read_bytes()))
    return path


def open_up(path: Path, into: Path) -> Unpacked:
    into.mkdir()
    return unpack(find_files([path]), [path], into)


def contents(unpacked: Unpacked) -> dict[str, bytes]:
    """Return the files by the path that people know them by, below the folder of the export."""
    found = {}
    for file in unpacked.found.files:
        ((folder, shown),) = [one for one in unpacked.origins if file.path.startswith(f"{one[0]}/")]
        found[Path(shown).name + file.path.removeprefix(folder)] = Path(file.path).read_bytes()
    return found


def reasons(unpacked: Unpacked) -> dict[str, str]:
    return {Path(one.path).name: one.reason for one in unpacked.found.set_aside}


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.zip", make_zip),
        ("a.tar", make_tar),
        ("a.tgz", lambda path: make_tar(path, mode="w:gz")),
        ("a.tar.bz2", lambda path: make_tar(path, mode="w:bz2")),
        ("a.tar.xz", lambda path: make_tar(path, mode="w:xz")),
        ("a.tar.zst", make_zst),
        ("a.dat", make_zip),
    ],
)
def test_every_kind_gives_its_files(tmp_path: Path, name: str, make: Callable[[Path], Path]) -> None:
    unpacked = open_up(make(tmp_path / name), tmp_path / "into")
    assert contents(unpacked) == {f"{name}/{path}": data for path, data in FILES.items()}
    assert unpacked.found.set_aside == ()
    assert all(file.passing and file.size == Path(file.path).stat().st_size for file in unpacked.found.files)


def test_archives_in_folders_are_found_by_name(tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    make_zip(tmp_path / "export" / "series.ZIP")
    make_zip(tmp_path / "export" / "unnamed")
    (tmp_path / "export" / "no.zip").write_bytes(b"no archive")
    found = find_files([tmp_path / "export"])
    assert [Path(one.path).name for one in find_archives(found.files, [tmp_path / "export"])] == ["series.ZIP"]
    unpacked = open_up(tmp_path / "export", tmp_path / "into")
    assert {"no.zip", "unnamed", "IM1"} <= {Path(one.path).name for one in unpacked.found.files}


def test_archives_in_archives_are_opened_to_a_depth(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "4.zip", {"IM4": b"4"})
    for depth in (3, 2, 1):
        path = make_tar(tmp_path / f"{depth}.tar", {f"IM{depth}": b"x", path.name: path.read_bytes()})
    unpacked = open_up(path, tmp_path / "into")
    assert [one[1].removeprefix(f"{tmp_path}/") for one in unpacked.origins] == [
        "1.tar", "1.tar/2.tar", "1.tar/2.tar/3.tar",
    ]  # fmt: skip
    assert sorted(Path(one.path).name for one in unpacked.found.files) == ["IM1", "IM2", "IM3"]
    assert "deeper than 3" in reasons(unpacked)["4.zip"]


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, make: Callable[..., Path]) -> None:
    outside = tmp_path / "evil"
    names = {"../evil": b"1", "a/../../evil": b"2", str(outside): b"3", "..\\evil": b"4", "x" * 300: b"5", "ok": b"6"}
    unpacked = open_up(make(tmp_path / "a.zip", names), tmp_path / "into")
    assert not outside.exists()
    assert {"a.zip/ok", f"a.zip{outside}"} == set(contents(unpacked))  # what is absolute is below the archive
    assert len(unpacked.found.set_aside) == 4
    assert set(reasons(unpacked).values()) == {"its name leads out of the archive", "its name is too long"}


def test_links_and_devices_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as out:
        for name, kind in (
            ("s", tarfile.SYMTYPE),
            ("h", tarfile.LNKTYPE),
            ("d", tarfile.CHRTYPE),
            ("f", tarfile.FIFOTYPE),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            out.addfile(info)
    assert set(reasons(open_up(tmp_path / "a.tar", tmp_path / "into"))) == {"s", "h", "d", "f"}
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        link = zipfile.ZipInfo("s")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    assert set(reasons(open_up(tmp_path / "a.zip", tmp_path / "into2"))) == {"s"}


def test_links_to_what_the_archive_holds_lose_nothing(tmp_path: Path) -> None:
    links = {
        "copy": (tarfile.LNKTYPE, "D/IM1"),
        "D/E/up": (tarfile.SYMTYPE, "../IM1"),
        "latest": (tarfile.SYMTYPE, "D"),
        "gone": (tarfile.SYMTYPE, "D/IM2"),
        "out": (tarfile.SYMTYPE, "../D/IM1"),
        "root": (tarfile.SYMTYPE, f"{tmp_path}/into/0/D/IM1"),
    }
    with tarfile.open(tmp_path / "a.tar", "w") as out, zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        for name, (kind, target) in links.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            out.addfile(info)
            link = zipfile.ZipInfo(name)
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            packed.writestr(link, target)
        image = tarfile.TarInfo("./D/IM1")  # behind the links to it
        image.size = 3
        out.addfile(image, io.BytesIO(b"one"))
        packed.writestr("D/IM1", b"one")
    for name in ("a.tar", "a.zip"):
        unpacked = open_up(tmp_path / name, tmp_path / f"{name}-into")
        assert contents(unpacked) == {f"{name}/D/IM1": b"one"}
        told = {Path(one.path).name: (one.lost, one.harmless) for one in unpacked.found.set_aside}
        lost = {"gone", "out", "root"}
        assert told == {Path(link).name: (link in lost, link not in lost) for link in links}


def test_one_name_twice_gives_two_files(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as out:
        for name in ("IM1", "IM1", "IM1/IM2"):
            info = tarfile.TarInfo(name)
            info.size = 3
            out.addfile(info, io.BytesIO(name[-3:].encode()))
    assert contents(open_up(path, tmp_path / "into")) == {
        "a.tar/IM1": b"IM1", "a.tar/~1/IM1": b"IM1", "a.tar/~2/IM1/IM2": b"IM2",
    }  # fmt: skip


def test_utf8_that_is_not_declared_is_read_as_such(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"Jörg/IM1": b"1"})
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        data[data.rindex(mark) + place] &= 0xF7
    path.write_bytes(data)
    assert list(contents(open_up(path, tmp_path / "into"))) == ["a.zip/Jörg/IM1"]


def test_encrypted_files_are_counted(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"IM1": b"1"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x03\x04", 10) + 6] |= 1  # the second entry; the first is a folder
    at = data.rindex(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    assert "1 of its files are encrypted" in reasons(open_up(path, tmp_path / "into"))["a.zip"]


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_what_breaks_off_gives_what_came_before(tmp_path: Path, mode: str) -> None:
    files = {f"IM{number}": os.urandom(100_000) for number in range(40)}  # bzip2 has blocks of 900 kB
    path = make_tar(tmp_path / "a.tar", files, mode)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    unpacked = open_up(path, tmp_path / "into")
    assert "breaks off" in reasons(unpacked)["a.tar"]
    assert all(files[Path(name).name] == found for name, found in contents(unpacked).items())
    assert 8 <= len(unpacked.found.files) <= 20


def test_a_tar_without_its_end_is_told(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", {"IM1": b"x" * 512})
    path.write_bytes(path.read_bytes()[:1024])
    unpacked = open_up(path, tmp_path / "into")
    assert list(contents(unpacked)) == ["a.tar/IM1"]
    assert "breaks off" in reasons(unpacked)["a.tar"]


def test_a_damaged_member_costs_only_itself(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"IM1": os.urandom(5000), "IM2": b"2"})
    data = bytearray(path.read_bytes())
    data[data.index(b"IM1") + 100] ^= 0xFF
    path.write_bytes(data)
    unpacked = open_up(path, tmp_path / "into")
    assert contents(unpacked) == {"a.zip/IM2": b"2"}
    assert reasons(unpacked) == {"IM1": "damaged in its archive: fetch that again"}


@pytest.mark.parametrize("end", [".tar.gz", ".zip"])
def test_bombs_are_refused(tmp_path: Path, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_UNCHECKED", 1 << 20)
    zeros = {"zeros": bytes(30 << 20)}
    path = make_zip(tmp_path / "a.zip", zeros) if end == ".zip" else make_tar(tmp_path / "a.tar.gz", zeros, "w:gz")
    unpacked = open_up(path, tmp_path / "into")
    assert "like a bomb" in reasons(unpacked)[path.name]
    assert sum(one.stat().st_size for one in (tmp_path / "into").rglob("*") if one.is_file()) < 2 << 20


def test_a_header_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 1 << 34
    (tmp_path / "a.tar").write_bytes(info.tobuf() + bytes(1024))
    assert "damaged" in reasons(open_up(tmp_path / "a.tar", tmp_path / "into"))["a.tar"]


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_disk_without_room_is_told_before(
    tmp_path: Path, make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "RESERVE", 10**18)
    with pytest.raises(
        StorageError, match=r"not enough space: to unpack an archive, 100000000000\d MB have to be free, and \d+"
    ):
        open_up(make(tmp_path / "a.zip"), tmp_path / "into")
    assert not [one for one in (tmp_path / "into").rglob("*") if one.is_file()]


def test_random_damage_raises_nothing(tmp_path: Path) -> None:
    import random

    chance = random.Random(1)
    for number in range(120):
        make, mode = chance.choice([(make_zip, ""), (make_tar, "w"), (make_tar, "w:gz"), (make_tar, "w:xz")])
        path = tmp_path / f"{number}.zip"
        make(path, FILES, mode) if mode else make(path)  # type: ignore[operator]
        data = bytearray(path.read_bytes())
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data[: chance.randint(1, len(data))])
        unpacked = open_up(path, tmp_path / f"into{number}")
        assert all(isinstance(one, SetAside) and one.reason for one in unpacked.found.set_aside)


def test_the_folder_is_private_and_goes_at_the_end(tmp_path: Path) -> None:
    with scratch(tmp_path / "room") as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "file").touch()
    assert not (tmp_path / "room").exists()


def test_what_a_killed_process_left_goes_and_what_is_in_use_stays(tmp_path: Path) -> None:
    room = tmp_path / "room"
    with scratch(room) as alive:
        for name in ("unpacked-1", "unpacked-2"):
            (room / name).mkdir()
            (room / f"{name}.lock").touch()
        with (room / "unpacked-2.lock").open() as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with scratch(room):
                assert alive.is_dir()
                assert not (room / "unpacked-1").exists()
                assert (room / "unpacked-2").is_dir()


def test_a_room_of_someone_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    room = common_room()
    room.chmod(0o777)
    with pytest.raises(StorageError, match="not private"):
        common_room()
    shutil.rmtree(room)
    room.symlink_to(tmp_path)
    with pytest.raises(StorageError, match="not private"):
        common_room()
