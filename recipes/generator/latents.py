"""Renderer parameters → latents, the way that training takes past the mapping network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from text2face.generators.layers import Dense, StyledConv, ToRGB
from text2face.generators.stylegan2 import StyleGAN2

LIFT = 3.0


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


def lift(generator: StyleGAN2, embedding: Parameters) -> None:
    """Move all latents by `LIFT`; the styles take it back.

    The last layer of a mapping network is activated, so w has to be positive for w to be a linear
    function of what comes before, as most of it should be.
    """
    embedding.dense.bias.data += LIFT / embedding.dense.bias_gain
    for module in generator.synthesis.modules():
        if isinstance(module, StyledConv | ToRGB):
            affine = module.affine
            change = LIFT * affine.weight_gain * affine.weight.data.sum(dim=1)
            affine.bias.data -= change / affine.bias_gain
