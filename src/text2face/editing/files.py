"""Pictures and latents from files, with clear words for what cannot be read."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from text2face.errors import ArgumentError
from text2face.pictures import read_file, read_picture

__all__ = ["read_latent", "read_picture"]

_MAX_BYTES: Final = 2**26
"""A latent has less than a MiB."""


def read_latent(path: Path) -> Tensor:
    """Read w [1, num_ws, w_dim] under the name "w", as `--save-latents` writes it.

    Raises:
        ArgumentError: The file is missing, damaged, or holds something else.
    """
    try:
        content = read_file(path, _MAX_BYTES)
        if path.suffix.lower() == ".npz":
            arrays = np.load(io.BytesIO(content), allow_pickle=False)
            if not isinstance(arrays, Mapping):
                raise ValueError("a single array")
            latent = torch.from_numpy(arrays["w"])
        else:
            latent = load(content)["w"]
        if latent.ndim != 3 or not latent.is_floating_point():
            raise ValueError(f"{latent.dtype} {list(latent.shape)}")
        if len(latent) != 1 or not bool(latent.isfinite().all()):
            raise ValueError("several latents, or numbers that are not finite")
    except (
        ArgumentError,
        OSError,
        ValueError,
        KeyError,
        EOFError,
        TypeError,
        MemoryError,
        zlib.error,
        SafetensorError,
        BadZipFile,
    ) as error:
        raise ArgumentError(
            f"cannot read a latent from {path} ({type(error).__name__}); expected a file that "
            "text2face wrote with --save-latents, with w [1, num_ws, w_dim]"
        ) from None
    return latent.float()
