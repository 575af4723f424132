"""Take the inventory of an export: read headers, drop copies, group what is left into series.

Files come and go a few at a time, and what their headers say is packed where there is much of it (`pile`), so that a
million files need some hundred megabytes.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

from bidsflow.dicom.grouping import TRUNCATED, Gate, agree, find_collisions, in_order, make_series, say_stranger
from bidsflow.dicom.header import Header
from bidsflow.dicom.index import Index, Reading
from bidsflow.dicom.pairs import join_examinations, pair_files
from bidsflow.dicom.parrec import REC_BYTES, read_par
from bidsflow.dicom.partable import NAME, is_par
from bidsflow.dicom.pile import Pile, shelve_instances
from bidsflow.dicom.read import Reader, read_blobs
from bidsflow.dicom.series import File, Instance, Inventory, SetAside
from bidsflow.dicom.source import inflated
from bidsflow.dicom.tags import find_maker
from bidsflow.dicom.twins import find_twins
from bidsflow.dicom.vendors import read_protocol
from bidsflow.errors import HeaderError

#: Tells how many files of how many have been looked at.
Progress = Callable[[int, int], None]

#: Names of files that lie in every folder and that no one misses.
_HARMLESS = frozenset({".ds_store", "thumbs.db", "desktop.ini", "dicomdir", "license", "readme"})
_HARMLESS_ENDS = (".txt", ".md", ".pdf", ".json", ".xml", ".html", ".csv", ".tsv", ".jpg", ".png", ".log")
#: How the reasons begin of files that are DICOM, or may be, and that break off.
_CUT = ("the file ends inside", "a compressed file that ends too early", "a compressed file that does not decompress")
_IMAGE_ENDS = (".dcm", ".ima")
#: Begins the keywords of what a protocol says, beside those of the header that it is stored with.
_PROTOCOL = "Protocol."
_PROTOCOL_READ = "Protocol.Read"
#: Files that are looked at before what was read is stored.
_AT_ONCE = 2048
#: Parts of a list of UIDs that are looked through one after the other.
_PARTS = 64


def take_inventory(
    files: Sequence[File],
    *,
    set_aside: Sequence[SetAside] = (),
    index_path: Path | None = None,
    beside: Path | None = None,
    digests: bool = False,
    progress: Progress = lambda done, total: None,
) -> Inventory:
    """Return what an export holds.

    Parameters
    ----------
    files : sequence of File
        Everything that lies in the export.
    set_aside : sequence of SetAside
        What could not even be listed.
    index_path : Path or None
        Where readings are kept from one scan to the next; None keeps none.
    beside : Path or None
        Where other scans kept theirs: it is asked as well, and nothing is written there.
    digests : bool
        Whether small files that are read now are read whole, for a digest: what will convert them needs it.
    progress : callable
        Called now and then with the files looked at and their number.
    """
    index = Index(index_path, beside)
    try:
        aside = list(set_aside)
        shelf = shelve_instances()
        by_uid: dict[str, Pile[Instance]] = {}
        protocols: dict[str, dict[str, str]] = {}
        pars: list[Instance] = []
        seen = tuple(array("q") for _ in range(_PARTS))
        torn: dict[str, tuple[str, str]] = {}
        gate, fresh = Gate(), 0
        for file, reading, digest in _read_all(files, index, progress, digests=digests):
            fresh += digest is not None
            if isinstance(reading, str):
                harmless = _is_harmless(file.path, reading)
                aside.append(SetAside(file.path, reading, harmless, lost=not harmless and _is_cut(file.path, reading)))
                continue
            header, protocol = _split(reading) if digest is None else (reading, None)
            if protocol is not None:
                protocols[file.path] = protocol
            if (reason := gate.refuse(header)) is not None:
                aside.append(SetAside(file.path, *reason))
                if reason[0] == TRUNCATED:
                    torn[file.path] = header.text("SeriesInstanceUID"), header.text("SOPInstanceUID")
            elif REC_BYTES in header:
                pars.append(Instance(file, header))
            else:
                _put(Instance(file, header, None, digest or b""), by_uid, seen, shelf.pile)
        if pars:
            paired = pair_files(pars, files)
            joined = join_examinations(paired.instances, [pile[0].header for pile in by_uid.values()])
            aside = [one for one in aside if one.path not in paired.recs] + [*paired.set_aside, *joined.set_aside]
            for pair in joined.instances:
                _put(pair, by_uid, seen, shelf.pile)
        aside += _drop_copies(by_uid, _find_repeated(seen))
        for pile in by_uid.values():
            agreeing, strangers = agree(pile.take())
            aside += map(say_stranger, strangers)
            pile.extend(in_order(agreeing))
        _read_protocols(by_uid, protocols, index)
    finally:
        index.close()
    series = make_series(by_uid, protocols, shelf.pile)
    return Inventory(
        series=series,
        set_aside=tuple(sorted(_tell_lost(aside, torn, by_uid), key=lambda one: one.path)),
        collisions=find_collisions(series),
        n_read=fresh,
        n_reused=len(files) - fresh,
        twins=find_twins(series),
    )


def _tell_lost(
    aside: Sequence[SetAside], torn: Mapping[str, tuple[str, str]], by_uid: Mapping[str, Sequence[Instance]]
) -> list[SetAside]:
    """Return what was set aside, images that break off as lost unless the export has them whole as well.

    Parameters
    ----------
    torn : mapping of str to (str, str)
        SeriesInstanceUID and SOPInstanceUID of images that break off, by path.
    """
    whole = {uid: {_uid(one) for one in by_uid.get(uid, ())} for uid, _ in torn.values()}
    lost = {path for path, (uid, sop) in torn.items() if sop not in whole[uid]}
    return [replace(one, lost=True) if one.path in lost else one for one in aside]


def _put(
    one: Instance,
    by_uid: MutableMapping[str, Pile[Instance]],
    seen: Sequence[array[int]],
    pile: Callable[[], Pile[Instance]],
) -> None:
    """Put an instance to its series, and the hash of its UID to those that were seen."""
    uid, mark = one.header.text("SeriesInstanceUID"), hash(_uid(one))
    if uid not in by_uid:
        by_uid[uid] = pile()
    by_uid[uid].append(one)
    seen[mark % _PARTS].append(mark)


def _read_all(
    files: Sequence[File], index: Index, progress: Progress, *, digests: bool
) -> Iterator[tuple[File, Reading, bytes | None]]:
    """Yield each file with its reading, and what `_read` gives for a digest; None where it was read in another scan."""
    reader, done, coming = Reader(), 0, iter(files)
    while some := list(islice(coming, _AT_ONCE)):
        known = index.known(some)
        fresh: dict[str, tuple[File, Reading]] = {}
        for file in some:
            if done % 256 == 0:
                progress(done, len(files))
            done += 1
            reading, digest = known.pop(file.path, None), None
            if reading is None:
                try:
                    reading, digest = _read(reader, file, digests=digests)
                    fresh[file.path] = (file, reading)
                except OSError as error:  # which may pass
                    reading, digest = f"cannot be read ({error.strerror})", b""
            yield file, reading, digest
        index.remember(fresh)
    progress(len(files), len(files))


def _read(reader: Reader, file: File, *, digests: bool) -> tuple[Reading, bytes]:
    """Return what a file says, and a digest of its bytes where that is wanted and costs little.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if file.size == 0:
        return "empty file", b""
    try:
        if is_par(file.path):
            return read_par(file.path), b""
        return reader.read_with_digest(file.path) if digests else (reader.read(file.path), b"")
    except HeaderError as error:
        return error.reason, b""


