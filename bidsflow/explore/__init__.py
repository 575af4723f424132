"""Open datasets and derivatives in Jupyter as tables and viewers. Empty until there are derivatives."""
