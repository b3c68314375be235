"""Latent directions from words, learnt from pairs alone: no generator in the loop.

DeltaEdit's idea (Lyu et al. 2023, arXiv 2303.06285): what differs between the embeddings of two
sets of pictures, their latents differ in too, and the words only choose the sets. Here no network
is trained for it: of pairs (latent, embedding), those like the face have a mean latent, and so
have those among them that the words fit; the direction is the difference of the two.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from text2face.editing.base import EditRequest
from text2face.editing.targets import EditTarget, move_towards
from text2face.errors import ArgumentError
from text2face.registry import register
from text2face.samplers.base import LatentCritic
from text2face.samplers.conditions import ConditionBank

if TYPE_CHECKING:
    from text2face.model import FaceModel

__all__ = ["LatentPairs", "change", "draw_pairs"]

_SAMPLES: Final = 32_768
_SEED: Final = 1
_LIKENESS: Final = 0.05
_LEAST: Final = 1.0
_KEPT: weakref.WeakKeyDictionary[object, tuple[object, LatentPairs]] = (
    weakref.WeakKeyDictionary()
)  # of a sampler: the generator that its latents come from, and the pairs


@dataclass(frozen=True)
class LatentPairs:
    """Latents and what is seen in their images, such as `text2face.training.pairs` makes."""

    latents: Tensor
    """w [N, w_dim]."""
    embeddings: Tensor
    """[N, D], L2-normalised."""

    def __post_init__(self) -> None:
        """Check the shapes.

        Raises:
            ArgumentError: The numbers differ, or there are none.
        """
        if len(self.latents) != len(self.embeddings) or not len(self.latents):
            raise ArgumentError(
                f"{len(self.latents)} latents and {len(self.embeddings)} embeddings, expected as "
                "many of each and at least one"
            )


@register("edit", "direction")
def change(
    pipe: FaceModel, request: EditRequest, *, pairs: LatentPairs | None = None, rounds: int = 1
) -> Tensor:
    """The change of w at strength 1, see `EditMethod`.

    Args:
        pipe: The pipeline.
        request: The face.
        pairs: Pairs from disk; None draws 32,768 latents once, and takes for their embeddings
            what the sampler's critic sees in them (some seconds, no image).
        rounds: See `targets.move_towards`.

    Raises:
        ArgumentError: There are no pairs, and the sampler has no critic.
    """
    pairs = pairs or _drawn(pipe)
    images, codes = pairs.embeddings.to(request.seen), pairs.latents.to(request.latent)
    mean = images.mean(dim=0)

    def move(latent: Tensor, seen: Tensor, target: EditTarget) -> Tensor:
        return (target.weights @ codes)[:, None].expand_as(latent)

    bank = ConditionBank(images, mean, mean)
    how = {"least": _LEAST, "likeness": _LIKENESS}
    return move_towards(pipe, request, move, bank, rounds=rounds, **how)


def _drawn(pipe: FaceModel) -> LatentPairs:
    """Pairs without images, drawn once for each sampler."""
    kept = _KEPT.get(pipe.sampler)
    if kept is None or kept[0] is not pipe.generator:
        kept = (pipe.generator, draw_pairs(pipe, _SAMPLES))
        _KEPT[pipe.sampler] = kept
    return kept[1]


@torch.no_grad()
def draw_pairs(pipe: FaceModel, count: int) -> LatentPairs:
    """Pairs without images: latents of the generator, and what the sampler's critic sees in them.

    Raises:
        ArgumentError: The sampler has no critic.
    """
    sampler, generator = pipe.sampler, pipe.generator
    if not isinstance(sampler, LatentCritic):
        raise ArgumentError(
            f"the sampler is a {type(sampler).__name__}, which cannot tell what a latent looks "
            "like; pass pairs=LatentPairs(latents, embeddings)"
        )
    z = torch.randn(count, generator.z_dim, generator=torch.Generator().manual_seed(_SEED))
    rows = [generator.map(part.to(pipe.device)) for part in torch.split(z, 512)]
    seen = torch.cat([sampler.estimate(w) for w in rows])
    return LatentPairs(torch.cat([w[:, 0] for w in rows]), seen)
