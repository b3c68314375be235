"""Checkpoints of a training."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from text2face.errors import CheckpointError
from text2face.storage.folders import atomic_file, make_folder

__all__ = ["load_training_state", "save_training_state"]


def save_training_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OutputError: It cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    make_folder(path.parent)
    with atomic_file(path) as file:
        file.write(buffer.getvalue())


def load_training_state(path: Path, needed: Iterable[str] = ()) -> dict[str, Any]:
    """Read a checkpoint, onto the CPU.

    Args:
        path: Written by `save_training_state`.
        needed: Entries without which it is none.

    Raises:
        CheckpointError: It is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        for name in needed:
            state[name]
    except (OSError, RuntimeError, EOFError, LookupError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"cannot resume from {path} ({type(error).__name__}); delete it to start afresh"
        ) from None
    return state
