"""From an inventory to a BIDS dataset: plan names with evidence, then convert what the plan says.

Comes in: `Inventory` values, a plan that a person may have edited. Goes out: a plan, files in a BIDS tree. Writes
through `bidsflow.dataset.write` only, and never into an export.
"""
