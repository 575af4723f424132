"""What a condition may ask of an image: elements of the header, and what bidsflow finds out itself. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bidsflow.dicom.physics import classify, phase_encoding, slice_plane
from bidsflow.dicom.series import Image, Series
from bidsflow.dicom.tags import FUNCTIONAL, FUNCTIONAL_PRIVATE, PRIVATE, TOP

#: Value representations that hold numbers (DICOM PS3.5, 6.2).
_NUMERIC = frozenset({"DS", "IS", "FD", "FL", "US", "SS", "UL", "SL"})

#: What bidsflow finds out itself, beside elements of the header: see `docs/study.md`. A text or a number.
_FOUND: dict[str, Callable[[Series, Image], str | float]] = {
    "kind": lambda series, image: classify(series, image).kind.value,
    "component": lambda _, image: image.component,
    "plane": lambda _, image: slice_plane(image),
    # Siemens keeps the polarity in the protocol beside the header, which only the series has.
    "direction": lambda series, image: phase_encoding(image.header) or phase_encoding(series.header),
    "echo": lambda _, image: image.echo,
    "n_volumes": lambda _, image: image.volumes,
    "n_files": lambda _, image: image.n_instances,
    "n_columns": lambda _, image: image.matrix[0],
    "n_rows": lambda _, image: image.matrix[1],
    "n_slices": lambda _, image: image.matrix[2],
    "b_max": lambda _, image: max(image.b_values, default=0.0),
    "series_number": lambda series, _: series.number,
}
_FOUND_TEXTS = ("kind", "component", "plane", "direction")
_ELEMENTS = {
    **{one.keyword: one.vr in _NUMERIC for table in (TOP, FUNCTIONAL, PRIVATE, FUNCTIONAL_PRIVATE)
       for one in table.values()},
    "SequenceFile": False, "ShimSetting": False, "PlannedVolumes": True,
}  # fmt: skip

#: Where makers keep the name of a sequence: classic DICOM, GE, enhanced DICOM.
_SEQUENCES = ("SequenceName", "GePulseSequence", "PulseSequenceName")

#: Every field that a condition may name: the type of its values. ``folder`` is the folder of the series, from the
#: name of the export on, with slashes.
FIELDS: Mapping[str, type[str] | type[float]] = {
    "folder": str,
    **{name: str if name in _FOUND_TEXTS else float for name in _FOUND},
    **{keyword: float if numeric else str for keyword, numeric in sorted(_ELEMENTS.items())},
}


def read_field(name: str, series: Series, image: Image, folder: str = "") -> str:
    r"""Return the value of a field as text, numbers in their shortest form; ``""`` where there is none.

    Several values of an element are joined by a backslash, as in the header. What stands in the header of the image
    goes before what stands in that of its series.

    Parameters
    ----------
    name : str
        One of `FIELDS`.
    series, image : Series, Image
        What is asked.
    folder : str
        Folder of the series, as it may be compared.
    """
    if name == "folder":
        return folder
    if name in _FOUND:
        found = _FOUND[name](series, image)
        return found if isinstance(found, str) else f"{found:.10g}"
    if name == "EchoTime" and image.echo_time:  # enhanced objects have it elsewhere, several echoes have several
        return f"{image.echo_time:.10g}"
    if name == "EchoNumbers" and image.echo and name not in image.header:  # enhanced objects have none
        return str(image.echo)
    if name == "SequenceName":
        return next(
            filter(None, (header.text(one) for header in (image.header, series.header) for one in _SEQUENCES)), ""
        )
    if name == "SeriesDescription":
        return series.description
    if name == "ProtocolName":
        return series.protocol_name
    return image.header.text(name) or series.header.text(name)
