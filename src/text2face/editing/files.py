"""Pictures and latents from files, with clear words for what cannot be read."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from text2face.errors import ArgumentError
from text2face.pictures import read_picture

__all__ = ["read_latent", "read_picture"]


def read_latent(path: Path) -> Tensor:
    """Read w [1, num_ws, w_dim] under the name "w", as `--save-latents` writes it.

    Raises:
        ArgumentError: The file is missing, damaged, or holds something else.
    """
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                latent = torch.from_numpy(arrays["w"])
        else:
            latent = load_file(path)["w"]
    except (OSError, ValueError, KeyError, EOFError, SafetensorError, BadZipFile) as error:
        raise ArgumentError(
            f"cannot read a latent from {path} ({type(error).__name__}); expected a file that "
            "text2face wrote with --save-latents, with w [1, num_ws, w_dim]"
        ) from None
    return latent.float()
