"""Steps that fit together, and those that do not: found when the workflow is built."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bidsflow.app.kinds import Output
from bidsflow.app.workflow import Flow, Step
from bidsflow.errors import FlowError
from bidsflow.names import BidsName


class Number(NamedTuple):
    """A number."""

    value: float


class Text(NamedTuple):
    """A text and a file."""

    text: str
    file: Path


class Maybe(NamedTuple):
    """A file, or none."""

    file: Path | None


class Files(NamedTuple):
    """Files and values."""

    files: tuple[Path, ...]
    values: dict[str, Any]


def give_number(start: float = 1.0, count: int = 2) -> Number:
    return Number(start + count)


def write_text(text: str, number: float = 0.0) -> Text:
    file = Path("text.txt")
    file.write_text(f"{text} {number}")
    return Text(text, file)


def read_text(file: Path, prefix: str = "", threads: int = 1) -> Text:
    out = Path("again.txt").absolute()
    out.write_text(prefix + file.read_text() + f" {threads}")
    return Text(out.read_text(), out)


def join_files(files: tuple[Path, ...]) -> Text:
    out = Path("joined.txt").absolute()
    out.write_text("+".join(one.read_text() for one in files))
    return Text(out.read_text(), out)


def find_nothing() -> Maybe:
    return Maybe(None)


def read_maybe(file: Path | None = None) -> Text:
    return write_text("none" if file is None else file.read_text())


def lie() -> Text:
    return Text("x", Path("never_written.txt"))


def give_wrong() -> Number:
    return (1.0, 2.0)  # type: ignore[return-value]


def count_runs(folder: Path, threads: int) -> Number:
    """Leave a file each time that it runs."""
    (folder / str(len(os.listdir(folder)))).touch()  # noqa: PTH208
    return Number(threads)


def give_files(first: Path, values: dict[str, Any]) -> Files:
    return Files((first, first), {**values, "more": [1, 2]})


def untyped(value) -> Number:  # type: ignore[no-untyped-def]
    return Number(value)


def no_tuple(value: int) -> int:
    return value


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    return Flow("test", tmp_path / "work")


def compute(flow: Flow, *steps: Step) -> list[dict[str, Any]]:
    """Run a workflow in this process; return the outputs of some steps."""
    flow.workflow.config["execution"] = {
        "crashdump_dir": str(flow.workflow.base_dir),
        "crashfile_format": "txt",
        "remove_unnecessary_outputs": "false",
    }
    graph = flow.workflow.run(plugin="Linear")
    found = {node.name: node.result.outputs.get() for node in graph.nodes()}
    return [found[step.name] for step in steps]


def test_values_and_files_go_from_step_to_step(flow: Flow) -> None:
    number = flow.add(give_number, start=2, count=3)
    text = flow.add(write_text, text="ä b", number=number["value"])
    again = flow.add(read_text, file=text["file"], prefix="> ")
    (found,) = compute(flow, again)
    assert found["text"] == "> ä b 5 1"
    assert Path(found["file"]).is_file()


def test_lists_of_outputs_and_files_are_joined_in_order(flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("own")
    texts = [flow.add(write_text, f"text_{text}", text=text) for text in "ab"]
    joined = flow.add(join_files, files=[texts[1]["file"], tmp_path / "own.txt", texts[0]["file"]])
    one = flow.add(join_files, "one", files=[texts[0]["file"]])
    plain = flow.add(join_files, "plain", files=(tmp_path / "own.txt",))
    none = flow.add(join_files, "none", files=())
    assert [found["text"] for found in compute(flow, joined, one, plain, none)] == [
        "b 0.0+own+a 0.0",
        "a 0.0",
        "own",
        "",
    ]


def test_several_files_are_one_output(flow: Flow, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("own")
    files = flow.add(give_files, first=tmp_path / "own.txt", values={"a": float("nan")})
    joined = flow.add(join_files, files=files["files"])
    found = compute(flow, joined, files)
    assert found[0]["text"] == "own+own"
    assert found[1]["values"]["more"] == [1, 2]


def test_nothing_may_be_handed_on_where_it_is_allowed(flow: Flow) -> None:
    nothing = flow.add(find_nothing)
    text = flow.add(read_maybe, file=nothing["file"])
    default = flow.add(read_maybe, "default")
    said = flow.add(read_maybe, "said", file=None)
    assert [found["text"] for found in compute(flow, text, default, said)] == ["none"] * 3


def test_file_that_was_not_written_is_told_with_step_and_output(flow: Flow) -> None:
    flow.add(lie)
    with pytest.raises(Exception, match=r"lie.*file.*never_written\.txt"):
        compute(flow)


def test_result_of_another_length_fails_in_its_step(flow: Flow) -> None:
    flow.add(give_wrong)
    with pytest.raises(Exception, match="give_wrong"):
        compute(flow)


def test_step_is_not_run_again_when_only_the_number_of_threads_changed(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for threads in (1, 2, 1):
        flow = Flow("test", tmp_path / "work", threads=threads)
        flow.add(count_runs, folder=tmp_path / "runs")
        compute(flow)
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_step_is_run_again_when_an_input_file_changed(tmp_path: Path) -> None:
    own = tmp_path / "own.txt"
    for text in ("one", "three"):
        own.write_text(text)
        flow = Flow("test", tmp_path / "work")
        assert compute(flow, flow.add(read_text, file=own))[0]["text"].startswith(text)


class Mistake(NamedTuple):
    title: str
    add: Any
    said: str


def _local(flow: Flow) -> None:
    def inner() -> Number:
        return Number(1)

    flow.add(inner)


def _other_flow(flow: Flow, tmp: Path = Path("/tmp")) -> None:
    flow.add(read_text, file=Output("elsewhere", "file", Path))


MISTAKES = [
    Mistake("unknown argument", lambda flow: flow.add(write_text, text="a", txt="b"), r"write_text.*txt.*text, number"),
    Mistake("missing argument", lambda flow: flow.add(write_text), "write_text.*needs text"),
    Mistake("wrong value", lambda flow: flow.add(write_text, text=3), "text of write_text is str, not int 3"),
    Mistake("text for file", lambda flow: flow.add(read_text, file="a.txt"), "file of read_text is Path"),
    Mistake("number for flag", lambda flow: flow.add(give_number, start=True), "start"),
    Mistake("nothing", lambda flow: flow.add(write_text, text=None), "text"),
    Mistake("wrong output", lambda flow: flow.add(write_text, text=flow.add(give_number)["value"]),
            r"give_number\['value'\], which is float"),
    Mistake("optional output", lambda flow: flow.add(read_text, file=flow.add(find_nothing)["file"]),
            "file of read_text is Path, not find_nothing"),
    Mistake("wrong output in a list", lambda flow: flow.add(join_files, files=[flow.add(give_number)["value"]]),
            "files"),
    Mistake("list for file", lambda flow: flow.add(read_text, file=[Path("a")]), "file"),
    Mistake("unknown output", lambda flow: flow.add(give_number)["number"], "no output number; it has value"),
    Mistake("name taken", lambda flow: [flow.add(give_number), flow.add(give_number)], "of this name already"),
    Mistake("name is none", lambda flow: flow.add(give_number, "my step"), "letters, digits and underscores"),
    Mistake("other workflow", _other_flow, "elsewhere is not in this workflow"),
    Mistake("no annotations", lambda flow: flow.add(untyped, value=1), "untyped.*say the type of value"),
    Mistake("no named tuple", lambda flow: flow.add(no_tuple, value=1), "NamedTuple"),
    Mistake("function in a function", _local, "inner.*top of a module"),
    Mistake("lambda", lambda flow: flow.add(lambda: 1, "name"), "NamedTuple|top of a module"),
    Mistake("kept twice", lambda flow: [flow.keep("a.txt", flow.add(write_text, x, text=x)["file"]) for x in "ab"],
            "a.txt.*twice"),
    Mistake("kept outside", lambda flow: flow.keep("../a.txt", flow.add(write_text, text="a")["file"]), "outside"),
    Mistake("kept of no step", lambda flow: flow.keep("a.txt", Output("x", "f", Path)), "x is not in this workflow"),
    Mistake("kept number", lambda flow: flow.keep("a.json", flow.add(give_number)["value"]), "a file or values"),
    Mistake("kept values as image", lambda flow: flow.keep(
        "a.nii.gz", flow.add(give_files, first=Path("a"), values={})["values"]), "json"),
]  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: case.title)
def test_mistake_is_found_when_the_workflow_is_built(case: Mistake, flow: Flow) -> None:
    with pytest.raises(FlowError, match=case.said):
        case.add(flow)


def test_interface_of_nipype_is_included(flow: Flow) -> None:
    from nipype.interfaces.utility import Rename, Select

    text = flow.add(write_text, text="a")
    renamed = flow.include(Rename(format_string="new.txt"), "rename", in_file=text["file"])
    again = flow.add(read_text, file=renamed["out_file"])
    chosen = flow.include(Select(index=[0]), "choose", inlist=[text["text"]])
    flow.keep("renamed.txt", renamed["out_file"])
    found = compute(flow, again, chosen)
    assert found[0]["text"] == "a 0.0 1"
    assert found[1]["out"] == "a"
    with pytest.raises(FlowError, match="Rename has no input infile"):
        flow.include(Rename(), "wrong", infile=text["file"])
    with pytest.raises(FlowError, match="no output file"):
        renamed["file"]


def test_what_is_kept_comes_in_order(flow: Flow) -> None:
    name = BidsName("01", "anat", "T1w", ".json")
    text = flow.add(write_text, text="a")
    flow.keep("sub-01/a.txt", text["file"], sources=("bids:raw:x",), Note=text["text"])
    flow.keep(name, flow.add(give_files, first=Path("x"), values={})["values"])
    assert [str(one.name) for one in flow.derivatives] == ["sub-01/a.txt", str(name)]
    assert flow.steps == ("write_text", "give_files")
