"""StyleGAN2 as rosinality/stylegan2-pytorch names its weights, alone or inside other files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import torch
from torch import Tensor

from text2face.errors import CheckpointError, quoted
from text2face.foreign.tensors import as_tensor
from text2face.foreign.weights import Weights, average_latent, bare, build, configure
from text2face.generators.layers import RESAMPLING_FILTER
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from text2face.registry import register

__all__ = ["find_rosinality", "load_rosinality"]

_MARK: Final = "input.input"
_MAX_BLOCKS: Final = 12


def find_rosinality(tree: object) -> dict[Any, Any] | None:
    """The generator's state dict in a file.

    It is `g_ema`, `decoder.*` of `state_dict`, or all of it; or `g`, where there is no average.
    """
    if not isinstance(tree, dict):
        return None
    inner = tree.get("state_dict")
    places = [tree.get("g_ema"), tree]
    if isinstance(inner, dict):  # pSp, e4e, Fast text2StyleGAN
        prefix, inner = "decoder.", bare(inner)
        places.append({k[len(prefix) :]: v for k, v in inner.items() if k.startswith(prefix)})
    places.append(tree.get("g"))
    named = (bare(place) for place in places if isinstance(place, dict))
    return next((place for place in named if _MARK in place), None)


@register("converter", "rosinality")
def convert(tree: object, source: str, size: int) -> StyleGAN2 | None:
    """The generator of a file; None if it is in another layout."""
    if find_rosinality(tree) is None:
        return None
    return load_rosinality(cast("dict[Any, Any]", tree), source, size)


def load_rosinality(tree: Mapping[Any, Any], source: str, size: int) -> StyleGAN2:
    """Make the generator of a file in this layout.

    All sizes are inferred from shapes. The learning-rate multiplier of the mapping network is not
    in the file; it is 0.01, as in the paper. A file without `latent_avg` (a checkpoint of the
    training script) gets the average over 10,000 latents.

    Args:
        tree: What `read_checkpoint` returned, and `find_rosinality` found a generator in.
        source: The file, for messages.
        size: Its length in bytes.

    Raises:
        CheckpointError: A weight is missing, of another shape, or not finite.
    """
    found = find_rosinality(tree) or {}
    weights = Weights({k: v for k, v in found.items() if k != "latent_avg"}, source, size)
    config = _config(weights)
    tensors = dict(_convert(weights, config))
    average = as_tensor(tree.get("latent_avg"))
    if average is not None:
        mean = Weights({"latent_avg": average}, source, size).take("latent_avg")
        if mean.numel() % config.w_dim or not mean.numel():
            raise CheckpointError(
                f"wrong weights: {source}: latent_avg is {list(mean.shape)}, expected "
                f"[{config.w_dim}] or a row of it for each layer"
            )
        # pSp repeats the mean latent for every layer.
        tensors["mapping.w_avg"] = mean.reshape(-1, config.w_dim).mean(dim=0)
    else:
        tensors["mapping.w_avg"] = torch.zeros(config.w_dim)
    if weights.names():
        raise CheckpointError(
            f"unsupported network: {source} has an unknown tensor {quoted(weights.names()[0])}; "
            "expected a plain StyleGAN2 of rosinality/stylegan2-pytorch"
        )
    model = build(lambda: StyleGAN2(config), tensors, source)
    if average is None:
        model.mapping.w_avg.copy_(average_latent(model.mapping, config.z_dim))
    return model


def _config(weights: Weights) -> StyleGAN2Config:
    blocks = 1
    while f"convs.{2 * blocks - 2}.conv.weight" in weights and blocks < _MAX_BLOCKS:
        blocks += 1
    layers = 0
    while f"style.{layers + 1}.weight" in weights:
        layers += 1
    w_dim, z_dim = weights.shape("style.1.weight", 2)
    names = ["conv1", *(f"convs.{2 * i + 1}" for i in range(blocks - 1))]
    return configure(
        StyleGAN2Config,
        weights.source,
        z_dim=z_dim,
        w_dim=w_dim,
        img_resolution=4 << (blocks - 1),
        img_channels=weights.shape("to_rgb1.conv.weight", 5)[1],
        mapping_layers=layers,
        channels=tuple(weights.shape(f"{name}.conv.weight", 5)[1] for name in names),
    )


def _convert(weights: Weights, config: StyleGAN2Config) -> Iterator[tuple[str, Tensor]]:
    """Our names and tensors."""

    def modulated(foreign: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        weights.shape(f"{foreign}.conv.weight", 5)
        yield f"{ours}.weight", weights.take(f"{foreign}.conv.weight")[0]
        for part in ("weight", "bias"):
            yield f"{ours}.affine.{part}", weights.take(f"{foreign}.conv.modulation.{part}")

    def styled(foreign: str, ours: str, noise: int) -> Iterator[tuple[str, Tensor]]:
        yield from modulated(foreign, ours)
        yield f"{ours}.bias", weights.take(f"{foreign}.activate.bias")
        yield f"{ours}.noise_strength", _one(weights, f"{foreign}.noise.weight")
        name = f"noises.noise_{noise}"
        if name in weights:
            yield f"{ours}.noise_const", weights.take(name).squeeze()
        else:  # older files have none: any numbers do, as long as they stay the same
            side = 4 << ((noise + 1) // 2)
            weights.charge(name, side * side)
            fixed = torch.Generator().manual_seed(noise)
            yield f"{ours}.noise_const", torch.randn(side, side, generator=fixed)

    def rgb(foreign: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        yield from modulated(foreign, ours)
        yield f"{ours}.bias", weights.take(f"{foreign}.bias").flatten()

    for index in range(config.mapping_layers):
        for part in ("weight", "bias"):
            yield f"mapping.layers.{index}.{part}", weights.take(f"style.{index + 1}.{part}")
    yield "synthesis.const", weights.take("input.input").squeeze(0)
    yield from styled("conv1", "synthesis.blocks.0.conv", 0)
    yield from rgb("to_rgb1", "synthesis.blocks.0.to_rgb")
    for index in range(1, len(config.resolutions)):
        first, second = 2 * index - 2, 2 * index - 1
        yield from styled(f"convs.{first}", f"synthesis.blocks.{index}.up", first + 1)
        yield from styled(f"convs.{second}", f"synthesis.blocks.{index}.conv", second + 1)
        yield from rgb(f"to_rgbs.{index - 1}", f"synthesis.blocks.{index}.to_rgb")
        for name in (f"convs.{first}.conv.blur.kernel", f"to_rgbs.{index - 1}.upsample.kernel"):
            weights.check(name, RESAMPLING_FILTER)


def _one(weights: Weights, name: str) -> Tensor:
    """A tensor of one number, without dimensions."""
    tensor = weights.take(name)
    return tensor.reshape(()) if tensor.numel() == 1 else tensor
