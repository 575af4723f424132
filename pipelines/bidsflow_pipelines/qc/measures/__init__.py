"""Quality measures of MR images, as pure functions of arrays.

Arrays come in (images, masks, motion parameters), numbers go out, under the names that MRIQC gives them. Nothing here
opens a file, knows nipype or nibabel, or decides what a good value is. What each measure means, where its formula comes
from and how it was checked is in docs/qc-measures.md.

A measure that cannot be computed is NaN, and its docstring says when. It is never an exception, and never a number
that could be mistaken for a value: where MRIQC writes -1 or 0 for "not available", these functions return NaN.
"""
