"""The base of samplers that work on standardised latents."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.errors import ArgumentError, quoted
from text2face.samplers.saved import SavedSampler

__all__ = ["StandardisedConfig", "StandardisedSampler", "Surrogate"]


_MAX_SIZE: Final = 1 << 16


@dataclass(frozen=True)
class StandardisedConfig:
    """What the configurations of all samplers in standard units have."""

    embedding_dim: int = 256
    """Size of the condition."""
    w_dim: int = 512
    """Size of a latent code."""
    num_ws: int = 12
    """Latent codes of one image."""
    layer_groups: tuple[int, ...] = ()
    """Layers that share a code, such as (4, 4, 4) for coarse, medium and fine; () = all share."""
    width: int = 512
    """Size of the hidden layers."""
    depth: int = 3
    """Residual blocks, or hidden layers where there are none."""
    surrogate_width: int = 512
    """Size of the hidden layers of `surrogate`."""
    bank_size: int = 0
    """Image embeddings kept for `samplers.conditions`; 0 = no bank."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ArgumentError: A value is out of range.
        """
        object.__setattr__(self, "layer_groups", tuple(self.layer_groups))
        sizes = [self.embedding_dim, self.w_dim, self.width, self.depth, self.surrogate_width]
        check_shape(self, sizes, self.layer_groups)
        if self.bank_size < 0:
            raise ArgumentError(f"bad bank_size: got {self.bank_size}, expected 0 or more")

    @property
    def num_groups(self) -> int:
        """How many different codes one image has."""
        return len(self.layer_groups) or 1


class Surrogate(nn.Module):
    """An approximation of encoder ∘ generator: latent → the embedding of its image."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        """Make the network."""
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, outputs),
        )

    def forward(self, latents: Tensor) -> Tensor:
        """Standardised latents [N, G·w_dim] → embeddings [N, D], L2-normalised."""
        return F.normalize(self.layers(latents), dim=1)


class StandardisedSampler(SavedSampler):
    """A sampler that knows where latents and conditions lie and how far they spread.

    Its networks see latents in units of each component's standard deviation around the mean, one
    code for each of G groups of layers, and conditions that are centred and scaled so that their
    components have the size of z's. Its config is a `StandardisedConfig`.
    """

    latent_mean: Tensor
    latent_std: Tensor
    condition_mean: Tensor
    condition_scale: Tensor

    def add_statistics(self) -> None:
        """Make the surrogate and room for means and spreads."""
        config = self.config
        groups, dim = config.num_groups, config.embedding_dim
        self.surrogate = Surrogate(groups * config.w_dim, config.surrogate_width, dim)
        self.register_buffer("latent_mean", torch.zeros(groups, config.w_dim))
        self.register_buffer("latent_std", torch.ones(groups, config.w_dim))
        self.register_buffer("condition_mean", torch.zeros(dim))
        self.register_buffer("condition_scale", torch.tensor(math.sqrt(dim)))
        self.add_bank(dim)

    @property
    def embedding_dim(self) -> int:
        """Size of the condition."""
        size: int = self.config.embedding_dim
        return size

    @property
    def num_ws(self) -> int:
        """Latent codes of one image."""
        count: int = self.config.num_ws
        return count

    @property
    def w_dim(self) -> int:
        """Size of a latent code."""
        size: int = self.config.w_dim
        return size

    def prepare_condition(self, embedding: Tensor) -> Tensor:
        """Normalise embeddings [N, D], then centre and scale them as the networks expect."""
        centred = F.normalize(embedding.float(), dim=1) - self.condition_mean
        return centred * self.condition_scale

    def standardise(self, latents: Tensor) -> Tensor:
        """Latents [N, num_ws, w_dim] → what the networks work in [N, G·w_dim]."""
        starts = [0]
        for size in self.config.layer_groups[:-1]:
            starts.append(starts[-1] + size)
        codes = latents[:, starts].float()
        return ((codes - self.latent_mean) / self.latent_std).flatten(1)

    def restore(self, standardised: Tensor) -> Tensor:
        """What the networks work in [N, G·w_dim] → latents [N, num_ws, w_dim]."""
        codes = standardised.view(len(standardised), -1, self.w_dim)
        codes = codes * self.latent_std + self.latent_mean
        if not self.config.layer_groups:
            return codes.expand(-1, self.num_ws, -1).contiguous()
        sizes = torch.tensor(self.config.layer_groups, device=codes.device)
        return torch.repeat_interleave(codes, sizes, dim=1)

    def estimate(self, latents: Tensor) -> Tensor:
        """What the encoder would see in the images of latents, in a thousandth of the time.

        Args:
            latents: w [N, num_ws, w_dim].

        Returns:
            Image embeddings [N, D], L2-normalised.
        """
        embeddings: Tensor = self.surrogate(self.standardise(latents))
        return embeddings

    def check_inputs(self, condition: Tensor, z: Tensor, z_dim: int) -> None:
        """See that the inputs of `sample` fit.

        Raises:
            ArgumentError: They do not.
        """
        got = (condition.shape[-1], z.shape[-1])
        if (
            condition.ndim != 2
            or z.ndim != 2
            or got != (self.embedding_dim, z_dim)
            or len(condition) != len(z)
        ):
            raise ArgumentError(
                f"the condition is {list(condition.shape)} and z is {list(z.shape)}, expected "
                f"[N, {self.embedding_dim}] and [N, {z_dim}]"
            )


def check_shape(
    config: StandardisedConfig, sizes: list[int], layer_groups: tuple[int, ...]
) -> None:
    """See that sizes are positive and that layer groups add up to num_ws.

    Raises:
        ArgumentError: They are not, or do not.
    """
    num_ws = config.num_ws
    if min(*sizes, num_ws, *layer_groups) < 1 or max(*sizes, num_ws) > _MAX_SIZE:
        raise ArgumentError(
            f"bad sizes: got {quoted(config)}, expected whole numbers from 1 to {_MAX_SIZE}"
        )
    if layer_groups and sum(layer_groups) != num_ws:
        raise ArgumentError(
            f"bad layer_groups: got {list(layer_groups)}, expected numbers that add up to "
            f"num_ws = {num_ws}"
        )
