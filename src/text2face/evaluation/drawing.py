"""Many faces at once, as the pipeline draws them one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.pipeline import TextToFace, noise

__all__ = ["draw", "draw_at_random", "embed", "embed_images"]

_TEXTS = 250


@torch.inference_mode()
def embed(encoder: TextImageEncoder, texts: Sequence[str]) -> Tensor:
    """Texts → embeddings [N, D], L2-normalised, in batches and without the prompt syntax."""
    parts = [encoder.encode_text(texts[i : i + _TEXTS]) for i in range(0, len(texts), _TEXTS)]
    return F.normalize(torch.cat(parts).float(), dim=1)


def embed_images(encoder: TextImageEncoder, batches: Iterable[Tensor]) -> Tensor:
    """Batches of images [N, 3, H, W] in [-1, 1] → embeddings [ΣN, D], L2-normalised."""
    parts = []
    for images in batches:  # which may need gradients to come about
        with torch.inference_mode():
            parts.append(encoder.encode_image(images).float())
    return F.normalize(torch.cat(parts), dim=1)


@torch.inference_mode()
def draw(
    pipe: TextToFace,
    embeddings: Tensor,
    seeds: Sequence[int],
    *,
    condition: str | None = None,
    truncation: float | None = None,
    shortlist: int | None = None,
    batch_size: int = 16,
) -> Iterator[Tensor]:
    """One image for each text embedding [N, D], as the pipeline draws it but in batches."""
    settings = pipe.settings(condition=condition, truncation=truncation, shortlist=shortlist)
    for start in range(0, len(seeds), batch_size):
        chosen = list(seeds[start : start + batch_size])
        wanted = embeddings[start : start + batch_size]
        yield pipe.decode(pipe.latents(wanted, chosen, settings))


@torch.inference_mode()
def draw_at_random(
    pipe: TextToFace, seeds: Sequence[int], *, truncation: float = 1.0, batch_size: int = 16
) -> Iterator[Tensor]:
    """Faces that no text asked for."""
    for start in range(0, len(seeds), batch_size):
        z = [noise(seed, pipe.generator.z_dim) for seed in seeds[start : start + batch_size]]
        latents = pipe.generator.map(torch.stack(z).to(pipe.device), truncation=truncation)
        yield pipe.decode(latents)
