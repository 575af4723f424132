"""The fast reader says what pydicom says, cold and warm, and survives anything."""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import struct
import tracemalloc
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bidsflow.dicom import source, tags
from bidsflow.dicom.header import Header
from bidsflow.dicom.read import Reader, read_blobs, read_header
from bidsflow.dicom.text import decode_texts, decode_values
from bidsflow.errors import HeaderError

_FAST = settings(suppress_health_check=list(HealthCheck))
_NUMERIC = frozenset({"US", "SS", "UL", "SL", "FL", "FD"})
_ADDED = frozenset({"TransferSyntaxUID"})


def read_bytes(folder: Path, data: bytes, reader: Reader | None = None, name: str = "one.dcm") -> Header:
    path = folder / name
    path.write_bytes(data)
    return (reader or Reader()).read(str(path))


def outcome(reader: Reader, path: Path) -> Header | str:
    try:
        return reader.read(str(path))
    except HeaderError as error:
        return error.reason


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("read")


# --- against pydicom -------------------------------------------------------------------------------------------------


def assert_agrees(kit: Any, data: bytes, header: Header) -> None:
    expected = kit.judge(data)
    ours = {key: text for key, text in header.values.items() if key not in _ADDED}
    if "SOPClassUID" not in expected:
        ours.pop("SOPClassUID", None)
    assert ours == expected


def test_reads_what_pydicom_reads_in_every_dialect(kit: Any, dialect_export: Path) -> None:
    warm = Reader()
    for path in sorted(dialect_export.rglob("*.dcm")):
        header = warm.read(str(path))
        assert_agrees(kit, path.read_bytes(), header)
        assert header == Reader().read(str(path))
        assert header.pixels == "complete"


@pytest.mark.shared
def test_reads_what_pydicom_reads_in_real_exports(kit: Any, shared_files: list[Path]) -> None:
    """Every seventh file is judged by pydicom, which is slow; every file is read cold and warm."""
    warm, wrong = Reader(), []
    for rank, path in enumerate(shared_files):
        header = warm.read(str(path))
        if header != Reader().read(str(path)):
            wrong.append(path)
        if rank % 7 == 0:
            data = path.read_bytes()
            assert_agrees(kit, gzip.decompress(data) if path.suffix == ".gz" else data, header)
    assert not wrong


@pytest.mark.shared
def test_order_of_real_files_does_not_matter(shared_files: list[Path]) -> None:
    files = [path for path in shared_files if path.suffix != ".gz"]
    first = {path: read_header(str(path)) for path in files}
    for seed in (1, 2):
        reader = Reader()
        random.Random(seed).shuffle(files)
        assert [path for path in files if reader.read(str(path)) != first[path]] == []


# --- generated headers -----------------------------------------------------------------------------------------------

