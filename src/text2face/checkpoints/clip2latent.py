"""The diffusion prior of clip2latent as its authors save it: a checkpoint and a YAML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from text2face.checkpoints.settings import YamlSettings, read_yaml
from text2face.encoders.base import TextImageEncoder, typical_norm
from text2face.errors import ArgumentError, CheckpointError, quoted
from text2face.foreign.weights import Weights, build
from text2face.samplers.base import LatentSampler
from text2face.samplers.clip2latent import Clip2LatentConfig, Clip2LatentSampler
from text2face.samplers.clip2latent_network import default_skip

__all__ = ["DEFAULTS", "find_clip2latent", "load_clip2latent", "set_embedding_norm"]

DEFAULTS: Final[Mapping[str, Any]] = {
    "name": "clip2latent",
    "truncation": 1.0,
    "condition": "text",
}
"""How its authors' demonstration samples from it."""

_AVERAGE: Final = "ema_diffusion_prior.ema_model."
"""The averaged weights, which the authors sample from."""
_ONLINE: Final = ("diffusion_prior.", "ema_diffusion_prior.online_model.")
_TRANSFORMER: Final = "net.causal_transformer."
_SCHEDULE: Final = {
    "signal": "alphas_cumprod",
    "log_variance": "posterior_log_variance_clipped",
    "recip": "sqrt_recip_alphas_cumprod",
    "recip_noise": "sqrt_recipm1_alphas_cumprod",
}
_UNUSED: Final = (
    "betas",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "posterior_variance",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "embed_mean",  # made, and then not used by the authors' code
    "embed_std",
)
_KNOWN: Final = {
    "model.network": {
        "dim": "embedding_dim",
        "num_timesteps": "time_rows",
        "depth": "depth",
        "heads": "heads",
        "dim_head": "head_dim",
    },
    "model.diffusion": {"image_embed_dim": "embedding_dim", "timesteps": "timesteps"},
    "data": {"n_latents": "num_latents", "latent_dim": "embedding_dim"},
}
"""Sizes that a configuration repeats, by section."""
_IGNORED: Final = {
    "model.network": {"attn_dropout", "ff_dropout", "ff_mult"},
    "model.diffusion": {
        "cond_drop_prob",
        "image_embed_scale",
        "text_embed_scale",
        "beta_schedule",  # the file stores the schedule itself
        "predict_x_start",
        "loss_type",
        "training_clamp_l2norm",
        "condition_on_text_encodings",
        "image_size",
        "image_channels",
    },
}
"""Settings read one by one, or that do not change how a prior is sampled from."""
_USUAL: Final[dict[str, dict[str, Any]]] = {
    "model.network": {
        "num_time_embeds": 1,
        "num_image_embeds": 1,
        "num_text_embeds": 1,
        "norm_out": True,
        "final_proj": True,
        "normformer": False,
        "rotary_emb": True,
    },
    "model.diffusion": {
        "sampling_clamp_l2norm": False,
        "init_image_embed_l2norm": False,
        "clip": None,
    },
}
"""Settings that have to be what the published priors have."""


def find_clip2latent(tree: object) -> dict[str, Any] | None:
    """The state dict of a prior in what `read_checkpoint` returned."""
    state = tree.get("state_dict") if isinstance(tree, dict) else None
    if not isinstance(state, dict):
        return None
    found = {str(name): value for name, value in state.items()}
    marks = (_AVERAGE, *_ONLINE)
    return found if any(name.startswith(marks) for name in found) else None


