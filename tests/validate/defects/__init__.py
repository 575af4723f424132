"""Datasets with one defect each: what a validator is held against.

Comes in: nothing. Goes out: small valid datasets (`datasets.BASES`), a table of changes to them
(`mutations.MUTATIONS`), all as values; and what the reference validator says of each, recorded (``expected.json``, made
by ``record.py``). ``python -m tests.validate.defects FOLDER`` writes them to a disk.
"""
