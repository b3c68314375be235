"""Files in the layouts of the field, made from networks of ours."""

from __future__ import annotations

import argparse
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import torch
from torch import Tensor, nn

from text2face.generators.mapping import MappedGenerator
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from text2face.generators.stylegan3 import StyleGAN3, StyleGAN3Config

SMALL2 = StyleGAN2Config(z_dim=6, w_dim=8, img_resolution=8, channels=(5, 4), mapping_layers=1)
SMALL3 = StyleGAN3Config(
    z_dim=6,
    w_dim=8,
    img_resolution=16,
    mapping_layers=1,
    channel_base=96,
    channel_max=6,
    num_layers=3,
    num_critical=1,
    margin_size=2,
    filter_size=2,
)


def randomised(model: Any, seed: int = 0) -> Any:
    """The network with other numbers wherever a fresh one has zeros or ones."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if not name.endswith("transform"):
                tensor.add_(torch.rand(tensor.shape, generator=generator) * 0.3)
    return model.eval().requires_grad_(False)


def small2(**changes: Any) -> StyleGAN2:
    torch.manual_seed(0)
    model: StyleGAN2 = randomised(StyleGAN2(StyleGAN2Config(**vars(SMALL2) | changes)))
    return model


def small3(**changes: Any) -> StyleGAN3:
    torch.manual_seed(0)
    model: StyleGAN3 = randomised(StyleGAN3(StyleGAN3Config(**vars(SMALL3) | changes)))
    return model


class Persistent:
    """What NVIDIA's `persistent_class` makes of a module when it is pickled."""

    def __init__(self, class_name: str, state: dict[str, Any]) -> None:
        self.class_name = class_name
        self.state = state

    def __reduce__(self) -> tuple[Any, ...]:
        meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('the source in the file was run')",
            "class_name": self.class_name,
            "state": self.state,
        }
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


@contextmanager
def foreign_modules() -> Iterator[None]:
    """Modules that `pickle` can name, while a file is written."""

    def _reconstruct_persistent_obj(meta: object) -> None:
        raise NotImplementedError

    module = types.ModuleType("torch_utils.persistence")
    _reconstruct_persistent_obj.__module__ = module.__name__
    _reconstruct_persistent_obj.__qualname__ = _reconstruct_persistent_obj.__name__
    vars(module)["_reconstruct_persistent_obj"] = _reconstruct_persistent_obj
    added = {"torch_utils": types.ModuleType("torch_utils"), module.__name__: module}
    sys.modules.update(added)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def _module(path: str, tensors: dict[str, Tensor], fields: dict[str, dict[str, Any]]) -> Persistent:
    """The module at a path, with all below it, as NVIDIA's state dicts have it."""
    own = {name: tensor for name, tensor in tensors.items() if "." not in name}
    children: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if "." in name:
            child, rest = name.split(".", 1)
            children.setdefault(child, {})[rest] = tensor
    buffers = ("filter", "noise_const", "w_avg", "magnitude_ema", "transform", "freqs", "phases")
    state: dict[str, Any] = {
        "training": False,
        "_parameters": {k: nn.Parameter(v) for k, v in own.items() if not k.endswith(buffers)},
        "_buffers": {k: v for k, v in own.items() if k.endswith(buffers)},
        "_non_persistent_buffers_set": set(),
        "_forward_hooks": OrderedDict(),
        "_modules": {
            name: _module(f"{path}{name}.", part, fields) for name, part in children.items()
        },
    }
    return Persistent("Generator" if not path else "Part", state | fields.get(path, {}))


def nvidia_tree(model: MappedGenerator) -> Any:
    """A network as the object that a pickle of NVIDIA's holds as `G_ema`."""
    sizes = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_ws")
    fields: dict[str, dict[str, Any]] = {"": {name: getattr(model, name) for name in sizes}}
    config, tensors = model.config, {}
    for name, tensor in model.state_dict().items():
        tensors[_nvidia_name(name, model)] = tensor
    for index in range(config.mapping_layers):
        rate = config.mapping_lr_multiplier
        fields[f"mapping.fc{index}."] = {"activation": "lrelu", "bias_gain": rate}
    if isinstance(model, StyleGAN2):
        for side in config.resolutions:
            fields[f"synthesis.b{side}."] = {"architecture": config.architecture}
            layer = {"activation": "lrelu", "conv_clamp": config.conv_clamp}
            fields |= {f"synthesis.b{side}.{conv}.": layer for conv in ("conv0", "conv1")}
            taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
            tensors[f"synthesis.b{side}.conv1.resample_filter"] = taps.outer(taps)
    else:
        changed = {k: v for k, v in vars(config).items() if v != getattr(StyleGAN3Config(), k)}
        fields[""] |= {"_init_args": (), "_init_kwargs": changed}
        for layer_name, made in zip(_layer_names(config), model.synthesis.layers, strict=True):
            for name in ("up_filter", "down_filter"):
                if getattr(made, name) is not None:
                    tensors[f"synthesis.{layer_name}.{name}"] = getattr(made, name)
    return _module("", tensors, fields)


