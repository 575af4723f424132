"""Derivatives, atlases, studies, nested datasets; and events that are annotated with HED."""

# ruff: noqa: E501 -- a table: one line a row, as far as it goes

from __future__ import annotations

from tests.validate.defects.change import cell, column, copy, drop, edit, field, link, mutation, no_field, put, rename
from tests.validate.defects.content import image, to_json

CLEAN = "derivatives/clean"
RECURSIVE = ("headers", "recursive")
EVENTS = "sub-01/func/sub-01_task-go_events.tsv"
SIDECAR = "task-go_events.json"
DESCRIPTION = "dataset_description.json"

DERIVATIVES = (
    mutation("derivative_entity_unknown", "derivative", rename("desc-brain", "foo-brain")),
    mutation("derivative_desc_missing_label", "derivative", rename("desc-brain", "desc-")),
    mutation("derivative_suffix_unknown", "derivative", put("sub-01/anat/sub-01_desc-x_foo.nii.gz", image())),
    mutation("derivative_pipeline_file", "derivative", put("sub-01/figures/sub-01_plot.svg", b"<svg/>")),
    mutation("derivative_html_at_root", "derivative", put("sub-01.html", b"<html/>")),
    mutation("derivative_gifti", "derivative", put("sub-01/anat/sub-01_hemi-L_desc-x_pial.surf.gii", b"<GIFTI/>")),
    mutation("derivative_cifti", "derivative", put("sub-01/func/sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii", image())),
    mutation("derivative_xfm", "derivative", put("sub-01/anat/sub-01_from-T1w_to-MNI_mode-image_xfm.h5", b"HDF")),
    mutation("derivative_confounds", "derivative", put("sub-01/func/sub-01_task-rest_desc-confounds_timeseries.tsv", b"a\tb\n1\t2\n")),
    mutation("derivative_probseg", "derivative", put("sub-01/anat/sub-01_label-GM_probseg.nii.gz", image())),
    mutation("derivative_seg_table_without_image", "derivative", drop("sub-01/anat/sub-01_dseg.nii.gz")),
    mutation("derivative_label_wrong", "derivative", rename("sub-01_dseg", "sub-01_label-g_m_dseg")),
    mutation("derivative_no_subjects", "derivative", drop("sub-01/*"), drop("participants.tsv")),
    mutation("derivative_resolution_other_key", "derivative",
             field("sub-01/anat/sub-01_space-MNI152NLin2009cAsym_res-2_desc-preproc_T1w.json", Resolution={"1": "x"})),
    mutation("derivative_resolution_string", "derivative",
             field("sub-01/anat/sub-01_space-MNI152NLin2009cAsym_res-2_desc-preproc_T1w.json", Resolution="2 mm")),
    mutation("derivative_density_other_key", "derivative", put("sub-01/anat/sub-01_den-32k_desc-x_T1w.nii.gz", image()),
             put("sub-01/anat/sub-01_den-32k_desc-x_T1w.json", to_json(SkullStripped=True, Density={"1k": "x"}))),
    mutation("derivative_called_raw", "derivative", field(DESCRIPTION, DatasetType="raw")),
    mutation("derivative_called_derivatives", "derivative", field(DESCRIPTION, DatasetType="derivatives")),
    mutation("derivative_sources_missing_file", "derivative", field("sub-01/anat/sub-01_desc-preproc_T1w.json", Sources=["nothing"])),
    mutation("derivative_sources_of_derivatives", "derivative", field(DESCRIPTION, DatasetType="derivatives"),
             field("sub-01/anat/sub-01_desc-preproc_T1w.json", Sources=["nothing"])),
    mutation("derivative_type_missing", "derivative", no_field(DESCRIPTION, "DatasetType")),
    mutation("derivative_type_and_generator_missing", "derivative", no_field(DESCRIPTION, "DatasetType", "GeneratedBy")),
    mutation("derivative_template_folder", "derivative", put("tpl-X/anat/tpl-X_desc-a_T1w.nii.gz", image())),
    mutation("derivative_template_misplaced", "derivative", put("sub-01/anat/tpl-X_T1w.nii.gz", image())),
    mutation("derivative_cohort", "derivative", put("tpl-X/cohort-1/anat/tpl-X_cohort-1_T1w.nii.gz", image())),
    mutation("derivative_cohort_misplaced", "derivative", put("tpl-X/anat/tpl-X_cohort-1_T1w.nii.gz", image())),
    mutation("derivative_skip_file", "derivative", put(".SKIP_VALIDATION", b""), put("nonsense/file", b"x")),
    mutation("derivative_mixed_raw_name", "derivative", put("sub-01/anat/sub-01_T2w.nii.gz", image())),
    mutation("atlas_description_missing", "atlas", drop("atlas-Small_description.json")),
    mutation("atlas_description_in_folder", "atlas", rename("atlas-Small_desc", "tpl-MNI152NLin2009cAsym/atlas-Small_desc")),
    mutation("atlas_description_without_template", "derivative", put("sub-01/anat/sub-01_atlas-X_dseg.nii.gz", image())),
    mutation("atlas_template_unknown", "atlas", rename("tpl-MNI152NLin2009cAsym", "tpl-Mine")),
    mutation("atlas_name_other", "atlas", rename("atlas-Small_dseg", "atlas-Large_dseg")),
    mutation("atlas_table_fault", "atlas", edit("tpl-MNI152NLin2009cAsym/anat/tpl-MNI152NLin2009cAsym_atlas-Small_dseg.tsv", "index", "i")),
)  # fmt: skip

