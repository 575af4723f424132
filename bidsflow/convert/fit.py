"""Hold a plan that a person edited against the images that it names. Pure.

What cannot be true, or cannot become valid BIDS, is refused before anything is written; what is only unusual is noted,
and a person who knows better has it converted.

Sources: BIDS schema, ``rules.checks`` (``BOLD_NOT_4D``, ``T1W_FILE_WITH_TOO_MANY_DIMENSIONS``,
``MAGNITUDE_FILE_WITH_TOO_MANY_DIMENSIONS``, ``DWI_MISSING_BVAL``, ``FIELDMAP_WITHOUT_MAGNITUDE_FILE``) and
``rules.sidecars`` (``asl``, ``fmap``, ``pet``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from bidsflow.convert.companions.labelling import describe_labelling, describe_m0
from bidsflow.convert.given import find_fault as find_field_fault
from bidsflow.convert.links import Standing
from bidsflow.convert.naming.physics import FEW_VOLUMES, only_b_zero
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.wiring import check_labels
from bidsflow.dicom.geometry import find_fault
from bidsflow.dicom.grouping import UNLIKE, WRITTEN_ON
from bidsflow.dicom.parrec import is_pair
from bidsflow.dicom.physics import Kind, classify, field_in_hz, find_contradiction
from bidsflow.dicom.series import Image, Inventory, Series
from bidsflow.errors import PlanError
from bidsflow.names import BidsName, parse_name
from bidsflow.schema import takes

#: What BIDS requires beside an image and no header holds for certain, by datatype and suffix.
_NOT_IN_HEADERS = {
    ("fmap", "m0scan"): "the datatype perf",
    ("perf", "noRF"): "the asl that it belongs to",
    ("pet", "pet"): "the tracer, its injection and the reconstruction in the sidecar",
}
_SERIES_SUFFIXES = frozenset({"bold", "cbv"})
_RUN_KINDS = frozenset({Kind.GRADIENT_EPI, Kind.SPIN_EPI, Kind.EPI, Kind.PERFUSION, Kind.UNKNOWN})
#: Kinds that are usual for what EPI reads out.
_PLANAR = {
    ("func", "bold"): _RUN_KINDS,
    ("func", "cbv"): _RUN_KINDS,
    ("func", "sbref"): _RUN_KINDS,
    ("dwi", "sbref"): _RUN_KINDS | {Kind.DIFFUSION},
    ("fmap", "epi"): _RUN_KINDS | {Kind.DIFFUSION},
}
#: More than one volume of these is an error of the standard; of those below it is only unusual.
_ONE_VOLUME = frozenset({"T1w", "magnitude1", "magnitude2"})
_USUALLY_ONE = frozenset({
    "T2w", "FLAIR", "PDw", "T2starw", "inplaneT1", "inplaneT2", "UNIT1", "angio", "magnitude", "phasediff", "phase1",
    "phase2", "fieldmap", "sbref",
})  # fmt: skip
_CONTRASTS = {
    Kind.T1W: {"T1w", "inplaneT1"},
    Kind.T2W: {"T2w", "inplaneT2"},
    Kind.STIR: {"T2w"},
    Kind.FLAIR: {"FLAIR"},
    Kind.PDW: {"PDw"},
    Kind.T2STARW: {"T2starw"},
}
_SAID = frozenset().union(*_CONTRASTS.values())
_NO_CONTRAST = (_RUN_KINDS - {Kind.UNKNOWN}) | {
    Kind.DIFFUSION, Kind.ASL, Kind.LOCALIZER, Kind.DERIVED, Kind.FIELD_GRE, Kind.NAVIGATOR,
}  # fmt: skip
#: Suffixes that end with the number of their echo.
_BY_ECHO = frozenset({"magnitude1", "magnitude2", "phase1", "phase2"})
_PARTS = {"mag": "magnitude", "phase": "phase", "real": "real", "imag": "imaginary"}
_MAGNITUDE_WORDS = frozenset({"M", "MAGNITUDE", "M_FFE", "M_SE", "M_IR"})

#: What is said of half of a field map whose readout no one knows.
NO_READOUT = "BIDS requires TotalReadoutTime, which no PAR tells; give it in a study specification (sidecar)"

_NO_REPETITION = "no RepetitionTime, which BIDS requires"

#: Series that a plan leaves out are listed up to this number.
_LISTED = 20


def check_fit(plan: Plan, inventory: Inventory, where: str, staying: Sequence[Standing] = ()) -> None:
    """Make sure that a plan speaks of what the export holds, and asks of no image what it cannot be.

    Parameters
    ----------
    plan : Plan
        Checked by `plan.check_rows`.
    inventory : Inventory
        What the export holds.
    where : str
        Name of the plan, for messages.
    staying : sequence of Standing
        Images that the dataset holds besides.

    Raises
    ------
    PlanError
        If a row names a series or an image that the export does not have, or has with other files; if its name cannot
        be that of its image; if it is corrected by a field that no image measures.
    """
    known = {series.uid: series for series in inventory.series}
    problems = []
    for row in plan.decided(Decision.CONVERT):
        reason = _find_stray(row, known)
        if not reason:
            series, given = known[row.series_uid], plan.fields_of(row)
            image = series.images[row.image - 1]
            reason = find_misfit(parse_name(row.path), series, image, given)
            if not reason and (fault := find_field_fault(image, given)):
                reason = f"the study gives {fault.key} in sidecar, which {fault.reason}"
        if reason:
            problems.append(f"{row.title}: {reason}")
    halves = find_equal_halves(plan.rows, plan.fields_of)
    problems += [f"{row.title}: {halves[row.series_uid, row.image]}" for row in plan.rows
                 if (row.series_uid, row.image) in halves]  # fmt: skip
    problems += _find_lone_m0(plan, staying)
    problems += check_labels(plan, known, staying)
    if problems:
        raise PlanError(where, tuple(problems))


def find_equal_halves(
    rows: Sequence[PlanRow], fields_of: Callable[[PlanRow], Mapping[str, object]]
) -> dict[tuple[str, int], str]:
    """Return why halves of a field map to which a study gives one direction can be none, by UID and rank.

    Parameters
    ----------
    rows : sequence of PlanRow
        With their labels of fields.
    fields_of : callable
        Tells the fields that a study gives for the sidecar of a row.
    """
    halves: dict[tuple[str, str, str], list[tuple[PlanRow, str]]] = defaultdict(list)
    for row in rows:
        direction = fields_of(row).get("PhaseEncodingDirection", "")
        if row.decision is Decision.CONVERT and row.b0_identifier and isinstance(direction, str) and direction:
            name = parse_name(row.path)
            if (name.datatype, name.suffix) == ("fmap", "epi"):
                halves[name.folder, row.b0_identifier, direction].append((row, name.entity("dir")))
    return {
        (
            row.series_uid,
            row.image,
        ): f"the study gives PhaseEncodingDirection {direction} to halves of field map {field} "
        f"that are named {' and '.join(f'dir-{one}' for one in labels)}, and only opposite ones measure a field"
        for (_, field, direction), members in halves.items()
        if len(labels := sorted({label for _, label in members})) > 1
        for row, _ in members
    }


def note_oddities(
    plan: Plan, inventory: Inventory, against: Mapping[tuple[str, int], str] = MappingProxyType({})
) -> tuple[str, ...]:
    """Return what is unusual in a plan that fits, a sentence for each row.

    Parameters
    ----------
    plan : Plan
        The rows.
    inventory : Inventory
        What they are of.
    against : mapping of (str, int) to str
        What else speaks against a name, by SeriesInstanceUID and rank.
    """
    known = {series.uid: series for series in inventory.series}
    rows = [row for row in plan.decided(Decision.CONVERT) if not _find_stray(row, known)]
    names = [parse_name(row.path) for row in rows]
    notes = []
    for row, name in zip(rows, names, strict=True):
        series = known[row.series_uid]
        odd = _find_oddity(name, series, series.images[row.image - 1])
        if name.suffix == "fieldmap" and not any(_is_magnitude_of(name, other) for other in names):
            odd = "BIDS wants the magnitude beside a fieldmap, and the plan converts none"
        said = dict.fromkeys((against.get((row.series_uid, row.image), ""), odd))
        if told := "; ".join(filter(None, said)):
            notes.append(f"{row.title} is to be {row.path}: {told}")
    echoes = _find_wrong_echoes(rows, [known[row.series_uid].images[row.image - 1].echo_time for row in rows])
    return (*notes, *(f"{row.title} is to be {row.path}: {odd}" for row, odd in echoes))


def _find_wrong_echoes(rows: Sequence[PlanRow], times: Sequence[float]) -> list[tuple[PlanRow, str]]:
    """Return the rows whose echo is another by its time, among the echoes of one name, and what is to be said."""
    groups: dict[object, list[tuple[int, float, PlanRow]]] = defaultdict(list)
    for row, time in zip(rows, times, strict=True):
        name = parse_name(row.path)
        number = name.entity("echo") or (name.suffix[-1] if name.suffix in _BY_ECHO else "")
        if number and time > 0:
            key = name.folder, name.with_entity("echo", "").entities, name.suffix.rstrip("12"), name.datatype
            groups[key].append((int(number), time, row))
    wrong = []
    for members in groups.values():
        sorted_times, ranks = sorted(time for _, time, _ in members), sorted(rank for rank, _, _ in members)
        for rank, time, row in members:
            right = ranks[sorted_times.index(time)]
            if right != rank and len(set(sorted_times)) == len(members):
                wrong.append((row, f"by its echo time ({time:g} ms) it is echo {right}"))
    return wrong


def note_unplanned(plan: Plan, inventory: Inventory) -> tuple[str, ...]:
    """Return a sentence for each series that a person's plan does not mention whole; what it skips, it mentions."""
    named = {(row.series_uid, row.image) for row in plan.rows}
    notes = []
    for series in inventory.series:
        count = len(series.images)
        absent = [str(rank) for rank in range(1, count + 1) if (series.uid, rank) not in named]
        which = f", image {' and '.join(absent)} of {count}" if len(absent) < count else ""
        if absent:
            notes.append(f"series {series.title}{which}: not in the plan, nothing is done with it")
    if len(notes) > _LISTED:
        rest = len(notes) - _LISTED
        notes[_LISTED:] = [f"{rest} more series are not in the plan, or not with all their images"]
    return tuple(notes)


