"""What ``rules.checks`` of the schema compares: sidecars with images, with tables, with each other."""

# ruff: noqa: E501 -- a table: one line a row, as far as it goes

from __future__ import annotations

from tests.validate.defects.change import (
    cell,
    column,
    drop,
    edit,
    field,
    move,
    mutation,
    no_column,
    no_field,
    put,
    rename,
    reshape,
)  # fmt: skip
from tests.validate.defects.content import image, to_gzip, to_json

ASL = "sub-01/perf/sub-01_asl.json"
ASL_IMAGE = "sub-01/perf/sub-01_asl.nii.gz"
ASL2 = "sub-02/perf/sub-02_asl.json"
CONTEXT = "sub-01/perf/sub-01_aslcontext.tsv"
BOLD = "sub-01/func/sub-01_task-nback_run-1_bold"
TASK = "task-nback_bold.json"
EVENTS = "sub-01/func/sub-01_task-nback_run-1_events.tsv"
EPI = "sub-01/fmap/sub-01_dir-AP_epi.json"
EEG = "sub-01/eeg/sub-01_task-go_eeg.json"
EEG_CHANNELS = "sub-01/eeg/sub-01_task-go_channels.tsv"
NIRS = "sub-01/nirs/sub-01_task-go_nirs.json"
LIGHT = "sub-01/nirs/sub-01_task-go_channels.tsv"
OPTODES = "sub-01/nirs/sub-01_optodes.tsv"
PET = "sub-01/pet/sub-01_pet.json"
MEG = "sub-01/meg/sub-01_task-go_meg.json"
EYE = "sub-01/beh/sub-01_task-look_recording-eye1_physio.json"
LOOKED = "sub-01/beh/sub-01_task-look_events.json"
SCREEN = {
    "ScreenDistance": 0.6,
    "ScreenOrigin": ["top", "left"],
    "ScreenResolution": [800, 600],
    "ScreenSize": [0.4, 0.3],
}
BOTH = ("headers", "nohdr")

PERFUSION = (
    mutation("asl_labeling_durations_too_few", "asl", field(ASL, LabelingDuration=[1.8, 1.8]), modes=BOTH),
    mutation("asl_labeling_durations_fit", "asl", field(ASL, LabelingDuration=[0, 1.8, 0, 1.8])),
    mutation("asl_flip_angles_too_few", "asl", field(ASL, FlipAngle=[90, 90, 90]), modes=BOTH),
    mutation("asl_delays_too_few", "asl", field(ASL, PostLabelingDelay=[1.8, 1.8]), modes=BOTH),
    mutation("asl_preparation_too_few", "asl", field(ASL, RepetitionTimePreparation=[4, 4]), modes=BOTH),
    mutation("asl_echo_times_too_few", "asl", field(ASL, EchoTime=[0.01, 0.02])),
    mutation("asl_context_short", "asl", put(CONTEXT, b"volume_type\ncontrol\nlabel\n")),
    mutation("asl_context_empty", "asl", put(CONTEXT, b"volume_type\n")),
    mutation("asl_pulses_differ", "asl", field(ASL, BackgroundSuppressionNumberPulses=3)),
    mutation("asl_pairs_differ", "asl", field(ASL, TotalAcquiredPairs=3)),
    mutation("asl_pairs_fraction", "asl", field(ASL, TotalAcquiredPairs=2.0)),
    mutation("asl_more_labels", "asl", cell(CONTEXT, 0, "volume_type", "label")),
    mutation("asl_deltam", "asl", put(CONTEXT, b"volume_type\ndeltam\ndeltam\ndeltam\ndeltam\n")),
    mutation("asl_delay_long", "asl", field(ASL, PostLabelingDelay=1800)),
    mutation("asl_delays_long", "asl", field(ASL, PostLabelingDelay=[1, 2, 3, 11])),
    mutation("asl_labeling_long", "asl", field(ASL, LabelingDuration=1800)),
    mutation("asl_bolus_long", "asl", field(ASL2, BolusCutOffDelayTime=700)),
    mutation("asl_bolus_falling", "asl", field(ASL2, BolusCutOffDelayTime=[1.6, 0.7])),
    mutation("asl_m0_absent_but_scan", "asl", field(ASL, M0Type="Absent")),
    mutation("asl_m0_absent_lower_case", "asl", field(ASL, M0Type="absent")),
    mutation("asl_m0_absent_but_context", "asl", field(ASL2, M0Type="absent")),
    mutation("asl_m0_separate_but_no_scan", "asl", field(ASL, M0Type="separate"), drop("sub-01/perf/*m0scan*")),
    mutation("asl_m0_scan_missing", "asl", drop("sub-01/perf/*m0scan*")),
    mutation("asl_volume_timing", "asl", field(ASL, VolumeTiming=[0, 4, 8, 12], RepetitionTime=4.0)),
    mutation("asl_intended_for_nothing", "asl", field("sub-01/perf/sub-01_m0scan.json", IntendedFor="perf/sub-01_bold.nii.gz")),
)  # fmt: skip

