"""A study file is read whole: what is wrong in it is named with its place, all at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.convert.plan import Decision
from bidsflow.convert.study.fields import FIELDS
from bidsflow.convert.study.read import (
    EXPECTED_KEYS,
    LABEL_KEYS,
    RULE_KEYS,
    TABLE_KEYS,
    TOP_KEYS,
    parse_study,
    read_study,
)
from bidsflow.convert.study.spec import Condition, Expected, Limit, Relation, Rule, Sessions, Source, Subjects
from bidsflow.errors import StudyError

WHOLE = r"""
version = 1
name = "Memory"

[subjects]
from = "PatientID"
pattern = 'MEM_(\d+)'

[sessions]
labels = ["pre", "post"]
names = "always"

[dataset]
Name = "Memory and sleep"
Authors = ["A. Author"]

[sidecar]
InstitutionName = "A clinic"

[[exclude]]
SeriesDescription = "*test*"

[[series]]
match = { ProtocolName = { regex = 'task_(?P<task>\w+)' }, EchoTime = ">20" }
name = "func/task-{task}_bold"
because = "as the protocol says"

[[series]]
[series.match]
kind = "FLAIR"
n_volumes = "2..10"
ImageType = { not = { contains = "DERIVED" } }
SeriesDescription = { all = ["ax*", { not = { contains = "fast" } }] }
[series.sidecar]
Note = { why = [1, 2.5] }

[[series]]
match = { SeriesNumber = [3, 4] }
decision = "skip"

