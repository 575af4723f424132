"""The expressions and rules of the BIDS schema, made into Python.

Comes in: the schema as data. Goes out: functions of a file's context that say whether a selector or a check holds, with
JavaScript's meaning of truth, equality and missing values, which the schema's language has by definition of its
reference implementation. Reads no dataset.
"""
