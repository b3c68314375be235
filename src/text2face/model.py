"""The protocol of a model, as edits, records and outputs use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from text2face.encoders.base import TextImageEncoder
from text2face.generators.axes import LatentAxes
from text2face.generators.base import Generator
from text2face.inversion.base import LatentEncoder
from text2face.prompts import Prompt
from text2face.samplers.base import LatentSampler
from text2face.settings import NoiseMode, PipelineConfig, Settings

__all__ = ["FaceModel"]


class FaceModel(Protocol):
    """A model of faces; `TextToFace` is the one there is, and says more of each member."""

    encoder: TextImageEncoder
    sampler: LatentSampler
    generator: Generator
    inverter: LatentEncoder | None
    config: PipelineConfig
    device: torch.device
    dtype: torch.dtype

    @property
    def weights(self) -> str | None:
        """The fingerprint of the weights."""
        ...

    @property
    def latent_axes(self) -> LatentAxes:
        """The axes along which the generator's latents vary."""
        ...

    def embed(self, text: str | Prompt, settings: Settings | None = None) -> Tensor:
        """A prompt → its embedding [D]."""
        ...

    def latents(self, embeddings: Tensor, seeds: Sequence[int], settings: Settings) -> Tensor:
        """Embeddings [N, D] → w [N, num_ws, w_dim]."""
        ...

    def decode(
        self, latents: Tensor, noise_mode: NoiseMode = "const", *, seed: int | None = None
    ) -> Tensor:
        """Latents w [N, num_ws, w_dim] → images [N, 3, H, W]."""
        ...

    def checked_latents(self, latents: Tensor) -> Tensor:
        """Latents as they came; an `ArgumentError` if they are another generator's."""
        ...
