"""The layers against plain definitions: modulated weights, zeros between pixels, a filter."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.generators.layers import (
    StyledConv,
    UpsamplingSkip,
    upsample,
)

FILTER = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def spread(x: Tensor) -> Tensor:
    """Put zeros between the pixels: [N, C, H, W] → [N, C, 2H, 2W]."""
    n, c, height, width = x.shape
    out = x.new_zeros(n, c, 2 * height, 2 * width)
    out[:, :, ::2, ::2] = x
    return out


def smooth(x: Tensor, before: int, after: int) -> Tensor:
    channels = x.shape[1]
    kernel = (2 * FILTER).outer(2 * FILTER).expand(channels, 1, 4, 4)
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel, groups=channels)


def test_upsample() -> None:
    x = torch.randn(2, 3, 5, 7)
    assert torch.allclose(upsample(x), smooth(spread(x), 2, 1), atol=1e-5)


@pytest.mark.parametrize("gain", [1.0, math.sqrt(0.5)])
@pytest.mark.parametrize("clamp", [None, 0.5])
@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("alone", [False, True])  # whether the weight is modulated
def test_styled_conv(alone: bool, up: bool, clamp: float | None, gain: float) -> None:
    torch.manual_seed(0)
    size = 14 if up else 7
    layer = StyledConv(5, 4, 7, size, up=up, clamp=clamp).requires_grad_(False)
    layer.noise_strength.fill_(0.3)
    layer.bias.normal_()
    x, w = torch.randn(2, 5, 7, 7), torch.randn(2, 7)
    styles = w @ (layer.affine.weight / math.sqrt(7)).T + 1
    outputs = []
    for one, style in zip(x.split(1), styles, strict=True):
        weight = layer.weight * style[:, None, None]
        weight = weight / weight.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
        if up:  # a true convolution, the kernel flipped; all that it touches is then smoothed
            full = F.conv2d(spread(one), weight.flip(2, 3), padding=2)[:, :, :-1, :-1]
            outputs.append(smooth(full, 1, 1))
        else:
            outputs.append(F.conv2d(one, weight, padding=1))
    y = torch.cat(outputs) + 0.3 * layer.noise_const + layer.bias[:, None, None]
    y = torch.where(y > 0, y, 0.2 * y) * math.sqrt(2) * gain
    if clamp is not None:
        y = y.clamp(-clamp * gain, clamp * gain)
    if alone:
        with torch.no_grad():
            pairs = zip(x.split(1), w.split(1), strict=True)
            got = torch.cat([layer(*pair, "const", gain) for pair in pairs])
    else:
        got = layer(x, w, "const", gain)
    assert torch.allclose(got, y, atol=1e-5)


def test_upsampling_skip() -> None:
    layer = UpsamplingSkip(5, 4).requires_grad_(False)
    x = torch.randn(2, 5, 6, 6)
    y = smooth(spread(F.conv2d(x, layer.weight / math.sqrt(5))), 2, 1)
    assert torch.allclose(layer(x, 0.5), 0.5 * y, atol=1e-5)
