"""Low-pass filters and resampling for StyleGAN3 (arXiv 2106.12423, section 3.2, appendix C.1)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["design_lowpass", "resample"]

_BAND: Final = 1 << 21  # samples between the filters in a band of rows: a few MB


def design_lowpass(
    taps: int, cutoff: float, width: float, rate: float, *, radial: bool = False
) -> Tensor:
    """Design a low-pass filter by the Kaiser window method.

    Args:
        taps: Its length in samples; even if it is radial.
        cutoff: Cutoff frequency, in cycles per image as all frequencies here.
        width: Width of the transition band.
        rate: Sampling rate.
        radial: Whether to return a radially symmetric filter over the plane (a jinc) instead of
            one to be applied along each axis (a sinc).

    Returns:
        [taps], or [taps, taps] if it is radial; symmetric, with a sum of one.
    """
    attenuation = 2.285 * (taps - 1) * math.pi * width / (rate / 2) + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        excess = max(attenuation - 21, 0.0)
        beta = 0.5842 * excess**0.4 + 0.07886 * excess
    window = torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64)
    x = (torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2) / rate
    if radial:
        radius = torch.hypot(x[:, None], x[None, :])
        ideal = torch.special.bessel_j1(2 * math.pi * cutoff * radius) / (math.pi * radius)
        taper = window.outer(window)
    else:
        ideal, taper = torch.sinc(2 * cutoff * x), window
    tapered: Tensor = ideal * taper
    return (tapered / tapered.sum()).float()


def resample(
    x: Tensor,
    up_taps: Tensor | None,
    up: int,
    padding: tuple[int, int],
    activate: Callable[[Tensor], Tensor],
    down_taps: Tensor | None,
    down: int,
    *,
    gain: float = 1.0,
) -> Tensor:
    """Interleave with zeros, pad, filter, activate, filter again, and keep every `down`-th sample.

    By phases: output sample k of the first filter only meets every `up`-th tap, so no zero is ever
    multiplied, and the second filter reads `down` streams of samples that lie side by side. Done in
    bands of rows, because the signal in between is up to 16 times as large as x.

    Args:
        x: [N, C, H, W].
        up_taps: [T], symmetric; None for no filter, where `up` is 1.
        up: How many times more samples along each axis, a multiple of `down`.
        padding: Samples to add before and after, at the higher rate; negative ones are cut off.
        activate: The pointwise function in between; it may work in place.
        down_taps: [D] to filter along both axes, [D, D], or None for no filter; symmetric.
        down: How many times fewer samples along each axis.
        gain: A factor of the signal before it is activated.

    Returns:
        [N, C, H', W'] with K = H * up + sum(padding) - T + 1 and H' = ⌈(K - D + 1) / down⌉.
    """
    rise = (x.new_ones(1) if up_taps is None else up_taps.to(x.dtype) * up) * math.sqrt(gain)
    fall = x.new_ones(1) if down_taps is None else down_taps.to(x.dtype)
    height, width = (
        -(-(size * up + sum(padding) - len(rise) + 1 - len(fall) + 1) // down)
        for size in x.shape[2:]
    )
    phases, first = _phases(rise, up, padding[0])
    beyond = math.ceil(len(fall) / down) - 1  # samples of a stream that follow the last one kept
    whole = up // down  # phases that take turns in a stream
    columns, rows = (math.ceil((size + beyond) / whole) for size in (width, height))
    margins = [
        margin
        for needed, size in ((columns, x.shape[3]), (rows, x.shape[2]))
        for margin in (-first, needed + phases.shape[1] - 1 + first - size)
    ]
    x = F.pad(x, margins).contiguous(memory_format=torch.channels_last)
    out = torch.empty(
        (*x.shape[:2], height, width), dtype=x.dtype, device=x.device,
        memory_format=torch.channels_last,
    )  # fmt: skip
    step = max(1, round(_BAND / (x.shape[0] * x.shape[1] * width * down**2))) * whole
    for top in range(0, height, step):
        stop = min(top + step, height)
        lines = math.ceil((stop - top + beyond) / whole)
        part = x[:, :, top // whole : top // whole + lines + phases.shape[1] - 1]
        band: Tensor | None = None
        for i in range(down):
            stream = _interleave([_filter(part, taps[:, None]) for taps in phases[i::down]], 2)
            across: Tensor | None = None
            for j in range(down):
                inner = [_filter(stream, taps[None]) for taps in phases[j::down]]
                active = activate(_interleave(inner, 3))
                if fall.ndim == 2:
                    band = _add(band, _filter(active, fall[i::down, j::down]))
                else:
                    across = _add(across, _filter(active, fall[None, j::down]))
            if across is not None:
                band = _add(band, _filter(across, fall[i::down, None]))
        if band is not None:
            out[:, :, top:stop] = band[:, :, : stop - top, :width]
    return out


def _phases(taps: Tensor, up: int, first: int) -> tuple[Tensor, int]:
    """The taps that each of `up` consecutive samples of the filtered signal meets.

    Returns:
        [up, L]: for each, from the same sample of x on, with zeros where it meets none; and the
        place of that sample in x, for the first `up` samples.
    """
    skipped = [(first - phase) % up for phase in range(up)]  # taps that meet a zero before
    starts = [(phase + skip - first) // up for phase, skip in enumerate(skipped)]
    start = min(starts)
    length = max(s - start + len(taps[skip::up]) for s, skip in zip(starts, skipped, strict=True))
    phases = taps.new_zeros(up, length)
    for phase, (begin, skip) in enumerate(zip(starts, skipped, strict=True)):
        kept = taps[skip::up]
        phases[phase, begin - start : begin - start + len(kept)] = kept
    return phases, start


def _interleave(parts: list[Tensor], dim: int) -> Tensor:
    """Tensors [N, C, H, W] whose samples take turns along a dimension."""
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[dim] *= len(parts)
    wide = torch.empty(
        shape, dtype=parts[0].dtype, device=parts[0].device, memory_format=torch.channels_last
    )
    places: list[slice] = [slice(None)] * 4
    for phase, part in enumerate(parts):
        places[dim] = slice(phase, None, len(parts))
        wide[tuple(places)] = part
    return wide


def _filter(x: Tensor, taps: Tensor) -> Tensor:
    """Every channel of x [N, C, H, W] with taps [A, B]; a new tensor."""
    channels = x.shape[1]
    return F.conv2d(x, taps.expand(channels, 1, -1, -1), groups=channels)


def _add(total: Tensor | None, more: Tensor) -> Tensor:
    return more if total is None else total.add_(more)
