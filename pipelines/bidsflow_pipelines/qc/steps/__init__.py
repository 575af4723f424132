"""The steps of qc beside the engines: measure, and draw. Files in, values and drawings out."""
