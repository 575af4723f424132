"""The task of a functional run: what its words mean beside those of the other runs of an export. Pure.

A task that is named, or rest, has the words in its label that always tell a condition (``rest_EO``, see `vocabulary`).
Beside a plain name, the same name with other words is a run of it (``rest``, ``rest_story``); where two names have each
a word that the other has not (``rest_story``, ``rest_tones``), these are conditions, too. Where no task is named, the
words are the label, but for remarks on a run that another has without them. Numbers that end names (``faces1``,
``faces_2``) are runs; loads (``2-back``) are words. All is decided for a whole export and its dataset, so that
everyone's runs of one name have one label, in one spelling.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, permutations

from bidsflow.convert.naming import personwords, words
from bidsflow.convert.naming.doubts import is_called_result
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.physics import FEW_VOLUMES
from bidsflow.convert.naming.taskwords import Task, read_task
from bidsflow.convert.naming.vocabulary import About, is_load, spell_condition, tell_about
from bidsflow.convert.plan import Decision
from bidsflow.dicom.physics import phase_encoding
from bidsflow.dicom.series import Series
from bidsflow.names import to_label

#: Fields of a header, with what their values are divided by, that people type as numbers behind a name.
_TYPED_FIELDS = (
    ("SliceThickness", 1.0), ("PixelSpacing", 1.0), ("RepetitionTime", 1000.0), ("EchoTime", 1.0), ("FlipAngle", 1.0),
)  # fmt: skip
#: Values of a field that differ by no more than this are one, and the number that was typed for it.
_ONE_VALUE = 0.05
#: A lone run has no higher number: what is higher belongs to its name (``covid19``).
_MOST_ALONE = 9
#: Words beside a task that are looked for, together, in the labels of a dataset.
_MOST_WORDS = 6

Drafts = list[Draft]
_Read = tuple[Series, Task]


@dataclass(frozen=True, slots=True)
class Tasks:
    """What the runs of an export, and of the dataset that it is for, tell of each other's tasks.

    Attributes
    ----------
    telling : mapping of str to mapping
        The spelling of words that tell conditions in a session, by themselves in small letters, by the task in small
        letters.
    courses : mapping of str to frozenset
        Words in small letters that name the course of phase encoding, by the task in small letters.
    varied : frozenset of str
        Tasks in small letters beside which runs of one session have different words.
    numbered, uncounted : frozenset of str
        Stems in small letters with several numbers at their ends that are runs, and those whose numbers are no runs.
    known : mapping of str to (str, int)
        Labels of tasks that the dataset has, and their highest run, by the label in small letters.
    labelled : frozenset of str
        Stems in small letters of which the dataset has several labels with numbers, and no runs.
    repeats : mapping of str to str
        What a task is called without remarks, by its stem in small letters, where no task is named.
    spelled : mapping of str to str
        Labels as they are spelled in the export, by themselves in small letters.
    """

    telling: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    courses: Mapping[str, frozenset[str]] = field(default_factory=dict)
    varied: frozenset[str] = frozenset()
    numbered: frozenset[str] = frozenset()
    uncounted: frozenset[str] = frozenset()
    known: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    labelled: frozenset[str] = frozenset()
    repeats: Mapping[str, str] = field(default_factory=dict)
    spelled: Mapping[str, str] = field(default_factory=dict)


#: Of an export that is not known.
NO_TASKS = Tasks()


def find_tasks(visits: Iterable[Sequence[Draft]], paths: Iterable[str] = ()) -> Tasks:
    """Return what functional runs tell of each other's tasks.

    Parameters
    ----------
    visits : iterable of sequence of Draft
        The images of each session of an export, by themselves.
    paths : iterable of str
        Of images that the dataset has.
    """
    visits = [list(visit) for visit in visits]
    read = [[(one, read_task(one)) for one in _list_runs(visit)] for visit in visits]
    known = _read_known(paths)
    telling: dict[str, dict[str, str]] = defaultdict(dict)
    courses: dict[str, frozenset[str]] = defaultdict(frozenset)
    varied: set[str] = set()
    numbered: set[str] = set()
    uncounted: set[str] = set()
    repeats = _find_repeats([task for members in read for _, task in members], known)
    for stem, members in _group_stems(read, repeats):
        courses[stem] |= _find_courses(members)
        for word, spelled in _find_telling([task for _, task in members]).items():
            telling[stem][word] = min(spelled, telling[stem].get(word, spelled))
        varied |= {stem} if len({frozenset(task.beside) for _, task in members}) > 1 else set()
        several = _are_runs(members)
        numbered |= {stem} if several else set()
        uncounted |= {stem} if several is False else set()
    tasks = Tasks(
        telling, courses, frozenset(varied), frozenset(numbered), frozenset(uncounted - numbered), known,
        _find_labelled(known), repeats,
    )  # fmt: skip
    return replace(tasks, spelled=_find_spelled(visits, read, tasks))


def name_task(series: Series, tasks: Tasks) -> tuple[str, str]:
    """Return the task's label of a series, and a clause on where it comes from."""
    task = read_task(series)
    chosen = _choose_words(task, tasks)
    said = f"{task.because}{_say_chosen(task, chosen, tasks)}{_say_left(task, chosen, tasks)}"
    return _spell_label(_label_task(task, tasks), tasks), said


