"""Make the images of one series in the staging area: dcm2niix runs, its output is checked, sidecars are completed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bidsflow.convert.assemble import Converted
from bidsflow.convert.companions.aslcontext import GIVEN, TABLE, check_seen, format_context, see_types
from bidsflow.convert.companions.labelling import OWN_FIELDS, check_table, describe_labelling, describe_m0
from bidsflow.convert.content import Content, fields_digest, read_content, stamp
from bidsflow.convert.dcm2niix import Dcm2niix
from bidsflow.convert.given import note_replaced
from bidsflow.convert.gradients import check_gradients
from bidsflow.convert.laying import lay_out, reads_in_place
from bidsflow.convert.outputs import Output, check_output, compress, match_outputs, note_left_out
from bidsflow.convert.parrec import convert_pair
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.sidecar import clean_sidecar, scrub_nifti
from bidsflow.convert.supply import (
    agree_on_repetition,
    note_polarity,
    supply_b_values,
    supply_fields,
    supply_quantities,
)
from bidsflow.dataset.write import Staging, storage_errors
from bidsflow.dicom.images import is_derived
from bidsflow.dicom.parrec import is_pair
from bidsflow.dicom.person import person_pattern
from bidsflow.dicom.series import Series
from bidsflow.errors import ConversionError, StorageError, ToolError, describe_error
from bidsflow.names import parse_name

#: Staged files of images, by image (SeriesInstanceUID and rank) and extension.
Carried = Mapping[tuple[str, int], Mapping[str, Path]]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all series of a run are made with.

    Attributes
    ----------
    staged : Staging
        Where they are made.
    tool : Dcm2niix
        What makes them.
    own_folders : mapping of str to (Path, int)
        `laying.find_own_folders` of the inventory.
    made : str
        `commands.note_command` of the run.
    """

    staged: Staging
    tool: Dcm2niix
    own_folders: Mapping[str, tuple[Path, int]]
    made: str


def make_images(
    bench: Bench, plan: Plan, series: Series, rows: Sequence[PlanRow], carried: Carried
) -> list[Converted] | str:
    """Return the images of one series, ready to be laid out, or why they cannot be made.

    Parameters
    ----------
    bench : Bench
        What they are made with.
    plan : Plan
        With the fields that a study gives.
    series : Series
        What is converted.
    rows : sequence of PlanRow
        Its images.
    carried : mapping of (str, int) to dict
        Staged files that go along with images that get another name, by image and extension.

    Raises
    ------
    StorageError
        If the disk is full, which ends the whole run.
    ToolError
        If dcm2niix cannot be started, which ends the whole run as well.
    """
    folder = bench.staged.work("series")
    source, target = folder / "in", folder / "out"
    try:
        with storage_errors(bench.staged.dataset.root):
            source.mkdir()
            target.mkdir()
            content = read_content(series)  # before it is read: what changes meanwhile is done again
            pair = is_pair(series)
            found = convert_pair(series, target) if pair else _run_tool(bench, series, content, source, target)
            converted = [
                replace(
                    _finish(plan, series, row, found[row.image], content),
                    carried=carried.get((row.series_uid, row.image), {}),
                    made=bench.made,
                )
                for row in rows
            ]
            shutil.rmtree(source)
            return converted
    except (StorageError, ToolError):
        raise
    except ConversionError as error:
        reason = error.reason
    except OSError as error:
        reason = f"its files cannot be read ({error.strerror or type(error).__name__})"
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a series, the others go on
        reason = f"bidsflow stumbles over it ({describe_error(error)}); please report this"
    shutil.rmtree(folder, ignore_errors=True)
    return reason


def _run_tool(bench: Bench, series: Series, content: Content, source: Path, target: Path) -> dict[int, Output]:
    """Have dcm2niix convert a series, in its own folder where that holds nothing else; `source` is an empty one."""
    own = bench.own_folders.get(series.uid)
    in_place = own is not None and reads_in_place(series.instances, *own, content.packed)
    export = own[0] if own is not None and in_place else source
    if export is source:
        lay_out(series, series.instances, source, content.packed)
    return match_outputs(series, bench.tool.run(series, export, target))


def _finish(plan: Plan, series: Series, row: PlanRow, output: Output, content: Content) -> Converted:
    """Return an image that dcm2niix has made, checked, with what else belongs into its sidecar and beside it."""
    image, name = series.images[row.image - 1], parse_name(row.path)
    check_output(series, image, output)
    weighted = name.suffix == "dwi" and name.entity("part") in ("", "mag")
    notes = note_left_out(output)
    if weighted:
        notes = (*notes, *_note_skipped(plan, series), *check_gradients(series, image, output))
    cleaned = clean_sidecar(output.sidecar, person_pattern(series.patient))
    supplied = supply_fields(cleaned, name, image.header)
    sidecar = supply_quantities(supplied, name, series.header)
    sidecar = supply_b_values(sidecar, name, output.b_values)
    fields = plan.fields_of(row)
    types: tuple[str, ...] = ()
    if name.datatype == "perf":
        seen = see_types(series, image, output.nifti) if name.suffix == "asl" else ()
        if name.suffix == "asl" and GIVEN not in fields:
            check_seen(series, image, seen)
        labelling = describe_labelling(series, image, fields, seen) if name.suffix == "asl" else None
        own = labelling.fields if labelling is not None else describe_m0(series, image)
        sidecar = {key: value for key, value in sidecar.items() if key not in OWN_FIELDS} | dict(own)
        if labelling is not None:
            types = labelling.types
            notes = (*notes, *check_table(labelling, seen, output.nifti))
    typed = note_polarity(cleaned, supplied, name) if "PhaseEncodingDirection" not in fields else ()
    notes = (*notes, *typed, *note_replaced(sidecar, fields))
    sidecar |= {key: value for key, value in fields.items() if key != GIVEN}
    packed = output.nifti.with_suffix(".nii.gz")
    compress(output.nifti, packed, lambda data: agree_on_repetition(scrub_nifti(data), sidecar))
    tables = output.tables if name.suffix == "dwi" else {}
    if types:
        tables = {TABLE: output.nifti.with_suffix(".tsv")}
        tables[TABLE].write_text(format_context(types), encoding="utf-8")
    files = {".nii.gz": packed, **tables}
    stamps = {ext: stamp(path) for ext, path in files.items()}
    return Converted(row, sidecar, files, stamps, content, notes, fields_digest(fields))


def _note_skipped(plan: Plan, series: Series) -> tuple[str, ...]:
    """Return what a person should know of derived volumes of a series that the plan skips, a clause."""
    if not any(is_derived(one.header.words("ImageType")) for one in series.images):
        return ()
    rows = [row for row in plan.decided(Decision.SKIP) if row.series_uid == series.uid]
    skipped = [series.images[row.image - 1] for row in rows]
    count = sum(one.volumes for one in skipped if is_derived(one.header.words("ImageType")))
    said = f"{count} derived volume{'s' if count > 1 else ''} of its series left out (a trace or an ADC)"
    return (said,) if count else ()
