"""What kind of measurement an image is, decided from how it was acquired. Pure.

Words that people type (descriptions, protocol names) are not looked at, except where said so: they are evidence for
names, not for physics. Each finding says which tags decided.

Sources: DICOM PS3.3 C.8.3 and C.8.13 (MR attributes); sequence names as the makers write them and as dcm2niix's
documentation lists them.
"""

from __future__ import annotations

import math
import re

from bidsflow.dicom.header import Header
from bidsflow.dicom.images import is_derived
from bidsflow.dicom.physics.contrast import find_contrast
from bidsflow.dicom.physics.kinds import CERTAIN, FAIR, STRONG, WEAK, Finding, Kind
from bidsflow.dicom.physics.maps import find_map, find_transmit
from bidsflow.dicom.physics.sequence import (
    echo_times,
    image_words,
    is_echo_planar,
    is_gradient,
    is_prepared,
    sequence_named,
    short_name,
    shown_name,
    timing,
)
from bidsflow.dicom.series import Image, Series
from bidsflow.dicom.tags import find_maker

#: Values of ImageType that only reconstructions of other images carry.
_DERIVED_WORDS = frozenset({
    "ADC", "ADC_UNSPECIFIED", "EADC", "FA", "TRACE", "TRACEW", "TENSOR", "TENSOR_B0", "COLFA", "RCBF", "CBF", "CBV",
    "MTT", "TTP", "SUBTRACTION", "T_MAP", "TTEST", "T_TEST", "PROJECTION", "PROJECTION_IMAGE", "MIP", "MNIP", "MPR",
    "RESAMPLED", "REFORMATTED", "CPR", "MEAN", "STDDEV", "T1_MAP", "T2_MAP", "T2STAR_MAP", "T2_STAR_MAP", "R2_MAP",
    "R2STAR_MAP", "MOCO_MEAN", "GLOBAL_BOLD", "LOCALIZER_COPY", "RCBV", "RMTT", "SWI_MIP", "MOSAIC_MEAN",
    "CALC_BVALUE", "SCREEN_SAVE", "MINIP", "RELCBF", "RELCBV", "RELMTT", "MAX_IP", "MIN_IP", "METABOLITE_MAP", "APTW",
    "DESIGN",
})  # fmt: skip
#: Values of ImageType by which Siemens, Philips (letters) and GE tell the images of a Dixon separation apart.
_DIXON_WORDS = frozenset({
    "DIXON", "WATER", "FAT", "IN_PHASE", "OPP_PHASE", "OUT_PHASE", "INPHASE", "OUTPHASE", "W", "F", "IP", "OP",
})  # fmt: skip
#: Values of ImageType of velocities and of the magnitudes measured with them (Philips: PCA; PS3.3 C.8.13.1.1.1).
_FLOW_WORDS = frozenset({"PCA", "M_PCA", "P_PCA", "VELOCITY", "VELOCITY_MAP", "FLOW_ENCODED", "PHASE_CONTRAST_M"})
#: Values of ImageType of susceptibility-weighted images (Siemens; Philips, magnitude and phase).
_SUSCEPTIBILITY_WORDS = frozenset({"SWI", "SW_M", "SW_P"})
_CAPTURE_CLASS = "1.2.840.10008.5.1.4.1.1.7"
_LOCALIZER_ANGLE = math.cos(math.radians(30))
#: Sequences of anatomy that track the head by coarse EPIs between their excitations, and those that set these up. The
#: anatomical images have the same file, but are no EPIs. Source: volumetric navigators of MGH for MPRAGE, TSE and SPACE
#: (ABCD, HCP): tfl_mgh_epinav_ABCD, ep_moco_nav_set_ABCD, SequenceName *ABCD3d1_32ns.
_NAVIGATED = r"epi_?nav|moco_?nav|(?<![a-z])v_?nav|abcd3d\d|(?<![a-z0-9])(?:tfl|tse_vfl|space)_"
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
        _not_mr, find_map, _derived, _localizer, _labelled, _perfusion, _echo_planar, _weighted, find_transmit, _marked,
        _field_map, find_contrast,
    )  # fmt: skip
    for rule in rules:
        finding = rule(series, image, header)
        if finding is not None:
            return finding
    return Finding(Kind.UNKNOWN, 0.0, f"no rule fits {timing(image, header)}")