def _label_task(task: Task, tasks: Tasks) -> str:
    label, _ = _settle_number(task, tasks)
    chosen = _choose_words(task, tasks)
    return to_label(" ".join((label, *chosen))) if chosen else label


def _spell_label(label: str, tasks: Tasks) -> str:
    """Return a label as the dataset or the export spells it: many disks do not tell capitals apart."""
    own = label.lower()
    return tasks.known[own][0] if own in tasks.known else tasks.spelled.get(own, label)


def _say_chosen(task: Task, chosen: Sequence[str], tasks: Tasks) -> str:
    """Return what is said of the words beside a task that its label holds."""
    if not chosen:
        return ""
    telling = {word.lower() for word in chosen} & tasks.telling.get(task.stem.lower(), {}).keys()
    return f" and {' '.join(chosen)}, {'which tells its runs apart' if telling else 'which is a condition'}"


def _say_left(task: Task, chosen: Sequence[str], tasks: Tasks) -> str:
    """Return what is said of words that a label does not hold: remarks, and what tells no conditions."""
    said = ""
    if task.remarks and (not task.plain or task.stem.lower() in tasks.repeats):
        said = f"; beside it stands {' '.join(task.remarks)}, a remark on the run: look whether it is to be used"
    taken = {word.lower() for word in chosen}
    left = [word for word in task.beside if word.lower() not in taken]
    if left and task.stem.lower() in tasks.varied:
        said += f"; beside it stands {' '.join(left)}, to which no run of the session has a counterpart: look if it is "
        said += "a run of the same task"
    return said


def doubt_merged(drafts: Drafts) -> Drafts:
    """Set runs before a person that have one label, although words of another script tell them apart."""
    labels: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.to_convert and draft.suffix in ("bold", "cbv") and not draft.exact and draft.rule is None:
            labels[draft.entity("task").lower()].append(draft)
    doubted: dict[int, Draft] = {}
    for members in labels.values():
        spelled = {one.home: frozenset(personwords.foreign_words(one.series)) for one in reversed(members)}
        if len(set(spelled.values())) > 1:
            shared = frozenset.intersection(*spelled.values())
            doubted |= {id(one): _doubt_merged(one, sorted(spelled[one.home] - shared)) for one in members}
    return [doubted.get(id(draft), draft) for draft in drafts]


def _doubt_merged(draft: Draft, own: Sequence[str]) -> Draft:
    said = f"the {words.source(draft.series)} tells it from other runs of task-{draft.entity('task')}"
    said += f" by {' '.join(own)}, which its label does not hold" if own else " only in letters that labels do not hold"
    return draft.decided(Decision.REVIEW, f"{said}: say if they are one task")


def run_number(series: Series, tasks: Tasks) -> int | None:
    """Return the number of the run that the words of a series name, None where they name none, or two."""
    number = words.run_number(series)
    return _settle_number(read_task(series), tasks)[1] if number is None else number


