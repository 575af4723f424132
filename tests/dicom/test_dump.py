"""Dumps of tiny files, written here: what is shown, what is masked, and what damaged files do."""

from __future__ import annotations

import base64
import gzip
import json
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer
from pydicom import datadict
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from typer.testing import CliRunner

from bidsflow.cli.dump import dump as dump_command
from bidsflow.dicom import dump
from bidsflow.dicom.identifying import identifies
from bidsflow.dicom.profile import BASIC_PROFILE, profile_action
from bidsflow.errors import HeaderError, SourceError

APP = typer.Typer()
APP.command()(dump_command)

EXPLICIT_META = struct.pack("<HH2sHL", 2, 0, b"UL", 4, 28) + struct.pack("<HH2sH", 2, 0x10, b"UI", 20)
EXPLICIT_META += b"1.2.840.10008.1.2.1\0"


def run(*args: str | Path) -> Any:
    return CliRunner().invoke(APP, [str(arg) for arg in args])


def tiny() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    ds.SOPInstanceUID = "1.2.3.4.5"
    ds.Modality = "MR"
    ds.StudyDate = "20240229"
    ds.PatientName = "Doe^Jane"
    ds.EchoTime = "2.980"
    ds.RepetitionTime = "2000"
    ds.Rows = 2
    ds.Columns = 2
    timing = Dataset()
    timing.EffectiveEchoTime = 30.5
    timing.PatientID = "nested-id"
    ds.MREchoSequence = Sequence([timing, Dataset()])
    block = ds.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0F, "SH", "Fast")
    block.add_new(0x28, "FD", 12.5)
    other = ds.private_block(0x0029, "ACME 1.0", create=True)
    other.add_new(0x01, "LO", "secret text")
    other.add_new(0x02, "OB", b"secret bytes")
    other.add_new(0x03, "US", 7)
    ds.BitsAllocated = 8
    ds.PixelData = b"\1\2\3\4"
    ds["PixelData"].VR = "OB"
    return ds


def save(ds: Dataset, path: Path, syntax: str = ExplicitVRLittleEndian) -> Path:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = ds.get("SOPInstanceUID", "1.2.3")
    FileDataset(path, ds, preamble=b"\0" * 128, file_meta=meta).save_as(path, enforce_file_format=True)
    return path


def row_of(ds: Dataset, tag: str, **options: bool) -> dump.DumpRow:
    return next(row for row in dump.rows(ds, **options) if row.tag == tag)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return save(tiny(), tmp_path / "tiny.dcm")


def test_rows_name_every_element_when_read_from_a_file(file: Path) -> None:
    dataset, problem = dump.read_file(file)
    found = {row.path: row for row in dump.rows(dataset)}
    assert problem == ""
    assert found["TransferSyntaxUID"].value == "1.2.840.10008.1.2.1 = Explicit VR Little Endian"
    assert found["SOPClassUID"].value.endswith("= MR Image Storage")
    assert found["EchoTime"] == dump.DumpRow(0, "EchoTime", "0018,0081", "EchoTime", "DS", 6, "2.980")
    assert found["MREchoSequence"].value == "2 items"
    nested = found["MREchoSequence[1].EffectiveEchoTime"]
    assert (nested.depth, nested.value, nested.length) == (2, "30.5", 8)
    assert found["MREchoSequence[2]"].name == "item 2"
    assert found["PixelData"].value == "<OB 4 bytes>"


def test_rows_know_private_elements_and_their_creators(file: Path) -> None:
    dataset, _ = dump.read_file(file)
    found = {row.tag: row for row in dump.rows(dataset)}
    assert (found["0019,0010"].name, found["0019,0010"].value) == ("PrivateCreator", "SIEMENS MR HEADER")
    b_value = found["0019,100C"]
    assert (b_value.name, b_value.value, b_value.private_creator) == ("[B_value]", "1000", "SIEMENS MR HEADER")
    assert found["0019,100F"].value == "Fast"  # vouched for by name
    assert found["0019,1028"].value == "12.5"
    assert (found["0029,1001"].name, found["0029,1001"].value) == ("?", "***")
    assert found["0029,1002"].value == "<OB 12 bytes>"
    assert found["0029,1003"].value == "7"


