"""``python -m bidsflow``: the command line."""

from bidsflow.cli.start import main

main()
