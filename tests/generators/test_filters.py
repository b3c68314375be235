"""Filters against SciPy's designs, and resampling against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.generators.filters import design_lowpass, resample


@pytest.mark.parametrize(("taps", "width"), [(12, 3.5), (24, 9.0), (48, 30.0), (6, 0.1)])
def test_design_equals_scipy(taps: int, width: float) -> None:
    expected = scipy.signal.firwin(numtaps=taps, cutoff=8.0, width=width, fs=64.0)
    got = design_lowpass(taps, 8.0, width, 64.0)
    assert got.dtype == torch.float32
    assert np.allclose(got.numpy(), expected, atol=1e-7)


def test_the_radial_design_is_symmetric_and_keeps_the_mean() -> None:
    taps = design_lowpass(12, 8.0, 9.0, 64.0, radial=True)
    assert taps.shape == (12, 12)
    assert float(taps.sum()) == pytest.approx(1, abs=1e-6)
    for other in (taps.T, taps.flip(0), taps.flip(1)):
        assert torch.allclose(taps, other, atol=1e-8)


def by_definition(
    x: Tensor,
    up_taps: Tensor,
    up: int,
    padding: tuple[int, int],
    down_taps: Tensor,
    down: int,
) -> Tensor:
    """Zeros between the samples, padding, filter, leaky ReLU, filter, every `down`-th sample."""
    n, c, h, w = x.shape
    zeros = torch.zeros(n, c, h, up, w, up)
    zeros[:, :, :, 0, :, 0] = x
    padded = F.pad(zeros.view(n, c, h * up, w * up), padding * 2)
    rise = (up_taps * up).outer(up_taps * up).expand(c, 1, -1, -1)
    inner = F.leaky_relu(F.conv2d(padded, rise, groups=c), 0.2)
    fall = down_taps if down_taps.ndim == 2 else down_taps.outer(down_taps)
    return F.conv2d(inner, fall.expand(c, 1, -1, -1), stride=down, groups=c)


def leak(x: Tensor) -> Tensor:
    return F.leaky_relu_(x, 0.2)


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (4, 1), (2, 2), (4, 2), (8, 2), (4, 4)])
@pytest.mark.parametrize("padding", [(0, 0), (9, 8), (-3, 2), (15, -5), (-6, -9), (30, 31)])
@pytest.mark.parametrize("radial", [False, True])
def test_resampling_equals_its_definition(
    up: int, down: int, padding: tuple[int, int], radial: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("text2face.generators.filters._BAND", 2000)  # some bands of rows
    x = torch.randn(2, 3, 33, 29)
    rise = design_lowpass(6 * up, 2.0, 2.0, 9.0 * up)
    fall = design_lowpass(6 * down, 2.0, 2.0, 9.0 * up, radial=radial)
    expected = by_definition(x, rise, up, padding, fall, down)
    got = resample(x, rise, up, padding, leak, fall, down)
    assert got.shape == expected.shape
    assert torch.allclose(got, expected, atol=1e-5)


def test_without_filters_resampling_pads_cuts_and_activates() -> None:
    x = torch.randn(1, 2, 5, 5)
    assert torch.equal(resample(x, None, 1, (-1, 0), leak, None, 1), leak(x[:, :, 1:, 1:].clone()))
    padded = resample(x, None, 1, (2, 1), leak, None, 1, gain=4.0)
    assert torch.equal(padded, leak(F.pad(4 * x, (2, 1, 2, 1))))
