"""Which contrast the timing of a gradient echo or a spin echo makes. Pure.

Source of the limits: Bernstein et al., *Handbook of MRI Pulse Sequences* (2004), chapters 14 to 17, widened so that
they hold from 1.5 T to 7 T.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bidsflow.dicom.header import Header
from bidsflow.dicom.physics.kinds import FAIR, STRONG, WEAK, Finding, Kind
from bidsflow.dicom.physics.sequence import echo_times, is_gradient, is_prepared, is_spin, sequence_named
from bidsflow.dicom.series import Image, Series

#: Sequences in a steady state that is not spoiled; they weight by T2/T1.
_STEADY_NAMES = r"ssfp|fiesta|cosmic|ciss|ci3d|trufi|bffe|b-ffe|btfe|balanced"
#: Values of AcquisitionContrast (PS3.3 C.8.13.3.1.3) that name a contrast of anatomy.
_CONTRASTS = {
    "T1": Kind.T1W,
    "T2": Kind.T2W,
    "T2_STAR": Kind.T2STARW,
    "PROTON_DENSITY": Kind.PDW,
    "FLUID_ATTENUATED": Kind.FLAIR,
}
#: Echoes of a turbo spin echo that weights by proton density and T2; more of them measure T2.
_DUAL_ECHO = 2
#: Inversion times in ms that null fat, from 0.2 T to 7 T.
_FAT_NULL = (80.0, 290.0)
#: Below this inversion time (ms) a gradient echo with long repetition nulls white matter (FGATIR, WMn-MPRAGE).
_EARLIEST_T1W = 600.0
#: Sequences that add several echoes up to one image (GE MERGE, Siemens MEDIC), which weights by T2*.
_SUMMED_NAMES = r"(?<![a-z])(?:merge|medic|me[23]d\d)"
#: From this repetition time on (ms) transverse magnetization has decayed: no steady state of it is left.
_DECAYED = 200.0
#: T1 of grey matter at 3 T in ms (Stanisz et al. 2005 have more, most others 1300).
_GREY_T1 = 1300.0
#: From this repetition time on (ms) that of a 3D gradient echo is from train to train, not from echo to echo (MPRAGE).
_SEGMENTED = 1000.0
#: From this echo time on (ms) a gradient echo that is not weighted by T1 may be called T2*-weighted.
_MAY_BE_T2STAR = 8.0
#: Turbo spin echoes of these echo times (ms) lie between proton density and T2: fluid is brighter than grey matter from
#: about the repetition time on (ms) that stands last, which most people then call T2.
_BETWEEN, _LONG_ENOUGH, _VERY_LONG = (45.0, 60.0), 3000.0, 6000.0
#: Shortest repetition time (ms) of spin echoes that weight by T2; fluid has hardly recovered by then, unless it is
#: driven back (Philips DRIVE, Siemens RESTORE), so that words have to agree below 1500 ms.
_SHORTEST_T2 = 800.0
#: Below this echo time (ms) an image is read out at once (UTE, ZTE): by proton density or by T1, as its flip angle is.
_AT_ONCE = 0.5


def find_contrast(series: Series, image: Image, header: Header) -> Finding | None:
    """Return the contrast of an image that is not echo planar."""
    te, tr = image.echo_time or header.number("EchoTime"), header.number("RepetitionTime")
    timed = None
    if is_gradient(header):
        times = echo_times(series)
        if len(times) > 1 and not is_prepared(header):
            said = f"a gradient echo with {len(times)} echoes ({times[0]:g} to {times[-1]:g} ms)"
            return Finding(Kind.MULTI_ECHO, STRONG, said)
        timed = _gradient_contrast(te, tr, header)
    elif is_spin(header):
        times = echo_times(series)
        if len(times) > _DUAL_ECHO:
            said = f"a spin echo with {len(times)} echoes ({times[0]:g} to {times[-1]:g} ms)"
            return Finding(Kind.MULTI_SPIN_ECHO, STRONG, said)
        timed = _spin_contrast(te, tr, header) or _middle_contrast(te, tr, times, header)
    if _is_steady(header):
        return None
    if timed is None or timed.confidence < FAIR:
        return _declared_contrast(te, tr, header) or timed
    return timed


def _declared_contrast(te: float, tr: float, header: Header) -> Finding | None:
    """Return the contrast that the scanner itself declares, for timings that no rule knows or that leave it open."""
    declared = header.text("AcquisitionContrast").upper()
    technique = header.text("PhilipsTechnique")
    timing = f"TE {te:g} ms, TR {tr:g} ms"
    if declared in _CONTRASTS and not (is_spin(header) and header.number("InversionTime") > 0):
        return Finding(_CONTRASTS[declared], FAIR, f"AcquisitionContrast is {declared}, {timing}")
    # T1FFE means spoiled, whatever the echo time then shows; prepared images have early echoes.
    known = te >= _AT_ONCE or (te == 0 and technique.upper().startswith("T1TFE"))
    if technique.upper().startswith(("T1TFE", "T1FFE")) and known:
        return Finding(Kind.T1W, FAIR, f"ScanningTechnique is {technique}, {timing}")
    return None


def _gradient_contrast(te: float, tr: float, header: Header) -> Finding | None:
    volume, flip = header.text("MRAcquisitionType") == "3D", header.number("FlipAngle")
    ti, prepared = header.number("InversionTime"), is_prepared(header)
    said = f"a {'3D ' if volume else ''}gradient echo, TE {te:g} ms, TR {tr:g} ms"
    if volume and prepared and te < 8 and not 0 < ti < _FAT_NULL[1]:
        if tr > 1000 and 0 < ti < _EARLIEST_T1W:
            return Finding(Kind.T1W, WEAK, f"{said}, TI {ti:g} ms, as early as where white matter is nulled")
        return Finding(Kind.T1W, STRONG if ti else FAIR, f"{said}, inversion-prepared ({prepared})")
    if te >= 12:
        return Finding(Kind.T2STARW, FAIR, said)
    if not prepared and (name := sequence_named(header, _SUMMED_NAMES)):
        return Finding(Kind.T2STARW, STRONG, f"{said}, its sequence is {name}, which adds echoes up")
    if 0 < te < _AT_ONCE:
        return Finding(Kind.T1W, WEAK, f"{said}, read out at once (UTE, ZTE): weighted by proton density or by T1")
    if not volume and not prepared and (found := _late_contrast(te, tr, header)):
        return found
    if volume and not prepared and tr >= _SEGMENTED and 0 < te < 8:
        return Finding(Kind.PDW, WEAK, f"{said}, flip angle {flip:g} degrees, a train without an inversion")
    short = volume and tr < 60 and flip >= 8
    long = 100 <= tr < 1000 and flip >= 50
    if 0 < te < 8 and tr > 0 and (short or long):
        return Finding(Kind.T1W, WEAK, f"{said}, flip angle {flip:g} degrees")
    return None


def _late_contrast(te: float, tr: float, header: Header) -> Finding | None:
    """Return the contrast of slices that are excited by too little to be weighted by T1 (below the Ernst angle).

    A train of echoes of which the series has one image was added up (GE MERGE, Philips mFFE), unless echoes are not in
    the export; Philips then gives the time of the first. Late echoes alone may be meant for proton density.
    """
    ernst = math.degrees(math.acos(math.exp(-max(tr, 0.0) / _GREY_T1)))
    flip, train = header.number("FlipAngle"), _count_summed(header)
    if tr < _DECAYED or not 0 < flip <= ernst or not (train or te >= _MAY_BE_T2STAR):
        return None
    said = f"a gradient echo, TE {te:g} ms, TR {tr:g} ms, flip angle {flip:g} degrees"
    said += f", {train} echoes in one image" if train else ""
    return Finding(Kind.T2STARW, FAIR if train and te >= _MAY_BE_T2STAR else WEAK, said)


def _count_summed(header: Header) -> int:
    """Return how many gradient echoes may have been added up to one image, 0 for none.

    Two are more often those of a field map, of which one is not there.
    """
    train = max(header.integer("EchoTrainLength"), header.integer("GradientEchoTrainLength"))
    alone = header.integer("EchoNumbers") < 2 and header.integer("PhilipsEpiFactor") < 2
    return train if train > 2 and alone else 0


def _is_steady(header: Header) -> bool:
    """Return whether a gradient echo keeps a steady state that is not spoiled (CISS, FIESTA): it weights by T2/T1."""
    if not is_gradient(header):
        return False
    if sequence_named(header, _STEADY_NAMES):
        return True
    late = header.number("EchoTime") >= _MAY_BE_T2STAR or _count_summed(header)
    if is_prepared(header) or (late and header.number("RepetitionTime") >= _DECAYED):
        return False
    variant = header.words("SequenceVariant")
    if "SS" in variant and "SP" not in variant:
        return True
    state = header.text("SteadyStatePulseSequence")
    return state in ("FREE_PRECESSION", "TRANSVERSE", "TIME_REVERSED") and header.text("Spoiling") in ("", "NONE")


def _spin_contrast(te: float, tr: float, header: Header) -> Finding | None:
    said = f"a spin echo, TE {te:g} ms, TR {tr:g} ms"
    inversions = [time for time in header.numbers("InversionTime") if time > 0]
    if len(inversions) > 1:
        return Finding(Kind.UNKNOWN, 0.0, f"{said}, inverted {len(inversions)} times (InversionTimes)")
    if inversions:
        return _inverted_contrast(te, tr, inversions[0], said)
    inverted = "IR" in header.words("ScanningSequence") or header.text("InversionRecovery") == "YES"
    if inverted:  # an inversion after which time is not said nulls fat, fluid or nothing
        long = te >= 60 and tr >= 1500
        return Finding(Kind.FLAIR, WEAK, f"{said}, inverted after an unknown time") if long else None
    if te >= 60 and tr >= _SHORTEST_T2:
        if tr >= 1500:
            return Finding(Kind.T2W, STRONG, said)
        return Finding(Kind.T2W, WEAK, f"{said}, a short repetition for T2")
    if 0 < te < 45 and tr >= 1800:
        if header.integer("PhilipsEpiFactor") > 1 or sequence_named(header, r"tgse|grase"):
            return Finding(Kind.PDW, WEAK, f"{said}, read out by GRASE as labelled blood is")
        return Finding(Kind.PDW, STRONG, said)
    if 0 < te < 35 and 0 < tr <= 1200:
        return Finding(Kind.T1W, STRONG, said)
    return None


def _middle_contrast(te: float, tr: float, times: Sequence[float], header: Header) -> Finding | None:
    """Return the contrast of slices by turbo spin echoes between proton density and T2, of which words have to agree.

    Where magnetization has recovered wholly nobody has to: so are hippocampal subfields measured (TE 50 ms, TR 8 s).

    The first of two echoes is the one that is meant for proton density; echoes with variable flip angles (3D) decay
    more slowly than their echo time says.
    """
    first = len(times) > 1 and te == times[0]
    inverted = is_prepared(header) or first or header.text("MRAcquisitionType") != "2D"
    if inverted or tr < _LONG_ENOUGH or not _BETWEEN[0] <= te < _BETWEEN[1]:
        return None
    if sequence_named(header, r"tgse|grase") or header.integer("PhilipsEpiFactor") > 1:
        return None
    sure = FAIR if tr >= _VERY_LONG and not header.text("AcquisitionContrast") else WEAK
    return Finding(Kind.T2W, sure, f"a spin echo, TE {te:g} ms, TR {tr:g} ms, between proton density and T2")


def _inverted_contrast(te: float, tr: float, ti: float, said: str) -> Finding | None:
    """Return the contrast of a spin echo after one inversion, from what is nulled: fat, fluid or neither.

    Fat is nulled after 0.69 of its T1: 80 ms at 0.2 T to 280 ms at 7 T (Bernstein, chapter 14.2).
    """
    said = f"{said}, TI {ti:g} ms"
    share = ti / _fluid_null(tr) if tr > 0 else 0.0
    if _FAT_NULL[0] <= ti <= _FAT_NULL[1]:
        return Finding(Kind.STIR, STRONG if te >= 50 else WEAK, f"{said}, which nulls fat")
    if te >= 60:
        if 0.7 <= share <= 1.2:
            return Finding(Kind.FLAIR, STRONG, f"{said}, which nulls fluid")
        if share > 1.2:
            return Finding(Kind.FLAIR, WEAK, f"{said} (later than fluid is nulled)")
        return Finding(Kind.T2W, WEAK, f"{said}, which nulls neither fat nor fluid")
    if _FAT_NULL[1] < ti < 1400:
        return Finding(Kind.T1W, FAIR, said)
    return None


def _fluid_null(tr: float) -> float:
    """Return the inversion time in ms that nulls cerebrospinal fluid, an upper limit for turbo spin echoes.

    ``TI = T1 ln(2 / (1 + exp(-TR/T1)))`` (Bernstein, chapter 14.2) with a T1 of 4.3 s. Double inversion recovery has
    its long inversion time well beyond.
    """
    fluid = 4300.0
    return fluid * math.log(2 / (1 + math.exp(-tr / fluid)))