def load_clip2latent(
    tree: object, path: Path, config: str | Path | None = None
) -> Clip2LatentSampler:
    """Make the sampler of a file.

    Sizes come from shapes, the schedule and the statistics of latents from the file, where training
    has let them drift off their formulas. The configuration tells what shapes cannot.

    Args:
        tree: What `read_checkpoint` returned, and `find_clip2latent` found a prior in.
        path: The file.
        config: The YAML file that belongs to it; None = the one of the same name beside it.

    Raises:
        CheckpointError: A file is missing, damaged, or of another kind, or they do not belong
            together.
    """
    source = str(path)
    state = find_clip2latent(tree) or {}
    average = {k[len(_AVERAGE) :]: v for k, v in state.items() if k.startswith(_AVERAGE)}
    if not average:
        raise CheckpointError(
            f"wrong weights: {source} lacks the averaged prior ({_AVERAGE}*), expected it beside "
            "the one being trained; take a checkpoint of clip2latent's own trainer"
        )
    beside = path.with_suffix(".yaml")
    if config is None and not beside.is_file():
        raise CheckpointError(
            f"{source} does not tell how its prior is to be used, and there is no {beside.name} "
            "beside it; expected the YAML file that is published with it; pass config=PATH"
        )
    options = read_yaml(Path(config) if config else beside)
    weights = Weights(average, source, path.stat().st_size)
    sizes = _sizes(weights)
    _check(options, sizes)
    made, tensors = _convert(weights, options, sizes)
    return build(lambda: Clip2LatentSampler(made), tensors, source)


def set_embedding_norm(sampler: LatentSampler, encoder: TextImageEncoder) -> None:
    """Let a prior's `sample` give conditions the usual length of an encoder's embeddings."""
    if isinstance(sampler, Clip2LatentSampler):
        sampler.config = replace(sampler.config, embedding_norm=typical_norm(encoder))


def _sizes(weights: Weights) -> dict[str, int]:
    """What the shapes tell."""
    attention = f"{_TRANSFORMER}layers.0.0."
    rows, dim = weights.shape("net.to_time_embeds.0.weight", 2)
    head = weights.shape(f"{attention}null_kv", 2)[1]
    (times,) = weights.shape("alphas_cumprod", 1)
    query = "net.learned_query"
    latents = 1 if weights.rank(query) == 1 else weights.shape(query, 2)[0]
    depth = 0
    while f"{_TRANSFORMER}layers.{depth}.0.null_kv" in weights:
        depth += 1
    return {
        "embedding_dim": dim,
        "time_rows": rows,
        "timesteps": times,
        "num_latents": latents,
        "depth": depth,
        "head_dim": head,
        "heads": weights.shape(f"{attention}to_q.weight", 2)[0] // max(head, 1),
        "rotary_dim": 2 * weights.shape(f"{attention}rotary_emb.freqs", 1)[0],
        "hidden_dim": weights.shape(f"{_TRANSFORMER}layers.0.1.5.weight", 2)[1],
    }


def _check(options: YamlSettings, sizes: Mapping[str, int]) -> None:
    """See that a configuration is that of the network, and asks for nothing that is not known.

    Raises:
        CheckpointError: It is not, or does.
    """
    for section, names in _KNOWN.items():
        for name, size in names.items():
            value = options.get(f"{section}.{name}")
            if value is not None and value != sizes[size]:
                options.wrong(
                    f"{section}.{name}",
                    f"{sizes[size]}, as in the checkpoint; it belongs to another one",
                )
    for section, usual in _USUAL.items():
        for name, value in usual.items():
            if options.get(f"{section}.{name}", value) != value:
                options.wrong(f"{section}.{name}", f"{value}, as in the published priors")
        known = {*usual, *_IGNORED[section], *_KNOWN[section]}
        for name in options.names(section):
            if name not in known:
                options.wrong(f"{section}.{name}", "a setting that clip2latent's own code has")


