"""``python -m bidsflow.app TASK``: the process of one participant."""

import sys

from bidsflow.app.participant import main

sys.exit(main())
