"""The context of a file: what the schema's expressions may ask about it (``meta.context`` of the schema)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bidsflow.validate.compile.javascript import UNDEFINED
from bidsflow.validate.context.names import split_name
from bidsflow.validate.context.walk import File, Folder

if TYPE_CHECKING:
    from bidsflow.validate.readers.ignore import IgnoreRules


class Facts(dict[str, Any]):
    """What expressions may ask of a dataset; remembers whether they asked for its subjects.

    A verdict on a file that depends on them does not outlive the coming or going of a subject.
    """

    asked = False

    def get(self, key: str, default: Any = None) -> Any:
        """Return a fact."""
        if key == "subjects":
            self.asked = True
        return super().get(key, default)


@dataclass(frozen=True, slots=True)
class Dataset:
    """What all files of a dataset share.

    Attributes
    ----------
    tree : Folder
        Its files.
    ignore : IgnoreRules
        What is not to be checked.
    schema : dict
        The whole schema.
    facts : Facts
        ``dataset`` of the schema's expressions: description, subjects, datatypes, modalities.
    opaque : frozenset of str
        Paths of folders that are not looked into.
    pseudo : frozenset of str
        Extensions of folders that stand for files: ``.ds/``.
    kind : str
        The type of the dataset: raw, derivative, study.
    compat : bool
        Whether to see it as the reference does, mistakes included.
    """

    tree: Folder
    ignore: IgnoreRules
    schema: dict[str, Any]
    facts: Facts
    opaque: frozenset[str]
    pseudo: frozenset[str]
    kind: str
    compat: bool = False

    def is_pseudo(self, folder: Folder) -> bool:
        """Return whether a folder stands for a file: ``sub-01_meg.ds``."""
        if "_" not in folder.name:
            return False  # a suffix needs one, or is all there is
        parts = split_name(folder.name)
        return bool(parts.suffix and parts.entities) and f"{parts.extension}/" in self.pseudo

    def is_opaque(self, folder: Folder) -> bool:
        """Return whether the standard leaves what a folder holds to its owner: ``/code``."""
        return folder.path in self.opaque

    def ignores(self, path: str) -> bool:
        """Return whether a path, with its leading slash, is left out by the standard or by ``.bidsignore``."""
        return path == "/.bidsignore" or self.ignore.ignores(path[1:])

    def ignores_folder(self, folder: Folder) -> bool:
        """Return whether a folder is left out; to the reference, ``extra/`` is about what it holds only."""
        path = folder.path[1:]
        return self.ignore.ignores(path) or (not self.compat and self.ignore.ignores(f"{path}/"))


@dataclass(slots=True)
class Context:
    """What is known of one file; the names of the attributes are the schema's.

    Attributes
    ----------
    shared : Dataset
        What all files share.
    file : File
        The file.
    path : str
        From the root on, with a leading slash.
    location : str
        The same without the slash, as issues give it.
    origins : dict of str to str
        Which file each key of `sidecar` comes from.
    touched : dict of str to bool
        The paths that were looked up, and whether they are there.
    """

    shared: Dataset
    file: File
    path: str
    entities: dict[str, str]
    datatype: str
    suffix: str
    extension: str
    modality: str
    location: str = field(init=False)
    sidecar: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    associations: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    json: dict[str, Any] = field(default_factory=dict)
    subject: dict[str, Any] = field(default_factory=dict)
    gzip: Any = UNDEFINED
    nifti_header: Any = UNDEFINED
    ome: Any = UNDEFINED
    tiff: Any = UNDEFINED
    touched: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.location = self.path[1:]  # once: some files have dozens of issues

    @property
    def size(self) -> int:
        """In bytes."""
        return self.file.size

    @property
    def schema(self) -> dict[str, Any]:
        """The whole schema."""
        return self.shared.schema

    @property
    def dataset(self) -> dict[str, Any]:
        """What is known of the dataset."""
        return self.shared.facts

    def has_file(self, path: str, where: str) -> bool:
        """Return whether a path exists, seen from the dataset's root, the subject, the stimuli or the file's folder."""
        start = self.shared.tree
        if where == "stimuli":
            path = f"stimuli/{path}"
        elif where == "subject":
            path = f"sub-{self.entities.get('sub', 'undefined')}/{path}"
        elif where == "file":
            start = self.file.folder
        found = start.find(path)
        self.touched[f"{start.path}/{path}"] = found is not None
        if found is not None:
            found.viewed = True
        return found is not None
