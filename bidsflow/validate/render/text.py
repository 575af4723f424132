"""A report for people: what is wrong, how often, where for example, and what to do about it; errors first."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final

from bidsflow.validate.issues import Severity
from bidsflow.validate.render.advice import (
    end_sentence,
    get_fix,
    get_sentence,
    shorten,
    tell_field,
    tell_seen,
    to_plain,
    to_printable,
)
from bidsflow.validate.report import group_issues, join_outlines, outline_group, outline_issues

if TYPE_CHECKING:
    from rich.text import Text

    from bidsflow.validate.issues import Issue, Outline
    from bidsflow.validate.report import Report

_STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow"}
_N_EXAMPLES: Final = 2
#: With more subcodes than this, a code is one line that lists them.
_MOST_SUBCODES: Final = 6
_MOST_LISTED: Final = 40
_INDENT: Final = " " * 9  # below the count, right of the severity
_MOST_SAID: Final = 240  # characters of a text that is not ours


def render_text(report: Report, *, width: int = 100, verbose: bool = False) -> Text:
    """Return a report with a line per code and subcode, explained once per code, and the verdict at the end.

    Parameters
    ----------
    report : Report
        Of `bidsflow.validate.run`.
    width : int
        Columns to which text is wrapped; paths are left whole, so that they can be copied.
    verbose : bool
        List every place, every subcode on its own, and the rules.

    Returns
    -------
    text : rich.text.Text
        Styled; holds no control character but the line feed.
    """
    from rich.text import Text

    return Text.assemble(*_compose(report, width, verbose=verbose))


def iter_text(report: Report, *, width: int = 100, verbose: bool = False) -> Iterator[str]:
    """Give the same as `render_text` without colours, piece by piece."""
    return (piece for piece, _ in _compose(report, width, verbose=verbose))


def _compose(report: Report, width: int, *, verbose: bool) -> Iterator[tuple[str, str]]:
    """Give pieces of text, each with its style."""
    groups = [outline_group(group) for group in group_issues(report)] if verbose else outline_issues(report)
    shown = [_Shown(list(same), verbose=verbose) for _, same in groupby(groups, key=_get_code)]
    digits = max((len(str(len(group))) for one in shown for group in one.groups), default=1)
    meanings = report.all_meanings
    for one in shown:
        for group in one.groups:
            head = f"{len(group):{digits}} x {to_printable(one.name(group))}"
            yield f"{one.severity:8} ", _STYLES[one.severity]
            yield head, "bold"
            for line in one.list_subcodes(width):
                yield f"\n{_INDENT}{line}", ""
            room = 0 if one.gathered else width - len(head) - len(_INDENT)
            for line in _show_places(group, room, verbose=verbose):
                yield line, ""
            yield "\n", ""
        for line in one.explain(meanings.get(one.code, ""), width):
            yield f"{_INDENT}{line}\n", "dim"
    for line in _sum_up(report):
        yield f"{line}\n", ""
    yield f"{verdict(report)}\n", "bold green" if report.ok else "bold red"


def _get_code(group: Outline) -> tuple[str, str]:
    return group[0].severity, group[0].code


class _Shown:
    """What is shown of a code: a line for each subcode, or one for all of them.

    Parameters
    ----------
    subgroups : list of Outline
        By subcode.
    verbose : bool
        Never gather.
    """

    def __init__(self, subgroups: list[Outline], *, verbose: bool) -> None:
        self.subgroups = subgroups
        self.severity = subgroups[0][0].severity
        self.code = subgroups[0][0].code
        self.gathered = len(subgroups) > _MOST_SUBCODES and not verbose
        self.groups = [join_outlines(subgroups)] if self.gathered else subgroups

    def name(self, group: Outline) -> str:
        if self.gathered:
            return f"{self.code} ({len(self.subgroups)} {'columns' if self.code.startswith('TSV_') else 'keys'})"
        return f"{self.code} ({group[0].subcode})" if group[0].subcode else self.code

    def list_subcodes(self, width: int) -> list[str]:
        """Return lines with the subcodes, those that are met equally often together; none unless gathered."""
        if not self.gathered:
            return []
        listed = self.subgroups[:_MOST_LISTED]
        parts = [
            f"{number} x {', '.join(group[0].subcode or '(none)' for group in same)}"
            for number, same in groupby(listed, key=len)
        ]
        more = len(self.subgroups) - len(listed)
        return _wrap("; ".join(parts) + (f"; and {more} more (-v lists all)" if more else ""), width)

    def explain(self, meaning: str, width: int) -> Iterator[str]:
        """Give the lines that say what the code means, what was seen, and what to do."""
        plain, fix = to_plain(meaning), get_fix(self.code)
        parts = [get_sentence(plain) if fix else shorten(plain, _MOST_SAID)]
        parts.append(shorten(_tell_same(message for group in self.subgroups for message in group.messages), _MOST_SAID))
        if len(self.subgroups) == 1 and (field := tell_field(self.subgroups[0][0].message)):
            parts.append(f"{self.subgroups[0][0].subcode}: {shorten(get_sentence(field), _MOST_SAID)}")
        yield from _wrap(" ".join(end_sentence(part) for part in parts if part), width)
        if fix:
            yield from _wrap(f"-> {fix}", width)


def verdict(report: Report) -> str:
    """Return the outcome in one line.

    Examples
    --------
    >>> from bidsflow.validate.issues import Issue
    >>> from bidsflow.validate.report import Report
    >>> verdict(Report("ds", (Issue("EMPTY_FILE", Severity.ERROR, "README"),), n_files=34))
    'not valid: 1 error, 0 warnings in 34 files'
    """
    errors = report.count(Severity.ERROR)
    counts = f"{_count(errors, 'error')}, {_count(report.count(Severity.WARNING), 'warning')}"
    silenced = f" ({len(report.ignored)} ignored)" if report.ignored else ""
    return f"{'not valid' if errors else 'valid'}: {counts}{silenced} in {_count(report.n_all_files, 'file')}"


def _tell_same(messages: Iterable[str]) -> str:
    """Return what was seen everywhere; nothing if that differs."""
    seen = ""
    for message in dict.fromkeys(messages):
        other = tell_seen(message)
        if seen and other and other != seen:
            return ""
        seen = seen or other
    return seen


def _show_places(group: Outline, room: int, *, verbose: bool) -> Iterator[str]:
    """Give the first places of a group: on the line itself if there is room for them, else below it."""
    differ = len(set(group.messages)) > 1
    firsts: dict[str, Issue] = {}
    for issue in group:
        if issue.place:
            firsts.setdefault(issue.place, issue)
        if len(firsts) > _N_EXAMPLES and not verbose:
            break
    shown = [
        _show_place(issue, differ=differ, verbose=verbose)
        for issue in islice(firsts.values(), None if verbose else _N_EXAMPLES)
    ]
    more = ", ..." if len(firsts) > len(shown) else ""
    line = f": {', '.join(shown)}{more}"
    if shown and not (verbose or differ) and len(line) <= room:
        yield line
    else:
        for number, place in enumerate(shown, start=1):
            yield f"\n{_INDENT}{place}{more if number == len(shown) else ''}"


def _show_place(issue: Issue, *, differ: bool, verbose: bool) -> str:
    """Return a place, with what was seen there unless that is the same for all."""
    what = shorten(tell_seen(issue.message), _MOST_SAID) if differ else ""
    rule = f"  [{issue.rule}]" if verbose and issue.rule else ""
    return to_printable(f"{issue.place}{f': {what}' if what else ''}{rule}")


def _sum_up(report: Report) -> Iterator[str]:
    """Give a line on what the dataset holds, and one on each dataset within."""
    summary = report.summary
    if summary.total_files:
        parts = [_count(len(summary.subjects), "subject")]
        parts += [_count(len(summary.sessions), "session label")] if summary.sessions else []
        parts += [", ".join(summary.modalities)] if summary.modalities else []
        parts += [_count(len(summary.tasks), "task")] if summary.tasks else []
        parts += [tell_size(summary.size)]
        yield to_printable("; ".join(parts))
    yield from (f"note: {note}" for note in report.notes)
    for folder, one in report.derivatives.items():
        yield to_printable(f"{folder}: {verdict(one)}")


def tell_size(number: float) -> str:
    """Return a number of bytes as people write it.

    Examples
    --------
    >>> tell_size(999), tell_size(1_250_000)
    ('999 bytes', '1.2 MB')
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _wrap(text: str, width: int) -> list[str]:
    room = max(width - len(_INDENT), 20)
    return textwrap.wrap(to_printable(text), room, break_long_words=False, break_on_hyphens=False)
