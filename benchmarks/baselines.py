"""What text-made faces are held against: the best render there is, and a search for each prompt."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.measures import Renders
from text2face import TextToFace


@torch.inference_mode()
def embed_renders(pipe: TextToFace, renders: Renders, count: int) -> Tensor:
    """The embeddings [count, D] of the first renders."""
    rows = range(min(count, len(renders.pictures)))
    parts = [pipe.encoder.encode_image(images) for images in renders.images(rows)]
    return F.normalize(torch.cat(parts).float(), dim=1)


def retrieve(renders: Renders, bank: Tensor, embeddings: Tensor) -> Iterator[Tensor]:
    """For each text embedding [N, D], the render that is nearest to it in the bank [B, D]."""
    rows = [int((bank @ embedding).argmax()) for embedding in embeddings]
    yield from renders.images(rows)


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
    """
    start = pipe.generator.mean_latent.expand(pipe.generator.num_ws, -1)
    for first in range(0, len(embeddings), batch_size):
        wanted = embeddings[first : first + batch_size].clone()
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
        with torch.no_grad():
            yield pipe.decode(latents)
