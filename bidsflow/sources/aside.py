"""What was set aside, ready to be shown to others.

Comes in: an inventory and the exports that it was taken of. Goes out: one value per file that was set aside, with a
path that names no one and, for what is not DICOM, what it is instead and what to do. Reads first bytes, writes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bidsflow.dicom.partable import NAME
from bidsflow.dicom.person import hide_people, person_pattern
from bidsflow.dicom.series import Inventory, SetAside
from bidsflow.sources.foreign import HEAD_BYTES, Content, name_content
from bidsflow.sources.parrec import ADVICE, describe_part

#: How the reasons begin that the reader of headers gives for bytes that it does not know.
_UNKNOWN = ("not DICOM", "a compressed file", "an empty file inside gzip", "the file ends inside", "neither reader")
#: How those of files begin that were not fetched whole.
_BROKEN_OFF = ("its pixel data is truncated", "the file ends inside", "a compressed file", "empty file")
_AGAIN = "fetch it again"
_EMPTY, _COPY = "empty file", "a copy of "


@dataclass(frozen=True, slots=True)
class Aside:
    """A file that is not used.

    Attributes
    ----------
    path : str
        Relative to the export, or to what several exports have in common. What names a person, or a day, is masked.
    reason : str
        A short clause.
    advice : str
        What to do about it; mostly ``""``.
    harmless : bool
        True for what no one will miss.
    """

    path: str
    reason: str
    advice: str = ""
    harmless: bool = False

    @property
    def kind(self) -> str:
        """The reason without the path that it may name, so that equal ones can be counted."""
        return "a copy" if self.reason.startswith(_COPY) else self.reason


def show_aside(inventory: Inventory, exports: Sequence[Path], *, identified: bool = False) -> tuple[Aside, ...]:
    """Return what an inventory set aside, in its order.

    Folders are often called after the person and the day. Names and IDs are known from the headers of the export; of
    a folder in which no header can be read they are not, so that its name is shown as it is.

    Parameters
    ----------
    inventory : Inventory
        What the exports hold.
    exports : sequence of Path
        As the user gave them.
    identified : bool
        Show whole paths as they are.
    """
    shorten = str if identified else _make_shortener(inventory, exports)
    return tuple(_show(one, shorten) for one in inventory.set_aside)


def _show(aside: SetAside, shorten: Callable[[str], str]) -> Aside:
    path = shorten(aside.path)
    if aside.reason.startswith(_COPY):
        return Aside(path, _COPY + shorten(aside.reason.removeprefix(_COPY)), harmless=aside.harmless)
    if aside.reason.startswith(NAME):
        return Aside(path, aside.reason, "" if aside.harmless else ADVICE, aside.harmless)
    content = _find_instead(aside)
    if content is None:
        advice = _AGAIN if aside.lost and aside.reason.startswith(_BROKEN_OFF) else ""
        return Aside(path, aside.reason, advice, aside.harmless)
    return Aside(path, content.name, content.advice, content.harmless)


def _find_instead(aside: SetAside) -> Content | None:
    """Return what a file is instead of DICOM; one of no bytes is nothing, unless it is called an archive."""
    if not aside.reason.startswith((*_UNKNOWN, _EMPTY)):
        return None
    content = find_content(aside.path)
    return content if content is None or content.packed or aside.reason != _EMPTY else None


def tell_packed(set_aside: Sequence[SetAside]) -> tuple[SetAside, ...]:
    """Return what was set aside, what is an archive that was not opened, or is called one, as lost."""
    return tuple(
        replace(one, lost=True) if (content := _find_instead(one)) is not None and content.packed else one
        for one in set_aside
    )


def find_content(path: str) -> Content | None:
    """Return what a file is that is not DICOM, None where its first bytes do not tell or cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - paths are text here, there may be many
            content = name_content(file.read(HEAD_BYTES), os.path.basename(path))  # noqa: PTH119
    except OSError:
        return None
    return describe_part(path) if content is not None and content.name == NAME else content


def _make_shortener(inventory: Inventory, exports: Sequence[Path]) -> Callable[[str], str]:
    """Return what makes a path relative and masks it; the parts of paths repeat, so that each is masked once."""
    found = {series.patient for series in inventory.series} | {one.patient for one in inventory.set_aside}
    people = person_pattern(*(patient for patient in found if patient is not None))
    roots = [os.path.abspath(export) for export in exports]  # noqa: PTH100 - as `find_files`, which follows no link
    base = os.path.commonpath([os.path.dirname(root) if os.path.isfile(root) else root for root in roots])  # noqa: PTH113, PTH120
    known: dict[str, str] = {}

    def shorten(path: str) -> str:
        for folder, shown in inventory.origins:
            if path.startswith(f"{folder}/"):
                path = shown + path[len(folder) :]
        parts = Path(os.path.relpath(path, base)).parts or (".",)
        for part in parts:
            if part not in known:
                known[part] = hide_people(part, people)
        return "/".join(known[part] for part in parts)

    return shorten
