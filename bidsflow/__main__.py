"""``python -m bidsflow``: the command line."""

from bidsflow.cli.main import main

main()
