"""Words of other scripts: the patient's name is heard in them, words of tasks are not taken for it."""

from __future__ import annotations

import pytest

from bidsflow.convert.naming.sounds import foreign_runs, is_task_word, name_person
from bidsflow.dicom.series import Patient
from tests.convert.naming.scans import bold, plan_of

PEOPLE = (
    ("KIM CHEOLSU", "김철수 faces"), ("KIM CHULSOO", "김철수"), ("GIM CHEOL SU", "철수 김 faces"),
    ("SON HEUNGMIN", "손흥민"),
    ("IVANOV PETR", "Иванов faces"), ("IWANOW PETR", "Иванов"), ("IVANOV PETR", "петр Иванов"), ("LEVIN ANNA", "Левин"),
    ("ALEXANDER OREL", "Александр"), ("GUBIN OLEG", "Губин"), ("WANG WEI", "王伟faces"), ("WANG WEI", "王 伟"),
    ("WEI WANG", "王伟"), ("WANG MEILING", "王美玲情感"), ("WANG MEILING", "美玲 rest"), ("SATO YUKO", "さとう"),
    ("MOHAMMED ALI", "محمد"), ("GIANNIS PAPADOPOULOS", "Παπαδόπουλος"),
    # as the header has it in its own script
    ("YAMAGUCHI AKI 山口 明", "山口左"), ("LI NA 王 伟", "王伟测试"), ("LI NA 任 敏", "任 测试"),
)  # fmt: skip
OTHERS = (
    ("LIN WEI", "任务1"), ("REN MIN", "任务态"), ("REN WU", "任务"), ("XIA XUE", "休息"), ("ZHOU SHU", "左手"),
    ("ZHANG JING", "静息"), ("LIN WEI", "记忆编码"), ("WANG FANG", "汪 faces"), ("PETROVA OLGA", "рука"),
    ("LUKA ANNA", "левая рука"), ("SIDOROVA INGA", "нога"), ("POPOVA RITA", "рот"), ("ROT ANNA", "рот"),
    ("SHIN MINA", "손 운동"), ("SUN YI", "손"), ("SON MIN", "손"), ("ALI SARA", "يسار"), ("SON MIN 손 민", "손"),
    # neither is in a list of words
    ("LI NA", "цвета"), ("SHIN MINA", "산"), ("LINA", "Луна"),
    ("ZHU JIE", "决策"), ("ZHU HUI", "주의"), ("OLGA", "логика"), ("MARK ANNA", "мрак"),
)  # fmt: skip
FORMS = """
    покой покое рука руки рукой руку рукам нога рот рта губы язык языком палец пальцы левая левой правый лицо задание
    слова речь память движением χέρι δεξί αριστερό راحة يد 휴식 왼손 左手 休息 静息态 ひだりて
"""


@pytest.mark.parametrize(("name", "typed"), PEOPLE)
def test_name_in_another_script_is_heard(name: str, typed: str) -> None:
    assert name_person(foreign_runs(typed), name)


@pytest.mark.parametrize(("name", "typed"), OTHERS)
def test_words_that_share_sounds_with_a_name_are_none(name: str, typed: str) -> None:
    assert not name_person(foreign_runs(typed), name)


@pytest.mark.parametrize("word", FORMS.split())
def test_forms_of_words_of_tasks_are_known(word: str) -> None:
    assert is_task_word(word)


@pytest.mark.parametrize(
    ("name", "typed", "label"),
    [
        ("REN MIN", "任务", "renWu"),
        ("XI LI", "休息", "xiuXi"),
        ("SON MIN", "손", "son"),
        ("SON MIN", "손 운동", "sonUnDong"),
        ("ROT ANNA", "рот", "rot"),
        ("LIN WEI", "任务", "renWu"),
    ],
)
def test_label_of_a_task_in_another_script_is_that_of_everyone(name: str, typed: str, label: str) -> None:
    row = plan_of([bold(3, typed, patient=Patient("P9", name, "", ""))])[0]
    assert row.path.endswith(f"_task-{label}_bold")


@pytest.mark.parametrize(("name", "typed"), [("REN MIN", "任务 preREN"), ("WANG MEILING", "fMRI 王美玲情感")])
def test_name_beside_words_of_another_script_is_in_no_path(name: str, typed: str) -> None:
    row = plan_of([bold(3, typed, patient=Patient("P9", name, "", ""))])[0]
    assert row.path == "n/a"
