"""Generators from files in the formats of the field, read without running anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

from text2face import loading
from text2face.catalogue import MODELS, downloaded
from text2face.checkpoints.files import read_checkpoint
from text2face.checkpoints.nvidia import find_nvidia, load_nvidia
from text2face.checkpoints.rosinality import find_rosinality, load_rosinality
from text2face.checkpoints.tensorflow import find_tensorflow, load_tensorflow
from text2face.errors import CheckpointError, quoted
from text2face.generators.base import Generator
from text2face.generators.mapping import MappedGenerator

__all__ = ["load_checkpoint", "load_generator", "read_checkpoint"]

_SUFFIXES: Final = {".pkl", ".pt", ".pth"}


def load_generator(source: str | Path) -> Generator:
    """Load a generator from any place and any format that is known.

    Args:
        source: A checkpoint file (see docs/checkpoints.md), a folder that `save_pretrained` or
            `text2face convert` has written, the folder of a whole model, a hub id of one of these
            folders, such as "owner/name", or a name of `text2face models list` that has been
            downloaded.

    Returns:
        The generator on the CPU in float32, in evaluation mode and frozen.

    Raises:
        CheckpointError: There is no such file or it is damaged, hostile or of an unknown kind.
    """
    path = Path(source)
    if not path.exists() and source in MODELS and MODELS[str(source)].kind == "generator":
        return load_checkpoint(downloaded(str(source)))
    if not path.exists() and path.suffix in _SUFFIXES:
        raise CheckpointError(
            f"no file {source}; expected a checkpoint on this machine; check the path, or download "
            "it first"
        )
    if not path.is_file():
        folder = loading.find_model(source)
        if (folder / "pipeline.json").is_file():
            folder /= "generator"
        return cast("Generator", loading.load_component("generator", folder))
    return load_checkpoint(path)


def load_checkpoint(path: Path) -> MappedGenerator:
    """Load a generator from a checkpoint file; see `load_generator`."""
    tree, source, size = read_checkpoint(path), str(path), path.stat().st_size
    network = find_nvidia(tree)
    if network is not None:
        return load_nvidia(network, source, size)
    network = find_tensorflow(tree)
    if network is not None:
        return load_tensorflow(network, source, size)
    if find_rosinality(tree) is not None:
        return load_rosinality(tree, source, size)
    raise CheckpointError(
        f"unknown format: {path} holds no generator, but {_outline(tree)}; expected a network of "
        "StyleGAN2 or StyleGAN3 in a layout of NVIDIA or rosinality"
    )


def _outline(tree: object) -> str:
    """What a file holds instead, in a few words."""
    if isinstance(tree, dict):
        names = ", ".join(quoted(name) for name in list(tree)[:5])
        return f"a dict of {len(tree)}: {names}" if tree else "an empty dict"
    return f"a {type(tree).__name__}"
