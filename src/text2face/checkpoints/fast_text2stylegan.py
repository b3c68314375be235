"""Whole pipelines from the checkpoint files of others: encoder, sampler and generator at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor

from text2face.checkpoints.rosinality import load_rosinality
from text2face.encoders.base import TextImageEncoder, typical_norm
from text2face.errors import ArgumentError, CheckpointError, quoted
from text2face.foreign.files import read_checkpoint
from text2face.foreign.pickles import namespace
from text2face.foreign.weights import Weights, build
from text2face.generators.base import Generator
from text2face.loading import load_encoder
from text2face.samplers.base import LatentSampler
from text2face.samplers.fast_text2stylegan import FastText2StyleGANConfig, FastText2StyleGANSampler

__all__ = ["DEFAULTS", "ENCODER", "load_pipeline"]

ENCODER: Final = "openai/clip-vit-base-patch16"
"""The encoder of the published Fast text2StyleGAN."""
DEFAULTS: Final[Mapping[str, Any]] = {
    "name": "fast-text2stylegan",
    "truncation": 0.9,
    "condition": "text",
}
"""How its authors sample from it."""

_PREFIX: Final = "encoder.mapper."
_UNUSED: Final = ("CLIPMapper.", "priorMapper.")
"""Networks that are in the files and that no image goes through."""
_POSTERIOR: Final = {
    **{
        f"imageEncoder.{i}.{j}.{part}": f"posterior.image.{3 * i + j}.{part}"
        for i in range(5)
        for j, parts in enumerate(
            (("weight", "bias"), ("weight", "bias", "running_mean", "running_var"))
        )
        for part in parts
    },
    "fc.weight": "posterior.project.weight",
    "fc.bias": "posterior.project.bias",
    "to_mu.weight": "posterior.mean.weight",
    "to_mu.bias": "posterior.mean.bias",
    "to_var.weight": "posterior.log_variance.weight",
    "to_var.bias": "posterior.log_variance.bias",
}


def load_pipeline(
    path: Path, encoder: TextImageEncoder | None = None
) -> tuple[TextImageEncoder, LatentSampler, Generator]:
    """Load the pipeline of an official Fast text2StyleGAN checkpoint.

    Args:
        path: The `.pt` file.
        encoder: What embeds the texts; None = `ENCODER`, from the hub or its cache.

    Raises:
        CheckpointError: The file is of another kind, damaged or hostile, or the encoder cannot be
            had.
    """
    tree, size = read_checkpoint(path), path.stat().st_size
    state = tree.get("state_dict") if isinstance(tree, dict) else None
    state = {str(k): v for k, v in state.items()} if isinstance(state, dict) else {}
    if any("diffusion_prior" in name for name in state):
        raise CheckpointError(
            f"{path} is a prior of clip2latent and no whole pipeline; load it with "
            "text2face.load_sampler and put it together with an encoder and a generator; see "
            "docs/checkpoints.md"
        )
    mapper = {k[len(_PREFIX) :]: v for k, v in state.items() if k.startswith(_PREFIX)}
    if not mapper or not any(k.startswith("decoder.") for k in state):
        raise CheckpointError(
            f"{path} is no pipeline: expected a model folder that holds pipeline.json, or a "
            "checkpoint of Fast text2StyleGAN with encoder.mapper and decoder; "
            "`text2face.load_generator` reads files that hold but a generator"
        )
    options = namespace(tree.get("opts"))
    generator = load_rosinality(tree, str(path), size)
    config, tensors = _convert(Weights(mapper, str(path), size), options, generator.num_ws)
    mean = generator.mean_latent
    tensors["latent_mean"] = mean.clone()
    tensors |= {"bank_embeddings": mean.new_zeros(0, len(mean))}
    tensors |= {name: torch.zeros_like(mean) for name in ("bank_image_mean", "bank_text_mean")}
    if not options.get("start_from_latent_avg", True):
        tensors["latent_mean"].zero_()
    encoder = encoder or load_encoder(ENCODER)
    if not options.get("normalize_clip", False):
        config["embedding_norm"] = typical_norm(encoder)
    try:
        made = FastText2StyleGANConfig(**config)
    except ArgumentError as error:
        raise CheckpointError(f"unsupported network: {path}: {error}") from None
    sampler = build(lambda: FastText2StyleGANSampler(made), tensors, str(path))
    return encoder, cast("LatentSampler", sampler), generator


def _convert(
    weights: Weights, options: Mapping[str, Any], num_ws: int
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Our configuration and tensors; the learning-rate multiplier goes into the weights."""
    kind = options.get("mapper_type", "cVAEMapper")
    if kind not in ("cVAEMapper", "cVAEdoubleWMapper") or options.get("learn_in_z", False):
        raise CheckpointError(
            f"unsupported network: {weights.source} has a mapper of type {quoted(kind)}"
            f"{' that learns in z' if options.get('learn_in_z') else ''}, expected cVAEMapper or "
            "cVAEdoubleWMapper in w or w+"
        )
    rate = options.get("lr_mul", 1.0)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
        raise CheckpointError(
            f"damaged file: {weights.source}: lr_mul is {quoted(rate)}, expected a positive number"
        )
    blocks: dict[str, str] = {"MLP1": "posterior.mlp"}
    depth = {"SGf": 8}
    if kind == "cVAEdoubleWMapper":
        variant = "double-w"
        blocks |= {"SGf": "mapping", "MLP2": "condition", "MLP3": "decoders.0"}
    elif "MLP2.mapping.1.weight" in weights:
        variant = "w"
        blocks["MLP2"] = "decoders.0"
    else:
        variant = "w+"
        blocks |= {f"MLP2.{i}": f"decoders.{i}" for i in range(3)}
    width = weights.shape("MLP1.mapping.1.weight", 2)[0]
    code_dim = weights.shape("to_mu.weight", 2)[0]
    side = math.isqrt(weights.shape("fc.weight", 2)[1] // 512)
    config = {
        "variant": variant,
        "num_ws": num_ws,
        "embedding_dim": width,
        "code_dim": code_dim,
        "image_size": 32 * side,
    }
    tensors = {ours: weights.take(theirs) for theirs, ours in _POSTERIOR.items()}
    for theirs, ours in blocks.items():
        for i in range(depth.get(theirs, 4)):
            for part in ("weight", "bias"):
                tensor = weights.take(f"{theirs}.mapping.{i + 1}.{part}")
                tensors[f"{ours}.layers.{i}.{part}"] = tensor * rate
    left = [
        name
        for name in weights.names()
        if not name.startswith(_UNUSED) and not name.endswith("num_batches_tracked")
    ]
    if left:
        raise CheckpointError(
            f"unsupported network: {weights.source} has an unknown tensor {quoted(left[0])}, "
            f"expected a {kind} of Fast text2StyleGAN"
        )
    return config, tensors
