"""A configuration of dcm2bids becomes rules that mean the same (its documentation, "Configuration file")."""

from __future__ import annotations

import json
import math
from typing import NamedTuple

import pytest

from bidsflow.convert.importers.dcm2bids import import_dcm2bids
from bidsflow.convert.importers.imported import Imported, format_imported
from bidsflow.convert.plan import Decision
from bidsflow.convert.planner import make_plan
from bidsflow.convert.study.apply import Rulebook
from bidsflow.convert.study.read import parse_study
from bidsflow.convert.study.spec import Condition, Relation
from bidsflow.errors import ConfigError
from tests.convert.naming import scans


def import_one(criteria: object = None, **more: object) -> Imported:
    settings = {key: more.pop(key) for key in ("search_method", "case_sensitive", "extractors") if key in more}
    one = {
        "datatype": "func",
        "suffix": "bold",
        "custom_entities": "task-rest",
        "criteria": criteria or {"SeriesNumber": 3},
    }
    return import_dcm2bids(json.dumps({"descriptions": [one | more], **settings}), "config.json")


CASES: list[tuple[dict[str, object], tuple[Condition, ...]]] = [
    ({"SeriesDescription": "*rest*"}, (Condition("SeriesDescription", Relation.GLOB, "*rest*"),)),
    ({"ProtocolName": "rest"}, (Condition("ProtocolName", Relation.EQUALS, "rest"),)),
    ({"ProtocolName": {"any": ["a*", "b"]}}, (Condition("ProtocolName", Relation.ANY, ("a*", "b")),)),
    ({"EchoTime": 0.03}, (Condition("EchoTime", Relation.EQUALS, 30.0),)),
    ({"EchoTime": {"lt": "0.1"}}, (Condition("EchoTime", Relation.LESS, 100.0),)),
    ({"RepetitionTime": {"le": 2}}, (Condition("RepetitionTime", Relation.BETWEEN, (-math.inf, 2000.0)),)),
    ({"EchoTime": {"btwe": [0.029, 0.003]}}, (Condition("EchoTime", Relation.BETWEEN, (3.0, 29.0)),)),
    ({"EchoTime": {"btw": [0.003, 0.029]}},
     (Condition("EchoTime", Relation.MORE, 3.0), Condition("EchoTime", Relation.LESS, 29.0))),
    ({"EchoTime": "0.03*"}, (Condition("EchoTime", Relation.BETWEEN, (30.0, 40.0)),)),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND", "PHASE"]},
     (Condition("ImageType", Relation.GLOB, "ORIGINAL?PRIMARY?P?ND"),
      Condition("component", Relation.EQUALS, "phase"))),
    ({"PulseSequenceDetails": "%SiemensSeq%\\ep2d_bold"}, (Condition("SequenceFile", Relation.EQUALS, "ep2d_bold"),)),
    ({"PhaseEncodingDirection": "j-"}, (Condition("direction", Relation.EQUALS, "AP"),)),
    ({"PhaseEncodingDirection": "i-"}, (Condition("direction", Relation.EQUALS, "LR"),)),
    ({"PhaseEncodingDirection": "j*"}, (Condition("direction", Relation.ANY, ("PA", "AP")),)),
    ({"Manufacturer": "Siemens"}, (Condition("Manufacturer", Relation.REGEX, r"(?i)\A(?:SI)"),)),
    ({"ImageType": ["ORIGINAL", "PRIMARY", "TE*", "*"]},
     (Condition("ImageType", Relation.REGEX,
                r"\A(?:ORIGINAL[\\_]PRIMARY[\\_]TE[^\\_]*[\\_][^\\_]*|ORIGINAL[\\_]PRIMARY[\\_]TE[^\\_]*)\Z"),)),
    ({"ImageComments": ""}, (Condition("ImageComments", Relation.REGEX, ".", negated=True),)),
    ({"SidecarFilename": "007_*"}, (Condition("series_number", Relation.EQUALS, 7),)),
    ({"SidecarFilename": "*_e2_ph*"}, (Condition("component", Relation.EQUALS, "phase"),)),
    ({"SidecarFilename": "*_ph.json"}, (Condition("component", Relation.EQUALS, "phase"),)),
    ({"SidecarFilename": "*_e2*"}, (Condition("echo", Relation.EQUALS, 2),)),
]  # fmt: skip


@pytest.mark.parametrize(("criteria", "match"), CASES, ids=lambda case: str(case)[:50])
def test_criterion_becomes_a_condition_in_units_of_dicom(
    criteria: dict[str, object], match: tuple[Condition, ...]
) -> None:
    found = import_one(criteria)
    assert found.study.rules[0].match == match
    assert found.notes == ()