MRI = (
    mutation("bold_repetition_long", "mri", field(TASK, RepetitionTime=2000), reshape(f"{BOLD}.nii.gz", 4, 4, 4, 4, steps=(2, 2, 2, 2000))),
    mutation("bold_slice_timing_late", "mri", field(TASK, SliceTiming=[0, 0.5, 1, 2.5]), modes=BOTH),
    mutation("bold_slice_timing_ms", "mri", field(TASK, SliceTiming=[0, 500, 1000, 1500])),
    mutation("bold_slice_timing_negative", "mri", field(TASK, SliceTiming=[0, -0.5, 1, 1.5])),
    mutation("bold_slice_timing_too_few", "mri", field(TASK, SliceTiming=[0, 0.5])),
    mutation("bold_slice_timing_empty", "mri", field(TASK, SliceTiming=[])),
    mutation("bold_slice_timing_strings", "mri", field(TASK, SliceTiming=["0", "0.5", "1", "9"])),
    mutation("bold_slice_timing_scalar", "mri", field(TASK, SliceTiming=3)),
    mutation("bold_slice_direction_i", "mri", field(TASK, SliceEncodingDirection="i-", SliceTiming=[0, 0.5, 1])),
    mutation("bold_slice_direction_j", "mri", field(TASK, SliceEncodingDirection="j", SliceTiming=[0, 0.5, 1])),
    mutation("bold_slice_direction_k", "mri", field(TASK, SliceEncodingDirection="k", SliceTiming=[0, 0.5, 1])),
    mutation("bold_volume_timing_and_repetition", "mri", field(TASK, VolumeTiming=[0, 2, 4, 6])),
    mutation("bold_volume_timing_alone", "mri", no_field(TASK, "RepetitionTime", "SliceTiming"), field(TASK, VolumeTiming=[0, 2, 4, 6])),
    mutation("bold_volume_timing_frame", "mri", no_field(TASK, "RepetitionTime", "SliceTiming"),
             field(TASK, VolumeTiming=[0, 2, 4, 6], FrameAcquisitionDuration=2)),
    mutation("bold_volume_timing_falling", "mri", no_field(TASK, "RepetitionTime"), field(TASK, VolumeTiming=[0, 4, 2, 6])),
    mutation("bold_volume_timing_delay", "mri", no_field(TASK, "RepetitionTime"), field(TASK, VolumeTiming=[0, 2, 4, 6], DelayTime=1)),
    mutation("bold_volume_timing_old_name", "mri", no_field(TASK, "RepetitionTime", "SliceTiming"),
             field(TASK, VolumeTiming=[0, 2, 4, 6], AcquisitionDuration=1)),
    mutation("bold_frame_duration_and_repetition", "mri", field(TASK, FrameAcquisitionDuration=2)),
    mutation("bold_volume_timing_ten", "mri", no_field(TASK, "RepetitionTime"), field(TASK, VolumeTiming=[0, 2, 10, 9.5])),
    mutation("bold_echo_time_ms", "mri", field(TASK, EchoTime=30)),
    mutation("bold_readout_long", "mri", field(TASK, TotalReadoutTime=50)),
    mutation("bold_spacing_large", "mri", field(TASK, EffectiveEchoSpacing=0.6, PhaseEncodingDirection="j", TotalReadoutTime=3.0), modes=BOTH),
    mutation("bold_spacing_above_readout", "mri", field(TASK, EffectiveEchoSpacing=0.06, TotalReadoutTime=0.05)),
    mutation("bold_spacing_direction_wrong", "mri", field(TASK, EffectiveEchoSpacing=0.0005, PhaseEncodingDirection="x")),
    mutation("bold_preparation_list", "mri", field(TASK, RepetitionTimePreparation=[2, 2])),
    mutation("bold_phase_suffix", "mri", put("sub-01/func/sub-01_task-nback_run-1_phase.nii.gz", image((4, 4, 4, 4)))),
    mutation("bold_cbv", "mri", put("sub-01/func/sub-01_task-nback_run-1_cbv.nii.gz", image((4, 4, 4, 4)))),
    mutation("bold_units_of_phase", "sessions", field("sub-01/ses-01/func/sub-01_ses-01_task-rest_echo-1_part-phase_bold.json", Units="deg")),
    mutation("bold_mb_factor_string", "mri", field(TASK, MultibandAccelerationFactor="2")),
    mutation("t1_echo_time_ms", "mri", field("T1w.json", EchoTime=3)),
    mutation("t1_task_entity", "mri", move("sub-01/anat/sub-01_T1w", "sub-01/anat/sub-01_task-x_T1w")),
    mutation("chunk_without_table_position", "mri", put("sub-01/anat/sub-01_chunk-1_T1w.nii.gz", image())),
    mutation("echo_of_t1", "mri", put("sub-01/anat/sub-01_echo-1_MEGRE.nii.gz", image())),
    mutation("fmap_difference_large", "fieldmaps", field("sub-01/fmap/sub-01_phasediff.json", EchoTime2=0.02)),
    mutation("fmap_difference_negative", "fieldmaps", field("sub-01/fmap/sub-01_phasediff.json", EchoTime2=0.004)),
    mutation("fmap_difference_at_limit", "fieldmaps", field("sub-01/fmap/sub-01_phasediff.json", EchoTime2=0.0051)),
    mutation("fmap_magnitude_missing", "fieldmaps", drop("sub-03/fmap/*magnitude*")),
    mutation("fmap_magnitude1_missing", "fieldmaps", drop("sub-01/fmap/*magnitude1*")),
    mutation("fmap_magnitudes_missing", "fieldmaps", drop("sub-01/fmap/*magnitude*")),
    mutation("fmap_readout_missing", "fieldmaps", no_field("sub-04/fmap/sub-04_dir-AP_epi.json", "TotalReadoutTime", "EffectiveEchoSpacing")),
    mutation("fmap_readout_zero", "fieldmaps", no_field("sub-04/fmap/sub-04_dir-AP_epi.json", "EffectiveEchoSpacing"),
             field("sub-04/fmap/sub-04_dir-AP_epi.json", TotalReadoutTime=0)),
    mutation("fmap_spacing_only", "fieldmaps", no_field("sub-04/fmap/sub-04_dir-AP_epi.json", "TotalReadoutTime")),
    mutation("fmap_identifier_missing", "fieldmaps", no_field("sub-01/fmap/sub-01_phasediff.json", "B0FieldIdentifier")),
    mutation("intended_for_nothing", "mri", field(EPI, IntendedFor="func/sub-01_task-other_bold.nii.gz")),
    mutation("intended_for_nothing_uri", "mri", field(EPI, IntendedFor="bids::sub-01/func/nothing.nii.gz")),
    mutation("intended_for_from_root", "mri", field(EPI, IntendedFor=f"{BOLD}.nii.gz")),
    mutation("intended_for_one_of_two", "mri", field(EPI, IntendedFor=["func/sub-01_task-nback_run-1_bold.nii.gz", "func/x.nii.gz"])),
    mutation("intended_for_empty_list", "mri", field(EPI, IntendedFor=[])),
    mutation("intended_for_empty_string", "mri", field(EPI, IntendedFor="")),
    mutation("intended_for_number", "mri", field(EPI, IntendedFor=5)),
    mutation("intended_for_list_of_numbers", "mri", field(EPI, IntendedFor=[5])),
    mutation("intended_for_other_dataset", "mri", field(EPI, IntendedFor="bids:other:sub-01/x.nii.gz")),
    mutation("intended_for_folder", "mri", field(EPI, IntendedFor="func")),
    mutation("intended_for_other_subject", "mri", field(EPI, IntendedFor="../sub-02/anat/sub-02_T1w.nii.gz")),
    mutation("intended_for_of_session", "sessions", field("sub-01/ses-01/func/sub-01_ses-01_task-rest_sbref.json",
             IntendedFor="ses-01/anat/sub-01_ses-01_T1w.nii.gz")),
)  # fmt: skip

