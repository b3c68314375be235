"""Text + image: through the posterior of the sampler and out with another condition.

arXiv 2209.03953, section 3.3: z is what the sampler's posterior makes of the face, and the
condition is what the words ask for. Here only the difference between two decodings of that z is
added to the latent, so that what the sampler cannot reconstruct is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from text2face.editing.base import Subject
from text2face.editing.targets import target
from text2face.errors import ArgumentError

if TYPE_CHECKING:
    from text2face.pipeline import TextToFace


@runtime_checkable
class Inferring(Protocol):
    """A sampler with a posterior over z given a latent."""

    def infer(self, latents: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """W [N, num_ws, w_dim], embeddings [N, D] → μ, log σ² of the first components of z."""
        ...


def change(pipe: TextToFace, subject: Subject) -> Tensor:
    """The change of w at strength 1, see `EditMethod`."""
    sampler = pipe.sampler
    if not isinstance(sampler, Inferring):
        raise ArgumentError(
            f"the sampler is a {type(sampler).__name__}, which has no posterior of a latent; "
            "expected a CVAE for method 'posterior'; use method='direction' or 'optimise'"
        )
    mean, _ = sampler.infer(subject.latent, subject.seen)
    rest = mean.new_zeros(len(mean), sampler.z_dim - mean.shape[1])
    z = torch.cat([mean, rest], dim=1)
    wanted = target(subject, getattr(sampler, "bank", None))
    return sampler.sample(wanted, z) - sampler.sample(subject.seen, z)
