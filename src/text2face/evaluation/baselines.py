"""Baselines for faces from text: retrieval, and optimisation for each prompt."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.pipeline import TextToFace

__all__ = ["optimise", "retrieve"]


def retrieve(bank: Tensor, embeddings: Tensor) -> list[int]:
    """For each text embedding [N, D], the row of the nearest image in the bank [B, D]."""
    return [int((bank @ embedding).argmax()) for embedding in embeddings]


def optimise(
    pipe: TextToFace,
    embeddings: Tensor,
    *,
    steps: int = 300,
    learning_rate: float = 0.1,
    distance_weight: float = 0.008,
    batch_size: int = 1,
) -> Iterator[Tensor]:
    """Search a latent for every text embedding [N, D] (StyleCLIP, arXiv 2103.17249, equation 1).

    From the mean latent, Adam minimises 1 - cos(E(G(w)), e) + λ‖w - w̄‖², w free in each layer,
    with the learning rate's rise and fall of the official code.

    Args:
        pipe: Its encoder and generator are used.
        embeddings: [N, D], L2-normalised.
        steps: For each image.
        learning_rate: The highest.
        distance_weight: λ.
        batch_size: Images at once; each is still searched on its own.

    Returns:
        Batches of images [n, 3, H, W] in [-1, 1].
    """
    for wanted in torch.split(embeddings, batch_size):
        latents = _search(pipe, wanted.clone(), steps, learning_rate, distance_weight)
        with torch.no_grad():
            yield pipe.decode(latents)


@torch.enable_grad()
def _search(
    pipe: TextToFace, wanted: Tensor, steps: int, learning_rate: float, distance_weight: float
) -> Tensor:
    start = pipe.generator.mean_latent.expand(pipe.generator.num_ws, -1)
    latents = start.repeat(len(wanted), 1, 1).requires_grad_()
    optimiser = torch.optim.Adam([latents], lr=learning_rate)
    for step in range(steps):
        share = step / steps
        fall = 0.5 - 0.5 * np.cos(np.pi * min(1.0, (1 - share) / 0.25))
        optimiser.param_groups[0]["lr"] = learning_rate * fall * min(1.0, share / 0.05)
        seen = pipe.encoder.encode_image(pipe.generator.synthesize(latents))
        miss = 1 - F.cosine_similarity(seen, wanted)
        distance = (latents - start).square().sum(dim=(1, 2))
        optimiser.zero_grad()
        (miss + distance_weight * distance).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return latents.detach()