_CHARSETS = [
    (b"", "latin-1", "Zoë^Müller"),
    (b"ISO_IR 100", "latin-1", "Buc^Jérôme"),
    (b"ISO_IR 192", "utf-8", "王^小東"),
    (b"ISO_IR 144", "iso8859_5", "Люкceмбypг"),
    (b"ISO_IR 13", "shift_jis", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
    (b"GB18030", "gb18030", "王^小东"),
    (b"\\ISO 2022 IR 87", "iso2022_jp", "山田"),
    (b"\\ISO 2022 IR 149", "", ""),
]
_KOREAN = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"

_TEXTS = {
    "CS": [b"", b"ORIGINAL\\PRIMARY\\M ", b"EP", b"A \\ B", b"P\\\\Q", b"GR\\IR"],
    "UI": [b"1.2.3", b"1.2.840.10008.5.1.4.1.1.4\0", b"", b"1.2\0"],
    "DA": [b"20240131", b""],
    "TM": [b"101112.123456 ", b"1011", b""],
    "DT": [b"20240131101112.5+0100", b""],
    "AS": [b"031Y", b""],
    "IS": [b"1", b"12 ", b" 7\\8 ", b""],
    "DS": [b"1.5", b"-0.5\\1e-3 \\ 3", b"2.000000000000", b"", b"0.1 "],
}
_PLACES = {
    0x00189112: (0x00180080, 0x00181314), 0x00189114: (0x00189082,), 0x00189117: (0x00189087,),
    0x00189226: (0x00189007, 0x00189208), 0x00209113: (0x00200032,), 0x00209116: (0x00200037,),
    0x00289110: (0x00180050, 0x00280030), 0x00289145: (0x00281054,),
}  # fmt: skip


@dataclass
class Pen:
    """Writes headers as no scanner mixes them, but as the standard allows them; the seed decides all."""

    kit: Any
    seed: int

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.charset, codec, word = self.chance.choice(_CHARSETS)
        self.foreign = word.encode(codec) if codec else _KOREAN

    def yes(self, times: float = 0.5) -> bool:
        return self.chance.random() < times

    def some(self, things: Iterable[Any], most: int = 99) -> list[Any]:
        known = sorted(things)
        return self.chance.sample(known, self.chance.randint(0, min(most, len(known))))

    def value(self, vr: str, keyword: str = "") -> Any:
        if vr in ("FL", "FD"):
            return tuple(
                self.chance.choice([0.0, 1000.0, 0.1, -2.5e-7, 1e30]) for _ in range(self.chance.randint(0, 3))
            )
        if vr in _NUMERIC:
            return tuple(self.chance.randrange(2**15) for _ in range(self.chance.randint(0, 3)))
        plain = [b"", b"brain ", b"a", b"two\\values ", b"T1 w"]
        return self.chance.choice(_TEXTS.get(vr) or [*plain, *([self.foreign] * 3 if keyword != "RescaleType" else [])])

    def nodes(self) -> list[Any]:
        node, out = self.kit.node, {}
        if self.charset or self.yes():
            out[0x00080005] = node(0x00080005, "CS", self.charset + b" " * (len(self.charset) % 2))
        for tag in self.some(set(tags.TOP) - {0x00080005, 0x00280008}, 25):
            out[tag] = node(tag, tags.TOP[tag].vr, self.value(tags.TOP[tag].vr, tags.TOP[tag].keyword))
        out[0x00080060] = node(0x00080060, "CS", b"MR")
        out |= {one.tag: one for one in self.private()}
        for tag in self.some([0x00081140, 0x00082112, 0x00321064, 0x00400275]):
            out[tag] = self.sequence(tag)
        if self.yes():
            out[0x00280008] = node(0x00280008, "IS", self.chance.choice([b"2 ", b"1", b""]))
            ends = (self.yes(), self.yes())
            if self.yes(0.7):
                out[0x52009229] = node(0x52009229, "SQ", (self.group(),), *ends)
            if self.yes(0.7):
                frames = [self.group() for _ in range(self.chance.randint(0, 3))]
                out[0x52009230] = node(0x52009230, "SQ", tuple(frames + frames), *ends)
        out[0x7FE00010] = node(0x7FE00010, "OW", b"\0\1" * self.chance.randint(0, 40))
        return sorted(out.values(), key=lambda one: one.tag)

    def private(self) -> list[Any]:
        """Return private blocks in any place that the standard allows, some of them not for us."""
        out = []
        creators = {(element.creator, tag >> 16) for tag, element in tags.PRIVATE.items()}
        for creator, group in self.some(creators, 4):
            block = self.chance.choice([0x10, 0x10, 0x11, 0x40, 0xFF])
            name = creator if self.yes(0.8) else "SOMEONE ELSE"
            out.append(self.kit.node(group << 16 | block, "LO", name.encode() + b" " * (len(name) % 2)))
            for tag, element in tags.PRIVATE.items():
                if element.creator == creator and tag >> 16 == group and self.yes():
                    place = group << 16 | block << 8 | tag & 0xFF
                    out.append(self.kit.node(place, element.vr, self.value(element.vr)))
        return out

    def sequence(self, tag: int, depth: int = 0) -> Any:
        """Return a sequence that nobody wants, full of elements that would be wanted at the top."""
        node = self.kit.node
        inner = [
            node(0x00080018, "UI", b"9.9.9\0"),
            node(0x00181030, "LO", self.value("LO")),
            node(0x00280010, "US", (7,)),
        ]
        if depth < 3 and self.yes():
            inner.insert(1, self.sequence(0x00081199, depth + 1))
        return node(tag, "SQ", (tuple(inner),) * self.chance.randint(0, 2), self.yes(), self.yes())

    def group(self) -> tuple[Any, ...]:
        """Return one item of functional groups: some of its sequences, a private one, one that is not for us."""
        node, out = self.kit.node, []
        for tag in self.some(_PLACES):
            known = [(t, tags.FUNCTIONAL[t]) for t in _PLACES[tag] if t in tags.FUNCTIONAL and self.yes()]
            inner = tuple(node(t, element.vr, self.value(element.vr, element.keyword)) for t, element in known)
            out.append(node(tag, "SQ", (inner,) if self.yes(0.8) else (), self.yes(), self.yes()))
        if self.yes():
            out.append(node(0x20050014, "LO", b"Philips MR Imaging DD 005 "))
            inside = (node(0x00189087, "FD", (4000.0,)), node(0x00200032, "DS", b"9\\9\\9 "))
            out.append(node(0x2005140F, "SQ", (inside,), self.yes(), self.yes()))
        if self.yes():
            creator = node(0x00210011, "LO", b"SIEMENS MR SDI 02 ")
            inside = (creator, node(0x0021111C, "IS", b"1 "), node(0x00211175, "CS", b"ORIGINAL\\PRIMARY\\M\\ND "))
            out += [creator, node(0x002111FE, "SQ", (inside,), self.yes(), self.yes())]
        return tuple(sorted(out, key=lambda one: one.tag))

    def change(self, tree: Iterable[Any], depth: int = 0) -> list[Any]:
        """Return a tree with a few values, lengths, ends or elements changed."""
        out = []
        for one in tree:
            what = self.chance.randrange(20)
            if what == 0 and isinstance(one.value, bytes):
                known = [b"", b"1", b"1.5\\2.5\\3.5", b"GE", b"UIH ", b"SIEMENS "]
                out.append(replace(one, value=self.chance.choice(known)))
            elif what == 1 and one.tag != 0x00080060:
                continue
            elif what == 2 and one.vr == "SQ":
                out.append(replace(one, undefined=not one.undefined))
            elif what == 3 and one.vr == "SQ":
                out.append(replace(one, undefined_items=not one.undefined_items))
            elif what == 4 and one.vr in ("LO", "DS", "CS"):
                out.append(replace(one, vr=self.chance.choice(["LO", "SH", "UN", "ST"])))
            elif what == 5 and isinstance(one.value, bytes):
                out.append(replace(one, value=one.value[::-1]))
            elif one.vr == "SQ" and depth < 3:
                items = tuple(tuple(self.change(item, depth + 1)) for item in one.value)
                out.append(replace(one, value=items))
            else:
                out.append(one)
        return out


_SEEDS = st.integers(0, 2**32)


@given(seed=_SEEDS)
@_FAST
@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big", "deflated"])
def test_reads_what_pydicom_reads_of_any_header(kit: Any, folder: Path, syntax: str, seed: int) -> None:
    raw = kit.encode_file(Pen(kit, seed).nodes(), kit.syntaxes[syntax])
    reader = Reader()
    first = read_bytes(folder, raw, reader)
    assert not first.problems
    assert_agrees(kit, raw, first)
    assert read_bytes(folder, raw, reader) == first


@given(seed=_SEEDS)
@_FAST
def test_every_encoding_reads_alike(kit: Any, folder: Path, seed: int) -> None:
    tree = Pen(kit, seed).nodes()
    seen = [dict(read_bytes(folder, kit.encode_file(tree, syntax)).values) for syntax in kit.syntaxes.values()]
    for values in seen:
        del values["TransferSyntaxUID"]
    assert seen[0] == seen[1] == seen[2] == seen[3]


# --- layouts are shortcuts, never guesses ----------------------------------------------------------------------------


@given(seed=_SEEDS)
@_FAST
def test_layouts_change_nothing_when_files_resemble_each_other(kit: Any, folder: Path, seed: int) -> None:
    pen = Pen(kit, seed)
    tree = pen.nodes()
    variants = [tree] + [pen.change(tree) for _ in range(4)]
    warm = Reader()
    for _ in range(10):
        path = folder / "warm.dcm"
        syntax = kit.syntaxes["explicit" if pen.yes(0.8) else "implicit"]
        path.write_bytes(kit.encode_file(pen.chance.choice(variants), syntax))
        assert outcome(warm, path) == outcome(Reader(), path)


@given(seed=_SEEDS)
@_FAST
def test_layouts_change_nothing_when_bytes_are_flipped(kit: Any, folder: Path, seed: int) -> None:
    pen = Pen(kit, seed)
    raw = kit.encode_file(pen.nodes())
    warm = Reader()
    for _ in range(8):
        broken = bytearray(raw)
        for _ in range(pen.chance.randrange(4)):
            broken[pen.chance.randrange(128, len(raw))] = pen.chance.randrange(256)
        path = folder / "flipped.dcm"
        path.write_bytes(bytes(broken))
        assert outcome(warm, path) == outcome(Reader(), path)


def test_a_file_without_elements_to_read_leaves_no_layout(kit: Any, folder: Path) -> None:
    """It would tell of the meta information alone, and not how the elements behind that are written."""
    meta = kit.encode_nodes([kit.node(0x00020002, "UI", b"1.2.840.10008.5.1.4.1.1.4\0")])
    warm = Reader()
    for implicit in (True, False, True):
        body = kit.encode_nodes([kit.node(0x6F080005, "CS", b"ISO_IR 100")], implicit=implicit)
        path = folder / "beyond.dcm"
        path.write_bytes(b"\0" * 128 + b"DICM" + meta + body)
        assert outcome(warm, path) == outcome(Reader(), path)


def test_layouts_change_nothing_in_any_order_of_files(dialect_export: Path) -> None:
    files = sorted(dialect_export.rglob("*.dcm"))
    cold = {path: read_header(str(path)) for path in files}
    for seed in (1, 2):
        reader = Reader()
        random.Random(seed).shuffle(files)
        assert [path for path in files if reader.read(str(path)) != cold[path]] == []


def test_a_layout_does_not_outlive_the_maker_that_it_was_learned_from(kit: Any, folder: Path) -> None:
    """What a maker's files are read for depends on the maker: the groups end earlier for Siemens."""

    def made_by(name: bytes) -> bytes:
        return kit.encode_file(
            kit.image_nodes(
                maker=kit.node(0x00080070, "LO", name),
                creator=kit.node(0x20010010, "LO", b"Philips Imaging DD 001"),
                b_value=kit.node(0x20011003, "FL", (1000.0,)),
            )
        )

    warm = Reader()
    assert read_bytes(folder, made_by(b"Philips "), warm).text("PhilipsBValue") == "1000.0"
    assert read_bytes(folder, made_by(b"Phil"), warm).text("PhilipsBValue") == "1000.0"
    assert read_bytes(folder, made_by(b"SIEMENS "), warm).text("PhilipsBValue") == ""


def test_a_layout_notices_that_an_element_moved_into_a_sequence(kit: Any, folder: Path) -> None:
    """Same elements in the same order: only lengths say what is inside, where its creator does not reach it."""
    node = kit.node

    def made(time: bytes, inside: bool) -> bytes:
        creator, private = node(0x00210011, "LO", b"SIEMENS MR SDI 02 "), node(0x0021111C, "IS", b"1 ")
        timing = (node(0x00180080, "DS", time), private) if inside else (node(0x00180080, "DS", time),)
        frame = (creator, node(0x00189112, "SQ", (timing,)), *(() if inside else (private,)))
        groups = {"frames": node(0x52009230, "SQ", (frame, frame)), "count": node(0x00280008, "IS", b"2 ")}
        return bytes(kit.encode_file(kit.image_nodes(**groups)))

    warm = Reader()
    for time, inside in ((b"1 ", False), (b"12.5", False), (b"1 ", True), (b"3 ", False), (b"4.25", True)):
        header = read_bytes(folder, made(time, inside), warm)
        assert header.text("PhaseEncodingPositive") == ("" if inside else "1")
        assert header.text("RepetitionTime") == time.decode().strip()


def test_a_layout_notices_that_a_sequence_ends_otherwise(kit: Any, folder: Path) -> None:
    """A delimiter where a length was known, and a length where a delimiter was, right or wrong."""
    timing = ((kit.node(0x00180080, "DS", b"1 "),),)

    def made(undefined: bool, claim: int) -> Any:
        frame = (kit.node(0x00189112, "SQ", timing, undefined), kit.node(0x00209111, "SQ", ((),)))
        raw = kit.encode_file(
            kit.image_nodes(
                count=kit.node(0x00280008, "IS", b"1 "), frames=kit.node(0x52009230, "SQ", (frame,), True, True)
            )
        )
        head = b"\x18\0\x12\x91SQ\0\0"
        place = raw.index(head) + len(head)
        return raw[:place] + claim.to_bytes(4, "little") + raw[place + 4 :]

    known, open_ended = 18, 0xFFFFFFFF
    warm = Reader()
    path = folder / "ends.dcm"
    for undefined, claim in (
        (True, open_ended), (True, known), (True, 26), (True, 5), (False, known), (False, open_ended), (False, 8),
    ):  # fmt: skip
        path.write_bytes(made(undefined, claim))
        assert outcome(warm, path) == outcome(Reader(), path)


def test_a_layout_notices_a_length_that_reads_like_a_representation(kit: Any, folder: Path) -> None:
    """The first length is ``LT`` as bytes, and the value holds a whole data set in the explicit encoding."""
    following = kit.image_nodes()
    rest = len(kit.encode_nodes(following, implicit=True))
    inner = kit.encode_nodes([kit.node(0x00080016, "UI", b"9.9\0"), kit.node(0x00080060, "CS", b"PT")])
    inner += b"\xe0\x7f\x10\0OW\0\0" + struct.pack("<I", 0x544C - len(inner) - 12 + rest)
    warm = Reader()
    path = folder / "first.dcm"
    for value in (b"A" * 0x6000, b"ABCD", inner.ljust(0x544C), b"ABCDEF"):
        tree = [kit.node(0x00080008, "CS", value), *following]
        path.write_bytes(kit.encode_file(tree, kit.syntaxes["implicit"]))
        assert outcome(warm, path) == outcome(Reader(), path)
        assert Reader().read(str(path)).text("Modality") == ("PT" if inner in value else "MR")


@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big", "deflated"])
def test_a_file_longer_than_what_is_read_at_once_reads_alike(kit: Any, folder: Path, syntax: str) -> None:
    filler = kit.node(0x7FE00010, "OW", random.Random(1).randbytes(100_000))
    raw = kit.encode_file(kit.image_nodes(pixels=filler), kit.syntaxes[syntax])
    assert_agrees(kit, raw, read_bytes(folder, raw))


def test_headers_of_any_length_follow_each_other(kit: Any, folder: Path) -> None:
    """What is read at once grows with the headers; what lies beyond it is still read."""
    warm = Reader()
    for rank, size in enumerate((10, 40_000, 10, 6_000, 6_002, 90_000, 90_002, 10)):
        filler = kit.node(0x00091010, "OB", bytes(size))
        raw = kit.encode_file(
            kit.image_nodes(filler=filler, number=kit.node(0x00200013, "IS", str(10 + rank).encode()))
        )
        header = read_bytes(folder, raw, warm)
        assert header.text("InstanceNumber") == str(10 + rank)
        assert header == read_bytes(folder, raw)


_ODD_TEXT = st.lists(st.text(" \0\t\n\\|\x1b\x7f\x00aZ9.-é", max_size=8).map(lambda text: text.encode("latin-1")))


@example([b"a\\ b", b"c"])
@example([b"a \\b", b"c"])
@example([b"a|b", b"c"])
@given(_ODD_TEXT)
@_FAST
def test_texts_decode_at_once_as_they_do_one_by_one(values: list[bytes]) -> None:
    texts = decode_texts(values)
    for vr in ("LO", "ST", "CS"):
        one_by_one = [decode_values([("x", vr, value)])[0]["x"] for value in values]
        assert texts is None or texts == one_by_one


# --- odd but readable ------------------------------------------------------------------------------------------------


def test_text_in_another_character_set_than_declared_is_kept_and_told(kit: Any, folder: Path) -> None:
    for charset in (b"ISO_IR 192", b"NO SUCH SET ", b"ISO_IR 13 "):
        raw = kit.encode_file(
            kit.image_nodes(
                charset=kit.node(0x00080005, "CS", charset), name=kit.node(0x00100010, "PN", b"M\xfcller\xff^J")
            )
        )
        header = read_bytes(folder, raw)
        assert header.text("PatientName") == "Müllerÿ^J"
        assert header.problems
        assert "PatientName" in header.problems[0]


def test_no_preamble_is_accepted_and_told(kit: Any, folder: Path) -> None:
    raw = kit.encode_file(kit.image_nodes())
    header = read_bytes(folder, raw[132:])
    assert header.problems == ("no DICOM preamble",)
    assert header.values == read_bytes(folder, raw).values
    bare = kit.encode_nodes(sorted(kit.image_nodes(), key=lambda one: one.tag), implicit=True)
    assert read_bytes(folder, bare).text("SeriesInstanceUID") == "1.2.3.2"


@pytest.mark.parametrize(("declared", "written"), [("implicit", "explicit"), ("explicit", "implicit")])
def test_a_wrong_transfer_syntax_is_seen_through(kit: Any, folder: Path, declared: str, written: str) -> None:
    right = kit.encode_file(kit.image_nodes(), kit.syntaxes[written])
    meta = kit.encode_file([], kit.syntaxes[declared])
    body = right[len(kit.encode_file([], kit.syntaxes[written])) :]
    assert read_bytes(folder, meta + body).text("SeriesInstanceUID") == "1.2.3.2"


def test_a_group_length_before_the_pixels_is_no_obstacle(kit: Any, folder: Path) -> None:
    """Files from before 2008 carry group lengths, (7FE0,0000) too."""
    raw = kit.encode_file(
        kit.image_nodes(length=kit.node(0x7FE00000, "UL", (20,)), rows=kit.node(0x00280010, "US", (1,)))
    )
    assert read_bytes(folder, raw).pixels == "complete"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "complete"),
        ({"frames": (0x00280008, "IS", b"2147483647")}, "truncated"),
        ({"frames": (0x00280008, "IS", b"-3")}, "complete"),
        ({"frames": (0x00280008, "IS", b"many")}, "complete"),
        ({"rows": (0x00280010, "US", (65535,)), "columns": (0x00280011, "US", (65535,))}, "truncated"),
        ({"pixels": (0x7FE00010, "OW", b"")}, "truncated"),
        ({"pixels": (0x7FE00010, "OW", b"\0" * 8), "after": (0xFFFCFFFC, "OB", b"\0" * 32)}, "complete"),
        ({"pixels": (0x7FE00008, "OF", b"\0" * 8)}, "complete"),
        ({"pixels": (0x7FDF0010, "OB", b"\0" * 8)}, "absent"),
    ],
)
def test_pixels_are_checked_without_being_read(kit: Any, folder: Path, changes: dict[str, Any], state: str) -> None:
    more = {key: kit.node(*value) for key, value in changes.items()}
    for syntax in kit.syntaxes.values():
        assert read_bytes(folder, kit.encode_file(kit.image_nodes(**more), syntax)).pixels == state


