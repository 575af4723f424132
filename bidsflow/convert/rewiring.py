"""What the images of a session say of each other in their sidecars, and which sidecars change with the session.

A dry run and a conversion ask the same here. Reads only.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from bidsflow.convert.companions.calibration import pair_m0, tell_m0
from bidsflow.convert.content import is_same
from bidsflow.convert.folder import Session
from bidsflow.convert.held import read_folder
from bidsflow.convert.ledger import Entry, Ledger, read_ledger
from bidsflow.convert.links import Held, Links, Standing, read_links, sources
from bidsflow.convert.plan import PlanRow
from bidsflow.convert.sidecar import WIRING, Json, complete_sidecar, tell_links
from bidsflow.convert.supply import supply_echo_times
from bidsflow.convert.wiring import settle_fields
from bidsflow.dataset.tree import Dataset
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field of a sidecar, as it is and as it should be; None where it is absent."""

    key: str
    before: object
    after: object

    def __str__(self) -> str:
        """Return what the field loses and gains; the whole of a list that only gets another order."""
        before, after = _as_list(self.before), _as_list(self.after)
        gone = [f"-{one}" for one in before if one not in after]
        come = [f"+{one}" for one in after if one not in before]
        return " ".join([self.key, *(gone + come or [f"now {self.after}"])])


@dataclass(frozen=True, slots=True)
class Rewired:
    """A sidecar of an image that stays, which no longer says what the session around it says.

    Attributes
    ----------
    path : str
        Of the sidecar, relative to the dataset.
    fields : tuple of FieldChange
        What changes.
    sidecar : dict
        All that it is to hold.
    """

    path: str
    fields: tuple[FieldChange, ...]
    sidecar: Json

    @property
    def image(self) -> str:
        """BIDS path of its image, without extension."""
        return self.path.removesuffix(".json")


@dataclass(frozen=True, slots=True)
class Rewiring:
    """The sidecars that change with a session.

    Attributes
    ----------
    rewired : tuple of Rewired
        What bidsflow writes.
    by_hand : tuple of Rewired
        What it would write, had a person not edited the sidecar; fields of the wiring only.
    """

    rewired: tuple[Rewired, ...]
    by_hand: tuple[Rewired, ...]

    def advise(self, path: str, reason: str) -> str:
        """Return what is said of an image, with what a person may want to write into its sidecar."""
        return "; ".join(filter(None, [reason, *(_advise(one) for one in self.by_hand if one.image == path)]))


@dataclass(frozen=True, slots=True)
class Wires:
    """A session as it will stand.

    Attributes
    ----------
    rows : tuple of PlanRow
        Its images, new or there already, wired; with its former name what does not move after all.
    held : Held
        What its folder holds besides.
    series : mapping of str to Series
        The series of the rows, by SeriesInstanceUID.
    renamed : mapping of str to str
        The new paths of images that move, by their former ones.
    """

    rows: tuple[PlanRow, ...]
    held: Held
    series: Mapping[str, Series]
    renamed: Mapping[str, str]

    def complete(self, row: PlanRow, sidecar: Json) -> Json:
        """Return the sidecar of an image with what only the session knows."""
        name = parse_name(row.path)
        pairs = pair_m0(self.rows, self.series) if name.datatype == "perf" else {}
        if name.suffix == "asl":
            beside = [one.path for one in self.held.staying]
            sidecar = {**sidecar, "M0Type": tell_m0(sidecar, row.path, pairs, beside)}
        times = {
            parse_name(other.path).suffix: self.series[other.series_uid].images[other.image - 1].echo_time
            for other in self.rows
            if row.b0_identifier and other.b0_identifier == row.b0_identifier
        }
        return complete_sidecar(
            supply_echo_times(sidecar, name, times),
            suffix=name.suffix,
            task=name.entity("task"),
            field=row.b0_identifier,
            corrected_by=sources(row),
            intended_for=sorted(self._find_targets(row, pairs)),
        )

    def _find_targets(self, row: PlanRow, pairs: Mapping[str, str]) -> list[str]:
        """Return the URIs of the images that an image is intended for; `pairs` are runs with their M0 scans."""
        name, before = parse_name(row.path), self.held.before.get(row.path, Links()).targets
        if name.suffix == "m0scan":
            others = {_uri(one.path) for one in self.held.staying}
            served = (_uri(run) for run, scan in pairs.items() if scan == row.path)
            return [*(uri for uri in before if uri in others), *served]
        if not _serves(row.path, row.b0_identifier):
            return []
        unknown = {_uri(one.path) for one in self.held.staying if not one.is_ours}
        return [*({uri for uri in before if uri in unknown} | self._find_corrected(row.b0_identifier))]

    def _find_corrected(self, label: str) -> set[str]:
        """Return the URIs of the images that a field corrects, converted or standing."""
        if not label:
            return set()
        rows = {_uri(row.path) for row in self.rows if label in sources(row)}
        return rows | {_uri(one.path) for one in self.held.staying if label in one.links.sources}

    def find_targets_of(self, one: Standing) -> tuple[str, ...]:
        """Return the URIs of the images that an image which is not converted is intended for, sorted."""
        renamed = {_uri(former): _uri(path) for former, path in self.renamed.items()}
        targets = {renamed.get(uri, uri) for uri in one.links.targets}
        if _serves(one.path, one.links.identifier or one.former):
            targets -= {_uri(row.path) for row in self.rows}
            targets -= {_uri(other.path) for other in self.held.staying if other.is_ours}
            targets |= self._find_corrected(one.links.identifier)
        return tuple(sorted(targets))


