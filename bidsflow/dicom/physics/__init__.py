"""What kind of measurement an image is: series in, `Finding` out. Looks at headers only, never at what people typed."""

from bidsflow.dicom.physics.contrast import find_contrast
from bidsflow.dicom.physics.encoding import (
    encode_course,
    find_axis,
    find_contradiction,
    find_polarity,
    name_course,
    phase_encoding,
)
from bidsflow.dicom.physics.kinds import CERTAIN, FAIR, STRONG, WEAK, Finding, Kind
from bidsflow.dicom.physics.maps import map_name, transmit_image
from bidsflow.dicom.physics.rules import (
    B_ZERO,
    classify,
    field_in_hz,
    is_declared_derived,
    is_derived_word,
    is_difference,
    is_parallel,
    sequence_maker,
    shows_transfer,
    slice_plane,
)
from bidsflow.dicom.physics.sequence import (
    echo_times,
    image_words,
    is_echo_planar,
    is_gradient,
    is_prepared,
    sequence_named,
)

__all__ = [
    "B_ZERO",
    "CERTAIN",
    "FAIR",
    "STRONG",
    "WEAK",
    "Finding",
    "Kind",
    "classify",
    "echo_times",
    "encode_course",
    "field_in_hz",
    "find_axis",
    "find_contradiction",
    "find_contrast",
    "find_polarity",
    "image_words",
    "is_declared_derived",
    "is_derived_word",
    "is_difference",
    "is_echo_planar",
    "is_gradient",
    "is_parallel",
    "is_prepared",
    "map_name",
    "name_course",
    "phase_encoding",
    "sequence_maker",
    "sequence_named",
    "shows_transfer",
    "slice_plane",
    "transmit_image",
]
