"""The command line, one file per command.

Comes in: arguments. Goes out: results on standard output, everything else on standard error, an exit code. The only
room that prints. Importing it loads no heavy package.
"""
