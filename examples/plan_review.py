"""Review a plan with the rules of a lab, instead of by hand in a spreadsheet.

    bidsflow plan EXPORT -o plan.tsv
    python examples/plan_review.py plan.tsv reviewed.tsv
    bidsflow convert EXPORT BIDS_DIR --plan reviewed.tsv

A plan is a table with one row per image. What counts is `decision` (convert, skip, review) and `path`; the evidence
says why. Rows that stay at "review" are not converted.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from bidsflow.convert.plan import NOT_APPLICABLE, Decision, Plan, PlanRow, from_tsv, to_tsv
from bidsflow.names import parse_name

#: What our protocols are called at the console, and what the task is called in our papers.
TASKS = {"motor": "fingertapping"}


def skip_aborted(row: PlanRow) -> PlanRow:
    """Leave out runs that were repeated: with us, the repeat is always the good one."""
    if row.decision is Decision.REVIEW and row.evidence.startswith("Aborted"):
        return replace(row, decision=Decision.SKIP, path=NOT_APPLICABLE)
    return row


def rename_task(row: PlanRow) -> PlanRow:
    """Give tasks the names of our papers."""
    if row.path == NOT_APPLICABLE:
        return row
    name = parse_name(row.path)
    task = TASKS.get(name.entity("task"))
    return replace(row, path=str(name.with_entity("task", task))) if task else row


def review(plan: Plan) -> Plan:
    """Return a plan with all rules applied."""
    return Plan(tuple(rename_task(skip_aborted(row)) for row in plan.rows), plan.notes)


def main(source: str, target: str) -> int:
    """Review a plan; 1 if a person still has to decide something."""
    before = from_tsv(Path(source).read_text(encoding="utf-8-sig"), source)
    after = review(before)
    for old, new in zip(before.rows, after.rows, strict=True):
        if old != new:
            print(f"{old.title}: {old.decision} {old.path} -> {new.decision} {new.path}")
    Path(target).write_text(to_tsv(after), encoding="utf-8")
    for row in after.decided(Decision.REVIEW):
        print(f"still open: {row.title}: {row.evidence}")
    return 1 if after.decided(Decision.REVIEW) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