NESTED = (
    mutation("nested_ok", "extras", put("nothing.txt"), modes=RECURSIVE),
    mutation("nested_name_wrong", "extras", put(f"{CLEAN}/sub-01/anat/foo.txt"), modes=RECURSIVE),
    mutation("nested_description_broken", "extras", put(f"{CLEAN}/{DESCRIPTION}", b"{"), modes=RECURSIVE),
    mutation("nested_description_missing", "extras", drop(f"{CLEAN}/{DESCRIPTION}"), modes=RECURSIVE),
    mutation("nested_called_raw", "extras", field(f"{CLEAN}/{DESCRIPTION}", DatasetType="raw"), modes=RECURSIVE),
    mutation("nested_ignore_of_its_own", "extras", put(f"{CLEAN}/.bidsignore", b"*.txt\n"), put(f"{CLEAN}/x.txt"), modes=RECURSIVE),
    mutation("nested_ignore_of_parent", "extras", put(".bidsignore", b"*.txt\n"), put(f"{CLEAN}/x.txt"), modes=RECURSIVE),
    mutation("nested_ignored", "extras", put(".bidsignore", b"derivatives/clean\n"), put(f"{CLEAN}/x.txt"), modes=RECURSIVE),
    mutation("nested_twice", "extras", put(f"{CLEAN}/derivatives/deep/{DESCRIPTION}", b"{}"),
             put(f"{CLEAN}/derivatives/deep/x.txt"), modes=RECURSIVE),
    mutation("nested_two", "extras", copy(f"{CLEAN}/{DESCRIPTION}", f"derivatives/other/{DESCRIPTION}"),
             put("derivatives/other/x.txt"), modes=RECURSIVE),
    mutation("nested_named_with_blank", "extras", rename("derivatives/clean", "derivatives/very clean"), modes=RECURSIVE),
    mutation("nested_sources_missing", "extras", field(f"{CLEAN}/sub-01/anat/sub-01_desc-clean_T1w.json", SkullStripped="no"),
             modes=RECURSIVE),
    mutation("nested_is_a_link", "extras", link("derivatives/again", "clean"), modes=RECURSIVE),
    mutation("nested_link_broken", "extras", link(f"{CLEAN}/broken", "nowhere"), modes=RECURSIVE),
    mutation("nested_in_derivative", "derivative", put(f"derivatives/clean/{DESCRIPTION}", b"{}"), put("derivatives/clean/x.txt"),
             modes=RECURSIVE),
    mutation("study_with_subjects", "study", put("sub-01/anat/sub-01_T1w.nii.gz", image()), modes=RECURSIVE),
    mutation("study_nested_name_wrong", "study", put(f"{CLEAN}/foo.txt"), modes=RECURSIVE),
    mutation("study_participants", "study", put("participants.tsv", b"participant_id\nsub-01\n")),
    mutation("study_raw_broken", "study", put("sourcedata/raw/nonsense.txt"), modes=RECURSIVE),
    mutation("study_unknown_folder", "study", put("stuff/file.txt"), put("phenotype/a.tsv", b"participant_id\n")),
    mutation("study_called_raw", "study", field(DESCRIPTION, DatasetType="raw")),
)  # fmt: skip

