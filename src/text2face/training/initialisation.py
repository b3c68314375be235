"""An untrained sampler with the statistics of its pairs."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, cast

import torch
from torch import nn

from text2face import registry
from text2face.errors import ArgumentError
from text2face.generators.base import Generator
from text2face.generators.mapping import MappedGenerator
from text2face.samplers.fast_text2stylegan import FastText2StyleGANSampler
from text2face.samplers.saved import SavedSampler
from text2face.samplers.standardised import StandardisedSampler
from text2face.training.config import TrainingConfig
from text2face.training.pairs import Pairs

__all__ = ["make_sampler"]

_PICTURE: Final = 256
"""The paper's side of the posterior's pictures, where the generator's are not smaller."""


def make_sampler(
    config: TrainingConfig, pairs: Pairs, generator: Generator | None = None
) -> SavedSampler:
    """Make an untrained sampler; its random weights follow from the seed.

    Args:
        config: Which, and of what shape.
        pairs: Whose mean and spread it learns; W+ pairs give each layer, or each group of layers
            that are mixed together, a code of its own.
        generator: Where the sizes of the latents come from if the pairs hold but photos.

    Raises:
        ArgumentError: The shape does not fit the pairs or the generator, or has unknown fields.
    """
    made: Any = registry.find("objective", config.objective).sampler_class
    shape = {**_sizes(config, pairs, generator), **config.shape}
    known = {f.name for f in dataclasses.fields(made.config_class)}
    if unknown := sorted(shape.keys() - known):
        raise ArgumentError(
            f"the sampler of objective {config.objective!r} has no {unknown[0]!r}; expected some "
            f"of {', '.join(sorted(known))}"
        )
    try:
        shaped = made.config_class(**shape)
    except TypeError as error:
        raise ArgumentError(f"bad shape: got {dict(config.shape)} ({error})") from None
    got = (shaped.embedding_dim, shaped.num_ws, shaped.w_dim)
    expected = shape_of(config, pairs, generator)
    if got != expected:
        raise ArgumentError(
            f"the sampler has embedding_dim, num_ws and w_dim {got}, expected {expected} from the "
            "pairs; leave them out of the shape"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        sampler = made(shaped)
    if isinstance(sampler, StandardisedSampler):
        _centre(sampler, pairs, config.standardise)
    else:
        _anchor(cast("FastText2StyleGANSampler", sampler), pairs, generator)
    return cast("SavedSampler", sampler)


def shape_of(
    config: TrainingConfig, pairs: Pairs, generator: Generator | None
) -> tuple[int, int, int]:
    """embedding_dim, num_ws and w_dim.

    Raises:
        ArgumentError: Generator and pairs do not fit together, or neither knows.
    """
    dim = pairs.embeddings.shape[1]
    w_dim = None if pairs.latents is None else pairs.latents.shape[-1]
    num_ws = pairs.num_ws or config.shape.get("num_ws")
    if generator is not None:
        num_ws, w_dim = num_ws or generator.num_ws, w_dim or generator.w_dim
        sizes = (generator.num_ws, generator.w_dim)
        if (num_ws, w_dim) != sizes:
            raise ArgumentError(
                f"the pairs' num_ws and w_dim are {(num_ws, w_dim)}, the generator's {sizes}; use "
                "the generator that they were made with, or make pairs with this one"
            )
    if num_ws is None or w_dim is None:
        raise ArgumentError(
            "these pairs do not say how many latent codes an image has, or hold no latents; give "
            "the generator"
        )
    return dim, num_ws, w_dim


def _sizes(config: TrainingConfig, pairs: Pairs, generator: Generator | None) -> dict[str, Any]:
    dim, num_ws, w_dim = shape_of(config, pairs, generator)
    sizes: dict[str, Any] = {"embedding_dim": dim, "num_ws": num_ws, "w_dim": w_dim}
    if config.objective != "images":
        if pairs.layer_groups:
            sizes["layer_groups"] = pairs.layer_groups
        return sizes
    resolution = generator.img_resolution if generator else _PICTURE
    sizes["image_size"] = max(32, min(_PICTURE, resolution) // 32 * 32)
    if config.shape.get("variant") == "double-w":
        sizes["code_dim"] = max(dim, w_dim)
        if isinstance(generator, MappedGenerator):
            sizes["mapping_layers"] = generator.config.mapping_layers
    return sizes


def _centre(sampler: StandardisedSampler, pairs: Pairs, standardise: bool) -> None:
    if not standardise:
        sampler.condition_scale.fill_(1)
        return
    if pairs.latents is not None:
        sums = torch.zeros(2, *sampler.latent_mean.shape, dtype=torch.float64)
        for start in range(0, len(pairs), 4096):
            codes = pairs.codes(slice(start, start + 4096), sampler.num_ws)
            flat = sampler.standardise(codes).view(len(codes), *sums.shape[1:]).double()
            sums += torch.stack([flat.sum(dim=0), flat.square().sum(dim=0)])
        mean, square = sums / len(pairs)
        sampler.latent_mean.copy_(mean)
        sampler.latent_std.copy_((square - mean.square()).clamp(min=1e-6).sqrt())
    mean, spread = pairs.statistics()
    sampler.condition_mean.copy_(mean)
    sampler.condition_scale.copy_(spread.clamp(min=1e-6).rsqrt())


def _anchor(sampler: FastText2StyleGANSampler, pairs: Pairs, generator: Generator | None) -> None:
    """Start from the generator's mean latent, and from its mapping where z passes through it."""
    if generator is None:
        return
    sampler.latent_mean.copy_(generator.mean_latent)
    if sampler.mapping is None:
        return
    layers = list(generator.mapping.layers) if isinstance(generator, MappedGenerator) else []
    ours = list(cast("nn.Sequential", sampler.mapping.layers))
    if [_shape(layer) for layer in layers] != [_shape(layer) for layer in ours]:
        raise ArgumentError(
            "the variant 'double-w' sends z through the generator's own mapping network, which "
            "here is no StyleGAN's of the sampler's width; use 'w' or 'w+'"
        )
    rate = generator.config.mapping_lr_multiplier  # type: ignore[attr-defined]
    for theirs, layer in zip(layers, ours, strict=True):
        for name, tensor in layer.named_parameters():
            tensor.data.copy_(theirs.get_parameter(name) * rate)
    sampler.mapping.requires_grad_(False)


def _shape(layer: nn.Module) -> torch.Size:
    return layer.get_parameter("weight").shape
