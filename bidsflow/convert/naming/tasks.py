"""The task of a functional run: what its words mean beside those of the other runs of an export. Pure.

Words that tell the runs of one session apart are conditions (``rest``, ``rest_music``), and stand in the label; so do
words that always tell one (``rest_EO``). A word on how a run went (``rest_bad``) makes no other task. Numbers that end
their names (``faces1``, ``faces_2``) are runs, unless they begin at 0: a load (``nback_0``) is a condition; or unless
labels of the dataset hold them. All is decided for a whole export and its dataset, so that everyone's runs of one name
have one label.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from bidsflow.convert.naming import words
from bidsflow.convert.naming.doubts import is_called_result
from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.physics import FEW_VOLUMES
from bidsflow.convert.naming.remarks import is_condition, may_be_remark, spell_condition
from bidsflow.convert.naming.taskwords import Task, read_task
from bidsflow.convert.plan import Decision
from bidsflow.dicom.series import Series
from bidsflow.names import to_label

#: Fields of a header, with what their values are divided by, that people type as numbers behind a name.
_TYPED_FIELDS = (
    ("SliceThickness", 1.0), ("PixelSpacing", 1.0), ("RepetitionTime", 1000.0), ("EchoTime", 1.0), ("FlipAngle", 1.0),
)  # fmt: skip
#: Values of a field that differ by no more than this are one, and the number that was typed for it.
_ONE_VALUE = 0.05
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
        The spelling of words that tell conditions, by themselves in small letters, by the task in small letters.
    counted, numbered, loads : frozenset of str
        Stems in small letters with numbers at their ends: those of one task, those of them whose numbers are runs, and
        those whose numbers are conditions.
    known : mapping of str to (str, int)
        Labels of tasks that the dataset has, and their highest run, by the label in small letters.
    labelled : frozenset of str
        Stems in small letters of which the dataset has labels with numbers, and no runs.
    remarked : mapping of str to frozenset
        Words in small letters that only say that a run repeats another, by the task in small letters.
    repeats : mapping of str to str
        What a task is called without such words, by its label in small letters, where no task is named.
    """

    telling: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    counted: frozenset[str] = frozenset()
    numbered: frozenset[str] = frozenset()
    loads: frozenset[str] = frozenset()
    known: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    labelled: frozenset[str] = frozenset()
    remarked: Mapping[str, frozenset[str]] = field(default_factory=dict)
    repeats: Mapping[str, str] = field(default_factory=dict)


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
    telling: dict[str, dict[str, str]] = defaultdict(dict)
    counted: set[str] = set()
    numbered: set[str] = set()
    loads: set[str] = set()
    remarked: dict[str, frozenset[str]] = defaultdict(frozenset)
    repeats: dict[str, str] = {}
    known = _read_known(paths)
    for visit in visits:
        runs = {draft.series.uid: draft.series for draft in visit if _is_run(draft)}
        stems: dict[str, list[_Read]] = defaultdict(list)
        for series in runs.values():
            task = read_task(series)
            stems[task.stem.lower()].append((series, task))
        repeats |= _find_repeats([task for members in stems.values() for _, task in members], known)
        for stem, members in stems.items():
            remarked[stem] |= _find_remarked([task for _, task in members])
            for word, spelled in _find_telling([task for _, task in members]).items():
                telling[stem][word] = min(spelled, telling[stem].get(word, spelled))
            numbers = {task.number for _, task in members}
            if 0 in numbers or any(task.graded for _, task in members):
                loads.add(stem)
            elif _are_runs(members):
                counted.add(stem)
                numbered |= {stem} - ({stem} if {1, None} <= numbers else set())
    told = {
        stem: {word: own for word, own in some.items() if word not in remarked[stem]} for stem, some in telling.items()
    }
    fixed = frozenset(counted), frozenset(numbered), frozenset(loads)
    return Tasks(told, *fixed, known, _find_labelled(known), remarked, repeats)


def name_task(series: Series, tasks: Tasks) -> tuple[str, str]:
    """Return the task's label of a series, and a clause on where it comes from."""
    task = read_task(series)
    label, _ = _settle_number(task, tasks)
    remarked = _say_remarks(task, tasks)
    chosen = _choose_words(task, tasks)
    if not chosen:
        return label, task.because + remarked
    whole = to_label(" ".join((label, *chosen)))
    telling = {word.lower() for word in chosen} & tasks.telling.get(task.stem.lower(), {}).keys()
    why = "which tells its runs apart" if telling else "which is a condition"
    said = f"{task.because} and {' '.join(chosen)}, {why}{remarked}"
    return tasks.known.get(whole.lower(), (whole, 0))[0], said


def _say_remarks(task: Task, tasks: Tasks) -> str:
    """Return what is said of words that a label does not hold, since they are about how a run went."""
    of_stem = tasks.remarked.get(task.stem.lower(), frozenset())
    own = task.remarks if not task.plain or task.label.lower() in tasks.repeats else ()
    found = [*own, *(word for word in task.beside if word.lower() in of_stem)]
    return f"; beside it stands {' '.join(found)}, a remark on the run: look whether it is to be used" if found else ""