def test_implicit_file_gives_the_same_rows(tmp_path: Path, file: Path) -> None:
    implicit, _ = dump.read_file(save(tiny(), tmp_path / "implicit.dcm", ImplicitVRLittleEndian))
    explicit, _ = dump.read_file(file)

    def values(ds: Dataset) -> list[tuple[str, str]]:
        kept = (row for row in dump.rows(ds) if row.tag[:4] not in {"0002", "0029", "7FE0"})
        return [(row.path, row.value) for row in kept]

    assert values(implicit) == values(explicit)
    assert row_of(implicit, "0029,1001").value == "<UN 12 bytes>"  # nothing says that it is text


def test_dataset_in_memory_gives_the_values_of_the_file(file: Path) -> None:
    dataset, _ = dump.read_file(file)
    stored = [(row.path, row.value, row.masked) for row in dump.rows(dataset) if row.tag[:4] != "0002"]
    assert [(row.path, row.value, row.masked) for row in dump.rows(tiny())] == stored


def test_second_dump_of_a_dataset_equals_the_first(file: Path) -> None:
    dataset, _ = dump.read_file(file)
    first, second = (
        [(row.path, row.vr, row.value, row.length if row.vr != "SQ" else -1) for row in dump.rows(dataset)]
        for _ in range(2)
    )
    assert first == second


def test_mask_keeps_representation_and_length(file: Path) -> None:
    dataset, _ = dump.read_file(file)
    row = row_of(dataset, "0010,0010")
    assert (row.value, row.vr, row.length, row.masked) == ("***", "PN", 8, True)
    row = row_of(dataset, "0010,0010", identified=True)
    assert (row.value, row.masked) == ("Doe^Jane", False)


def canary_of(vr: str, number: int) -> Any:
    """Return a value that appears in no other place, of the kind that the representation allows."""
    numbered = {
        "DA": f"18{70 + number // 360:02d}{number // 30 % 12 + 1:02d}{number % 30 + 1:02d}",
        "TM": f"2359{number % 60:02d}.8{number:05d}",
        "DT": f"18991231235959.9{number:05d}",
        "AS": "119Y",
        "DS": f"-7{number:05d}.25",
        "IS": f"-8{number:05d}",
        "US": 54321,
        "UI": f"1.2.3.777.{number + 1}",
    }
    if vr in {"OB", "OW", "UN"}:
        return b"CANARY%06d" % number
    return numbered.get(vr, f"CANARY{number:05d}")


def canary_dataset() -> tuple[Dataset, list[str]]:
    """Fill in every attribute of table E.1-1 that pydicom knows, and private text."""
    ds = Dataset()
    canaries = []
    for number, tag in enumerate(sorted(BASIC_PROFILE)):
        if not datadict.dictionary_has_tag(tag) or tag >> 16 in {0x0000, 0x0002, 0xFFFA, 0xFFFC}:
            continue
        vr = datadict.dictionary_VR(tag)
        if vr == "SQ":
            item = Dataset()
            item.CodeMeaning = f"CANARY{number:05d}"
            canaries.append(item.CodeMeaning)
            ds.add_new(tag, vr, Sequence([item]))
            continue
        value = canary_of(vr, number)
        ds.add_new(tag, vr, value)
        canaries.append(value.decode() if isinstance(value, bytes) else str(value))
    for group, creator in ((0x0029, "SIEMENS CSA HEADER"), (0x0043, "GEMS_PARM_01"), (0x0051, "ACME")):
        block = ds.private_block(group, creator, create=True)
        for offset, vr in enumerate(("LO", "UT", "LT", "PN", "DA", "UN"), start=0xE0):
            block.add_new(offset, vr, canary_of(vr, 90000 + group) if vr not in {"DA", "UN"} else "")
        canaries.append(canary_of("LO", 90000 + group))
    return ds, canaries