def test_encapsulated_pixels_end_with_a_delimiter(kit: Any, folder: Path) -> None:
    jpeg = "1.2.840.10008.1.2.4.70"
    nodes_ = [one for one in kit.image_nodes() if one.tag != 0x7FE00010]
    pixels = kit.encode_nodes([kit.node(0x7FE00010, "OB")])[:-4] + b"\xff" * 4
    fragments = struct.pack("<HHI", 0xFFFE, 0xE000, 0) + struct.pack("<HHI", 0xFFFE, 0xE000, 4) + b"abcd"
    raw = kit.encode_file(nodes_, jpeg) + pixels + fragments
    assert read_bytes(folder, raw).pixels == "truncated"
    whole = raw + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    assert read_bytes(folder, whole).pixels == "complete"
    padding = kit.encode_nodes([kit.node(0xFFFCFFFC, "OB", b"\0" * 32)])
    assert read_bytes(folder, whole + padding).pixels == "complete"
    assert read_bytes(folder, raw + padding).pixels == "truncated"


def test_protocol_dumps_are_read_from_any_encoding(kit: Any, folder: Path) -> None:
    node = kit.node
    siemens = {
        "creator": node(0x00290010, "LO", b"SIEMENS CSA HEADER"),
        "image": node(0x00291010, "OB", b"SV10image "),
        "series": node(0x00291020, "OB", b"SV10series"),
    }
    shared = (
        node(0x00210010, "LO", b"SIEMENS MR SDS 01 "),
        node(0x002110FE, "SQ", ((node(0x00210010, "LO", b"SIEMENS MR SDS 01 "), node(0x00211019, "OB", b"protocol")),)),
    )
    for name, syntax in kit.syntaxes.items():
        path = folder / f"{name}.dcm"
        path.write_bytes(kit.encode_file(kit.image_nodes(**siemens), syntax))
        found = {} if name == "big" else {"CsaImage": b"SV10image ", "CsaSeries": b"SV10series"}
        assert read_blobs(str(path)) == found
        for ends in ((False, False), (True, True), (True, False)):
            groups = node(0x52009229, "SQ", (shared,), *ends)
            later = node(0x52009230, "SQ", ((node(0x00211019, "OB", b"not me"),),), *ends)
            path.write_bytes(kit.encode_file(kit.image_nodes(shared=groups, frames=later), syntax))
            assert read_blobs(str(path)) == ({} if name == "big" else {"SiemensProtocol": b"protocol"})


