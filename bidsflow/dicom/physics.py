"""What kind of measurement an image is, decided from how it was acquired. Pure.

Words that people type (descriptions, protocol names) are not looked at, except where said so: they are evidence for
names, not for physics. Each finding says which tags decided.

Sources: DICOM PS3.3 C.8.3 and C.8.13 (MR attributes); sequence names as the makers write them and as dcm2niix's
documentation lists them; contrast limits from Bernstein et al., *Handbook of MRI Pulse Sequences* (2004), chapters
14 to 17, widened so that they hold from 1.5 T to 7 T.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Image, Series
from bidsflow.dicom.tags import find_maker


class Kind(StrEnum):
    """What was measured; the text is what people read."""

    LOCALIZER = "localizer"
    DERIVED = "derived map"
    DIFFUSION = "diffusion-weighted"
    GRADIENT_EPI = "gradient-echo EPI"
    SPIN_EPI = "spin-echo EPI"
    EPI = "EPI"
    ASL = "arterial spin labelling"
    PERFUSION = "perfusion by a contrast agent"
    FIELD_GRE = "dual-echo gradient echo"
    FIELD_HZ = "field map in Hz"
    T1W = "T1-weighted"
    T2W = "T2-weighted"
    FLAIR = "FLAIR"
    PDW = "proton-density-weighted"
    T2STARW = "T2*-weighted"
    MP2RAGE = "MP2RAGE"
    MULTI_ECHO = "multi-echo gradient echo"
    MULTI_SPIN_ECHO = "multi-echo spin echo"
    STIR = "inversion recovery that nulls fat"
    TRANSFER = "magnetization transfer"
    DIXON = "separation of water and fat"
    FLOW = "phase contrast"
    SWI = "susceptibility-weighted"
    ANGIO = "angiography"
    CAPTURE = "screen capture"
    OTHER_MODALITY = "not MR"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """A kind, how sure it is (0 to 1), and the clause that says why."""

    kind: Kind
    confidence: float
    because: str


#: How sure a finding is, one scale for all rules. Below `FAIR` it needs a second witness: words, or other images.
#: A tag that nothing else carries: the name of the sequence, a b-value, a word of ImageType.
CERTAIN = 0.95
#: Several parameters that together leave one reading: MPRAGE by its readout and inversion time.
STRONG = 0.85
#: Parameters that fit, and that few other measurements share.
FAIR = 0.7
#: Parameters that fit, and that other common measurements share: a spoiled gradient echo may be an angiography.
WEAK = 0.5

#: Values of ImageType that only reconstructions of other images carry.
_DERIVED_WORDS = frozenset({
    "ADC", "ADC_UNSPECIFIED", "EADC", "FA", "TRACE", "TRACEW", "TENSOR", "TENSOR_B0", "COLFA", "RCBF", "CBF", "CBV",
    "MTT", "TTP", "SUBTRACTION", "T_MAP", "TTEST", "PROJECTION", "PROJECTION_IMAGE", "MIP", "MNIP", "MPR",
    "RESAMPLED", "REFORMATTED", "CPR", "MEAN", "STDDEV", "T1_MAP", "T2_MAP", "T2STAR_MAP", "T2_STAR_MAP", "R2_MAP",
    "R2STAR_MAP", "MOCO_MEAN", "GLOBAL_BOLD", "LOCALIZER_COPY", "RCBV", "RMTT", "SWI_MIP", "MOSAIC_MEAN",
    "CALC_BVALUE", "SCREEN_SAVE", "MINIP", "RELCBF", "RELCBV", "RELMTT", "MAX_IP", "MIN_IP", "METABOLITE_MAP",
})  # fmt: skip
#: Values of ImageType by which Siemens, Philips (letters) and GE tell the images of a Dixon separation apart.
_DIXON_WORDS = frozenset({
    "DIXON", "WATER", "FAT", "IN_PHASE", "OPP_PHASE", "OUT_PHASE", "INPHASE", "OUTPHASE", "W", "F", "IP", "OP",
})  # fmt: skip
#: Values of ImageType of velocities and of the magnitudes measured with them (Philips: PCA; PS3.3 C.8.13.1.1.1).
_FLOW_WORDS = frozenset({"PCA", "M_PCA", "P_PCA", "VELOCITY", "VELOCITY_MAP", "FLOW_ENCODED", "PHASE_CONTRAST_M"})
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
_CAPTURE_CLASS = "1.2.840.10008.5.1.4.1.1.7"
#: Inversion times in ms that null fat, from 0.2 T to 7 T.
_FAT_NULL = (80.0, 290.0)
#: Below this inversion time (ms) a gradient echo with long repetition nulls white matter (FGATIR, WMn-MPRAGE).
_EARLIEST_T1W = 600.0
_LOCALIZER_ANGLE = math.cos(math.radians(30))
#: b-values below this (s/mm²) count as no diffusion weighting: Philips numbers its b=0 volumes 0.001, 0.002, ...
B_ZERO = 50.0


def classify(series: Series, image: Image) -> Finding:
    """Return what kind of measurement an image of a series is.

    Parameters
    ----------
    series : Series
        The series, for what its images have in common.
    image : Image
        One of its images.
    """
    header = series.header
    rules = (
        _not_mr, _derived, _localizer, _labelled, _perfusion, _echo_planar, _weighted, _marked, _field_map, _contrast,
    )  # fmt: skip
    for rule in rules:
        finding = rule(series, image, header)
        if finding is not None:
            return finding
    return Finding(Kind.UNKNOWN, 0.0, f"no rule fits {_timing(image, header)}")


def _not_mr(_series: Series, _image: Image, header: Header) -> Finding | None:
    if header.text("SOPClassUID").startswith(_CAPTURE_CLASS):
        return Finding(Kind.CAPTURE, 1.0, "SOPClassUID is secondary capture")
    if header.text("Modality") not in ("MR", ""):
        return Finding(Kind.OTHER_MODALITY, 1.0, f"Modality is {header.text('Modality')}")
    return None


def _localizer(series: Series, image: Image, header: Header) -> Finding | None:
    normals = {normal for one in series.images if (normal := _normal(one.orientation))}
    first = next(iter(normals), None)
    if first and any(abs(_dot(first, other)) < _LOCALIZER_ANGLE for other in normals):
        return Finding(
            Kind.LOCALIZER, CERTAIN, f"its slices point in {len(normals)} directions (ImageOrientationPatient)"
        )
    name = header.text("SequenceFile").lower()
    if "scout" in name or name.startswith(("localizer", "haste_localizer")):
        return Finding(Kind.LOCALIZER, CERTAIN, f"its sequence is {header.text('SequenceFile')}")
    if "LOCALIZER" in header.words("ImageType"):
        return Finding(Kind.LOCALIZER, CERTAIN, "ImageType says LOCALIZER")
    if header.text("AcquisitionContrast") == "LOCALIZER":
        return Finding(Kind.LOCALIZER, CERTAIN, "AcquisitionContrast is LOCALIZER")
    return None


def _derived(series: Series, image: Image, header: Header) -> Finding | None:
    if header.integer("SamplesPerPixel", 1) == 3:
        return Finding(Kind.DERIVED, CERTAIN, "it is in colour (SamplesPerPixel is 3)")
    words = _image_words(image.header)
    found = [word for word in words if word in _DERIVED_WORDS]
    if "PERFUSION" in words and is_declared_derived(image):  # enhanced originals say it too (PS3.3 C.8.13.1.1.1)
        found.append("PERFUSION")
    if found:
        return Finding(Kind.DERIVED, CERTAIN, f"ImageType says {found[0]}")
    return None


def _image_words(header: Header) -> tuple[str, ...]:
    """Return the values of ImageType and FrameType behind the first two, joined by underscores inside a value."""
    words = (*header.words("ImageType")[2:], *header.words("FrameType")[2:], *header.words("SiemensImageType")[2:])
    return tuple(re.sub(r"[\s-]+", "_", word) for word in words)


def _labelled(series: Series, image: Image, header: Header) -> Finding | None:
    if "ASL" in _image_words(header):
        return Finding(Kind.ASL, CERTAIN, "ImageType says ASL")
    if header.text("ArterialSpinLabelingContrast"):
        return Finding(Kind.ASL, CERTAIN, "ArterialSpinLabelingContrast is set")
    if name := sequence_named(header, r"p?c?asl(?![a-z])"):
        return Finding(Kind.ASL, CERTAIN, f"its sequence is {name}")
    return None


def _perfusion(_series: Series, image: Image, header: Header) -> Finding | None:
    """Return what the scanner itself calls perfusion and is no labelling: the passage of a contrast agent."""
    if "PERFUSION" in _image_words(image.header):
        return Finding(Kind.PERFUSION, CERTAIN, "ImageType says PERFUSION")
    if header.text("AcquisitionContrast") == "PERFUSION":
        return Finding(Kind.PERFUSION, CERTAIN, "AcquisitionContrast is PERFUSION")
    if name := sequence_named(header, r"perf(?!orm)|(?<![a-z])dsc(?![a-z])"):
        return Finding(Kind.PERFUSION, CERTAIN, f"its sequence is {name}")
    return None


def is_echo_planar(header: Header) -> str:
    """Return the clause that shows an echo-planar readout, ``""`` where nothing shows one."""
    if "EP" in header.words("ScanningSequence"):
        return "ScanningSequence has EP"
    if header.text("EchoPlanarPulseSequence") == "YES":
        return "EchoPlanarPulseSequence is YES"
    if "EPI_GEMS" in header.words("ScanOptions"):
        return "ScanOptions has EPI_GEMS"
    name = _short_name(header)
    if name.startswith("ep"):
        return f"SequenceName is {_shown_name(header)}"
    technique = header.text("PhilipsTechnique").upper()
    if "EPI" in technique or technique.startswith("DWI"):
        return f"ScanningTechnique is {header.text('PhilipsTechnique')}"
    if header.integer("PhilipsEpiFactor") > 16:
        return f"the EPI factor is {header.integer('PhilipsEpiFactor')}"
    return ""


def _echo_planar(series: Series, image: Image, header: Header) -> Finding | None:
    shown = is_echo_planar(header)
    if not shown:
        return None
    diffusion = _diffusion(image, header)
    if diffusion:
        return Finding(Kind.DIFFUSION, CERTAIN, f"{shown} and {diffusion}")
    echo = _refocused(header)
    if echo is None:
        return Finding(Kind.EPI, WEAK, f"{shown}, gradient or spin echo unknown")
    kind, why = (Kind.SPIN_EPI, "spin echo") if echo else (Kind.GRADIENT_EPI, "gradient echo")
    return Finding(kind, STRONG, f"{shown}, {why}, TE {image.echo_time or header.number('EchoTime'):g} ms")


def _weighted(_series: Series, image: Image, _header: Header) -> Finding | None:
    """Return diffusion that is not read out by EPI: turbo spin echoes, PROPELLER."""
    highest = max(image.b_values, default=0.0)
    return Finding(Kind.DIFFUSION, STRONG, f"b-values reach {highest:g} s/mm2") if highest >= B_ZERO else None


def _diffusion(image: Image, header: Header) -> str:
    """Return the clause that shows diffusion encoding."""
    highest = max(image.b_values, default=0.0)
    if highest >= B_ZERO:
        return f"b-values reach {highest:g} s/mm2"
    if "DIFFUSION" in _image_words(header):
        return "ImageType says DIFFUSION"
    if name := sequence_named(header, r"diff|dwi|dti"):
        return f"its sequence is {name}"
    if re.match(r"ep_?b\d", _short_name(header)):
        return f"SequenceName is {_shown_name(header)}"
    return ""


def _refocused(header: Header) -> bool | None:
    """Return whether an EPI is a spin echo; None where nothing tells.

    The name of the sequence comes first: EchoPulseSequence of Siemens XA30 says GRADIENT for spin-echo EPI as well.
    """
    name = _short_name(header)
    if name.startswith("epfid") or re.search(r"bold|fid(?![a-z])", name):
        return False
    if name.startswith("epse"):
        return True
    technique = header.text("PhilipsTechnique").upper()
    if technique.startswith(("SE", "DWISE")) or technique.startswith(("FE", "FFE")):
        return technique.startswith(("SE", "DWISE"))
    words = header.words("ScanningSequence")
    if "SE" in words or "GR" in words:
        return "SE" in words
    pulse = header.text("EchoPulseSequence")
    return {"SPIN": True, "GRADIENT": False}.get(pulse)


def field_in_hz(image: Image) -> str:
    """Return the clause that shows that the values of an image are a field in Hz, ``""`` where nothing shows it."""
    if image.header.text("RescaleType").upper() == "HZ":
        return "RescaleType is Hz"
    found = sorted({"B0", "B0_MAP", "FIELD_MAP"} & set(_image_words(image.header)))
    return f"ImageType says {found[-1].replace('_', ' ')}" if found else ""


def _field_map(series: Series, image: Image, header: Header) -> Finding | None:
    if shown := field_in_hz(image):
        return Finding(Kind.FIELD_HZ, CERTAIN, shown)
    # GE and Philips put the magnitude and the field into one series (dcm_qa_fmap).
    if any(field_in_hz(one) for one in series.images):
        return Finding(Kind.FIELD_HZ, STRONG, "it stands in one series with a field map in Hz")
    sequence = header.text("SequenceFile").lower()
    if "field_map" in sequence:
        return Finding(Kind.FIELD_GRE, CERTAIN, f"its sequence is {header.text('SequenceFile')}")
    if _short_name(header).startswith("fm2d"):
        return Finding(Kind.FIELD_GRE, CERTAIN, f"SequenceName is {_shown_name(header)}")
    times = _echo_times(series)
    if (
        len(times) == 2
        and _is_gradient(header)
        and not _is_prepared(header)
        and 0.4 < times[1] - times[0] < 6
        and times[1] < 13
    ):
        return Finding(
            Kind.FIELD_GRE, FAIR, f"a gradient echo with two short echoes ({times[0]:g} and {times[1]:g} ms)"
        )
    return None


def _echo_times(series: Series) -> list[float]:
    return sorted({one.echo_time for one in series.images if one.echo_time})


def _marked(_series: Series, image: Image, header: Header) -> Finding | None:
    """Return what the header says was done to the signal beyond echo and repetition times, which makes another image.

    Angiography comes before magnetization transfer, which most of it uses.
    """
    words = set(_image_words(image.header))
    if name := sequence_named(header, r"mp2rage"):
        return Finding(Kind.MP2RAGE, CERTAIN, f"its sequence is {name}")
    if found := sorted({"UNI", "INV1", "INV2"} & words):
        return Finding(Kind.MP2RAGE, CERTAIN, f"ImageType says {found[0]}")
    if "SWI" in words:
        return Finding(Kind.SWI, CERTAIN, "ImageType says SWI")
    if shown := _shows_flow(words, header):
        return Finding(Kind.FLOW, CERTAIN, shown)
    if shown := _shows_inflow(words, header):
        return Finding(Kind.ANGIO, STRONG, shown)
    if found := sorted(_DIXON_WORDS & words):
        return Finding(Kind.DIXON, CERTAIN, f"ImageType says {found[0].replace('_', ' ')}")
    if shown := _shows_transfer(header):
        return Finding(Kind.TRANSFER, CERTAIN, shown)
    return None


def _shows_flow(words: set[str], header: Header) -> str:
    """Return the clause that shows that velocities are encoded, ``""`` where nothing shows it."""
    if header.text("PhaseContrast") == "YES":
        return "PhaseContrast is YES"
    if header.text("AcquisitionContrast") == "FLOW_ENCODED":
        return "AcquisitionContrast is FLOW_ENCODED"
    if found := sorted(_FLOW_WORDS & words):
        return f"ImageType says {found[0].replace('_', ' ')}"
    return "ScanOptions has VASCPC" if any("VASCPC" in word for word in header.words("ScanOptions")) else ""


def _shows_inflow(words: set[str], header: Header) -> str:
    """Return the clause that shows that inflowing blood is what is bright, ``""`` where nothing shows it."""
    if header.text("AngioFlag") == "Y":
        return "AngioFlag is Y"
    if header.text("TimeOfFlightContrast") == "YES":
        return "TimeOfFlightContrast is YES"
    if header.text("AcquisitionContrast") == "TOF":
        return "AcquisitionContrast is TOF"
    if "TOF" in words:
        return "ImageType says TOF"
    if any("VASCTOF" in word for word in header.words("ScanOptions")):
        return "ScanOptions has VASCTOF"
    name = sequence_named(header, r"(?<![a-z])tof|\dd_?tof")
    return f"its sequence is {name}" if name else ""


def _shows_transfer(header: Header) -> str:
    """Return the clause that shows a magnetization transfer pulse, ``""`` where nothing shows one."""
    if "MTC" in header.words("SequenceVariant"):
        return "SequenceVariant has MTC"
    found = [word for word in header.words("ScanOptions") if re.fullmatch(r"MTC?(_GEMS)?", word)]
    if found:
        return f"ScanOptions has {found[0]}"
    pulse = header.text("MagnetizationTransfer")
    return f"MagnetizationTransfer is {pulse}" if pulse in ("ON_RESONANCE", "OFF_RESONANCE") else ""


def _contrast(series: Series, image: Image, header: Header) -> Finding | None:
    """Return the contrast of an image that is not echo planar."""
    te, tr = image.echo_time or header.number("EchoTime"), header.number("RepetitionTime")
    timed = None
    if _is_gradient(header):
        times = _echo_times(series)
        if len(times) > 1 and not _is_prepared(header):
            said = f"a gradient echo with {len(times)} echoes ({times[0]:g} to {times[-1]:g} ms)"
            return Finding(Kind.MULTI_ECHO, STRONG, said)
        timed = _gradient_contrast(te, tr, header)
    elif _is_spin(header):
        times = _echo_times(series)
        if len(times) > _DUAL_ECHO:
            said = f"a spin echo with {len(times)} echoes ({times[0]:g} to {times[-1]:g} ms)"
            return Finding(Kind.MULTI_SPIN_ECHO, STRONG, said)
        timed = _spin_contrast(te, tr, header)
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
    if declared in _CONTRASTS and not (_is_spin(header) and header.number("InversionTime") > 0):
        return Finding(_CONTRASTS[declared], FAIR, f"AcquisitionContrast is {declared}, {timing}")
    if technique.upper().startswith(("T1TFE", "T1FFE")):
        return Finding(Kind.T1W, FAIR, f"ScanningTechnique is {technique}, {timing}")
    return None


def _gradient_contrast(te: float, tr: float, header: Header) -> Finding | None:
    volume, flip = header.text("MRAcquisitionType") == "3D", header.number("FlipAngle")
    ti, prepared = header.number("InversionTime"), _is_prepared(header)
    said = f"a {'3D ' if volume else ''}gradient echo, TE {te:g} ms, TR {tr:g} ms"
    if volume and prepared and te < 8 and not 0 < ti < _FAT_NULL[1]:
        if tr > 1000 and 0 < ti < _EARLIEST_T1W:
            return Finding(Kind.T1W, WEAK, f"{said}, TI {ti:g} ms, as early as where white matter is nulled")
        return Finding(Kind.T1W, STRONG if ti else FAIR, f"{said}, inversion-prepared ({prepared})")
    if te >= 12:
        return Finding(Kind.T2STARW, FAIR, said)
    short = volume and tr < 60 and flip >= 8
    long = 100 <= tr < 1000 and flip >= 50
    if 0 < te < 8 and tr > 0 and (short or long):
        return Finding(Kind.T1W, WEAK, f"{said}, flip angle {flip:g} degrees")
    return None


def _is_steady(header: Header) -> bool:
    """Return whether a gradient echo keeps a steady state that is not spoiled (CISS, FIESTA): it weights by T2/T1."""
    if not _is_gradient(header):
        return False
    if sequence_named(header, _STEADY_NAMES):
        return True
    if _is_prepared(header):
        return False
    variant = header.words("SequenceVariant")
    if "SS" in variant and "SP" not in variant:
        return True
    state = header.text("SteadyStatePulseSequence")
    return state in ("FREE_PRECESSION", "TRANSVERSE", "TIME_REVERSED") and header.text("Spoiling") in ("", "NONE")


def _is_prepared(header: Header) -> str:
    """Return the clause that shows that an inversion goes before the readout, ``""`` where nothing shows one."""
    if header.number("InversionTime") > 0:
        return f"TI {header.number('InversionTime'):g} ms"
    if "IR" in header.words("ScanningSequence"):
        return "ScanningSequence has IR"
    if header.text("InversionRecovery") == "YES":
        return "InversionRecovery is YES"
    return "SequenceVariant has MP" if "MP" in header.words("SequenceVariant") else ""


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
    if te >= 60 and tr >= 1500:
        return Finding(Kind.T2W, STRONG, said)
    if 0 < te < 45 and tr >= 1800:
        if header.integer("PhilipsEpiFactor") > 1 or sequence_named(header, r"tgse|grase"):
            return Finding(Kind.PDW, WEAK, f"{said}, read out by GRASE as labelled blood is")
        return Finding(Kind.PDW, STRONG, said)
    if 0 < te < 35 and 0 < tr <= 1200:
        return Finding(Kind.T1W, STRONG, said)
    return None


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


def _is_gradient(header: Header) -> bool:
    words = header.words("ScanningSequence")
    if words:
        return "GR" in words
    if header.text("EchoPulseSequence") == "GRADIENT":
        return True
    return _short_name(header).startswith(("fl", "tfl", "fm", "fi"))


def _is_spin(header: Header) -> bool:
    words = header.words("ScanningSequence")
    if words:
        return "SE" in words or words == ("IR",)
    if header.text("EchoPulseSequence") in ("SPIN", "BOTH"):
        return True
    return _short_name(header).startswith(("spc", "tse", "se", "tir"))


def _shown_name(header: Header) -> str:
    return header.text("SequenceName") or header.text("PulseSequenceName") or header.text("GePulseSequence")


def _short_name(header: Header) -> str:
    """Return the name of the sequence in small letters, without the marks that Siemens puts before it."""
    return _shown_name(header).lower().lstrip("*#%\\ ")


def sequence_named(header: Header, pattern: str) -> str:
    """Return the first name of the sequence that a pattern is found in, as the header writes it; ``""`` for none.

    Siemens has its file, GE and Philips a name of their own, UIH and Canon say it in SequenceName, enhanced objects in
    another.
    """
    for keyword in ("SequenceFile", "GePulseSequence", "SequenceName", "PulseSequenceName", "PhilipsTechnique"):
        if re.search(pattern, header.text(keyword).lower()):
            return header.text(keyword)
    return ""


def _timing(image: Image, header: Header) -> str:
    te = image.echo_time or header.number("EchoTime")
    sequence = "\\".join(header.words("ScanningSequence")) or header.text("EchoPulseSequence") or "unknown sequence"
    return f"{sequence}, TE {te:g} ms, TR {header.number('RepetitionTime'):g} ms"


def _normal(orientation: tuple[float, ...]) -> tuple[float, float, float] | None:
    if len(orientation) != 6:
        return None
    a, b, c, d, e, f = orientation
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    return normal if any(normal) else None


def _dot(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


def phase_encoding(header: Header) -> str:
    """Return where phase encoding runs to in the patient: ``AP``, ``PA``, ``LR``, ``RL``, ``HF`` or ``FH``.

    ``""`` where the axis or its polarity is not in the header (GE and Philips keep the polarity to themselves).

    The axis is InPlanePhaseEncodingDirection (PS3.3 C.8.3.1.1.10), its course in the patient follows from
    ImageOrientationPatient; Siemens' PhaseEncodingDirectionPositive 1 means that encoding runs with the axis.
    """
    axis = {"COL": 3, "COLUMN": 3, "ROW": 0}.get(header.text("InPlanePhaseEncodingDirection"))
    polarity = header.text("PhaseEncodingPositive")
    orientation = header.numbers("ImageOrientationPatient")
    if axis is None or polarity not in ("0", "1") or len(orientation) != 6:
        return ""
    course = orientation[axis : axis + 3]
    main = max(range(3), key=lambda i: abs(course[i]))
    forward = (course[main] > 0) == (polarity == "1")
    return (("RL", "LR"), ("AP", "PA"), ("FH", "HF"))[main][0 if forward else 1]


def slice_plane(image: Image) -> str:
    """Return the plane that the slices of an image lie nearest to: ``ax``, ``cor``, ``sag``; ``""`` where unknown."""
    normal = _normal(image.orientation)
    if normal is None:
        return ""
    return ("sag", "cor", "ax")[max(range(3), key=lambda axis: abs(normal[axis]))]


def is_parallel(image: Image, other: Image) -> bool:
    """Return whether the slices of two images lie within 30 degrees of each other, or one's place is unknown."""
    ours, theirs = _normal(image.orientation), _normal(other.orientation)
    return ours is None or theirs is None or abs(_dot(ours, theirs)) > _LOCALIZER_ANGLE


def is_declared_derived(image: Image) -> bool:
    """Return whether ImageType begins with DERIVED, which also images that were only filtered do."""
    return image.header.words("ImageType")[:1] == ("DERIVED",)


def sequence_maker(header: Header) -> str:
    """Return the short name of the maker of the scanner."""
    return find_maker(header.text("Manufacturer"))