@pytest.mark.parametrize("nested", [False, True], ids=["top", "nested"])
def test_no_canary_is_shown_unless_identified(tmp_path: Path, nested: bool) -> None:
    ds, canaries = canary_dataset()
    assert len(canaries) > 600
    if nested:
        inner, outer = ds, Dataset()
        middle = Dataset()
        middle.PlanePositionSequence = Sequence([inner])
        outer.SharedFunctionalGroupsSequence = Sequence([middle])
        ds = outer
    ds.EchoTime = "2.98"
    path = save(ds, tmp_path / "canary.dcm")
    dataset, problem = dump.read_file(path)
    text = "\n".join(row.value for row in dump.rows(dataset))
    document = json.dumps(dump.to_json(dataset))
    assert problem == ""
    assert "2.98" in text
    assert [canary for canary in canaries if canary in text or canary in document] == []
    assert base64.b64encode(b"CANARY").decode()[:7] not in document
    shown = json.dumps(dump.to_json(dataset, identified=True))
    lines = "\n".join(row.value for row in dump.rows(dataset, identified=True))
    binary = {c for c in canaries if base64.b64encode(c.encode()).decode() in shown}
    assert len(binary) > 10
    assert [c for c in canaries if c not in binary and c not in shown] == []
    assert [c for c in canaries if c not in binary and c not in lines] == []


class CaseVerdict(NamedTuple):
    tag: int
    vr: str
    name: str
    creator: str
    text: str
    masked: bool


VERDICTS = [
    CaseVerdict(0x00080060, "CS", "Modality", "", "MR", False),
    CaseVerdict(0x00080018, "UI", "SOPInstanceUID", "", "1.2.840.10008.1", True),
    CaseVerdict(0x00081150, "UI", "ReferencedSOPClassUID", "", "1.2.840.10008.5.1.4.1.1.4", False),
    CaseVerdict(0x00081150, "UI", "ReferencedSOPClassUID", "", "1.3.12.2.1107.5.9.1", True),
    CaseVerdict(0x00020012, "UI", "ImplementationClassUID", "", "1.2.276.0.7230010", False),
    CaseVerdict(0x00020016, "AE", "SourceApplicationEntityTitle", "", "HOSPITAL", True),
    CaseVerdict(0x60123000, "OW", "OverlayData", "", "", True),
    CaseVerdict(0x00109998, "LO", "", "", "", True),
    CaseVerdict(0x00109998, "US", "", "", "", False),
    CaseVerdict(0x00091027, "SL", "Image actual date", "GEMS_IDEN_01", "", True),
    CaseVerdict(0x00191001, "DS", "", "ACME", "", True),
    CaseVerdict(0x0019109C, "LO", "Pulse Sequence Name", "GEMS_ACQU_01", "", False),
    CaseVerdict(0x0019109C, "UT", "Pulse Sequence Name", "GEMS_ACQU_01", "", True),
    CaseVerdict(0x0019109C, "LO", "Pulse Sequence Name", "ACME", "", True),
    CaseVerdict(0x00190010, "LO", "PrivateCreator", "", "", False),
    CaseVerdict(0x00190010, "UT", "PrivateCreator", "", "", True),
]


@pytest.mark.parametrize("case", VERDICTS, ids=lambda c: f"{c.tag:08X}-{c.vr}-{c.creator}")
def test_identifies(case: CaseVerdict) -> None:
    verdict = identifies(case.tag, case.vr, name=case.name, creator=case.creator, text=case.text)
    assert verdict is case.masked


def test_profile_lists_what_the_standard_lists() -> None:
    assert len(BASIC_PROFILE) > 640
    assert {profile_action(tag) for tag in (0x00100010, 0x00100020, 0x0020000D)} == {"Z", "Z/D", "U"}
    assert set("/".join(BASIC_PROFILE.values()).split("/")) <= {"D", "Z", "X", "U", "U*"}


def test_control_characters_cannot_reach_the_terminal(tmp_path: Path) -> None:
    ds = tiny()
    ds.Manufacturer = "\x1b]0;owned\x07\x9b2J\u202e[red]evil[/]"
    ds.private_block(0x0031, "X\x1b[2JY", create=True).add_new(1, "US", 1)
    result = run(save(ds, tmp_path / "evil.dcm"))
    assert result.exit_code == 0
    assert all(char.isprintable() or char == "\n" for char in result.stdout)
    assert r"\x1b]0;owned\x07\x9b2J\u202e[red]evil[/]" in result.stdout
    assert r"X\x1b[2JY" in result.stdout