def wire_session(dataset: Dataset, ledgers: Mapping[str, Ledger], session: Session, fresh: Collection[str]) -> Wires:
    """Return a session as it will stand.

    Parameters
    ----------
    dataset : Dataset
        As it is now.
    ledgers : mapping of str to Ledger
        Of the session, and of the folders that images of it come from, by folder.
    session : Session
        What the plan says.
    fresh : collection of str
        BIDS paths of the images that are new or changed.
    """
    rows = [row if row.path in fresh else replace(row, path=session.find_place(row)) for row in session.rows]
    held = _read_held(dataset, ledgers, session, rows)
    ledger = ledgers[session.folder]
    there = [row for row in rows if row.path in fresh or _owner(ledger.get(row.path)) == _image(row)]
    settled = settle_fields(there, session.series, {session.folder: held})  # a series may have failed
    renamed = {session.find_place(row): row.path for row in session.rows if row.path in fresh}
    held = settled.held[session.folder]
    return Wires(settled.rows, held, session.series, {old: new for old, new in renamed.items() if old != new})


def find_rewired(
    dataset: Dataset, ledgers: Mapping[str, Ledger], session: Session, wires: Wires, fresh: Collection[str]
) -> Rewiring:
    """Return the sidecars of a session that change although their images stay as they are.

    Parameters
    ----------
    dataset : Dataset
        As it is now.
    ledgers : mapping of str to Ledger
        Of the session, and of the folders that images of it come from, by folder, as they are now.
    session : Session
        What the plan says.
    wires : Wires
        The session as it will stand.
    fresh : collection of str
        BIDS paths of the images that are new or changed.
    """
    ledger, kept = ledgers[session.folder], session.kept
    rewired: list[Rewired] = []
    by_hand: list[Rewired] = []
    for row in wires.rows:
        name, entry = f"{row.path}.json", ledger.get(row.path)
        if entry is None or name not in entry.files or (row.path in fresh and name not in kept):
            continue
        old = _read_sidecar(dataset, name)
        if old is None:
            continue
        new = wires.complete(row, old)
        edited = not is_same(dataset.root / name, entry.files[name])
        if fields := _compare(old, new, WIRING if edited else dict.fromkeys([*old, *new])):
            (by_hand if edited else rewired).append(Rewired(name, fields, new))
    wanted = {one: replace(one.links, targets=wires.find_targets_of(one)) for one in wires.held.staying}
    rewired += _relink(dataset, ledger, wanted)
    return Rewiring((*rewired, *_release(dataset, ledgers, session, wires)), tuple(by_hand))


