"""Every file of an export is used or set aside with a reason, whatever it is."""

from __future__ import annotations

import errno
import gzip
import os
import random
import shutil
import struct
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from bidsflow.dicom.grouping import WRITTEN_ON
from bidsflow.dicom.inventory import take_inventory
from bidsflow.dicom.series import Conflict, Inventory
from bidsflow.digest import digest_of
from bidsflow.phantom import DIALECTS, make_sessions, write
from bidsflow.phantom.defects import inject_defects, share_patient_id
from bidsflow.sources import find_files


def scan(folder: Path, index: Path | None = None) -> Inventory:
    found = find_files([folder])
    return take_inventory(found.files, set_aside=found.set_aside, index_path=index)


@pytest.fixture
def export(classic_export: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(classic_export, tmp_path / "dicom"))


def reasons(inventory: Inventory) -> dict[str, tuple[str, bool]]:
    return {Path(one.path).name: (one.reason, one.harmless) for one in inventory.set_aside}


# --- against the truth -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_an_export_is_found_as_it_was_made(tmp_path: Path, dialect: str) -> None:
    series = ["localizer", "fieldmap", "mebold", "dwi"]
    truth = write(tmp_path / "scan", dialect=dialect, size="tiny", series=series).sessions[0]
    inventory = scan(tmp_path / "scan" / "dicom")
    assert inventory.set_aside == ()
    assert [one.uid for one in inventory.series] == [one.uid for one in truth.series]
    for series, known in zip(inventory.series, truth.series, strict=True):
        assert len(series.instances) == known.files
        assert len(series.images) == known.outputs
        assert series.description == known.description
        assert series.number == known.number
        if known.key == "localizer":
            continue
        for image in series.images:
            assert image.matrix == known.shape[:3]
            assert image.volumes == (known.shape[3] if len(known.shape) > 3 else 1)
        times = sorted({one.echo_time for one in series.images})
        assert times == pytest.approx(sorted({name.echo_time * 1000 for name in known.names}), abs=0.01)


def test_the_layout_of_folders_does_not_matter(export: Path) -> None:
    before = scan(export)
    inject_defects(export, ["flat", "no-extension", "gzip"])
    after = scan(export)
    assert [one.uid for one in after.series] == [one.uid for one in before.series]
    for ours, theirs in zip(after.series, before.series, strict=True):
        assert [one.header for one in ours.instances] == [one.header for one in theirs.instances]
        assert ours.images == theirs.images


def test_the_order_of_files_does_not_matter(export: Path) -> None:
    files = list(find_files([export]).files)
    expected = take_inventory(files)
    for seed in (1, 2):
        random.Random(seed).shuffle(files)
        assert take_inventory(files) == expected


def test_two_people_under_one_id_are_told(tmp_path: Path) -> None:
    write(tmp_path / "scan", sessions=share_patient_id(make_sessions(2)), series=["localizer"])
    inventory = scan(tmp_path / "scan" / "dicom")
    assert [one.conflict for one in inventory.collisions] == [Conflict.ONE_ID_TWO_PEOPLE]
    assert len(inventory.pseudonyms()) == 2


# --- the index -------------------------------------------------------------------------------------------------------