def test_patterns_follow_the_search_method() -> None:
    (first, _) = import_one({"SeriesDescription": "T1|T2"}, search_method="re").study.rules
    assert first.match[0].value == r"\A(?:T1|T2)"
    (first, _) = import_one({"SeriesDescription": "*T1w_?.b"}, case_sensitive=False).study.rules
    assert first.match[0].value == r"(?i)T1w_.\.b\Z"


def test_image_type_follows_the_case_that_is_asked_for() -> None:
    (first, _) = import_one({"ImageType": ["original", "primary", "m"]}, case_sensitive=False).study.rules
    assert first.match[0].value == r"(?i)\A(?:original[\\_]primary[\\_]m)\Z"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"%SiemensSeq%\\ep2d", r"\A(?:ep2d)"),
        (r"(?i)%CUSTOMERSEQ%\\EP2D_\w+", r"\A(?:(?i:EP2D_\w+))"),
        (r".*ep2d_bold", r"\A(?:.*ep2d_bold)"),
    ],
)
def test_expressions_on_sequences_lose_the_folder_and_nothing_else(pattern: str, expected: str) -> None:
    (first, *_) = import_one({"PulseSequenceDetails": pattern}, search_method="re").study.rules
    assert first.match == (Condition("SequenceFile", Relation.REGEX, expected),)


class Scan(NamedTuple):
    tags: dict[str, str]
    criteria: dict[str, object]
    decision: Decision


SCANS = [
    Scan({"Manufacturer": "SIEMENS"}, {"Manufacturer": "Siemens"}, Decision.CONVERT),
    Scan({"Manufacturer": "Philips Medical Systems"}, {"Manufacturer": "Phi*"}, Decision.CONVERT),
    Scan({"Manufacturer": "GE MEDICAL SYSTEMS"}, {"Manufacturer": {"any": ["GE", "Canon"]}}, Decision.CONVERT),
    Scan({"Manufacturer": "SIEMENS"}, {"Manufacturer": "GE"}, Decision.SKIP),
    Scan({"GePulseSequence": "epiRT"}, {"SequenceName": "epi*"}, Decision.CONVERT),
    Scan({"PulseSequenceName": "epfid2d1_64"}, {"SequenceName": "epfid*"}, Decision.CONVERT),
    Scan({"ScanningSequence": "EP"}, {"ScanningSequence": "EP"}, Decision.CONVERT),
    Scan({"ScanningSequence": "SE"}, {"ScanningSequence": "EP"}, Decision.SKIP),
    Scan({}, {"ScanningSequence": "EP"}, Decision.REVIEW),
    Scan({}, {"ScanningSequence": "EP", "ProtocolName": "other"}, Decision.SKIP),
    Scan({}, {"ReceiveCoilName": "HeadNeck_64"}, Decision.REVIEW),
    Scan({}, {"PhaseEncodingDirection": "j-"}, Decision.REVIEW),
]


@pytest.mark.parametrize("scan", SCANS, ids=lambda scan: f"{scan.tags} {scan.criteria}"[:60])
def test_criterion_means_what_dcm2niix_writes_whatever_the_maker(scan: Scan) -> None:
    """Of what it finds elsewhere where the header lacks it, bidsflow asks instead of leaving the image out."""
    tags = {"MRAcquisitionType": "2D", "RepetitionTime": 2000, "EchoTime": 30, **scan.tags}
    series = scans.make(3, "bold_rest", tags, volumes=200, orientation=scans.AXIAL)
    (rule,) = [Rulebook(import_one(scan.criteria).study).find_rule(series, series.images[0])]
    assert rule is not None
    assert rule.decision is scan.decision


def test_what_no_description_names_is_skipped() -> None:
    rest = import_one().study.rules[-1]
    assert (rest.match, rest.decision) == ((Condition("n_files", Relation.MORE, 0),), Decision.SKIP)


@pytest.mark.parametrize(
    ("criteria", "says"),
    [
        ({"SidecarFilename": "*T1*"}, "a name that dcm2niix makes"),
        ({"EffectiveEchoSpacing": 0.0005}, "which dcm2niix works out"),
        ({"ImageType": "*M*"}, "it never fits"),
        ({"EchoTime": {"about": 3}}, "no comparison"),
        ({"SeriesDescription": {"gt": 3}}, "no comparison of texts"),
        ({"EchoTime": 10**400}, "is no number"),
        ({"Manufacturer": "SIEMENS"}, "Siemens, GE, Philips"),
    ],
)
def test_description_is_left_out_where_no_rule_can_ask_the_same(criteria: dict[str, object], says: str) -> None:
    found = import_one(criteria)
    (note,) = found.notes
    assert note.where == "descriptions[0] (func/bold)"
    assert says in note.text
    (rest,) = found.study.rules
    assert rest.decision is Decision.REVIEW  # nothing that it named is skipped in silence