def _settle_number(task: Task, tasks: Tasks) -> tuple[str, int | None]:
    """Return the label of a task without its conditions, and the number of the run."""
    label = tasks.repeats.get(task.stem.lower(), task.stem)
    stem, number = label.lower(), task.number
    if number is None:
        return label, None
    whole = task.label if task.label != task.stem and label == task.stem else f"{label}{number}"
    alone = stem not in tasks.numbered
    held = whole.lower() in tasks.known and stem not in tasks.known and not is_load(whole)
    if stem in tasks.labelled or (alone and held):
        return whole, None
    if alone and number > _MOST_ALONE:
        return task.label, None
    return label, None if stem in tasks.uncounted else number


def _choose_words(task: Task, tasks: Tasks) -> list[str]:
    """Return the words beside a task that belong to its label: conditions, what tells, and those of a known label."""
    stem = task.stem.lower()
    spelled = tasks.telling.get(stem, {})
    beside = [word for word in task.beside if word.lower() not in tasks.courses.get(stem, ())]
    always = [word for word in beside if _is_condition(word)]
    chosen = [_spell(word, spelled) for word in beside if _is_condition(word) or word.lower() in spelled]
    if len(chosen) > len(always) or any(word.lower() in spelled for word in always) or not tasks.known:
        return chosen
    for count in range(min(len(beside), _MOST_WORDS), 0, -1):
        for some in combinations(beside[:_MOST_WORDS], count):
            if {*always} <= {*some} and (stem + "".join(some)).lower() in tasks.known:
                return list(some)
    return chosen


def _spell(word: str, spelled: Mapping[str, str]) -> str:
    return spell_condition(word) if _is_condition(word) else spelled[word.lower()]


def _is_condition(word: str) -> bool:
    """Return whether a word stands in the label of whatever it stands beside."""
    return tell_about(word) in (About.CONDITION, About.COURSE)


def _list_runs(visit: Iterable[Draft]) -> list[Series]:
    """Return the functional runs of a visit, each once, also where its echoes are series of their own."""
    return list({draft.home: draft.series for draft in visit if _is_run(draft)}.values())


def _group_stems(read: Iterable[Sequence[_Read]], repeats: Mapping[str, str]) -> Iterable[tuple[str, list[_Read]]]:
    """Yield the runs of each session and stem."""
    for members in read:
        stems: dict[str, list[_Read]] = defaultdict(list)
        for series, task in members:
            stems[repeats.get(task.stem.lower(), task.stem).lower()].append((series, task))
        yield from stems.items()


def _find_spelled(visits: Iterable[Iterable[Draft]], read: Iterable[Iterable[_Read]], tasks: Tasks) -> dict[str, str]:
    """Return how labels are spelled, by themselves in small letters: as a protocol or a study gives them first."""
    given = {draft.entity("task") for visit in visits for draft in visit if draft.to_convert} - {""}
    named = {_label_task(task, tasks) for members in read for _, task in members}
    return {label.lower(): label for label in (*sorted(named), *sorted(given))}


def _is_run(draft: Draft) -> bool:
    """Return whether an image is a functional run whose words may tell tasks apart, as far as it tells by itself."""
    if not draft.to_convert or draft.suffix not in ("bold", "cbv") or draft.exact or draft.entity("task"):
        return False
    other = words.is_reference(draft.series) or is_called_result(draft)
    return draft.image.volumes > FEW_VOLUMES and not other


def _find_telling(members: Sequence[Task]) -> dict[str, str]:
    """Return the words, in small letters and as they are spelled, that tell conditions of one session and task.

    Of two runs that have each a word which the other has not, these words tell, unless known conditions tell the two
    apart already. A word of another script tells wherever it stands.
    """
    spelled = {word.lower(): word for task in members for word in task.beside}
    sure = {word for word, own in spelled.items() if _is_condition(own)}
    foreign = frozenset[str]().union(*(task.foreign for task in members))
    every = {frozenset(word.lower() for word in task.beside) for task in members}
    told: set[str] = set()
    for one, two in permutations(every, 2):
        own, other = one - two, two - one
        told |= own & foreign
        plain = one & sure in every
        if not own or not other or (own & sure and other & sure) or (plain and other <= sure):
            continue
        doubtful = {word for word in own if plain and tell_about(spelled[word]) is About.DOUBTFUL}
        told |= own - sure - doubtful
    return {word: spelled[word] for word in told}


