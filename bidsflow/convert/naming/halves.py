"""Halves of field maps that were measured at several echoes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from dataclasses import replace

from bidsflow.convert.naming.draft import Draft
from bidsflow.convert.plan import Decision

Drafts = list[Draft]


def keep_first_echoes(drafts: Drafts) -> Drafts:
    """Keep the first echo of each EPI that is half of a field map: BIDS tells no echoes of it apart.

    One readout distorts all of its echoes alike, and the first has lost the least signal. Echoes to which a study gives
    labels of their own stay.
    """
    echoes: dict[Hashable, Drafts] = defaultdict(list)
    for draft in drafts:
        if draft.to_convert and (draft.datatype, draft.suffix) == ("fmap", "epi") and draft.image.echo_time:
            echoes[draft.home, draft.image.component, draft.entities].append(draft)
    left: dict[int, Draft] = {}
    for members in echoes.values():
        first, *others = sorted(members, key=lambda one: one.image.echo_time)
        left |= {id(one): _leave_out(one, first) for one in others if one.image.echo_time > first.image.echo_time}
    return [left.get(id(draft), draft) for draft in drafts]


def _leave_out(draft: Draft, first: Draft) -> Draft:
    times = f"{draft.image.echo_time:g} ms; the first, of {first.image.echo_time:g} ms, is distorted as it is"
    said = f"another echo of a field map, which BIDS has no name for ({times})"
    return replace(draft, datatype="", suffix="", entities=(), exact=False).decided(Decision.SKIP, said)
