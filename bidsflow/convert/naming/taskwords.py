"""What the words of one series say of its task. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from bidsflow.convert.naming import personwords, words
from bidsflow.convert.naming.vocabulary import About, drop_courses, is_load, mend_text, names_course, tell_about
from bidsflow.dicom.series import Series
from bidsflow.dicom.tags import find_maker
from bidsflow.names import to_label

_TASK = re.compile(r"(?<![A-Za-z])task(?:s(?![A-Za-z0-9]))?[-_ ]?([A-Za-z0-9]+)", re.IGNORECASE)
#: Rest, but for the rest in between of a task: ``motor rest block``, ``motor vs rest``.
_REST = re.compile(
    r"(?<![a-z])(?<!vs )(?<!versus )(?:rest(?:ing)?(?:[-_ ]?state)?|rs[-_ ]?f?mri|rs[-_ ]?bold|rest[-_ ]?f?mri)"
    r"(?![a-z])(?![-_ ]*(?:blocks?|periods?|vs|versus)(?![a-z]))",
    re.IGNORECASE,
)
#: What Philips adds to the names of protocols.
_ADDED = re.compile(r"c?sense\d*", re.IGNORECASE)
#: What in a name is a number, and no run: shares, decimals, fractions, dates.
_FIGURES = re.compile(
    r"\d+ ?%|\d+[.,]\d+[A-Za-z]*|\d+ ?/ ?\d+|pf[-_ ]?\d-\d|\d{1,4}([-_./])\d{1,2}\1\d{1,4}", re.IGNORECASE
)
#: Words before a number that is no run: it counts something else, or says how much of it.
_UNITS = frozenset({
    "run", "task", "tasks", "tr", "te", "ti", "fa", "flip", "mb", "sms", "pat", "ipat", "acc", "accel", "grappa", "pf",
    "v", "ver", "version", "ses", "session", "sess", "day", "visit", "week", "tp", "t", "wave", "echo", "e", "p", "s",
    "slices", "hb", "fov", "sense", "ch", "x", "co",
})  # fmt: skip
#: Words behind a number that is no run.
_MEASURES = frozenset(
    {"mm", "ms", "s", "sec", "min", "mins", "iso", "t", "vol", "vols", "dyn", "dyns", "ch", "hz", "x"}
)
_BEHIND = re.compile(rf"[-_ ]?(\d{{1,2}})(?![A-Za-z0-9.,/]|[-_]\d|[-_ ]*(?:{'|'.join(_MEASURES)})(?![A-Za-z]))")
#: No one types higher numbers for runs; channels, flip angles and volumes are higher.
_MOST_RUNS = 20
#: Words for functional imaging that may be a label where nothing else can.
_OWN_WORDS = ("fmri", "bold", "func", "epi")
#: What no label of a named task holds.
_LEFT_OUT = frozenset({About.MEASURED, About.RECORDED, About.REMARK, About.REPEAT})
#: What a person should look at.
_REMARKS = frozenset({About.REMARK, About.REPEAT})
#: What may end the name of a run that another has without it.
_ADDITIONS = frozenset({About.RECORDED, About.REMARK, About.REPEAT, About.DOUBTFUL})


@dataclass(frozen=True, slots=True)
class Task:
    """What the words of one series say of its task.

    Attributes
    ----------
    label : str
        The task's label by these words alone.
    because : str
        A clause on where it comes from.
    stem : str
        The label without the number that ends the name.
    number : int or None
        That number.
    beside : tuple of str
        Words beside a task that is named, in order: conditions, and words that may be.
    foreign : frozenset of str
        Those of them, in small letters, that were typed in another script, which no table knows.
    remarks : tuple of str
        Words on how the run went, or that it repeats another.
    plain : str
        The stem without such words, of a task that is not named; ``""`` where it has none.
    """

    label: str
    because: str
    stem: str
    number: int | None = None
    beside: tuple[str, ...] = ()
    foreign: frozenset[str] = frozenset()
    remarks: tuple[str, ...] = ()
    plain: str = ""


def read_task(series: Series) -> Task:
    """Return what the words of a series say of its task, by themselves.

    Nothing is invented: where no task is named, the label repeats what is left of the words, or their own word for
    functional imaging.
    """
    text = mend_text(personwords.task_text(series))
    named, rest = _TASK.search(text), _REST.search(text.replace("_", " "))
    core = named if named and not words.is_generic(named[1]) else rest
    number, glued = (None, "") if words.run_number(series) is not None else _find_number(text, core)
    if core is not None:
        run = None if glued and core is named else number  # what was typed as a task keeps its number
        return _read_named(series, text, core, run)
    pieces = _split_unnamed(series, text)
    if label := _join(pieces):
        said = f"no task is named: the label repeats the {words.source(series)}{personwords.say_script(series)}"
        bare = [re.sub(r"(?:^[rR])?\d+$", "", piece) if piece == glued else piece for piece in pieces]
        plain, remarks = _split_additions(bare)
        return Task(label, said, _join(bare) or _find_own_word(bare) or label, number, remarks=remarks, plain=plain)
    return _read_nameless(series, pieces, number, named[1] if named else "")


def _read_named(series: Series, text: str, core: re.Match[str], number: int | None) -> Task:
    """Return the task that the words of a series name, or rest."""
    named = core.re is _TASK
    label = to_label(core[1]) if named else "rest"
    said = f"the {words.source(series)} " + (f"names the task {core[1]}" if named else "says rest")
    pieces = _split(drop_courses(f"{text[: core.start()]} {text[core.end() :]}"))
    remarks = tuple(piece for piece in pieces if tell_about(piece) in _REMARKS)
    beside = _find_beside(pieces, resting=label.lower() == "rest")
    foreign = {to_label(word).lower() for word in personwords.foreign_words(series)}
    return Task(label, said, label, number, beside, frozenset(foreign), remarks)


def _read_nameless(series: Series, pieces: Sequence[str], number: int | None, numbered: str) -> Task:
    """Return the task of a series that has no word for it: its number, else the word for functional imaging."""
    where, lost = words.source(series), _say_lost(series)
    if numbered.isdecimal():
        return Task(numbered, f"the {where} numbers the task {numbered}", numbered)
    if own_word := _find_own_word(pieces):
        return Task(own_word, f"no task is named{lost}: the label repeats the {where}'s own word", own_word, number)
    return Task("bold", f"no task is named{lost or ', nor anything else that could be a label'}", "bold", number)


def _say_lost(series: Series) -> str:
    """Return what is said of words that no label can hold."""
    lost = personwords.foreign_words(series)
    return f" in letters that a label may hold ({' '.join(lost)} has others)" if lost else ""


def _split(text: str) -> list[str]:
    return [piece for piece in re.split(r"[^A-Za-z0-9]+", text) if piece]


def _join(pieces: Iterable[str]) -> str:
    label = to_label(" ".join(piece for piece in pieces if not words.is_generic(piece)))
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def _find_own_word(pieces: Sequence[str]) -> str:
    return next((piece.lower() for piece in pieces if piece.lower() in _OWN_WORDS), "")


def _split_unnamed(series: Series, text: str) -> list[str]:
    """Return the words of a text, but for those that the scanner adds."""
    pieces = _split(text)
    if find_maker(series.header.text("Manufacturer")) != "PHILIPS":
        return pieces
    return [piece for piece in pieces if not _ADDED.fullmatch(piece)]


def _split_additions(pieces: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the label of words without what was added to them, and the additions; ``""`` where there are none."""
    own = [piece for piece in pieces if piece and not words.is_generic(piece)]
    ending = len(list(takewhile(lambda piece: tell_about(piece) in _ADDITIONS, reversed(own))))
    kept = own[: len(own) - ending]
    leading = len(list(takewhile(lambda piece: tell_about(piece) is About.REPEAT, kept)))
    added = (*kept[:leading], *own[len(own) - ending :])
    return (_join(kept[leading:]), added) if added else ("", ())


