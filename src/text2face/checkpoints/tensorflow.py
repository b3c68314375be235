"""StyleGAN2 as the original TensorFlow code pickled it: a list of variables with their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, Final

from torch import Tensor

from text2face.errors import CheckpointError, quoted
from text2face.foreign.pickles import PickledObject
from text2face.foreign.tensors import number
from text2face.foreign.weights import (
    ARCHITECTURES,
    Weights,
    build,
    choice,
    clamp,
    configure,
    integer,
    real,
)
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from text2face.registry import register

__all__ = ["find_tensorflow", "load_tensorflow"]

_NETWORK: Final = "dnnlib.tflib.network.Network"
_OLDEST_VERSION: Final = 4
_MAX_PARTS: Final = 8
_MAX_VARIABLES: Final = 10_000
_FILTER: Final = [1, 3, 3, 1]

_DEFAULTS: Final = {
    "latent_size": 512,
    "label_size": 0,
    "dlatent_size": 512,
    "resolution": 1024,
    "num_channels": 3,
    "mapping_layers": 8,
    "mapping_lrmul": 0.01,
    "architecture": "skip",
    "conv_clamp": None,
}
"""The settings of the original code that shape the generator, and their values if not given."""


_FIXED: Final[Mapping[str, Any]] = {
    "nonlinearity": "lrelu",
    "mapping_nonlinearity": "lrelu",
    "normalize_latents": True,
    "use_noise": True,
    "resample_kernel": _FILTER,
}
"""What our network does, and no other way."""
_TRAINING: Final = {
    # The shapes of the weights say it.
    *("fmap_base", "fmap_decay", "fmap_min", "fmap_max", "mapping_fmaps", "label_fmaps"),
    # The same numbers in another way, or those of training alone.
    *("fused_modconv", "num_fp16_res", "dtype", "structure", "dlatent_broadcast"),
    *("is_training", "is_validation", "is_template_graph", "force_clean_graph"),
    *("style_mixing_prob", "dlatent_avg_beta", "w_avg_beta", "components"),
    *("mapping_func", "synthesis_func"),
    # How its authors sampled, which whoever draws decides.
    *("truncation_psi", "truncation_cutoff", "truncation_psi_val", "truncation_cutoff_val"),
    *("randomize_noise", "return_dlatents"),
}
"""What has no effect on the network as it is used here."""


def find_tensorflow(tree: object) -> PickledObject | None:
    """The generator in a file: the averaged one is the last of three networks."""
    found = tree[2] if isinstance(tree, tuple) and len(tree) == 3 else tree
    return found if isinstance(found, PickledObject) and found.name == _NETWORK else None


@register("converter", "tensorflow")
def convert(tree: object, source: str, size: int) -> StyleGAN2 | None:
    """The generator of a file; None if it is in another layout."""
    found = find_tensorflow(tree)
    return None if found is None else load_tensorflow(found, source, size)


def load_tensorflow(network: PickledObject, source: str, size: int) -> StyleGAN2:
    """Make the generator of a file in this layout.

    Args:
        network: What `find_tensorflow` found.
        source: The file, for messages.
        size: Its length in bytes.

    Raises:
        CheckpointError: It is of an unknown kind or version, or a weight is missing, of another
            shape, or not finite.
    """
    version = network.fields.get("version")
    if type(version) is not int or version < _OLDEST_VERSION:
        raise CheckpointError(
            f"unsupported network: {source} is a TensorFlow network of version "
            f"{quoted(version)}, expected 4 or newer: StyleGAN2, not StyleGAN or ProGAN"
        )
    weights = Weights(dict(_variables(network, source)), source, size)
    config = _config(network, source, weights)
    tensors = dict(_convert(weights, config))
    weights.discard("lod")  # of the progressive growth of older networks
    if weights.names():
        raise CheckpointError(
            f"unsupported network: {source} has an unknown variable "
            f"{quoted(weights.names()[0])}; expected a StyleGAN2 of configuration E or F"
        )
    return build(lambda: StyleGAN2(config), tensors, source)


def _variables(network: PickledObject, source: str) -> Iterator[tuple[str, object]]:
    """The variables of a network and of its parts, which have their names as a prefix."""
    parts = network.fields.get("components")
    named: list[tuple[str, Any]] = [("", network)]
    if isinstance(parts, dict) and len(parts) <= _MAX_PARTS:
        named += [(f"{name}/", part) for name, part in parts.items()]
    for prefix, part in named:
        variables = part.fields.get("variables") if isinstance(part, PickledObject) else None
        if not isinstance(variables, list) or len(variables) > _MAX_VARIABLES:
            raise CheckpointError(
                f"damaged file: {source}: a part of the network has no list of variables; download "
                "it again"
            )
        for item in variables:
            if not isinstance(item, tuple | list) or len(item) != 2 or type(item[0]) is not str:
                raise CheckpointError(
                    f"damaged file: {source}: a variable is no pair of name and value; download it "
                    "again"
                )
            yield prefix + item[0], number(item[1]) if type(item[1]) is float else item[1]


def _config(network: PickledObject, source: str, weights: Weights) -> StyleGAN2Config:
    given = network.fields.get("static_kwargs")
    if not isinstance(given, dict):
        raise CheckpointError(f"damaged file: {source} has no settings; download it again")
    settings: dict[str, Any] = {name: given.get(name, value) for name, value in _DEFAULTS.items()}
    parts = network.fields.get("components")
    inside = parts.values() if isinstance(parts, dict) else ()
    named = [part for part in inside if isinstance(part, PickledObject)]
    for each in (given, *(part.fields.get("static_kwargs") for part in named)):
        _check_settings(each, settings, source)
    channels, side = [], 4
    while f"synthesis/{side}x{side}/{_last(side)}/weight" in weights:
        channels.append(weights.shape(f"synthesis/{side}x{side}/{_last(side)}/weight", 4)[3])
        side *= 2
    return configure(
        StyleGAN2Config,
        source,
        z_dim=integer(settings, "latent_size", source),
        c_dim=integer(settings, "label_size", source),
        w_dim=integer(settings, "dlatent_size", source),
        img_resolution=integer(settings, "resolution", source),
        img_channels=integer(settings, "num_channels", source),
        mapping_layers=integer(settings, "mapping_layers", source),
        mapping_lr_multiplier=real(settings, "mapping_lrmul", source),
        architecture=choice(settings, "architecture", ARCHITECTURES, source),
        conv_clamp=clamp(settings, source),
        channels=tuple(channels),
    )


def _check_settings(given: object, settings: Mapping[str, Any], source: str) -> None:
    """See that the settings of a network or of a part of it are honoured, every one.

    Raises:
        CheckpointError: One is not known, or has a value that our network does not do.
    """
    if given is None:
        return
    if not isinstance(given, dict):
        raise CheckpointError(f"damaged file: {source} has no settings; download it again")
    size = settings["resolution"]
    fixed = {**_FIXED, "resolution_w": size, "resolution_h": size}
    for name, value in given.items():
        value = list(value) if name == "resample_kernel" and isinstance(value, tuple) else value
        if name in fixed:
            known, expected = type(value) is type(fixed[name]) and value == fixed[name], fixed[name]
        elif name in _DEFAULTS:
            # The parts were made with the settings of the whole.
            expected = settings[name]
            known = type(value) in (int, float, str, NoneType) and value == expected
        elif name in _TRAINING:
            continue
        else:
            raise CheckpointError(
                f"unsupported network: {source} has the setting {quoted(name)} = {quoted(value)}, "
                "which is not known here; expected a StyleGAN2 of configuration E or F as NVIDIA's "
                "code trains it"
            )
        if not known:
            raise CheckpointError(
                f"unsupported network: {source}: {name} is {quoted(value)}, expected "
                f"{quoted(expected)}"
            )


def _last(side: int) -> str:
    return "Conv" if side == 4 else "Conv1"


def _convert(weights: Weights, config: StyleGAN2Config) -> Iterator[tuple[str, Tensor]]:
    """Our names and tensors; TensorFlow keeps the channels last and biases of styles around 0."""

    def dense(foreign: str, ours: str) -> Iterator[tuple[str, Tensor]]:
        weights.shape(f"{foreign}/weight", 2)
        yield f"{ours}.weight", weights.take(f"{foreign}/weight").T
        yield f"{ours}.bias", weights.take(f"{foreign}/bias")

    def kernel(name: str, *, flip: bool = False) -> Tensor:
        weights.shape(name, 4)
        tensor = weights.take(name).permute(3, 2, 0, 1)
        return tensor.flip(2, 3) if flip else tensor

    def modulated(
        foreign: str, ours: str, noise: int | None = None, *, flip: bool = False
    ) -> Iterator[tuple[str, Tensor]]:
        weights.shape(f"{foreign}/mod_weight", 2)
        yield f"{ours}.weight", kernel(f"{foreign}/weight", flip=flip)
        yield f"{ours}.bias", weights.take(f"{foreign}/bias")
        yield f"{ours}.affine.weight", weights.take(f"{foreign}/mod_weight").T
        yield f"{ours}.affine.bias", weights.take(f"{foreign}/mod_bias") + 1
        if noise is not None:
            yield f"{ours}.noise_strength", weights.take(f"{foreign}/noise_strength")
            yield f"{ours}.noise_const", weights.take(f"synthesis/noise{noise}").squeeze()

    yield "mapping.w_avg", weights.take("dlatent_avg")
    if config.c_dim:
        yield from dense("mapping/LabelEmbed", "mapping.embed")
    for index in range(config.mapping_layers):
        yield from dense(f"mapping/Dense{index}", f"mapping.layers.{index}")
    yield "synthesis.const", weights.take("synthesis/4x4/Const/const").squeeze(0)
    for index, side in enumerate(config.resolutions):
        foreign, ours = f"synthesis/{side}x{side}", f"synthesis.blocks.{index}"
        if index:
            # TensorFlow writes up-convolutions as correlations.
            yield from modulated(f"{foreign}/Conv0_up", f"{ours}.up", 2 * index - 1, flip=True)
        yield from modulated(f"{foreign}/{_last(side)}", f"{ours}.conv", 2 * index)
        if f"{foreign}/ToRGB/weight" in weights:
            yield from modulated(f"{foreign}/ToRGB", f"{ours}.to_rgb")
        if f"{foreign}/Skip/weight" in weights:
            yield f"{ours}.skip.weight", kernel(f"{foreign}/Skip/weight", flip=True)
