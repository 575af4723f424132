"""A first study file, with comments, of what an export holds, for later exports to be held against. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import wrap

from bidsflow.convert.naming.reproin import given_name
from bidsflow.convert.plan import NOT_APPLICABLE, Decision, Plan, PlanRow
from bidsflow.convert.study.conditions import find_match
from bidsflow.convert.study.fields import FIELDS, read_field
from bidsflow.convert.study.spec import Condition, Expected, Limit, Relation, Rule, Study
from bidsflow.convert.study.write import format_expected, format_rule
from bidsflow.dicom.series import Image, Inventory, Series
from bidsflow.errors import BidsflowError
from bidsflow.names import BidsName, parse_name

_WORDS = ("ProtocolName", "SeriesDescription")
#: What tells images of one protocol apart, what people know best first.
_TELLING = (
    "kind", "component", "n_volumes", "direction", "echo", "ImageType", "SiemensImageType", "plane", "b_max",
    "InversionTime", "EchoTime", "RepetitionTime", "FlipAngle", "n_slices", "n_columns", "SliceThickness",
    "SequenceName", "ScanOptions",
)  # fmt: skip
#: Parameters that are expected to stay, and what they may differ by: a part of the value, and at least so much.
_EXPECTED = {
    "RepetitionTime": (0.01, 0.0), "EchoTime": (0.0, 0.1), "InversionTime": (0.01, 0.0), "FlipAngle": (0.0, 0.5),
    "b_max": (0.05, 30.0), "PixelSpacing": (0.0, 0.01), "SliceThickness": (0.0, 0.01), "n_slices": (0.0, 0.0),
}  # fmt: skip
#: Entities that number images of one name.
_COUNTED = ("run", "echo", "part")
#: Values that a condition lists.
_LISTED = 4
_WIDTH = 116
_IN_FULL = "given in full, it would change the numbers of runs; a part of it (task, acq) may be given"

HEAD = """\
# What this study says of its data. Every line is optional but for the version; docs/study.md has them all.
#   bidsflow plan EXPORT --study study.toml      shows what it makes of an export
#   bidsflow convert EXPORT BIDS_DIR             takes BIDS_DIR/code/study.toml by itself
#   bidsflow check EXPORT --study study.toml     holds an export against the [[expected]] blocks
version = 1
# name = "How people call the study"

[subjects]
# Subjects are numbered in the order of their first scan. Or make their labels of
# from = "PatientID"      # PatientName and folder go as well: the label then says who it is if the ID does
# pattern = 'STUDY_(\\d+)' # a regular expression; its first group is the label
# from = "table"          # a CSV or TSV file, relative to this one; keep it where only you can read it
# table = { path = "subjects.csv", key = "PatientID", label = "participant_id" }

[sessions]
# names = "always"          # auto: where someone was scanned twice; or never
# labels = ["pre", "post"]  # of the visits of a subject, in the order of time
# from = "folder"           # or PatientID, PatientName, table, as above
# pattern = 'visit(\\d+)'

[dataset]
# Name = "As it is to be cited"
# Authors = ["First Author", "Second Author"]
# License = "CC0"

[sidecar]
# Fields for the sidecar of every image.
# InstitutionName = "..."