def _not_mr(_series: Series, _image: Image, header: Header) -> Finding | None:
    if header.text("SOPClassUID").startswith(_CAPTURE_CLASS):
        return Finding(Kind.CAPTURE, 1.0, "SOPClassUID is secondary capture")
    if header.text("Modality") not in ("MR", ""):
        return Finding(Kind.OTHER_MODALITY, 1.0, f"Modality is {header.text('Modality')}")
    return None


def is_difference(image: Image) -> bool:
    """Return whether GE made an image of labelled blood of raw data: of its labels and controls there are no images.

    It may be declared to be derived, by the words ASL and PERFUSION; maps have others, as CBF (ExploreASL, issue 421;
    ``ge_asl_base.py`` of OSIPI's pyaslreport).
    """
    labels = image.header.text("GeAslContrast").upper() in ("PSEUDOCONTINUOUS", "PULSED")
    words = set(image_words(image.header)) - {"REAL", "MAGNITUDE"}
    return labels and words in ({"ASL", "PERFUSION"}, {"ASL", "PERFUSION_ASL"})


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
    words = image_words(image.header)
    found = [word for word in words if word in _DERIVED_WORDS]
    # Enhanced originals say it too (PS3.3 C.8.13.1.1.1), and GE of a difference that it makes of raw data.
    if "PERFUSION" in words and is_declared_derived(image) and not is_difference(image):
        found.append("PERFUSION")
    if found and not (found == ["MEAN"] and _combines_echoes(series, image, header)):
        return Finding(Kind.DERIVED, CERTAIN, f"ImageType says {found[0]}")
    return _appended(series, image)


def is_derived_word(word: str) -> bool:
    """Return whether only reconstructions of other images carry a value of ImageType."""
    return word in _DERIVED_WORDS


def _combines_echoes(series: Series, image: Image, header: Header) -> bool:
    """Return whether a mean is that of the echoes of an MPRAGE (MEMPRAGE): Siemens calls their RMS so, too.

    Other means are of volumes (EPI), or of echoes that nobody uses but apart.
    """
    if is_echo_planar(header) or image.volumes > 1 or not is_prepared(header):
        return False
    contrast = find_contrast(series, image, header)
    return contrast is not None and contrast.kind is Kind.T1W


def _appended(series: Series, image: Image) -> Finding | None:
    """Return what the scanner computed of a diffusion series and put into it: a trace, an isotropic mean, an ADC.

    One volume per b-value is no set of directions; several may be directions where headers do not tell them.
    """
    runs = [one for one in series.images if not _is_marked(one) and max(one.b_values, default=0.0) >= B_ZERO]
    if not _is_marked(image) or not runs:
        return None
    weights = sum(value >= B_ZERO for value in image.b_values)
    if image.volumes <= max(1, weights) or _lacks_directions(series):
        return Finding(
            Kind.DERIVED, CERTAIN, "it stands in the diffusion series that it was computed of (a trace or an ADC)"
        )
    return Finding(Kind.DIFFUSION, STRONG, "it stands in a diffusion series that is not derived")


def _is_marked(image: Image) -> bool:
    return is_derived(image.header.words("ImageType"))


def _lacks_directions(series: Series) -> bool:
    """Return whether no derived volume of a series has a direction, while those of its originals are known."""
    told = {False: False, True: False}
    for one in series.instances:
        derived = is_derived(one.header.words("ImageType"))
        vector = one.header.numbers("DiffusionGradientOrientation") or one.header.numbers("SiemensGradient")
        told[derived] = told[derived] or any(vector)
    return told[False] and not told[True]


def _labelled(series: Series, image: Image, header: Header) -> Finding | None:
    if "ASL" in image_words(header):
        return Finding(Kind.ASL, CERTAIN, "ImageType says ASL")
    if header.text("ArterialSpinLabelingContrast"):
        return Finding(Kind.ASL, CERTAIN, "ArterialSpinLabelingContrast is set")
    if label := header.text("PhilipsLabel"):
        return Finding(Kind.ASL, CERTAIN, f"its label type is {label} (2005,1429)")
    if name := sequence_named(header, r"p?c?asl(?![a-z])"):
        return Finding(Kind.ASL, CERTAIN, f"its sequence is {name}")
    return None


