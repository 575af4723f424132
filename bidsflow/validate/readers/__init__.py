"""What a file holds, as plain values: one module per kind of file.

Comes in: the path of a file. Goes out: dicts, lists, strings and numbers, as little as is needed of them. What is wrong
with the file is an `errors.FileFault` with the code of the issue. Nothing else is ever raised, whatever the bytes are,
and no more is held in memory than the limits named in each module allow.
"""
