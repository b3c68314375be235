"""Low-pass filters and resampling for StyleGAN3 (arXiv 2106.12423, section 3.2, appendix C.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["design_lowpass", "downsample", "upsample"]


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


def upsample(x: Tensor, taps: Tensor | None, factor: int, padding: tuple[int, int]) -> Tensor:
    """Interleave with zeros, pad, and filter along both axes, at unchanged brightness.

    Args:
        x: [N, C, H, W].
        taps: [T], symmetric; None for no filter.
        factor: How many times more samples along each axis.
        padding: Samples to add before and after, at the new rate; negative ones are cut off.

    Returns:
        [N, C, H', W'] with H' = H * factor + sum(padding) - T + 1.
    """
    before, after = padding
    if taps is None:
        return F.pad(x, (before, after, before, after))
    channels, kernel = x.shape[1], (taps * factor).to(x.dtype)
    # On a CPU a convolution over the zeros takes half the time of a transposed one, per sample.
    for dim, shape in ((3, (1, 1, 1, -1)), (2, (1, 1, -1, 1))):
        weight = kernel.view(shape).expand(channels, -1, -1, -1)
        x = F.conv2d(_interleave(x, factor, before, after, dim), weight, groups=channels)
    return x


def _interleave(x: Tensor, factor: int, before: int, after: int, dim: int) -> Tensor:
    """The samples of x along `dim` with factor - 1 zeros after each, padded or cut."""
    shape = list(x.shape)
    shape[dim] = shape[dim] * factor + before + after
    first = max(0, math.ceil(-before / factor))  # samples that are not cut off
    last = min(x.shape[dim], math.ceil((shape[dim] - before) / factor))
    wide = torch.empty(
        shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last
    ).zero_()
    start = before + first * factor
    places: list[slice] = [slice(None)] * 4
    places[dim] = slice(start, start + (last - first - 1) * factor + 1, factor)
    wide[tuple(places)] = x.narrow(dim, first, last - first)
    return wide


def downsample(x: Tensor, taps: Tensor | None, factor: int) -> Tensor:
    """Filter and keep every `factor`-th sample.

    Args:
        x: [N, C, H, W].
        taps: [T] to filter along both axes, [T, T], or None for no filter; symmetric.
        factor: How many times fewer samples along each axis.

    Returns:
        [N, C, H', W'] with H' = ⌈(H - T + 1) / factor⌉.
    """
    if taps is None:
        return x[:, :, ::factor, ::factor]
    channels, kernel = x.shape[1], taps.to(x.dtype)
    if kernel.ndim == 2:
        weight = kernel.expand(channels, 1, -1, -1)
        return F.conv2d(x, weight, stride=factor, groups=channels)
    across = kernel.view(1, 1, 1, -1).expand(channels, -1, -1, -1)
    down = kernel.view(1, 1, -1, 1).expand(channels, -1, -1, -1)
    x = F.conv2d(x, across, stride=(1, factor), groups=channels)
    return F.conv2d(x, down, stride=(factor, 1), groups=channels)
