"""A bidsmap of BIDScoin becomes rules in the order in which BIDScoin looks (its documentation, "The bidsmap")."""

from __future__ import annotations

import pytest

from bidsflow.convert.importers.bidscoin import import_bidscoin
from bidsflow.convert.importers.imported import Imported
from bidsflow.convert.plan import Decision
from bidsflow.convert.study.apply import Rulebook
from bidsflow.convert.study.conditions import find_match
from bidsflow.convert.study.spec import Condition, Relation, Source
from bidsflow.errors import ConfigError
from tests.convert.naming import scans

MAP = r"""
Options:
  bidscoin: {version: 4.6.2, ignoretypes: [exclude], unknowntypes: [extra_data], bidsignore: [extra_data/]}
DICOM:
  participant:
    participant_id: {value: "<<filepath:/sub-(.*?)/>>"}
    session_id: {value: ''}
  anat:
  - attributes: &empty {ProtocolName: , ImageType: , EchoTime: }
    bids: {suffix: T1w}
  - attributes: {<<: *empty, ProtocolName: "(?i).*(MPRAGE|T1w).*", ImageType: ".*'NORM'.*"}
    bids: {acq: <ProtocolName>, run: <<>>, part: ['', mag, phase, 1], suffix: T1w}
    meta: {B0FieldSource: a, Comment: YES, Skull: true, Age: <<PatientAge>>}
  func:
  - attributes: {SeriesDescription: rest, EchoTime: 30, ImageType: "['ORIGINAL', 'PRIMARY']"}
    bids: {task: '<SeriesDescription:(\w+)_>', suffix: bold}
  fmap:
  - attributes: {ProtocolName: field map}
    properties: {filepath: .*/pilot/.*, nrfiles: 36}
    bids: {suffix: phasediff, IntendedFor: <<task>>}
  exclude:
  - attributes: {ProtocolName: .*scout.*}
    bids: {suffix: x}
  extra_data:
  - attributes: {Modality: MR}
    bids: {suffix: y}
"""


def test_rules_come_in_the_order_of_bidscoin_and_mean_the_same() -> None:
    found = import_bidscoin(MAP, "bidsmap.yaml")
    scout, field, t1w, rest, _ = found.study.rules  # the last: later echoes of rest
    assert scout.match == (Condition("ProtocolName", Relation.REGEX, "scout"),)
    assert scout.decision is Decision.SKIP
    assert field.match[:2] == (
        Condition("ProtocolName", Relation.EQUALS, "field map"),
        Condition("folder", Relation.REGEX, "(?:/|^|$)pilot(?:/|^|$)"),
    )
    assert t1w.match == (
        Condition("ProtocolName", Relation.REGEX, "(?i)(MPRAGE|T1w)"),
        Condition("ImageType", Relation.CONTAINS, "NORM"),
    )
    assert (t1w.entities, t1w.sidecar) == ({"acq": "{ProtocolName}", "part": "mag"}, {"Comment": "YES", "Skull": True})
    assert rest.match == (
        Condition("SeriesDescription", Relation.EQUALS, "rest"),
        Condition("EchoTime", Relation.EQUALS, 30.0),
        Condition("ImageType", Relation.EQUALS, "ORIGINAL\\PRIMARY"),
        Condition("SeriesDescription", Relation.REGEX, r"(?P<task>\w+)_"),
    )
    assert rest.entities == {"task": "{task}"}


def test_labels_come_from_folders_and_what_is_lost_is_said() -> None:
    found = import_bidscoin(MAP, "bidsmap.yaml")
    assert (found.study.subjects.source, found.study.subjects.pattern) == (Source.FOLDER, "(?:^|/)sub-(.*?)(?:/|$)")
    assert found.study.sessions.names == "never"
    lost = [note.where for note in found.notes]
    assert lost == [
        "Options.bidscoin.bidsignore", "DICOM.fmap[0].bids.IntendedFor", "DICOM.anat[1].meta.Age",
        "DICOM.anat[1].meta.B0FieldSource", "DICOM.anat[1].bids.acq, DICOM.func[0].bids.task", "DICOM.extra_data[0]",
    ]  # fmt: skip