def _find_stray(row: PlanRow, known: Mapping[str, Series]) -> str:
    """Return why the export does not have the image of a row, ``""`` where it has."""
    series = known.get(row.series_uid)
    if series is None:
        return "the export has no such series; plan again, or set its decision to skip"
    if not 1 <= row.image <= len(series.images):
        return f"the series has {len(series.images)} images, not {row.image}; plan again"
    found = series.images[row.image - 1].n_instances
    if found != row.n_files:
        return f"planned with {row.n_files} files, the export now has {found}; plan again"
    return ""


def find_misfit(
    name: BidsName, series: Series, image: Image, given: Mapping[str, object] = MappingProxyType({})
) -> str:
    """Return why an image cannot have a name, ``""`` where it can; `given` is what a study says of its sidecar."""
    suffix, part, volumes = name.suffix, _declared(image), image.volumes
    if made_up := find_made_up(series, image):
        return made_up
    if (needs := _NOT_IN_HEADERS.get((name.datatype, suffix))) or name.datatype == "mrs":
        needs = needs or "spectroscopy, which bidsflow does not convert"
        return f"as {suffix} BIDS requires {needs}; skip it and add it by hand"
    if lacks_readout(name.datatype, suffix, series, given):
        return f"as {suffix} {NO_READOUT}"
    if name.datatype == "perf" and (missing := _list_unknown(name, series, image, given)):
        return (
            f"as {suffix} BIDS requires {', '.join(missing)}, which nothing tells; give them in a study specification"
        )
    if suffix in _SERIES_SUFFIXES and volumes < 2:
        return f"a {suffix} has several volumes, and this image has one; an sbref has one"
    if suffix in _ONE_VOLUME and volumes > 1:
        return f"a {suffix} has one volume, and this image has {volumes}"
    if suffix == "sbref" and volumes > FEW_VOLUMES:
        return f"an sbref is a reference of one or few volumes, and this image has {volumes}; it may be a run"
    if suffix == "dwi" and volumes == 1 and not image.b_values and classify(series, image).kind is not Kind.DIFFUSION:
        return "a dwi needs b-values, and neither its headers nor its sequence say anything of diffusion"
    return _find_wrong_part(name, series, image, part)


