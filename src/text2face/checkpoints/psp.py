"""The published checkpoints of pSp and e4e: a generator and its inversion encoder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch import Tensor

from text2face.checkpoints.rosinality import load_rosinality
from text2face.errors import CheckpointError, quoted
from text2face.foreign.files import read_checkpoint
from text2face.foreign.pickles import namespace
from text2face.foreign.tensors import as_tensor
from text2face.foreign.weights import Weights, build
from text2face.generators.base import Generator
from text2face.inversion.psp import PSPConfig, PSPEncoder
from text2face.storage.networks import SkipInit, saved_state

__all__ = ["load_psp"]

_KINDS: Final[Mapping[str, Literal["psp", "e4e"]]] = {
    "GradualStyleEncoder": "psp",
    "Encoder4Editing": "e4e",
}


def load_psp(path: str | Path) -> tuple[Generator, PSPEncoder]:
    """Load the generator and the inversion encoder of a published pSp or e4e checkpoint.

    Args:
        path: The `.pt` file; nothing in it is run.

    Raises:
        CheckpointError: The file is of another kind, damaged or hostile.
    """
    path = Path(path)
    tree, size = read_checkpoint(path), path.stat().st_size
    state = tree.get("state_dict") if isinstance(tree, dict) else None
    prefix = "encoder."
    found = {
        str(k)[len(prefix) :]: v
        for k, v in (state.items() if isinstance(state, dict) else ())
        if str(k).startswith(prefix) and not str(k).endswith("num_batches_tracked")
    }
    if "styles.0.linear.weight" not in found or not isinstance(tree, dict):
        raise CheckpointError(
            f"{path} holds no inversion encoder; expected a checkpoint of pSp or e4e with encoder "
            "and decoder; `text2face.load_generator` reads files that hold but a generator"
        )
    options = namespace(tree.get("opts"))
    name = options.get("encoder_type", "GradualStyleEncoder")
    if not isinstance(name, str) or name not in _KINDS:
        raise CheckpointError(
            f"unsupported network: {path} has an encoder of type {quoted(name)}, expected one of "
            f"{', '.join(_KINDS)}"
        )
    generator = load_rosinality(tree, str(path), size)
    from_mean = bool(options.get("start_from_latent_avg", True))
    config = PSPConfig(_KINDS[name], generator.num_ws, generator.w_dim, from_mean)
    weights = Weights(found, str(path), size)
    with torch.device("meta"), SkipInit():
        names = [n for n in saved_state(PSPEncoder(config)) if n != "latent_mean"]
    tensors = {n: weights.take(n) for n in names}
    tensors["latent_mean"] = _mean(tree, str(path), size, generator)
    if weights.names():
        raise CheckpointError(
            f"unsupported network: {path} has an unknown tensor {quoted(weights.names()[0])}; "
            f"expected the {name} of a face model"
        )
    counters = dict(_counters(config))
    encoder = build(lambda: PSPEncoder(config), {**tensors, **counters}, str(path))
    return generator, encoder


def _counters(config: PSPConfig) -> Iterator[tuple[str, Tensor]]:
    """The step counters of batch normalisation, which the file of a network leaves out."""
    with torch.device("meta"), SkipInit():
        names = PSPEncoder(config).state_dict().keys()
    yield from ((n, torch.tensor(0)) for n in names if n.endswith("num_batches_tracked"))


def _mean(tree: Mapping[Any, Any], source: str, size: int, generator: Generator) -> Tensor:
    """The mean latent for each layer [num_ws, w_dim]."""
    average = as_tensor(tree.get("latent_avg"))
    shape = (generator.num_ws, generator.w_dim)
    if average is None:
        return generator.mean_latent.expand(shape).clone()
    mean = Weights({"latent_avg": average}, source, size).take("latent_avg")
    return mean.reshape(-1, generator.w_dim).expand(shape).clone()
