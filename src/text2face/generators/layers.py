"""The layers of StyleGAN2: dense, resampling, and convolution modulated by a style."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.dense import Dense

NOISE_MODES: Final = ("const", "random", "none")
ALL_ROWS: Final = slice(None)

_SLOPE: Final = 0.2
_ACTIVATION_GAIN: Final = math.sqrt(2.0)  # keeps the second moment through the leaky ReLU
_EPSILON: Final = 1e-8

RESAMPLING_FILTER: Final = (
    torch.tensor([1.0, 3.0, 3.0, 1.0]).outer(torch.tensor([1.0, 3.0, 3.0, 1.0])) / 16
)


def upsample(image: Tensor) -> Tensor:
    """Double the size of image [N, C, H, W] with the filter [1, 3, 3, 1]; zeros lie outside it.

    This filter is bilinear interpolation, except for what lies outside the image.
    """
    padded = F.pad(image, (1, 1, 1, 1))
    return F.interpolate(padded, scale_factor=2, mode="bilinear")[:, :, 2:-2, 2:-2]


def clamp(x: Tensor, limit: float) -> Tensor:
    """Limit activations that nobody else holds, in place unless they carry gradients."""
    return x.clamp(-limit, limit) if x.requires_grad else x.clamp_(-limit, limit)


class StyledConv(nn.Module):
    """A 3×3 convolution with modulation, demodulation, noise, bias and leaky ReLU.

    Karras et al. 2020 (arXiv 1912.04958), section 2.2 and appendix B. The style scales the weight
    of each input channel, and the demodulation brings each output channel back to unit variance.
    As both are constant over the image they are applied to the activations instead, so that all
    samples share one weight and one convolution; but for a single large image, in inference.
    """

    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        up: bool = False,
        clamp: float | None = None,
    ) -> None:
        """Make the layer.

        Args:
            in_channels: Channels of the input.
            out_channels: Channels of the output.
            w_dim: Size of the latent code.
            resolution: Height and width of the output.
            up: Whether the output has twice the size of the input.
            clamp: Limit of the absolute value of the output; None for no limit.
        """
        super().__init__()
        self.affine = Dense(w_dim, in_channels, bias=1.0)
        weight = torch.randn(out_channels, in_channels, 3, 3)
        self.weight = nn.Parameter(_laid_out(weight, transposed=up))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.up = up
        self.clamp = clamp

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        noise_mode: str,
        gain: float = 1.0,
        rows: slice = ALL_ROWS,
    ) -> Tensor:
        """Filter one activation.

        Args:
            x: [N, in_channels, H, W]; its dtype is that of the convolution.
            w: [N, w_dim].
            noise_mode: One of `NOISE_MODES`.
            gain: Factor of the output.
            rows: Where in the image the rows of the output lie, if x is not all of it.

        Returns:
            [N, out_channels, H, W], or twice the height and width.
        """
        gain *= _ACTIVATION_GAIN  # positive gains pass through the leaky ReLU, to smaller tensors
        with torch.autocast(x.device.type, enabled=False):
            style = self.affine(w)
            scale = gain * (style.square() @ self._power() + _EPSILON).rsqrt()
            bias = (self.bias * gain).to(x.dtype)
            alone = len(x) == 1 and x.numel() > self.weight.numel() and not torch.is_grad_enabled()
            # One image is drawn faster with a weight of its own, if that is smaller than the image.
            weight: Tensor = self.weight
            if alone:
                weight = weight * scale[0, :, None, None, None] * style[0, :, None, None]
            weight = weight.to(x.dtype)
        if alone:
            x = self._convolve(x, weight, bias)
        else:
            x = self._convolve(x * style.to(x.dtype)[:, :, None, None], weight)
            x = torch.addcmul(bias[:, None, None], x, scale.to(x.dtype)[:, :, None, None])
        noise = self._noise(x, noise_mode, rows)
        if noise is not None:
            x += noise * (self.noise_strength * gain).to(x.dtype)
        x = F.leaky_relu_(x, _SLOPE)
        if self.clamp is not None:
            limit = self.clamp * gain / _ACTIVATION_GAIN
            x = clamp(x, limit)
        return x

    def _power(self) -> Tensor:
        """The squares of the weight, summed over its kernel: [in_channels, out_channels]."""
        if self.up:  # in memory order: ten times as fast
            return self.weight.transpose(0, 1).square().sum(dim=(2, 3))
        return self.weight.square().sum(dim=(2, 3)).T

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if self.up:
            return _upsampling_conv(x, weight, bias)
        return F.conv2d(x, weight, bias, padding=1)

    def _noise(self, x: Tensor, mode: str, rows: slice) -> Tensor | None:
        """One value per pixel, [1 or N, 1, H, W]."""
        if mode == "const":
            return self.noise_const[rows].to(x.dtype)[None, None]
        if mode == "random":
            shape = (x.shape[0], 1, *x.shape[2:])
            return torch.randn(shape, dtype=x.dtype, device=x.device)
        return None


class ToRGB(nn.Module):
    """A 1×1 convolution to the channels of the image, modulated and not demodulated."""

    def __init__(
        self, in_channels: int, img_channels: int, w_dim: int, *, clamp: float | None = None
    ) -> None:
        """Make the layer; see `StyledConv` for the arguments."""
        super().__init__()
        self.affine = Dense(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))
        self.weight_gain = 1 / math.sqrt(in_channels)
        self.clamp = clamp

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Turn x [N, in_channels, H, W] and w [N, w_dim] into float32 [N, img_channels, H, W]."""
        with torch.autocast(x.device.type, enabled=False):
            # With this few outputs the weights are smaller than the activations: one set a sample.
            style = self.affine(w) * self.weight_gain
            weight = self.weight.flatten(1) * style[:, None, :]
        pixels = x.permute(0, 2, 3, 1).flatten(1, 2) @ weight.to(x.dtype).transpose(1, 2)
        image: Tensor = pixels.float().unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)
        image += self.bias[:, None, None]
        return image if self.clamp is None else clamp(image, self.clamp)


class UpsamplingSkip(nn.Module):
    """The shortcut of a residual block: a 1×1 convolution, then `upsample`."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Make the layer."""
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, gain: float) -> Tensor:
        """[N, in_channels, H, W] → [N, out_channels, 2H, 2W], times `gain`."""
        return upsample(F.conv2d(x, self.weight * (self.weight_gain * gain)))


def _laid_out(weight: Tensor, *, transposed: bool) -> Tensor:
    """The same weight [O, I, k, k] in the memory order that convolutions read without a copy."""
    if transposed:
        return _laid_out(weight.transpose(0, 1), transposed=False).transpose(0, 1)
    return weight.contiguous(memory_format=torch.channels_last)


def _upsampling_conv(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Convolve x [N, I, H, W] at stride 1/2 with weight [O, I, 3, 3], smooth: [N, O, 2H, 2W].

    On a CPU this takes a half to a third of the time of one convolution with the composed kernel
    (four phases as channels), and of smoothing first: the two others have four times the products.
    """
    x = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    channels = x.shape[1]
    smooth = RESAMPLING_FILTER.to(x.device, x.dtype).expand(channels, 1, 4, 4)
    return F.conv2d(x, smooth, bias, padding=1, groups=channels)
