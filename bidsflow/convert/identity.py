"""Who is who in a plan that a person gave, against the people in the headers and in the key of the dataset. Pure.

A plan that gives someone the place of another is refused; one that joins or parts people is told of, since names and
IDs do change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from bidsflow.convert.doubts import is_answered
from bidsflow.convert.plan import Decision, Plan, PlanRow
from bidsflow.convert.subjects import Key, folder_of, is_someone_else, person_of
from bidsflow.dicom.series import Series
from bidsflow.errors import PlanError
from bidsflow.names import parse_name


def check_people(plan: Plan, by_uid: Mapping[str, Series], key: Key, where: str) -> list[str]:
    """Return a note for each subject that a plan makes of several people, and each person that it makes two of.

    Parameters
    ----------
    plan : Plan
        Its paths say who is who.
    by_uid : mapping of str to Series
        The series of the export.
    key : Key
        The key of the dataset.
    where : str
        Name of the plan, for messages.

    Raises
    ------
    PlanError
        If a row puts someone into a visit of someone else whom the dataset has, or gives a label to someone that
        someone else gives up or has left files under, or one study is given to two subjects. So with two visits.
    """
    people = _find_people(plan, by_uid)
    intruders = _find_intruders(people, key)
    unasked = _find_people(Plan(tuple(row for row in plan.rows if not is_answered(row))), by_uid)
    problems = (
        *_refuse_intruders(intruders, unasked, key), *_refuse_heirs(people, key),
        *_refuse_heirs_of_visits(plan, by_uid, key), *_refuse_mixtures(plan, by_uid, key),
        *_refuse_parted(plan, by_uid),
    )  # fmt: skip
    if problems:
        raise PlanError(where, problems)
    joining = {place: title for (_, place), title in intruders.items()}
    return [*_note_people(people, joining, key), *_note_parted_visits(plan, by_uid)]


def _find_people(plan: Plan, by_uid: Mapping[str, Series]) -> dict[str, dict[tuple[str, str], str]]:
    """Return where a plan puts each person (subject and session), each place with the title of one of its rows."""
    people: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    for row in plan.decided(Decision.CONVERT):
        if row.series_uid in by_uid:
            name = parse_name(row.path)
            people[person_of(by_uid[row.series_uid])].setdefault((name.sub, name.ses), row.title)
    return people


def _find_intruders(
    people: Mapping[str, Mapping[tuple[str, str], str]], key: Key
) -> dict[tuple[str, tuple[str, str]], str]:
    """Return whom a plan gives a place where the dataset has someone else, who stays: person and place, and a title."""
    owners: dict[str, list[str]] = defaultdict(list)
    for person, sub in key.subjects.items():
        if person not in people or any(sub == own for own, _ in people[person]):
            owners[sub].append(person)
    return {
        (person, place): title
        for person, places in people.items()
        for place, title in places.items()
        if owners[place[0]] and all(is_someone_else(person, owner) for owner in owners[place[0]])
    }


def _refuse_intruders(
    intruders: Mapping[tuple[str, tuple[str, str]], str],
    unasked: Mapping[str, Mapping[tuple[str, str], str]],
    key: Key,
) -> tuple[str, ...]:
    """Return a sentence for each intruder into a visit of someone else; one beside it is only told.

    `unasked` are the people of rows that asked no one whether they are one: see `doubts.is_answered`.
    """
    held = set(key.sessions.values())
    return tuple(
        f"{unasked[person][place]}: sub-{place[0]} of this dataset is someone else, by name and ID; give it another "
        "subject or, if they are one person, another session, or plan again with --bids-dir, which asks you"
        for person, place in intruders
        if place in held and place in unasked.get(person, ())
    )


def _refuse_heirs(people: Mapping[str, Mapping[tuple[str, str], str]], key: Key) -> list[str]:
    """Return a sentence for each label that someone gives up and someone else takes: what tables say would pass on."""
    leaving = {
        sub: person
        for person, sub in key.subjects.items()
        if person in people and all(sub != own for own, _ in people[person])
    }
    return [
        f"{title}: sub-{sub} is someone else, who gets another label by this plan; give it a label that is free, and "
        f"sub-{sub} by another run"
        for person, places in people.items()
        for (sub, _), title in places.items()
        if leaving.get(sub, person) != person
    ]


def _find_studies(plan: Plan, by_uid: Mapping[str, Series]) -> dict[str, dict[tuple[str, str], PlanRow]]:
    """Return where a plan puts each study (subject and session), each place with one of its rows."""
    studies: dict[str, dict[tuple[str, str], PlanRow]] = defaultdict(dict)
    for row in plan.decided(Decision.CONVERT):
        if row.series_uid in by_uid:
            name = parse_name(row.path)
            studies[by_uid[row.series_uid].study_uid].setdefault((name.sub, name.ses), row)
    return studies


def _refuse_heirs_of_visits(plan: Plan, by_uid: Mapping[str, Series], key: Key) -> list[str]:
    """Return a sentence for each session that one visit of a person gives up and another one takes."""
    studies = _find_studies(plan, by_uid)
    holders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for study, place in key.sessions.items():
        holders[place].append(study)
    problems = []
    for study, places in studies.items():
        for place, row in places.items():
            before = holders[place] if key.subjects.get(person_of(by_uid[row.series_uid])) == place[0] else []
            if before and study not in before and all(place not in studies.get(one, (place,)) for one in before):
                folder = folder_of(place)
                problems.append(f"{row.title}: {folder} is another visit, which gets another label by this plan; give "
                                f"it a label that is free, and {folder} by another run")  # fmt: skip
    return problems


def _refuse_mixtures(plan: Plan, by_uid: Mapping[str, Series], key: Key) -> list[str]:
    """Return a sentence for each label that is given to a person or visit while it holds files of a former one."""
    studies = _find_studies(plan, by_uid)
    problems = []
    for study, places in studies.items():
        for place, row in places.items():
            own = key.subjects.get(person_of(by_uid[row.series_uid]))
            for folder, left in key.former.items():
                home = next(iter(studies.get(left, ())), key.sessions.get(left, ("", "")))
                is_other_person = home[0] != place[0] and own != key.sessions.get(left, home)[0]
                is_other_visit = folder == folder_of(place) and home != place
                concerned = folder.partition("/")[0] == f"sub-{place[0]}" and key.sessions.get(study) != place
                if concerned and left != study and (is_other_person or is_other_visit):
                    whose = "someone who" if is_other_person else "a visit that"
                    problems.append(f"{row.title}: {folder} still holds files of {whose} is {folder_of(home)} now, and "
                                    f"that bidsflow did not write; move them there, or away, first")  # fmt: skip
    return problems


def _refuse_parted(plan: Plan, by_uid: Mapping[str, Series]) -> list[str]:
    """Return a sentence for each row that gives a study's images to another subject than most of its rows do.

    The key has one place for a study. Where the headers of a study name two people, a plan may part them.
    """
    studies: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in plan.decided(Decision.CONVERT):
        if row.series_uid in by_uid:
            series = by_uid[row.series_uid]
            studies[series.study_uid, person_of(series)][parse_name(row.path).sub].append(row.title)
    problems = []
    for subjects in studies.values():
        count = sum(map(len, subjects.values()))
        for sub, titles in subjects.items():
            others = " and ".join(f"sub-{other}" for other in subjects if other != sub)
            said = f"it goes to sub-{sub}, and other images of its study to {others}; give all of a study one subject"
            problems += [f"{title}: {said}" for title in titles if 2 * len(titles) <= count]
    return problems


def _note_people(
    people: Mapping[str, Mapping[tuple[str, str], str]], intruders: Mapping[tuple[str, str], str], key: Key
) -> list[str]:
    subjects = {person: {sub: title for (sub, _), title in places.items()} for person, places in people.items()}
    joined: dict[str, set[str]] = defaultdict(set)
    for person, own in subjects.items():
        for sub in own:
            joined[sub].add(person)
    advice = "if they are not one, give each its own subject in the plan"
    notes = [f"{title} joins sub-{sub}, who is someone else by name and ID; {advice}"
             for (sub, _), title in intruders.items()]  # fmt: skip
    notes += [
        f"sub-{sub} is {len(some)} people by their headers; {advice}"
        for sub, some in joined.items()
        if len(some) > 1 and any(key.subjects.get(person) != sub for person in some)
    ]
    notes += [
        f"one person is {' and '.join(f'sub-{sub}' for sub in sorted(own))} by the plan ({', '.join(own.values())}); "
        "give all of a person's images one subject"
        for own in subjects.values()
        if len(own) > 1
    ]
    return notes


def _note_parted_visits(plan: Plan, by_uid: Mapping[str, Series]) -> list[str]:
    """Return a note for each study of which a plan puts images into several sessions of a subject."""
    parted: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in plan.decided(Decision.CONVERT):
        if row.series_uid in by_uid:
            name = parse_name(row.path)
            parted[by_uid[row.series_uid].study_uid, name.sub][name.folder].append(row.title)
    notes = []
    for folders in parted.values():
        least, *others = sorted(folders, key=lambda folder: (len(folders[folder]), folder))
        if others:
            rest = " and ".join(sorted(others))
            notes.append(f"{folders[least][0]} goes to {least}, and other images of its study to {rest}; if they were "
                         "one visit, give all of them one session")  # fmt: skip
    return notes
