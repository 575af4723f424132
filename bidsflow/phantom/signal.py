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
    pulses : int
        Of an MPRAGE, readout pulses after each inversion; the centre of k-space is read by the one in the middle.
    pulse_spacing_ms : float
        From one of them to the next.
    """

    kind: str
    tr_ms: float
    flip_deg: float
    ti_ms: float = 0.0
    fat_saturated: bool = False
    effective_te_ms: float = 0.0
    pulses: int = 0
    pulse_spacing_ms: float = 0.0


def compute_signal(tissue: Tissue, contrast: Contrast, te_ms: float) -> float:
    """Return the magnitude of the signal, relative to water that is fully relaxed.

    Notes
    -----
    Spoiled gradient echo: Ernst and Anderson 1966, in steady state. Spin echo and inversion recovery:
    Haacke et al., Magnetic Resonance Imaging (1999), chapters 8 and 10. MPRAGE: see `recover_in_train`.
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
        signal = math.sin(flip) * abs(recover_in_train(tissue.t1_ms, contrast)) * math.exp(-te_ms / tissue.t2star_ms)
    saturation = 0.1 if contrast.fat_saturated and tissue.fat else 1.0
    return tissue.density * signal * saturation


def recover_in_train(t1_ms: float, contrast: Contrast) -> float:
    """Return the longitudinal magnetization before the middle pulse of an MPRAGE in steady state, relative to rest.

    The pulses of the readout drive the magnetization towards a steady state of their own, faster than T1: that
    brightens what has recovered least, grey matter and fluid.

    Notes
    -----
    Deichmann et al. 2000 (doi:10.1006/nimg.2000.0601), pulse by pulse: with q = cos(flip) exp(-spacing / T1), n pulses
    take M to ``M_inf + (M - M_inf) q^n`` with ``M_inf = (1 - exp(-spacing / T1)) / (1 - q)``; before and after the
    train it recovers freely, and what is left at the end is inverted, without loss.

    Examples
    --------
    Without a train it is inversion recovery, 1 - 2 exp(-TI / T1) / (1 + exp(-TR / T1)):

    >>> round(recover_in_train(1000.0, Contrast("mprage", 2300, 9, 900)), 6)
    0.260956
    """
    early = contrast.pulses // 2 * contrast.pulse_spacing_ms
    before = math.exp(-(contrast.ti_ms - early) / t1_ms)
    after = math.exp(-(contrast.tr_ms - contrast.ti_ms + early - contrast.pulses * contrast.pulse_spacing_ms) / t1_ms)
    between = math.exp(-contrast.pulse_spacing_ms / t1_ms)
    decay = math.cos(math.radians(contrast.flip_deg)) * between
    settled = (1 - between) / (1 - decay)
    left = decay**contrast.pulses
    # One cycle takes the magnetization M before an inversion to start + slope M: its fixed point is the steady state.
    start = 1 - after + after * (settled * (1 - left) + left * (1 - before))
    last = start / (1 + before * left * after)
    first = 1 - before - last * before
    return settled + (first - settled) * decay ** (contrast.pulses // 2)


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
