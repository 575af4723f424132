"""Made-up series as real scanners describe them, and what a plan says of them: for tests of names.

The values of tags come from public exports and what is written about them:

- Siemens: sidecars of neurolabusc/dcm_qa, dcm_qa_fmap (gre_field_mapping) and dcm_qa_xa30; the decision tree of
  niix2bids (ImageType of MP2RAGE, names of tse_vfl); AAHead_Scout reformats are DERIVED\\PRIMARY\\MPR.
- GE: dcm_qa_fmap (B0map: ScanningSequence RM, the field in a second image of the series), dcm_qa_nih (epiRT).
- Philips: dcm_qa_fmap (B0 map beside its magnitude in one series), dcm_qa_philips (DwiSE, FEEPI).
- UIH: dcm_qa_uih (gre_fsp, epi_dti). Canon: dcm_qa_canon_61 (SEEPI2D).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bidsflow.convert.known import Known
from bidsflow.convert.naming.guess import Guess
from bidsflow.convert.plan import Decision, PlanRow
from bidsflow.convert.planner import make_plan
from bidsflow.convert.subjects import Sessions
from bidsflow.dicom.echoes import join_echoes
from bidsflow.dicom.grouping import find_collisions
from bidsflow.dicom.header import Header
from bidsflow.dicom.series import Image, Inventory, Patient, Series

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
ANNA = Patient("P7", "FORREST ANNA", "19800101", "F")
START = datetime(2022, 7, 11, 9)

Tags = dict[str, Any]
Row = tuple[Series, str]


@dataclass(frozen=True)
class Part:
    """One image of a series to be made."""

    volumes: int = 1
    te: float = 0.0
    component: str = "magnitude"
    b: tuple[float, ...] = ()
    orientation: tuple[float, ...] = ()
    matrix: tuple[int, int, int] | None = None
    tags: Mapping[str, Any] | None = None


def make(number: int, description: str, tags: Tags, *parts: Part, **more: Any) -> Series:
    """Return a series; `more` are tags, or one of ``protocol``, ``study``, ``patient``, ``at`` (minutes), ``uid``."""
    at, study = more.pop("at", 5.0 * number), more.pop("study", "1.2.3")
    patient, uid = more.pop("patient", ANNA), more.pop("uid", f"{study}.{number}")
    protocol = more.pop("protocol", description)
    merged = {"Modality": "MR", **tags, **more}
    matrix, orientation = merged.pop("matrix", (64, 64, 32)), merged.pop("orientation", AXIAL)
    volumes = merged.pop("volumes", 1)
    b = merged.pop("b", ())
    days = int(study.rsplit(".", 1)[1]) if study != "1.2.3" else 0
    started = "" if at is None else (START + timedelta(days=days, minutes=at)).strftime("%Y%m%d%H%M%S.%f")
    merged.setdefault("StudyDate", started[:8])
    common = {key: str(value) for key, value in merged.items() if value != ""}
    images = []
    for part in parts or (Part(volumes, b=b),):
        te = part.te or float(common.get("EchoTime", 0))
        own = {**common, **{key: str(value) for key, value in (part.tags or {}).items()}}
        own |= {"EchoTime": f"{te:g}"} if te else {}
        where = part.orientation or orientation
        own["ImageOrientationPatient"] = "\\".join(f"{value:g}" for value in where)
        count = part.volumes if part.volumes > 1 else volumes
        images.append(
            Image(Header(own), part.matrix or matrix, count, 0, te, part.component, where, part.b or b, count)
        )
    times = sorted({one.echo_time for one in images if one.echo_time})
    if len(times) > 1:
        images = [replace(one, echo=1 + times.index(one.echo_time) if one.echo_time else 0) for one in images]
    return Series(
        uid, study, patient, number, description, protocol, started, tuple(images), (), images[0].header
    )  # fmt: skip


def mag(**tags: Any) -> Part:
    return Part(tags=tags)


def phase(kind: str = "ORIGINAL\\PRIMARY\\P\\ND", te: float = 0.0, **tags: Any) -> Part:
    return Part(te=te, component="phase", tags={"ImageType": kind, **tags})


def echoes(*times: float) -> tuple[Part, ...]:
    return tuple(Part(te=te) for te in times)


def directions(*where: tuple[float, ...], slices: int = 3) -> tuple[Part, ...]:
    return tuple(Part(orientation=one, matrix=(256, 256, slices)) for one in where)


THREE = directions(SAGITTAL, CORONAL, AXIAL)
RAW = "ORIGINAL\\PRIMARY\\M\\ND"
NORM = "ORIGINAL\\PRIMARY\\M\\ND\\NORM"


def _siemens(sequence: str, variant: str, name: str, file: str, kind: str, **tags: Any) -> Tags:
    return {
        "Manufacturer": "SIEMENS", "ImageType": RAW, "ScanningSequence": sequence, "SequenceVariant": variant,
        "SequenceName": name, "SequenceFile": file, "MRAcquisitionType": kind, **tags,
    }  # fmt: skip


def timed(te: float, tr: float, flip: float = 0, ti: float = 0) -> Tags:
    known = {"EchoTime": te, "RepetitionTime": tr, "FlipAngle": flip, "InversionTime": ti}
    return {key: value for key, value in known.items() if value}


HEAD = {"matrix": (256, 240, 176), "orientation": SAGITTAL}
SLICES = {"matrix": (320, 260, 36)}
MPRAGE = _siemens("GR\\IR", "SK\\SP\\MP", "*tfl3d1_16ns", "tfl", "3D", **HEAD, **timed(2.98, 2300, 9, 900))
SPACE = _siemens("SE", "SK\\SP\\OSP", "*spc_314ns", "tse_vfl", "3D", **HEAD, **timed(408, 3200, 120))
SPACE_FLAIR = _siemens(
    "SE\\IR", "SK\\SP\\MP\\OSP", "*spcir_278ns", "tse_vfl", "3D", **HEAD, **timed(388, 5000, 120, 1800)
)
TIRM = _siemens("SE\\IR", "SK\\SP\\MP\\OSP", "*tir2d1_16fs", "tse", "2D", **SLICES, **timed(81, 9000, 150, 2500))
TSE = _siemens("SE", "SK\\SP\\OSP", "*tse2d1_16", "tse", "2D", **SLICES, **timed(96, 6000, 150))
SE_T1 = _siemens("SE", "SP\\OSP", "*se2d1", "se", "2D", **SLICES, **timed(8.9, 500, 70))
SCOUT3D = _siemens("GR", "SP", "*fl3d1_ns", "AALScout", "3D", matrix=(160, 160, 128), **timed(1.37, 3.15, 8))
MPR = {**SCOUT3D, "ImageType": "DERIVED\\PRIMARY\\MPR\\ND\\NORM", "matrix": (162, 162, 5)}
LOC = _siemens("GR", "SP\\OSP", "*fl2d1", "gre", "2D", **timed(4, 8.6, 20))
FIELD = _siemens("GR", "SP", "*fm2d2r", "gre_field_mapping", "2D", matrix=(64, 64, 36), **timed(4.92, 400, 60))
TOF = _siemens("GR", "SP", "*fl3d1r_ts_tb", "gre", "3D", AngioFlag="Y", matrix=(384, 330, 160), **timed(3.4, 21, 18))
SWI = _siemens("GR", "SP", "*swi3d1r", "gre", "3D", matrix=(256, 216, 80), **timed(20, 27, 15))
FLASH3D = _siemens("GR", "SP", "*fl3d1_ns", "gre", "3D", matrix=(256, 256, 176), **timed(3, 20, 20))


def _epi(name: str, file: str, pe: int | str = 1, **tags: Any) -> Tags:
    base = _siemens("EP", "SK", name, file, "2D", **{"matrix": (104, 104, 72), "ScanOptions": "FS", **tags})
    return {**base, "InPlanePhaseEncodingDirection": "COL", "PhaseEncodingPositive": pe}


#: PhaseEncodingDirectionPositive is 1 for A to P with the usual axial slices, 0 for P to A.
AP, PA = 1, 0
BOLD = _epi("epfid2d1_104", "cmrr_mbep2d_bold", **timed(37, 800, 52))
MULTIBAND = "ORIGINAL\\PRIMARY\\M\\MB\\ND\\MOSAIC"
SE_EPI = _epi("epse2d1_104", "cmrr_mbep2d_se", **timed(66, 8000, 90))
DWI = _epi("ep_b0", "cmrr_mbep2d_diff", **timed(89, 3230, 78), matrix=(140, 140, 92))
SHELL = (0.0, 1000.0, 2000.0)


def magnitudes(number: int, description: str = "gre_field_mapping", **more: Any) -> Series:
    return make(number, description, FIELD, *echoes(4.92, 7.38), **more)


def phase_difference(number: int, description: str = "gre_field_mapping", **more: Any) -> Series:
    part = phase("ORIGINAL\\PRIMARY\\P\\ND\\PHASE", 7.38)
    return make(number, description, FIELD, part, at=more.pop("at", 5.0 * (number - 1)), **more)


def bold(number: int, description: str, volumes: int = 300, **more: Any) -> Series:
    return make(number, description, BOLD, volumes=volumes, **{"ImageType": MULTIBAND, **more})


def sbref(number: int, description: str, tags: Tags = BOLD, **more: Any) -> Series:
    more = {"ImageComments": "Single-band reference", "protocol": description.removesuffix("_SBRef"), **more}
    return make(number, description, tags, **more)


# -- GE, Philips, UIH, Canon ------------------------------------------------------------------------------------------


def ge(sequence: str, variant: str, kind: str, name: str = "", **tags: Any) -> Tags:
    return {
        "Manufacturer": "GE MEDICAL SYSTEMS", "ImageType": "ORIGINAL\\PRIMARY\\OTHER", "ScanningSequence": sequence,
        "SequenceVariant": variant, "MRAcquisitionType": kind, "GePulseSequence": name, **tags,
    }  # fmt: skip


GE_BRAVO = ge("GR", "SS\\SP\\SK", "3D", "BRAVO", **HEAD, **timed(3.2, 8.2, 12, 450))
GE_SPGR = ge("GR", "SS\\SP\\SK", "3D", "efgre3d", **HEAD, **timed(3.2, 8.2, 12))
GE_CUBE = ge("SE", "SK\\OSP", "3D", "3dfse", **HEAD, **timed(90, 2500, 90))
GE_CUBE_FLAIR = ge("SE\\IR", "SK\\OSP", "3D", "3dfse", **HEAD, **timed(120, 6000, 90, 1648))
GE_FSE = ge("SE", "SK\\OSP", "2D", "fse-xl", **SLICES, **timed(10, 3000, 125))
GE_T1_FLAIR = ge("SE\\IR", "SK\\OSP", "2D", "fse-xl", **SLICES, **timed(24, 2000, 111, 800))
GE_EPI = ge("EP\\GR", "SS", "2D", "epiRT", ScanOptions="EPI_GEMS\\PFF", **timed(30, 2000, 77))
GE_DWI = ge("EP\\SE", "SS", "2D", "epi2", ScanOptions="EPI_GEMS\\PFF", **timed(80, 8000, 90), matrix=(128, 128, 60))
GE_CAL = ge("GR", "SS\\SP", "2D", "fgre", matrix=(256, 256, 30), **timed(1.7, 150, 50))
GE_B0 = ge("RM", "NONE", "2D", "B0map", matrix=(128, 128, 36), **timed(4.9, 800, 10))


def philips(sequence: str, technique: str, kind: str = "2D", **tags: Any) -> Tags:
    return {
        "Manufacturer": "Philips Medical Systems", "ImageType": "ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE",
        "ScanningSequence": sequence, "PhilipsTechnique": technique, "MRAcquisitionType": kind, **tags,
    }  # fmt: skip


PH_TFE = philips("GR", "T1TFE", "3D", SequenceVariant="MP", **HEAD, **timed(3.7, 8.1, 8))
PH_TSE = philips("SE", "TSE", ImageType="ORIGINAL\\PRIMARY\\M_SE\\M\\SE", **SLICES, **timed(80, 3000, 90))
PH_FLAIR = philips("IR", "TIR", ImageType="ORIGINAL\\PRIMARY\\M_IR\\M\\IR", **SLICES, **timed(125, 11000, 90, 2800))
PH_FEEPI = philips("GR", "FEEPI", PhilipsEpiFactor=43, matrix=(80, 80, 36), **timed(30, 2000, 77))
PH_DWI = philips(
    "SE", "DwiSE", ImageType="ORIGINAL\\PRIMARY\\M_SE\\M\\SE", matrix=(112, 112, 60), **timed(90, 8000, 90)
)
PH_SEEPI = philips("SE", "SEEPI", PhilipsEpiFactor=43, matrix=(80, 80, 36), **timed(60, 6000, 90))
PH_FFE = philips("GR", "T1FFE", "3D", matrix=(64, 64, 40), **timed(1.52, 3.8, 12))
PH_REF = philips("GR", "FFE", "3D", matrix=(64, 64, 90), **timed(0.75, 4, 1))


def uih(sequence: str, name: str, kind: str, **tags: Any) -> Tags:
    return {
        "Manufacturer": "UIH", "ImageType": "ORIGINAL\\PRIMARY\\M\\UCA\\IF", "ScanningSequence": sequence,
        "SequenceVariant": "NONE", "SequenceName": name, "MRAcquisitionType": kind, **tags,
    }  # fmt: skip


UIH_T1 = uih("GR\\IR", "gre_fsp", "3D", **HEAD, **timed(3.1, 7.25, 10, 750))
UIH_DTI = uih("EP", "epi_dti", "2D", matrix=(128, 128, 20), **timed(71.5, 5865, 90))
UIH_BOLD = uih("EP", "epi_bold", "2D", **timed(30, 2000, 90))


def canon(sequence: str, name: str, kind: str, **tags: Any) -> Tags:
    return {
        "Manufacturer": "CANON_MEC", "ImageType": "ORIGINAL\\PRIMARY\\GDC", "ScanningSequence": sequence,
        "SequenceVariant": "NONE", "SequenceName": name, "MRAcquisitionType": kind, **tags,
    }  # fmt: skip


CANON_DWI = canon("SE\\EP", "SEEPI2D+0.7", "2D", matrix=(80, 80, 40), **timed(79, 10000, 90))
CANON_BOLD = canon("GR\\EP", "FEEPI2D", "2D", **timed(30, 2000, 90))
CANON_T1 = canon("GR\\IR", "FFE3D", "3D", **HEAD, **timed(2.6, 6, 9, 900))
CANON_T2 = canon("SE", "FSE2D", "2D", **SLICES, **timed(100, 4500, 90))


def xa(tags: Tags, pulse: str = "", **more: Any) -> Tags:
    """Return what the same sequence says of itself in an enhanced object of XA: no ScanningSequence, no file name."""
    dropped = {"ScanningSequence", "SequenceVariant", "SequenceName", "ScanOptions"}
    kept = {key: value for key, value in tags.items() if key not in dropped}
    planar = {"EchoPlanarPulseSequence": "YES"} if "EP" in tags["ScanningSequence"] else {}
    pulse = pulse or ("SPIN" if "SE" in tags["ScanningSequence"] else "GRADIENT")
    name = {"PulseSequenceName": tags["SequenceName"]}
    return {**kept, "EchoPulseSequence": pulse, **planar, **name, "ImageType": "ORIGINAL\\PRIMARY\\M\\NONE", **more}


# -- plans ------------------------------------------------------------------------------------------------------------


def inventory_of(series: Sequence[Series]) -> Inventory:
    return Inventory(join_echoes(series), (), find_collisions(series))


def plan_of(series: Sequence[Series], **more: Any) -> tuple[PlanRow, ...]:
    known = {key: more.pop(key) for key in ("taken", "cohort", "find_beside") if key in more}
    return make_plan(inventory_of(series), Known(**known), **more).plan.rows


def short(row: PlanRow) -> str:
    """Return what a row says, without subject and session: ``anat/T1w``, ``skip``, ``review``."""
    if row.decision is not Decision.CONVERT:
        return str(row.decision)
    *folders, datatype, name = row.path.split("/")
    return f"{datatype}/{name.removeprefix('_'.join(folders) + '_')}"


def check(session: Sequence[Row], guesses: Mapping[str, Guess] | None = None, **more: Any) -> list[str]:
    """Return where the plan of a session differs from what is expected of it.

    What is expected is one word per image, or one for all: ``anat/T1w``, ``skip``, ``review``; behind a colon stands a
    text that the evidence must hold (blanks as underscores).
    """
    rows = plan_of([series for series, _ in session], guesses=guesses, **({"sessions": Sessions.AUTO} | more))
    wrong = []
    for series, expected in session:
        ours = [row for row in rows if row.series_uid == series.uid]
        words = expected.split()
        for row, word in zip(ours, words * len(ours) if len(words) == 1 else words, strict=True):
            want, _, said = word.partition(":")
            if short(row) != want or said.replace("_", " ").lower() not in row.evidence.lower():
                wrong.append(f"{row.title}: expected {word}, got {short(row)} ({row.path}): {row.evidence}")
    return wrong
