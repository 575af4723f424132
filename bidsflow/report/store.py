"""Drawings as JSON text and back, so that a page can be made again without what it was drawn from."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

from bidsflow.report.shapes import Drawing, Flicker, Ink, Path, Picture, Shape, Words

_SHAPES: dict[str, Callable[..., Shape]] = {"Path": Path, "Words": Words, "Picture": Picture}


def dump_figures(figures: tuple[Drawing | Flicker, ...]) -> str:
    """Return drawings as JSON text.

    Examples
    --------
    >>> one = Drawing("a line", 10, 10, (Path("M0 0L10 10", Ink.BLUE),))
    >>> load_figures(dump_figures((one,))) == (one,)
    True
    """
    return json.dumps([_to_plain(one) for one in figures], separators=(",", ":"))


def load_figures(text: str) -> tuple[Drawing | Flicker, ...]:
    """Return the drawings in a JSON text that `dump_figures` wrote.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return tuple(_read_flicker(one) if one["type"] == "Flicker" else _read_drawing(one) for one in json.loads(text))
    except (KeyError, TypeError) as error:
        raise ValueError("these are no stored drawings") from error


def _to_plain(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        plain = {field.name: _to_plain(getattr(value, field.name)) for field in fields(value)}
        return {"type": type(value).__name__, **plain}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, tuple):
        return [_to_plain(one) for one in value]
    return value


def _read_drawing(plain: dict[str, Any]) -> Drawing:
    known = {key: value for key, value in plain.items() if key != "type"}
    shapes = tuple(_read_shape(one) for one in known.pop("shapes"))
    return Drawing(**{**known, "details": tuple(known["details"]), "shapes": shapes})


def _read_flicker(plain: dict[str, Any]) -> Flicker:
    before, after = _read_drawing(plain["before"]), _read_drawing(plain["after"])
    first, second = plain["labels"]
    return Flicker(plain["title"], before, after, (first, second), plain["caption"])


def _read_shape(plain: dict[str, Any]) -> Shape:
    known: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in plain.items() if key != "type"
    }
    if "ink" in known:
        known["ink"] = Ink(known["ink"])
    if "data" in known:
        known["data"] = base64.b64decode(known["data"])
    return _SHAPES[plain["type"]](**known)
