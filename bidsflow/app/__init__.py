"""What makes a folder a BIDS App: a declaration in, a command, workflows, derivatives and reports out.

Comes in: a `Pipeline` and the arguments of a run. Goes out: a derivative dataset with reports and provenance, and an
exit code. Knows no pipeline by name, never writes outside of the output and the work folder, never changes its input.
"""

from bidsflow.app.spec import Citation, Level, Pipeline, Query, param

__all__ = ["Citation", "Level", "Pipeline", "Query", "param"]
