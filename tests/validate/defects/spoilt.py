"""Real datasets with a defect or two that chance has made: what the made-up ones have not is met here."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from tests.validate.defects.content import image
from tests.validate.defects.tree import Link, Tree

#: Subjects that are kept of each dataset: few make the same kinds of findings as many.
_SUBJECTS: Final = 2
_ODD: Final = (None, True, "x", -1, 0, 1.5, [], {}, "n/a", "", ["a", 1], [[1]], 1e30, "1", [0.1, 0.2])
_CELLS: Final = ("", "x", "-1", "n/a", " 1", "1e3", "NaN", "0", "True", "N/A", "1,5")
_ENTITIES: Final = (
    "acq-x", "run-1", "task-y", "dir-AP", "foo-1", "desc-z", "space-MNI", "echo-1", "rec-x", "split-1", "run-a",
    "recording-a", "hemi-L", "res-1", "ses-9", "tracksys-a", "sample-B", "part-mag", "chunk-1",
)  # fmt: skip
_SUFFIXES: Final = ("bold", "T1w", "events", "eeg", "channels", "foo", "physio", "scans", "meg", "pet", "beh", "motion")
_EXTENSIONS: Final = (".nii", ".nii.gz", ".json", ".tsv", ".tsv.gz", ".txt", ".edf", ".set", ".ome.tif", ".png", "")
_FOLDERS: Final = ("anat", "func", "eeg", "meg", "beh", "fmap", "pet", "micr", "motion", "more")
_IGNORED: Final = (b"*.json\n", b"sub-*/\n", b"**/*.tsv\n", b"/participants*\n", b"*_bold*\n", b"anat/\n", b"!x\n")
_LEFT: Final = (
    "notes.txt",
    "Thumbs.db",
    "run.py",
    "participants.xlsx",
    "task-x_events.json",
    "README.txt",
    "sub-x.json",
)

_Spoiler = Callable[[Tree, random.Random], None]


def spoil_dataset(folder: Path, seed: int) -> Tree:
    """Return a dataset with some subjects only, and with one defect, or two; the same for the same seed."""
    dice = random.Random(seed)
    tree = _read(folder, dice)
    for _ in range(dice.choice((1, 1, 2))):
        before = dict(tree)
        while tree == before:  # what a defect needs is not in every dataset
            dice.choice(_SPOILERS)(tree, dice)
    folders = {parent.as_posix() for path in tree for parent in PurePosixPath(path).parents}
    return {path: content for path, content in tree.items() if path not in folders}


def _read(folder: Path, dice: random.Random) -> Tree:
    subjects = sorted(path.name for path in folder.glob("sub-*") if path.is_dir())
    left = set(subjects) - set(dice.sample(subjects, min(_SUBJECTS, len(subjects))))
    tree: Tree = {}
    for top, folders, files in os.walk(folder):
        if Path(top) == folder:
            folders[:] = [name for name in folders if name not in left and name != ".git"]
        for path in sorted(Path(top, name) for name in (*files, *folders)):
            where = path.relative_to(folder).as_posix()
            if path.is_symlink():
                tree[where] = Link(str(path.readlink()))
            elif path.is_file():
                tree[where] = path.read_bytes()
    return tree


def _pick(tree: Tree, dice: random.Random, *ends: str, subject: bool = False) -> tuple[str, bytes] | None:
    """Return a file with its content."""
    fitting = [
        path
        for path, content in sorted(tree.items())
        if isinstance(content, bytes) and path.endswith(ends or "") and (path.startswith("sub-") or not subject)
    ]
    path = dice.choice(fitting) if fitting else ""
    content = tree.get(path)
    return (path, content) if isinstance(content, bytes) else None


def _drop(tree: Tree, dice: random.Random) -> None:
    if found := _pick(tree, dice):
        del tree[found[0]]


def _drop_all_of_a_name(tree: Tree, dice: random.Random) -> None:
    if found := _pick(tree, dice, ".json", ".tsv", ".bval", ".bvec"):
        name = PurePosixPath(found[0]).name
        for path in [path for path in tree if path.endswith(f"/{name}") or path == name]:
            del tree[path]


def _change_field(tree: Tree, dice: random.Random) -> None:
    found, other = _pick(tree, dice, ".json"), _pick(tree, dice, ".json")
    if not found or not other:
        return
    try:
        content, lent = json.loads(found[1]), json.loads(other[1])
    except ValueError:
        return
    if not (isinstance(content, dict) and content and isinstance(lent, dict) and lent):
        return
    key, more = dice.choice(sorted(content)), dice.choice(sorted(lent))
    old = content[key]
    changed = (
        [old * 1000, -old, old + 1]
        if isinstance(old, int | float)
        else [old[:-1], old * 2]
        if old and isinstance(old, list)
        else []
    )
    dice.choice((
        lambda: content.pop(key),
        lambda: content.update({key: dice.choice(_ODD)}),
        lambda: content.update({key: dice.choice(changed or _ODD)}),
        lambda: content.update({more: lent[more]}),
    ))()  # fmt: skip
    tree[found[0]] = json.dumps(content).encode()


def _change_bytes(tree: Tree, dice: random.Random) -> None:
    if found := _pick(tree, dice, ".json", ".tsv", ".bval", ".bvec", ".md", ".cff", "README", "CHANGES"):
        path, old = found
        tree[path] = dice.choice((
            old[: len(old) // 2], b"\xef\xbb\xbf" + old, old.replace(b"\n", b"\r\n"), old.replace(b"e", b"\xe9", 1),
            b"", old.decode(errors="replace").encode("utf-16"), old[:10] + b"\0" + old[10:], old.replace(b"\n", b" \n"),
            old.replace(b"\t", b","), old.replace(b'"', b"'"), old.replace(b"\n", b"\r"), old.replace(b" ", b"\t"),
        ))  # fmt: skip


def _change_table(tree: Tree, dice: random.Random) -> None:
    found = _pick(tree, dice, ".tsv")
    table = [line.split("\t") for line in found[1].decode(errors="replace").splitlines()] if found else []
    if not found or len(table) < 2:
        return
    row, column = dice.randrange(1, min(len(table), 50)), dice.randrange(len(table[0]))
    match dice.randrange(10):
        case 0 if column < len(table[row]):
            table[row][column] = dice.choice(_CELLS)
        case 1:
            table = [line[:column] + line[column + 1 :] for line in table]
        case 2:
            table = [line + line[column : column + 1] for line in table]
        case 3:
            table = [line[column : column + 1] + line[:column] + line[column + 1 :] for line in table]
        case 4:
            table[0][column] = dice.choice(
                ("foo", "onset", "name", "type", table[0][column].upper(), f"{table[0][column]} ")
            )
        case 5:
            table = [[*line, "new" if number == 0 else "1"] for number, line in enumerate(table)]
        case 6:
            table.insert(row, dice.choice((table[row], [""])))
        case 7:
            del table[row]
        case 8:
            table[row] = dice.choice((table[row][:-1], [*table[row], "x"]))
        case _:
            table[1:] = dice.sample(table[1:], len(table) - 1)
    tree[found[0]] = ("\n".join("\t".join(line) for line in table) + "\n").encode()


def _change_name(tree: Tree, dice: random.Random) -> None:
    found = _pick(tree, dice, subject=True)
    if not found:
        return
    above, _, name = found[0].rpartition("/")
    stem, dot, extension = name.partition(".")
    parts = stem.split("_")
    place = dice.randrange(len(parts))
    changed: Sequence[list[str]] = (
        [*parts[:place], *parts[place + 1 :]],
        [*parts[:place], dice.choice(_ENTITIES), *parts[place:]],
        [parts[0], *parts],
        [parts[0], *parts[-2:0:-1], parts[-1]],
        [*parts[:-1], parts[-1].swapcase()],
        [*parts[:-1], dice.choice(_SUFFIXES)],
        [*parts[:place], parts[place] + dice.choice(("-a", "+", ".5", "é", " ", "-")), *parts[place + 1 :]],
        [dice.choice(("sub-", "sub-99", "sub01")), *parts[1:]],
        [parts[0], parts[-1]],
    )
    ending = dice.choice((dot + extension, dot + extension, dice.choice(_EXTENSIONS), (dot + extension).upper()))
    tree[f"{above}/{'_'.join(dice.choice(changed))}{ending}"] = found[1]
    if dice.random() < 0.5:
        del tree[found[0]]


def _change_place(tree: Tree, dice: random.Random) -> None:
    if found := _pick(tree, dice, subject=True):
        path = PurePosixPath(found[0])
        folder = dice.choice((
            path.parent.parent, path.parent.parent.parent, PurePosixPath(), path.parent.parent / dice.choice(_FOLDERS),
            PurePosixPath("sub-zz", path.parent.name), path.parent / "more",
        ))  # fmt: skip
        tree[(folder / path.name).as_posix()] = found[1]
        if dice.random() < 0.7:
            tree.pop(found[0], None)


def _change_root(tree: Tree, dice: random.Random) -> None:
    people = b"participant_id\tage\tsex\nsub-01\t90\tX\n"
    cited = b"cff-version: 1.2.0\nmessage: x\ntitle: y\nauthors:\n - family-names: z\n"
    kind = dice.choice(("raw", "derivative", "study"))
    version = dice.choice(("1.6.0", "1.0.2", "v1.8"))
    described = json.dumps({"Name": "x", "BIDSVersion": version, "DatasetType": kind}).encode()
    tree |= dice.choice((
        {".bidsignore": dice.choice(_IGNORED)}, {dice.choice(_LEFT): b"x"}, {"LICENSE": b"", "LICENSE.md": b"x"},
        {"participants.tsv": people}, {"dataset_description.json": described}, {"CITATION.cff": cited},
        {"phenotype/x.tsv": b"participant_id\ty\nsub-01\t1\nsub-01\t1\n"}, {"CHANGES.md": b"x"},
        {"samples.tsv": b"sample_id\tparticipant_id\tsample_type\nsample-A\tsub-01\ttissue\n"},
        {"sub-xx": Link("sub-01")}, {"sub-yy_T1w.nii.gz": Link("../nowhere")},
    ))  # fmt: skip


def _change_numbers(tree: Tree, dice: random.Random) -> None:
    if found := _pick(tree, dice, ".bval", ".bvec"):
        rows = [line.split() for line in found[1].decode(errors="replace").splitlines()]
        rows = dice.choice((
            [list(column) for column in zip(*rows, strict=False)], [row[:-1] for row in rows], rows[:-1],
            rows + rows[:1], [["x", *row[1:]] for row in rows],
        ))  # fmt: skip
        tree[found[0]] = ("\n".join(" ".join(row) for row in rows) + "\n").encode()


def _change_image(tree: Tree, dice: random.Random) -> None:
    if found := _pick(tree, dice, ".nii.gz"):
        shape = dice.choice(((4, 4, 4), (4, 4, 4, 3), (4, 4), (4, 4, 4, 1), (4, 4, 4, 2, 2)))
        tree[found[0]] = image(shape, units=dice.choice((10, 10, 2, 0)), qform=dice.choice((0, 1)))


_SPOILERS: Final[Sequence[_Spoiler]] = (
    _drop, _drop_all_of_a_name, _change_field, _change_field, _change_field, _change_bytes, _change_bytes,
    _change_table, _change_table, _change_table, _change_name, _change_name, _change_name, _change_place, _change_root,
    _change_numbers, _change_image,
)  # fmt: skip