def _find_courses(members: Sequence[_Read]) -> frozenset[str]:
    """Return the words, in small letters, with which phase encoding changes between runs of one session and task.

    L and R are hands, where it does not run from side to side.
    """
    courses: dict[frozenset[str], set[str]] = defaultdict(set)
    for series, task in members:
        own = frozenset(word.lower() for word in task.beside if tell_about(word) is About.COURSE)
        courses[own].add(phase_encoding(series.header))
    measured = [next(iter(found)) for found in courses.values() if len(found) == 1]
    if len(courses) < 2 or len({*measured} - {""}) < len(courses):
        return frozenset()
    sideways = {*measured} <= {"LR", "RL"} or all(task.label.lower() == "rest" for _, task in members)
    return frozenset(word for own in courses for word in own if sideways or len(word) > 1)


def _find_repeats(read: Sequence[Task], known: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """Return the stems of tasks that have words too many, in small letters, and the label without them.

    That a run repeats another is never of its task; other remarks may be, where no run is called without them.
    """
    labels = {task.stem.lower(): task.stem for task in read}
    labels |= {label: spelled for label, (spelled, _) in known.items()}
    return {
        task.stem.lower(): labels.get(task.plain.lower(), task.plain)
        for task in read
        if task.plain and task.stem.lower() not in known and (task.plain.lower() in labels or _only_repeats(task))
    }


def _only_repeats(task: Task) -> bool:
    return all(tell_about(word) is About.REPEAT for word in task.remarks)


def _find_labelled(known: Mapping[str, tuple[str, int]]) -> frozenset[str]:
    """Return the stems of several labels that end with numbers; whose runs are numbered too is counted by runs."""
    stems = [label.rstrip("0123456789") for label in known if label[-1].isdecimal() and not is_load(label)]
    return frozenset(stem for stem in stems if stems.count(stem) > 1 and not known.get(stem, ("", 0))[1])


def _are_runs(members: Sequence[_Read]) -> bool | None:
    """Return whether the numbers that end the names of one session and stem are runs; None where too few tell.

    One without a number is the first. Scanners append the number of a series to names, and people what they changed
    (a repetition time of 2 s that all have was not).
    """
    typed = [(series, task.number) for series, task in members if task.number is not None]
    if not typed:
        return None
    firsts = {1} if len(typed) < len(members) else set()
    numbers = {number for _, number in typed}
    if firsts & numbers or (len(firsts | numbers) == 1 and _are_doubled(members)):
        return False
    if all(series.number == number for series, number in typed):
        return False
    if any(_tells_field(members, keyword, scale) for keyword, scale in _TYPED_FIELDS):
        return False
    return len(firsts | numbers) > 1 or None


def _are_doubled(members: Sequence[_Read]) -> bool:
    """Return whether runs that were measured at several moments have the same words."""
    return len({(series.started, frozenset(task.beside)) for series, task in members}) > len(
        {frozenset(task.beside) for _, task in members}
    )


def _tells_field(members: Sequence[_Read], keyword: str, scale: float) -> bool:
    """Return whether the numbers that end names are values of a field in which the runs differ."""
    values = [(_first(series, keyword) / scale, task.number) for series, task in members]
    differ = max(value for value, _ in values) - min(value for value, _ in values) > _ONE_VALUE
    return differ and all(number is None or abs(value - number) <= _ONE_VALUE for value, number in values)


def _first(series: Series, keyword: str) -> float:
    return next(iter(series.header.numbers(keyword)), -1.0)


def _read_known(paths: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Return the labels of tasks in paths, and the highest run of each, by the label in small letters."""
    known: dict[str, tuple[str, int]] = {}
    for path in paths:
        if found := re.search(r"_task-([0-9A-Za-z+]+)_(?:[^/]*_)?", path):
            run = re.search(r"_run-(\d+)_", path)
            label, highest = known.get(found[1].lower(), (found[1], 0))
            known[found[1].lower()] = (label, max(highest, int(run[1]) if run else 0))
    return known
