"""The session's list at the console: which series follow each other, with which parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bidsflow.phantom.grid import Grid, Vector, make_axial, make_coronal, make_sagittal
from bidsflow.phantom.perfusion import plan_perfusion
from bidsflow.phantom.protocol import Blocks, ImageName, PulseSequence, Readout, Series, Session, Size
from bidsflow.phantom.signal import Contrast

_BOLD = PulseSequence(
    ("EP",),
    ("SK",),
    ("FS",),
    "epfid2d1_{lines}",
    r"%SiemensSeq%\ep2d_bold",
    "2D",
    Contrast("spoiled", 2000, 77, fat_saturated=True),
    (30.0,),
    2232,
)
_SPIN_EPI = replace(
    _BOLD,
    name="epse2d1_{lines}",
    program=r"%SiemensSeq%\ep2d_se",
    contrast=Contrast("spin", 4000, 90, fat_saturated=True),
    te_ms=(60.0,),
)
_DIFFUSION = replace(
    _SPIN_EPI,
    name="ep_b",
    program=r"%SiemensSeq%\ep2d_diff",
    contrast=Contrast("spin", 5000, 90, fat_saturated=True),
    te_ms=(80.0,),
)
_MPRAGE = PulseSequence(
    ("GR", "IR"),
    ("SP", "MP"),
    ("IR",),
    "*tfl3d1_16ns",
    r"%SiemensSeq%\tfl",
    "3D",
    Contrast("mprage", 2300, 9, 900, pulses=176, pulse_spacing_ms=7.0),
    (2.98,),
    240,
)
_SPACE = PulseSequence(
    ("SE",),
    ("SK", "SP", "OSP"),
    ("PFP",),
    "*spc_200ns",
    r"%SiemensSeq%\tse_vfl",
    "3D",
    Contrast("spin", 3200, 120, effective_te_ms=100),
    (408.0,),
    744,
    282,
)
_FLAIR = PulseSequence(
    ("SE", "IR"),
    ("SK", "SP", "MP", "OSP"),
    ("IR", "FS"),
    "*tir2d1_16fs",
    r"%SiemensSeq%\tse",
    "2D",
    Contrast("inversion", 9000, 150, 2500, fat_saturated=True),
    (81.0,),
    289,
    16,
)
_PROTON = PulseSequence(
    ("SE",),
    ("SK", "SP", "OSP"),
    (),
    "*tse2d1_5",
    r"%SiemensSeq%\tse",
    "2D",
    Contrast("spin", 3000, 150),
    (11.0,),
    252,
    5,
)
_FIELDMAP = PulseSequence(
    ("GR",),
    ("SP",),
    (),
    "*fm2d2r",
    r"%SiemensSeq%\gre_field_mapping",
    "2D",
    Contrast("spoiled", 400, 60),
    (4.92, 7.38),
    290,
)
_SCOUT = PulseSequence(
    ("GR",),
    ("SP", "OSP"),
    (),
    "*fl2d1",
    r"%SiemensSeq%\gre",
    "2D",
    Contrast("spoiled", 7.5, 20),
    (3.0,),
    320,
)
_FOV = 240.0
_DIFFUSION_B = 1000.0


@dataclass(frozen=True, slots=True)
class Geometry:
    """The stacks of a session: of 3D scans, slices, echo-planar images, diffusion-weighted ones, and the localizer."""

    volume: Grid
    planar: Grid
    epi: Grid
    diffusion: Grid
    scouts: tuple[Grid, ...]


def lay_out(size: Size) -> Geometry:
    """Return the stacks of a session: the whole head for volumes, the brain for echo-planar images."""
    columns, rows, slices = size.volume
    volume = make_sagittal(size.volume, (_FOV / columns, _FOV / rows, 182.4 / slices))
    columns, rows, slices = size.planar
    apart = 144 / slices
    planar = make_axial(size.planar, (_FOV / columns, _FOV / rows, apart), tilt=6, gap=0.2 * apart)
    epi, diffusion = (
        make_axial((columns, rows, slices), (_FOV / columns, _FOV / rows, 128 / slices), tilt=12)
        for columns, rows, slices in (size.epi, size.diffusion)
    )
    pixel = 256 / size.scout
    makers = (make_sagittal, make_coronal, make_axial)
    scouts = tuple(make((size.scout, size.scout, 3), (pixel, pixel, 20.0)) for make in makers)
    return Geometry(volume, planar, epi, diffusion, tuple(replace(s, thickness=7.0) for s in scouts))


def _read_epi(grid: Grid, direction: str) -> Readout:
    return Readout(direction, 0.0005, grid.shape[1])


def _name(datatype: str, suffix: str, **entities: str) -> ImageName:
    return ImageName(datatype, suffix, tuple(entities.items()))


def spread_directions(count: int) -> tuple[tuple[float, float, float], ...]:
    """Return unit vectors spread over the half-sphere, in the spacing of the golden angle.

    In such an order that any first part of them is spread as well, as in the tables of scanners (Cook et al. 2007,
    doi:10.1002/jmri.20905): a drift of the head is no pattern of the gradients.

    Examples
    --------
    >>> [round(math.hypot(*v), 6) for v in spread_directions(2)]
    [1.0, 1.0]
    """
    left = []
    for index in range(count):
        height = 1 - (index + 0.5) / count
        angle = index * math.pi * (3 - math.sqrt(5))
        radius = math.sqrt(1 - height * height)
        vector = (radius * math.cos(angle), radius * math.sin(angle), height)
        left.append((round(vector[0], 6), round(vector[1], 6), round(vector[2], 6)))
    out: list[Vector] = []
    while left:
        out.append(min(left, key=lambda vector: _repel(vector, out)))
        left.remove(out[-1])
    return tuple(out)


def _repel(vector: Vector, others: Sequence[Vector]) -> float:
    """Return the energy of a charge on a sphere among others and their opposites (Jones et al. 1999)."""
    return sum(
        1 / math.dist(vector, other) + 1 / math.hypot(*map(sum, zip(vector, other, strict=True))) for other in others
    )


def _series(key: str, form: str, description: str, sequence: PulseSequence, grid: Grid) -> Series:
    """Return a series of one volume; its number and time come from `plan_session`."""
    named = replace(sequence, name=sequence.name.format(lines=grid.shape[1]))
    return Series(key, form, 0, description, named, (grid,), datetime.min, 0.0)


def _plan_anatomy(geometry: Geometry) -> dict[str, tuple[Series, ...]]:
    scout = _series("localizer", "localizer", "localizer", _SCOUT, geometry.scouts[0])
    t1w = _series("t1w", "image", "t1_mprage_sag_p2", _MPRAGE, geometry.volume)
    t2w = _series("t2w", "image", "t2_space_sag_p2_iso", _SPACE, geometry.volume)
    flair = _series("flair", "image", "t2_tirm_tra_dark-fluid", _FLAIR, geometry.planar)
    pdw = _series("pdw", "image", "pd_tse_tra", _PROTON, geometry.planar)
    return {
        "localizer": (replace(scout, grids=geometry.scouts, duration=12.0, skip="localizer"),),
        "t1w": (replace(t1w, duration=312.0, names=(_name("anat", "T1w"),)),),
        "t2w": (replace(t2w, duration=282.0, names=(_name("anat", "T2w"),)),),
        "flair": (replace(flair, duration=162.0, names=(_name("anat", "FLAIR"),)),),
        "pdw": (replace(pdw, duration=126.0, names=(_name("anat", "PDw"),)),),
    }


def _plan_fields(geometry: Geometry) -> dict[str, tuple[Series, ...]]:
    grid = geometry.epi
    names = (_name("fmap", "magnitude1"), _name("fmap", "magnitude2"))
    magnitude = _series("fieldmap", "image", "gre_field_mapping", _FIELDMAP, grid)
    phase = replace(magnitude, form="phase", names=(_name("fmap", "phasediff"),), same_scan=True)
    pair = []
    for direction in ("AP", "PA"):
        one = _series("topup", "epi", f"SpinEchoFieldMap_{direction}", _SPIN_EPI, grid)
        name = _name("fmap", "epi", dir=direction)
        pair.append(replace(one, volumes=2, planned=2, readout=_read_epi(grid, direction), names=(name,)))
    return {
        "fieldmap": (replace(magnitude, duration=52.0, names=names), phase),
        "topup": tuple(pair),
    }


def _make_run(geometry: Geometry, task: str, volumes: int, key: str) -> Series:
    run = _series(key, "epi", f"BOLD_{task}", _BOLD, geometry.epi)
    readout = _read_epi(geometry.epi, "AP")
    name = _name("func", "bold", task=task)
    return replace(run, volumes=volumes, planned=volumes, readout=readout, names=(name,), moves=True)


def _make_reference(run: Series) -> Series:
    name = ImageName("func", "sbref", run.names[0].entities)
    return replace(
        run,
        key="sbref",
        description=f"{run.description}_SBRef",
        volumes=1,
        planned=1,
        names=(name,),
        moves=False,
        blocks=None,
        comment="Single-band reference",
    )


def _plan_function(geometry: Geometry, size: Size, keys: Sequence[str]) -> dict[str, tuple[Series, ...]]:
    """Return the runs; with "sbref" each run of one echo has its reference before it."""
    count = size.bold_volumes
    total = count * _BOLD.contrast.tr_ms / 1000
    blocks = Blocks(tuple(float(t) for t in range(8, int(total) - 8, 20)), 10.0, 5.0)
    rest = _make_run(geometry, "rest", count, "rest")
    task = replace(_make_run(geometry, "motor", count, "task"), blocks=blocks)
    again = _make_run(geometry, "nback", count, "aborted")
    part = max(2, count // 3)
    aborted = replace(again, volumes=part, names=(), skip=f"aborted after {part} of {count} volumes")
    movie = _make_run(geometry, "movie", size.multiecho_volumes, "mebold")
    echoes = (13.0, 31.0, 49.0)
    contrast = Contrast("spoiled", 2500, 80, fat_saturated=True)
    sequence = replace(movie.sequence, te_ms=echoes, contrast=contrast)
    names = tuple(_name("func", "bold", task="movie", echo=str(i + 1)) for i in range(len(echoes)))
    movie = replace(movie, description="BOLD_ME_movie", sequence=sequence, names=names)
    out = {"rest": (rest,), "task": (task,), "aborted": (aborted, again), "mebold": (movie,)}
    if "sbref" in keys:
        for key in ("rest", "task"):
            out[key] = (_make_reference(out[key][0]), *out[key])
    return out


def _plan_diffusion(geometry: Geometry, size: Size) -> dict[str, tuple[Series, ...]]:
    b_values: list[float] = []
    directions: list[tuple[float, float, float]] = []
    for index, vector in enumerate(spread_directions(size.directions)):
        if index % 12 == 0:
            b_values.append(0.0)
            directions.append((0.0, 0.0, 0.0))
        b_values.append(_DIFFUSION_B)
        directions.append(vector)
    count = len(b_values)
    series = _series("dwi", "diffusion", "DWI_b1000_AP", _DIFFUSION, geometry.diffusion)
    series = replace(
        series,
        volumes=count,
        planned=count,
        readout=_read_epi(geometry.diffusion, "AP"),
        b_values=tuple(b_values),
        directions=tuple(directions),
        names=(_name("dwi", "dwi", dir="AP"),),
        moves=True,
    )
    adc = replace(
        series,
        key="adc",
        form="adc",
        description="DWI_b1000_AP_ADC",
        volumes=1,
        planned=1,
        b_values=(),
        directions=(),
        names=(_name("dwi", "ADC", dir="AP"),),
        same_scan=True,
        moves=False,
    )
    return {"dwi": (series,), "adc": (adc,)}


# Protocols are named by the people at the scanner; these are the usual words on GE's consoles.
_GE_NAMES = {
    "localizer": "3Plane Loc",
    "t1_mprage_sag_p2": "Sag 3D T1 BRAVO",
    "t2_space_sag_p2_iso": "Sag CUBE T2",
    "t2_tirm_tra_dark-fluid": "Ax T2 FLAIR",
    "pd_tse_tra": "Ax PD FSE",
    "gre_field_mapping": "Field Map GRE",
}


def _adapt_to_ge(series: Series) -> Series:
    """Return a series as GE scans it: both phases instead of their difference, interleaved from the first."""
    description = _GE_NAMES.get(series.description, series.description)
    out = replace(series, maker="ge", description=description)
    if series.form != "phase":
        return out
    return replace(out, form="phases", names=(_name("fmap", "phase1"), _name("fmap", "phase2")))


def _fill_times(planned: Sequence[Series], start: datetime) -> Iterator[Series]:
    """Yield the series with numbers and times; maps made from a scan carry the time of that scan."""
    clock, latest = start + timedelta(seconds=40, milliseconds=512, microseconds=500), start
    for number, series in enumerate(planned, start=1):
        if series.same_scan:
            yield replace(series, number=number, start=latest)
            continue
        duration = series.duration or series.volumes * series.sequence.contrast.tr_ms / 1000
        yield replace(series, number=number, start=clock, duration=duration)
        latest, clock = clock, clock + timedelta(seconds=math.ceil(duration) + 21)


def plan_session(
    session: Session,
    size: Size,
    keys: Sequence[str],
    maker: str = "siemens",
    edit: Callable[[Series], Series] | None = None,
) -> tuple[Series, ...]:
    """Return the series of a session in the order in which they are scanned.

    Parameters
    ----------
    session : Session
        Who comes when.
    size : Size
        Matrices and numbers of volumes.
    keys : sequence of str
        Kinds of series, from `select_keys`.
    maker : {"siemens", "ge"}
        Of the scanner.
    edit : callable, optional
        Changes one series, for example its description. Times and numbers are given before.
    """
    geometry = lay_out(size)
    table = {
        **_plan_anatomy(geometry),
        **_plan_fields(geometry),
        **_plan_function(geometry, size, keys),
        **_plan_diffusion(geometry, size),
    }
    planned = [series for key in keys if key in table for series in table[key]]
    if "asl" in keys:
        planned += plan_perfusion(table["rest"][-1], maker)
    if maker == "ge":
        planned = [_adapt_to_ge(series) for series in planned]
    timed = tuple(_fill_times(planned, session.start))
    return timed if edit is None else tuple(edit(series) for series in timed)
