"""What the pipeline hands out: faces, and how pictures become tensors and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from text2face import prompts
from text2face.pictures import to_rgb

__all__ = ["Face", "Output", "PipelineConfig", "noise", "to_pil", "to_tensor"]


@dataclass(frozen=True)
class PipelineConfig:
    """What a model says about itself in `pipeline.json`."""

    name: str = "unnamed"
    """Shown in the metadata of its images."""
    truncation: float = 1.0
    """The default ψ."""
    condition: str = "text"
    """The default way to condition the sampler."""
    shortlist: int = 1
    """How many latents are drawn for a face by default, to keep the one nearest to the text."""
    neutral_prompt: str = prompts.NEUTRAL
    """A sentence that the encoder knows and that says nothing particular."""
    negative_weight: float = 0.5
    """How strongly a negative prompt is subtracted."""


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


@dataclass(frozen=True)
class Output:
    """What `TextToFace` returns: N images, prompt by prompt, seed by seed (or best first)."""

    images: list[Image.Image]
    latents: Tensor
    """[N, num_ws, w_dim]."""
    embeddings: Tensor
    """The prompts' embeddings [N, D], L2-normalised."""
    seeds: list[int]
    scores: list[float]
    """The cosine between each image's embedding and its prompt's."""
    unknown_words: list[str]
    """The words of the prompts that the encoder does not know."""


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