[[expected]]
name = "func/task-rest_bold"
runs = [1, 2]
volumes = 240
parameters = { EchoTime = { value = 30, tolerance = 0.5 }, Manufacturer = "SIEMENS" }
"""


def test_study_is_read_whole() -> None:
    study = parse_study(WHOLE)
    assert study.subjects == Subjects(Source.PATIENT_ID, r"MEM_(\d+)")
    assert study.sessions == Sessions(labels=("pre", "post"), names="always")
    assert study.dataset == {"Name": "Memory and sleep", "Authors": ["A. Author"]}
    assert study.exclude == ((Condition("SeriesDescription", Relation.GLOB, "*test*"),),)
    task, flair, skipped = study.rules
    assert task == Rule(
        (Condition("ProtocolName", Relation.REGEX, r"task_(?P<task>\w+)"), Condition("EchoTime", Relation.MORE, 20)),
        None, "func", "bold", {"task": "{task}"}, because="as the protocol says",
    )  # fmt: skip
    assert flair.match == (
        Condition("kind", Relation.EQUALS, "FLAIR"),
        Condition("n_volumes", Relation.BETWEEN, (2, 10)),
        Condition("ImageType", Relation.CONTAINS, "DERIVED", negated=True),
        Condition("SeriesDescription", Relation.GLOB, "ax*"),
        Condition("SeriesDescription", Relation.CONTAINS, "fast", negated=True),
    )
    assert flair.sidecar == {"Note": {"why": [1, 2.5]}}
    assert skipped.decision is Decision.SKIP
    limits = {"EchoTime": Limit(30, 0.5), "Manufacturer": Limit("SIEMENS")}
    assert study.expected == (Expected("func/task-rest_bold", (1, 2), (240, 240), limits),)


class Fault(NamedTuple):
    """What stands in a file beside the version, and the beginning of what is said of it."""

    text: str
    said: str


def _rule(match: str = "{ EchoTime = 3 }", more: str = "") -> str:
    return f"[[series]]\nmatch = {match}\n{more}"


FAULTS = [
    Fault(
        "[[exclude]]\nSeriesDescription = { regex = '(a+)+$' }",
        "exclude[0].SeriesDescription: repeats what is repeated, which may take for ever: simplify",
    ),
    Fault("[subjects]\nfrom = 'PatientID'\npattern = '(a|b*)*c'", "subjects.pattern: repeats what is repeated"),
    Fault("[sessions]\nfrom = 'PatientID'\noptional = 1", "sessions.optional: expected true or false, got 1"),
    Fault("[sessions]\noptional = true", "sessions.optional: says nothing, since sessions are numbered"),
    Fault("[[expected]]\nname = 'anat/T1w'\nparameters = { EchoTime = nan }", "expected[0].parameters.EchoTime:"),
    Fault(
        "[[expected]]\nname = 'anat/T1w'\nparameters = { EchoTime = { value = 3, tolerance = inf } }",
        "expected[0].parameters.EchoTime: tolerance: expected a number of 0 or more, got inf",
    ),
    Fault("serie = 1", "serie: unknown key; did you mean series?"),
    Fault("name = 3", "name: expected a text, got 3"),
    Fault("series = 3", "series: expected blocks that begin with [[series]]"),
    Fault("[subjects]\nfrom = 'PatientId'", "subjects.from: expected one of number, PatientID, PatientName"),
    Fault("[subjects]\npattern = 'a'", "subjects.pattern: is searched in nothing"),
    Fault("[subjects]\nfrom = 'folder'\npattern = '('", "subjects.pattern: no regular expression"),
    Fault("[subjects]\nfrom = 'table'", "subjects.table: expected table ="),
    Fault("[subjects]\nfrom = 'folder'", "subjects.pattern: expected a regular expression that finds the label in"),
    Fault("[subjects]\ntable = {path = 'x'}", "subjects.table: is not used unless"),
    Fault("[subjects]\nfrom = 'table'\ntable = {file = 'x'}", "subjects.table.file: unknown key"),
    Fault("[sessions]\nlabels = ['a b']", "sessions.labels: a label holds letters and digits only"),
    Fault("[sessions]\nlabels = ['a', 'A']", "sessions.labels: a label stands twice"),
    Fault("[sessions]\nnames = 'yes'", "sessions.names: expected auto, always or never"),
    Fault("[dataset]\nAutors = ['x']", "dataset.Autors: no field of dataset_description.json; did you mean Authors?"),
    Fault("[dataset]\nDatasetType = 'raw'", "dataset.DatasetType: bidsflow writes it itself"),
    Fault("[sidecar]\nDay = 2020-01-01", "sidecar.Day: expected a text, a number"),
    Fault("[[exclude]]", "exclude[0]: expected at least one condition"),
    Fault("[sidecar]\nPatientName = 'X'", "sidecar.PatientName: says who or when, which no sidecar of a dataset holds"),
    Fault("[sidecar]\nTaskName = 'x'", 'sidecar.TaskName: bidsflow writes it from the name of the image; say task = "'),
    *(
        Fault(_rule(more=f"sidecar = {{ {key} = 'x' }}"), f"series[0].sidecar.{key}: bidsflow writes it from the plan")
        for key in ("B0FieldIdentifier", "B0FieldSource", "IntendedFor")
    ),
    Fault(_rule(more="sidecar = { StudyDate = 'X' }"), "series[0].sidecar.StudyDate: says who or when"),
    Fault("[subjects]\nfrom = 'Name'", "subjects.from: expected one of number, PatientID, PatientName, folder, table"),
    Fault("[[series]]\ntask = 'rest'", "series[0].match: expected at least one condition"),
    Fault(_rule('{ EchoTime = "abc" }'), 'series[0].match.EchoTime: expected a number or ">20", got "abc"'),
    Fault(_rule("{ EchoTme = 3 }"), "series[0].match.EchoTme: no element of the header that bidsflow reads; did you"),
    Fault(_rule("{ EchoTime = true }"), 'series[0].match.EchoTime: expected a number or ">20", got true'),
    Fault(_rule("{ EchoTime = [] }"), "series[0].match.EchoTime: expected a list of values"),
    Fault(_rule("{ EchoTime = { between = [3, 2] } }"), "series[0].match.EchoTime: expected two numbers, the smaller"),
    Fault(_rule("{ EchoTime = { glob = '3*' } }"), "series[0].match.EchoTime: holds numbers, which glob is not for"),
    Fault(_rule("{ SeriesDescription = 3 }"), "series[0].match.SeriesDescription: expected a text, got 3"),
    Fault(_rule("{ SeriesDescription = { less = 3 } }"), "series[0].match.SeriesDescription: holds text"),
    Fault(_rule("{ SeriesDescription = { regex = '(' } }"), "series[0].match.SeriesDescription: no regular expression"),
    Fault(_rule("{ SeriesDescription = { globe = 'a' } }"), "series[0].match.SeriesDescription: unknown relation 'glo"),
    Fault(_rule("{ kind = 'diffusion' }"), 'series[0].match.kind: is never "diffusion"; did you mean diffusion-weight'),
    Fault(_rule(more="name = 'bold'"), "series[0].name: expected a name such as"),
    Fault(_rule(more="name = 'anat/bold'"), "series[0].name: BIDS has no anat/bold; a bold is func"),
    Fault(_rule(more="name = 'func/sub-01_bold'"), "series[0].name: sub- does not belong here"),
    Fault(_rule(more="name = 'func/flip-1_bold'"), "series[0].name: BIDS has no flip- in the name of func/bold"),
    Fault(_rule(more="name = 'func/run-a_bold'"), "series[0].name: BIDS does not allow run-a"),
    Fault(_rule(more="name = 'func/task-{task}_bold'"), "series[0].name: task-{task}: no condition has a group 'task'"),
    Fault(_rule(more="name = 'func/bold'\nsuffix = 'cbv'"), "series[0].name: gives datatype and suffix"),
    Fault(_rule(more="name = 'func/task-a_bold'\ntask = 'b'"), "series[0].name: gives task-, and so does the key"),
    Fault(_rule(more="suffix = 'bolt'"), "series[0]: BIDS has no image with the suffix 'bolt'; did you mean bold?"),
    Fault(_rule(more="task = 'finger tapping'"), "series[0]: task-finger tapping: a label holds letters and digits"),
    Fault(_rule(more="tsk = 'a'"), "series[0].tsk: unknown key; did you mean task?"),
    Fault(_rule(more="decision = 'drop'"), "series[0].decision: expected one of convert, skip, review"),
    Fault(_rule(more="aslcontext = ['tag']"), "series[0].aslcontext: expected some of control, label"),
    Fault("[[expected]]\nname = 'bold'", "expected[0].name: expected a name such as"),
    Fault("[[expected]]\nname = 'func/bolt'", "expected[0].name: BIDS has no image with the suffix 'bolt'"),
    Fault("[[expected]]\nname = 'func/bold'\nruns = [2, 1]", "expected[0].runs: expected a whole number, or [least"),
    Fault("[[expected]]\nname = 'func/bold'\noptional = 1", "expected[0].optional: expected true or false"),
    Fault(
        "[[expected]]\nname = 'func/bold'\nparameters = {EchoTime = '30'}",
        "expected[0].parameters.EchoTime: expected a number, got \"30\"",
    ),
    Fault(
        "[[expected]]\nname = 'func/bold'\nparameters = {EchoTime = {value = 3, tolerance = -1}}",
        "expected[0].parameters.EchoTime: tolerance: expected a number of 0 or more",
    ),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.said[:60])
def test_fault_is_named_with_its_place(fault: Fault) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(f"version = 1\n{fault.text}\n")
    assert caught.value.problems[0].startswith(fault.said)
    assert "did you mean number?" not in caught.value.problems[0]  # beside a list of all that there is


def test_every_fault_is_named_at_once_with_the_line_of_its_block() -> None:
    text = "version = 1\nnam = 'x'\n\n[[series]]\nmatch = {EchoTime = 'a'}\n\n[[series]]\nmatch = {FlipAngel = 3}\n"
    with pytest.raises(StudyError) as caught:
        parse_study(text, "my.toml")
    first, second, third = caught.value.problems
    assert first == "nam: unknown key; did you mean name?"
    assert second.endswith("(the series block at line 4)")
    assert third.startswith("series[1].match.FlipAngel")
    assert third.endswith("(the series block at line 7)")
    assert str(caught.value).startswith("my.toml: it cannot be used\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = 2\nfuture = 1", "version: 2 is newer than this bidsflow, which reads up to 1; update bidsflow"),
        ("name = 'x'", "version: expected 1, and there is none"),
        ("version = true", "version: expected 1, got true"),
        ("version = ", "it is no TOML: Invalid value (at end of document)"),
        (
            "version = 1\nname = " + "[" * 5000 + "]" * 5000,
            "it is no TOML that can be read: its lists or tables are nested too deeply",
        ),
    ],
)
def test_version_that_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(text)
    assert caught.value.problems == (said,)


def test_file_that_is_no_study_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(StudyError) as caught:
        read_study(path)
    assert caught.value.problems == ("it is larger than 16 MiB: no study is",)


def test_fault_of_an_events_table_is_named_with_the_others() -> None:
    with pytest.raises(StudyError) as caught:
        parse_study('version = 1\n[events.motor]\nonset = "t"\n[events.go]\nlogs = "{subject}"\nonset = "t"\nfrom = 1')
    assert [one.partition(":")[0] for one in caught.value.problems] == ["events.motor.logs", "events.go.from"]


DOCS = Path(__file__).parents[3] / "docs" / "study.md"


def test_example_of_the_guide_can_be_used() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    study = parse_study(example)
    assert (len(study.rules), len(study.expected)) == (4, 2)


def test_guide_names_every_key_relation_and_field_of_our_own() -> None:
    said = set(re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", DOCS.read_text(), flags=re.DOTALL)))
    words = {word for text in said for word in re.findall(r"\w+", text)}
    keys = {*TOP_KEYS, *RULE_KEYS[:8], *LABEL_KEYS, *EXPECTED_KEYS, *TABLE_KEYS, *Relation, *Source}
    fields = {name for name in FIELDS if name[0].islower()}
    assert (keys | fields) - words == set()
