"""StyleGAN3 (Karras et al. 2021, arXiv 2106.12423), -T and -R: z → w → image, without aliasing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.dense import Dense
from text2face.errors import ArgumentError, quoted
from text2face.generators.filters import design_lowpass, resample
from text2face.generators.mapping import GeneratorConfig, MappedGenerator
from text2face.registry import register

__all__ = ["Band", "StyleGAN3", "StyleGAN3Config"]

_SLOPE: Final = 0.2
_EPSILON: Final = 1e-8
_MAX_RESOLUTION: Final = 8192
_MAX_LAYERS: Final = 64


@dataclass(frozen=True)
class Band:
    """The signal that leaves a layer; frequencies in cycles per image."""

    cutoff: float
    """What is above is filtered out."""
    half_width: float
    """Half the width of the transition band."""
    rate: int
    """Sampling rate: samples per image width, without the margin."""
    size: int
    """Samples with the margin on both sides."""
    channels: int
    """Feature maps."""


@dataclass(frozen=True)
class StyleGAN3Config(GeneratorConfig):
    """What a StyleGAN3 network of 16 to 8192 pixels looks like."""

    mapping_layers: int = 2
    """Layers of the mapping network."""
    channel_base: int = 32768
    """Channels of a layer are half this number over its cutoff, but at most `channel_max`."""
    channel_max: int = 512
    """See `channel_base`."""
    num_layers: int = 14
    """Layers between the Fourier features and the RGB output."""
    num_critical: int = 2
    """The last layers, whose cutoff is half the sampling rate."""
    first_cutoff: float = 2.0
    """Cutoff of the input, f_c,0 in cycles per image."""
    first_stopband: float = 2**2.1
    """Stopband of the input, f_t,0."""
    last_stopband_rel: float = 2**0.3
    """Stopband of the last layer relative to its cutoff."""
    margin_size: int = 10
    """Samples around the image in every layer but the last two."""
    output_scale: float = 0.25
    """Factor of the image."""
    conv_kernel: int = 3
    """Size of the convolutions: 3 in -T, 1 in -R."""
    filter_size: int = 6
    """Length of the filters, in samples of the lower rate."""
    lrelu_upsampling: int = 2
    """How much higher the sampling rate is at the leaky ReLU."""
    use_radial_filters: bool = False
    """Whether downsampling filters are radially symmetric, as in -R."""
    conv_clamp: float | None = 256.0
    """Limit of activations; None for no limit."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        resolution = self.img_resolution
        if not 16 <= resolution <= _MAX_RESOLUTION or resolution & (resolution - 1):
            raise ArgumentError(
                f"bad img_resolution: got {resolution}, expected a power of two from 16 to "
                f"{_MAX_RESOLUTION}"
            )
        if not 0 <= self.num_critical < self.num_layers <= _MAX_LAYERS:
            raise ArgumentError(
                f"bad num_layers: got {self.num_layers} with {self.num_critical} critical ones, "
                f"expected more layers than critical ones and at most {_MAX_LAYERS}"
            )
        self.check_common(self.conv_clamp)
        if self.channel_max < 1 or not 0 <= self.margin_size <= 64 or self.output_scale <= 0:
            raise ArgumentError(
                f"bad sizes: got {quoted(self)}, expected channel_max from 1, margin_size from 0 "
                "to 64, and a positive output_scale"
            )
        if (
            self.conv_kernel not in (1, 3)
            or self.filter_size not in range(2, 33, 2)
            or self.lrelu_upsampling not in (1, 2, 4)
        ):
            raise ArgumentError(
                f"bad filters: got {quoted(self)}, expected conv_kernel 1 or 3, an even "
                "filter_size from 2 to 32, and lrelu_upsampling 1, 2 or 4"
            )
        lowest = 0 < self.first_cutoff < self.first_stopband <= resolution / 2
        if not lowest or not 1 <= self.last_stopband_rel <= 2 or self.channel_base < resolution:
            raise ArgumentError(
                f"bad bands: got {quoted(self)}, expected first_cutoff under first_stopband "
                "under half the resolution, last_stopband_rel from 1 to 2, and channel_base from "
                "the resolution"
            )

    @property
    def num_ws(self) -> int:
        """The number of latent codes of one image: the input's, one per layer, and the RGB's."""
        return self.num_layers + 2

    @property
    def bands(self) -> list[Band]:
        """What leaves each layer and the RGB output, by the schedule of section 3.2 and figure 4.

        Cutoffs and stopbands grow geometrically from the first layer to the first critical one;
        the sampling rate is the power of two that holds the stopband, at most the resolution.
        """
        bands = []
        last_cutoff = self.img_resolution / 2
        last_stopband = last_cutoff * self.last_stopband_rel
        for index in range(self.num_layers + 1):
            grown = min(index / (self.num_layers - self.num_critical), 1.0)
            cutoff = self.first_cutoff * (last_cutoff / self.first_cutoff) ** grown
            stopband = self.first_stopband * (last_stopband / self.first_stopband) ** grown
            rate = 2 ** math.ceil(math.log2(min(2 * stopband, self.img_resolution)))
            inside = index >= self.num_layers - 1
            bands.append(
                Band(
                    cutoff=cutoff,
                    half_width=max(stopband, rate / 2) - cutoff,
                    rate=rate,
                    size=self.img_resolution if inside else rate + 2 * self.margin_size,
                    channels=self.img_channels
                    if index == self.num_layers
                    else round(min(self.channel_base / 2 / cutoff, self.channel_max)),
                )
            )
        return bands


