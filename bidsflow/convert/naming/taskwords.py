"""What the words of one series say of its task. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from bidsflow.convert.naming import words
from bidsflow.convert.naming.remarks import is_remark, may_be_remark
from bidsflow.dicom.series import Series
from bidsflow.names import to_label

_TASK = re.compile(r"(?<![A-Za-z])task(?:s(?![A-Za-z0-9]))?[-_ ]?([A-Za-z0-9]+)", re.IGNORECASE)
#: Rest, but for the rest in between of a task: ``motor rest block``, ``motor vs rest``.
_REST = re.compile(
    r"(?<![a-z])(?<!vs )(?<!versus )(?:rest(?:ing)?(?:[-_ ]?state)?|rs[-_ ]?f?mri|rs[-_ ]?bold|rest[-_ ]?f?mri)"
    r"(?![a-z])(?![-_ ]*(?:blocks?|periods?|vs|versus)(?![a-z]))",
    re.IGNORECASE,
)
#: Words beside a task that are about its measurement, its repetition or its reconstruction: they tell no conditions.
_NOISE = re.compile(
    r"repeat(?:ed)?|rep\d*|rpt|redo|retry|again|first|second|third|\d+(?:st|nd|rd|th)|wdh|wiederholung|bis|block|part|"
    r"set|r\d*|nd|norm|dis[23]d|dico|filtered|unfiltered|orig|rev|reversed?|fwd|forward|blip|topup|hf|fh|c?sense\d*|"
    r"clear|grappa\d*|i?pat\d*|acc\d*|pf\d*|\d+ch\w*|ch\d+|hires|highres|lowres|slices?|\d+sl\w*|vols?|volumes?|dyn\w*|"
    r"mins?|\d+min\w*|sec|\d+s|asc\w*|desc\w*|int|interleaved|acq|ses|session|sub|scan|mri|state|v\d+\w*|x?\d+x\d+\w*|"
    r"[a-z]*\d{3,}[a-z]*",
    re.IGNORECASE,
)
#: What in a name is a number, and no run: decimals, fractions, dates.
_FIGURES = re.compile(r"\d+[.,]\d+[A-Za-z]*|\d+ ?/ ?\d+|pf[-_ ]?\d-\d|\d{1,4}([-_./])\d{1,2}\1\d{1,4}", re.IGNORECASE)
#: Words before a number that is no run: it counts something else, or says how much of it.
_UNITS = frozenset({
    "run", "task", "tasks", "tr", "te", "ti", "fa", "flip", "mb", "sms", "pat", "ipat", "acc", "accel", "grappa", "pf",
    "v", "ver", "version", "ses", "session", "sess", "day", "visit", "week", "tp", "t", "wave", "echo", "e", "p", "s",
    "slices", "hb", "fov", "sense", "ch", "x",
})  # fmt: skip
#: Words behind a number that is no run.
_MEASURES = frozenset(
    {"mm", "ms", "s", "sec", "min", "mins", "iso", "t", "vol", "vols", "dyn", "dyns", "ch", "hz", "x"}
)
_BEHIND = re.compile(rf"[-_ ]?(\d{{1,2}})(?![A-Za-z0-9.,/]|[-_]\d|[-_ ]*(?:{'|'.join(_MEASURES)})(?![A-Za-z]))")
#: Words before a number that is a condition.
_CONDITIONS = r"(?<![a-z])(?:cond|condition|level|load|dose|type)[-_ ]*\d"
#: No one types higher numbers for runs; channels, flip angles and volumes are higher.
_MOST_RUNS = 20
#: Words for functional imaging that may be a label where nothing else can.
_OWN_WORDS = ("fmri", "bold", "func", "epi")


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
    graded : bool
        Whether a word before the number calls it a condition.
    beside : tuple of str
        Words beside a task that is named, in order, that are not about the measurement.
    remarks : tuple of str
        Words on how the run went, which belong to no label.
    plain : str
        The label without words that may be remarks, of a task that is not named; ``""`` where it has none.
    """

    label: str
    because: str
    stem: str
    number: int | None = None
    graded: bool = False
    beside: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    plain: str = ""