def doubt_merged(drafts: Drafts) -> Drafts:
    """Set runs before a person that have one label, although words of another script tell them apart."""
    labels: dict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        if draft.to_convert and draft.suffix in ("bold", "cbv") and not draft.exact and draft.rule is None:
            labels[draft.entity("task").lower()].append(draft)
    doubted: dict[int, Draft] = {}
    for members in labels.values():
        spelled = {one.home: frozenset(words.foreign_words(one.series)) for one in reversed(members)}
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
    stem = task.stem.lower()
    if repeated := tasks.repeats.get(task.label.lower()):
        return repeated, None
    if task.number is None:
        return task.label, None
    if stem in tasks.loads or stem in tasks.labelled:
        own = task.label if stem in tasks.labelled and task.label != task.stem else ""
        whole = own or f"{task.stem}{task.number}"
        return tasks.known.get(whole.lower(), (whole, 0))[0], None
    if stem in tasks.counted:
        return task.stem, task.number if stem in tasks.numbered else None
    if 0 < task.number <= tasks.known.get(stem, ("", 0))[1]:
        return task.stem, task.number
    return task.label, None


def _choose_words(task: Task, tasks: Tasks) -> list[str]:
    """Return the words beside a task that belong to its label: conditions, what tells, and those of a known label."""
    stem = task.stem.lower()
    spelled = tasks.telling.get(stem, {})
    always = [word for word in task.beside if is_condition(word)]
    chosen = [_spell(word, spelled) for word in task.beside if word in always or word.lower() in spelled]
    if len(chosen) > len(always) or any(word.lower() in spelled for word in always) or not tasks.known:
        return chosen
    for count in range(min(len(task.beside), _MOST_WORDS), 0, -1):
        for some in combinations(task.beside[:_MOST_WORDS], count):
            if {*always} <= {*some} and (stem + "".join(some)).lower() in tasks.known:
                return list(some)
    return chosen


def _spell(word: str, spelled: Mapping[str, str]) -> str:
    return spell_condition(word) if is_condition(word) else spelled[word.lower()]


def _is_run(draft: Draft) -> bool:
    """Return whether an image is a functional run whose words may tell tasks apart, as far as it tells by itself."""
    if not draft.to_convert or draft.suffix not in ("bold", "cbv") or draft.exact or draft.entity("task"):
        return False
    other = words.is_reference(draft.series) or is_called_result(draft)
    return draft.image.volumes > FEW_VOLUMES and not other


def _find_telling(members: Sequence[Task]) -> dict[str, str]:
    """Return the words, in small letters and as they are spelled, that not all runs of one session and task have."""
    spelled = {word.lower(): word for task in members for word in task.beside}
    every = [{word.lower() for word in task.beside} for task in members]
    return {word: own for word, own in spelled.items() if not all(word in some for some in every)}


def _find_remarked(members: Sequence[Task]) -> frozenset[str]:
    """Return the words, in small letters, but for which a run has the name of another of its session and task."""
    every = [frozenset(task.beside) for task in members]
    found: set[str] = set()
    for some in every:
        doubtful = {word for word in some if may_be_remark(word)}
        if doubtful and some - doubtful in every:
            found |= doubtful
    return frozenset(word.lower() for word in found - _find_contrast(found))


def _find_repeats(members: Sequence[Task], known: Mapping[str, tuple[str, int]]) -> dict[str, str]:
    """Return the labels of tasks that have words too many, in small letters, and the label without them."""
    labels = {task.label.lower(): task.label for task in members}
    labels |= {label: spelled for label, (spelled, _) in known.items()}
    contrast = _find_contrast({word for task in members for word in task.remarks if task.plain})
    return {
        task.label.lower(): labels[task.plain.lower()]
        for task in members
        if task.plain.lower() in labels and task.label.lower() not in known and not contrast & {*task.remarks}
    }


def _find_contrast(found: Collection[str]) -> set[str]:
    """Return those of some words that are no remarks, since several letters (A and B) tell runs apart."""
    letters = {word for word in found if len(word) == 1}
    return letters if len(letters) > 1 else set()


def _find_labelled(known: Mapping[str, tuple[str, int]]) -> frozenset[str]:
    """Return the stems of labels that end with a number; whose runs are numbered too is counted by runs."""
    stems = {label.rstrip("0123456789") for label in known if label[-1].isdecimal()}
    return frozenset(stem for stem in stems if not known.get(stem, ("", 0))[1])


def _are_runs(members: Sequence[_Read]) -> bool:
    """Return whether the numbers that end the names of one session and stem are runs of one task.

    One without a number is the first. Scanners append the number of a series to names, and people what they changed
    (a repetition time of 2 s that all have was not).
    """
    typed = [(series, task.number) for series, task in members if task.number is not None]
    numbers = {number for _, number in typed}
    if len(numbers | ({1} if len(typed) < len(members) else set())) < 2:
        return False
    if all(series.number == number for series, number in typed):
        return False
    return not any(_tells_field(members, keyword, scale) for keyword, scale in _TYPED_FIELDS)


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
