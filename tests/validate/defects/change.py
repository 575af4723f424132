"""Changes of a dataset: each says what it does in one call, and fails when it would do nothing.

    field("sub-01/anat/sub-01_T1w.json", EchoTime="long")

gives a function that takes a tree and changes it.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.validate.defects.content import image, to_json, to_nifti
from tests.validate.defects.tree import Entry, Fifo, Folder, Link, Tree

Change = Callable[[Tree], None]


class Mutation(NamedTuple):
    """A dataset with one defect (or one rarity that is none).

    Attributes
    ----------
    name : str
        What is wrong; also the name of its folder.
    base : str
        The dataset that it is made from.
    changes : tuple of Change
        What is done to it, in this order.
    modes : tuple of str
        How it is to be validated; see `verdicts.MODES`.
    """

    name: str
    base: str
    changes: tuple[Change, ...]
    modes: tuple[str, ...] = ("headers",)

    def apply(self, tree: Tree) -> Tree:
        """Return the dataset with the defect."""
        tree = dict(tree)
        for change in self.changes:
            change(tree)
        return tree


def mutation(name: str, base: str, *changes: Change, modes: Sequence[str] = ("headers",)) -> Mutation:
    """Put a row of the table together."""
    return Mutation(name, base, changes, tuple(modes))


def put(path: str, content: Entry = b"something\n") -> Change:
    """Add or replace a file."""

    def change(tree: Tree) -> None:
        assert tree.get(path) != content, f"{path} is so already"
        tree[path] = content

    return change


def put_text(path: str, text: str) -> Change:
    """Add or replace a file by text."""
    return put(path, text.encode())


def drop(*patterns: str) -> Change:
    """Remove all files that match."""

    def change(tree: Tree) -> None:
        for pattern in patterns:
            gone = fnmatch.filter(tree, pattern)
            assert gone, f"{pattern} matches nothing"
            for path in gone:
                del tree[path]

    return change


def move(old: str, new: str) -> Change:
    """Put `new` for `old` in all paths that begin with it."""

    def change(tree: Tree) -> None:
        moved = {path: new + path.removeprefix(old) for path in tree if path.startswith(old)}
        assert moved, f"nothing is at {old}"
        for path, target in moved.items():
            tree[target] = tree.pop(path)

    return change


def rename(old: str, new: str) -> Change:
    """Put `new` for `old` wherever it stands in a path."""

    def change(tree: Tree) -> None:
        moved = [path for path in tree if old in path]
        assert moved, f"{old} is in no path"
        for path in moved:
            tree[path.replace(old, new)] = tree.pop(path)

    return change


def copy(old: str, new: str) -> Change:
    """Give a file a second name."""

    def change(tree: Tree) -> None:
        tree[new] = tree[old]

    return change


def link(path: str, target: str) -> Change:
    """Put a symbolic link."""
    return put(path, Link(target))


def folder(path: str) -> Change:
    """Put an empty folder."""
    return put(path, Folder())


def pipe(path: str) -> Change:
    """Put a named pipe."""
    return put(path, Fifo())


def field(path: str, **values: Any) -> Change:
    """Set fields of a JSON file, which is made where there is none."""

    def change(tree: Tree) -> None:
        old = json.loads(_bytes(tree, path)) if path in tree else {}
        assert {**old, **values} != old or any(type(old.get(key)) is not type(values[key]) for key in values), path
        tree[path] = to_json(**{**old, **values})

    return change


def no_field(path: str, *keys: str) -> Change:
    """Remove fields of a JSON file."""

    def change(tree: Tree) -> None:
        old = json.loads(_bytes(tree, path))
        for key in keys:
            del old[key]
        tree[path] = to_json(**old)

    return change


def edit(path: str, old: str | bytes, new: str | bytes) -> Change:
    """Replace a text within a file."""
    before, after = (text.encode() if isinstance(text, str) else text for text in (old, new))

    def change(tree: Tree) -> None:
        content = _bytes(tree, path)
        assert before in content, f"{before!r} is not in {path}"
        tree[path] = content.replace(before, after)

    return change


def recode(path: str, work: Callable[[bytes], bytes]) -> Change:
    """Make other bytes of a file."""

    def change(tree: Tree) -> None:
        old = _bytes(tree, path)
        tree[path] = work(old)
        assert tree[path] != old, path

    return change


def cell(path: str, row: int, name: str, value: str) -> Change:
    """Set a value of a table; rows count from 0, without the header."""

    def change(tree: Tree) -> None:
        table = _table(tree, path)
        table[row + 1][table[0].index(name)] = value
        tree[path] = _lines(table)

    return change


def column(path: str, name: str, values: Sequence[str], *, at: int | None = None) -> Change:
    """Set or add a column of a table; values repeat where there are too few."""

    def change(tree: Tree) -> None:
        table = _table(tree, path)
        if name not in table[0]:
            place = len(table[0]) if at is None else at
            for line in table:
                line.insert(place, "")
            table[0][place] = name
        index = table[0].index(name)
        for number, line in enumerate(table[1:]):
            line[index] = values[number % len(values)]
        tree[path] = _lines(table)

    return change


def no_column(path: str, name: str) -> Change:
    """Remove a column of a table."""

    def change(tree: Tree) -> None:
        table = _table(tree, path)
        index = table[0].index(name)
        tree[path] = _lines([line[:index] + line[index + 1 :] for line in table])

    return change


def row(path: str, *values: str) -> Change:
    """Add a row to a table, of whatever length."""

    def change(tree: Tree) -> None:
        tree[path] = _bytes(tree, path) + ("\t".join(values) + "\n").encode()

    return change


def reshape(path: str, *shape: int, **header: Any) -> Change:
    """Put another image (see `content.to_nifti`)."""
    make = image if path.endswith(".gz") else to_nifti
    return put(path, make(shape or (4, 4, 4), **header))


def _bytes(tree: Tree, path: str) -> bytes:
    content = tree[path]
    assert isinstance(content, bytes), path
    return content


def _table(tree: Tree, path: str) -> list[list[str]]:
    return [line.split("\t") for line in _bytes(tree, path).decode().splitlines()]


def _lines(table: Sequence[Sequence[str]]) -> bytes:
    return ("\n".join("\t".join(line) for line in table) + "\n").encode()
