"""Generators from files in the formats of the field, read without running anything in them."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from text2face import _loading
from text2face.errors import CheckpointError
from text2face.generators.base import Generator
from text2face.generators.checkpoints.files import read_checkpoint
from text2face.generators.checkpoints.rosinality import find_rosinality, load_rosinality

__all__ = ["load_generator", "read_checkpoint"]


def load_generator(source: str | Path) -> Generator:
    """Load a generator from any place and any format that is known.

    Args:
        source: A checkpoint file (see docs/checkpoints.md), a folder that `save_pretrained` or
            `text2face convert` has written, the folder of a whole model, or a hub id of one of
            these folders, such as "owner/name".

    Returns:
        The generator on the CPU in float32, in evaluation mode and frozen.

    Raises:
        CheckpointError: There is no such file or it is damaged, hostile or of an unknown kind.
    """
    path = Path(source)
    if not path.is_file():
        folder = _loading.find_model(source)
        if (folder / "pipeline.json").is_file():
            folder /= "generator"
        return cast("Generator", _loading.load_component("generator", folder))
    tree, size = read_checkpoint(path), path.stat().st_size
    if find_rosinality(tree) is not None:
        return load_rosinality(tree, str(path), size)
    raise CheckpointError(
        f"unknown format: {path} holds no generator; expected a StyleGAN2 of rosinality's code"
    )
