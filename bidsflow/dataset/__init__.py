"""A BIDS tree on disk: where things stand in it, and the only code that writes into it.

Comes in: staged files. Goes out: a tree that is always as before or as after a commit. Knows nothing of DICOM.
"""
