"""Directions of single style channels (StyleCLIP's global directions, arXiv 2103.17249, section 6).

A channel of a layer's style is relevant to words as far as it moves the picture's embedding along
the difference that the words make; channels below a threshold are left alone, which keeps the
edit to what was asked for. StyleCLIP moves each channel of many pictures beforehand; here the
gradient of one picture says the same of all channels at once. The change of styles is then written
as one of w, the smallest that makes it, so that it is a latent like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.editing.base import EditRequest
from text2face.editing.targets import target_embedding
from text2face.errors import ArgumentError
from text2face.generators.layers import StyledConv
from text2face.generators.stylegan2 import Block, StyleGAN2
from text2face.registry import register

if TYPE_CHECKING:
    from text2face.model import FaceModel

__all__ = ["change", "style_layers"]

_LENGTHS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
_RIDGE: Final = 1e-4


def style_layers(generator: StyleGAN2) -> list[StyledConv]:
    """The convolutions whose styles are edited, in order: that of layer i reads code i of w."""
    layers: list[StyledConv] = []
    for block in generator.synthesis.blocks:
        if isinstance(block, Block):
            layers += [layer for layer in (block.up, block.conv) if layer is not None]
    return layers


@register("edit", "channels")
def change(
    pipe: FaceModel, request: EditRequest, *, threshold: float = 0.3, rounds: int = 1
) -> Tensor:
    """The change of w at strength 1, see `EditMethod`.

    Args:
        pipe: The pipeline.
        request: The face.
        threshold: β: channels less relevant than this share of the most relevant one stay.
        rounds: How often relevance is looked at anew.

    Raises:
        ArgumentError: The generator is no StyleGAN2, or the threshold is not from 0 to 1.
    """
    generator = pipe.generator
    if not isinstance(generator, StyleGAN2):
        raise ArgumentError(
            f"the generator is a {type(generator).__name__}, expected a StyleGAN2 for method "
            "'channels'; use method='posterior' or 'optimise'"
        )
    if not 0 <= threshold <= 1:
        raise ArgumentError(f"threshold is {threshold!r}, expected a number from 0 to 1")
    wanted = target_embedding(request, getattr(pipe.sampler, "bank", None))
    matrices, spreads = _affine(pipe, generator)
    total = torch.zeros_like(request.latent)
    for _ in range(rounds):
        total = total + _step(pipe, request.latent + total, wanted, matrices, spreads, threshold)
    return total


def _affine(pipe: FaceModel, generator: StyleGAN2) -> tuple[list[Tensor], list[Tensor]]:
    """Of each layer: styles as a linear function of w [C, w_dim], and their spread [C]."""
    up = pipe.latent_axes.up.to(pipe.device)
    matrices = [layer.affine.weight * layer.affine.weight_gain for layer in style_layers(generator)]
    return matrices, [(up @ matrix.T).square().sum(dim=0).sqrt() for matrix in matrices]


def _step(
    pipe: FaceModel,
    latent: Tensor,
    wanted: Tensor,
    matrices: list[Tensor],
    spreads: list[Tensor],
    threshold: float,
) -> Tensor:
    """One look at relevance, and the length along the relevant channels that comes nearest."""
    slopes = _relevance(pipe, latent, wanted, matrices)
    moved = [slope * spread for slope, spread in zip(slopes, spreads, strict=True)]
    limit = threshold * max(float(part.abs().max()) for part in moved)
    direction = torch.zeros_like(latent)
    for layer, (part, matrix, spread) in enumerate(zip(moved, matrices, spreads, strict=True)):
        styles = torch.where(part.abs() >= limit, part, 0) * spread
        gram = matrix @ matrix.T
        ridge = _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), device=gram.device)
        direction[0, layer] = matrix.T @ torch.linalg.solve(gram + ridge, styles)
    size: Tensor = torch.cat([part[part.abs() >= limit] for part in moved]).norm().clamp(min=1e-12)
    direction = direction / size
    lengths = torch.tensor(_LENGTHS, device=latent.device)[:, None, None]
    images = pipe.decode(latent + lengths * direction)
    near = F.cosine_similarity(pipe.encoder.encode_image(images), wanted)
    return direction * float(lengths[int(near.argmax())])


def _relevance(
    pipe: FaceModel, latent: Tensor, wanted: Tensor, matrices: list[Tensor]
) -> list[Tensor]:
    """The slope of the cosine between image and aim along each channel of each layer."""
    generator = pipe.generator
    offsets = [torch.zeros(len(m), device=latent.device, requires_grad=True) for m in matrices]

    def adding(offset: Tensor) -> object:
        return lambda module, inputs, output: output + offset

    layers = style_layers(generator) if isinstance(generator, StyleGAN2) else []
    hooks = [
        layer.affine.register_forward_hook(adding(offset))  # type: ignore[arg-type]
        for layer, offset in zip(layers, offsets, strict=True)
    ]
    try:
        with torch.enable_grad():
            seen = pipe.encoder.encode_image(generator.synthesize(latent))
            cosine = F.cosine_similarity(seen, wanted).sum()
            slopes: tuple[Tensor, ...] = torch.autograd.grad(cosine, offsets)
            return list(slopes)
    finally:
        for hook in hooks:
            hook.remove()
