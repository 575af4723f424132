"""The qc pipeline: how good the images of a dataset are."""