EVENT = (
    mutation("events_missing", "mri", drop(EVENTS)),
    mutation("events_missing_at_rest", "mri", rename("task-nback", "task-rest"), drop("sub-*events.tsv")),
    mutation("events_missing_resting", "mri", rename("task-nback", "task-restingstate"), drop("sub-*events.tsv")),
    mutation("events_unsorted", "mri", cell(EVENTS, 0, "onset", "5")),
    mutation("events_sorted_as_text", "mri", cell(EVENTS, 2, "onset", "10")),
    mutation("events_equal_onsets", "mri", column(EVENTS, "onset", ["3", "3.0", "6"])),
    mutation("events_with_na_onset", "mri", cell(EVENTS, 1, "onset", "n/a")),
    mutation("events_early", "mri", cell(EVENTS, 0, "onset", "-61")),
    mutation("events_at_minus_sixty", "mri", cell(EVENTS, 0, "onset", "-60")),
    mutation("events_after_a_month", "mri", cell(EVENTS, 2, "onset", "2678400")),
    mutation("events_long_design", "mri", cell(EVENTS, 2, "onset", "9"), modes=BOTH),
    mutation("events_short_design", "mri", cell(EVENTS, 2, "onset", "4")),
    mutation("events_at_end", "mri", cell(EVENTS, 2, "onset", "8")),
    mutation("events_stimulus_missing", "mri", column(EVENTS, "stim_file", ["a.png", "n/a", "n/a"])),
    mutation("events_of_meg_noise", "meg", drop("sub-01/meg/*events.tsv")),
    mutation("events_of_other_run", "mri", move(EVENTS, EVENTS.replace("run-1", "run-3"))),
)  # fmt: skip

