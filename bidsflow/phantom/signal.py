"""How bright a tissue is: the signal equations of the sequences that the phantom knows."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bidsflow.phantom.anatomy import Tissue
from bidsflow.phantom.grid import Array


@dataclass(frozen=True, slots=True)
class Contrast:
    """What of a sequence decides the contrast.

    Attributes
    ----------
    kind : str
        ``spoiled`` (gradient echo), ``spin`` (spin echo), ``inversion`` (spin echo after an inversion)
        or ``mprage``.
    effective_te_ms : float
        The echo time of a spin echo with the same contrast, where flip angles vary along the train; 0
        where it is the nominal one.
    """

    kind: str
    tr_ms: float
    flip_deg: float
    ti_ms: float = 0.0
    fat_saturated: bool = False
    effective_te_ms: float = 0.0


def compute_signal(tissue: Tissue, contrast: Contrast, te_ms: float) -> float:
    """Return the magnitude of the signal, relative to water that is fully relaxed.

    Notes
    -----
    Spoiled gradient echo: Ernst and Anderson 1966, in steady state. Spin echo and inversion recovery:
    Haacke et al., Magnetic Resonance Imaging (1999), chapters 8 and 10. MPRAGE: inversion recovery with the
    recovery over one repetition, readout pulses neglected (Mugler and Brookeman 1990).
    """
    e1 = math.exp(-contrast.tr_ms / tissue.t1_ms)
    te_ms = contrast.effective_te_ms or te_ms
    flip = math.radians(contrast.flip_deg)
    inverted = math.exp(-contrast.ti_ms / tissue.t1_ms)
    if contrast.kind == "spoiled":
        signal = math.sin(flip) * (1 - e1) / (1 - math.cos(flip) * e1) * math.exp(-te_ms / tissue.t2star_ms)
    elif contrast.kind == "spin":
        signal = (1 - e1) * math.exp(-te_ms / tissue.t2_ms)
    elif contrast.kind == "inversion":
        signal = abs(1 - 2 * inverted + e1) * math.exp(-te_ms / tissue.t2_ms)
    else:
        recovered = abs(1 - 2 * inverted / (1 + e1))
        signal = math.sin(flip) * recovered * math.exp(-te_ms / tissue.t2star_ms)
    saturation = 0.1 if contrast.fat_saturated and tissue.fat else 1.0
    return tissue.density * signal * saturation


def attenuate(tissue: Tissue, b_value: float, gradient: Array) -> float:
    """Return the loss of signal by diffusion along a unit vector in the axes of the head.

    Notes
    -----
    Basser et al. 1994 (doi:10.1006/jmrb.1994.1037): S = S0 exp(-b g' D g), b in s/mm².
    """
    return math.exp(-b_value * float(gradient @ tissue.tensor @ gradient))


def compute_response(times: Array, onsets: tuple[float, ...], duration: float) -> Array:
    """Return the blood oxygenation response to blocks of stimulation, 1 where a long block settles.

    Parameters
    ----------
    times : ndarray
        Seconds since the first volume began.
    onsets : tuple of float
        Start of each block, seconds.
    duration : float
        Length of each block, seconds.

    Notes
    -----
    The canonical difference of two gamma densities (Glover 1999): shapes 6 and 16, weight 1/6.
    """
    step = 0.1
    t = np.arange(0, 32, step)
    kernel = t**5 * np.exp(-t) / math.gamma(6) - t**15 * np.exp(-t) / math.gamma(16) / 6
    clock = np.arange(0, float(times.max(initial=0)) + 1, step)
    active = np.zeros_like(clock)
    for onset in onsets:
        active[(clock >= onset - 1e-9) & (clock < onset + duration - 1e-9)] = 1
    response = np.convolve(active, kernel)[: clock.size] / kernel.sum()
    return np.asarray(np.interp(times, clock, response))


def add_noise(signal: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Return the magnitude of a signal with complex Gaussian noise (Gudbjartsson and Patz 1995)."""
    real = signal + sigma * rng.standard_normal(signal.shape, dtype=np.float32)
    imaginary = sigma * rng.standard_normal(signal.shape, dtype=np.float32)
    return np.asarray(np.hypot(real, imaginary))