def find_made_up(series: Series, image: Image) -> str:
    """Return why nothing says where an image lies, ``""`` where its headers do: dcm2niix would make it up."""
    fault = find_fault(image.header, image.orientation)
    made_up = next((one for one in series.incomplete if one == fault or one.startswith(UNLIKE)), "")
    return f"{made_up}: where it lies would be made up" if made_up else ""


def lacks_readout(datatype: str, suffix: str, series: Series, given: Mapping[str, object]) -> bool:
    """Return whether an image is half of a field map of a PAR, which has no field strength to estimate a time by."""
    return (datatype, suffix) == ("fmap", "epi") and is_pair(series) and "TotalReadoutTime" not in given


def find_repetition_fault(suffix: str, image: Image, given: Mapping[str, object]) -> str:
    """Return that headers say no possible time between the volumes of a run, ``""`` where they do.

    dcm2niix leaves out a RepetitionTime that is not above zero. Source: BIDS schema, ``rules.sidecars.func``.
    """
    times = image.header.numbers("RepetitionTime")
    if suffix not in _SERIES_SUFFIXES or {"RepetitionTime", "VolumeTiming"} & given.keys() or max(times, default=0) > 0:
        return ""
    said = f"a RepetitionTime of {times[0]:g} ms, and BIDS requires a true one" if times else _NO_REPETITION
    return f"its headers say {said}; give it in seconds in a study specification (sidecar)"