def _layer_names(config: StyleGAN3Config) -> list[str]:
    return [f"L{i}_{band.size}_{band.channels}" for i, band in enumerate(config.bands)]


def _nvidia_name(name: str, model: MappedGenerator) -> str:
    parts = name.split(".")
    if parts[:2] == ["mapping", "layers"]:
        parts[1:3] = [f"fc{parts[2]}"]
    elif name == "synthesis.const":
        parts[1:] = ["b4", "const"]
    elif parts[:2] == ["synthesis", "blocks"]:
        layers = {"up": "conv0", "conv": "conv1", "to_rgb": "torgb", "skip": "skip"}
        parts[1:4] = [f"b{4 << int(parts[2])}", layers[parts[3]]]
    elif parts[:2] == ["synthesis", "layers"]:
        parts[1:3] = [_layer_names(model.config)[int(parts[2])]]
    return ".".join(parts)


def nvidia(model: MappedGenerator, protocol: int = 4) -> bytes:
    """A pickle as NVIDIA's training code writes it."""
    with foreign_modules():
        tree = {"G_ema": nvidia_tree(model), "training_set_kwargs": None, "augment_pipe": None}
        return pickle.dumps(tree, protocol)


def rosinality_tree(model: StyleGAN2) -> dict[str, Any]:
    """A network as the state dict of rosinality/stylegan2-pytorch."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    tensors = {}
    for name, tensor in model.state_dict().items():
        parts = name.split(".")
        if parts[0] == "mapping":
            if parts[1] == "layers":
                tensors[f"style.{int(parts[2]) + 1}.{parts[3]}"] = tensor
            continue
        if name == "synthesis.const":
            tensors["input.input"] = tensor[None]
            continue
        index, layer, part = int(parts[2]), parts[3], ".".join(parts[4:])
        number = 2 * index - (layer == "up")
        if layer == "to_rgb":
            prefix = f"to_rgbs.{index - 1}" if index else "to_rgb1"
        else:
            prefix = f"convs.{number - 1}" if index else "conv1"
        if part == "noise_const":
            tensors[f"noises.noise_{number}"] = tensor[None, None]
        elif part == "noise_strength":
            tensors[f"{prefix}.noise.weight"] = tensor[None]
        elif part == "bias" and layer == "to_rgb":
            tensors[f"{prefix}.bias"] = tensor[None, :, None, None]
        elif part == "bias":
            tensors[f"{prefix}.activate.bias"] = tensor
        elif part == "weight":
            tensors[f"{prefix}.conv.weight"] = tensor[None]
        else:
            tensors[f"{prefix}.conv.modulation.{part.removeprefix('affine.')}"] = tensor
        if layer == "up":
            tensors[f"{prefix}.conv.blur.kernel"] = taps.outer(taps)
            tensors[f"to_rgbs.{index - 1}.upsample.kernel"] = taps.outer(taps)
    return {"g_ema": tensors, "latent_avg": model.mean_latent, "args": argparse.Namespace(size=8)}


def torch_saved(tree: object, *, legacy: bool = False) -> bytes:
    """What `torch.save` writes."""
    buffer = BytesIO()
    torch.save(tree, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


LAYOUTS: dict[str, Callable[[], bytes]] = {
    "nvidia-stylegan2": lambda: nvidia(small2()),
    "nvidia-stylegan3": lambda: nvidia(small3()),
    "rosinality-zip": lambda: torch_saved(rosinality_tree(small2())),
    "rosinality-legacy": lambda: torch_saved(rosinality_tree(small2()), legacy=True),
}
"""A small file in each layout that our networks can be written in."""