def test_value_that_is_not_of_its_kind_is_shown_as_it_stands(tmp_path: Path) -> None:
    path = save(tiny(), tmp_path / "odd.dcm")
    path.write_bytes(path.read_bytes().replace(b"2.980 ", b"abc\x1bde"))
    dataset, _ = dump.read_file(path)
    assert row_of(dataset, "0018,0081").value == r"abc\x1bde"
    assert dump.to_json(dataset)["00180081"]["Value"] == ["abc\x1bde"]


def test_json_keeps_every_value(file: Path) -> None:
    dataset, _ = dump.read_file(file)
    document = dump.to_json(dataset, identified=True)
    assert document["00180081"] == {"vr": "DS", "name": "EchoTime", "Value": [2.98]}
    assert document["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    assert document["00189114"]["Value"][0]["00189082"]["Value"] == [30.5]
    assert document["00291002"]["InlineBinary"] == "c2VjcmV0IGJ5dGVz"
    assert document["00291002"]["creator"] == "ACME 1.0"
    assert document["7FE00010"] == {"vr": "OB", "name": "PixelData", "bytes": 4}
    assert document["00020010"]["Value"] == ["1.2.840.10008.1.2.1"]
    masked = dump.to_json(dataset)
    assert masked["00100010"] == {"vr": "PN", "name": "PatientName", "masked": True, "bytes": 8}


def test_json_has_no_word_for_infinity_but_a_text(tmp_path: Path) -> None:
    ds = tiny()
    ds.AcquisitionDuration = float("inf")
    ds.B1rms = 0.1
    dataset, _ = dump.read_file(save(ds, tmp_path / "inf.dcm"))
    assert dump.to_json(dataset)["00189073"]["Value"] == ["inf"]
    assert row_of(dataset, "0018,1320").value == "0.1"  # the shortest text of the 32-bit float


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("EchoTime", "EchoTime"),
        ("echotime", "EchoTime"),
        ("0018,0081", "0018,0081"),
        ("(0018,0081)", "0018,0081"),
        (" 00180081 ", "0018,0081"),
        ("7fe00010", "7FE0,0010"),
        ("OverlayData", "OverlayData"),
    ],
)
def test_parse_tag(text: str, wanted: str) -> None:
    assert dump.parse_tag(text) == wanted


def test_parse_tag_suggests_when_the_keyword_is_misspelt() -> None:
    with pytest.raises(HeaderError, match="did you mean RepetitionTime"):
        dump.parse_tag("RepetitonTime")
    with pytest.raises(HeaderError, match="0018,0081"):
        dump.parse_tag("\x1bqqqq")


@pytest.mark.parametrize("tag", ["EffectiveEchoTime", "0018,9082", "(0018,9082)", "00189082"])
def test_command_finds_nested_elements(file: Path, tag: str) -> None:
    result = run(file, "--tag", tag)
    assert result.exit_code == 0
    assert result.stdout == "MREchoSequence[1].EffectiveEchoTime (0018,9082) FD  30.5\n"


def test_command_takes_several_tags_and_whole_sequences(file: Path) -> None:
    result = run(file, "--tag", "Rows", "--tag", "MREchoSequence", "--tag", "0019,100c")
    paths = [line.split(" ")[0] for line in result.stdout.splitlines()]
    assert paths == [
        "MREchoSequence",
        "MREchoSequence[1]",
        "MREchoSequence[1].PatientID",
        "MREchoSequence[1].EffectiveEchoTime",
        "MREchoSequence[2]",
        "(0019,100C)",
        "Rows",
    ]
    assert "1 identifying value is masked" in result.stderr


def test_command_writes_json_of_what_was_asked(file: Path) -> None:
    result = run(file, "--json", "--tag", "EffectiveEchoTime", "--tag", "EchoTime")
    found = json.loads(result.stdout)
    assert [entry["path"] for entry in found] == ["EchoTime", "MREchoSequence[1].EffectiveEchoTime"]
    assert json.loads(run(file, "--json").stdout)["00180081"]["Value"] == [2.98]


def test_command_returns_one_when_the_element_is_absent(file: Path) -> None:
    result = run(file, "--tag", "InversionTime")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "InversionTime" in result.stderr


def test_command_returns_two_when_the_keyword_is_unknown(file: Path) -> None:
    result = run(file, "--tag", "EchoTimes")
    assert result.exit_code == 2
    assert "EchoTime" in result.stderr


