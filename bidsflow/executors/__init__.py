"""Run jobs on this machine or a scheduler. Knows nothing of BIDS. Empty until the first pipeline needs it."""
