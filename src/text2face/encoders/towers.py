"""The two towers of a CLIP or SigLIP, from the folder that transformers has saved.

Of `config.json` only the sizes are taken, by name: a configuration of transformers may also ask for
code of the hub, for kernels, for a billion labels or for another number type.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from text2face.errors import CheckpointError, one_line, quoted
from text2face.foreign.files import read_checkpoint
from text2face.foreign.weights import Weights
from text2face.storage.folders import (
    CONFIG_NAME,
    WEIGHTS_NAME,
    file_shapes,
    load_tensors,
    read_json,
)
from text2face.storage.networks import build_on_meta

if TYPE_CHECKING:
    from transformers import CLIPModel, SiglipModel

__all__ = ["PICKLE_NAME", "has_safetensors", "read_model"]

PICKLE_NAME: Final = "pytorch_model.bin"
_INDEX_NAME: Final = "model.safetensors.index.json"
_FAMILIES: Final = {"clip": ("CLIPConfig", "CLIPModel"), "siglip": ("SiglipConfig", "SiglipModel")}
_MAX_SHARDS: Final = 1000

_BOTH: Final[Mapping[str, type]] = {
    "hidden_size": int,
    "intermediate_size": int,
    "num_hidden_layers": int,
    "num_attention_heads": int,
    "hidden_act": str,
    "layer_norm_eps": float,
}
_TEXT: Final[Mapping[str, type]] = {
    **_BOTH,
    "vocab_size": int,
    "max_position_embeddings": int,
    "pad_token_id": int,
    "bos_token_id": int,
    "eos_token_id": int,
}
_VISION: Final[Mapping[str, type]] = {
    **_BOTH,
    "image_size": int,
    "patch_size": int,
    "num_channels": int,
}
_OWN: Final[Mapping[str, Mapping[str, Mapping[str, type]]]] = {
    "clip": {"": {"projection_dim": int}, "text": {}, "vision": {}},
    "siglip": {"": {}, "text": {"projection_size": int}, "vision": {"vision_use_head": bool}},
}
_MAX_INTEGER: Final = 1 << 31
_KINDS: Final = {
    int: "a whole number from 1",
    float: "a number",
    str: "text",
    bool: "true or false",
}


def read_model(folder: Path) -> CLIPModel | SiglipModel:
    """Build the network that `config.json` describes, if the weights beside it are of its sizes.

    Args:
        folder: The folder; its weights are safetensors, one file or several, or a file of
            `torch.save`.

    Returns:
        The network on the CPU in float32.

    Raises:
        CheckpointError: A file is missing or damaged, or the two do not belong together.
    """
    path = folder / CONFIG_NAME
    content = read_json(path)
    family = content.get("model_type")
    if not isinstance(family, str) or family not in _FAMILIES:
        raise CheckpointError(
            f"{path} describes a model of type {quoted(family)}, expected one of "
            f"{', '.join(_FAMILIES)} (SigLIP 2 too, but not its NaFlex variant)"
        )
    values = _sizes(content, family, path)
    weights = _Files(folder)
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    config_name, model_name = _FAMILIES[family]
    try:
        config = getattr(transformers, config_name)(**values)
    except (StrictDataclassError, ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise _unusable(path, family, one_line(error)[:300]) from None
    model_class = getattr(transformers, model_name)
    model = build_on_meta(lambda: model_class(config), len(weights.shapes), path)
    _check(folder, model.state_dict(), weights.shapes)
    model.load_state_dict(weights.read(), assign=True)
    for name, buffer in list(model.named_buffers()):
        if buffer.is_meta:  # position ids, which are not stored
            owner = model.get_submodule(name.rpartition(".")[0])
            ids = torch.arange(buffer.shape[-1]).expand(buffer.shape)
            owner.register_buffer("position_ids", ids, persistent=False)
    return model


def _unusable(path: Path, family: str, why: str) -> CheckpointError:
    return CheckpointError(
        f"cannot use {path}: {why}; expected the configuration of a {family} model; download it "
        "again"
    )


def _sizes(content: Mapping[str, Any], family: str, path: Path) -> dict[str, Any]:
    """What of a configuration shapes the network."""
    own = _OWN[family]
    values: dict[str, Any] = _typed(content, own[""], path, family)
    for tower, known in (("text", _TEXT), ("vision", _VISION)):
        # Old configurations of CLIP have the values a second time, and those count.
        part = content.get(f"{tower}_config_dict") if family == "clip" else None
        part = content.get(f"{tower}_config") if part is None else part
        part = {} if part is None else part
        if not isinstance(part, dict):
            raise _unusable(path, family, f"{tower}_config is {quoted(part)}, no JSON object")
        values[f"{tower}_config"] = _typed(part, {**known, **own[tower]}, path, family)
    return values


def _typed(
    given: Mapping[str, Any], known: Mapping[str, type], path: Path, family: str
) -> dict[str, Any]:
    """The values of known names, each of its type."""
    values = {}
    for name, kind in known.items():
        if name not in given:
            continue
        value = given[name]
        fits = type(value) is kind
        if kind is int:
            is_id = name.endswith("token_id")
            fits = (fits and (0 if is_id else 1) <= value < _MAX_INTEGER) or (
                is_id and value is None
            )
        elif kind is float:
            fits = type(value) in (int, float) and math.isfinite(value)
        if not fits:
            raise _unusable(path, family, f"{name} is {quoted(value)}, expected {_KINDS[kind]}")
        values[name] = value
    return values


class _Files:
    """The weights of a folder: their shapes first, their numbers when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pickled: Weights | None = None
        self.names = [WEIGHTS_NAME]
        if not has_safetensors(folder) and (folder / PICKLE_NAME).exists():
            self.pickled = _pickled(folder / PICKLE_NAME)
            self.shapes = self.pickled.shapes()
        else:
            if not (folder / WEIGHTS_NAME).exists() and (folder / _INDEX_NAME).exists():
                self.names = _shards(folder / _INDEX_NAME)
            self.shapes = {}
            for name in self.names:
                self.shapes |= file_shapes(folder / name)
        # Old files store them.
        self.shapes = {k: v for k, v in self.shapes.items() if not k.endswith("position_ids")}

    def read(self) -> dict[str, Tensor]:
        """All tensors, as float32."""
        if self.pickled is not None:
            return {name: self.pickled.take(name) for name in self.shapes}
        tensors: dict[str, Tensor] = {}
        for file in self.names:
            tensors |= load_tensors(self.folder / file)
        tensors = {name: tensors[name] for name in self.shapes}
        for name, tensor in tensors.items():
            if not tensor.is_floating_point():
                raise CheckpointError(
                    f"wrong weights in {self.folder}: {quoted(name)} has numbers of type "
                    f"{tensor.dtype}, expected floating-point numbers; download the model again"
                )
            tensors[name] = tensor.float()
            if not tensors[name].isfinite().all():
                raise CheckpointError(
                    f"damaged weights in {self.folder}: NaN or infinity in {quoted(name)}, "
                    "expected finite numbers; download the model again"
                )
        return tensors