def test_command_prints_one_line_per_element(tmp_path: Path) -> None:
    ds = tiny()
    ds.SequenceVariant = ["SK"] * 500
    path = save(ds, tmp_path / "long.dcm")
    dataset, _ = dump.read_file(path)
    lines = run(path).stdout.splitlines()
    assert len(lines) == len(list(dump.rows(dataset)))
    assert any(line.endswith("(1499 characters)") for line in lines)
    assert run(path, "--tag", "SequenceVariant").stdout.count("SK") == 500


def test_gzip_is_seen_by_content(tmp_path: Path, file: Path) -> None:
    packed = tmp_path / "odd-name.bin"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    plain, _ = dump.read_file(file)
    dataset, problem = dump.read_file(packed)
    assert problem == ""
    assert list(dump.rows(dataset)) == list(dump.rows(plain))


def test_file_without_preamble_is_read(tmp_path: Path, file: Path) -> None:
    bare = tmp_path / "bare.dcm"
    bare.write_bytes(file.read_bytes()[132:])
    dataset, problem = dump.read_file(bare)
    assert problem == ""
    assert row_of(dataset, "0018,0081").value == "2.980"


def test_deflated_file_is_read(tmp_path: Path) -> None:
    path = save(tiny(), tmp_path / "deflated.dcm", "1.2.840.10008.1.2.1.99")
    dataset, problem = dump.read_file(path)
    assert problem == ""
    assert row_of(dataset, "0018,0081").value == "2.980"


