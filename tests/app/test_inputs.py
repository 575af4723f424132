"""What a dataset has for a pipeline, and what is wrong with it."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.app.choice import choose_participants, list_participants
from bidsflow.app.index import fingerprint
from bidsflow.app.inputs import Inputs, find_inputs
from bidsflow.app.invocation import Selection
from bidsflow.app.spec import Pipeline, Query
from bidsflow.errors import InputError, OptionError

from .conftest import make_dataset, write_image

TR = {"RepetitionTime": 2.0, "TaskName": "rest"}


def find(
    toy: Pipeline, root: Path, labels: tuple[str, ...] = ("01",), database: Path | None = None, **chosen: object
) -> Inputs:
    return find_inputs(root, toy, labels, Selection(**chosen), database)  # type: ignore[arg-type]


def names(found: Inputs) -> list[str]:
    return [image.path.name for participant in found.participants for image in participant.images]


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    """One participant with two sessions of two tasks of two runs."""
    root = make_dataset(tmp_path / "rich", ())
    for ses in ("a", "b"):
        for task in ("rest", "nback"):
            for run in ("01", "02"):
                stem = f"sub-01_ses-{ses}_task-{task}_run-{run}_bold"
                write_image(root / f"sub-01/ses-{ses}/func/{stem}.nii.gz", metadata={**TR, "TaskName": task})
        write_image(root / f"sub-01/ses-{ses}/anat/sub-01_ses-{ses}_T1w.nii.gz", metadata={})
    return root


def test_images_come_with_their_metadata_in_order(toy: Pipeline, dataset: Path) -> None:
    found = find(toy, dataset, ("01", "02"))
    assert [one.label for one in found.participants] == ["01", "02"]
    assert names(found) == ["sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz"]
    image = found.participants[0].images[0]
    assert image.metadata["EchoTime"] == 0.003
    assert image.uri == "bids:raw:sub-01/anat/sub-01_T1w.nii.gz"


def test_uncompressed_images_are_found(toy: Pipeline, dataset: Path) -> None:
    write_image(dataset / "sub-03/anat/sub-03_T1w.nii", metadata={})
    assert names(find(toy, dataset, ("03",))) == ["sub-03_T1w.nii"]


def test_metadata_is_inherited_from_the_top(toy: Pipeline, dataset: Path) -> None:
    write_image(dataset / "sub-01/func/sub-01_task-rest_bold.nii.gz", metadata={"FlipAngle": 70})
    (dataset / "task-rest_bold.json").write_text(json.dumps({**TR, "FlipAngle": 90}))
    image = find(toy, dataset).participants[0].of("bold")[0]
    assert (image.metadata["RepetitionTime"], image.metadata["FlipAngle"]) == (2.0, 70)


def test_missing_metadata_is_a_fault_of_its_participant_only(toy: Pipeline, dataset: Path) -> None:
    write_image(dataset / "sub-01/func/sub-01_task-rest_bold.nii.gz", metadata={"TaskName": "rest"})
    found = find(toy, dataset, ("01", "02"))
    assert [one.label for one in found.participants] == ["02"]
    assert [str(one) for one in found.faults] == [
        "sub-01: sub-01/func/sub-01_task-rest_bold.nii.gz: its sidecar has no RepetitionTime"
    ]


def test_participant_without_images_is_told(toy: Pipeline, dataset: Path) -> None:
    (dataset / "sub-03" / "anat").mkdir(parents=True)
    found = find(toy, dataset, ("01", "03"))
    assert (names(found), found.without, found.faults) == (["sub-01_T1w.nii.gz"], ("03",), ())


def test_only_chosen_participants_are_indexed(toy: Pipeline, dataset: Path, tmp_path: Path) -> None:
    make = ("010", "0", "1")  # labels that begin or end alike
    for label in make:
        write_image(dataset / f"sub-{label}/anat/sub-{label}_T1w.nii.gz")
    find(toy, dataset, ("01",), tmp_path / "db")
    (database,) = (tmp_path / "db").rglob("*.sqlite")
    with sqlite3.connect(database) as index:
        paths = [row[0] for row in index.execute("select path from files")]
    index.close()
    assert any("sub-01_T1w" in path for path in paths)
    assert not [path for path in paths if "sub-0_" in path or "sub-010" in path or "sub-1" in path or "sub-02" in path]


def break_pointer(image: Path) -> None:
    image.unlink()
    image.write_text("/annex/objects/MD5E-s123--abc.nii.gz\n")


def break_link(image: Path) -> None:
    image.unlink()
    image.symlink_to("../../.git/annex/objects/xx/yy/MD5E-s1--a.nii.gz")


def break_empty(image: Path) -> None:
    image.write_bytes(b"")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (break_pointer, "git annex get sub-01/anat/sub-01_T1w.nii.gz"),
        (break_link, "datalad get sub-01/anat/sub-01_T1w.nii.gz"),
        (break_empty, "is empty"),
    ],
)
def test_absent_content_is_told_before_anything_runs(harm, said: str, toy: Pipeline, dataset: Path) -> None:  # type: ignore[no-untyped-def]
    harm(dataset / "sub-01/anat/sub-01_T1w.nii.gz")
    found = find(toy, dataset, ("01", "02"))
    assert [one.label for one in found.participants] == ["02"]
    assert said in found.faults[0].reason


def test_missing_companion_is_told(toy: Pipeline, dataset: Path) -> None:
    pipeline = replace(toy, reads=(Query("dwi", "dwi", companions=(".bval", ".bvec")),))
    image = write_image(dataset / "sub-01/dwi/sub-01_dwi.nii.gz")
    (image.parent / "sub-01_dwi.bval").write_text("0 1000\n")
    assert [one.reason for one in find(pipeline, dataset).faults] == ["sub-01/dwi/sub-01_dwi.bvec is missing"]


CHOICES = [
    ({"sessions": ("a",), "tasks": ("rest",), "runs": ("1",)},
     ["sub-01_ses-a_T1w.nii.gz", "sub-01_ses-a_task-rest_run-01_bold.nii.gz"]),
    ({"sessions": ("b",), "tasks": ("nback",), "runs": ("002",)},
     ["sub-01_ses-b_T1w.nii.gz", "sub-01_ses-b_task-nback_run-02_bold.nii.gz"]),
    ({"filters": {"bold": {"task": "rest", "run": 1, "session": "a"}, "t1w": {"ses": "b"}}},
     ["sub-01_ses-a_task-rest_run-01_bold.nii.gz", "sub-01_ses-b_T1w.nii.gz"]),
    ({"filters": {"bold": {"task": "rest", "run": "01", "session": "a"}, "t1w": {"session": None}}},
     ["sub-01_ses-a_task-rest_run-01_bold.nii.gz"]),
    ({"filters": {"bold": {"datatype": "func", "suffix": "bold", "extension": ".nii.gz", "task": ["rest"],
                           "run": [1], "session": ["a"]}, "t1w": {"session": "a", "acquisition": "Query.NONE"}}},
     ["sub-01_ses-a_T1w.nii.gz", "sub-01_ses-a_task-rest_run-01_bold.nii.gz"]),
    ({"filters": {"flair": {"acquisition": "x"}, "bold": {"task": "nothing"}, "t1w": {"session": ["a", "b"]}}},
     ["sub-01_ses-a_T1w.nii.gz", "sub-01_ses-b_T1w.nii.gz"]),
]  # fmt: skip


@pytest.mark.parametrize(("chosen", "expected"), CHOICES, ids=lambda one: str(one)[:60])
def test_selection_leaves_what_was_asked_for(
    chosen: dict[str, object], expected: list[str], toy: Pipeline, rich: Path
) -> None:
    assert names(find(toy, rich, **chosen)) == expected


@pytest.mark.parametrize(
    "filters",
    [{"t1w": {"colour": "red"}}, {"t1w": {"return_type": "object"}}, {"t1w": {"scope": "raw"}}, {"t1w": {"sub": 3.5}}],
)
def test_filter_with_an_unknown_entity_is_refused(filters: dict[str, object], toy: Pipeline, dataset: Path) -> None:
    with pytest.raises(OptionError) as refused:
        find(toy, dataset, filters=filters)
    assert refused.value.exit_code == 2


def test_unknown_entity_is_told_without_the_settings_of_pybids(toy: Pipeline, dataset: Path) -> None:
    with pytest.raises(OptionError, match="the filter for T1w does not fit this dataset: 'sesion'") as refused:
        find(toy, dataset, filters={"t1w": {"sesion": "a"}})
    assert "invalid_filters" not in str(refused.value)


class Typo(NamedTuple):
    chosen: dict[str, object]
    said: str


TYPOS = [
    Typo({"sessions": ("c",)}, r"no ses-c\. It has ses-a, ses-b"),
    Typo({"tasks": ("rest", "nbakc")}, r"no task-nbakc\. Did you mean task-nback\? It has task-nback, task-rest"),
    Typo({"runs": ("3",)}, r"no run-3\. It has run-01, run-02"),
    Typo({"filters": {"bolt": {"task": "rest"}}}, r"bolt, which is no suffix of BIDS\. Did you mean bold\?"),
]


@pytest.mark.parametrize("case", TYPOS, ids=lambda case: str(case.chosen))
def test_label_that_is_nowhere_is_refused_with_what_there_is(case: Typo, toy: Pipeline, rich: Path) -> None:
    with pytest.raises(OptionError, match=case.said) as refused:
        find(toy, rich, **case.chosen)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize("chosen", [{"runs": ("0003",)}, {"tasks": ("motor",)}, {"filters": {"sbref": {}, "roi": {}}}])
def test_label_of_someone_else_is_no_mistake(chosen: dict[str, object], toy: Pipeline, rich: Path) -> None:
    write_image(rich / "sub-02/func/sub-02_task-motor_run-3_bold.nii.gz", metadata=TR)
    find(toy, rich, **chosen)


def test_participant_who_is_misspelt_is_suggested(dataset: Path) -> None:
    shutil.copytree(dataset / "sub-01", dataset / "sub-control01")
    with pytest.raises(OptionError, match=r"no sub-contrl01\. Did you mean sub-control01\?"):
        choose_participants(dataset, Selection(participants=("contrl01",)))


def test_files_that_bids_does_not_know_are_left_out(toy: Pipeline, dataset: Path) -> None:
    write_image(dataset / "sub-01/anat/sub-01_my-own_thing_T1w.nii.gz")
    write_image(dataset / "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz")
    write_image(dataset / "sourcedata/sub-01/anat/sub-01_acq-old_T1w.nii.gz")
    assert names(find(toy, dataset)) == ["sub-01_T1w.nii.gz"]


def test_sidecar_with_nan_is_read(toy: Pipeline, dataset: Path) -> None:
    (dataset / "sub-01/anat/sub-01_T1w.json").write_text('{"EchoTime": NaN, "FlipAngle": 8}')
    assert find(toy, dataset).participants[0].images[0].metadata["FlipAngle"] == 8


@pytest.mark.parametrize("text", ["{", "", "\x00", "/annex/objects/MD5E-s123--abc.json"])
def test_broken_sidecar_is_a_fault_of_its_participant_only(text: str, toy: Pipeline, dataset: Path) -> None:
    (dataset / "sub-01/anat/sub-01_T1w.json").write_text(text)
    found = find(toy, dataset, ("01", "02"))
    assert names(found) == ["sub-02_T1w.nii.gz"]
    assert [one.path for one in found.faults] == ["sub-01/anat/sub-01_T1w.json"]


def test_broken_sidecar_of_all_ends_with_its_name(toy: Pipeline, dataset: Path) -> None:
    (dataset / "T1w.json").write_text("{")
    with pytest.raises(InputError, match=r"T1w\.json") as refused:
        find(toy, dataset)
    assert refused.value.exit_code == 65


def test_dataset_behind_a_link_and_an_odd_path_is_read(toy: Pipeline, dataset: Path, tmp_path: Path) -> None:
    odd = tmp_path / "Ünï cødé (1) [x]" / "bids +*?"
    odd.parent.mkdir()
    dataset.rename(odd)
    (tmp_path / "link").symlink_to(odd.parent)
    root = tmp_path / "link" / "bids +*?"
    for place in (odd, root):
        assert names(find(toy, place, ("01", "02"))) == ["sub-01_T1w.nii.gz", "sub-02_T1w.nii.gz"]


def test_participant_folder_that_is_a_link_is_read(toy: Pipeline, dataset: Path, tmp_path: Path) -> None:
    (dataset / "sub-01").rename(tmp_path / "elsewhere")
    (dataset / "sub-01").symlink_to(tmp_path / "elsewhere")
    assert names(find(toy, dataset)) == ["sub-01_T1w.nii.gz"]


def test_links_that_lead_in_circles_end(dataset: Path) -> None:
    for name in ("one", "two"):
        (dataset / "sub-01" / name).symlink_to(dataset / "sub-01")
    assert fingerprint(dataset, ["01"])


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "index"


def test_index_is_kept_for_an_unchanged_dataset(toy: Pipeline, dataset: Path, database: Path) -> None:
    find(toy, dataset, database=database)
    (first,) = database.rglob("*.sqlite")
    stamp = first.stat().st_mtime_ns
    assert names(find(toy, dataset, database=database)) == ["sub-01_T1w.nii.gz"]
    (again,) = database.rglob("*.sqlite")
    assert (again, again.stat().st_mtime_ns) == (first, stamp)


def test_index_is_made_again_when_a_sidecar_changed(toy: Pipeline, dataset: Path, database: Path) -> None:
    find(toy, dataset, database=database)
    (dataset / "sub-01/anat/sub-01_T1w.json").write_text('{"EchoTime": 0.004}')
    assert find(toy, dataset, database=database).participants[0].images[0].metadata["EchoTime"] == 0.004


def test_index_is_made_again_when_an_inherited_sidecar_came(toy: Pipeline, dataset: Path, database: Path) -> None:
    find(toy, dataset, database=database)
    (dataset / "T1w.json").write_text('{"FlipAngle": 9}')
    assert find(toy, dataset, database=database).participants[0].images[0].metadata["FlipAngle"] == 9


def test_index_is_made_again_when_linked_content_was_fetched(
    toy: Pipeline, dataset: Path, database: Path, tmp_path: Path
) -> None:
    """A clone without content has links to nothing; fetching leaves the links as they are."""
    sidecar = dataset / "sub-01/anat/sub-01_T1w.json"
    sidecar.unlink()
    sidecar.symlink_to(tmp_path / "content.json")
    assert "datalad get" in find(toy, dataset, database=database).faults[0].reason
    (tmp_path / "content.json").write_text('{"EchoTime": 0.005}')
    assert find(toy, dataset, database=database).participants[0].images[0].metadata["EchoTime"] == 0.005


def test_old_indexes_of_a_dataset_go_away(toy: Pipeline, dataset: Path, database: Path) -> None:
    for echo in (0.001, 0.002, 0.003):
        (dataset / "sub-01/anat/sub-01_T1w.json").write_text(json.dumps({"EchoTime": echo, "X": "x" * int(echo * 1e4)}))
        find(toy, dataset, database=database)
    assert len(list(database.rglob("*.sqlite"))) == 1


def test_half_an_index_is_not_used(
    toy: Pipeline, dataset: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed while it indexes must not make the next one believe that there are no images."""
    from bids.layout import BIDSLayoutIndexer

    def die(self: object, layout: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(BIDSLayoutIndexer, "__call__", die)
        with pytest.raises(KeyboardInterrupt):
            find(toy, dataset, database=database)
    assert names(find(toy, dataset, database=database)) == ["sub-01_T1w.nii.gz"]


def test_images_are_found_when_no_index_can_be_kept(toy: Pipeline, dataset: Path, database: Path) -> None:
    database.write_text("a file where the folder should be")
    assert names(find(toy, dataset, database=database)) == ["sub-01_T1w.nii.gz"]


def test_damaged_index_is_made_again(toy: Pipeline, dataset: Path, database: Path) -> None:
    find(toy, dataset, database=database)
    (index,) = database.rglob("*.sqlite")
    index.write_bytes(b"this is no database" * 100)
    assert names(find(toy, dataset, database=database)) == ["sub-01_T1w.nii.gz"]


def test_participants_are_chosen(dataset: Path) -> None:
    (dataset / "sub-03").write_text("a file")
    shutil.copytree(dataset / "sub-01", dataset / "sub-10")
    assert list_participants(dataset) == ("01", "02", "10")
    assert choose_participants(dataset, Selection()) == ("01", "02", "10")
    assert choose_participants(dataset, Selection(participants=("10", "01"))) == ("01", "10")
    assert choose_participants(dataset, Selection(without=("02",))) == ("01", "10")


@pytest.mark.parametrize("selection", [Selection(participants=("01", "99")), Selection(without=("99",))])
def test_participant_who_is_not_there_is_told(selection: Selection, dataset: Path) -> None:
    with pytest.raises(OptionError, match=r"no sub-99.*sub-01, sub-02") as refused:
        choose_participants(dataset, selection)
    assert refused.value.exit_code == 2


def test_folder_that_is_no_dataset_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(InputError) as refused:
            choose_participants(place, Selection())
        assert refused.value.exit_code == 65


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_image_that_may_not_be_read_is_told(toy: Pipeline, dataset: Path) -> None:
    (dataset / "sub-01/anat/sub-01_T1w.nii.gz").chmod(0)
    assert "permissions" in find(toy, dataset).faults[0].reason