def _perfusion(_series: Series, image: Image, header: Header) -> Finding | None:
    """Return what the scanner itself calls perfusion and is no labelling: the passage of a contrast agent."""
    if "PERFUSION" in image_words(image.header):
        return Finding(Kind.PERFUSION, CERTAIN, "ImageType says PERFUSION")
    if header.text("AcquisitionContrast") == "PERFUSION":
        return Finding(Kind.PERFUSION, CERTAIN, "AcquisitionContrast is PERFUSION")
    if name := sequence_named(header, r"perf(?!orm)|(?<![a-z])dsc(?![a-z])"):
        return Finding(Kind.PERFUSION, CERTAIN, f"its sequence is {name}")
    return None


def _echo_planar(series: Series, image: Image, header: Header) -> Finding | None:
    shown = is_echo_planar(header)
    if not shown:
        return None
    if "NOISE" in image_words(image.header):  # CMRR's multiband EPI since R017
        return Finding(Kind.NOISE, CERTAIN, "ImageType says NOISE")
    diffusion = _diffusion(image, header)
    if diffusion:
        return Finding(Kind.DIFFUSION, CERTAIN, f"{shown} and {diffusion}")
    if name := sequence_named(header, _NAVIGATED):
        return Finding(Kind.NAVIGATOR, CERTAIN, f"{shown}, and its sequence is {name}")
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
    if "DIFFUSION" in image_words(header):
        return "ImageType says DIFFUSION"
    if name := sequence_named(header, r"diff|dwi|dti"):
        return f"its sequence is {name}"
    if re.match(r"ep_?b\d", short_name(header)):
        return f"SequenceName is {shown_name(header)}"
    return ""


def _refocused(header: Header) -> bool | None:
    """Return whether an EPI is a spin echo; None where nothing tells.

    The name of the sequence comes first: EchoPulseSequence of Siemens XA30 says GRADIENT for spin-echo EPI as well.
    """
    name = short_name(header)
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
    found = sorted({"B0", "B0_MAP", "FIELD_MAP"} & set(image_words(image.header)))
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
    if short_name(header).startswith("fm2d"):
        return Finding(Kind.FIELD_GRE, CERTAIN, f"SequenceName is {shown_name(header)}")
    times = echo_times(series)
    if (
        len(times) == 2
        and is_gradient(header)
        and not is_prepared(header)
        and 0.4 < times[1] - times[0] < 6
        and times[1] < 13
    ):
        return Finding(
            Kind.FIELD_GRE, FAIR, f"a gradient echo with two short echoes ({times[0]:g} and {times[1]:g} ms)"
        )
    return None


def _marked(_series: Series, image: Image, header: Header) -> Finding | None:
    """Return what the header says was done to the signal beyond echo and repetition times, which makes another image.

    Angiography comes before magnetization transfer, which most of it uses.
    """
    words = set(image_words(image.header))
    if name := sequence_named(header, r"mp2rage"):
        return Finding(Kind.MP2RAGE, CERTAIN, f"its sequence is {name}")
    if found := sorted({"UNI", "INV1", "INV2"} & words):
        return Finding(Kind.MP2RAGE, CERTAIN, f"ImageType says {found[0]}")
    if found := sorted(_SUSCEPTIBILITY_WORDS & words):
        return Finding(Kind.SWI, CERTAIN, f"ImageType says {found[0]}")
    if shown := _shows_flow(words, header):
        return Finding(Kind.FLOW, CERTAIN, shown)
    if shown := _shows_inflow(words, header):
        return Finding(Kind.ANGIO, STRONG, shown)
    if found := sorted(_DIXON_WORDS & words):
        return Finding(Kind.DIXON, CERTAIN, f"ImageType says {found[0].replace('_', ' ')}")
    if shown := shows_transfer(header):
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


def shows_transfer(header: Header) -> str:
    """Return the clause that shows a magnetization transfer pulse, ``""`` where nothing shows one."""
    if "MTC" in header.words("SequenceVariant"):
        return "SequenceVariant has MTC"
    found = [word for word in header.words("ScanOptions") if re.fullmatch(r"MTC?(_GEMS)?", word)]
    if found:
        return f"ScanOptions has {found[0]}"
    pulse = header.text("MagnetizationTransfer")
    return f"MagnetizationTransfer is {pulse}" if pulse in ("ON_RESONANCE", "OFF_RESONANCE") else ""


def _normal(orientation: tuple[float, ...]) -> tuple[float, float, float] | None:
    if len(orientation) != 6:
        return None
    a, b, c, d, e, f = orientation
    normal = (b * f - c * e, c * d - a * f, a * e - b * d)
    return normal if any(normal) else None


def _dot(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    return sum(x * y for x, y in zip(one, other, strict=True))


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
