"""What is checked of a file and of a dataset, one module for each kind of rule.

Comes in: contexts. Goes out: `Issue` values. Opens no file: what is read, the context has read.
"""