class FourierFeatures(nn.Module):
    """The input: sinusoids that w rotates and shifts (section 3.2, appendix F)."""

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, band: Band, w_dim: int) -> None:
        """Make the input with random frequencies in the disc below the cutoff."""
        super().__init__()
        self.band = band
        self.weight = nn.Parameter(torch.randn(band.channels, band.channels))
        self.affine = Dense(w_dim, 4)
        with torch.no_grad():  # start with the identity
            self.affine.weight.zero_()
            self.affine.bias[0] = 1
        freqs = torch.randn(band.channels, 2)
        radii = freqs.norm(dim=1, keepdim=True)
        self.register_buffer("freqs", freqs / radii * (-radii.square() / 4).exp() * band.cutoff)
        self.register_buffer("phases", torch.rand(band.channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))

    def forward(self, w: Tensor) -> Tensor:
        """Turn w [N, w_dim] into [N, channels, size, size]."""
        turn = self.affine(w)
        cos, sin, x, y = (turn / turn[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        zero, one = torch.zeros_like(x), torch.ones_like(x)
        rotation = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], 1).view(-1, 3, 3)
        shift = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], 1).view(-1, 3, 3)
        # The buffer is the user's own transform of the image, usually the identity.
        matrix = rotation @ shift @ self.transform
        phases = self.phases + (self.freqs @ matrix[:, :2, 2:]).squeeze(2)
        freqs = self.freqs @ matrix[:, :2, :2]
        # A transform that shrinks the image raises frequencies: those beyond the band fade out.
        beyond = freqs.norm(dim=2) - self.band.cutoff
        amplitudes = (1 - beyond / (self.band.rate / 2 - self.band.cutoff)).clamp(0, 1)
        size = self.band.size
        steps = (torch.arange(size, device=w.device) + 0.5 - size / 2) / self.band.rate
        across = freqs[:, None, :, 0] * steps[:, None]  # [N, size, channels]
        down = freqs[:, None, :, 1] * steps[:, None] + phases[:, None]
        waves = torch.sin((across[:, None] + down[:, :, None]) * (2 * math.pi))
        waves = waves * amplitudes[:, None, None]
        features: Tensor = waves @ (self.weight / math.sqrt(self.band.channels)).T
        return features.permute(0, 3, 1, 2)


