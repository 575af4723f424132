"""Whether words of other scripts name the patient, whose name the header has in Latin letters. Pure.

Names are written in Latin letters in many ways (``Kim``, ``Gim``), of which the header has one. Single syllables sound
as a part of many names, and a wrong alarm holds an image: whole names count, and long parts of them; common words of
tasks never do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import groupby

from bidsflow.names import to_plain_letters

#: Words of tasks. Signs for syllables are found anywhere, as they stand without blanks between them.
_SIGNS = (
    "静息态|靜息態|静息|靜息|休息|任务态|任務態|任务|任務|左手|右手|双手|雙手|左脚|右脚|左腳|右腳|手指|左|右|手|脚|腳|足|口|嘴|舌|唇|"
    "视觉|視覺|听觉|聽覺|听|聽|看|语言|語言|记忆|記憶|运动|運動|测试|測試|练习|練習|图片|圖片|面孔|情绪|情緒|想象|想像|"
    "安静|安靜|睁眼|睜眼|闭眼|閉眼|課題|安静時|顔|言語|運動|指|みぎて|ひだりて|みぎ|ひだり|あし|くち|やすみ|テスト|タスク|レスト|"
    "휴식|안정|과제|왼손|오른손|양손|왼쪽|오른쪽|왼발|오른발|왼|오른|손가락|손|발|입|혀|얼굴|운동|언어|기억|시각|청각|검사"
)
_TASK_SIGNS = re.compile(_SIGNS)
#: Words of alphabets as they begin, with the endings of their cases (those of surnames, -ов and -ин, are none).
_RUSSIAN = (
    r"(?:поко[йея]|отдых|тест|задани|задач|рук|кист|ног|стоп|рот|рт|губ|язык|палец|пальц|лиц|реч|слов|памят|движени|зрени|"
    r"глаз|слух|картин|эмоци|лев(?=[аоуы])|прав(?=[аоуы]))"
    r"(?:[аяиыуюеоьй]|[оеиы]й|ою|[оеаяи]м|[ая]ми|[аяы]х|ая|ую|ые|ое|ого)?"
)
_GREEK = r"(?:ηρεμι|αναπαυσ|χερι|ποδι|στομα|γλωσσ|αριστερ|δεξι|δοκιμ)\w{0,3}"
_OTHERS = (
    "راحة|استراحة|مهمة|يد|اليد|يسار|اليسار|يسرى|اليسرى|يمين|اليمين|يمنى|اليمنى|قدم|القدم|فم|الفم|وجه|وجوه|لسان|"
    "מנוחה|משימה|יד|רגל|ימין|שמאל|פה|לשון|פנים"
)
#: Scripts whose letters stand for syllables, and those in which vowels are written as letters.
_CHINESE = ("CJK", "IDEOGRAPHIC")
_SYLLABIC = (*_CHINESE, "HANGUL", "HIRAGANA", "KATAKANA", "HALFWIDTH")
_VOWELLED = (*_SYLLABIC, "CYRILLIC", "GREEK")
#: From this many letters, or signs for syllables, a part of a name counts by itself.
_LONG_LETTERS, _LONG_SIGNS = 4, 3
#: Of scripts that leave vowels out, so many consonants tell a name; of other alphabets one more.
_CONSONANTS = 3
#: Words that are heard together at most, as given names are written as two, and signs of a whole name.
_MOST_WORDS, _MOST_SIGNS = 3, 6
#: Sounds that languages, and those who write them in Latin letters, do not tell apart; those of two letters first.
_ALIKE = (
    ("ks", "x"), ("ph", "f"), ("kh", "h"), ("zh", "c"), ("ch", "c"), ("ts", "c"), ("tz", "c"),
    *zip("gqdbvwrjzx", "kktpfflccs", strict=True),
)  # fmt: skip


def foreign_runs(text: str) -> tuple[str, ...]:
    """Return the runs of letters of other scripts in a text, with the marks that belong to them.

    Examples
    --------
    >>> foreign_runs("fMRI 左手2 王伟faces Übung")
    ('左手', '王伟')
    """
    letters = groupby(unicodedata.normalize("NFC", text), _is_foreign)
    return tuple("".join(run) for foreign, run in letters if foreign)


def _is_foreign(letter: str) -> bool:
    if letter.isascii() or unicodedata.category(letter)[0] not in "LM":
        return False
    return not unicodedata.name(letter, "").startswith(("LATIN", "COMBINING"))


def is_task_word(run: str) -> bool:
    """Return whether a run of letters of another script is a common word of tasks, or several.

    Examples
    --------
    >>> is_task_word("左手"), is_task_word("рукой"), is_task_word("王伟")
    (True, True, False)
    """
    return not _drop_task_words(run)


def _drop_task_words(run: str) -> tuple[str, ...]:
    """Return what is left of a run without words of tasks."""
    if _is_of(run, _SYLLABIC):
        return tuple(filter(None, _TASK_SIGNS.split(run)))
    return () if _TASK_WORDS.fullmatch(_fold(run)) else (run,)


def name_person(runs: Sequence[str], name: str) -> bool:
    """Return whether runs of letters of another script name a person, as they stand or by their sound.

    Parameters
    ----------
    runs : sequence of str
        From `foreign_runs`, in order.
    name : str
        Of the patient; it may hold both spellings.

    Examples
    --------
    >>> name_person(["김철수"], "KIM CHEOLSU"), name_person(["山口"], "YAMAGUCHI 山口")
    (True, True)
    >>> name_person(["任务"], "REN MIN")
    False
    """
    parts = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", name).lower())
    written = {"".join(some) for some in _turn([part for part in parts if foreign_runs(part)])}
    if any(_is_written(run.lower(), written) for run in runs if not is_task_word(run)):
        return True
    left = [part for run in runs for part in _drop_task_words(run)]
    within = {part for run in left if _is_of(run, _SYLLABIC) for part in _cut(run)}
    heard = {*_join_neighbours(left), *_join_neighbours([run for run in runs if not is_task_word(run)]), *within}
    latin = [to_plain_letters(part).lower() for part in parts if not foreign_runs(part)]
    return any(_is_heard(run, latin) for run in heard)


def _is_written(run: str, written: Iterable[str]) -> bool:
    """Return whether a run is a part of a name as the header has it in its own script, or holds one of two signs."""
    inside = _is_of(run, _SYLLABIC)
    return any(run == name or (inside and len(name) > 1 and name in run) for name in written)


def _is_heard(run: str, parts: list[str]) -> bool:
    """Return whether a run sounds as whole parts of a name do: as two or more, or as one that is long."""
    plain, syllabic = to_plain_letters(run).lower(), _is_of(run, _SYLLABIC)
    long = len(run) >= (_LONG_SIGNS if syllabic else _LONG_LETTERS)
    for some in _turn(parts):
        whole = "".join(some)
        counts = len(some) > 1 or long or whole == plain
        if len(run) > 1 and len(whole) >= _LONG_LETTERS and counts and _is_alike(run, whole):
            return True
    return False


def _is_alike(run: str, name: str) -> bool:
    """Return whether a run and a name in Latin letters sound alike; of alphabets, many consonants do without vowels.

    Chinese names are written by one rule (pinyin), and too many words are nearly as short.
    """
    if _is_of(run, _CHINESE):
        return to_plain_letters(run).lower() == name
    ours, theirs = _sound(run), _sound(name)
    vowelled = _is_of(run, _VOWELLED)
    if _is_of(run, _SYLLABIC) or (vowelled and ours == theirs):
        return ours == theirs
    consonants = re.sub("[aiu]", "", ours)
    many = _CONSONANTS + 1 if vowelled else _CONSONANTS
    return len(consonants) >= many and consonants == re.sub("[aiu]", "", theirs)


def _turn(parts: list[str]) -> list[tuple[str, ...]]:
    """Return neighbouring parts of a name, one to three, in every order in which one of them is moved to an end."""
    runs = [
        tuple(parts[first : first + count])
        for count in range(1, _MOST_WORDS + 1)
        for first in range(len(parts) - count + 1)
    ]
    return runs + [(*some[at:], *some[:at]) for some in runs for at in range(1, len(some))]


def _join_neighbours(runs: list[str]) -> list[str]:
    return ["".join(runs[at : at + count]) for count in (1, 2, 3) for at in range(len(runs) - count + 1)]


def _cut(run: str) -> list[str]:
    """Return what stands within signs that are written without blanks."""
    return [run[at : at + count] for count in range(2, _MOST_SIGNS + 1) for at in range(len(run) - count + 1)]


def _is_of(run: str, scripts: tuple[str, ...]) -> bool:
    letters = [letter for letter in run if unicodedata.category(letter)[0] == "L"]
    return all(unicodedata.name(letter, "").startswith(scripts) for letter in letters)


def _fold(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.lower())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


_TASK_WORDS = re.compile(_fold(f"{_RUSSIAN}|{_GREEK}|{_OTHERS}"))


def _sound(word: str) -> str:
    """Return a word by its sound: consonants that are nearly one as one letter, vowels as one of three (a, i, u)."""
    sound = re.sub(r"(.)\1+", r"\1", re.sub(r"[^a-z]", "", to_plain_letters(word).lower()))
    for letters, one in _ALIKE:
        sound = sound.replace(letters, one)
    return re.sub(r"[aeiouy]+", _open, sound).replace("h", "")


def _open(found: re.Match[str]) -> str:
    if "a" in found[0]:
        return "a"
    return "u" if re.search("[ou]", found[0]) else "i"
