"""Images that were reconstructed of one measurement in several ways: with filters, or as they were. Pure.

Siemens writes which filters in ImageType (NORM, DIS2D), GE puts a word before the description of one (``ORIG: Sag T1``
beside ``Sag T1``, of AIR Recon DL and PURE).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.naming.references import has_word
from bidsflow.convert.plan import Decision
from bidsflow.names import to_label

Drafts = list[Draft]

#: Values of ImageType by which Siemens tells reconstructions of one measurement apart.
FILTERS = ("DIS2D", "DIS3D", "FILTERED", "NORM")
#: What is put before a description: a word, mostly with a colon.
_PREFIX = re.compile(r"\s*([A-Za-z]+)(?:\s*:\s*|\s+)")


def tell_reconstructions_apart(drafts: Drafts) -> Drafts:
    """Name reconstructions of one measurement by what was done to them; doubt those of which nothing tells it.

    One measurement is what began at one moment under one name. Where an export has no times, or one for all, it is what
    differs in filters alone, one right behind the other.
    """
    groups: dict[Hashable, Drafts] = defaultdict(list)
    timeless: dict[Hashable, Drafts] = defaultdict(list)
    moments, scans = {one.series.started for one in drafts}, {one.series.uid for one in drafts}
    for draft in drafts:
        if draft.to_convert and draft.datatype != "fmap" and not draft.entity("rec"):
            own = (draft.series.protocol_name, draft.image.echo_time)
            same = (draft.datatype, draft.suffix, draft.entities, draft.geometry, *own)
            alone = draft.measurement if draft.suffix == "sbref" else ""
            if draft.has_time and len(moments) > 1:
                groups[(*same, draft.series.started, alone)].append(draft)
            else:
                timeless[(*same, draft.image.volumes, alone)].append(draft)
    renamed: dict[int, Draft] = {}
    for members in groups.values():
        renamed |= _name_all(members)
    numbers = sorted({one.series.number for one in drafts})
    for members in timeless.values():
        one_moment = members[0].has_time and len(scans) == len({one.series.uid for one in members})
        found = [members] if one_moment else _find_neighbours(members, numbers)
        for some in found:
            renamed |= _name_all(some) if len(found) < len(members) else _doubt_apart(members)
    return [renamed.get(id(draft), draft) for draft in drafts]


def _find_neighbours(members: Drafts, numbers: Sequence[int]) -> list[Drafts]:
    """Return which images without a moment are of one measurement, by their numbers and by what was done to them.

    Scanners number reconstructions of one measurement one after the other; a second measurement begins where something
    was done again. GE, which tells by a word before the description, numbers them far apart.
    """
    marks = [_mark(one, members) for one in members]
    if any(marks):
        bare = Counter(marks)[""]
        return [members] if bare == 1 and len(set(marks)) == len(marks) else [[one] for one in members]
    found: list[Drafts] = []
    for one in sorted(members, key=lambda draft: (draft.series.number, draft.rank)):
        last = found[-1][-1] if found else None
        beside = last is not None and numbers.index(one.series.number) - numbers.index(last.series.number) <= 1
        if beside and _filters(one) not in map(_filters, found[-1]):
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _doubt_apart(members: Drafts) -> dict[int, Draft]:
    """Set images before a person that differ in their filters, and stand apart: no time tells whether they are one."""
    every = [_filters(one) for one in members]
    if len(members) < 2 or len(set(every)) < len(every):
        return {}
    doubted = {}
    for draft in members:
        others = " and ".join(str(one.series.number) for one in members if one is not draft)
        said = (
            f"it differs from series {others} in its filters (ImageType), and no time tells if they are one measurement"
        )
        doubted[id(draft)] = draft.decided(Decision.REVIEW, said)
    return doubted


def _name_all(members: Drafts) -> dict[int, Draft]:
    if len({one.series.uid for one in members}) < 2:
        return {}
    return {id(one): _name(one, members) for one in members}


def _name(draft: Draft, members: Sequence[Draft]) -> Draft:
    """Return a reconstruction named by the filters, or the word, that not all of its siblings have."""
    every = [_filters(one) for one in members]
    telling = [word for word in FILTERS if 0 < sum(word in own for own in every) < len(members)]
    own = _filters(draft) & set(telling)
    if every.count(_filters(draft)) > 1 or not telling:
        return _name_by_mark(draft, members)
    label = "".join(word.lower() for word in telling if word in own) or _name_unfiltered(draft, telling)
    shown = " and ".join(word for word in telling if word in own)
    said = f"says {shown}" if shown else f"does not say {' or '.join(telling)}"
    standard = any({*one.image.header.words("ImageType")} & set(telling) for one in members)
    tag = "ImageType" if standard else "Siemens' own image type (0021,1175)"
    return draft.with_entity("rec", label).noted(
        f"one of {len(members)} reconstructions of one measurement: {tag} {said}"
    )


def _name_by_mark(draft: Draft, members: Sequence[Draft]) -> Draft:
    """Return a reconstruction named by the word before its description; the one without keeps its plain name."""
    marks = [_mark(one, members) for one in members]
    own = _mark(draft, members)
    if not any(marks) or len(set(marks)) < len(marks):
        others = " and ".join(str(one.series.number) for one in members if one is not draft)
        said = f"the same measurement as series {others}, and ImageType does not tell them apart"
        return draft.decided(Decision.REVIEW, said)
    said = f"one of {len(members)} reconstructions of one measurement: "
    if not own:
        return draft.noted(f"{said}the one without a word before its description")
    return draft.with_entity("rec", to_label(own).lower()).noted(f"{said}its description begins with {own}")


def _mark(draft: Draft, members: Sequence[Draft]) -> str:
    """Return the word before the description of an image, where the rest is that of another; ``""`` where none is."""
    found = _PREFIX.match(draft.series.description)
    rest = draft.series.description[found.end() :].strip() if found else ""
    return found[1] if found and any(rest == one.series.description.strip() for one in members) else ""


def _name_unfiltered(draft: Draft, telling: Sequence[str]) -> str:
    """Return the label of a reconstruction without any of the filters; ``nd`` is Siemens' for no correction at all."""
    if len(telling) == 1:
        return f"no{telling[0].lower()}"
    return "nd" if has_word(draft, "ND") else "unfiltered"


def _filters(draft: Draft) -> frozenset[str]:
    return frozenset(word for word in FILTERS if has_word(draft, word))