class Layer(nn.Module):
    """A modulated convolution and a leaky ReLU between two resamplings; or the RGB output."""

    magnitude_ema: Tensor
    up_filter: Tensor | None
    down_filter: Tensor | None

    def __init__(self, config: StyleGAN3Config, index: int) -> None:
        """Make layer `index`; the one after the last is the RGB output."""
        super().__init__()
        bands = config.bands
        before, after = bands[max(index - 1, 0)], bands[index]
        self.is_rgb = index == config.num_layers
        is_critical = index >= config.num_layers - config.num_critical
        kernel = 1 if self.is_rgb else config.conv_kernel
        self.clamp = config.conv_clamp
        self.affine = Dense(config.w_dim, before.channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(after.channels, before.channels, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(after.channels))
        self.register_buffer("magnitude_ema", torch.ones(()))

        inner = max(before.rate, after.rate) * (1 if self.is_rgb else config.lrelu_upsampling)
        self.up, self.down = inner // before.rate, inner // after.rate
        up_taps = config.filter_size * self.up if self.up > 1 and not self.is_rgb else 1
        down_taps = config.filter_size * self.down if self.down > 1 and not self.is_rgb else 1
        self._add_filter("up_filter", up_taps, before, inner)
        radial = config.use_radial_filters and not is_critical
        self._add_filter("down_filter", down_taps, after, inner, radial=radial)

        # So that the output has its size, and samples stay where they are (appendix C.3).
        total = (after.size - 1) * self.down + 1 - (before.size + kernel - 1) * self.up
        total += up_taps + down_taps - 2
        first = (total + self.up) // 2
        self.padding = (first, total - first)

    def _add_filter(
        self, name: str, taps: int, band: Band, rate: int, *, radial: bool = False
    ) -> None:
        width = 2 * band.half_width
        taps_or_none = (
            design_lowpass(taps, band.cutoff, width, rate, radial=radial) if taps > 1 else None
        )
        self.register_buffer(name, taps_or_none, persistent=False)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Turn x [N, C, size, size] and w [N, w_dim] into the next signal."""
        style: Tensor = self.affine(w)
        weight: Tensor = self.weight
        scale: Tensor | None = None
        if self.is_rgb:
            style = style / math.sqrt(weight[0].numel())
        else:
            weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
            style = style * style.square().mean(dim=1, keepdim=True).rsqrt()
            power = style.square() @ weight.square().sum(dim=(2, 3)).T
            scale = (power + _EPSILON).rsqrt()[:, :, None, None]
        # The style scales the activations, so that all samples share one convolution.
        style = style * self.magnitude_ema.rsqrt()
        x = F.conv2d(x * style[:, :, None, None], weight, padding=weight.shape[2] - 1)
        bias = self.bias[:, None, None]
        x = x + bias if scale is None else torch.addcmul(bias, x, scale)
        if self.is_rgb:
            return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)
        return resample(
            x, self.up_filter, self.up, self.padding, self._activate, self.down_filter, self.down,
            gain=math.sqrt(2),
        )  # fmt: skip

    def _activate(self, x: Tensor) -> Tensor:
        """The leaky ReLU; in place where there is no gradient."""
        if x.requires_grad:
            x = F.leaky_relu(x, _SLOPE)
            return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)
        x = F.leaky_relu_(x, _SLOPE)
        return x if self.clamp is None else x.clamp_(-self.clamp, self.clamp)


class Synthesis(nn.Module):
    """The synthesis network: latent codes, one per layer, to an image."""

    def __init__(self, config: StyleGAN3Config) -> None:
        """Make the network."""
        super().__init__()
        self.input = FourierFeatures(config.bands[0], config.w_dim)
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.num_layers + 1))
        self.output_scale = config.output_scale

    def forward(self, w: Tensor, noise_mode: str = "const") -> Tensor:
        """Turn w [N, num_ws, w_dim] into images [N, img_channels, H, W], always in float32.

        There is no noise in StyleGAN3: the mode changes nothing.
        """
        with torch.autocast(w.device.type, enabled=False):
            first, *codes = w.float().unbind(dim=1)
            x = self.input(first)
            for layer, code in zip(cast("Iterable[Layer]", self.layers), codes, strict=True):
                x = layer(x, code)
            image: Tensor = x * self.output_scale
            return image


@register("generator", "stylegan3")
class StyleGAN3(MappedGenerator):
    """A StyleGAN3 generator: `map` z to latents, `synthesize` latents to images.

    `synthesis.input.transform` [3, 3] moves the image: an inverse transform of coordinates in
    units of the image, applied to every image.
    """

    config_class = StyleGAN3Config
    synthesis_class = Synthesis
    config: StyleGAN3Config
    synthesis: Synthesis

    def __init__(self, config: StyleGAN3Config) -> None:
        """Make a network with random weights."""
        super().__init__(config)
