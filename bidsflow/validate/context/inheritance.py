"""The inheritance principle: which files of a kind apply to a file, from its own folder up to the root.

Source: https://bids-specification.readthedocs.io/en/stable/common-principles.html#the-inheritance-principle
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bidsflow.validate.context.walk import sort_as_listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bidsflow.validate.context.walk import File, Folder

#: So many files of one kind in a folder are looked through; among more, those that apply are looked up.
_FEW: Final = 16


class AmbiguousError(Exception):
    """Several files of one folder apply, and none is nearest.

    Attributes
    ----------
    files : list of File
        In the order of their names.
    """

    def __init__(self, files: list[File]) -> None:
        super().__init__(files)
        self.files = files


def find_inherited(
    file: File,
    suffix: str = "",
    extensions: tuple[str, ...] = (".json",),
    free: tuple[str, ...] = (),
    *,
    inherit: bool = True,
    as_listed: bool = False,
) -> Iterator[list[File]]:
    """Give the files that apply to a file, nearest folder first, and mark them as viewed.

    Parameters
    ----------
    file : File
        The file that inherits.
    suffix : str
        Of the files sought; that of `file` if empty.
    extensions : tuple of str
        Of the files sought.
    free : tuple of str
        Entities that may differ from those of `file`.
    inherit : bool
        Whether to look beyond the folder of `file`.
    as_listed : bool
        Whether of files with equal entities (``sub-01_sub-01_bold.json``) the first is taken that the file system
        lists, as the reference does; by default the first by name.

    Yields
    ------
    files : list of File
        One; several only where `free` entities tell them apart.

    Raises
    ------
    AmbiguousError
        If several files of a folder apply, and none has all entities of `file`.
    """
    own = file.parts.entities
    kinds = [(extension, suffix or file.parts.suffix) for extension in extensions]
    folder = file.folder if inherit else None
    places = [file.folder] if not inherit else []
    while folder is not None:
        places.append(folder)
        folder = folder.parent
    for place in places:
        found = [other for kind in kinds for other in _list_applicable(place, kind, own, free)]
        if not found:
            continue
        if len(found) > 1:
            found = _choose(sort_as_listed(found) if as_listed else found, own, free)
        for other in found:
            other.viewed = True
        yield found


def _list_applicable(place: Folder, kind: tuple[str, str], own: dict[str, str], free: tuple[str, ...]) -> list[File]:
    """Return the files of a kind in a folder that apply to one with some entities."""
    files = place.by_kind.get(kind)
    if not files:
        return []
    if free or len(files) <= _FEW:
        return [other for other in files if _applies(other.parts.entities, own, free)]
    found: list[File] = []
    for keys, by_labels in place.by_labels(kind).items():
        found += by_labels.get(tuple([own.get(key, "") for key in keys]), ())
    return found


def _applies(entities: dict[str, str], own: dict[str, str], free: tuple[str, ...]) -> bool:
    return all(own.get(key) == label or key in free for key, label in entities.items())


def _choose(found: list[File], own: dict[str, str], free: tuple[str, ...]) -> list[File]:
    """Return the file that has every entity; all of them where entities are free to differ."""
    for other in found:
        entities = other.parts.entities
        if all(entities.get(key) == own.get(key) for key in (*own, *free)):
            return [other]
    if free:
        return found
    raise AmbiguousError(sorted(found, key=lambda other: other.path))