def test_attribute_without_counterpart_leaves_its_item_out() -> None:
    text = "DICOM:\n  anat:\n  - attributes: {OperatorsName: a}\n    bids: {suffix: T1w}\n"
    found = import_bidscoin(text, "bidsmap.yaml")
    assert found.study.rules == ()
    assert str(found.notes[0]) == (
        "DICOM.anat[0]: left out: OperatorsName is no element of the header that bidsflow reads"
    )


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 9)}]}}\n" for old, new in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    "text",
    ["a: [", "- 1", "", "DICOM: 3", "a: !!python/object/apply:os.system [ls]", "a: &a [*a]", BOMB, MERGES, "[" * 5000],
    ids=["open", "list", "empty", "text", "tag", "loop", "bomb", "merges", "deep"],
)
def test_what_is_no_bidsmap_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"bidsmap\.yaml: the configuration cannot be used"):
        import_bidscoin(text, "bidsmap.yaml")


OLD_MAP = r"""
Options:
  bidscoin: {version: VERSION, bidsignore: extra_data/}
DICOM:
  subject: <<SourceFilePath>>
  session: <<SourceFilePath>>
  anat:
  - attributes: {SequenceName: '*tfl3d1_16ns', SeriesDescription: t1 (a+b)}
    bids: {suffix: T1w}
  func:
  - attributes: {ProtocolName: me_bold, EchoNumbers: '1', EchoTime: '13'}
    bids: {suffix: bold, task: film}
  fmap:
  - attributes: {ProtocolName: gre_field_mapping}
    bids: {suffix: magnitude1}
  leave_out:
  - attributes: {ProtocolName: t2_test}
    bids: {suffix: }
"""


def import_old(version: str = "3.7.2") -> Imported:
    return import_bidscoin(OLD_MAP.replace("VERSION", version), "bidsmap.yaml")


def test_what_an_older_map_leaves_out_stays_out() -> None:
    left_out = import_old().study.rules[0]
    assert left_out.decision is Decision.SKIP
    assert left_out.match == (Condition("ProtocolName", Relation.EQUALS, "t2_test"),)


def test_values_as_headers_have_them_need_not_be_expressions() -> None:
    (t1w,) = (rule for rule in import_old().study.rules if rule.suffix == "T1w")
    sequence, description = t1w.match
    assert sequence == Condition("SequenceName", Relation.EQUALS, "*tfl3d1_16ns")
    for text, fits in (("t1 (a+b)", True), ("t1 aab", True), ("t1 (a+b)x", False)):
        assert (find_match(description, text) is not None) is fits


def test_patterns_of_a_shell_are_those_of_old_versions() -> None:
    """Wildcards since 3.0.4, expressions since 3.6 (its change log)."""
    (t1w,) = (rule for rule in import_old("3.0.8").study.rules if rule.suffix == "T1w")
    assert t1w.match == (
        Condition("SequenceName", Relation.GLOB, "*tfl3d1_16ns"),
        Condition("SeriesDescription", Relation.EQUALS, "t1 (a+b)"),
    )


def test_both_echoes_of_a_field_map_are_named_by_bidsflow() -> None:
    (both,) = (rule for rule in import_old().study.rules if rule.datatype == "fmap")
    assert both.suffix == ""


def test_later_echoes_go_with_the_first_of_which_alone_the_map_knows() -> None:
    series = scans.make(
        5, "me_bold", {"EchoNumbers": 1, "MRAcquisitionType": "2D"}, *(scans.Part(20, te) for te in (13.0, 31.0, 49.0))
    )
    book = Rulebook(import_old().study)
    found = [book.find_rule(series, image) for image in series.images]
    assert [rule.entities["task"] for rule in found if rule is not None] == ["film"] * 3
    other = scans.make(6, "me_bold", {"EchoNumbers": 1, "MRAcquisitionType": "2D"}, scans.Part(20, 30.0))
    assert book.find_rule(other, other.images[0]) is None


def test_labels_of_an_older_map_come_from_the_folders_of_the_source() -> None:
    found = import_old()
    assert (found.study.subjects.source, found.study.subjects.pattern) == (Source.FOLDER, "(?:^|/)sub-(.*?)(?:/|$)")
    assert (found.study.sessions.source, found.study.sessions.pattern) == (Source.FOLDER, "(?:^|/)ses-(.*?)(?:/|$)")
    assert found.study.sessions.optional  # where nothing is found, BIDScoin writes no session
