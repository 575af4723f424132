"""Headers of NIfTI, gzip and TIFF files, and tables of gradients."""

# ruff: noqa: E501 -- a table: one line a row, as far as it goes

from __future__ import annotations

import zlib

from tests.validate.defects.change import drop, field, move, mutation, put, recode, reshape
from tests.validate.defects.content import image, ome, rows, to_gzip, to_nifti, to_nifti2, to_tiff

T1 = "sub-01/anat/sub-01_T1w.nii.gz"
BOLD = "sub-01/func/sub-01_task-nback_run-1_bold.nii.gz"
EPI = "sub-01/fmap/sub-01_dir-AP_epi.nii.gz"
BVAL = "sub-01/dwi/sub-01_dwi.bval"
BVEC = "sub-01/dwi/sub-01_dwi.bvec"
SPIM = "sub-01/micr/sub-01_sample-A_SPIM.ome.tif"
NAN, INF = float("nan"), float("inf")
BOTH = ("headers", "nohdr")


def deflate(data: bytes) -> bytes:
    """Return a gzip file that is truly compressed."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


NIFTI = (
    mutation("nifti_four_dims_t1", "mri", reshape(T1, 4, 4, 4, 2), modes=BOTH),
    mutation("nifti_two_dims_t1", "mri", reshape(T1, 4, 4)),
    mutation("nifti_three_dims_bold", "mri", reshape(BOLD, 4, 4, 4), modes=BOTH),
    mutation("nifti_five_dims_bold", "mri", reshape(BOLD, 4, 4, 4, 4, 2)),
    mutation("nifti_one_volume_bold", "mri", reshape(BOLD, 4, 4, 4, 1)),
    mutation("nifti_dim_zero", "mri", reshape(T1, 4, 0, 4)),
    mutation("nifti_dim_negative", "mri", reshape(T1, 4, -4, 4)),
    mutation("nifti_ndim_zero", "mri", reshape(T1, 4, 4, 4, ndim=0)),
    mutation("nifti_ndim_seven", "mri", reshape(T1, 4, 4, 4, ndim=7)),
    mutation("nifti_ndim_eight", "mri", reshape(T1, 4, 4, 4, ndim=8)),
    mutation("nifti_ndim_negative", "mri", reshape(T1, 4, 4, 4, ndim=-1)),
    mutation("nifti_ndim_huge", "mri", reshape(T1, 4, 4, 4, ndim=1000)),
    mutation("nifti_repetition_time", "mri", reshape(BOLD, 4, 4, 4, 4, steps=(2, 2, 2, 1.5)), modes=BOTH),
    mutation("nifti_repetition_time_msec", "mri", reshape(BOLD, 4, 4, 4, 4, steps=(2, 2, 2, 2000), units=18)),
    mutation("nifti_repetition_time_float32", "mri", reshape(BOLD, 4, 4, 4, 4, steps=(2, 2, 2, 0.8)),
             field("task-nback_bold.json", RepetitionTime=0.8)),
    mutation("nifti_repetition_time_half_up", "mri", reshape(BOLD, 4, 4, 4, 4, steps=(2, 2, 2, 2.0005))),
    mutation("nifti_repetition_time_zero", "mri", reshape(BOLD, 4, 4, 4, 4, steps=(2, 2, 2, 0))),
    mutation("nifti_repetition_time_nan", "mri", reshape(BOLD, 4, 4, 4, 4, steps=(2, 2, 2, NAN))),
    mutation("nifti_units_unknown", "mri", reshape(T1, units=0)),
    mutation("nifti_units_meter", "mri", reshape(T1, units=1)),
    mutation("nifti_units_time_unknown", "mri", reshape(BOLD, 4, 4, 4, 4, units=2)),
    mutation("nifti_units_hertz", "mri", reshape(BOLD, 4, 4, 4, 4, units=34)),
    mutation("nifti_units_time_unknown_3d", "mri", reshape(T1, units=2)),
    mutation("nifti_units_all_bits", "mri", reshape(T1, units=255)),
    mutation("nifti_voxel_zero", "mri", reshape(T1, steps=(2, 0, 2))),
    mutation("nifti_voxel_negative", "mri", reshape(T1, steps=(-2, 2, 2))),
    mutation("nifti_voxel_nan", "mri", reshape(T1, steps=(NAN, 2, 2))),
    mutation("nifti_voxel_infinite", "mri", reshape(T1, steps=(INF, 2, 2))),
    mutation("nifti_voxel_zero_pet", "pet", reshape("sub-01/pet/sub-01_pet.nii.gz", 4, 4, 4, 2, steps=(2, 0, 2, 0))),
    mutation("nifti_time_step_zero_pet", "pet", reshape("sub-01/pet/sub-01_pet.nii.gz", 4, 4, 4, 2, steps=(2, 2, 2, 0))),
    mutation("nifti_forms_zero", "mri", reshape(T1, sform=0)),
    mutation("nifti_qform_only", "mri", reshape(T1, sform=0, qform=1)),
    mutation("nifti_forms_both", "mri", reshape(T1, qform=2, sform=3)),
    mutation("nifti_sform_zeros", "mri", reshape(T1, affine=((0, 0, 0, 0),) * 3)),
    mutation("nifti_sform_nan", "mri", reshape(T1, affine=((NAN, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0)))),
    mutation("nifti_sform_infinite", "mri", reshape(T1, affine=((1, 0, 0, INF), (0, 1, 0, 0), (0, 0, 1, 0)))),
    mutation("nifti_sform_singular", "mri", reshape(T1, affine=((1, 1, 0, 0), (1, 1, 0, 0), (0, 0, 1, 0)))),
    mutation("nifti_sform_nan_unused", "mri", reshape(T1, sform=0, qform=1, affine=((NAN,) * 4,) * 3)),
    mutation("nifti_quaternion_too_long", "mri", reshape(T1, sform=0, qform=1, quaternion=(1, 1, 1, 0, 0, 0))),
    mutation("nifti_quaternion_nan", "mri", reshape(T1, sform=0, qform=1, quaternion=(NAN, 0, 0, 0, 0, 0))),
    mutation("nifti_qfac_zero", "mri", reshape(T1, sform=0, qform=1, qfac=0)),
    mutation("nifti_negative_codes", "mri", reshape(T1, sform=-1, qform=-1)),
    mutation("nifti_phase_direction_agrees", "mri", reshape(EPI, 4, 4, 4, 4, affine=((2, 0, 0, 0), (0, -2, 0, 0), (0, 0, 2, 0)))),
    mutation("nifti_phase_direction_of_qform", "mri", reshape(EPI, 4, 4, 4, 4, sform=0, qform=1, quaternion=(0, 0, 1, 0, 0, 0))),
    mutation("nifti_phase_direction_oblique", "mri", reshape(EPI, 4, 4, 4, 4,
             affine=((0.1, 1.9, 0.3, 0), (1.9, -0.1, 0.2, 0), (0.2, 0.3, -2, 0)))),
    mutation("nifti_phase_direction_tie", "mri", reshape(EPI, 4, 4, 4, 4, affine=((1, 1, 0, 0), (1, -1, 0, 0), (0, 0, 1, 0)))),
    mutation("nifti_phase_direction_wrong_axis", "mri", field("sub-01/fmap/sub-01_dir-AP_epi.json", PhaseEncodingDirection="i")),
    mutation("nifti_dim_info", "mri", reshape(T1, dim_info=0b111001)),
    mutation("nifti_magic_wrong", "mri", reshape(T1, magic=b"xxx\0")),
    mutation("nifti_magic_pair", "mri", reshape(T1, magic=b"ni1\0")),
    mutation("nifti_magic_none", "mri", reshape(T1, magic=b"\0\0\0\0")),
    mutation("nifti_size_wrong", "mri", reshape(T1, size=349)),
    mutation("nifti_size_wrong_magic_right", "mri", reshape(T1, size=0)),
    mutation("nifti_big_endian", "mri", reshape(BOLD, 4, 4, 4, 4, order=">")),
    mutation("nifti_two", "mri", put(BOLD, to_gzip(to_nifti2((4, 4, 4, 4)))), modes=BOTH),
    mutation("nifti_two_big_endian", "mri", put(BOLD, to_gzip(to_nifti2((4, 4, 4, 4), order=">")))),
    mutation("nifti_two_dims_huge", "mri", put(T1, to_gzip(to_nifti2((2**40, 4, 4))))),
    mutation("nifti_two_magic_wrong", "mri", put(T1, to_gzip(to_nifti2(magic=b"n+2\0xxxx")))),
    mutation("nifti_two_cut", "mri", put(T1, to_gzip(to_nifti2()[:400]))),
    mutation("nifti_not_compressed", "mri", put(T1, to_nifti())),
    mutation("nifti_compressed_unasked", "mri", move(T1, "sub-01/anat/sub-01_T1w.nii")),
    mutation("nifti_plain", "mri", drop(T1), put("sub-01/anat/sub-01_T1w.nii", to_nifti())),
    mutation("nifti_cut_in_header", "mri", put(T1, to_gzip(to_nifti()[:200]))),
    mutation("nifti_header_only", "mri", put(T1, to_gzip(to_nifti()[:348]))),
    mutation("nifti_header_cut_by_one", "mri", put(T1, to_gzip(to_nifti()[:347]))),
    mutation("nifti_plain_cut", "mri", drop(T1), put("sub-01/anat/sub-01_T1w.nii", to_nifti()[:340])),
    mutation("nifti_text", "mri", put(T1, b"not an image\n" * 100)),
    mutation("nifti_one_byte", "mri", put(T1, b"\x1f")),
    mutation("nifti_gzip_cut", "mri", recode(T1, lambda old: old[:100])),
    mutation("nifti_gzip_cut_after_header", "mri", recode(T1, lambda old: old[:-4])),
    mutation("nifti_gzip_magic_only", "mri", put(T1, b"\x1f\x8b")),
    mutation("nifti_gzip_empty_content", "mri", put(T1, to_gzip(b""))),
    mutation("nifti_gzip_method_wrong", "mri", recode(T1, lambda old: old[:2] + b"\7" + old[3:])),
    mutation("nifti_deflated", "mri", put(BOLD, deflate(to_nifti((4, 4, 4, 4))))),
    mutation("nifti_bzip2", "mri", put(T1, b"BZh91AY&SY" + bytes(400))),
    mutation("nifti_zeros", "mri", put(T1, bytes(1000))),
)  # fmt: skip

GZIP = (
    mutation("gzip_name", "mri", put(T1, to_gzip(to_nifti(), name=b"sub-01_T1w.nii"))),
    mutation("gzip_time", "mri", put(T1, to_gzip(to_nifti(), time=1_600_000_000))),
    mutation("gzip_time_huge", "mri", put(T1, to_gzip(to_nifti(), time=2**32 - 1))),
    mutation("gzip_comment", "mri", put(T1, to_gzip(to_nifti(), comment=b"made by hand"))),
    mutation("gzip_all", "mri", put(T1, to_gzip(to_nifti(), time=5, name=b"a", comment=b"b", extra=b"xyz1"))),
    mutation("gzip_extra_only", "mri", put(T1, to_gzip(to_nifti(), extra=b"xyz1"))),
    mutation("gzip_name_latin1", "mri", put(T1, to_gzip(to_nifti(), name=b"K\xf6ln"))),
    mutation("gzip_name_not_ended", "mri", put(T1, b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" + b"n" * 2000)),
    mutation("gzip_name_empty", "mri", recode(T1, lambda old: old[:3] + b"\x08" + old[4:10] + b"\0" + old[10:])),
    mutation("gzip_time_of_physio", "sessions", put("sub-01/ses-01/func/sub-01_ses-01_task-rest_physio.tsv.gz",
             to_gzip(b"1\t2\t0\n", time=9, name=b"x.tsv"))),
    mutation("gzip_in_code", "mri", put("code/data.gz", to_gzip(b"x", time=5))),
    mutation("gzip_cut_after_flags", "mri", put(T1, b"\x1f\x8b\x08\x08\x01")),
)  # fmt: skip

GRADIENTS = (
    mutation("bval_missing", "mri", drop(BVAL), modes=BOTH),
    mutation("bvec_missing", "mri", drop(BVEC)),
    mutation("gradients_missing", "mri", drop(BVAL, BVEC)),
    mutation("bval_two_rows", "mri", put(BVAL, rows([0, 1, 1, 1], [0, 1, 1, 1]))),
    mutation("bval_column", "mri", put(BVAL, b"0\n1000\n1000\n1000\n")),
    mutation("bval_too_few", "mri", put(BVAL, rows([0, 1000, 1000])), modes=BOTH),
    mutation("bval_too_many", "mri", put(BVAL, rows([0, 1000, 1000, 1, 1]))),
    mutation("bval_tabs", "mri", put(BVAL, b"0\t1000\t1000\t1000\n")),
    mutation("bval_commas", "mri", put(BVAL, b"0,1000,1000,1000\n")),
    mutation("bval_double_blanks", "mri", put(BVAL, b"0  1000   1000 1000   \n")),
    mutation("bval_leading_blank", "mri", put(BVAL, b"  0 1000 1000 1000\n")),
    mutation("bval_text", "mri", put(BVAL, b"a b c d\n")),
    mutation("bval_crlf", "mri", put(BVAL, b"0 1000 1000 1000\r\n")),
    mutation("bval_cr", "mri", put(BVAL, b"0 1000 1000 1000\r")),
    mutation("bval_no_end_of_line", "mri", put(BVAL, b"0 1000 1000 1000")),
    mutation("bval_blank_lines", "mri", put(BVAL, b"\n \n0 1000 1000 1000\n\n")),
    mutation("bval_only_blanks", "mri", put(BVAL, b" \n\n")),
    mutation("bval_latin1", "mri", put(BVAL, b"0 1000 1000 \xe9\n")),
    mutation("bval_utf16", "mri", put(BVAL, "0 1000 1000 1000\n".encode("utf-16"))),
    mutation("bval_bom", "mri", put(BVAL, b"\xef\xbb\xbf0 1000 1000 1000\n")),
    mutation("bval_no_break_space", "mri", put(BVAL, "0\u00a01000\u20031000 1000\n".encode())),
    mutation("bvec_two_rows", "mri", put(BVEC, rows([0, 1, 0, 0], [0, 0, 1, 0]))),
    mutation("bvec_columns", "mri", put(BVEC, rows([0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]))),
    mutation("bvec_ragged", "mri", put(BVEC, rows([0, 1, 0, 0], [0, 0, 1], [0, 0, 0, 1]))),
    mutation("bvec_too_few", "mri", put(BVEC, rows([0, 1, 0], [0, 0, 1], [0, 0, 0]))),
    mutation("bvec_not_unit", "mri", put(BVEC, rows([0, 9, 0, 0], [0, 0, 9, 0], [0, 0, 0, 9]))),
    mutation("bvec_text", "mri", put(BVEC, b"x\ny\nz\n")),
    mutation("bvec_only_blanks", "mri", put(BVEC, b" \n")),
    mutation("epi_bval_large", "fieldmaps", put("sub-04/fmap/sub-04_dir-AP_epi.bval", rows([1000, 1000, 1000, 1000]))),
    mutation("epi_bval_hundred", "fieldmaps", put("sub-04/fmap/sub-04_dir-AP_epi.bval", rows([100, 1000, 1000, 1000]))),
    mutation("epi_bval_text", "fieldmaps", put("sub-04/fmap/sub-04_dir-AP_epi.bval", b"a b c d\n")),
    mutation("epi_bval_alone", "fieldmaps", drop("sub-04/fmap/*.bvec")),
    mutation("epi_bval_too_few", "fieldmaps", put("sub-04/fmap/sub-04_dir-AP_epi.bval", rows([0, 5]))),
    mutation("dwi_one_volume", "mri", reshape("sub-01/dwi/sub-01_dwi.nii.gz", 4, 4, 4), put(BVAL, b"0\n"), put(BVEC, b"0\n0\n0\n")),
    mutation("dwi_image_missing", "mri", drop("sub-01/dwi/sub-01_dwi.nii.gz")),
)  # fmt: skip

TIFF = (
    mutation("tiff_big_as_small", "micr", put(SPIM, to_tiff(version=43, description=ome()))),
    mutation("tiff_small_as_big", "micr", move(SPIM, SPIM.replace(".tif", ".btf"))),
    mutation("tiff_version_unknown", "micr", put(SPIM, to_tiff(version=44, description=ome()))),
    mutation("tiff_big_endian", "micr", put(SPIM, to_tiff(order=b"MM", description=ome()))),
    mutation("tiff_not_tiff", "micr", put(SPIM, b"not an image\n" * 10)),
    mutation("tiff_cut", "micr", recode(SPIM, lambda old: old[:12])),
    mutation("tiff_one_byte", "micr", put(SPIM, b"I")),
    mutation("tiff_no_description", "micr", put(SPIM, to_tiff())),
    mutation("tiff_description_no_xml", "micr", put(SPIM, to_tiff(description="ImageJ=1.5"))),
    mutation("tiff_description_other_xml", "micr", put(SPIM, to_tiff(description="<a><b/></a>"))),
    mutation("tiff_description_broken_xml", "micr", put(SPIM, to_tiff(description=ome()[:-10]))),
    mutation("tiff_entities", "micr", put(SPIM, to_tiff(description='<!DOCTYPE a [<!ENTITY b "c">]><OME>&b;</OME>'))),
    mutation("tiff_two_images", "micr", put(SPIM, to_tiff(description=ome().replace("</Image>", "</Image><Image/>")))),
    mutation("ome_size_differs", "micr", put(SPIM, to_tiff(description=ome(x=0.6)))),
    mutation("ome_size_differs_y", "micr", put(SPIM, to_tiff(description=ome(y=0.4)))),
    mutation("ome_size_differs_little", "micr", put(SPIM, to_tiff(description=ome(x=0.5005)))),
    mutation("ome_size_z_missing", "micr", put(SPIM, to_tiff(description=ome(z=None)))),
    mutation("ome_size_in_nm", "micr", put(SPIM, to_tiff(description=ome(500, 500, 1000, "nm")))),
    mutation("ome_unit_unknown", "micr", put(SPIM, to_tiff(description=ome(unit="pixel")))),
    mutation("ome_unit_other_mu", "micr", put(SPIM, to_tiff(description=ome(unit="μm")))),
    mutation("ome_size_text", "micr", put(SPIM, to_tiff(description=ome().replace('"0.5"', '"half"')))),
    mutation("ome_pixel_size_two", "micr", field("sub-01/micr/sub-01_sample-A_SPIM.json", PixelSize=[0.5, 0.5])),
    mutation("ome_pixel_size_differs", "micr", field("sub-01/micr/sub-01_sample-A_SPIM.json", PixelSize=[0.7, 0.5, 1.0])),
)  # fmt: skip

PERFUSION = (
    mutation("asl_volumes_differ", "asl", reshape("sub-01/perf/sub-01_asl.nii.gz", 4, 4, 4, 6), modes=BOTH),
    mutation("mrs_matrix_differs", "mrs", field("sub-01/mrs/sub-01_mrsi.json", MatrixSize=[8, 4, 1])),
    mutation("mrs_matrix_short", "mrs", field("sub-01/mrs/sub-01_mrsi.json", MatrixSize=[4])),
    mutation("pdt2_one_volume", "qmri", put("sub-01/anat/sub-01_PDT2.nii.gz", image())),
    mutation("pdt2_three_volumes", "qmri", put("sub-01/anat/sub-01_PDT2.nii.gz", image((4, 4, 4, 3)))),
    mutation("pdt2_echo_scalar", "qmri", field("sub-01/anat/sub-01_PDT2.json", EchoTime=0.01)),
    mutation("magnitude_four_dims", "fieldmaps", put("sub-01/fmap/sub-01_magnitude1.nii.gz", image((4, 4, 4, 2)))),
)

MUTATIONS = (*NIFTI, *GZIP, *GRADIENTS, *TIFF, *PERFUSION)