def _shards(index: Path) -> list[str]:
    """The files that an index lists."""
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(
        isinstance(name, str) and Path(name).name == name for name in shards.values()
    ):
        raise CheckpointError(f"damaged file: {index} lists no files; download the model again")
    names = sorted(set(shards.values()))
    if len(names) > _MAX_SHARDS:
        raise CheckpointError(f"damaged file: {index} lists {len(names)} files, expected a few")
    return names


def _pickled(path: Path) -> Weights:
    """The tensors of a file of `torch.save`, as OpenAI's models are published."""
    tree = read_checkpoint(path)
    if not isinstance(tree, dict):
        raise CheckpointError(
            f"wrong weights: {path} holds no tensors by name, expected those of a CLIP or SigLIP"
        )
    return Weights(tree, str(path), path.stat().st_size)


def has_safetensors(folder: Path) -> bool:
    """Whether the weights of a folder are safetensors, one file or several."""
    return (folder / WEIGHTS_NAME).exists() or (folder / _INDEX_NAME).exists()


def _check(
    folder: Path, expected: Mapping[str, Tensor], got: Mapping[str, tuple[int, ...]]
) -> None:
    """See that the weights are those of the network."""
    wrong = [f"lacks {name}" for name in expected.keys() - got.keys()]
    wrong += [f"has unknown {quoted(name)}" for name in got.keys() - expected.keys()]
    wrong += [
        f"has {name} of shape {list(got[name])}, expected {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in got and got[name] != tuple(tensor.shape)
    ]
    if wrong:
        raise CheckpointError(
            f"wrong weights in {folder}: the file {min(wrong)}"
            + (f" and {len(wrong) - 1} more like this" if len(wrong) > 1 else "")
            + f"; expected the tensors that {CONFIG_NAME} describes; download the model again"
        )