def _relink(dataset: Dataset, ledger: Ledger, wanted: Mapping[Standing, Links]) -> list[Rewired]:
    """Return the sidecars of images that are not converted and that are to be wired otherwise than before.

    An export may hold a part of a session: its field maps may correct runs that only the dataset has, its runs may get
    another name, or be wired to field maps that only the dataset has. A sidecar that a person has edited is left alone.
    """
    rewired = []
    for one, links in wanted.items():
        name, files = f"{one.path}.json", ledger[one.path].files
        old = _read_sidecar(dataset, name) if name in files else None
        if old is None or _sort(read_links(old)) == _sort(links) or not is_same(dataset.root / name, files[name]):
            continue
        new = {key: value for key, value in old.items() if key not in WIRING} | tell_links(
            links.identifier, links.sources, links.targets
        )
        rewired.append(Rewired(name, _compare(old, new, WIRING), new))
    return rewired


def _sort(links: Links) -> Links:
    return replace(links, targets=tuple(sorted(links.targets)))


def _release(dataset: Dataset, ledgers: Mapping[str, Ledger], session: Session, wires: Wires) -> list[Rewired]:
    """Return the sidecars of other folders that are intended for images that leave those for this session."""
    left = {path for path in wires.renamed if parse_name(path).folder != session.folder}
    gone = {_uri(path) for path in left}
    rewired = []
    for folder in sorted({parse_name(path).folder for path in left}):
        staying = read_folder(dataset, ledgers[folder], {}, session.named, session.converted).staying
        wanted = {
            one: replace(one.links, targets=tuple(sorted({*one.links.targets} - gone)))
            for one in staying
            if gone.intersection(one.links.targets)
        }
        rewired += _relink(dataset, ledgers[folder], wanted)
    return rewired


def foresee_rewiring(dataset: Dataset, session: Session, fresh: Collection[str]) -> Rewiring:
    """Return which sidecars of a session will change if all that is to be done in it succeeds; see `find_rewired`."""
    folders = {session.folder, *(parse_name(path).folder for path in session.former.values())}
    ledgers = {folder: read_ledger(dataset, folder) for folder in folders}
    wires = wire_session(dataset, ledgers, session, fresh)
    return find_rewired(dataset, ledgers, session, wires, fresh)


def _read_held(dataset: Dataset, ledgers: Mapping[str, Ledger], session: Session, rows: Sequence[PlanRow]) -> Held:
    """Return what the folder of a session holds beside the images that the plan converts, as they will stand."""
    planned = {_image(row): row.path for row in rows}
    stand = {
        planned[owner]: path
        for ledger in ledgers.values()
        for path, entry in ledger.items()
        if (owner := (entry.series_uid, entry.image)) in planned
    }
    return read_folder(dataset, ledgers[session.folder], stand, session.named, session.converted)


def _read_sidecar(dataset: Dataset, name: str) -> Json | None:
    """Return what a sidecar holds; None where it is gone, or where a person left what is none."""
    try:
        found = json.loads((dataset.root / name).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _compare(old: Json, new: Json, keys: Collection[str]) -> tuple[FieldChange, ...]:
    """Return the fields that differ; a list of one is its item."""
    pairs = ((key, old.get(key), new.get(key)) for key in keys)
    return tuple(FieldChange(key, *pair) for key, *pair in pairs if _as_list(pair[0]) != _as_list(pair[1]))


def _as_list(value: object) -> list[object]:
    """Return the items of a field of a sidecar; none of one that is absent."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _advise(one: Rewired) -> str:
    gone = [f'no "{field.key}"' for field in one.fields if field.after is None]
    wanted = [f'"{field.key}": {json.dumps(field.after)}' for field in one.fields if field.after is not None]
    return f"by the other images of its session, {one.path.rpartition('/')[2]} would say {', '.join([*wanted, *gone])}"


def _serves(path: str, label: str) -> bool:
    """Return whether an image of a field is intended for the runs that the field corrects.

    A run may be one half of a field map; it then measures the field, but is intended for nothing but itself.
    """
    name = parse_name(path)
    return bool(label) and name.datatype == "fmap" and not name.suffix.startswith("magnitude")


def _uri(path: str) -> str:
    return f"bids::{path}.nii.gz"


def _image(row: PlanRow) -> tuple[str, int]:
    return row.series_uid, row.image


def _owner(entry: Entry | None) -> tuple[str, int] | None:
    return None if entry is None else (entry.series_uid, entry.image)
