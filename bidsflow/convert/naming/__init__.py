"""Names from evidence, one file per kind: physics, words that people typed, dcm2niix's guess, the rest of the session.

Comes in: series and images of one session. Goes out: `Draft` values: what an image is, how sure that is, and why.
Opens no file and decides nothing in silence: too little evidence ends as ``review``.
"""
