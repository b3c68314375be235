"""Filters against SciPy's designs, and resampling against its definition."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.generators.filters import design_lowpass, downsample, upsample


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


def by_definition(x: Tensor, taps: Tensor, factor: int, padding: tuple[int, int]) -> Tensor:
    """Zeros between the samples, then the padding, then the filter."""
    n, c, h, w = x.shape
    zeros = torch.zeros(n, c, h, factor, w, factor)
    zeros[:, :, :, 0, :, 0] = x
    padded = F.pad(zeros.view(n, c, h * factor, w * factor), padding * 2)
    kernel = (taps * factor).outer(taps * factor).expand(c, 1, -1, -1)
    return F.conv2d(padded, kernel, groups=c)


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("padding", [(0, 0), (9, 8), (-3, 2), (15, -5)])
def test_upsampling_equals_its_definition(factor: int, padding: tuple[int, int]) -> None:
    x = torch.randn(2, 3, 9, 9)
    taps = design_lowpass(6, 2.0, 2.0, 9.0 * factor)
    expected = by_definition(x, taps, factor, padding)
    assert torch.allclose(upsample(x, taps, factor, padding), expected, atol=1e-5)


def test_downsampling_by_both_kinds_of_filter() -> None:
    x, taps = torch.randn(2, 3, 20, 20), torch.rand(6)
    taps = taps + taps.flip(0)
    separable, plane = downsample(x, taps, 2), downsample(x, taps.outer(taps), 2)
    assert separable.shape == (2, 3, 8, 8)
    assert torch.allclose(separable, plane, atol=1e-4)
    assert torch.equal(downsample(x, None, 1), x)


def test_without_a_filter_upsampling_cuts_and_pads() -> None:
    x = torch.randn(1, 2, 5, 5)
    assert torch.equal(upsample(x, None, 1, (-1, 0)), x[:, :, 1:, 1:])
