"""Which folders a run may write to: never among the raw data, never among what is not ours."""

from __future__ import annotations

from pathlib import Path

from bidsflow.app import derivatives
from bidsflow.app.invocation import Invocation
from bidsflow.app.spec import Pipeline
from bidsflow.app.state import read_json
from bidsflow.dataset.tree import STATE, check_target
from bidsflow.errors import OptionError


def check_places(pipeline: Pipeline, call: Invocation) -> None:
    """Refuse an output folder that would spoil something.

    Raises
    ------
    OptionError
        If it is the dataset itself, lies around it, or lies in it outside of ``derivatives/``.
    DatasetError
        If it holds what is not ours.
    """
    raw, out = call.bids_dir.resolve(), call.output_dir.resolve()
    if _is_below(out, raw) and raw / "derivatives" not in out.parents:
        hint = f"Choose another folder, or one below {call.bids_dir / 'derivatives'}"
        raise OptionError(f"{call.output_dir}: derivatives cannot stand among the raw data", hint)
    if out in raw.parents:
        raise OptionError(f"{call.output_dir}: the dataset lies inside the output folder", "Choose another folder")
    work = call.work_dir.resolve()
    if _is_below(work, raw) and not _is_below(work, raw / "derivatives"):
        raise OptionError(f"{call.work_dir}: the work folder lies among the raw data", "Choose another folder")
    if _is_below(work, out) and not _is_below(work, out / STATE):
        hint = "Leave --work-dir away, or choose another folder"
        raise OptionError(f"{call.work_dir}: the work folder lies among the derivatives", hint)
    check_target(call.output_dir)
    made = read_json(out / "dataset_description.json")
    programs = [one.get("Name") for one in made.get("GeneratedBy", ()) if isinstance(one, dict)]
    if made and derivatives.generator_name(pipeline) not in programs:
        hint = "Choose another folder: each pipeline has one of its own"
        raise OptionError(f"{call.output_dir}: this is a dataset, and not one of {pipeline.name}", hint)


def _is_below(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents
