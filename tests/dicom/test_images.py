"""What images the instances of a series make."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from bidsflow.dicom.frames import summarise_frames
from bidsflow.dicom.header import Header
from bidsflow.dicom.images import APART, MIXED, b_values, component, split_images
from bidsflow.dicom.series import Image, Instance

AXIAL, SAGITTAL = "1\\0\\0\\0\\1\\0", "0\\1\\0\\0\\0\\-1"


def place(slice_: int) -> str:
    return f"-100\\-100\\{3 * slice_}"


def images_of(instances: list[Instance], **protocol: str) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    return split_images(instances, Header({**instances[0].header.values, **protocol}))


def volumes(kit: Any, slices: int, count: int, **values: object) -> list[Instance]:
    return [
        kit.instance(f"/{v}/{s}", ImagePositionPatient=place(s), ImageOrientationPatient=AXIAL, **values)
        for v in range(count)
        for s in range(slices)
    ]


def test_slices_are_counted_by_their_places(kit: Any) -> None:
    (image,), problems = images_of(volumes(kit, 20, 3))
    assert (image.matrix, image.volumes, image.n_instances, image.echo) == ((64, 64, 20), 3, 60, 0)
    assert problems == ()


def test_an_incomplete_last_volume_is_told(kit: Any) -> None:
    (image,), problems = images_of(volumes(kit, 20, 3)[:-7])
    assert (image.matrix[2], image.volumes) == (20, 3)
    assert problems == ("a volume is incomplete: 53 images do not fill volumes of 20 slices",)


def test_images_without_places_are_one_slice_each(kit: Any) -> None:
    (image,), _ = images_of(
        [kit.instance(f"/{i}", ImageOrientationPatient="", ImagePositionPatient="") for i in range(4)]
    )
    assert (image.matrix, image.volumes, image.orientation) == ((64, 64, 1), 4, ())


def test_what_is_derived_of_others_is_an_image_of_its_own(kit: Any) -> None:
    raw = volumes(kit, 4, 3, ImageType="ORIGINAL\\PRIMARY\\M\\ND", DiffusionBValue="1000.0")
    adc = volumes(kit, 4, 1, ImageType="DERIVED\\PRIMARY\\ADC\\ND")
    trace = volumes(kit, 4, 1, ImageType="DERIVED\\PRIMARY\\TRACE\\ND", DiffusionBValue="1000.0")
    images, problems = images_of([*raw, *adc, *trace])
    assert [(one.volumes, one.header.text("ImageType")) for one in images] == [
        (3, "ORIGINAL\\PRIMARY\\M\\ND"),
        (2, "DERIVED\\PRIMARY\\ND"),  # dcm2niix makes one image of both, so it is neither
    ]
    assert problems == ()
    (whole,), _ = images_of([*adc, *trace])  # nothing else: one image, as ever
    assert (whole.volumes, whole.header.text("ImageType")) == (2, "DERIVED\\PRIMARY\\ADC\\ND")


def test_a_file_of_frames_that_is_derived_is_an_image_of_its_own(kit: Any) -> None:
    places = [{"ImagePositionPatient": place(s), "ImageOrientationPatient": AXIAL} for s in range(4)]
    files = [
        kit.instance(f"/{n}", ImageType=f"{first}\\PRIMARY\\DIFFUSION\\NONE", **summarise_frames([], places))
        for n, first in enumerate(("ORIGINAL", "ORIGINAL", "DERIVED"))
    ]
    images, _ = images_of(files)
    assert [(one.volumes, one.header.words("ImageType")[0]) for one in images] == [(2, "ORIGINAL"), (1, "DERIVED")]


@pytest.mark.parametrize(("derived", "apart"), [(range(4, 8), True), (range(2), False), (range(8), False)])
def test_slices_that_are_derived_at_places_of_their_own_are_told(kit: Any, derived: range, apart: bool) -> None:
    raw = volumes(kit, 4, 1, ImageType="ORIGINAL\\PRIMARY\\M")
    other = [
        kit.instance(
            f"/d{s}", ImagePositionPatient=place(s), ImageOrientationPatient=AXIAL, ImageType="DERIVED\\PRIMARY\\M"
        )
        for s in derived
    ]
    images, problems = images_of([*raw, *other])
    assert [one.matrix[2] for one in images] == [4, len(derived)]
    assert (APART in problems) == apart


def test_derived_slices_whose_places_are_spelled_otherwise_are_at_the_same(kit: Any) -> None:
    raw = volumes(kit, 4, 1, ImageType="ORIGINAL\\PRIMARY\\M")
    other = [
        kit.instance(f"/d{s}", ImagePositionPatient=f"{place(s)}.0", ImageOrientationPatient=AXIAL,
                     ImageType="DERIVED\\PRIMARY\\M") for s in range(4)
    ]  # fmt: skip
    assert images_of([*raw, *other])[1] == ()


def test_echoes_are_numbered_by_their_time(kit: Any) -> None:
    three = [
        *volumes(kit, 4, 2, EchoTime="30.5"),
        *volumes(kit, 4, 2, EchoTime="12"),
        *volumes(kit, 4, 2, EchoTime="49"),
    ]
    images, _ = images_of(three)
    assert [(one.echo, one.echo_time) for one in images] == [(1, 12.0), (2, 30.5), (3, 49.0)]
    assert {one.volumes for one in images} == {2}


def test_echo_times_written_in_two_ways_are_one_echo(kit: Any) -> None:
    (image,), _ = images_of([*volumes(kit, 4, 1, EchoTime="2.46"), *volumes(kit, 4, 1, EchoTime="2.4600000381")])
    assert (image.echo, image.volumes) == (0, 2)


def test_magnitude_and_phase_in_one_series_are_two_images(kit: Any) -> None:
    both = [
        *volumes(kit, 3, 2, ImageType="ORIGINAL\\PRIMARY\\P\\ND"),
        *volumes(kit, 3, 2, ImageType="ORIGINAL\\PRIMARY\\M"),
    ]
    images, _ = images_of(both)
    assert [(one.component, one.volumes) for one in images] == [("magnitude", 2), ("phase", 2)]


def test_orientations_and_sizes_make_images_of_their_own(kit: Any) -> None:
    scout = [*volumes(kit, 3, 1), kit.instance("/s", ImageOrientationPatient=SAGITTAL), *volumes(kit, 3, 1, Rows="128")]
    images, _ = images_of(scout)
    assert sorted((one.matrix, one.orientation[:2]) for one in images) == [
        ((64, 64, 1), (0.0, 1.0)),
        ((64, 64, 3), (1.0, 0.0)),
        ((64, 128, 3), (1.0, 0.0)),
    ]


class Mosaic(NamedTuple):
    values: dict[str, str]
    protocol: dict[str, str]
    matrix: tuple[int, int, int]
    said: str = ""


#: Voxels of which 384 are not wider than a magnet; EPI.
SMALL, MEASURED = {"PixelSpacing": "1.2\\1.2"}, {"ScanningSequence": "EP"}
MOSAICS = {
    "siemens-header": Mosaic({"ImageType": "ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC", "MosaicSlices": "36"}, {}, (64, 64, 36)),
    "siemens-csa": Mosaic({"ImageType": "ORIGINAL\\PRIMARY\\M\\MOSAIC"}, {"MosaicSlices": "31"}, (64, 64, 31)),
    "siemens-unknown": Mosaic({"ImageType": "ORIGINAL\\PRIMARY\\M\\MOSAIC"}, {}, (384, 384, 1), "(MOSAIC)"),
    "siemens-negative": Mosaic({"ImageType": "M\\P\\MOSAIC", "MosaicSlices": "-4"}, {}, (384, 384, 1), "(MOSAIC)"),
    "siemens-one-slice": Mosaic({"ImageType": "M\\P\\MOSAIC", "MosaicSlices": "1", **SMALL}, {}, (384, 384, 1)),
    "word lost": Mosaic({"ImageType": "DERIVED\\SECONDARY"}, {"MosaicSlices": "36"}, (64, 64, 36)),
    "count of the source in a map": Mosaic(
        {"ImageType": "DERIVED\\ADC", **SMALL}, {"MosaicSlices": "36"}, (384, 384, 1)
    ),
    "all lost": Mosaic({"ImageType": "ORIGINAL\\PRIMARY\\M"}, {}, (384, 384, 1), "1152 by 1152 mm wide"),
    "all lost, small voxels": Mosaic(
        {**SMALL, **MEASURED, "AcquisitionMatrix": "64\\0\\0\\64"}, {}, (384, 384, 1), "of 64 by 64"
    ),
    "all lost, fewer lines": Mosaic(
        {**SMALL, **MEASURED, "AcquisitionMatrix": "0\\64\\48\\0"}, {}, (384, 384, 1), "of 64 by 48"
    ),
    "interpolated": Mosaic({**SMALL, **MEASURED, "AcquisitionMatrix": "192\\0\\0\\192"}, {}, (384, 384, 1)),
    "no multiple": Mosaic({**SMALL, **MEASURED, "AcquisitionMatrix": "0\\100\\100\\0"}, {}, (384, 384, 1)),
    "filled with zeros, and no EPI": Mosaic({**SMALL, "AcquisitionMatrix": "0\\128\\128\\0"}, {}, (384, 384, 1)),
    "PET": Mosaic({"Modality": "PT"}, {}, (384, 384, 1)),
    "siemens-claim": Mosaic({"ImageType": "M\\P\\MOSAIC", "MosaicSlices": "36"}, {"MosaicSlices": "9"}, (64, 64, 36)),
    "uih-grid": Mosaic({"Manufacturer": "UIH", "UihGridSlices": "36"}, {}, (64, 64, 36)),
    "uih-single": Mosaic({"Manufacturer": "UIH", "UihGridSlices": "1", **SMALL}, {}, (384, 384, 1)),
    "other-maker": Mosaic({"Manufacturer": "GE", "UihGridSlices": "36", **SMALL}, {}, (384, 384, 1)),
}


@pytest.mark.parametrize("name", MOSAICS)
def test_mosaics_are_unfolded(kit: Any, name: str) -> None:
    case = MOSAICS[name]
    files = [kit.instance(f"/{i}", Rows=384, Columns=384, **case.values) for i in range(5)]
    (image,), problems = images_of(files, **case.protocol)
    assert (image.matrix, image.volumes) == (case.matrix, 5)
    assert [case.said in one and "get the export with them" in one for one in problems] == [True] * bool(case.said)


def test_slices_of_their_own_are_no_tiles(kit: Any) -> None:
    epi = {"Rows": 256, "Columns": 256, "PixelSpacing": "0.9\\0.9", "ScanningSequence": "EP"}
    (image,), problems = images_of(volumes(kit, 20, 3, AcquisitionMatrix="64\\0\\0\\64", **epi))
    assert (image.matrix, problems) == ((256, 256, 20), ())


# --- multi-frame -----------------------------------------------------------------------------------------------------


def enhanced(kit: Any, frames: list[dict[str, str]], path: str = "/e", **values: object) -> Instance:
    shared = {"ImageOrientationPatient": AXIAL}
    return kit.instance(path, **{**summarise_frames([shared], frames), "NumberOfFrames": len(frames)}, **values)


def frame(slice_: int, **values: str) -> dict[str, str]:
    return {"ImagePositionPatient": place(slice_), **values}


def test_one_file_may_hold_all_volumes(kit: Any) -> None:
    frames = [frame(s, DiffusionBValue=b) for b in ("0.0", "1000.0", "1000.0", "2000.0") for s in range(5)]
    (image,), _ = images_of([enhanced(kit, frames)])
    assert (image.matrix, image.volumes, image.b_values, image.n_instances) == (
        (64, 64, 5),
        4,
        (0.0, 1000.0, 2000.0),
        1,
    )


def test_one_file_may_hold_one_volume(kit: Any) -> None:
    files = [enhanced(kit, [frame(s) for s in range(5)], f"/{v}") for v in range(7)]
    (image,), _ = images_of(files)
    assert (image.matrix, image.volumes, image.n_instances) == ((64, 64, 5), 7, 7)


def test_one_file_may_hold_one_frame(kit: Any) -> None:
    files = [enhanced(kit, [frame(s)], f"/{v}/{s}") for v in range(3) for s in range(5)]
    (image,), _ = images_of(files)
    assert (image.matrix, image.volumes, image.n_instances) == ((64, 64, 5), 3, 15)


def test_one_file_may_hold_echoes_and_components(kit: Any) -> None:
    frames = [
        frame(s, EffectiveEchoTime=echo, ComplexImageComponent=part)
        for echo in ("4.92", "7.38")
        for part in ("MAGNITUDE", "PHASE")
        for s in range(6)
    ]
    images, _ = images_of([enhanced(kit, frames)])
    assert [(one.component, one.echo, one.echo_time, one.matrix[2], one.volumes) for one in images] == [
        ("magnitude", 1, 4.92, 6, 1),
        ("magnitude", 2, 7.38, 6, 1),
        ("phase", 1, 4.92, 6, 1),
        ("phase", 2, 7.38, 6, 1),
    ]


def test_a_mixed_component_is_told_by_the_image_type(kit: Any) -> None:
    frames = [frame(s, ComplexImageComponent="MIXED") for s in range(3)]
    (image,), _ = images_of([enhanced(kit, frames, ImageType="ORIGINAL\\PRIMARY\\P\\NONE")])
    assert image.component == "phase"


def test_several_and_single_frames_may_stand_in_one_series(kit: Any) -> None:
    images, _ = images_of([enhanced(kit, [frame(0), frame(1)], Rows=32), kit.instance("/c")])
    assert sorted(one.matrix for one in images) == [(64, 32, 2), (64, 64, 1)]


def test_frames_without_functional_groups_are_slices(kit: Any) -> None:
    (image,), _ = images_of([kit.instance("/m", NumberOfFrames="12")])
    assert (image.matrix, image.volumes) == ((64, 64, 12), 1)


@pytest.mark.parametrize(
    "values",
    [
        {"EffectiveEchoTime": "nan"},
        {"EffectiveEchoTime": "1.0\\2.0"},
        {"EffectiveEchoTime": "a|b;c"},
        {"DiffusionBValue": "high"},
        {"DiffusionBValue": "0.0\\1000.0"},
        {"ComplexImageComponent": "A|B;C"},
        {"ImageOrientationPatient": "1\\x\\0"},
        {"ImageOrientationPatient": "inf\\0\\0\\0\\1\\0"},
        {"ImagePositionPatient": "|;"},
    ],
)
def test_odd_values_in_frames_are_no_obstacle(kit: Any, values: dict[str, str]) -> None:
    images, _ = images_of([enhanced(kit, [{**frame(0), **values}, frame(1)])])
    assert images
    assert all(image.volumes >= 1 for image in images)


# --- evidence of the makers ------------------------------------------------------------------------------------------


class BValues(NamedTuple):
    values: dict[str, str]
    expected: tuple[float, ...]


B_VALUES = {
    "standard": BValues({"DiffusionBValue": "1000.0"}, (1000.0,)),
    "canon": BValues(
        {"Manufacturer": "CANON_MEC", "DiffusionBValue": "1500.0", "ImageComments": "b=1500(0,0,1)"}, (1500.0,)
    ),
    "siemens-ve": BValues({"SiemensBValue": "700"}, (700.0,)),
    "siemens-b0": BValues({"SiemensBValue": "0"}, (0.0,)),
    "philips": BValues({"PhilipsBValue": "800.0"}, (800.0,)),
    "uih": BValues({"UihBValue": "1250.0"}, (1250.0,)),
    "ge-typed": BValues({"GeBValue": "1000000700\\8\\0\\0"}, (700.0,)),
    "ge-plain": BValues({"GeBValue": "1000\\8\\0\\0"}, (1000.0,)),
    "ge-none": BValues({"GeBValue": "0\\0\\0\\0"}, ()),
    "ge-nonsense": BValues({"GeBValue": "-4"}, ()),
    "frames": BValues(
        {"Frames.DiffusionBValue": "0.0\\1000.0\\2000.0", "DiffusionBValue": "0.0"}, (0.0, 1000.0, 2000.0)
    ),
    "nothing": BValues({}, ()),
    "not-a-number": BValues({"DiffusionBValue": "nan"}, ()),
}


@pytest.mark.parametrize("name", B_VALUES)
def test_b_values_are_read_from_where_each_maker_writes_them(name: str) -> None:
    assert b_values(Header(B_VALUES[name].values)) == B_VALUES[name].expected


UNSAID = {
    "some lost": ((0, 700, 700, None, None), "2 of its 5 images say no b-value"),
    "zero is never said": ((None, 700, 700, None), ""),
    "all say one": ((0, 700, 0), ""),
    "none weights": ((0, None), ""),
}


@pytest.mark.parametrize("name", UNSAID)
@pytest.mark.parametrize("multi", [False, True], ids=["classic", "enhanced"])
def test_b_values_that_were_lost_are_told(kit: Any, name: str, *, multi: bool) -> None:
    said, expected = UNSAID[name]
    frames = [{"ImagePositionPatient": place(0), "ImageOrientationPatient": AXIAL}]
    instances = [
        kit.instance(
            f"/{number}",
            **(summarise_frames([], frames) if multi else frames[0]),
            **({} if value is None else {"SiemensBValue": str(value)}),
        )
        for number, value in enumerate(said)
    ]
    _, problems = images_of(instances)
    told = [one for one in problems if "b-value" in one]
    assert [one.partition(",")[0] for one in told] == ([expected] if expected else [])


COMPONENTS = {
    "default": ({}, "magnitude"),
    "siemens": ({"ImageType": "ORIGINAL\\PRIMARY\\P\\ND"}, "phase"),
    "philips-phase": ({"ImageType": "ORIGINAL\\PRIMARY\\PHASE MAP\\P\\SE"}, "phase"),
    "philips-real": ({"ImageType": "ORIGINAL\\PRIMARY\\R_SE\\R\\SE"}, "real"),
    "philips-imaginary": ({"ImageType": "ORIGINAL\\PRIMARY\\I_SE\\I\\SE"}, "imaginary"),
    "enhanced": ({"ComplexImageComponent": "IMAGINARY", "ImageType": "ORIGINAL\\PRIMARY\\M"}, "imaginary"),
    "ge": ({"Manufacturer": "GE MEDICAL SYSTEMS", "GeImageType": "1", "ImageType": "ORIGINAL\\PRIMARY\\M"}, "phase"),
    "ge-real": ({"Manufacturer": "GE MEDICAL SYSTEMS", "GeImageType": "2"}, "real"),
    "first-two-words": ({"ImageType": "P\\R\\M"}, "magnitude"),
}


@pytest.mark.parametrize("name", COMPONENTS)
def test_the_component_is_read_from_where_each_maker_writes_it(name: str) -> None:
    values, expected = COMPONENTS[name]
    assert component(Header(values)) == expected


@pytest.mark.parametrize(
    ("of_map", "expected"),
    [
        ({"RescaleType": "Hz"}, ([2], True)),
        ({"ImageType": "ORIGINAL\\PRIMARY\\B0 MAP\\B0\\UNSPECIFIED"}, ([2], True)),
        ({"RescaleType": "Hz", "EchoTime": 0}, ([1, 1], False)),  # as Philips writes it: dcm2niix makes two images
        ({"RescaleType": "Hz", "ComplexImageComponent": "REAL"}, ([1, 1], False)),
        ({"RescaleType": "normalized"}, ([2], False)),
    ],
)
@pytest.mark.parametrize("map_first", [False, True])
def test_a_map_in_hz_that_dcm2niix_mixes_with_its_magnitude_is_told(
    kit: Any, of_map: dict[str, object], expected: tuple[list[int], bool], map_first: bool
) -> None:
    both = {"Manufacturer": "Philips", "ImageType": "ORIGINAL\\PRIMARY\\M_FFE\\M\\FFE", "EchoTime": 4.6}
    parts = [volumes(kit, 4, 1, **both), volumes(kit, 4, 1, **{**both, **of_map})]
    images, problems = images_of([one for part in (parts[::-1] if map_first else parts) for one in part])
    assert ([one.volumes for one in images], MIXED in problems) == expected