# --- what must be survived -------------------------------------------------------------------------------------------


@given(seed=_SEEDS)
@_FAST
def test_broken_headers_raise_nothing_else(kit: Any, folder: Path, seed: int) -> None:
    pen = Pen(kit, seed)
    raw = bytearray(kit.encode_file(pen.nodes(), pen.chance.choice(sorted(kit.syntaxes.values()))))
    for _ in range(pen.chance.randint(1, 8)):
        raw[pen.chance.randrange(len(raw))] = pen.chance.randrange(256)
    path = folder / "broken.dcm"
    path.write_bytes(bytes(raw[: pen.chance.randint(1, len(raw))]))
    outcome(Reader(), path)
    with contextlib.suppress(HeaderError):
        read_blobs(str(path))


@given(st.binary(max_size=400), st.booleans())
@_FAST
def test_any_bytes_raise_nothing_else(folder: Path, data: bytes, marked: bool) -> None:
    path = folder / "any.dcm"
    path.write_bytes((b"\0" * 128 + b"DICM" if marked else b"") + data)
    outcome(Reader(), path)


def test_broken_headers_of_every_dialect_raise_nothing_else(dialect_export: Path, folder: Path) -> None:
    _break_files(sorted(dialect_export.rglob("*.dcm"))[::40], folder, 25)


