"""The protocol of generators: latent → image."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from text2face.errors import ArgumentError, quoted


@runtime_checkable
class Generator(Protocol):
    """A pretrained image generator: a mapping network z → w and a synthesis network w → image."""

    z_dim: int
    c_dim: int
    w_dim: int
    num_ws: int
    img_resolution: int
    img_channels: int

    @property
    def mean_latent(self) -> Tensor:
        """The average of w over z ~ N(0, I), the anchor of truncation: [w_dim]."""
        ...

    def map(
        self,
        z: Tensor,
        c: Tensor | None = None,
        truncation: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Map z [N, z_dim], c [N, c_dim] to w [N, num_ws, w_dim].

        Truncation pulls w towards `mean_latent`, in the first `truncation_cutoff` layers or in all.
        """
        ...

    def synthesize(self, w: Tensor, noise_mode: str = "const") -> Tensor:
        """W [N, num_ws, w_dim] → images [N, img_channels, H, W], float in [-1, 1] (not clamped)."""
        ...


@runtime_checkable
class SkipGenerator(Protocol):
    """A generator that has an image after each resolution (the skip architecture)."""

    @property
    def skip_resolutions(self) -> tuple[int, ...]:
        """The sides of the images before the last one, in pixels; () = it has none."""
        ...

    def synthesize_at(self, w: Tensor, resolution: int, noise_mode: str = "const") -> Tensor:
        """W [N, num_ws, w_dim] → images so far [N, img_channels, resolution, resolution]."""
        ...


def check_channels(channels: object) -> None:
    """Check that a generator's pictures are RGB, which every encoder and every file expects.

    Raises:
        ArgumentError: `img_channels` is not 3.
    """
    if channels != 3:
        raise ArgumentError(
            f"the generator draws pictures of {quoted(channels)} "
            f"{'channel' if channels == 1 else 'channels'} (img_channels), expected 3"
        )