def read_task(series: Series) -> Task:
    """Return what the words of a series say of its task, by themselves.

    Nothing is invented: where no task is named, the label repeats what is left of the words, or their own word for
    functional imaging.
    """
    text, where = words.task_text(series), words.source(series)
    named, rest = _TASK.search(text), _REST.search(text.replace("_", " "))
    core = named if named and not words.is_generic(named[1]) else rest
    number, glued = (None, "") if words.run_number(series) is not None else _find_number(text, core)
    graded = number is not None and bool(re.search(_CONDITIONS, text.lower()))
    if core is not None:
        label = to_label(core[1]) if core is named else "rest"
        said = f"the {where} names the task {core[1]}" if core is named else f"the {where} says rest"
        run = None if glued and core is named else number  # what was typed as a task keeps its number
        remarks = tuple(piece for piece in _split_beside(text, core) if is_remark(piece))
        return Task(label, said, label, run, graded, _find_beside(text, core), remarks)
    pieces = _split(text)
    if label := _join(pieces):
        said = f"no task is named: the label repeats the {where}{words.say_script(series)}"
        bare = [re.sub(r"(?:^[rR])?\d+$", "", piece) if piece == glued else piece for piece in pieces]
        own = [piece for piece in pieces if not words.is_generic(piece)]
        remarks = tuple(reversed(list(takewhile(may_be_remark, reversed(own)))))
        plain = _join(own[: len(own) - len(remarks)]) if remarks else ""
        stem = _join(bare) or _find_own_word(bare) or label
        return Task(label, said, stem, number, graded, remarks=remarks, plain=plain)
    if named and named[1].isdecimal():
        return Task(named[1], f"the {where} numbers the task {named[1]}", named[1])
    if own_word := _find_own_word(pieces):
        said = f"no task is named{_say_lost(series)}: the label repeats the {where}'s own word"
        return Task(own_word, said, own_word, number, graded)
    lost = _say_lost(series)
    said = f"no task is named{lost or ', nor anything else that could be a label'}"
    return Task("bold", said, "bold", number, graded)


def _say_lost(series: Series) -> str:
    """Return what is said of words that no label can hold."""
    lost = words.foreign_words(series)
    return f" in letters that a label may hold ({' '.join(lost)} has others)" if lost else ""


def _split(text: str) -> list[str]:
    return [piece for piece in re.split(r"[^A-Za-z0-9]+", text) if piece]


def _join(pieces: Iterable[str]) -> str:
    label = to_label(" ".join(piece for piece in pieces if not words.is_generic(piece)))
    return label if label[:2].isupper() else label[:1].lower() + label[1:]


def _find_own_word(pieces: Sequence[str]) -> str:
    return next((piece.lower() for piece in pieces if piece.lower() in _OWN_WORDS), "")


def _split_beside(text: str, core: re.Match[str]) -> list[str]:
    return _split(f"{text[: core.start()]} {text[core.end() :]}")


def _find_beside(text: str, core: re.Match[str]) -> tuple[str, ...]:
    pieces = _split_beside(text, core)
    told = [piece for piece in pieces if not _is_noise(piece) and not _REST.fullmatch(piece)]
    bare = [piece.rstrip("0123456789") or piece for piece in told]
    return tuple(dict.fromkeys(piece for piece in bare if not _is_noise(piece)))


def _is_noise(piece: str) -> bool:
    return words.is_generic(piece) or bool(_NOISE.fullmatch(piece)) or is_remark(piece)


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
        glued = re.fullmatch(r"([A-Za-z]{2,}|[rR])(\d{1,2})", piece)
        if glued and not words.is_generic(piece) and glued[1].lower() not in _UNITS:
            return _take(glued[2], piece)
        if not _is_noise(piece):
            break
    return None, ""


def _take(digits: str, glued: str) -> tuple[int | None, str]:
    return (int(digits), glued) if int(digits) <= _MOST_RUNS else (None, "")
