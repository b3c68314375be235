"""Renderer parameters → latents, the way that training takes past the mapping network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from text2face.generators.layers import Dense, StyledConv, ToRGB
from text2face.generators.stylegan2 import StyleGAN2

LIFT = 3.0
ACTIVATION = 5.0
CONVOLUTION = 0.25  # a quarter of the size is four times the speed


class Parameters(nn.Module):
    """Renderer parameters [N, P] → latent codes [N, w_dim], linear."""

    mean: Tensor
    scale: Tensor

    def __init__(self, count: int, w_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("scale", torch.ones(count))
        self.dense = Dense(count, w_dim, lr_multiplier=4)  # few of its columns matter at a time

    def fit(self, values: Tensor) -> None:
        """Centre and scale the parameters; the root keeps rare choices from dwarfing the others."""
        self.mean.copy_(values.mean(0))
        self.scale.copy_(values.std(0).clamp(min=0.02).rsqrt())

    @torch.no_grad()
    def centre(self, values: Tensor) -> None:
        """Make the bias the mean latent of these parameters; every latent stays as it is."""
        mean = self(values.mean(0)[None])[0]
        self.mean.copy_(values.mean(0))
        self.dense.bias.copy_(mean / self.dense.bias_gain)

    def forward(self, values: Tensor) -> Tensor:
        return self.dense((values - self.mean) * self.scale)  # type: ignore[no-any-return]


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
    embedding.dense.bias += change / embedding.dense.bias_gain
    for layer in modulated(generator):
        affine = layer.affine
        back = affine.weight_gain * (affine.weight * change).sum(dim=1)
        affine.bias -= back / affine.bias_gain


def lift(generator: StyleGAN2, embedding: Parameters) -> None:
    """Move all latents by `LIFT`, as the mapping network needs them.

    Its last layer is activated, so w has to be positive for w to be a linear function of what
    comes before, as most of it should be.
    """
    move(generator, embedding, LIFT)


@torch.no_grad()
def balance(generator: StyleGAN2, embedding: Parameters) -> None:
    """Make all parts learn at a like speed; no image changes.

    Demodulation lets the sizes of styles and of weights drift or stay without any effect but on how
    fast Adam turns them. Left alone, styles grow to a multiple of their spread, activations fall to
    a tenth, and the weights of convolutions hardly leave their random start.
    """
    move(generator, embedding, -embedding.dense.bias * embedding.dense.bias_gain)
    for layer in modulated(generator):
        size = layer.affine.bias.square().mean().sqrt()
        layer.affine.weight /= size
        layer.affine.bias /= size
        if isinstance(layer, ToRGB):
            layer.weight *= size / ACTIVATION
        else:
            layer.bias *= ACTIVATION
            layer.weight *= CONVOLUTION / layer.weight.std()
    generator.synthesis.const *= ACTIVATION