SIGNALS = (
    *(mutation(f"eeg_count_of_{kind}", "eeg", field(EEG, **{f"{kind}ChannelCount": 7}))
      for kind in ("EEG", "ECG", "EMG", "EOG", "Misc", "MISC", "Trigger")),
    mutation("eeg_count_as_string", "eeg", field(EEG, EEGChannelCount="2")),
    mutation("eeg_count_without_types", "eeg", no_column(EEG_CHANNELS, "type")),
    mutation("eeg_count_of_misc_fits", "eeg", field(EEG, MiscChannelCount=1), cell(EEG_CHANNELS, 2, "type", "MISC")),
    mutation("emg_count", "emg", field("sub-01/emg/sub-01_task-grip_emg.json", EMGChannelCount=3)),
    mutation("emg_space_unknown", "emg", edit("sub-01/emg/sub-01_electrodes.tsv", "hand", "foot")),
    mutation("emg_parent_unknown", "emg", field("sub-01/emg/sub-01_space-hand_coordsystem.json", ParentCoordinateSystem="leg")),
    mutation("emg_spaces_none", "emg", drop("sub-01/emg/*coordsystem.json")),
    mutation("emg_one_space", "emg", drop("sub-01/emg/*arm_coordsystem.json")),
    mutation("emg_space_column_missing", "emg", no_column("sub-01/emg/sub-01_electrodes.tsv", "coordinate_system")),
    mutation("electrodes_without_coordsystem", "eeg", drop("sub-01/eeg/*coordsystem.json")),
    mutation("electrodes_with_task", "eeg", rename("sub-01_electrodes", "sub-01_task-go_electrodes")),
    mutation("coordsystem_with_run", "eeg", rename("sub-01_coordsystem", "sub-01_run-1_coordsystem")),
    mutation("coordsystem_with_acquisition", "eeg", rename("sub-01_coordsystem", "sub-01_acq-a_coordsystem")),
    mutation("ieeg_without_electrodes", "ieeg", drop("sub-01/ieeg/*electrodes.tsv")),
    mutation("ieeg_without_coordsystem", "ieeg", drop("sub-01/ieeg/*coordsystem.json")),
    mutation("ieeg_one_space", "ieeg", drop("sub-01/ieeg/*ScanRAS*")),
    mutation("ieeg_intended_for_nothing", "ieeg", field("sub-01/ieeg/sub-01_space-ACPC_coordsystem.json", IntendedFor="nothing.jpg")),
    mutation("ieeg_sidecar_intended_for", "ieeg", field("sub-01/ieeg/sub-01_task-go_ieeg.json", IntendedFor="nothing.jpg")),
    mutation("ieeg_sidecar_intended_for_list", "ieeg", field("sub-01/ieeg/sub-01_task-go_ieeg.json",
             IntendedFor=["sub-01/ieeg/sub-01_photo.jpg", "ieeg/sub-01_photo.jpg"])),
    mutation("ieeg_sidecar_intended_for_fits", "ieeg", field("sub-01/ieeg/sub-01_task-go_ieeg.json",
             IntendedFor=["sub-01/ieeg/sub-01_photo.jpg", "bids::sub-01/ieeg/sub-01_photo.jpg"])),
    mutation("meg_empty_room_missing", "meg", drop("sub-emptyroom/*"), edit("participants.tsv", "sub-emptyroom\t32\tF\tright\n", "")),
    mutation("meg_empty_room_list", "meg", field(MEG, AssociatedEmptyRoom=["bids::x", "nothing.fif"])),
    mutation("meg_empty_room_number", "meg", field(MEG, AssociatedEmptyRoom=5)),
    mutation("meg_headshape_any_extension", "meg", rename("headshape.pos", "headshape.elp")),
    mutation("nirs_rate_na", "nirs", field(NIRS, SamplingFrequency="n/a")),
    mutation("nirs_rate_na_with_column", "nirs", field(NIRS, SamplingFrequency="n/a"), column(LIGHT, "sampling_frequency", ["10"])),
    mutation("nirs_count_differs", "nirs", field(NIRS, NIRSChannelCount=5)),
    mutation("nirs_count_in_nifti", "nirs", field(NIRS, NIRSChannelCount=5), rename("_nirs.snirf", "_nirs.nii.gz")),
    mutation("nirs_accel_differs", "nirs", field(NIRS, ACCELChannelCount=2)),
    mutation("nirs_accel_count_missing", "nirs", no_field(NIRS, "ACCELChannelCount")),
    mutation("nirs_gyro_not_counted", "nirs", cell(LIGHT, 2, "type", "GYRO")),
    mutation("nirs_magn_not_counted", "nirs", cell(LIGHT, 2, "type", "MAGN")),
    mutation("nirs_short_differs", "nirs", field(NIRS, ShortChannelCount=0)),
    mutation("nirs_component_missing", "nirs", no_column(LIGHT, "component")),
    mutation("nirs_channels_missing", "nirs", drop(LIGHT)),
    *(mutation(f"nirs_template_{axis}_missing", "nirs", no_column(OPTODES, f"template_{axis}")) for axis in "xyz"),
    mutation("nirs_coordsystem_missing", "nirs", drop("sub-01/nirs/*coordsystem.json")),
    mutation("nirs_optodes_missing", "nirs", drop(OPTODES)),
    mutation("pet_frames_differ", "pet", field(PET, FrameDuration=[60]), modes=BOTH),
    mutation("pet_frames_differ_from_image", "pet", field(PET, FrameDuration=[60, 60, 60], FrameTimesStart=[0, 60, 120]), modes=BOTH),
    mutation("pet_frames_scalar", "pet", field(PET, FrameDuration=60)),
    mutation("pet_three_dims", "pet", reshape("sub-01/pet/sub-01_pet.nii.gz", 4, 4, 4)),
    mutation("eyetrack_screen_missing", "beh", no_field(LOOKED, "StimulusPresentation")),
    mutation("eyetrack_events_missing", "beh", drop("sub-01/beh/*look_events.tsv"), drop(LOOKED), drop("stimuli/*")),
    *(mutation(f"eyetrack_{key}_na", "beh", field(LOOKED, StimulusPresentation={**SCREEN, key: "n/a"})) for key in SCREEN),
    *(mutation(f"eyetrack_{key}_missing", "beh", field(LOOKED, StimulusPresentation={k: v for k, v in SCREEN.items() if k != key}))
      for key in SCREEN),
    mutation("eyetrack_onset_source_unknown", "beh",
             field("sub-01/beh/sub-01_task-look_recording-eye1_physioevents.json", OnsetSource="clock")),
    mutation("eyetrack_onset_source_without_physio", "beh", drop("sub-01/beh/*eye1_physio.*")),
    mutation("eyetrack_pupil_vague", "beh", field(EYE, pupil_size={"Description": "the size"})),
    mutation("eyetrack_pupil_undescribed", "beh", no_field(EYE, "pupil_size")),
    mutation("physio_of_two_recordings", "beh", put("sub-01/beh/sub-01_task-look_recording-eye2_physio.tsv.gz", to_gzip(b"1\n")),
             put("sub-01/beh/sub-01_task-look_recording-eye2_physio.json",
                 to_json(SamplingFrequency=1, StartTime=0, Columns=["cardiac"]))),
)  # fmt: skip

MUTATIONS = (*PERFUSION, *MRI, *EVENT, *SIGNALS)
