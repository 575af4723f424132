"""A study specification: what a lab says of its own protocol, as a value, and a `Study` laid over an inventory.

Comes in: `study.toml` as text, or a `Study` that an importer made. Goes out: rules for the planner, labels of subjects
and sessions, the expected protocol. Never prints, and says of a person only the label that the study gives.
"""
