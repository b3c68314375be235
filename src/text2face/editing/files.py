"""Pictures and latents from files, with clear words for what cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from zipfile import BadZipFile

import numpy as np
import torch
from PIL import Image, ImageOps
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from text2face.errors import ArgumentError

__all__ = ["read_latent", "read_picture"]

_MAX_PIXELS: Final = 100_000_000


def read_picture(path: Path) -> Image.Image:
    """Read a picture, turned as its EXIF says; what it says about its making stays.

    Raises:
        ArgumentError: The file is missing or no picture.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise ArgumentError(
                    f"{path} has {image.width}×{image.height} pixels, expected at most 100 "
                    "million; make it smaller"
                )
            image.load()
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise ArgumentError(f"no picture {path}; expected an image file; check the path") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ArgumentError(
            f"cannot read {path} as a picture ({' '.join(str(error).split())[:80]}); expected a "
            "PNG, JPEG or WebP"
        ) from None


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
