"""Text + image: through the posterior of the sampler and out with another condition.

arXiv 2209.03953, section 3.3: z is what the sampler's posterior makes of the face, and the
condition is what the words ask for. Here only the difference between two decodings of that z is
added to the latent, so that what the sampler cannot reconstruct is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor

from text2face.editing.base import EditRequest
from text2face.editing.targets import ROUNDS, EditTarget, move_towards
from text2face.errors import ArgumentError
from text2face.registry import register

if TYPE_CHECKING:
    from text2face.model import FaceModel


@runtime_checkable
class Inferring(Protocol):
    """A sampler with a posterior over z given a latent."""

    def infer(self, latents: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """W [N, num_ws, w_dim], embeddings [N, D] → μ, log σ² of z."""
        ...


@runtime_checkable
class InferringPictures(Protocol):
    """A sampler with a posterior over z given a picture."""

    def infer_pictures(self, images: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, 3, H, W], embeddings [N, D] → μ, log σ² of z."""
        ...


@register("edit", "posterior")
def change(pipe: FaceModel, request: EditRequest, *, rounds: int = ROUNDS) -> Tensor:
    """The change of w at strength 1, see `EditMethod`.

    Args:
        pipe: The pipeline.
        request: The face.
        rounds: See `targets.move_towards`.

    Raises:
        ArgumentError: The sampler has no posterior.
    """
    sampler = pipe.sampler

    def move(latent: Tensor, seen: Tensor, target: EditTarget) -> Tensor:
        if isinstance(sampler, InferringPictures):
            z, _ = sampler.infer_pictures(pipe.decode(latent), seen)
        elif isinstance(sampler, Inferring):
            z, _ = sampler.infer(latent, seen)
        else:
            raise ArgumentError(
                f"the sampler is a {type(sampler).__name__}, which has no posterior of a latent; "
                "expected a CVAE for method 'posterior'; use method='direction' or 'optimise'"
            )
        return sampler.sample(target.wanted, z) - sampler.sample(seen, z)

    return move_towards(pipe, request, move, getattr(sampler, "bank", None), rounds=rounds)