def _is_harmless(path: str, reason: str) -> bool:
    name = Path(path).name.lower()
    if name in _HARMLESS or name.startswith("._"):
        return True
    return reason == "not DICOM" and name.endswith(_HARMLESS_ENDS)


def _is_cut(path: str, reason: str) -> bool:
    """Return whether a file was an image, or may have been, and was not fetched to its end."""
    return reason.startswith(_CUT) or (reason == "empty file" and path.lower().endswith(_IMAGE_ENDS))


def _find_repeated(seen: Sequence[Sequence[int]]) -> set[int]:
    """Return the hashes of UIDs that stand there more than once; of a million, the UIDs would take too much memory."""
    return {one for part in seen for one, two in pairwise(sorted(part)) if one == two}


def _drop_copies(by_uid: MutableMapping[str, Pile[Instance]], repeated: set[int]) -> list[SetAside]:
    """Keep each instance once: of equal files the first, of different files under one UID none.

    Parameters
    ----------
    by_uid : mapping of str to Pile
        Instances by SeriesInstanceUID; changed. Equal files are in the same series.
    repeated : set of int
        Hashes of the SOPInstanceUIDs to look at.
    """
    if not repeated:
        return []
    homes: dict[int, set[str]] = defaultdict(set)
    for uid, pile in by_uid.items():
        for one in pile:
            if (mark := hash(_uid(one))) in repeated:
                homes[mark].add(uid)
    aside: list[SetAside] = []
    torn = _find_torn(by_uid, {mark for mark, uids in homes.items() if len(uids) > 1})
    for uid in {uid for uids in homes.values() for uid in uids}:
        members = by_uid[uid].take()
        alike: dict[str, list[Instance]] = defaultdict(list)
        for one in members:
            if hash(_uid(one)) in repeated:
                alike[_uid(one)].append(one)
        lost: set[str] = set()
        for sop, same in alike.items():
            if sop not in torn and len({_digest_all(one) for one in same} if len(same) > 1 else same) <= 1:
                path = same[0].file.path
                aside += [SetAside(one.file.path, f"a copy of {path}", True) for one in same[1:]]
                lost.update(one.file.path for one in same[1:])
            else:
                reason = "its SOPInstanceUID stands for different images in this export; neither is used"
                if same[0].beside is not None:
                    reason = f"{NAME}: another PAR of its examination and number is not the same; neither is used"
                aside += [SetAside(one.file.path, reason) for one in same]
                lost.update(one.file.path for one in same)
        by_uid[uid].extend([one for one in members if one.file.path not in lost])
        if not by_uid[uid]:
            del by_uid[uid]
    return aside


