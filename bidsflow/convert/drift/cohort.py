"""Hold images against those of the other subjects. Pure.

What more than half of the subjects have is usual: one value, or several where a visit has runs that differ on
purpose. With fewer than three subjects nothing is usual.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from bidsflow.convert.drift.findings import Against, Finding, Kind, Usual, count_words
from bidsflow.convert.drift.observation import PARAMETERS, Observation, Value, is_usual, show_value, show_values

#: With fewer subjects nothing is usual.
FEWEST = 3
#: Values that are listed where no value is usual.
_LISTED = 4
_T = TypeVar("_T")
Group = tuple[Value, list[Observation]]


def find_usual(observations: Sequence[Observation]) -> tuple[Usual, ...]:
    """Return what is usual for each name, in the order of the names."""
    found = []
    for name, members in _by(observations, lambda one: one.name).items():
        values = {}
        for key in PARAMETERS:
            usual = find_majority(group_values(key, members))
            if usual:
                values[key] = tuple(value for value, _ in usual)
        found.append(Usual(name, len({one.visit for one in members}), len(members), values))
    return tuple(sorted(found, key=lambda one: one.name))


def group_values(key: str, members: Sequence[Observation]) -> list[Group]:
    """Return the distinct values of a parameter, each with who has it; the most subjects first.

    Values within the tolerance of the parameter are one; the most frequent of them stands for all.
    """
    held = [(one.parameters[key], one) for one in members if key in one.parameters]
    held.sort(key=lambda pair: (str(type(pair[0])), pair[0], pair[1].visit))
    groups: list[list[tuple[Value, Observation]]] = []
    for value, one in held:
        group = next((group for group in groups if is_usual(key, value, group[0][0])), None)
        if group is None:
            groups.append([(value, one)])
        else:
            group.append((value, one))
    found = [(Counter(value for value, _ in group).most_common(1)[0][0], [one for _, one in group]) for group in groups]
    return sorted(found, key=lambda group: -_count_subjects(group[1]))


def find_majority(groups: Sequence[Group]) -> list[Group]:
    """Return the values that more than half of the subjects have; none where there are too few subjects."""
    subjects = {one.subject for _, members in groups for one in members}
    if len(subjects) < FEWEST:
        return []
    return [group for group in groups if 2 * _count_subjects(group[1]) > len(subjects)]


def compare_values(observations: Sequence[Observation], skip: Mapping[str, frozenset[str]]) -> Iterator[Finding]:
    """Give the parameters of images that are not those of most others of their name.

    Parameters
    ----------
    observations : sequence of Observation
        Of all subjects.
    skip : mapping of str to frozenset of str
        By name, parameters that a study gives.
    """
    for name, members in sorted(_by(observations, lambda one: one.name).items()):
        for key in PARAMETERS:
            if key in skip.get(name, ()):
                continue
            groups = group_values(key, members)
            usual = find_majority(groups)
            if usual:
                told = show_values(key, [value for value, _ in usual])
                for value, others in groups[len(usual) :]:
                    kind = _judge(key, value, [one for one, _ in usual])
                    for one in others:
                        yield Finding(kind, name, show_value(key, value), told, Against.COHORT, one.subject,
                                      one.session, key, one.where)  # fmt: skip
            elif len(groups) > 1 and len({one.subject for one in members}) >= FEWEST:
                yield Finding(Kind.DIVIDED, name, _list(key, groups), "one value in most subjects", Against.COHORT,
                              parameter=key)  # fmt: skip


def _judge(key: str, value: Value, usual: Sequence[Value]) -> Kind:
    if key != "Volumes" or not isinstance(value, int | float):
        return Kind.CHANGED
    return Kind.SHORT if all(isinstance(one, int | float) and value < one for one in usual) else Kind.CHANGED


def _list(key: str, groups: Sequence[Group]) -> str:
    told = [f"{show_value(key, value)} ({_count_subjects(members)})" for value, members in groups[:_LISTED]]
    more = [f"{len(groups) - _LISTED} more"] if len(groups) > _LISTED else []
    return "; ".join([*told, *more])


def compare_presence(observations: Sequence[Observation]) -> Iterator[Finding]:
    """Give what visits lack, have too often, or have alone, against the visits of the same session label."""
    for session, members in sorted(_by(observations, lambda one: one.session).items()):
        visits = {one.subject for one in members}
        if len(visits) < FEWEST:
            continue
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for one in members:
            counts[one.name][one.subject] += 1
        for name, by_subject in sorted(counts.items()):
            spread = Counter(by_subject[subject] for subject in visits)
            usual, held = spread.most_common(1)[0]
            if 2 * held <= len(visits):
                told = "; ".join(f"{count} in {count_words(n, 'visit')}" for count, n in sorted(spread.items()))
                yield Finding(Kind.DIVIDED, name, told, "as often in most visits", Against.COHORT, session=session)
                continue
            for subject in sorted(visits):
                count = by_subject[subject]
                if count != usual:
                    where = next((one.where for one in members if (one.subject, one.name) == (subject, name)), "")
                    yield Finding(judge_count(count, usual, usual), name, _times(count), _times(usual), Against.COHORT,
                                  subject, session, where=where)  # fmt: skip


def compare_sessions(observations: Sequence[Observation]) -> Iterator[Finding]:
    """Give subjects who lack a session that most have."""
    by_session = _by(observations, lambda one: one.session)
    subjects = {one.subject for one in observations}
    if len(subjects) < FEWEST:
        return
    for session, members in sorted(by_session.items()):
        have = {one.subject for one in members}
        if 2 * len(have) > len(subjects):
            for subject in sorted(subjects - have):
                told = f"{len(have)} of {len(subjects)} subjects have it"
                yield Finding(Kind.MISSING, "all", "no such session", told, Against.COHORT, subject, session)


def judge_count(count: int, least: int, most: int) -> Kind:
    """Return what is wrong with a number of images that lies outside of two limits."""
    if count < least:
        return Kind.MISSING
    return Kind.EXTRA if most == 0 else Kind.REPEATED


def note_small(observations: Sequence[Observation]) -> tuple[str, ...]:
    """Return what could not be held against others, and why."""
    subjects = {one.subject for one in observations}
    if not subjects:
        return ("it holds no MR images (anat, dwi, fmap, func, perf): nothing was compared",)
    if len(subjects) < FEWEST:
        visits = {one.visit for one in observations}
        few = count_words(len(subjects), "subject")
        if len(visits) < FEWEST:
            return (f"{few}: too few to say what is usual (it takes {FEWEST})",)
        return (f"{few}: values are held against those of other visits; what a visit lacks cannot be told",)
    names = _by(observations, lambda one: one.name)
    rare = sorted(name for name, members in names.items() if len({one.subject for one in members}) < FEWEST)
    sessions = _by(observations, lambda one: one.session)
    small = sorted(ses for ses, members in sessions.items() if len({one.subject for one in members}) < FEWEST)
    notes = []
    if rare:
        told = ", ".join(rare[:_LISTED]) + (f" and {len(rare) - _LISTED} more" if len(rare) > _LISTED else "")
        notes.append(f"fewer than {FEWEST} subjects have {told}: their parameters are not held against others")
    if small:
        told = ", ".join(f"ses-{ses}" if ses else "no session" for ses in small[:_LISTED])
        notes.append(f"fewer than {FEWEST} subjects have a visit of {told}: what these lack cannot be told")
    return tuple(notes)


def _times(count: int) -> str:
    return count_words(count, "image") if count else "none"


def _count_subjects(members: Iterable[Observation]) -> int:
    return len({one.subject for one in members})


def _by(items: Iterable[_T], key: Callable[[_T], str]) -> dict[str, list[_T]]:
    found: dict[str, list[_T]] = defaultdict(list)
    for item in items:
        found[key(item)].append(item)
    return found
