"""Full, read-only and odd disks: nothing half-written, and the same command finishes when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bidsflow.convert.nifti import read_shape
from bidsflow.convert.outputs import Output, check_output
from bidsflow.dicom.header import Header
from bidsflow.dicom.index import Index
from bidsflow.dicom.series import Image
from bidsflow.errors import StorageError
from bidsflow.sources import find_files

from .conftest import Ran, finish, needs_root, read_tree, spawn
from .test_dcm2niix import make_nifti, make_program, make_series


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk in memory, with options; again to change them."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def make(options: str) -> Path:
        again = "remount," if os.path.ismount(folder) else ""
        command = ["mount", "-t", "tmpfs", "-o", again + options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip("disks cannot be mounted here")
        return folder

    yield make
    subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def check_sessions(target: Path, reference: dict[str, bytes]) -> None:
    """What was committed is whole, and as it would be without the trouble: tables of sessions hold what is there."""
    found = read_tree(target)
    images = {name for name in found if name.endswith((".nii.gz", ".json")) and name.startswith("sub-")}
    assert {name: found[name] for name in images} == {name: reference[name] for name in images}
    for session in ("sub-01/ses-01/", "sub-01/ses-02/"):
        mine = {name for name in found if name.startswith(session)}
        assert not mine or mine == {name for name in reference if name.startswith(session)}


@needs_root
@pytest.mark.parametrize("size", ["64k", "1300k", "1700k", "2100k"])
def test_full_disk_is_said_and_the_same_command_goes_on_when_there_is_room(
    size: str, small_export: Path, mount: Callable[[str], Path], reference: dict[str, bytes]
) -> None:
    target = mount(f"size={size}") / "bids"
    ran = finish(spawn("convert", small_export, target))
    assert ran.code == 74 or (ran.code == 0 and size >= "2100k"), ran.said
    assert ran.code == 0 or "the disk is full" in ran.err
    assert "Traceback" not in ran.said
    check_sessions(target, reference)
    assert not any((target / ".bidsflow" / "staging").glob("*"))
    mount("size=64m")
    again = finish(spawn("convert", small_export, target))
    assert again.code == 0, again.said
    assert read_tree(target) == reference


@needs_root
@pytest.mark.parametrize("inodes", [1, 20, 60])
def test_disk_without_room_for_more_files_is_full(
    inodes: int, small_export: Path, mount: Callable[[str], Path], reference: dict[str, bytes]
) -> None:
    target = mount(f"size=64m,nr_inodes={inodes}") / "bids"
    ran = finish(spawn("convert", small_export, target))
    assert ran.code == 74, ran.said
    assert "the disk is full" in ran.err
    check_sessions(target, reference)
    mount("size=64m,nr_inodes=10000")
    assert finish(spawn("convert", small_export, target)).code == 0
    assert read_tree(target) == reference


@needs_root
def test_disk_on_which_dcm2niix_finds_no_room_is_full(tmp_path: Path, mount: Callable[[str], Path]) -> None:
    """dcm2niix removes what it could not write whole, so that afterwards the disk has room for something smaller."""
    disk = mount("size=4m")
    (tmp_path / "in").mkdir()
    series = make_series(Image(Header({}), (512, 512, 30), 1))
    script = 'dd if=/dev/zero of=$out/image.nii bs=1M count=15; rm $out/image.nii; echo "Error: x (disk full?)"; exit 1'
    with pytest.raises(StorageError, match="the disk is full"):
        make_program(tmp_path, script).run(series, tmp_path / "in", disk)
    assert list(disk.iterdir()) == []


@needs_root
def test_image_that_is_cut_because_the_disk_is_full_is_said_so(mount: Callable[[str], Path]) -> None:
    disk = mount("size=4m")
    nifti = make_nifti(disk / "image.nii", (512, 512, 30), missing=512 * 512 * 50)
    output = Output(nifti, {}, {}, read_shape(nifti))
    with pytest.raises(StorageError, match="the disk is full"):
        check_output(make_series(Image(Header({}), (512, 512, 30), 1)), Image(Header({}), (512, 512, 30), 1), output)


@needs_root
def test_read_only_disk_is_said(two_people: Path, mount: Callable[[str], Path], cli: Callable[..., Ran]) -> None:
    target = mount("size=64m") / "bids"
    target.mkdir()
    mount("ro")
    ran = cli("convert", two_people, target)
    assert ran.code == 73
    assert f"{target}: the folder cannot be read and written to" in ran.err


@needs_root
def test_read_only_dataset_can_be_looked_at(
    two_people: Path, mount: Callable[[str], Path], cli: Callable[..., Ran], tmp_path: Path
) -> None:
    target = mount("size=64m") / "bids"
    assert cli("convert", two_people / "P001", target).code == 0
    looks = (("convert", two_people, target, "--dry-run"), ("plan", two_people, "--bids-dir", target))
    writable = [cli(*look) for look in looks]
    tree = read_tree(target)
    mount("ro")
    assert [cli(*look) for look in looks] == writable
    assert all(ran.code == 0 and "sub-02" in ran.out for ran in writable)
    assert read_tree(target) == tree
    with closing(Index(target / ".bidsflow" / "inventory.sqlite")) as index:
        found = find_files([two_people / "P001"]).files
        assert len(index.known(found)) == len(found)
        index.remember({found[0].path: (found[0], "no use")})


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            return


@needs_root
def test_disk_that_is_full_of_someone_elses_files_leaves_a_finished_dataset_alone(
    small_export: Path, mount: Callable[[str], Path], reference: dict[str, bytes]
) -> None:
    disk = mount("size=16m")
    assert finish(spawn("convert", small_export, disk / "bids")).code == 0
    fill(disk / "fill")
    ran = finish(spawn("convert", small_export, disk / "bids"))
    assert ran.code in (0, 74), ran.said
    assert read_tree(disk / "bids") == reference


@pytest.mark.parametrize("name", ["a b", "ünï/cödé", "new\nline", "-dash", "[red]x", "100%s", "'quote\"", "x" * 200])
def test_folders_may_have_any_name(
    name: str, two_people: Path, tmp_path: Path, cli: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export = Path(shutil.copytree(two_people / "P001", Path(name) / "export"))
    ran = cli("convert", "--", export, Path(name) / "deep" / "bids")
    assert ran.code == 0, ran.said
    assert (Path(name) / "deep" / "bids" / "sub-01" / "func" / "sub-01_task-rest_bold.nii.gz").is_file()
    assert "\n".join(ran.out.splitlines()).count("2 written") == 1


def test_folder_with_bytes_that_are_no_text(two_people: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe")
    export = Path(shutil.copytree(two_people / "P001", tmp_path / name / "export"))
    ran = finish(spawn("convert", export, tmp_path / name / "bids"))
    assert ran.code == 0, ran.said


def test_dataset_may_be_a_link(two_people: Path, tmp_path: Path, cli: Callable[..., Ran]) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert cli("convert", two_people, tmp_path / "link").code == 0
    assert (tmp_path / "real" / "participants.tsv").is_file()
    assert (tmp_path / "link").is_symlink()


@needs_root
def test_dataset_may_lie_on_another_disk_than_the_export(
    small_export: Path, mount: Callable[[str], Path], cli: Callable[..., Ran], reference: dict[str, bytes]
) -> None:
    target = mount("size=64m") / "bids"
    assert cli("convert", small_export, target).code == 0
    assert read_tree(target) == reference
