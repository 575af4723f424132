"""Makes the context of a file: reads it, what it inherits, and what belongs to it."""

from __future__ import annotations

import contextlib
import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bidsflow.errors import FileFault
from bidsflow.validate.compile.javascript import OF_EVERY_OBJECT, UNDEFINED, same, truthy
from bidsflow.validate.compile.rules import Association, holds
from bidsflow.validate.context.context import Context, Dataset
from bidsflow.validate.context.inheritance import AmbiguousError, find_inherited
from bidsflow.validate.context.walk import File
from bidsflow.validate.issues import Issue, Severity
from bidsflow.validate.readers.gradients import load_rows
from bidsflow.validate.readers.gzip import load_gzip
from bidsflow.validate.readers.json import load_json
from bidsflow.validate.readers.nifti import load_header
from bidsflow.validate.readers.tiff import load_tiff
from bidsflow.validate.readers.tsv import load_headerless, load_tsv

if TYPE_CHECKING:
    from collections.abc import Callable


_TIFF_EXTENSIONS: Final = (".tif", ".btf")


@dataclass(slots=True)
class Loader:
    """Makes contexts for the files of one dataset, and remembers what several of them read.

    Attributes
    ----------
    dataset : Dataset
        What all files share.
    associations : tuple of Association
        Which files belong to which.
    max_rows : int
        Of each table; below 0 for all.
    whole : frozenset of str
        Paths of tables of which all rows are read.
    read_headers : bool
        Whether to open images.
    used : list of File
        What the context that was made last is made of, beside the file itself.
    """

    dataset: Dataset
    associations: tuple[Association, ...]
    max_rows: int = 1000
    whole: frozenset[str] = frozenset()
    read_headers: bool = True
    used: list[File] = field(default_factory=list)
    _by_kind: dict[tuple[str, str, str], list[Association]] = field(default_factory=dict)
    _datatypes: frozenset[str] = frozenset()
    _modalities: dict[str, str] = field(default_factory=dict)
    _jsons: dict[str, dict[str, Any] | FileFault] = field(default_factory=dict)
    _tables: dict[str, dict[str, list[str]] | FileFault] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._known_type()
        overlooked = OF_EVERY_OBJECT if self.dataset.compat else frozenset[str]()
        self._datatypes = overlooked.union(self.dataset.schema["objects"]["datatypes"])
        modalities = self.dataset.schema["rules"].get("modalities", {})
        self._modalities = {
            datatype: modality for modality, rule in modalities.items() for datatype in rule["datatypes"]
        }

    def _known_type(self) -> None:
        """Take the type of a dataset for given, whoever wrote it down: the rules for its description see it, too."""
        file = self.dataset.tree.files.get("dataset_description.json")
        if file is not None:
            with contextlib.suppress(FileFault):
                self.read_json(file)["DatasetType"] = self.dataset.facts["dataset_description"]["DatasetType"]

    def forget(self) -> None:
        """Drop what was read below the root: no file of another subject asks for it."""
        self._jsons = {path: value for path, value in self._jsons.items() if path.count("/") == 1}
        self._tables = {path: value for path, value in self._tables.items() if path.count("/") == 1}

    def load(self, file: File) -> tuple[Context, list[Issue]]:
        """Return the context of a file, and what went wrong while it was read."""
        self.used = []
        entities, suffix, extension = file.parts
        datatype = file.folder.name if file.folder.name in self._datatypes else ""
        modality = self._modalities.get(datatype, "")
        context = Context(self.dataset, file, file.path, entities, datatype, suffix, extension, modality)
        issues: list[Issue] = []
        if extension != ".json":
            self._add_sidecar(context, issues)
        self._add_associations(context, issues)
        self._add_columns(context, issues)
        if extension == ".json":
            self._add(context, issues, "json", lambda: self.read_json(file))
        if extension.startswith(".nii") and self.read_headers:
            self._add(context, issues, "nifti_header", lambda: load_header(file.disk))
            if context.nifti_header is not UNDEFINED and context.nifti_header["axis_codes"] is None:
                issues.append(Issue("AMBIGUOUS_AFFINE", Severity.WARNING, context.location))
        if extension.endswith(".gz"):
            self._try(context, "gzip", lambda: load_gzip(file.disk))
        if extension.endswith(_TIFF_EXTENSIONS):
            self._add_tiff(context)
        return context, issues

    def read_json(self, file: File) -> dict[str, Any]:
        """Return what a JSON file holds."""
        found: dict[str, Any] = _recall(self._jsons, file, load_json)
        return found

    def read_table(self, file: File) -> dict[str, list[str]]:
        """Return the columns of a table."""
        rows = -1 if file.path in self.whole else self.max_rows
        found: dict[str, list[str]] = _recall(self._tables, file, lambda disk: load_tsv(disk, rows))
        return found

    def _add(self, context: Context, issues: list[Issue], name: str, read: Callable[[], Any]) -> None:
        """Set a field of a context, or report why it cannot be read."""
        try:
            setattr(context, name, read())
        except FileFault as fault:
            issues.append(_report(fault, context.file))

    def _try(self, context: Context, name: str, read: Callable[[], Any]) -> None:
        """Set a field of a context if it can be read; others report where it cannot."""
        try:
            value = read()
        except FileFault:
            return
        setattr(context, name, UNDEFINED if value is None else value)

    def _add_sidecar(self, context: Context, issues: list[Issue]) -> None:
        """Merge the sidecars that apply to a file, the nearest first, and report where one overrides another."""
        sidecar, origins = context.sidecar, context.origins
        try:
            found = self._read_sidecars(context.file)
        except AmbiguousError as ambiguous:
            issues.append(_report_ambiguous(ambiguous, context.path))
            return
        for path, content in found:
            if sidecar:
                for key in sidecar.keys() & content.keys():
                    if not same(content[key], sidecar[key]):
                        message = f"Sidecar key defined in {path} overrides previous value from {origins[key]}"
                        location = origins[key][1:]
                        issues.append(Issue("SIDECAR_FIELD_OVERRIDE", Severity.WARNING, location, key, message))
            for key, value in content.items():
                if key not in sidecar:
                    sidecar[key] = value
                    origins[key] = path
        time = sidecar.get("RepetitionTime")
        if isinstance(time, int | float) and not isinstance(time, bool) and math.isfinite(time):
            sidecar["RepetitionTime"] = math.floor(time * 1000 + 0.5) / 1000

    def _read_sidecars(self, file: File) -> list[tuple[str, dict[str, Any]]]:
        """Return the sidecars that apply to a file and can be read, with their paths, the nearest first."""
        found = []
        for files in find_inherited(file, as_listed=self.dataset.compat):
            self.used += files
            try:
                found.append((files[0].path, self.read_json(files[0])))
            except FileFault:
                continue
        return found

    def _merge_sidecars(self, file: File) -> dict[str, Any]:
        """Return the metadata of an associated file."""
        merged: dict[str, Any] = {}
        for _, content in self._read_sidecars(file):
            merged = content | merged
        return merged

    def _add_associations(self, context: Context, issues: list[Issue]) -> None:
        """Find the files that belong to one, and read of them what expressions ask for."""
        kind = (context.datatype, context.suffix, context.extension)
        rules = self._by_kind.get(kind)
        if rules is None:
            rules = self._by_kind[kind] = [rule for rule in self.associations if holds(rule.by_kind, context)]
        for rule in rules:
            if rule.by_file and not holds(rule.by_file, context):
                continue
            nearest = find_inherited(
                context.file, rule.suffix, rule.extensions, rule.free,
                inherit=rule.inherit, as_listed=self.dataset.compat,
            )  # fmt: skip
            try:
                files = next(nearest, None)
            except AmbiguousError as ambiguous:
                issues.append(_report_ambiguous(ambiguous, context.path))
                continue
            if not files:
                continue
            self.used += files
            try:
                context.associations[rule.name] = self._describe(rule.name, files)
            except FileFault as fault:
                context.associations[rule.name] = UNDEFINED
                if fault.code:
                    issues.append(_report(fault, files[0]))
            except AmbiguousError as ambiguous:
                context.associations[rule.name] = UNDEFINED
                found = _report_ambiguous(ambiguous, context.path)
                issues.append(
                    Issue(found.code, found.severity, files[0].path[1:], "", found.message, "", found.affects)
                )  # fmt: skip

    def _describe(self, name: str, files: list[File]) -> dict[str, Any]:
        """Return what expressions may ask of an associated file (``meta.context`` of the schema)."""
        file = files[0]
        known: dict[str, Any] = {"path": file.path}
        match name:
            case "events":
                known |= {"onset": self._get_columns(file).get("onset", []), "sidecar": self._merge_sidecars(file)}
            case "aslcontext":
                volumes = self._get_columns(file).get("volume_type", [])
                known |= {"n_rows": len(volumes), "volume_type": volumes}
            case "bval":
                rows = load_rows(file.disk)
                if not rows:
                    raise FileFault("")  # the file's own context has the word
                known |= {"n_cols": len(rows[0]), "n_rows": len(rows), "values": rows[0]}
            case "bvec":
                rows = load_rows(file.disk)
                if not rows or any(len(row) != len(rows[0]) for row in rows):
                    raise FileFault("")
                known |= {"n_cols": len(rows[0]), "n_rows": len(rows)}
            case "channels":
                columns = self._get_columns(file)
                names = ("type", "short_channel", "sampling_frequency", "name")
                known |= {name: columns.get(name, UNDEFINED) for name in names}
            case "physio":
                known["sidecar"] = self._merge_sidecars(file)
            case "coordsystems":
                return self._describe_systems(files)
        return known

    def _describe_systems(self, files: list[File]) -> dict[str, Any]:
        """Return what is known of several coordinate systems."""
        parents = []
        for file in files:
            try:
                parent = self.read_json(file).get("ParentCoordinateSystem")
            except FileFault:
                continue
            if truthy(parent):
                parents.append(parent)
        spaces = [file.parts.entities.get("space", UNDEFINED) for file in files]
        return {"paths": [file.path for file in files], "spaces": spaces, "ParentCoordinateSystems": parents}

    def _get_columns(self, file: File) -> dict[str, list[str]]:
        """Return the columns of an associated table; none where it cannot be read, which its own context reports."""
        try:
            return self.read_table(file)
        except FileFault:
            return {}

    def _add_columns(self, context: Context, issues: list[Issue]) -> None:
        """Read a table, with the names of its columns from wherever they are."""
        file, compressed = context.file, context.extension == ".tsv.gz"
        if context.extension == ".tsv" and context.suffix != "motion":
            self._add(context, issues, "columns", lambda: self.read_table(file))
            return
        if not compressed and context.suffix != "motion":
            return
        if compressed:
            headers = context.sidecar.get("Columns")
        else:
            channels = context.associations.get("channels", UNDEFINED)
            headers = channels["name"] if channels is not UNDEFINED else None
        if truthy(headers) and file.size:
            read = lambda: load_headerless(file.disk, headers, compressed=compressed, max_rows=self.max_rows)  # noqa: E731
            self._add(context, issues, "columns", read)

    def _add_tiff(self, context: Context) -> None:
        try:
            tiff, ome = load_tiff(context.file.disk, context.extension.startswith(".ome"))
        except FileFault:
            return
        context.tiff = UNDEFINED if tiff is None else tiff
        context.ome = UNDEFINED if ome is None else ome


def _recall(memory: dict[str, Any], file: File, read: Callable[[str], Any]) -> Any:
    """Return what a file holds, read once; raise the same fault again, unless it may pass."""
    value = memory.get(file.path)
    if value is None:
        try:
            value = read(file.disk)
        except FileFault as fault:
            if fault.code == "FILE_READ":  # whoever watches for failures is to hear of each
                raise
            value = fault
        memory[file.path] = value
    if isinstance(value, FileFault):
        raise value
    return value


def _report(fault: FileFault, file: File) -> Issue:
    elsewhere = file.disk == os.devnull and not file.path.endswith("/")
    message = "git-annex has the content elsewhere: git annex get" if elsewhere else fault.message
    return Issue(fault.code, Severity.ERROR, file.path[1:], fault.subcode, message, line=fault.line)


def _report_ambiguous(ambiguous: AmbiguousError, path: str) -> Issue:
    paths = [file.path for file in ambiguous.files]
    message = f"Candidate files: {','.join(paths)}"
    return Issue("MULTIPLE_INHERITABLE_FILES", Severity.ERROR, paths[0][1:], "", message, "", (path[1:],))
