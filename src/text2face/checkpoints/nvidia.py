"""NVIDIA's pickles of StyleGAN2, StyleGAN2-ADA and StyleGAN3: modules as records of their state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import torch
from torch import Tensor

from text2face.errors import ArgumentError, CheckpointError, quoted
from text2face.foreign.pickles import PickledObject
from text2face.foreign.weights import (
    ARCHITECTURES,
    Weights,
    bare,
    build,
    choice,
    clamp,
    configure,
    integer,
    real,
)
from text2face.generators.layers import RESAMPLING_FILTER
from text2face.generators.mapping import MappedGenerator
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from text2face.generators.stylegan3 import StyleGAN3, StyleGAN3Config
from text2face.registry import register

__all__ = ["find_nvidia", "load_nvidia"]

_STATES: Final = ("synthesis.b4.", "synthesis.input.")
_LAYER: Final = re.compile(r"synthesis\.L(\d{1,2})_(\d{1,4})_(\d{1,4})\.weight")
_MAX_MODULES: Final = 1000
_MAX_VALUES: Final = 10_000
_WEIGHT_AND_BIAS: Final = ("weight", "bias")

_STYLEGAN3_INTEGERS: Final = (
    "channel_base",
    "channel_max",
    "num_layers",
    "num_critical",
    "margin_size",
    "conv_kernel",
    "filter_size",
    "lrelu_upsampling",
)
_STYLEGAN3_NUMBERS: Final = ("first_cutoff", "first_stopband", "last_stopband_rel", "output_scale")


def find_nvidia(tree: object) -> PickledObject | None:
    """The generator in a file: `G_ema`, or `G` where there is no average, or the file itself."""
    found = tree.get("G_ema", tree.get("G")) if isinstance(tree, dict) else tree
    return found if isinstance(found, PickledObject) and "_modules" in found.fields else None


@register("converter", "nvidia")
def convert(tree: object, source: str, size: int) -> MappedGenerator | None:
    """The generator of a file; None if it is in another layout."""
    found = find_nvidia(tree)
    if found is not None:
        return load_nvidia(found, source, size)
    state = find_state(tree)
    return None if state is None else load_state(state, source, size)


def find_state(tree: object) -> dict[str, Any] | None:
    """The state dict of a generator, alone in a file or as its `G_ema`, or else its `G`."""
    found = tree.get("G_ema", tree.get("G", tree)) if isinstance(tree, dict) else None
    named = bare(found) if isinstance(found, dict) else {}
    return named if any(name.startswith(_STATES) for name in named) else None


def load_state(state: Mapping[str, Any], source: str, size: int) -> MappedGenerator:
    """Make a network from its state dict: names and shapes tell all but what is NVIDIA's default.

    The learning-rate multiplier of the mapping network is 0.01, activations are leaky ReLUs, and
    StyleGAN2 has no clamp, which only matters in half precision. The cutoffs of StyleGAN3 are
    those of its filters, which are in the file, or it is refused.

    Args:
        state: What `find_state` found.
        source: The file, for messages.
        size: Its length in bytes.

    Raises:
        CheckpointError: A weight is missing, of another shape, or not finite.
    """
    weights = Weights(state, source, size)
    layers = 0
    while f"mapping.fc{layers}.weight" in weights:
        layers += 1
    layer = {"activation": "lrelu", "bias_gain": 0.01, "conv_clamp": None}
    modules = {f"mapping.fc{i}.": PickledObject("Layer", state=layer) for i in range(layers)}
    shape = weights.shape("mapping.fc0.weight", 2)
    embed = "mapping.embed.weight"
    width, classes = weights.shape(embed, 2) if embed in weights else (0, 0)
    fields: dict[str, Any] = {
        "z_dim": shape[1] - width,
        "c_dim": classes,
        "w_dim": weights.shape("mapping.w_avg", 1)[0],
    }
    if "synthesis.input.weight" in weights:
        fields |= _schedule(weights)
        return _stylegan3({"": PickledObject("Generator", state=fields), **modules}, weights)
    last = 4
    while f"synthesis.b{2 * last}.conv1.weight" in weights:
        last *= 2
    if f"synthesis.b{last}.skip.weight" in weights:
        architecture = "resnet"
    else:
        joined = last == 4 or f"synthesis.b{last // 2}.torgb.weight" in weights
        architecture = "skip" if joined else "orig"
    fields["img_resolution"] = last
    fields["img_channels"] = weights.shape(f"synthesis.b{last}.torgb.weight", 4)[0]
    modules[""] = PickledObject("Generator", state=fields)
    side = 4
    while side <= last:
        block = {"architecture": architecture}
        modules[f"synthesis.b{side}."] = PickledObject("Block", state=block)
        modules[f"synthesis.b{side}.conv1."] = PickledObject("Layer", state=layer)
        side *= 2
    return _stylegan2(modules, weights)


def _schedule(weights: Weights) -> dict[str, Any]:
    """The fields of a StyleGAN3 that the names and shapes of its layers tell.

    Raises:
        CheckpointError: They follow no schedule whose channels are half a power of two over the
            cutoff, as NVIDIA's are.
    """
    names = sorted(filter(None, map(_LAYER.fullmatch, weights.names())), key=lambda m: int(m[1]))
    sizes, channels = ([int(name[group]) for name in names] for group in (2, 3))
    if len(names) > 2:
        kwargs: dict[str, Any] = {
            "num_layers": len(names) - 1,
            "channel_max": max(channels[:-1]),
            "conv_kernel": weights.shape(names[0][0], 4)[3],
            "use_radial_filters": any(
                name.endswith(".down_filter") and weights.rank(name) == 2
                for name in weights.names()
            ),
        }
        image: dict[str, Any] = {"img_resolution": sizes[-1], "img_channels": channels[-1]}
        for power in range(4, 21):
            kwargs["channel_base"] = 1 << power
            try:
                bands = StyleGAN3Config(**image, **kwargs, margin_size=0).bands
            except ArgumentError:
                continue
            if [band.channels for band in bands] == channels:
                kwargs["margin_size"] = (sizes[0] - bands[0].size) // 2
                return {**image, "_init_kwargs": kwargs}
    raise CheckpointError(
        f"unsupported network: {weights.source} is the state dict of a StyleGAN3 with other layers "
        "than NVIDIA's defaults make; expected the network itself, a .pkl, which says how it is "
        "made"
    )


def load_nvidia(generator: PickledObject, source: str, size: int) -> MappedGenerator:
    """Make the generator of a file in this layout.

    Args:
        generator: What `find_nvidia` found.
        source: The file, for messages.
        size: Its length in bytes.

    Raises:
        CheckpointError: It is of an unknown kind, or a weight is missing, of another shape, or not
            finite.
    """
    modules = dict(_walk(generator, source))
    values: dict[str, object] = {}
    for path, module in modules.items():
        for group in ("_parameters", "_buffers"):
            members = module.fields.get(group)
            if not isinstance(members, dict) or len(values) + len(members) > _MAX_VALUES:
                raise CheckpointError(
                    f"damaged file: {source}: module {quoted(path)} has no {group}; expected a "
                    "network of NVIDIA's StyleGAN code; download it again"
                )
            values |= {f"{path}{name}": value for name, value in members.items()}
    weights = Weights(values, source, size)
    if "synthesis.b4." in modules:
        return _stylegan2(modules, weights)
    if "synthesis.input." in modules:
        return _stylegan3(modules, weights)
    raise CheckpointError(
        f"unsupported network: {source} holds a {quoted(generator.name)} with parts "
        f"{', '.join(quoted(path) for path in list(modules)[1:4]) or 'unknown'}; expected a "
        "generator of StyleGAN2, StyleGAN2-ADA or StyleGAN3"
    )


def _walk(root: PickledObject, source: str) -> Iterator[tuple[str, PickledObject]]:
    """All modules with their paths, such as "synthesis.b4.conv1."."""
    waiting = [("", root)]
    for count in range(_MAX_MODULES):  # a file may well hold a module inside itself
        if not waiting:
            return
        path, module = waiting.pop(0)
        yield path, module
        children = module.fields.get("_modules")
        if isinstance(children, dict) and path.count(".") < 6 and len(waiting) + count < 10_000:
            waiting += [
                (f"{path}{name}.", child)
                for name, child in children.items()
                if isinstance(child, PickledObject)
            ]
    raise CheckpointError(
        f"damaged file: {source} has more than {_MAX_MODULES} modules in its generator; expected a "
        "network of NVIDIA's StyleGAN code"
    )


def _common(modules: dict[str, PickledObject], weights: Weights) -> dict[str, Any]:
    """What the configurations of all StyleGANs have."""
    source = weights.source
    sizes = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")
    common: dict[str, Any] = {name: integer(modules[""].fields, name, source) for name in sizes}
    layers = 0
    while f"mapping.fc{layers}." in modules:
        choice(modules[f"mapping.fc{layers}."].fields, "activation", ("lrelu",), source)
        layers += 1
    if not layers:
        raise CheckpointError(
            f"unsupported network: {source} has no mapping network, expected one of fc0, fc1, …"
        )
    rate = real(modules["mapping.fc0."].fields, "bias_gain", source)
    common |= {"mapping_layers": layers, "mapping_lr_multiplier": rate}
    # Options of the mapping network; most networks have the width of w everywhere.
    for name, present, tensor in (
        ("embed_features", common["c_dim"], "mapping.embed.weight"),
        ("layer_features", layers > 1, "mapping.fc0.weight"),
    ):
        width = weights.shape(tensor, 2)[0] if present else common["w_dim"]
        if width != common["w_dim"]:
            common[name] = width
    return common


def _mapping(weights: Weights, config: StyleGAN2Config | StyleGAN3Config) -> dict[str, Tensor]:
    tensors = {}
    for part in _WEIGHT_AND_BIAS:
        for index in range(config.mapping_layers):
            tensors[f"mapping.layers.{index}.{part}"] = weights.take(f"mapping.fc{index}.{part}")
        if config.c_dim:
            tensors[f"mapping.embed.{part}"] = weights.take(f"mapping.embed.{part}")
    return tensors | {"mapping.w_avg": weights.take("mapping.w_avg")}


def _finish(weights: Weights) -> None:
    if weights.names():
        raise CheckpointError(
            f"unsupported network: {weights.source} has an unknown tensor "
            f"{quoted(weights.names()[0])}; expected a plain generator of NVIDIA's StyleGAN code"
        )


def _stylegan2(modules: dict[str, PickledObject], weights: Weights) -> StyleGAN2:
    source = weights.source
    common = _common(modules, weights)
    blocks: list[str] = []
    while f"synthesis.b{4 << len(blocks)}." in modules:
        blocks.append(f"synthesis.b{4 << len(blocks)}")
    first = modules.get("synthesis.b4.conv1.", PickledObject("")).fields
    choice(first, "activation", ("lrelu",), source)
    config = configure(
        StyleGAN2Config,
        source,
        **common,
        channels=tuple(weights.shape(f"{block}.conv1.weight", 4)[0] for block in blocks),
        architecture=choice(
            modules[f"{blocks[-1]}."].fields, "architecture", ARCHITECTURES, source
        ),
        conv_clamp=clamp(first, source),
    )
    tensors = _mapping(weights, config)
    tensors["synthesis.const"] = weights.take("synthesis.b4.const")
    for index, block in enumerate(blocks):
        ours = f"synthesis.blocks.{index}"
        for old, new in (("conv0", "up"), ("conv1", "conv"), ("torgb", "to_rgb")):
            if f"{block}.{old}.weight" not in weights:
                continue  # whether it may be missing is seen when the network is built
            for part in ("weight", "bias", "affine.weight", "affine.bias"):
                tensors[f"{ours}.{new}.{part}"] = weights.take(f"{block}.{old}.{part}")
            if old == "torgb":
                continue
            if f"{block}.{old}.noise_const" in weights:
                for part in ("noise_const", "noise_strength"):
                    tensors[f"{ours}.{new}.{part}"] = weights.take(f"{block}.{old}.{part}")
            else:  # trained without noise
                side = config.resolutions[index]
                weights.charge(f"{block}.{old}.noise_const", side * side)
                tensors[f"{ours}.{new}.noise_const"] = torch.zeros(side, side)
                tensors[f"{ours}.{new}.noise_strength"] = torch.zeros(())
        if f"{block}.skip.weight" in weights:
            tensors[f"{ours}.skip.weight"] = weights.take(f"{block}.skip.weight")
    for name in weights.names():
        if name.endswith(".resample_filter"):
            weights.check(name, RESAMPLING_FILTER / 4)
    _finish(weights)
    return build(lambda: StyleGAN2(config), tensors, source)


def _stylegan3(modules: dict[str, PickledObject], weights: Weights) -> StyleGAN3:
    source = weights.source
    given = modules[""].fields.get("_init_kwargs")
    kwargs = given if isinstance(given, dict) else {}
    config = configure(
        StyleGAN3Config,
        source,
        **_common(modules, weights),
        **{name: integer(kwargs, name, source) for name in _STYLEGAN3_INTEGERS if name in kwargs},
        **{name: real(kwargs, name, source) for name in _STYLEGAN3_NUMBERS if name in kwargs},
        use_radial_filters=kwargs.get("use_radial_filters", False) is True,
        conv_clamp=clamp({"conv_clamp": 256, **kwargs}, source),
    )
    tensors = _mapping(weights, config)
    for part in ("weight", "affine.weight", "affine.bias", "transform", "freqs", "phases"):
        tensors[f"synthesis.input.{part}"] = weights.take(f"synthesis.input.{part}")
    # The names say index, size and channels, so that another schedule does not pass unnoticed.
    layers = [f"synthesis.L{i}_{band.size}_{band.channels}" for i, band in enumerate(config.bands)]
    for index, name in enumerate(layers):
        for part in ("weight", "bias", "affine.weight", "affine.bias", "magnitude_ema"):
            tensors[f"synthesis.layers.{index}.{part}"] = weights.take(f"{name}.{part}")
    model = build(lambda: StyleGAN3(config), tensors, source)
    for name, layer in zip(layers, model.synthesis.layers, strict=True):
        for filter_name in ("up_filter", "down_filter"):
            expected = getattr(layer, filter_name)
            if expected is not None:
                weights.check(f"{name}.{filter_name}", expected)
    _finish(weights)
    return model