def test_pixel_data_is_not_read(tmp_path: Path) -> None:
    ds = tiny()
    ds.PixelData = bytes(8 * 2**20)
    path = save(ds, tmp_path / "large.dcm")
    tracemalloc.start()
    dataset, _ = dump.read_file(path)
    text = [row.value for row in dump.rows(dataset)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert text[-1] == f"<OB {8 * 2**20} bytes>"
    assert peak < 4 * 2**20


def test_large_sequence_is_read_though_large_values_are_not(tmp_path: Path) -> None:
    ds = tiny()
    frames = []
    for _ in range(3):
        frame = Dataset()
        frame.EffectiveEchoTime = 1.0
        frame.add_new(0x00420011, "OB", bytes(2**19))
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset, problem = dump.read_file(save(ds, tmp_path / "frames.dcm"))
    assert problem == ""
    assert row_of(dataset, "5200,9230").value == "3 items"


def write_elements(path: Path, payload: bytes) -> Path:
    path.write_bytes(bytes(128) + b"DICM" + EXPLICIT_META + payload)
    return path


def nested_sequences(depth: int, *, defined: bool) -> bytes:
    body = struct.pack("<HH2sH", 0x18, 0x81, b"DS", 2) + b"1 "
    for _ in range(depth):
        size = len(body)
        if defined:
            body = struct.pack("<HH2sHLHHL", 8, 0x1140, b"SQ", 0, size + 8, 0xFFFE, 0xE000, size) + body
        else:
            break
    if not defined:
        start = struct.pack("<HH2sHLHHL", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
        end = struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        body = start * depth + body + end * depth
    return body


@pytest.mark.parametrize("defined", [True, False], ids=["defined", "undefined"])
@pytest.mark.parametrize("option", ["--identified", "--json"])
def test_depth_bomb_is_refused(tmp_path: Path, defined: bool, option: str) -> None:
    path = write_elements(tmp_path / "bomb.dcm", nested_sequences(20_000, defined=defined))
    tracemalloc.start()
    result = run(path, option)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(result.exception, SourceError)
    assert result.exception.exit_code == 65
    assert "nested more than 64 deep" in str(result.exception)
    assert peak < 64 * 2**20


@pytest.mark.parametrize("defined", [True, False], ids=["defined", "undefined"])
def test_deep_but_honest_nesting_is_shown(tmp_path: Path, defined: bool) -> None:
    path = write_elements(tmp_path / "deep.dcm", nested_sequences(40, defined=defined))
    dataset, problem = dump.read_file(path)
    assert problem == ""
    assert max(row.depth for row in dump.rows(dataset)) == 80


@pytest.mark.parametrize("length", [0xFFFFFFF0, 2**31, 5000])
def test_absurd_length_is_named_and_the_rest_shown(tmp_path: Path, length: int) -> None:
    payload = struct.pack("<HH2sH", 0x18, 0x81, b"DS", 2) + b"1 "
    payload += struct.pack("<HH2sHL", 0x29, 0x1010, b"OB", 0, length) + b"few"
    result = run(write_elements(tmp_path / "length.dcm", payload))
    assert isinstance(result.exception, SourceError)
    assert f"(0029,1010) claims {length} bytes, 3 are there" in str(result.exception)
    assert "EchoTime" in result.stdout


def test_absurd_length_within_a_sequence_is_refused(tmp_path: Path) -> None:
    payload = struct.pack("<HH2sHLHHL", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    payload += struct.pack("<HH2sHL", 0x29, 0x1010, b"OB", 0, 0xFFFFFFF0) + b"few"
    with pytest.raises(SourceError, match="truncated"):
        dump.read_file(write_elements(tmp_path / "length.dcm", payload))


def test_file_cut_anywhere_is_an_error_or_shorter_but_never_a_crash(tmp_path: Path, file: Path) -> None:
    whole = file.read_bytes()
    cut = tmp_path / "cut.dcm"
    n_clear = 0
    for size in range(0, len(whole), 3):
        cut.write_bytes(whole[:size])
        try:
            dataset, problem = dump.read_file(cut)
            list(dump.rows(dataset))
            n_clear += bool(problem)
        except (SourceError, HeaderError):
            n_clear += 1
    assert n_clear > 0.9 * len(whole) / 3  # a cut between two elements leaves a valid, shorter file


def test_encapsulated_pixel_data_without_end_still_shows_the_header(tmp_path: Path) -> None:
    payload = struct.pack("<HH2sH", 0x18, 0x81, b"DS", 2) + b"1 "
    payload += struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF)
    payload += struct.pack("<HHLHHL", 0xFFFE, 0xE000, 0, 0xFFFE, 0xE000, 500) + b"few"
    result = run(write_elements(tmp_path / "jpeg.dcm", payload))
    assert "EchoTime" in result.stdout
    assert "truncated" in str(result.exception)


def test_padding_after_the_last_element_is_no_damage(tmp_path: Path, file: Path) -> None:
    padded = tmp_path / "padded.dcm"
    padded.write_bytes(file.read_bytes() + b"\0\0")
    assert dump.read_file(padded)[1] == ""


class CaseBroken(NamedTuple):
    name: str
    content: bytes
    reason: str


BROKEN = [
    CaseBroken("empty", b"", "empty"),
    CaseBroken("text", b"participant_id\tage\n" * 40, "not a DICOM file"),
    CaseBroken("short", b"II*\0", "not a DICOM file"),
    CaseBroken("preamble", bytes(128) + b"DICM", "no data element"),
    CaseBroken("gzip-cut", gzip.compress(bytes(9000))[:-12], "gzip"),
    CaseBroken("gzip-bad", b"\x1f\x8b\x08garbage", "gzip"),
    CaseBroken("gzip-text", gzip.compress(b"hello world, this is text"), "not a DICOM file"),
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda c: c.name)
def test_broken_file_is_a_clear_error(tmp_path: Path, case: CaseBroken) -> None:
    path = tmp_path / "broken"
    path.write_bytes(case.content)
    result = run(path)
    assert isinstance(result.exception, SourceError)
    assert case.reason in str(result.exception)
    assert str(path) in str(result.exception)


def test_deflate_bomb_is_refused(tmp_path: Path) -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(engine.compress(bytes(2**20)) for _ in range(260)) + engine.flush()
    meta = EXPLICIT_META.replace(struct.pack("<H", 20) + b"1.2.840.10008.1.2.1\0", b"")
    meta += struct.pack("<H", 22) + b"1.2.840.10008.1.2.1.99"
    path = tmp_path / "bomb.dcm"
    path.write_bytes(bytes(128) + b"DICM" + meta + packed)
    with pytest.raises(SourceError, match="more than 256 MiB"):
        dump.read_file(path)


def test_missing_file_and_folder_are_clear_errors(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "no such file"), (tmp_path, "folder")):
        result = run(path)
        assert isinstance(result.exception, SourceError)
        assert result.exception.exit_code == 65
        assert reason in str(result.exception)