_STRINGS = {
    "tag_unknown": "Green-monster", "tag_extended": "Sensory-event/Loud", "parentheses": "(Sensory-event, Red",
    "comma_twice": "Sensory-event,, Red", "empty": "", "curly": "{trial_type}", "value_missing": "Duration/#",
    "value_units": "(Duration/3 parsecs, (Red))", "value_good": "(Duration/3 s, (Red))", "repeated": "Red, Red",
    "slash_at_end": "Red/", "definition": "(Definition/A, (Red))", "def_unknown": "Def/Unknown", "case": "sensory-event",
    "odd_sign": "Red~", "na": "n/a", "long_path": "Event/Sensory-event", "colon": "xx:Red", "comma_missing": "Red (Blue)",
}  # fmt: skip

HED = (
    *(mutation(f"hed_{name}", "hed", cell(EVENTS, 0, "HED", text)) for name, text in _STRINGS.items()),
    mutation("hed_version_missing", "hed", no_field(DESCRIPTION, "HEDVersion")),
    mutation("hed_version_unknown", "hed", field(DESCRIPTION, HEDVersion="99.0.0")),
    mutation("hed_version_other", "hed", field(DESCRIPTION, HEDVersion="8.2.0")),
    mutation("hed_version_malformed", "hed", field(DESCRIPTION, HEDVersion="newest")),
    mutation("hed_version_with_prefix", "hed", field(DESCRIPTION, HEDVersion=["ts:8.3.0"])),
    mutation("hed_version_of_library", "hed", field(DESCRIPTION, HEDVersion="score_2.1.0")),
    mutation("hed_version_of_library_with_prefix", "hed", field(DESCRIPTION, HEDVersion=["8.3.0", "la:lang_1.0.0"])),
    mutation("hed_version_of_library_to_download", "hed", field(DESCRIPTION, HEDVersion=["8.3.0", "sc:score_1.0.0"])),
    mutation("hed_version_newest", "hed", field(DESCRIPTION, HEDVersion="8.5.0")),
    mutation("hed_level_missing", "hed", field(SIDECAR, trial_type={"HED": {"go": "Red"}})),
    mutation("hed_sidecar_tag_unknown", "hed", field(SIDECAR, trial_type={"HED": {"go": "Purple-cow", "stop": "Red"}})),
    mutation("hed_sidecar_not_text", "hed", field(SIDECAR, trial_type={"HED": {"go": 5}})),
    mutation("hed_sidecar_value_column", "hed", field(SIDECAR, trial_type={"HED": "Label/#"})),
    mutation("hed_sidecar_value_without_sign", "hed", field(SIDECAR, trial_type={"HED": "Red"})),
    mutation("hed_sidecar_for_na", "hed", field(SIDECAR, trial_type={"HED": {"n/a": "Red"}})),
    mutation("hed_sidecar_curly", "hed", field(SIDECAR, trial_type={"HED": {"go": "Red, {HED}", "stop": "Blue"}})),
    mutation("hed_sidecar_curly_unknown", "hed", field(SIDECAR, trial_type={"HED": {"go": "Red, {colour}", "stop": "Blue"}})),
    mutation("hed_sidecar_column_named_hed", "hed", field(SIDECAR, HED={"HED": {"a": "Red"}})),
    mutation("hed_defined_and_used", "hed", field(SIDECAR, defs={"HED": {"a": "(Definition/A, (Red))"}}), cell(EVENTS, 0, "HED", "Def/A")),
    mutation("hed_defined_twice", "hed", field(SIDECAR, defs={"HED": {"a": "(Definition/A, (Red))", "b": "(Definition/A, (Blue))"}})),
    mutation("hed_onset_without_def", "hed", cell(EVENTS, 0, "HED", "(Onset, Red)")),
    mutation("hed_offset_without_onset", "hed", field(SIDECAR, defs={"HED": {"a": "(Definition/A, (Red))"}}),
             cell(EVENTS, 0, "HED", "(Def/A, Offset)")),
    mutation("hed_in_participants", "hed", column("participants.tsv", "HED", ["Purple-cow"])),
    mutation("hed_events_not_sorted", "hed", cell(EVENTS, 0, "onset", "7")),
    mutation("hed_sidecar_broken", "hed", put(SIDECAR, b"{")),
)  # fmt: skip

MUTATIONS = (*DERIVATIVES, *NESTED, *HED)