@pytest.mark.shared
def test_broken_headers_of_real_files_raise_nothing_else(shared_files: list[Path], folder: Path) -> None:
    _break_files([path for path in shared_files if path.stat().st_size < 1_000_000][::60], folder, 20)


def _break_files(files: list[Path], folder: Path, times: int) -> None:
    chance = random.Random(7)
    path = folder / "damaged.dcm"
    for file in files:
        raw = file.read_bytes()
        head = min(len(raw), 30_000)
        for _ in range(times):
            broken = bytearray(raw)
            for _ in range(chance.randint(1, 12)):
                broken[chance.randrange(head)] = chance.randrange(256)
            cut = chance.choice([len(raw), chance.randrange(1, head), chance.randrange(1, len(raw))])
            path.write_bytes(bytes(broken[:cut]))
            outcome(Reader(), path)


@pytest.mark.parametrize("length", [0xFFFFFFFE, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize("syntax", ["explicit", "implicit", "big"])
def test_absurd_lengths_cost_nothing(kit: Any, folder: Path, length: int, syntax: str) -> None:
    order = ">" if syntax == "big" else "<"
    raw = kit.encode_file([kit.node(0x00080060, "CS", b"MR")], kit.syntaxes[syntax])
    head = struct.pack(f"{order}HH", 0x0010, 0x0010)
    head += b"" if syntax == "implicit" else b"UN\0\0"
    path = folder / "absurd.dcm"
    path.write_bytes(raw + head + struct.pack(f"{order}I", length) + b"abc")
    tracemalloc.start()
    outcome(Reader(), path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("tag", [0x00081140, 0x52009230])
def test_deep_sequences_are_refused_or_skipped(kit: Any, folder: Path, undefined: bool, tag: int) -> None:
    body = b""
    for depth in range(20_000):
        head = struct.pack("<HH", 0x0008, 0x1140) if depth < 19_999 else struct.pack("<HH", tag >> 16, tag & 0xFFFF)
        if undefined:
            body = head + b"SQ\0\0" + b"\xff" * 4 + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + body
        else:
            item = struct.pack("<HHI", 0xFFFE, 0xE000, len(body)) + body if depth < 2000 else body[:0]
            body = (head + b"SQ\0\0" + struct.pack("<I", len(item)) + item) if depth < 2000 else body
    if undefined:
        body += struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0) * 20_000
    raw = kit.encode_file([kit.node(0x00080008, "CS", b"A"), kit.node(0x00280008, "IS", b"1 ")])
    path = folder / "deep.dcm"
    path.write_bytes(raw + body)
    result = outcome(Reader(), path)
    assert not undefined or "nested deeper" in str(result)


def test_gzip_is_read_through(kit: Any, folder: Path) -> None:
    raw = kit.encode_file(kit.image_nodes())
    plain = read_bytes(folder, raw)
    assert read_bytes(folder, gzip.compress(raw)) == plain
    assert read_bytes(folder, gzip.compress(raw[:300]) + gzip.compress(raw[300:])) == plain
    pixels = kit.node(0x7FE00010, "OW", os.urandom(8 << 20))
    sizes = {"rows": kit.node(0x00280010, "US", (2048,)), "columns": kit.node(0x00280011, "US", (2048,))}
    large = kit.encode_file(kit.image_nodes(pixels=pixels, **sizes))
    assert read_bytes(folder, gzip.compress(large, 1)).pixels == "complete"
    assert read_bytes(folder, gzip.compress(large[:-2], 1)).pixels == "truncated"


def test_compressed_files_larger_than_what_is_kept_are_judged_by_their_ends(
    kit: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "MAX_KEPT", 2048)
    pixels = kit.node(0x7FE00010, "OW", bytes(16384))
    raw = kit.encode_file(kit.image_nodes(rows=kit.node(0x00280010, "US", (4096,)), pixels=pixels))
    assert read_bytes(folder, gzip.compress(raw)).pixels == "complete"
    assert read_bytes(folder, gzip.compress(raw[:-5000])).pixels == "truncated"


@pytest.mark.parametrize("cut", [1, 5, 9, 12, 40, -1, -9])
def test_a_gzip_that_ends_early_is_refused(kit: Any, folder: Path, cut: int) -> None:
    packed = gzip.compress(kit.encode_file(kit.image_nodes()))
    with pytest.raises(HeaderError, match=r"compressed file|not DICOM|ends inside"):
        read_bytes(folder, packed[:cut])


def test_an_empty_file_inside_gzip_is_refused(folder: Path) -> None:
    with pytest.raises(HeaderError, match="empty file inside"):
        read_bytes(folder, gzip.compress(b""))


@pytest.mark.parametrize("deflated", [False, True])
def test_bombs_are_refused_early(kit: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, deflated: bool) -> None:
    monkeypatch.setattr(source, "MAX_UNCHECKED", 8 << 20)
    monkeypatch.setattr(source, "MAX_KEPT", 1 << 20)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15 if deflated else 31)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    head = kit.encode_file([], kit.syntaxes["deflated"])[:-2] if deflated else b""
    tracemalloc.start()
    with pytest.raises(HeaderError, match="bomb"):
        read_bytes(folder, head + packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20


def test_claims_of_size_allocate_nothing(kit: Any, folder: Path) -> None:
    """A sparse file of a few bytes on disk that claims gigabytes."""
    path = folder / "sparse.dcm"
    path.write_bytes(kit.encode_file([kit.node(0x00080060, "CS", b"MR"), kit.node(0x00100010, "PN")])[:-4])
    with path.open("r+b") as stream:
        stream.seek(0, 2)
        stream.write(b"UN\0\0\xf0\xff\xff\xff")
        stream.truncate(6 << 30)
    tracemalloc.start()
    assert outcome(Reader(), path) == "the header is longer than 256 MiB"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    path.unlink()
    assert peak < 32 << 20


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    path = folder / "pipe"
    os.mkfifo(path)
    with pytest.raises(HeaderError, match="not a regular file"):
        read_header(str(path))


def test_a_folder_and_an_absent_file_are_told_apart(folder: Path) -> None:
    with pytest.raises(HeaderError, match="not a regular file"):
        read_header(str(folder))
    with pytest.raises(OSError, match="No such file"):
        read_header(str(folder / "absent.dcm"))


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"The participant wore glasses.\n" * 40, b"DICM", b"\x08\0" * 9])
def test_what_is_not_dicom_is_refused(folder: Path, data: bytes) -> None:
    with pytest.raises(HeaderError, match=r"empty file|not DICOM|ends inside its header|neither reader"):
        read_bytes(folder, data)


@example(b"\x1f\x8b")
@given(st.binary(max_size=60))
@_FAST
def test_broken_gzip_raises_nothing_else(folder: Path, data: bytes) -> None:
    path = folder / "broken.gz"
    path.write_bytes(b"\x1f\x8b\x08\0" + data)
    outcome(Reader(), path)
