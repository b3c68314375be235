"""A face, and how pictures become tensors and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from text2face.checks import check_images
from text2face.pictures import to_rgb
from text2face.prompts import Template
from text2face.settings import NoiseMode

__all__ = ["Face", "noise", "to_pil", "to_tensor"]


class Noise(NamedTuple):
    """The generator's noise inputs: their mode, and the seed of "random" ones."""

    mode: NoiseMode = "const"
    seed: int = 0


CONST_NOISE: Final = Noise()
"""Those that are stored in the generator."""


@dataclass(frozen=True)
class Face:
    """One image and how it came about."""

    image: Image.Image
    latent: Tensor
    """w [num_ws, w_dim], truncated, float32 on the CPU."""
    embedding: Tensor
    """The prompt's embedding [D], L2-normalised, float32 on the CPU."""
    prompt: str
    seed: int
    score: float
    """The cosine between the embeddings of the image and of the prompt."""
    noise: Noise = CONST_NOISE
    batch: int = 1
    """How many were drawn at once: more than 1 may change the last bits of each."""
    template: Template | None = None
    """What the prompt came from, if it had choices or styles."""
    negative_prompt: str | None = None
    """What came out of the template's negative prompt."""
    notes: tuple[str, ...] = ()
    """What the user should know about how it came about, a sentence each."""

    @property
    def asked(self) -> str:
        """The prompt as it was given."""
        return self.template.prompt if self.template else self.prompt


def noise(seed: int, dim: int) -> Tensor:
    """The z of a seed [dim], as everyone who uses StyleGAN draws it."""
    return torch.from_numpy(np.random.RandomState(seed).randn(dim)).float()


def to_pil(images: Tensor) -> list[Image.Image]:
    """Images [N, 3, H, W] in [-1, 1] → 8-bit RGB pictures; grey ones [N, 1, H, W] too.

    Raises:
        ArgumentError: They have another number of channels.
    """
    if images.ndim == 4 and images.shape[1] == 1:
        images = images.expand(-1, 3, -1, -1)
    check_images(images)
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()
    return [Image.fromarray(picture) for picture in pixels.numpy()]


def to_tensor(image: Image.Image) -> Tensor:
    """A picture in any mode → [1, 3, H, W] in [-1, 1], see `text2face.pictures.to_rgb`.

    Raises:
        ArgumentError: Its pixels are damaged, or of a mode without a known range.
    """
    pixels = torch.from_numpy(np.asarray(to_rgb(image), np.float32) / 127.5 - 1)
    return pixels.permute(2, 0, 1)[None].contiguous()
