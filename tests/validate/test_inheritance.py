"""Which files of a kind apply to a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidsflow.validate.context import inheritance
from bidsflow.validate.context.inheritance import AmbiguousError, find_inherited
from bidsflow.validate.context.walk import File, Folder, read_tree

IMAGE = "sub-01_task-rest_run-1_bold.nii.gz"


def make_tree(*paths: str) -> Folder:
    """Return a tree with files that are on no disk."""
    root = Folder("", "", None)
    for path in sorted(paths):
        folder = root
        *above, name = path.split("/")
        for step in above:
            folder = folder.folders.setdefault(step, Folder(step, f"{folder.path}/{step}", folder))
        folder.files[name] = File(name, f"{folder.path}/{name}", folder)
    return root


def inherit(tree: Folder, path: str, **how: object) -> list[list[str]]:
    """Return the names that apply to a file, the nearest first."""
    file = tree.find(path)
    assert isinstance(file, File)
    return [[other.path for other in found] for found in find_inherited(file, **how)]  # type: ignore[arg-type]


def test_nearest_comes_first_and_entities_must_agree() -> None:
    tree = make_tree(
        f"sub-01/func/{IMAGE}",
        "sub-01/func/sub-01_task-rest_bold.json",
        "sub-01/func/sub-01_task-other_bold.json",
        "sub-01/sub-01_bold.json",
        "task-rest_bold.json",
        "task-rest_events.json",
        "acq-a_bold.json",
    )
    assert inherit(tree, f"sub-01/func/{IMAGE}") == [
        ["/sub-01/func/sub-01_task-rest_bold.json"],
        ["/sub-01/sub-01_bold.json"],
        ["/task-rest_bold.json"],
    ]


def test_file_with_every_entity_wins_within_a_folder() -> None:
    own = IMAGE.replace(".nii.gz", ".json")
    tree = make_tree(f"func/{IMAGE}", f"func/{own}", "func/task-rest_bold.json")
    assert inherit(tree, f"func/{IMAGE}") == [[f"/func/{own}"]]


def test_several_of_which_none_is_nearest_are_ambiguous() -> None:
    tree = make_tree(f"func/{IMAGE}", "func/task-rest_bold.json", "func/run-1_bold.json")
    with pytest.raises(AmbiguousError) as caught:
        inherit(tree, f"func/{IMAGE}")
    assert [file.name for file in caught.value.files] == ["run-1_bold.json", "task-rest_bold.json"]


def test_entities_that_are_free_may_differ() -> None:
    tree = make_tree("a/sub-01_eeg.edf", "a/sub-01_space-x_electrodes.tsv", "a/sub-01_space-y_electrodes.tsv")
    how = {"suffix": "electrodes", "extensions": (".tsv",), "free": ("space",)}
    paths = ["/a/sub-01_space-x_electrodes.tsv", "/a/sub-01_space-y_electrodes.tsv"]
    assert inherit(tree, "a/sub-01_eeg.edf", **how) == [paths]


def test_folders_above_do_not_count_where_nothing_is_inherited() -> None:
    tree = make_tree(f"func/{IMAGE}", "task-rest_bold.json")
    assert inherit(tree, f"func/{IMAGE}", inherit=False) == []


def test_what_applies_is_marked_and_nothing_else() -> None:
    tree = make_tree(f"func/{IMAGE}", "task-rest_bold.json", "task-other_bold.json")
    inherit(tree, f"func/{IMAGE}")
    assert [file.name for file in tree.walk() if file.viewed] == ["task-rest_bold.json"]


_LABELS = st.dictionaries(st.sampled_from(["sub", "task", "run", "acq"]), st.sampled_from("12"))


@given(
    st.lists(_LABELS.map(lambda own: "_".join(f"{key}-{label}" for key, label in own.items())), max_size=12), _LABELS
)
def test_looking_up_finds_what_looking_through_does(names: list[str], own: dict[str, str]) -> None:
    image = "_".join([*(f"{key}-{label}" for key, label in own.items()), "bold.nii.gz"])
    found = []
    for few in (0, 1000):
        tree = make_tree(image, *(f"{name}_bold.json".lstrip("_") for name in names))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inheritance, "_FEW", few)
            try:
                found.append(inherit(tree, image))
            except AmbiguousError as error:
                found.append([[file.path for file in error.files]])
    assert found[0] == found[1]


def test_first_listed_of_files_with_equal_entities_is_taken_if_asked(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / ("sub-01_" * (number + 1) + "bold.json")).write_text("{}")
    (tmp_path / "sub-01_bold.nii.gz").touch()
    with os.scandir(tmp_path) as listing:
        first = next(entry.name for entry in listing if entry.name.endswith(".json"))
    tree = read_tree(str(tmp_path))
    assert inherit(tree, "sub-01_bold.nii.gz", as_listed=True) == [[f"/{first}"]]
    assert inherit(tree, "sub-01_bold.nii.gz") == [[f"/{min(tree.files)}"]]
