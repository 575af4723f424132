"""What stands in a dataset is wired again where another export brings a field, or a part of one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from bidsflow.convert.fields import Field, choose_field, find_fields, is_part, mark_of
from bidsflow.convert.links import Held, Links, Standing, sources
from bidsflow.convert.plan import PlanRow
from bidsflow.convert.shots import Shot, by_time, heed_session, shoot_row
from bidsflow.dicom.series import Series
from bidsflow.names import parse_name

#: An image: SeriesInstanceUID and rank in its series.
_Image = tuple[str, int]
#: How an image is wired, whatever the labels are: the images that measure a field with it, and those of its sources.
_Web = tuple[frozenset[_Image], frozenset[frozenset[_Image]]]


def look_beside(others: Sequence[Standing]) -> tuple[Shot, ...]:
    """Return the images that stand in a session, of which those are settled that a person has wired.

    That is what is wired otherwise than they would be by themselves, and what has a sidecar that was edited. The others
    may be wired again: with what comes late, as in one conversion of everything. The images of a gradient echo stay
    together, since nothing but their label tells that they are one measurement.
    """
    shots = sorted((shot for one in others if (shot := one.look()) is not None), key=by_time)
    alone = heed_session([replace(shot, settled=is_part(shot)) for shot in shots])
    expected = _draw(_wire(alone))
    found = _draw({shot.image: Links(shot.identifier, shot.sources) for shot in shots})
    return tuple(
        replace(shot, settled=shot.settled or is_part(shot) or expected[shot.image] != found[shot.image])
        for shot in shots
    )


def _draw(links: Mapping[_Image, Links]) -> dict[_Image, _Web]:
    """Return how images are wired, without labels; a label whose images are elsewhere is a field of none."""

    def find(label: str) -> frozenset[_Image]:
        return frozenset(image for image, one in links.items() if one.identifier == label)

    return {
        image: (find(one.identifier) if one.identifier else frozenset(), frozenset(map(find, one.sources)))
        for image, one in links.items()
    }


def _wire(shots: Sequence[Shot], mark: str = "", used: Collection[str] = ()) -> dict[_Image, Links]:
    """Return how images that are not settled are wired; those that are stay as they are."""
    fields = find_fields(shots, mark, used)
    return {
        shot.image: Links(shot.identifier, shot.sources) if shot.settled else _find_links(shot, fields)
        for shot in shots
    }


def _find_links(shot: Shot, fields: Sequence[Field]) -> Links:
    home = next((field for field in fields if any(one is shot for one in field.shots)), None)
    if home is not None:
        corrected = home.own or home.partner is shot
        return Links(home.name, (home.name,) if corrected else ())
    field = choose_field(fields, shot).field if shot.is_run and shot.planar and fields else None
    return Links() if field is None else Links("", (field.name,))


def adopt(held: Held, rows: Sequence[PlanRow], by_uid: Mapping[str, Series]) -> Held:
    """Return what a folder holds beside the rows of a plan, wired with them; the labels of the rows stay.

    Parameters
    ----------
    held : Held
        Of the folder.
    rows : sequence of PlanRow
        Those that are converted into the folder, with the labels that they are to have.
    by_uid : mapping of str to Series
        The series of the rows.
    """
    standing = look_beside(held.strangers)
    if all(shot.settled for shot in standing):
        return held
    session = parse_name(held.strangers[0].path).ses
    used = {one.links.identifier for one in held.staying} - {""}
    shots = heed_session(sorted([*_shoot(rows, by_uid), *standing], key=by_time))
    links = _wire(shots, mark_of(session), used)
    return replace(held, staying=tuple(_gain(one, links) for one in held.staying))


def _shoot(rows: Sequence[PlanRow], by_uid: Mapping[str, Series]) -> list[Shot]:
    """Return the images of rows, whose labels are settled."""
    return [
        replace(
            shoot_row(row, by_uid[row.series_uid]), settled=True, identifier=row.b0_identifier, sources=sources(row)
        )
        for row in rows
        if row.series_uid in by_uid
    ]


def _gain(one: Standing, links: Mapping[_Image, Links]) -> Standing:
    gained = links.get(one.shot.image) if one.shot is not None and not one.named else None
    if gained is None:
        return one
    now = replace(one.links, identifier=gained.identifier, sources=gained.sources)
    return replace(one, links=now, former=one.links.identifier)