def _find_beside(pieces: Sequence[str], *, resting: bool) -> tuple[str, ...]:
    """Return the words beside a task that may be conditions, without numbers at their ends."""
    told = [piece for piece in pieces if tell_about(piece) not in _LEFT_OUT and not _REST.fullmatch(piece)]
    bare = [piece if is_load(piece) else piece.rstrip("0123456789") or piece for piece in told]
    return tuple(
        dict.fromkeys(
            piece for piece in bare if tell_about(piece) not in _LEFT_OUT and not (resting and names_course(piece))
        )
    )


def _find_number(text: str, core: re.Match[str] | None) -> tuple[int | None, str]:
    """Return the number that follows a task or ends a name, and the word that it is glued to; None where none is."""
    if core is not None and (behind := _BEHIND.match(text, core.end())):
        return _take(behind[1], "")
    pieces = _split(_FIGURES.sub(" ", text))
    for at in range(len(pieces) - 1, -1, -1):
        piece, before, after = pieces[at], pieces[at - 1 : at], pieces[at + 1 : at + 2]
        if piece.isdecimal():
            other = {word.lower() for word in before} & _UNITS or {word.lower() for word in after} & _MEASURES
            return (None, "") if other or at == 0 or len(piece) > 2 else _take(piece, "")
        if is_load(piece):
            break
        glued = re.fullmatch(r"([A-Za-z]{2,}|[rR])(\d{1,2})", piece)
        if glued and not words.is_generic(piece) and glued[1].lower() not in _UNITS:
            return _take(glued[2], piece)
        if tell_about(piece) not in _LEFT_OUT | {About.COURSE}:
            break
    return None, ""


def _take(digits: str, glued: str) -> tuple[int | None, str]:
    return (int(digits), glued) if int(digits) <= _MOST_RUNS else (None, "")
