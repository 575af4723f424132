"""Small datasets without an error, one for each kind of measurement. Comes in: nothing. Goes out: trees as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.validate.defects.datasets import derived, electro, mri, other
from tests.validate.defects.tree import Tree

BASES: Final[Mapping[str, Callable[[], Tree]]] = {
    "mri": mri.make_mri,
    "sessions": mri.make_sessions,
    "fieldmaps": mri.make_fieldmaps,
    "asl": mri.make_asl,
    "qmri": mri.make_qmri,
    "mrs": mri.make_mrs,
    "eeg": electro.make_eeg,
    "ieeg": electro.make_ieeg,
    "emg": electro.make_emg,
    "meg": electro.make_meg,
    "nirs": electro.make_nirs,
    "motion": electro.make_motion,
    "pet": other.make_pet,
    "micr": other.make_micr,
    "beh": other.make_beh,
    "extras": other.make_extras,
    "hed": other.make_hed,
    "derivative": derived.make_derivative,
    "atlas": derived.make_atlas,
    "study": derived.make_study,
}