# [[exclude]]
# SeriesDescription = "*test*"
"""

_BLOCKS = """
# A block for each protocol of this export. The first [[series]] that fits an image counts; what it does not say stays
# as bidsflow finds it. Change a name here, or only a part of it: task = "rest" instead of the line with the name.
"""


@dataclass(frozen=True, slots=True)
class _Item:
    """An image and its row in the plan."""

    series: Series
    image: Image
    row: PlanRow

    @property
    def name(self) -> BidsName | None:
        """Its name, None where it has none."""
        try:
            return None if self.row.path == NOT_APPLICABLE else parse_name(self.row.path)
        except BidsflowError:  # what is proposed need not be a name yet
            return None

    @property
    def outcome(self) -> tuple[str, str]:
        """What becomes of it: a decision, and its name without what is counted; ``""`` where a person decides."""
        name = self.name if self.row.decision is Decision.CONVERT else None
        return self.row.decision.value, "" if name is None else _shorten(name)

    @property
    def words(self) -> tuple[str, ...]:
        """What people call it."""
        return tuple(self.read(field) for field in _WORDS)

    def read(self, field: str) -> str:
        """Return the value of a field."""
        return read_field(field, self.series, self.image)


@dataclass(frozen=True, slots=True)
class _Block:
    """Images of one protocol with one outcome, the rule for them, and why its name is written as a comment only."""

    items: tuple[_Item, ...]
    rule: Rule
    doubt: str = ""

    @property
    def live(self) -> Rule:
        """The rule as it is written: where it is in doubt, only what it matches."""
        return Rule(self.rule.match) if self.doubt else self.rule


def _shorten(name: BidsName) -> str:
    pairs = [f"{key}-{value}" for key, value in name.entities if key not in _COUNTED]
    return f"{name.datatype}/{'_'.join([*pairs, name.suffix])}"


def draft_study(inventory: Inventory, plan: Plan, replan: Callable[[Study], Plan], people: Sequence[str] = ()) -> str:
    """Return the text of a study file that says what is so already.

    Parameters
    ----------
    inventory : Inventory
        What an export holds.
    plan : Plan
        Its names without a study.
    replan : callable
        Returns the plan of the same export with a study: names that would change another are written as comments.
    people : sequence of str
        Lines on people, where they are asked for.
    """
    by_uid = {series.uid: series for series in inventory.series}
    items = [
        _Item(by_uid[row.series_uid], by_uid[row.series_uid].images[row.image - 1], row)
        for row in sorted(plan.rows, key=lambda row: (row.series_number, row.series_uid, row.image))
    ]
    blocks = _settle(_make_blocks(items), plan, replan)
    expected = _list_expected(items)
    known = "".join(f"# {line}\n" for line in people)
    text = HEAD.replace("\n[sessions]", f"{known}\n[sessions]") + _BLOCKS
    for block in blocks:  # of blocks that share a name, the first has what is expected of it
        text += f"\n{_format_block(block, expected.pop(block.items[0].outcome[1], None))}"
    return text


def _make_blocks(items: Sequence[_Item]) -> list[_Block]:
    groups: dict[tuple[object, ...], list[_Item]] = defaultdict(list)
    for item in items:
        groups[(*item.words, *item.outcome)].append(item)
    return [_make_block(members, [one for one in items if one not in members]) for members in groups.values()]


def _make_block(members: Sequence[_Item], others: Sequence[_Item]) -> _Block:
    """Return a block for images that are alike, with conditions that no other image meets."""
    words = {field: members[0].read(field) for field in _WORDS}
    match = [Condition(field, Relation.EQUALS, text) for field, text in words.items() if text]
    alike = [one for one in others if all(one.read(field) == text for field, text in words.items() if text)]
    rivals = [one for one in alike if one.outcome != members[0].outcome]
    more, left = _tell_apart(members, rivals)
    if not match and not more:
        more = [Condition("kind", Relation.EQUALS, members[0].read("kind"))]
    decision, name = members[0].outcome
    rule = Rule((*match, *more), Decision.SKIP if decision == Decision.SKIP else None)
    if name:
        parts = members[0].name
        entities = () if parts is None else parts.entities
        given = given_name(members[0].series)  # runs that the protocol gives are not for us to number
        counted = [key for key in _COUNTED if given is None or key not in dict(given.entities)]
        datatype, suffix = ("", "") if parts is None else (parts.datatype, parts.suffix)
        rule = replace(
            rule, datatype=datatype, suffix=suffix,
            entities={key: value for key, value in entities if key not in counted},
        )  # fmt: skip
    review = "for review: say what it is" if decision == Decision.REVIEW else ""
    return _Block(tuple(members), rule, review or ("these conditions fit other images, too" if left else ""))


def _tell_apart(members: Sequence[_Item], rivals: Sequence[_Item]) -> tuple[list[Condition], list[_Item]]:
    """Return the conditions that keep rivals out, and the rivals that none keeps out."""
    conditions = []
    while rivals:
        found = [(one, left) for field in _TELLING if (one := _separate(field, members, rivals)) is not None
                 for left in [[rival for rival in rivals if not _keeps_out(one, rival)]]]  # fmt: skip
        if not found:
            break
        best, rivals = min(found, key=lambda pair: len(pair[1]))  # the first of those that are equally good
        conditions.append(best)
    return conditions, list(rivals)


def _separate(field: str, members: Sequence[_Item], rivals: Sequence[_Item]) -> Condition | None:
    """Return a condition on a field that all members meet and some rival does not."""
    ours, theirs = ({one.read(field) for one in some} for some in (members, rivals))
    if "" in ours or not theirs - ours:
        return None
    if FIELDS[field] is str:
        return _choose(field, sorted(ours)) if len(ours) <= _LISTED else None
    try:
        low, high = min(map(float, ours)), max(map(float, ours))
        outside = [float(one) for one in theirs if one and not low <= float(one) <= high]
    except ValueError:  # several numbers
        return None
    if outside and all(one < low for one in outside):
        return Condition(field, Relation.MORE, max(outside))
    if outside and all(one > high for one in outside):
        return Condition(field, Relation.LESS, min(outside))
    return _choose(field, sorted(map(float, ours))) if len(ours) <= _LISTED else None


def _choose(field: str, values: Sequence[str] | Sequence[float]) -> Condition:
    if len(values) == 1:
        return Condition(field, Relation.EQUALS, values[0])
    return Condition(field, Relation.ANY, tuple(values))


def _keeps_out(condition: Condition, rival: _Item) -> bool:
    return find_match(condition, rival.read(condition.field)) is None


def _settle(blocks: Sequence[_Block], plan: Plan, replan: Callable[[Study], Plan]) -> list[_Block]:
    """Return the blocks with those uncertain whose rules would change the plan; at last all, where no few do."""
    wanted = {(row.series_uid, row.image): (row.path, row.decision) for row in plan.rows}
    current = list(blocks)
    for _ in range(3):
        now = replan(Study(rules=tuple(block.live for block in current)))
        changed = {
            (row.series_uid, row.image)
            for row in now.rows
            if wanted[row.series_uid, row.image] != (row.path, row.decision)
        }
        if not changed:
            return current
        current = [
            replace(block, doubt=block.doubt or _IN_FULL)
            if any((one.row.series_uid, one.row.image) in changed for one in block.items)
            else block
            for block in current
        ]
    return [replace(block, doubt=block.doubt or _IN_FULL) for block in current]


def _list_expected(items: Sequence[_Item]) -> dict[str, Expected]:
    """Return the protocol by name: what each visit has, and what all images of a name have in common."""
    visits: dict[str, dict[tuple[str, str], Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    members: dict[str, list[_Item]] = defaultdict(list)
    everyone = set()
    for item in items:
        name = item.name
        if name is None or item.row.decision is not Decision.CONVERT:
            continue
        variant = name.entity("echo") + name.entity("part")
        visits[_shorten(name)][name.sub, name.ses][variant] += 1
        members[_shorten(name)].append(item)
        everyone.add((name.sub, name.ses))
    expected = {}
    for short, found in visits.items():
        counts = [max(count.values()) for count in found.values()]
        volumes = [one.image.volumes for one in members[short]]
        expected[short] = Expected(
            short, (min(counts), max(counts)), (min(volumes), max(volumes)), _agree(members[short]),
            optional=len(found) < len(everyone),
        )  # fmt: skip
    return expected


def _agree(members: Sequence[_Item]) -> dict[str, Limit]:
    """Return the parameters in which images agree."""
    limits = {}
    for field, (share, least) in _EXPECTED.items():
        try:
            numbers = [_to_number(one.read(field)) for one in members]
        except ValueError:  # absent, or several
            continue
        value = Counter(numbers).most_common(1)[0][0]
        tolerance = float(f"{max(share * value, least):.2g}")
        if value > 0 and max(abs(number - value) for number in numbers) <= max(tolerance, 1e-6 * value):
            limits[field] = Limit(float(f"{value:.6g}"), tolerance)
    ways = {one.read("direction") for one in members}
    if len(ways) == 1 and "" not in ways:
        limits["direction"] = Limit(ways.pop())
    return limits


def _to_number(text: str) -> float:
    """Return the number that an element holds, once or several times: of most pixels both sides are equal.

    Raises
    ------
    ValueError
        If it holds none, or several.
    """
    (one,) = set(text.split("\\"))
    return float(one)


def _format_block(block: _Block, expected: Expected | None) -> str:
    item = block.items[0]
    said = [line for text in (_describe(block.items), item.row.evidence)
            for line in wrap(text, _WIDTH, break_on_hyphens=False)]  # fmt: skip
    text = "".join(f"# {line}\n" for line in said) + format_rule(block.live)
    if block.doubt:
        proposal = _shorten(item.name) if item.name is not None else "datatype/suffix"
        text += f'# name = "{proposal}"  # {block.doubt}\n'
    return text if expected is None else f"{text}\n{format_expected(expected)}"


def _describe(items: Sequence[_Item]) -> str:
    """Return how many of what there is: no one is named."""
    people = {one.name.sub for one in items if one.name is not None} or {one.series.patient.key for one in items}
    series = {one.series.uid for one in items}
    volumes = sorted({one.image.volumes for one in items})
    shown = f"{volumes[0]}" if len(volumes) == 1 else f"{volumes[0]} to {volumes[-1]}"
    return (
        f"{_count(people, 'subject')}, {_count(series, 'series', 'series')}, "
        f"{shown} volume{'' if volumes == [1] else 's'}, {'x'.join(map(str, items[0].image.matrix))} voxels"
    )


def _count(some: Collection[object], one: str, several: str = "") -> str:
    return f"{len(some)} {one if len(some) == 1 else several or f'{one}s'}"


def list_people(inventory: Inventory, folders: Mapping[str, str]) -> tuple[str, ...]:
    """Return a line for each study of an export with the ID of the patient and the folder; private."""
    seen: dict[str, str] = {}
    for series in inventory.series:
        known = f"PatientID {series.header.text('PatientID')!r}, folder {folders.get(series.uid, '')!r}"
        seen.setdefault(series.study_uid, known)
    return tuple(seen.values())