def _find_torn(by_uid: Mapping[str, Pile[Instance]], marks: set[int]) -> set[str]:
    """Return the SOPInstanceUIDs that stand in more than one series, among those with some hashes."""
    homes: dict[str, set[str]] = defaultdict(set)
    for uid, pile in by_uid.items() if marks else ():
        for one in pile:
            if hash(_uid(one)) in marks:
                homes[_uid(one)].add(uid)
    return {sop for sop, uids in homes.items() if len(uids) > 1}


def _uid(one: Instance) -> str:
    return one.header.text("SOPInstanceUID")


def _digest_all(one: Instance) -> str:
    return " ".join(_digest(file.path) for file in one.files)


def _digest(path: str) -> str:
    digest = hashlib.blake2b()
    try:
        for piece in inflated(path):
            digest.update(piece)
    except (HeaderError, OSError):
        return path
    return digest.hexdigest()


def _split(stored: Header) -> tuple[Header, dict[str, str] | None]:
    """Return a header, and what the protocol beside it says; None where it was not looked for."""
    if _PROTOCOL_READ not in stored:
        return stored, None
    plain = {key: text for key, text in stored.values.items() if not key.startswith(_PROTOCOL)}
    protocol = {
        key.removeprefix(_PROTOCOL): text
        for key, text in stored.values.items()
        if key.startswith(_PROTOCOL) and key != _PROTOCOL_READ
    }
    return Header(plain, stored.pixels, stored.problems), protocol


def _read_protocols(
    by_uid: Mapping[str, Sequence[Instance]], known: MutableMapping[str, dict[str, str]], index: Index
) -> None:
    """Add what the maker's protocol says for the first instance of each series, by path."""
    fresh: dict[str, tuple[File, Reading]] = {}
    for members in by_uid.values():
        first = members[0]
        path, header = first.file.path, first.header
        if path in known or REC_BYTES in header:  # of a PAR, what belongs to its export alone was added
            continue
        try:
            protocol = known[path] = _protocol(find_maker(header.text("Manufacturer")), path)
        except OSError:  # which may pass
            known[path] = {}
            continue
        stored = {_PROTOCOL + key: text for key, text in protocol.items()} | {_PROTOCOL_READ: "1"}
        fresh[path] = (first.file, Header({**header.values, **stored}, header.pixels, header.problems))
    index.remember(fresh)


def _protocol(name: str, path: str) -> dict[str, str]:
    try:
        return read_protocol(name, read_blobs(path)) if name in ("SIEMENS", "GE") else {}
    except HeaderError:
        return {}
