"""Refinement by optimisation: the slow way, through the generator and the encoder.

StyleCLIP's latent optimisation (Patashnik et al. 2021, arXiv 2103.17249, equation 1), started
from a fast edit and held to the picture that this edit aims at, so that few steps are enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.editing.base import EditRequest, check_method
from text2face.editing.posterior import Inferring, InferringPictures
from text2face.editing.targets import target_embedding
from text2face.errors import ArgumentError
from text2face.registry import register
from text2face.settings import check_count

if TYPE_CHECKING:
    from text2face.model import FaceModel

__all__ = ["change"]


@register("edit", "optimise")
def change(
    pipe: FaceModel,
    request: EditRequest,
    *,
    start: str | None = "posterior",
    steps: int = 40,
    learning_rate: float = 0.05,
    distance: float = 0.02,
    on_step: Callable[[int, float], object] = lambda step, loss: None,
) -> Tensor:
    """The change of w at strength 1, see `EditMethod`.

    Args:
        pipe: The pipeline.
        request: The face.
        start: The method whose change is refined; None starts from the face as it is, with the
            text's own embedding as the aim, as StyleCLIP does, and so does "posterior" where the
            sampler has none.
        steps: Optimiser steps.
        learning_rate: The peak of its schedule, in units of the latents' spread.
        distance: λ of the mean square distance from the face, in units of the latents' spread.
        on_step: Called with the step and the loss.

    Raises:
        ArgumentError: A setting is out of range.
    """
    check_count("steps", steps, most=10_000)
    if start == "optimise":
        raise ArgumentError("start is 'optimise', expected another method or None")
    if start == "posterior" and not isinstance(pipe.sampler, Inferring | InferringPictures):
        start = None
    axes = pipe.latent_axes
    spread = axes.up.square().sum(dim=0).sqrt().clamp(min=1e-4).to(pipe.device)
    bank = getattr(pipe.sampler, "bank", None)
    wanted = request.wanted if start is None else target_embedding(request, bank)
    first = torch.zeros_like(request.latent)
    if start is not None:
        first = check_method(start)(pipe, request).to(pipe.device)
    with torch.enable_grad():
        offset = (first / spread).clone().requires_grad_()
        optimiser = torch.optim.Adam([offset], lr=learning_rate)
        for step in range(steps):
            share = step / steps
            rate = min(1.0, (1 - share) / 0.25) * min(1.0, (share + 1 / steps) / 0.05)
            optimiser.param_groups[0]["lr"] = learning_rate * rate
            images = pipe.generator.synthesize(request.latent + offset * spread)
            miss = 1 - F.cosine_similarity(pipe.encoder.encode_image(images), wanted).mean()
            loss = miss + distance * offset.square().mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            on_step(step + 1, loss.item())
    return offset.detach() * spread
