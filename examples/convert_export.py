"""Convert an export with the Python API: scan, plan, change a decision, convert, list what is there.

Without arguments, a phantom writes the export into a temporary folder:

    python examples/convert_export.py [EXPORT BIDS_DIR]
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bidsflow import phantom
from bidsflow.convert.plan import Decision, Plan, PlanRow, check_rows
from bidsflow.convert.planner import make_plan
from bidsflow.convert.run import Result, check_fit, convert
from bidsflow.dataset.tree import open_dataset
from bidsflow.dicom.inventory import take_inventory
from bidsflow.errors import PlanError
from bidsflow.names import parse_name
from bidsflow.sources import find_files


def keep_aborted(row: PlanRow) -> PlanRow:
    """Return a row, to be converted under a name of its own if it is an aborted run."""
    if row.decision is not Decision.REVIEW or "borted" not in row.evidence:
        return row
    name = parse_name(row.path).with_entity("acq", "aborted")
    return replace(row, decision=Decision.CONVERT, path=str(name), evidence=f"Kept on purpose. {row.evidence}")


def convert_export(export: Path, bids_dir: Path) -> Result:
    """Convert an export, aborted runs included."""
    found = find_files([export])
    inventory = take_inventory(found.files, set_aside=found.set_aside)
    for series in inventory.series:
        print(f"series {series.title}: {len(series.instances)} files, {len(series.images)} images")

    planned = make_plan(inventory)
    plan = Plan(tuple(keep_aborted(row) for row in planned.plan.rows), planned.plan.notes)
    if problems := check_rows(list(plan.rows)):  # two images of one name, a name that is not BIDS
        raise PlanError("my plan", tuple(problems))
    check_fit(plan, inventory, "my plan")

    result = convert(plan, inventory, open_dataset(bids_dir, [export]), planned.key, jobs=2)
    for outcome in result.outcomes:
        print(f"{outcome.status}: {outcome.row.path}: {outcome.reason or outcome.row.evidence}")
    return result


def main(args: list[str]) -> int:
    """Convert what was asked for, or a made-up export; 0 if every planned image is on disk."""
    if args:
        export, bids_dir = map(Path, args)
        return 0 if convert_export(export, bids_dir).complete else 1
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        truth = phantom.write(root / "scanner", series=["t1w", "topup", "aborted"])
        return 0 if convert_export(root / "scanner" / truth.export, root / "bids").complete else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