def test_labels_of_extractors_become_templates() -> None:
    extractors = {"ProtocolName": ["task-(?P<task>[a-z]+)"]}
    first, second, _ = import_one(custom_entities=["task", "acq-mb"], extractors=extractors).study.rules
    assert first.entities == {"acq": "mb", "task": "{task}"}
    assert first.match[-1] == Condition("ProtocolName", Relation.REGEX, "task-(?P<task>[a-z]+)")
    assert second.entities == {"acq": "mb"}


def test_session_in_a_name_is_said_to_belong_elsewhere() -> None:
    (note,) = import_one(custom_entities="ses-headUp_task-rest").notes
    assert "[sessions] of the study" in note.text


def test_sidecar_changes_are_kept_and_wiring_is_not() -> None:
    found = import_one(sidecar_changes={"CogPOID": "rest", "TaskName": "rest", "IntendedFor": "t1"})
    assert found.study.rules[0].sidecar == {"CogPOID": "rest"}
    assert [note.where.rpartition(".")[2] for note in found.notes[:2]] == ["TaskName", "IntendedFor"]


def test_version_2_is_read_as_3() -> None:
    old = {"dataType": "anat", "modalityLabel": "T1w", "customLabels": "acq-a", "criteria": {"SeriesDescription": "x"}}
    found = import_dcm2bids(json.dumps({"descriptions": [old]}), "config.json")
    rule = found.study.rules[0]
    assert (found.tool, rule.datatype, rule.suffix, rule.entities) == ("dcm2bids 2", "anat", "T1w", {"acq": "a"})


def test_name_that_bids_does_not_allow_is_left_out() -> None:
    found = import_one(suffix="bolt")
    assert "BIDS has no image" in found.notes[0].text
    assert len(found.study.rules) == 1


def test_study_file_reads_as_the_study_and_says_what_is_lost() -> None:
    found = import_one(sidecar_changes={"IntendedFor": "t1"})
    text = format_imported(found, "config.json")
    assert parse_study(text) == found.study
    assert "# - descriptions[0].sidecar_changes.IntendedFor: left out" in text


@pytest.mark.parametrize("text", ["{", "[]", '{"descriptions": {}}', '{"descriptions": [3]}', "[" * 100_000])
def test_what_is_no_configuration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"config\.json: the configuration cannot be used"):
        import_dcm2bids(text, "config.json")


def test_expression_that_may_take_for_ever_is_left_out() -> None:
    assert "for ever" in import_one({"SeriesDescription": "(a+)+$"}, search_method="re").notes[0].text
    assert "for ever" in import_one({"SeriesDescription": "((a|b*)c)*$"}, search_method="re").notes[0].text


def test_phase_difference_is_the_second_echo_although_it_is_alone() -> None:
    halves = (("magnitude1", 1, "M"), ("magnitude2", 2, "M"), ("phasediff", 2, "P"))
    content = {
        "descriptions": [
            {
                "datatype": "fmap",
                "suffix": suffix,
                "criteria": {"EchoNumber": echo, "ImageType": ["ORIGINAL", "PRIMARY", part, "ND"]},
            }
            for suffix, echo, part in halves
        ]
    }
    book = Rulebook(import_dcm2bids(json.dumps(content), "config.json").study)
    phase = scans.phase("ORIGINAL\\PRIMARY\\P\\ND", 7.38, EchoNumbers=2)
    series = (scans.magnitudes(1, at=5), scans.make(2, "gre_field_mapping", scans.FIELD, phase, at=5))
    paths = [row.path for row in scans.plan_of(series, book=book)]
    assert paths == [f"sub-01/fmap/sub-01_{suffix}" for suffix, _, _ in halves]


@pytest.mark.parametrize(
    ("fields", "decision"),
    [
        ({"RepetitionTime": 3.0}, Decision.REVIEW),
        ({"PhaseEncodingDirection": "i"}, Decision.REVIEW),
        ({"RepetitionTime": 2.0, "PhaseEncodingDirection": "j-"}, Decision.CONVERT),
        ({"FlipAngle": 12}, Decision.CONVERT),
    ],
)
def test_field_that_would_break_an_image_waits_where_headers_contradict_it(
    fields: dict[str, object], decision: Decision
) -> None:
    """The configuration does not say that the headers are wrong, as a decision in a study does."""
    study = parse_study(format_imported(import_one(sidecar_changes=fields), "config.json"))
    rest = scans.bold(3, "bold_rest", MRAcquisitionType="2D", RepetitionTime=2000)
    plan = make_plan(scans.inventory_of([rest]), book=Rulebook(study)).plan
    assert [row.decision for row in plan.rows] == [decision]
    assert plan.rows[0].path.endswith("task-rest_bold")