def _convert(
    weights: Weights, options: YamlSettings, sizes: dict[str, int]
) -> tuple[Clip2LatentConfig, dict[str, Tensor]]:
    """Our configuration and tensors."""
    tensors = {ours: weights.take(theirs) for ours, theirs in _SCHEDULE.items()}
    shape = (sizes["num_latents"], sizes["embedding_dim"])
    standardised = options.boolean("train.znorm_latent", True)
    for name, usual in (("latent_mean", 0.0), ("latent_std", 1.0)):
        if standardised:
            tensors[name] = _rows(weights, name, shape)
        else:
            weights.discard(name)
            tensors[name] = torch.full(shape, usual)
    stored = weights.integers("latent_repeats") if "latent_repeats" in weights else None
    repeats = options.integers("data.latent_repeats", stored)
    tensors |= {f"network.{ours}": tensor for ours, tensor in _network(weights, sizes)}
    tensors |= {"bank_embeddings": torch.zeros(0, shape[1])}
    tensors |= {name: torch.zeros(shape[1]) for name in ("bank_image_mean", "bank_text_mean")}
    for name in _UNUSED:
        weights.discard(name)
    if left := weights.names():
        raise CheckpointError(
            f"unsupported network: {weights.source} has an unknown tensor {quoted(left[0])}, "
            "expected the causal transformer of clip2latent's published priors"
        )
    guidable = options.number("model.diffusion.cond_drop_prob", 0.0) > 0
    try:
        config = Clip2LatentConfig(
            **sizes,
            latent_repeats=tuple(repeats),
            predicts_noise=not options.boolean("model.diffusion.predict_x_start", True),
            text_scale=options.number("model.diffusion.text_embed_scale", 1.0),
            latent_scale=options.number("model.diffusion.image_embed_scale", shape[1] ** 0.5),
            standardised=standardised,
            guidable=guidable,
            skip=default_skip(sizes["timesteps"]),
            guidance=2.0 if guidable else 1.0,
        )
    except ArgumentError as error:
        raise CheckpointError(f"unsupported network: {weights.source}: {error}") from None
    return config, tensors


def _rows(weights: Weights, name: str, shape: tuple[int, int]) -> Tensor:
    """Statistics of latents: one row for each, or one for all."""
    if name not in weights:
        raise CheckpointError(
            f"wrong weights: {weights.source} lacks {name}, expected it where train.znorm_latent "
            "is true; the YAML file may belong to another checkpoint"
        )
    tensor = weights.take(name)
    if tuple(tensor.shape) not in ((shape[1],), (1, shape[1]), shape):
        raise CheckpointError(
            f"wrong weights: {weights.source}: {name} is {list(tensor.shape)}, expected "
            f"{list(shape)}; the file is damaged or of another kind"
        )
    return tensor.expand(shape).clone()


def _network(weights: Weights, sizes: Mapping[str, int]) -> Iterator[tuple[str, Tensor]]:
    """The names and tensors of our network."""

    def norm(foreign: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        yield f"{ours}.weight", weights.take(f"{foreign}.gamma")
        yield f"{ours}.bias", weights.take(f"{foreign}.beta")

    yield "times", weights.take("net.to_time_embeds.0.weight")
    yield "queries", weights.take("net.learned_query").view(-1, sizes["embedding_dim"])
    yield "positions", weights.take(f"{_TRANSFORMER}rel_pos_bias.relative_attention_bias.weight")
    frequencies = torch.empty(0)
    for index in range(sizes["depth"]):
        foreign, ours = f"{_TRANSFORMER}layers.{index}.0", f"layers.{index}.attention"
        frequencies = weights.take(f"{foreign}.rotary_emb.freqs")  # all layers share them
        yield from norm(f"{foreign}.norm", f"{ours}.norm")
        yield f"{ours}.query.weight", weights.take(f"{foreign}.to_q.weight")
        yield f"{ours}.key_value.weight", weights.take(f"{foreign}.to_kv.weight")
        yield f"{ours}.null", weights.take(f"{foreign}.null_kv")
        yield f"{ours}.out.weight", weights.take(f"{foreign}.to_out.0.weight")
        yield from norm(f"{foreign}.to_out.1", f"{ours}.out_norm")
        foreign, ours = f"{_TRANSFORMER}layers.{index}.1", f"layers.{index}.feed_forward"
        yield from norm(f"{foreign}.0", f"{ours}.norm")
        yield f"{ours}.expand.weight", weights.take(f"{foreign}.1.weight")
        yield f"{ours}.contract.weight", weights.take(f"{foreign}.5.weight")
    yield "frequencies", frequencies
    yield from norm(f"{_TRANSFORMER}norm", "norm")
    yield "out.weight", weights.take(f"{_TRANSFORMER}project_out.weight")
