"""The BIDS Apps that come with bidsflow, one folder each."""
