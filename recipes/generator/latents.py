"""Renderer parameters → latents, the way that training takes past the mapping network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from text2face.dense import Dense
from text2face.generators.layers import StyledConv, ToRGB
from text2face.generators.stylegan2 import StyleGAN2

LIFT = 3.0


class Scaled(nn.Module):
    """What reads renderer parameters [N, P] of one scale."""

    mean: Tensor
    scale: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))

    def fit(self, values: Tensor) -> None:
        """Centre and scale the parameters; the root keeps rare choices from dwarfing the others."""
        self.mean.copy_(values.mean(0))
        self.scale.copy_(values.std(0).clamp(min=0.02).rsqrt())

    def scaled(self, values: Tensor) -> Tensor:
        return (values - self.mean) * self.scale


class Parameters(Scaled):
    """Renderer parameters [N, P] → latent codes [N, w_dim], linear."""

    def __init__(self, count: int, w_dim: int) -> None:
        super().__init__(count)
        self.dense = Dense(count, w_dim, lr_multiplier=4)  # few of its columns matter at a time

    def forward(self, values: Tensor) -> Tensor:
        return self.dense(self.scaled(values))  # type: ignore[no-any-return]


def codes(w: Tensor, num_ws: int) -> Tensor:
    """Latents [N, w_dim] for all layers: [N, num_ws, w_dim]."""
    return w[:, None].expand(-1, num_ws, -1)


def modulated(generator: StyleGAN2) -> Iterator[StyledConv | ToRGB]:
    """The layers that styles modulate."""
    for module in generator.synthesis.modules():
        if isinstance(module, StyledConv | ToRGB):
            yield module


@torch.no_grad()
def move(generator: StyleGAN2, embedding: Parameters, change: Tensor | float) -> None:
    """Move all latents by a constant; the styles take it back, so that no image changes."""
    embedding.dense.bias.add_(change / embedding.dense.bias_gain)
    for layer in modulated(generator):
        affine = layer.affine
        back = affine.weight_gain * (affine.weight * change).sum(dim=1)
        affine.bias.sub_(back / affine.bias_gain)


def lift(generator: StyleGAN2, embedding: Parameters) -> None:
    """Move all latents by `LIFT`, as the mapping network needs them.

    Its last layer is activated, so w has to be positive for w to be a linear function of what
    comes before, as most of it should be.
    """
    move(generator, embedding, LIFT)


@torch.no_grad()
def rescale(layer: StyledConv) -> None:
    """Give a convolution weights of the size that they have without equalised learning rates.

    Demodulation takes any size back, but Adam's steps count relative to it.
    """
    weight = layer.weight
    weight.mul_((3 * weight.shape[1] * weight.shape[2] * weight.shape[3]) ** -0.5 / weight.std())


def speeds(trained: nn.Module) -> Iterator[tuple[nn.Parameter, float]]:
    """All parameters, and how much faster they learn to undo their equalised learning rate.

    Equalised rates were made for millions of images. At 1e-3 they let a weight of size one change
    by a thousandth a step; without them a network of this size gets as far in a tenth of the time.
    """
    gains: dict[nn.Parameter, float] = {}
    for module in trained.modules():
        if isinstance(module, Dense):
            gains[module.weight], gains[module.bias] = module.weight_gain, module.bias_gain
        elif isinstance(module, ToRGB):
            gains[module.weight] = module.weight_gain
    for parameter in trained.parameters():
        yield parameter, 1 / gains.get(parameter, 1.0)
