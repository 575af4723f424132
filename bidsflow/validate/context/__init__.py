"""What is known of a file that is checked: its name, its place, what it holds, what it inherits, what belongs to it.

Comes in: the root of a dataset. Goes out: a tree of names and sizes, and for each file a context whose parts are read
when they are asked for. Judges nothing.
"""