def _list_unknown(name: BidsName, series: Series, image: Image, given: Mapping[str, object]) -> tuple[str, ...]:
    """Return what BIDS requires of an image of labelled blood and nothing tells."""
    if name.suffix == "m0scan":
        needed = "RepetitionTimePreparation"
        return () if needed in describe_m0(series, image, given) else (needed,)
    return describe_labelling(series, image, given).missing if name.suffix == "asl" else ()


def _find_lone_m0(plan: Plan, staying: Sequence[Standing]) -> list[str]:
    """Return a sentence for each M0 scan whose session has no run of labelled blood that it could be intended for."""
    rows = [(row, parse_name(row.path)) for row in plan.decided(Decision.CONVERT)]
    names = [name for _, name in rows] + [parse_name(one.path) for one in staying]
    runs = {name.folder for name in names if name.suffix == "asl"}
    return [
        f"{row.title}: as m0scan BIDS requires IntendedFor, and no asl of its session is converted"
        for row, name in rows
        if name.suffix == "m0scan" and name.folder not in runs
    ]


def _find_wrong_part(name: BidsName, series: Series, image: Image, part: str) -> str:
    """Return why the component of an image contradicts its name; what declares no component contradicts nothing."""
    suffix, said = name.suffix, f"by its headers it is a {part} image"
    if name.datatype == "fmap" and suffix.startswith("phase") and part not in ("", "phase"):
        return f"a {suffix} holds phases, but {said}"
    if suffix.startswith("magnitude") and part not in ("", "magnitude"):
        return f"a {suffix} holds magnitudes, but {said}"
    if suffix == "fieldmap" and not field_in_hz(image):
        if any(field_in_hz(one) for one in series.images):
            return "the series has a field map in Hz, but this image of it is another; it may be the magnitude"
        return "nothing in its headers says that its values are a field in Hz, so its Units are unknown"
    wanted = _PARTS.get(name.entity("part"), "")
    if wanted and part and wanted != part:
        return f"it is named part-{name.entity('part')}, but {said}"
    return ""


def _declared(image: Image) -> str:
    """Return the component that the headers declare; ``""`` where `Image.component` is magnitude by default only."""
    header = image.header
    if image.component != "magnitude" or header.text("ComplexImageComponent") or "GeImageType" in header:
        return image.component
    return image.component if _MAGNITUDE_WORDS & set(header.words("ImageType")[2:]) else ""


def _find_oddity(name: BidsName, series: Series, image: Image) -> str:
    """Return what is unusual about an image of a name, ``""`` where nothing is."""
    suffix, volumes, kind = name.suffix, image.volumes, classify(series, image).kind
    if kind is Kind.CAPTURE:
        return "it is a screen capture, which may show the name of the person"
    if WRITTEN_ON in series.problems:
        return WRITTEN_ON
    if suffix in _USUALLY_ONE and volumes > 1:
        return f"{'an' if suffix == 'sbref' else 'a'} {suffix} usually has one volume, and this image has {volumes}"
    if suffix == "dwi" and not image.b_values:
        return "no b-values are in its headers; where dcm2niix finds none either, it will fail"
    if suffix == "dwi" and (only_b_zero(image) or volumes == 1):
        return "it has no weighted volume" if only_b_zero(image) else "it has one volume only"
    if kind not in _PLANAR.get((name.datatype, suffix), {kind}):
        return f"by its physics it is {kind.value}"
    if suffix in _SAID and (kind in _NO_CONTRAST or suffix not in _CONTRASTS.get(kind, {suffix})):
        return f"by its physics it is {kind.value}"
    if against := find_contradiction(name.entity("dir"), series.header):
        return f"by its header phase encoding runs {against}"
    if image.component != "magnitude" and takes(name.datatype, suffix, "part") and not name.entity("part"):
        return f"by its headers it is a {image.component} image, which BIDS names with part-"
    return ""


def _is_magnitude_of(field: BidsName, other: BidsName) -> bool:
    return other.suffix == "magnitude" and other.folder == field.folder and other.entities == field.entities
