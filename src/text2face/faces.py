"""What the pipeline hands out: faces, and how pictures become tensors and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, overload

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from text2face.pictures import to_rgb
from text2face.settings import NoiseMode

__all__ = ["Face", "Output", "noise", "to_pil", "to_tensor"]


class Noise(NamedTuple):
    """The generator's noise inputs: their mode, and the seed of "random" ones."""

    mode: NoiseMode = "const"
    seed: int = 0


AS_STORED: Final = Noise()
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
    noise: Noise = AS_STORED
    batch: int = 1
    """How many were drawn at once: more than 1 may change the last bits of each."""
    notes: tuple[str, ...] = ()
    """What the user should know about how it came about, a sentence each."""


class Output(Sequence[Face]):
    """The faces that `TextToFace` returns: prompt by prompt, seed by seed (or best first)."""

    def __init__(self, faces: Iterable[Face], *, unknown_words: Sequence[str] = ()) -> None:
        """Hold faces.

        Args:
            faces: In order.
            unknown_words: The words of the prompts that the encoder does not know.
        """
        self.faces = list(faces)
        self.unknown_words = list(unknown_words)

    @overload
    def __getitem__(self, index: int) -> Face: ...
    @overload
    def __getitem__(self, index: slice) -> Output: ...

    def __getitem__(self, index: int | slice) -> Face | Output:
        """One face, or an `Output` of some."""
        if isinstance(index, slice):
            return Output(self.faces[index], unknown_words=self.unknown_words)
        return self.faces[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(self.faces)

    @property
    def images(self) -> list[Image.Image]:
        """The pictures."""
        return [face.image for face in self.faces]

    @property
    def latents(self) -> Tensor:
        """Their latents w [N, num_ws, w_dim]."""
        return torch.stack([face.latent for face in self.faces])

    @property
    def embeddings(self) -> Tensor:
        """The prompts' embeddings [N, D], L2-normalised."""
        return torch.stack([face.embedding for face in self.faces])

    @property
    def seeds(self) -> list[int]:
        """Their seeds."""
        return [face.seed for face in self.faces]

    @property
    def scores(self) -> list[float]:
        """The cosine between each image's embedding and its prompt's."""
        return [face.score for face in self.faces]


def noise(seed: int, dim: int) -> Tensor:
    """The z of a seed [dim], as everyone who uses StyleGAN draws it."""
    return torch.from_numpy(np.random.RandomState(seed).randn(dim)).float()


def to_pil(images: Tensor) -> list[Image.Image]:
    """Images [N, 3, H, W] in [-1, 1] → 8-bit RGB pictures."""
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()
    return [Image.fromarray(picture) for picture in pixels.numpy()]


def to_tensor(image: Image.Image) -> Tensor:
    """A picture in any mode → [1, 3, H, W] in [-1, 1], see `text2face.pictures.to_rgb`.

    Raises:
        ArgumentError: Its pixels are damaged, or of a mode without a known range.
    """
    pixels = torch.from_numpy(np.asarray(to_rgb(image), np.float32) / 127.5 - 1)
    return pixels.permute(2, 0, 1)[None].contiguous()
