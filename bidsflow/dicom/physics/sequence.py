"""What a header says of the sequence that acquired an image: its readout, its echoes, its preparation. Pure."""

from __future__ import annotations

import re

from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Image, Series

#: Gradient echoes of GE, by what they are called.
_GE_GRADIENT = r"mp-?rage|bravo|spgr|fgre|3dgrass|merge|swan|b0map|3db0"
#: Spin echoes of GE, by what they are called.
_GE_SPIN = r"fse|cube|propeller"
#: From this echo time on (ms) nothing is left of a signal that is not refocused, unless it is read out by EPI.
_REFOCUSED = 60.0
#: No spin echo is excited by less than this (degrees): refocusing needs transverse magnetization.
_SMALL_FLIP = 30.0


def is_echo_planar(header: Header) -> str:
    """Return the clause that shows an echo-planar readout, ``""`` where nothing shows one."""
    if "EP" in header.words("ScanningSequence"):
        return "ScanningSequence has EP"
    if header.text("EchoPlanarPulseSequence") == "YES":
        return "EchoPlanarPulseSequence is YES"
    if "EPI_GEMS" in header.words("ScanOptions"):
        return "ScanOptions has EPI_GEMS"
    name = short_name(header)
    if name.startswith("ep"):
        return f"SequenceName is {shown_name(header)}"
    technique = header.text("PhilipsTechnique").upper()
    if "EPI" in technique or technique.startswith("DWI"):
        return f"ScanningTechnique is {header.text('PhilipsTechnique')}"
    if header.integer("PhilipsEpiFactor") > 16:
        return f"the EPI factor is {header.integer('PhilipsEpiFactor')}"
    return ""


def is_prepared(header: Header) -> str:
    """Return the clause that shows that an inversion goes before the readout, ``""`` where nothing shows one."""
    if header.number("InversionTime") > 0:
        return f"TI {header.number('InversionTime'):g} ms"
    if "IR" in header.words("ScanningSequence"):
        return "ScanningSequence has IR"
    if header.text("InversionRecovery") == "YES":
        return "InversionRecovery is YES"
    return "SequenceVariant has MP" if "MP" in header.words("SequenceVariant") else ""


def is_gradient(header: Header) -> bool:
    """Return whether the signal is a gradient echo."""
    words = header.words("ScanningSequence")
    if "RM" in words and "SE" not in words:  # GE's research mode: what follows it may say nothing more
        return bool(
            "GR" in words or sequence_named(header, _GE_GRADIENT) or 0 < header.number("FlipAngle") <= _SMALL_FLIP
        )
    if words:
        return "GR" in words
    if header.text("EchoPulseSequence") == "GRADIENT":
        return True
    return short_name(header).startswith(("fl", "tfl", "fm", "fi"))


def is_spin(header: Header) -> bool:
    """Return whether the signal is a spin echo."""
    words = header.words("ScanningSequence")
    if words in (("RM",), ("RM", "IR")):
        late = header.number("EchoTime") >= _REFOCUSED and header.number("FlipAngle") > _SMALL_FLIP
        return bool(sequence_named(header, _GE_SPIN)) or (late and not is_gradient(header))
    if words:
        return "SE" in words or words == ("IR",)
    if header.text("EchoPulseSequence") in ("SPIN", "BOTH"):
        return True
    return short_name(header).startswith(("spc", "tse", "se", "tir"))


def sequence_named(header: Header, pattern: str) -> str:
    """Return the first name of the sequence that a pattern is found in, as the header writes it; ``""`` for none.

    Siemens has its file, GE and Philips a name of their own, UIH and Canon say it in SequenceName, enhanced objects in
    another.
    """
    for keyword in ("SequenceFile", "GePulseSequence", "SequenceName", "PulseSequenceName", "PhilipsTechnique"):
        if re.search(pattern, header.text(keyword).lower()):
            return header.text(keyword)
    return ""


def shown_name(header: Header) -> str:
    """Return the name of the sequence as people read it."""
    return header.text("SequenceName") or header.text("PulseSequenceName") or header.text("GePulseSequence")


def short_name(header: Header) -> str:
    """Return the name of the sequence in small letters, without the marks that Siemens puts before it."""
    return shown_name(header).lower().lstrip("*#%\\ ")


def image_words(header: Header) -> tuple[str, ...]:
    """Return the values of ImageType and FrameType behind the first two, joined by underscores inside a value."""
    words = (*header.words("ImageType")[2:], *header.words("FrameType")[2:], *header.words("SiemensImageType")[2:])
    return tuple(re.sub(r"[\s-]+", "_", word) for word in words)


def echo_times(series: Series) -> list[float]:
    """Return the echo times of a series in ms, ascending, with those that are series of their own."""
    return sorted({one.echo_time for one in series.images if one.echo_time} | {*series.echo_times})


def timing(image: Image, header: Header) -> str:
    """Return a clause on sequence, echo time and repetition time."""
    te = image.echo_time or header.number("EchoTime")
    sequence = "\\".join(header.words("ScanningSequence")) or header.text("EchoPulseSequence") or "unknown sequence"
    return f"{sequence}, TE {te:g} ms, TR {header.number('RepetitionTime'):g} ms"
