"""The schema's checks (``rules.checks``): statements that must hold of a file's context."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bidsflow.validate.compile.rules import holds
from bidsflow.validate.issues import Issue, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bidsflow.validate.compile.rules import Rule
    from bidsflow.validate.context.context import Context


def make_check(rule: Rule) -> Callable[[Context], Iterator[Issue]]:
    """Return a function that gives the issue of a rule where its checks do not hold."""
    issue = rule.data.get("issue", {})
    code = issue.get("code", "CHECK_ERROR")
    severity = Severity(issue.get("level", "error"))
    test, path = rule.holds, rule.path

    def check(context: Context) -> Iterator[Issue]:
        if not holds(test, context):
            yield Issue(code, severity, context.location, rule=path)

    return check
