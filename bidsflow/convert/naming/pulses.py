"""Which of otherwise equal scans have a magnetization transfer pulse. Pure.

Headers of Siemens, GE and enhanced objects tell; Philips' classic ones do not, nor others that lost what tells. Then
SAR does: it goes with the square of the flip angle over the repetition time, and the pulse adds many times that. Words
that say on and off do as well.

Source: Bernstein et al., *Handbook of MRI Pulse Sequences* (2004), chapter 4.2.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bidsflow.convert.naming import hintwords
from bidsflow.convert.naming.draft import Draft
from bidsflow.dicom.header import Header
from bidsflow.dicom.physics import shows_transfer
from bidsflow.dicom.tags import find_maker

#: Up to this factor SAR differs for other reasons than a pulse (shapes of excitations, estimates of scanners).
_ALIKE = 3.0
#: Elements in which makers say that there is a pulse; where they stand, words do not count.
_TELLS = {"SIEMENS": "SequenceVariant", "GE": "ScanOptions"}


@dataclass(frozen=True, slots=True)
class Pulses:
    """Which scans have a pulse.

    Attributes
    ----------
    series : collection of str
        Their SeriesInstanceUIDs.
    because : str
        What tells so, ``""`` where each header does.
    """

    series: Collection[str] = frozenset()
    because: str = ""


def find_pulses(members: Sequence[Draft]) -> Pulses:
    """Return which of some scans have a pulse: by their headers, else by SAR or words; none where these disagree."""
    told = {one.series.uid for one in members if shows_transfer(one.series.header)}
    if told or not all(_is_silent(one.series.header) for one in members):
        return Pulses(told)
    loaded, called = _find_loaded(members), _find_called(members)
    if loaded and called and loaded != called:
        return Pulses()
    if loaded:
        return Pulses(loaded, "the header does not say which have it, but SAR is many times that of the others")
    return Pulses(called, "the header does not say which have it, but the words do" if called else "")


def _is_silent(header: Header) -> bool:
    """Return whether a header may say nothing of a pulse that there was."""
    told = header.text("MagnetizationTransfer") or header.text(_TELLS.get(find_maker(header.text("Manufacturer")), ""))
    return not told


def _find_loaded(members: Sequence[Draft]) -> frozenset[str]:
    """Return the scans whose SAR a pulse explains; none where one has no SAR, or words do not speak of a pulse.

    Other pulses take up power as well: those that saturate fat or slabs.
    """
    loads = {one.series.uid: _weigh_load(one.series.header) for one in members}
    least = min(loads.values())
    if least <= 0:
        return frozenset()
    loaded = {uid for uid, load in loads.items() if load > _ALIKE * least}
    spoken = [one for one in members if one.series.uid in loaded]
    named = all("magnetization transfer" in hintwords.look_alikes(one.series) for one in spoken)
    return frozenset(loaded) if named else frozenset()


def _weigh_load(header: Header) -> float:
    """Return the SAR of a scan by what its excitation would take up, in arbitrary units; 0 where that is not known."""
    flip = header.number("FlipAngle")
    return header.number("SAR") * header.number("RepetitionTime") / flip**2 if flip > 0 else 0.0


def _find_called(members: Sequence[Draft]) -> frozenset[str]:
    """Return the scans whose words say that the pulse is on, where others that are equal say that it is off."""
    states = {one.series.uid: (hintwords.transfer_state(one.series), _excitation(one.series.header)) for one in members}
    on, off = ({how for said, how in states.values() if said == state} for state in ("on", "off"))
    silent = {how for said, how in states.values() if not said}
    if len(on) != 1 or on != off or on & silent:
        return frozenset()
    return frozenset(uid for uid, (said, _) in states.items() if said == "on")


def _excitation(header: Header) -> tuple[float, float]:
    return header.number("FlipAngle"), header.number("RepetitionTime")