def test_a_second_scan_reads_nothing_and_says_the_same(export: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.sqlite"
    first, second = scan(export, index), scan(export, index)
    count = len(find_files([export]).files)
    assert (first.n_read, first.n_reused) == (count, 0)
    assert (second.n_read, second.n_reused) == (0, count)
    assert second.series == first.series
    assert scan(export).series == first.series
    assert any("ShimSetting" in one.header for one in second.series)


def test_what_another_index_knows_is_not_read_again_and_not_stored(export: Path, tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs" / "index.sqlite", tmp_path / "ours.sqlite"
    first = scan(export, theirs)
    late = shutil.copy(next(export.rglob("*.dcm")), export / "late.dcm")
    before = theirs.read_bytes(), theirs.stat().st_mtime_ns, theirs.parent.stat().st_mtime_ns
    files = find_files([export]).files
    found = [take_inventory(files, index_path=ours, beside=theirs) for _ in range(2)]
    assert [one.n_read for one in found] == [1, 0]
    assert all(one.series == first.series for one in found)
    assert (theirs.read_bytes(), theirs.stat().st_mtime_ns, theirs.parent.stat().st_mtime_ns) == before
    Path(late).unlink()


@pytest.mark.parametrize("content", [None, b"", b"broken", b"SQLite format 3\0" * 99])
def test_another_index_that_is_of_no_use_stays_as_it_is(content: bytes | None, export: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "index.sqlite"
    if content is not None:
        theirs.write_bytes(content)
    files = find_files([export]).files
    assert take_inventory(files, beside=theirs).n_read == len(files)
    assert (theirs.read_bytes() if theirs.exists() else None) == content


def test_what_will_be_converted_gets_digests(export: Path, tmp_path: Path) -> None:
    packed, large = list(export.rglob("*.dcm"))[:2]
    packed.write_bytes(gzip.compress(packed.read_bytes()))
    with large.open("ab") as stream:
        stream.write(b"\xfc\xff\xfc\xff" + b"OB\0\0" + struct.pack("<I", 1 << 17) + bytes(1 << 17))  # padding
    files = find_files([export]).files
    for index, expected in ((None, True), (tmp_path / "index", True), (tmp_path / "index", False)):
        inventory = take_inventory(files, index_path=index, digests=True)
        instances = [one for series in inventory.series for one in series.instances]
        assert len(instances) == len(files)
        for one in instances:
            path = Path(one.file.path)
            known = expected and path not in (packed, large)
            assert one.digest == (digest_of(path.read_bytes()) if known else b"")
    assert not any(one.digest for series in take_inventory(files).series for one in series.instances)


def test_a_changed_file_is_read_again(export: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.sqlite"
    scan(export, index)
    file = next(export.rglob("*.dcm"))
    file.write_bytes(file.read_bytes()[:-10])
    late = scan(export, index)
    assert late.n_read == 1
    assert reasons(late) == {file.name: ("its pixel data is truncated", False)}


def test_a_late_instance_joins_its_series(export: Path, tmp_path: Path) -> None:
    index = tmp_path / "index.sqlite"
    file = max(export.rglob("*.dcm"))
    late = file.rename(tmp_path / file.name)
    before = scan(export, index)
    late.rename(file)
    after = scan(export, index)
    assert after.n_read == 1
    assert sum(len(one.instances) for one in after.series) == sum(len(one.instances) for one in before.series) + 1
    assert after.series == scan(export).series


def test_progress_is_told(export: Path) -> None:
    seen: list[tuple[int, int]] = []
    files = find_files([export]).files
    take_inventory(files, progress=lambda done, total: seen.append((done, total)))
    assert seen[0] == (0, len(files))
    assert seen[-1] == (len(files), len(files))


# --- what goes wrong on the way --------------------------------------------------------------------------------------

DEFECTS = {
    "empty": ("empty file", False),
    "text": ("not DICOM", False),
    "header-cut": ("the file ends inside its header (after 700 bytes)", False),
    "pixels-cut": ("its pixel data is truncated", False),
    "no-pixels": ("its pixel data is missing", False),
    "no-series-uid": ("its SeriesInstanceUID is missing or not a UID", False),
    "zeros": ("not DICOM", False),
    "deep": ("sequences nested deeper than 32", False),
    "endless": ("the file ends inside its header (after 284 bytes)", False),
    "bomb": ("a compressed file that grows beyond 128 MiB like a bomb", False),
    "matrix": ("its pixel data is truncated", False),
    "frames": ("its pixel data is truncated", False),
    "no-rows": ("it has no rows or no columns", False),
    "no-instance-uid": ("its SOPInstanceUID is missing or not a UID", False),
    "path-uid": ("its SOPInstanceUID is missing or not a UID", False),
    "long-uid": ("its SeriesInstanceUID is missing or not a UID", False),
}
#: Files that are added; the others are images that are lost.
ADDED = ("empty", "text", "zeros", "deep", "endless", "bomb")


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_damaged_file_is_set_aside(export: Path, kind: str) -> None:
    before = scan(export)
    (defect,) = inject_defects(export, [kind])
    after = scan(export)
    assert reasons(after) == {defect.path.name: DEFECTS[kind]}
    lost = sum(len(one.instances) for one in before.series) - sum(len(one.instances) for one in after.series)
    assert lost == (0 if kind in ADDED else 1)


@pytest.mark.parametrize("kind", DEFECTS)
def test_files_that_break_off_are_lost(export: Path, kind: str) -> None:
    inject_defects(export, [kind])
    cut = {"empty", "header-cut", "pixels-cut", "endless", "matrix", "frames"}
    assert [one.lost for one in scan(export).set_aside] == [kind in cut]


def test_a_compressed_file_that_breaks_off_is_lost(export: Path) -> None:
    inject_defects(export, ["gzip"])
    file = next(export.rglob("*.gz"))
    file.write_bytes(file.read_bytes()[:-2000])
    assert [one.lost for one in scan(export).set_aside] == [True]


def test_a_missing_preamble_is_repaired_and_told(export: Path) -> None:
    (defect,) = inject_defects(export, ["no-preamble"])
    inventory = scan(export)
    assert inventory.set_aside == ()
    (series,) = [one for one in inventory.series if str(defect.path) in {i.file.path for i in one.instances}]
    assert "no DICOM preamble" in series.problems


def test_an_image_with_writing_on_it_is_told(export: Path) -> None:
    (defect,) = inject_defects(export, ["written-on"])
    inventory = scan(export)
    assert inventory.set_aside == ()
    told = [one for one in inventory.series if WRITTEN_ON in one.problems]
    assert [str(defect.path) in {i.file.path for i in one.instances} for one in told] == [True]


def test_copies_are_used_once(export: Path) -> None:
    (defect,) = inject_defects(export, ["copy"])
    (copy,) = scan(export).set_aside
    assert copy.harmless
    assert copy.reason.startswith("a copy of ")
    assert copy.path == str(defect.path)


def test_a_compressed_copy_is_a_copy(export: Path) -> None:
    file = next(export.rglob("*.dcm"))
    file.with_name("again.gz").write_bytes(gzip.compress(file.read_bytes()))
    (copy,) = scan(export).set_aside
    assert copy.harmless


def test_different_images_under_one_uid_are_not_used(export: Path) -> None:
    before = sum(len(one.instances) for one in scan(export).series)
    inject_defects(export, ["clash"])
    after = scan(export)
    assert {one.reason for one in after.set_aside} == {
        "its SOPInstanceUID stands for different images in this export; neither is used"
    }
    assert len(after.set_aside) == 2
    assert sum(len(one.instances) for one in after.series) == before - 1


def test_a_damaged_copy_does_not_cost_the_image(export: Path) -> None:
    file = next(export.rglob("*.dcm"))
    before = scan(export).series
    file.with_name("half.dcm").write_bytes(file.read_bytes()[:-100])
    after = scan(export)
    assert after.series == before
    assert reasons(after) == {"half.dcm": ("its pixel data is truncated", False)}
    assert [one.lost for one in after.set_aside] == [False]


def test_everything_at_once_is_told_apart(export: Path) -> None:
    before = sum(len(one.instances) for one in scan(export).series)
    inject_defects(export, [*DEFECTS, "copy", "clash", "lost", "no-preamble", "gzip", "flat"])
    after = scan(export)
    assert len(after.set_aside) == len(DEFECTS) + 1 + 2
    damaged = len(DEFECTS) - len(ADDED)
    assert sum(len(one.instances) for one in after.series) == before - damaged - 1 - 1
    assert " instances are missing in the export" in " ".join(
        problem for one in after.series for problem in one.problems
    )


# --- what must be survived: hostile and broken files -----------------------------------------------------------------


def deep(kit: Any) -> bytes:
    head = (
        struct.pack("<HH", 0x0008, 0x1140) + b"SQ\0\0" + b"\xff" * 4 + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    )
    return bytes(kit.encode_file([kit.node(0x00080008, "CS")])) + head * 20_000


def absurd(kit: Any) -> bytes:
    return bytes(kit.encode_file([kit.node(0x00080060, "CS", b"MR")])) + b"\x10\0\x10\0UN\0\0\xfe\xff\xff\xff"


HOSTILE: dict[str, tuple[Callable[[Any], bytes], str]] = {
    "empty": (lambda kit: b"", "empty file"),
    "zeros": (lambda kit: bytes(4096), "not DICOM"),
    "text": (lambda kit: b"no image\n" * 99, "not DICOM"),
    "deep": (deep, "sequences nested deeper than 32"),
    "absurd-length": (absurd, "ends inside its header"),
    "gzip-of-nothing": (lambda kit: gzip.compress(b""), "an empty file inside gzip"),
    "gzip-cut": (lambda kit: gzip.compress(kit.encode_file(kit.image_nodes()))[:-20], "ends too early"),
    "gzip-of-gzip": (lambda kit: gzip.compress(gzip.compress(kit.encode_file(kit.image_nodes()))), "not DICOM"),
    "rows-0": (lambda kit: kit.encode_file(kit.image_nodes(rows=kit.node(0x00280010, "US", (0,)))), "no rows"),
    "no-rows": (lambda kit: kit.encode_file(kit.image_nodes(rows=kit.node(0x00280030, "DS"))), "no rows"),
    "rows-65535": (
        lambda kit: kit.encode_file(
            kit.image_nodes(rows=kit.node(0x00280010, "US", (65535,)), columns=kit.node(0x00280011, "US", (65535,)))
        ),
        "truncated",
    ),
    "frames-2^31": (
        lambda kit: kit.encode_file(kit.image_nodes(frames=kit.node(0x00280008, "IS", b"2147483647"))),
        "truncated",
    ),
    "no-uid": (lambda kit: kit.encode_file(kit.image_nodes(instance=kit.node(0x00080018, "UI"))), "SOPInstanceUID"),
    "path-uid": (
        lambda kit: kit.encode_file(kit.image_nodes(instance=kit.node(0x00080018, "UI", b"../../../x"))),
        "not a UID",
    ),
    "long-uid": (
        lambda kit: kit.encode_file(kit.image_nodes(series=kit.node(0x0020000E, "UI", b"1." * 40))),
        "not a UID",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_set_aside(kit: Any, tmp_path: Path, name: str) -> None:
    make, reason = HOSTILE[name]
    (tmp_path / "hostile.dcm").write_bytes(make(kit))
    (tmp_path / "good.dcm").write_bytes(kit.encode_file(kit.image_nodes()))
    inventory = scan(tmp_path)
    assert [len(one.instances) for one in inventory.series] == [1]
    (aside,) = inventory.set_aside
    assert reason in aside.reason
    assert not aside.harmless


def test_hostile_text_is_carried_but_not_shown(kit: Any, tmp_path: Path) -> None:
    text = b"../../$(rm)\x1b[31m\r\n\"'<b>\0x"
    places = {"patient": 0x00100020, "description": 0x0008103E, "protocol": 0x00181030}
    nodes = kit.image_nodes(**{name: kit.node(tag, "LO", text) for name, tag in places.items()})
    (tmp_path / "one.dcm").write_bytes(kit.encode_file(nodes))
    (series,) = scan(tmp_path).series
    for shown in (series.description, series.protocol_name, series.title):
        assert shown.isprintable()


def test_files_of_no_interest_are_harmless(kit: Any, tmp_path: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "readme.txt", "protocol.pdf", "LICENSE", "._one.dcm"):
        (tmp_path / name).write_bytes(b"not an image at all")
    (tmp_path / "lost.dcm").write_bytes(b"not an image at all")
    assert {name for name, (_, harmless) in reasons(scan(tmp_path)).items() if not harmless} == {"lost.dcm"}


def test_odd_places_are_survived(kit: Any, tmp_path: Path) -> None:
    good = kit.encode_file(kit.image_nodes())
    folder = tmp_path / "dicom"
    folder.mkdir()
    (folder / "one.dcm").write_bytes(good)
    os.mkfifo(folder / "pipe.dcm")
    (folder / "dangling.dcm").symlink_to("nowhere")
    (folder / "self.dcm").symlink_to("self.dcm")
    (folder / "up").symlink_to("..")
    (folder / "again.dcm").symlink_to("one.dcm")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.dcm")).write_bytes(
        kit.encode_file(kit.image_nodes(instance=kit.node(0x00080018, "UI", b"1.2.3.5\0")))
    )
    inventory = scan(folder, tmp_path / "index.sqlite")
    assert [len(one.instances) for one in inventory.series] == [2]
    found = reasons(inventory)
    assert found["pipe.dcm"] == ("not a regular file (a device, a pipe or a socket)", True)
    assert "cannot be looked at" in found["dangling.dcm"][0]
    assert "cannot be looked at" in found["self.dcm"][0]
    assert sum("a copy of" in reason for reason, _ in found.values()) == 1
    assert scan(folder, tmp_path / "index.sqlite").n_read == 1  # the index itself lies beside the export, within reach


def test_what_may_not_be_read_is_told(
    kit: Any, open_folder: Path, unprivileged: Callable[[], AbstractContextManager[None]]
) -> None:
    (open_folder / "one.dcm").write_bytes(kit.encode_file(kit.image_nodes()))
    (open_folder / "secret.dcm").write_bytes(kit.encode_file(kit.image_nodes()))
    (open_folder / "secret.dcm").chmod(0)
    (open_folder / "locked").mkdir(0o700)
    with unprivileged():
        inventory = scan(open_folder)
    found = reasons(inventory)
    assert found["secret.dcm"] == ("cannot be read (Permission denied)", False)
    if os.geteuid() == 0:
        assert found["locked"] == ("the folder cannot be read (Permission denied)", False)
    assert len(inventory.series) == 1


@pytest.mark.parametrize("digests", [False, True])
def test_a_fault_of_the_disk_is_told_and_not_remembered(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, digests: bool
) -> None:
    """It comes after the first bytes, which a read then gives alone; the next one says why."""
    files, read, bad = find_files([export]).files, os.pread, next(export.rglob("*.dcm"))

    def fail(fd: int, count: int, at: int) -> bytes:
        if os.fstat(fd).st_ino != bad.stat().st_ino:
            return read(fd, count, at)
        if at >= 512:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(fd, min(count, 512 - at), at)

    monkeypatch.setattr(os, "pread", fail)
    broken = take_inventory(files, index_path=tmp_path / "index", digests=digests)
    assert [(one.path, one.reason) for one in broken.set_aside] == [(str(bad), "cannot be read (Input/output error)")]
    monkeypatch.setattr(os, "pread", read)
    mended = take_inventory(files, index_path=tmp_path / "index", digests=digests)
    assert (mended.set_aside, mended.n_read) == ((), 1)
    assert [len(one.instances) for one in mended.series] == [len(one.instances) for one in take_inventory(files).series]


@pytest.mark.parametrize("digests", [False, True])
def test_a_read_that_is_cut_short_goes_on(export: Path, monkeypatch: pytest.MonkeyPatch, digests: bool) -> None:
    files, read = find_files([export]).files, os.pread
    expected = take_inventory(files, digests=digests)
    monkeypatch.setattr(os, "pread", lambda fd, count, at: read(fd, min(count, 700), at))
    assert take_inventory(files, digests=digests) == expected


def test_a_file_that_vanishes_meanwhile_is_told(kit: Any, tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(kit.encode_file(kit.image_nodes()))
    found = find_files([tmp_path])
    (tmp_path / "one.dcm").unlink()
    (aside,) = take_inventory(found.files).set_aside
    assert aside.reason == "cannot be read (No such file or directory)"


def test_a_protocol_is_read_from_a_file_that_stays(kit: Any, tmp_path: Path) -> None:
    """A stranger that comes first in its series must not keep the protocol to itself."""
    csa = {
        "maker": kit.node(0x00080070, "LO", b"SIEMENS "),
        "creator": kit.node(0x00290010, "LO", b"SIEMENS CSA HEADER"),
        "protocol": kit.node(
            0x00291020, "OB", b'### ASCCONV BEGIN ###\ntSequenceFileName = "%x%\\ep2d"\n### ASCCONV END ###'
        ),
    }
    for number in range(1, 5):
        more = {
            "instance": kit.node(0x00080018, "UI", f"1.2.{number}".encode()),
            "number": kit.node(0x00200013, "IS", str(number).encode()),
            "patient": kit.node(0x00100020, "LO", b"STRANGER" if number == 1 else b"A"),
        }
        (tmp_path / f"{number}.dcm").write_bytes(kit.encode_file(kit.image_nodes(**csa, **more)))
    inventory = scan(tmp_path)
    assert list(reasons(inventory)) == ["1.dcm"]
    assert inventory.series[0].header.text("SequenceFile") == "ep2d"
