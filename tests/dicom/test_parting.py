"""Two series under one SeriesInstanceUID are told by their numbers and the names of their protocols."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from bidsflow.dicom.grouping import group_series
from bidsflow.dicom.series import Instance


def scan(kit: Any, number: str, protocol: str, description: str = "", count: int = 3) -> list[Instance]:
    """Return instances whose numbers begin anew in each series, as those of scanners do."""
    return [
        kit.instance(
            f"/{number}/{n}", SOPInstanceUID=f"1.{number or 9}.{n}", SeriesInstanceUID="1.1", SeriesNumber=number,
            ProtocolName=protocol, SeriesDescription=description or protocol, InstanceNumber=n, AcquisitionNumber=n,
            ImagePositionPatient="0\\0\\0", AcquisitionTime=f"09{int(number or 0):02d}{n:02d}",
        )
        for n in range(1, count + 1)
    ]  # fmt: skip


def test_two_series_under_one_uid_are_parted(kit: Any) -> None:
    members = [*scan(kit, "11", "rest"), *scan(kit, "13", "motor", count=4)]
    series, aside = group_series(members, {})
    assert [(one.uid, one.number, len(one.instances)) for one in series] == [("1.1.11", 11, 3), ("1.1.13", 13, 4)]
    assert [one.incomplete for one in series] == [(), ()]
    assert all("also that of another SeriesNumber" in one.problems[-1] for one in series)
    assert aside == ()


def test_series_with_the_uid_that_a_part_would_get_is_kept(kit: Any) -> None:
    other = kit.instance("/o", SOPInstanceUID="3.1", SeriesInstanceUID="1.1.11", SeriesNumber="2", ProtocolName="t1")
    series, _ = group_series([*scan(kit, "11", "rest"), *scan(kit, "13", "motor"), other], {})
    assert sorted((one.uid, one.protocol_name) for one in series) == [
        ("1.1.0.11", "rest"), ("1.1.11", "t1"), ("1.1.13", "motor"),
    ]  # fmt: skip


def test_parts_that_are_joined_with_others_keep_uids_of_their_own(kit: Any) -> None:
    """Volumes with a UID each (Siemens XA) of two series, which an anonymiser gave two UIDs."""
    shared = {"Manufacturer": "SIEMENS", "SeriesTime": "090000"}
    members = [
        kit.instance(
            f"/{number}/{n}", SOPInstanceUID=f"1.{number}.{n}", SeriesInstanceUID=f"1.{n}", SeriesNumber=number,
            ProtocolName=protocol, InstanceNumber=n, AcquisitionNumber=n, **shared,
        )
        for number, protocol in ((11, "rest"), (13, "motor")) for n in (1, 2)
    ]  # fmt: skip
    series, aside = group_series(members, {})
    assert [(one.uid, one.number, len(one.instances)) for one in series] == [("1.1.11", 11, 2), ("1.1.13", 13, 2)]
    assert aside == ()


class Case(NamedTuple):
    first: tuple[str, ...]
    second: tuple[str, ...]


ONE = {
    "two protocols under one number": Case(("11", "rest"), ("11", "motor")),
    "two numbers of one protocol": Case(("11", "rest"), ("13", "rest")),
    "two numbers of one protocol, described otherwise": Case(("11", "rest", "rest 1"), ("13", "rest", "rest 2")),
    "a number is missing": Case(("", "rest"), ("13", "motor")),
    "no protocols": Case(("11", ""), ("13", "")),
}


@pytest.mark.parametrize("name", ONE)
def test_what_one_witness_alone_tells_apart_stays_one_series(kit: Any, name: str) -> None:
    case = ONE[name]
    members = [*scan(kit, *case.first), *[replace_uid(kit, one) for one in scan(kit, *case.second)]]
    (series,), _ = group_series(members, {})
    assert series.uid == "1.1"
    said = "more than one series" if case.first[0] != case.second[0] else "no numbers that tell which came first"
    assert any(said in problem for problem in series.incomplete)


def replace_uid(kit: Any, one: Instance) -> Instance:
    values = {**one.header.values, "SOPInstanceUID": f"2{one.header.text('SOPInstanceUID')}"}
    return kit.instance(f"/2{one.file.path}", **values)  # type: ignore[no-any-return]
