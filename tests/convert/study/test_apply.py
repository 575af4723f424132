"""A rule goes before all other evidence, changes only what it says, and says that it did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bidsflow.convert.known import Known
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.planner import Planned, follow_plan, make_plan
from bidsflow.convert.study.apply import Rulebook, find_study
from bidsflow.convert.study.labels import Tables, make_labels
from bidsflow.convert.study.read import parse_study
from bidsflow.convert.subjects import Key, Sessions
from bidsflow.dicom.echoes import join_echoes
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Inventory, Patient, Series
from bidsflow.errors import PlanError, StudyError
from tests.convert.naming import scans
from tests.convert.test_planner import ANNA, BERND, SCANS, Scan, build

T1, REST, NBACK, BACK, REFERENCE = (SCANS[index] for index in (0, 3, 4, 5, 6))
DTI, LOCALIZER = SCANS[17], SCANS[20]


def lay(text: str, series: tuple[Series, ...], tables: Tables | None = None) -> Rulebook:
    study = parse_study(f"version = 1\n{text}")
    folders = {one.uid: f"scan/{one.patient.id}/{one.number}" for one in series}
    return Rulebook(study, "study.toml", folders, make_labels(study, tables or Tables(), series, folders, "study.toml"))


def plan(
    text: str, *series: Series, taken: dict[tuple[str, int], str] | None = None, key: Key | None = None,
    tables: Tables | None = None, ruled: dict[tuple[str, int], frozenset[str]] | None = None,
) -> Planned:  # fmt: skip
    held = Known(key or Key(), taken or {}, ruled or {})
    return make_plan(Inventory(series, ()), held, book=lay(text, series, tables))


def paths(planned: Planned) -> list[str]:
    return [row.path for row in planned.plan.rows]


def by_day(planned: Planned) -> list[str]:
    """Return the paths in the order of the visits, which labels need not have."""
    return [row.path for row in sorted(planned.plan.rows, key=lambda row: row.series_uid)]


def only(planned: Planned) -> PlanRow:
    (row,) = planned.plan.rows
    return row


def rule(match: str, more: str) -> str:
    return f"[[series]]\nmatch = {{ {match} }}\n{more}\n"


def test_rule_that_names_the_task_changes_nothing_else() -> None:
    row = only(plan(rule('SeriesDescription = "bold_rest"', 'task = "sleep"'), build(REST, 1)))
    assert row.path == "sub-01/func/sub-01_task-sleep_bold"
    assert "task-sleep by series[0] of study.toml" in row.evidence


def test_rule_that_names_in_full_leaves_only_runs_to_the_evidence() -> None:
    text = rule('SeriesDescription = "bold_*"', 'name = "func/task-all_acq-x_bold"\nbecause = "one protocol"')
    planned = plan(text, build(REST, 1), build(NBACK, 2), build(BACK, 3))
    assert paths(planned) == [f"sub-01/func/sub-01_task-all_acq-x_run-{run}_bold" for run in (1, 2, 3)]
    assert planned.plan.rows[0].evidence.startswith("Named by series[0] of study.toml (one protocol)")


def test_rule_for_a_run_names_its_reference_too() -> None:
    text = rule('ProtocolName = "bold_nback"', 'name = "func/task-memory_bold"')
    planned = plan(text, build(REFERENCE, 1), build(NBACK, 2))
    assert paths(planned) == [f"sub-01/func/sub-01_task-memory_{suffix}" for suffix in ("sbref", "bold")]


def test_direction_is_known_where_only_the_protocol_of_the_series_tells_it() -> None:
    series = build(BACK, 1)
    bare = [replace(one, header=Header({key: text for key, text in one.header.values.items()
                                        if key != "PhaseEncodingPositive"})) for one in series.images]  # fmt: skip
    assert "PhaseEncodingPositive" in series.header
    row = only(plan(rule('direction = "PA"', 'acq = "reverse"'), replace(series, images=tuple(bare))))
    assert "acq-reverse" in row.path


def test_label_is_taken_away_where_a_rule_says_nothing_for_it() -> None:
    without = plan("", build(NBACK, 1), build(BACK, 2))
    assert "dir-PA" in paths(without)[1]
    planned = plan(rule('direction = "PA"', 'dir = ""\nacq = "reverse"'), build(NBACK, 1), build(BACK, 2))
    assert paths(planned)[1] == "sub-01/func/sub-01_task-nback_acq-reverse_bold"


def test_template_is_filled_from_a_group_and_from_the_header() -> None:
    more = 'task = "{task}"\nacq = "{n_volumes}vol{missing}"'
    match = "SeriesDescription = { regex = 'bold_(?P<task>[a-z]+)(?P<missing>x)?' }"
    row = only(plan(rule(match, more), build(REST, 1)))
    assert row.path == "sub-01/func/sub-01_task-rest_acq-200vol_bold"


def test_rule_goes_before_a_name_after_reproin() -> None:
    movie = Scan("func-bold_task-movie_run-1", REST.tags, 100)
    row = only(plan(rule('SeriesDescription = "*movie*"', 'task = "film"'), build(movie, 1)))
    assert row.path == "sub-01/func/sub-01_task-film_run-1_bold"


def test_first_rule_counts_and_exclusions_go_before_all() -> None:
    text = '[[exclude]]\nSeriesDescription = "*mprage"\n' + rule("n_volumes = 200", 'task = "a"')
    text += rule('kind = "gradient-echo EPI"', 'task = "b"')
    planned = plan(text, build(T1, 1), build(REST, 2), build(NBACK, 3))
    assert [row.decision for row in planned.plan.rows] == [Decision.SKIP, Decision.CONVERT, Decision.CONVERT]
    assert "exclude[0] of study.toml" in planned.plan.rows[0].evidence
    assert [path.partition("_task-")[2] for path in paths(planned)] == ["", "a_bold", "b_bold"]


def test_name_against_physics_is_done_and_told() -> None:
    planned = plan(rule('SeriesDescription = "dti"', 'name = "func/task-x_bold"'), build(DTI, 1))
    row = only(planned)
    assert (row.decision, row.path) == (Decision.CONVERT, "sub-01/func/sub-01_task-x_bold")
    assert "although by its physics it is diffusion-weighted" in row.evidence
    told = "series 1 (dti) is to be sub-01/func/sub-01_task-x_bold: by its physics it is diffusion-weighted"
    assert planned.plan.notes == (told,)


FLAIR = scans.make(1, "flair", scans.SPACE_FLAIR)


class Against(NamedTuple):
    series: Series
    says: str
    told: str


AGAINST = [
    Against(build(T1, 1), 'name = "anat/T2w"', "by its physics it is T1-weighted"),
    Against(FLAIR, 'name = "anat/T2w"', "by its physics it is FLAIR"),
    Against(build(SCANS[12], 1), 'dir = "PA"', "by its header phase encoding runs AP"),
    Against(
        build(SCANS[12], 1), 'name = "fmap/dir-PA_epi"\ndecision = "convert"', "by its header phase encoding runs AP"
    ),
]


@pytest.mark.parametrize("case", AGAINST, ids=lambda case: case.says)
def test_name_against_headers_is_told_in_one_way(case: Against) -> None:
    planned = plan(rule('SeriesDescription = "*"', case.says), case.series)
    row = only(planned)
    assert row.decision is Decision.CONVERT
    assert planned.plan.notes == (f"{row.title} is to be {row.path}: {case.told}",)
    edited = follow_plan(planned.plan, Inventory((case.series,), ()), Key())
    assert edited.plan.notes == planned.plan.notes


def test_rule_that_gives_no_part_that_headers_tell_notes_nothing() -> None:
    planned = plan(rule('SeriesDescription = "*"', 'acq = "x"'), FLAIR, build(T1, 2))
    assert planned.plan.notes == ()


def test_name_that_an_image_cannot_have_is_for_review() -> None:
    row = only(plan(rule('SeriesDescription = "t1*"', 'name = "func/task-x_bold"'), build(T1, 1)))
    assert row.decision is Decision.REVIEW
    assert row.evidence.startswith("A bold has several volumes, and this image has one")


def test_localizer_is_converted_where_a_rule_names_it() -> None:
    row = only(plan(rule('SeriesDescription = "local*"', 'name = "anat/acq-scout_T1w"'), build(LOCALIZER, 1)))
    assert (row.decision, row.path) == (Decision.CONVERT, "sub-01/anat/sub-01_acq-scout_T1w")


def test_field_map_that_only_a_study_tells_corrects_its_runs() -> None:
    text = rule('SeriesDescription = "shim_m"', 'datatype = "fmap"\nsuffix = "magnitude1"')
    text += rule('SeriesDescription = "shim_p"', 'datatype = "fmap"\nsuffix = "phasediff"')
    series = (
        scans.make(1, "shim_m", scans.FLASH3D),
        scans.make(2, "shim_p", scans.FLASH3D, scans.phase()),
        scans.bold(3, "rest"),
    )
    rows = plan(text, *series).plan.rows
    assert [(row.b0_identifier, row.b0_source) for row in rows] == [("gre1", ""), ("gre1", ""), ("", "gre1")]


def test_image_that_nothing_names_is_for_review_where_a_rule_converts_it() -> None:
    row = only(plan(rule('SeriesDescription = "local*"', 'decision = "convert"'), build(LOCALIZER, 1)))
    assert row.decision is Decision.REVIEW
    assert row.evidence.startswith("Series[0] of study.toml converts it, and nothing gives it a name")


SHORT = replace(build(REST._replace(volumes=90), 1), uid="1.9")


@pytest.mark.parametrize(("decision", "kept"), [("", False), ('decision = "convert"', True)])
def test_stopped_run_stays_in_doubt_unless_a_rule_converts_it(decision: str, kept: bool) -> None:
    text = rule('SeriesDescription = "bold_rest"', f'name = "func/task-rest_bold"\n{decision}')
    first = plan(text, SHORT, build(REST, 2)).plan.rows[0]
    assert (first.decision is Decision.CONVERT) is kept


@pytest.mark.parametrize("match", ['"bold [task-a] AP?"', '["other", "bold [task-a] AP?"]', '"bold *"'])
def test_text_with_the_signs_of_a_pattern_is_equal_to_itself(match: str) -> None:
    series = replace(build(REST, 1), description="bold [task-a] AP?")
    row = only(plan(rule(f"SeriesDescription = {match}", 'task = "sleep"'), series))
    assert row.path == "sub-01/func/sub-01_task-sleep_bold"


def test_rule_sets_an_image_before_a_person() -> None:
    row = only(plan(rule('SeriesDescription = "t1*"', 'decision = "review"'), build(T1, 1)))
    assert row.decision is Decision.REVIEW
    assert row.path == "sub-01/anat/sub-01_T1w"


def test_proposal_of_a_rule_that_only_reviews_is_the_name_without_it() -> None:
    catch_all = rule("SeriesDescription = { glob = '*' }", 'decision = "review"')
    series = [build(scan, rank) for rank, scan in enumerate((REFERENCE, NBACK, BACK, *SCANS[12:14], *SCANS[15:17], T1))]
    planned = plan(catch_all, *series)
    assert paths(planned) == paths(plan("", *series))
    assert {row.decision for row in planned.plan.rows} == {Decision.REVIEW}
    assert all(row.evidence.startswith("Set before a person by series[0]") for row in planned.plan.rows)


def test_reference_waits_with_its_run_where_a_rule_reviews_that() -> None:
    planned = plan(rule("n_volumes = 150", 'decision = "review"'), build(REFERENCE, 1), build(NBACK, 2))
    assert [row.decision for row in planned.plan.rows] == [Decision.REVIEW] * 2
    assert paths(planned)[0] == "sub-01/func/sub-01_task-nback_sbref"


ADC = Scan("dti_ADC", {**DTI.tags, "ImageType": "DERIVED\\PRIMARY\\DIFFUSION\\ADC"})


def one_protocol(*scans: Scan) -> tuple[Series, ...]:
    return tuple(replace(build(scan, rank), protocol_name="dti") for rank, scan in enumerate(scans, start=1))


@pytest.mark.parametrize("match", ['ProtocolName = "dti"', 'SeriesDescription = "dti*"'])
def test_rule_for_a_run_leaves_the_maps_of_its_protocol_maps(match: str) -> None:
    planned = plan(rule(match, 'name = "dwi/acq-x_dwi"'), *one_protocol(DTI, ADC))
    assert paths(planned) == ["sub-01/dwi/sub-01_acq-x_dwi", "sub-01/dwi/sub-01_acq-x_ADC"]
    assert "series[0] of study.toml gives the name of what it was made of" in planned.plan.rows[1].evidence


def test_rule_for_anatomy_names_its_reformat_and_one_for_a_run_no_tensor() -> None:
    reformat = Scan("t1_mprage", {**T1.tags, "ImageType": "DERIVED\\PRIMARY\\MPR"})
    tensor = Scan("dti_TENSOR", {**DTI.tags, "ImageType": "DERIVED\\PRIMARY\\DIFFUSION\\TENSOR"}, 6)
    text = rule('ProtocolName = "t1_mprage"', 'name = "anat/acq-r_T1w"')
    assert paths(plan(text, build(reformat, 1))) == ["sub-01/anat/sub-01_acq-r_T1w"]
    planned = plan(rule('ProtocolName = "dti"', 'name = "dwi/dwi"'), *one_protocol(DTI, tensor))
    assert [row.decision for row in planned.plan.rows] == [Decision.CONVERT, Decision.SKIP]


@pytest.mark.parametrize("match", ['ImageType = { contains = "ADC" }', 'SeriesDescription = "dti_ADC"'])
def test_rule_that_asks_for_a_map_names_it(match: str) -> None:
    planned = plan(rule(match, 'name = "dwi/acq-mine_dwi"\ndecision = "review"'), *one_protocol(DTI, ADC))
    assert paths(planned)[1] == "sub-01/dwi/sub-01_acq-mine_dwi"


def test_name_in_the_dataset_stays_unless_the_study_changes_it() -> None:
    series = (build(REST, 1), build(REST, 2), build(T1, 3))
    before = plan("", *series)
    taken = {(row.series_uid, row.image): row.path for row in before.plan.rows}
    same = plan(rule('SeriesDescription = "bold_rest"', 'name = "func/task-rest_bold"'), *series, taken=taken)
    assert paths(same) == paths(before)
    moved = plan(rule('SeriesDescription = "bold_rest"', 'task = "sleep"'), *series, taken=taken, key=before.key)
    assert paths(moved) == [*(f"sub-01/func/sub-01_task-sleep_run-{run}_bold" for run in (1, 2)), paths(before)[2]]


def test_name_goes_back_where_the_study_no_longer_gives_it() -> None:
    series = (build(REST, 1), build(NBACK, 2))
    text = rule('SeriesDescription = "bold_rest"', 'task = "sleep"\nacq = "x"')
    text += rule('SeriesDescription = "bold_nback"', 'name = "func/task-n_acq-y_bold"')
    before = plan(text, *series)
    held = {"taken": {(row.series_uid, row.image): row.path for row in before.plan.rows}, "key": before.key,
            "ruled": before.plan.ruled}  # fmt: skip
    less = plan(rule('SeriesDescription = "bold_rest"', 'task = "sleep"'), *series, **held)
    assert paths(less) == ["sub-01/func/sub-01_task-sleep_bold", "sub-01/func/sub-01_task-nback_bold"]
    assert paths(plan("name = 'none'", *series, **held)) == paths(plan("", *series))
    without = make_plan(Inventory(series, ()), Known(**held))
    assert [row.path for row in without.plan.rows] == paths(before)


def test_two_images_of_the_dataset_swap_names_by_the_study() -> None:
    series = (build(REST, 1), build(NBACK, 2))
    before = plan("", *series)
    taken = {(row.series_uid, row.image): row.path for row in before.plan.rows}
    text = rule('SeriesDescription = "bold_rest"', 'task = "nback"')
    text += rule('SeriesDescription = "bold_nback"', 'task = "rest"')
    assert paths(plan(text, *series, taken=taken, key=before.key)) == paths(before)[::-1]


BY_ID = '[subjects]\nfrom = "PatientID"\n'


def known(series: Series, **tags: str) -> Series:
    """Return a series whose header names its patient as well."""
    who = {"PatientID": series.patient.id, "PatientName": series.patient.name}
    return replace(series, header=replace(series.header, values={**series.header.values, **who, **tags}))


def test_subject_is_called_after_the_id_where_the_study_says_so() -> None:
    series = (known(build(T1, 1, ANNA)), known(build(T1, 1, BERND)))
    assert paths(plan(BY_ID, *series)) == [f"sub-{sub}/anat/sub-{sub}_T1w" for sub in ("P1", "P2")]


def test_people_who_get_no_label_are_for_review_and_take_no_number() -> None:
    series = (known(build(T1, 1, ANNA)), known(build(T1, 1, BERND)))
    planned = plan(BY_ID + "pattern = 'P(1)'", *series)
    first, second = sorted(planned.plan.rows, key=lambda row: row.series_uid)
    assert first.path == "sub-1/anat/sub-1_T1w"
    assert second.decision is Decision.REVIEW
    assert "No subject label by study.toml (from PatientID, pattern 'P(1)')" in second.evidence
    assert set(planned.key.subjects.values()) == {"1"}


def test_label_for_two_people_is_refused_without_naming_them() -> None:
    series = (known(build(T1, 1, ANNA)), known(build(REST, 4, BERND)))
    with pytest.raises(StudyError) as caught:
        plan(BY_ID + "pattern = 'P'", *series)
    assert "series 1 t1_mprage and series 4 bold_rest are of two people" in str(caught.value)
    assert not any(name in str(caught.value) for name in ("ANNA", "BERND", "P1", "P2"))


def test_table_joins_two_ids_of_one_person_and_gives_sessions_by_day() -> None:
    text = '[subjects]\nfrom = "table"\ntable = { path = "t" }\n[sessions]\nfrom = "table"\ntable = { path = "s" }\n'
    text = text.replace('"s" }', '"s", date = "day" }')
    tables = Tables({("p1", ""): "A", ("p2", ""): "A"}, {("p1", "20220711"): "pre", ("p2", "20220712"): "post"})
    series = (known(build(T1, 1, ANNA)), known(build(T1, 1, BERND, day=1)))
    planned = plan(text, *series, tables=tables)
    assert by_day(planned) == [f"sub-A/ses-{ses}/anat/sub-A_ses-{ses}_T1w" for ses in ("pre", "post")]
    assert any("sub-A is 2 people by their headers" in note for note in planned.plan.notes)


def test_folder_tells_apart_people_who_are_all_called_anonymous() -> None:
    nobody = Patient("ANON", "ANON", "", "")
    series = tuple(replace(build(T1, number, ANNA, day), patient=nobody) for number, day in ((1, 0), (2, 1)))
    book = parse_study("version = 1\n[subjects]\nfrom = 'folder'\npattern = 'sub-([0-9]+)'")
    folders = {one.uid: f"scan/sub-{7 + rank}/1" for rank, one in enumerate(series)}
    labels = make_labels(book, Tables(), series, folders, "study.toml")
    rows = make_plan(Inventory(series, ()), book=Rulebook(book, "study.toml", folders, labels)).plan.rows
    assert [row.path for row in rows] == ["sub-7/anat/sub-7_T1w", "sub-8/anat/sub-8_T1w"]


def test_visits_without_an_optional_label_have_the_session_that_they_would_have() -> None:
    text = '[sessions]\nfrom = "PatientID"\npattern = "ses(.)"\n'
    series = (known(build(T1, 1, ANNA)), known(build(T1, 1, BERND)))
    assert {row.decision for row in plan(text, *series).plan.rows} == {Decision.REVIEW}
    optional = plan(f"{text}optional = true", *series)
    assert {row.decision for row in optional.plan.rows} == {Decision.CONVERT}
    assert paths(optional) == paths(plan("", *series))
    labelled = known(build(T1, 1, BERND, day=1), PatientID="ses7")
    mixed = plan(f"{text}optional = true", known(build(T1, 1, ANNA)), labelled)
    assert sorted(paths(mixed)) == [f"sub-{sub}/ses-{ses}/anat/sub-{sub}_ses-{ses}_T1w"
                                    for sub, ses in (("01", "01"), ("02", "7"))]  # fmt: skip


def test_numbered_visits_have_the_labels_of_the_study_in_order() -> None:
    series = tuple(build(T1, 1, ANNA, day) for day in (0, 1, 2))
    planned = plan('[sessions]\nlabels = ["pre", "post"]', *series)
    assert [path.split("/")[1] for path in by_day(planned)] == ["ses-pre", "ses-post", "ses-01"]


def test_numbered_visits_of_the_dataset_get_the_labels_of_the_study() -> None:
    series = tuple(build(T1, 1, ANNA, day) for day in (0, 1))
    before = plan("", *series)
    taken = {(row.series_uid, row.image): row.path for row in before.plan.rows}
    after = plan('[sessions]\nlabels = ["pre", "post"]', *series, taken=taken, key=before.key)
    assert by_day(after) == [f"sub-01/ses-{ses}/anat/sub-01_ses-{ses}_T1w" for ses in ("pre", "post")]
    assert sorted(after.key.sessions.values()) == [("01", "post"), ("01", "pre")]


def test_visit_that_is_not_in_the_export_stays_under_the_old_label_and_is_told() -> None:
    first, second = known(build(T1, 1, ANNA)), known(build(T1, 1, ANNA, day=1))
    before = plan("", first, second)
    taken = {(row.series_uid, row.image): row.path for row in before.plan.rows}
    after = plan(BY_ID, second, taken=taken, key=before.key)
    assert only(after).path == "sub-P1/ses-02/anat/sub-P1_ses-02_T1w"
    assert after.key.sessions[first.study_uid] == ("01", "01")
    assert any(note.startswith("sub-01 becomes sub-P1, and keeps visits") for note in after.plan.notes)


def test_study_whose_series_get_two_labels_is_for_review() -> None:
    series = (known(build(T1, 1)), known(build(REST, 2)), known(build(NBACK, 3)))
    rows = plan('[subjects]\nfrom = "folder"\npattern = "[0-9]+$"', *series).plan.rows
    assert {row.decision for row in rows} == {Decision.REVIEW}
    said = (
        "Study.toml gives series 1 t1_mprage and series 2 bold_rest, which are of one study, different subject labels"
    )
    assert rows[0].evidence.startswith(said)


def test_session_for_two_days_is_refused() -> None:
    series = (known(build(T1, 1, ANNA)), known(build(T1, 2, ANNA, day=1)))
    with pytest.raises(StudyError, match="are of two days, and both would be ses-P"):
        plan('[sessions]\nfrom = "PatientID"\npattern = "P"', *series)


def test_subject_of_the_dataset_moves_where_the_study_renames_it() -> None:
    series = (known(build(T1, 1, ANNA)), known(build(T1, 1, BERND)))
    before = plan("", *series)
    taken = {(row.series_uid, row.image): row.path for row in before.plan.rows}
    after = plan(BY_ID, *series, taken=taken, key=before.key)
    assert paths(after) == [f"sub-{sub}/anat/sub-{sub}_T1w" for sub in ("P1", "P2")]
    assert after.key.shifts["P1"] == before.key.shifts["01"]
    assert after.key.subjects.keys() == before.key.subjects.keys()
    assert set(after.key.subjects.values()) == {"P1", "P2"}


def test_label_of_someone_else_in_the_dataset_is_refused() -> None:
    before = plan(BY_ID, known(build(T1, 1, ANNA)))
    other = known(build(T1, 1, replace(BERND, id="P9")), PatientID="P1")
    with pytest.raises(PlanError, match="sub-P1"):
        make_plan(
            Inventory((other,), ()), Known(before.key, {("1.2.1.0.1", 1): "sub-P1/anat/sub-P1_T1w"}),
            book=lay(BY_ID, (other,)), sessions=Sessions.NEVER,
        )  # fmt: skip


def test_sidecar_fields_of_a_rule_go_before_those_for_all() -> None:
    text = '[sidecar]\nInstitutionName = "A"\nNote = "all"\n' + rule("n_volumes = 1", '[series.sidecar]\nNote = "one"')
    series = build(T1, 1)
    assert lay(text, (series,)).find_fields(series, series.images[0]) == {"InstitutionName": "A", "Note": "one"}


def test_scan_without_words_is_matched_by_what_was_measured() -> None:
    silent = Scan("", REST.tags, 200)
    assert "task-quiet" in only(plan(rule("EchoTime = 30.0", 'task = "quiet"'), build(silent, 1))).path
    assert "task-quiet" not in only(plan(rule('EchoTime = "31..40"', 'task = "quiet"'), build(silent, 1))).path


@pytest.mark.parametrize("kind", ["link", "folder"])
def test_study_of_a_dataset_that_cannot_be_read_is_told(kind: str, tmp_path: Path) -> None:
    home = tmp_path / "code" / "study.toml"
    home.parent.mkdir()
    home.mkdir() if kind == "folder" else home.symlink_to("nowhere")
    with pytest.raises(StudyError, match="it cannot be read"):
        find_study(None, tmp_path)


def test_echoes_of_a_field_map_that_rules_tell_apart_are_all_named() -> None:
    made = [scans.make(n, f"fmap_e{n}", scans.BOLD, volumes=5, EchoTime=13 * n, protocol="fmap", at=5) for n in (1, 2)]
    series = join_echoes(made)
    given = 'datatype = "fmap"\nsuffix = "epi"\nacq = "e{0}"\ndir = "PA"'
    rules = "".join(rule(f'SeriesDescription = "fmap_e{n}"', given.format(n)) for n in (1, 2))
    rows = plan(rules, *series).plan.rows
    assert [(row.decision, row.path) for row in rows] == [
        ("convert", f"sub-01/fmap/sub-01_acq-e{n}_dir-PA_epi") for n in (1, 2)
    ]  # fmt: skip
