"""bidsflow: neuroimaging data from the scanner to results that others can check.

Comes in: scanner exports, BIDS datasets. Goes out: BIDS datasets, derivatives, reports.
This module itself imports nothing, so that ``import bidsflow`` costs nothing.
"""

__version__ = "0.1.0"
