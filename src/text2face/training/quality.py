"""How images are drawn of which only the embedding is kept.

Image encoders see 64 to 384 pixels, so most of the work on an image of 1024² is never seen. A
StyleGAN2 of the skip architecture has an image after each resolution, and 16-bit numbers change
little that an encoder notices. How far the embeddings agree with those of the whole image is
measured on some faces before the cheapest way is taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError
from text2face.generators.base import Generator, SkipGenerator
from text2face.precision import computes_in_bfloat16

__all__ = [
    "AGREEMENT",
    "AtQuality",
    "Quality",
    "batch_size_for",
    "choose_quality",
    "draw_for_encoder",
]

AGREEMENT: Final = 0.99
"""The least cosine between the embedding of an image and that of the same, drawn at less cost."""
_SAMPLE: Final = 8  # faces
_SMALL: Final = 128  # pixels; smaller images are drawn as they are
_PIXELS: Final = 32 * 256**2  # of a batch: at most about 2 GB of activations
_DTYPES: Final = {str(t).removeprefix("torch."): t for t in (torch.float32, torch.bfloat16)} | {
    "float16": torch.float16
}


@dataclass(frozen=True)
class Quality:
    """The number type and the resolution of images that only an encoder sees."""

    dtype: torch.dtype = torch.float32
    """Of the generator's convolutions."""
    resolution: int | None = None
    """Side in pixels; None = the generator's own."""

    def __str__(self) -> str:
        """As in "bfloat16 at 256 px"."""
        name = str(self.dtype).removeprefix("torch.")
        return name if self.resolution is None else f"{name} at {self.resolution} px"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The quality that `str` has written.

        Raises:
            ArgumentError: It is none.
        """
        match = re.fullmatch(r"(\w+)(?: at (\d{1,5}) px)?", text)
        if match is None or match[1] not in _DTYPES:
            raise ArgumentError(f"an unknown way of drawing {text[:40]!r}; make the pairs again")
        return cls(_DTYPES[match[1]], int(match[2]) if match[2] else None)


def draw_for_encoder(
    generator: Generator, w: Tensor, quality: Quality | None = None, noise_mode: str = "const"
) -> Tensor:
    """Draw images.

    Args:
        generator: On the device of `w`.
        w: [N, num_ws, w_dim].
        quality: None = float32, whole.
        noise_mode: See `Generator.synthesize`.

    Returns:
        Images [N, 3, H, W] in [-1, 1], float32.

    Raises:
        ArgumentError: The generator has no image of that resolution.
    """
    quality = quality or Quality()
    half = quality.dtype != torch.float32
    with torch.autocast(w.device.type, quality.dtype if half else None, enabled=half):
        if quality.resolution in (None, generator.img_resolution):
            images = generator.synthesize(w, noise_mode)
        elif isinstance(generator, SkipGenerator):
            images = generator.synthesize_at(w, quality.resolution or 0, noise_mode)
        else:
            raise _no_resolution(generator, quality.resolution)
    return images.float().clamp(-1, 1)


class AtQuality:
    """A generator that draws at a lower quality (see `Generator`)."""

    def __init__(self, generator: Generator, quality: Quality) -> None:
        """Wrap a generator; its device stays its own."""
        self._generator, self._quality = generator, quality
        self.z_dim, self.c_dim, self.w_dim = generator.z_dim, generator.c_dim, generator.w_dim
        self.num_ws, self.img_channels = generator.num_ws, generator.img_channels
        self.img_resolution = quality.resolution or generator.img_resolution
        self.map = generator.map

    @property
    def mean_latent(self) -> Tensor:
        """The average of w, [w_dim]."""
        return self._generator.mean_latent

    def synthesize(self, w: Tensor, noise_mode: str = "const") -> Tensor:
        """W [N, num_ws, w_dim] → images [N, 3, H, W] in [-1, 1]."""
        return draw_for_encoder(self._generator, w, self._quality, noise_mode)


@torch.no_grad()
def choose_quality(
    generator: Generator,
    encoder: TextImageEncoder,
    device: torch.device | str = "cpu",
    *,
    dtype: torch.dtype | None = None,
    resolution: int | None = None,
) -> tuple[Quality, float | None]:
    """The cheapest way to draw whose embeddings agree with those of the whole images.

    Args:
        generator: On the device, as the encoder is.
        encoder: Sees the images.
        device: Where both are.
        dtype: Take this one; None = bfloat16 where the device computes in it, if it agrees.
        resolution: Take this one; None = the least from 128 that agrees.

    Returns:
        The quality, and the least cosine of a sample of faces; None = it is not measured, because
        the images are small, or drawn whole in float32.

    Raises:
        ArgumentError: The generator has no image of that resolution.
    """
    device = torch.device(device)
    lower = generator.skip_resolutions if isinstance(generator, SkipGenerator) else ()
    if resolution is not None and resolution not in (*lower, generator.img_resolution):
        raise _no_resolution(generator, resolution)
    if resolution == generator.img_resolution:
        resolution, lower = None, ()
    if dtype is None and resolution is None and generator.img_resolution <= _SMALL:
        return Quality(), None
    fast = [torch.bfloat16] if computes_in_bfloat16(device) else []
    dtypes = [dtype] if dtype is not None else [*fast, torch.float32]
    sides: list[int | None] = [side for side in lower if side >= _SMALL]
    sides = [resolution] if resolution is not None else [*sides, None]
    z = torch.randn(_SAMPLE, generator.z_dim, generator=torch.Generator().manual_seed(0))
    w = generator.map(z.to(device))
    size = batch_size_for(generator.img_resolution, device)

    def see(quality: Quality) -> Tensor:
        images = (draw_for_encoder(generator, part, quality) for part in torch.split(w, size))
        return torch.cat([F.normalize(encoder.encode_image(i).float(), dim=1) for i in images])

    whole: Tensor | None = None
    ways = [Quality(kind, side) for side in sides for kind in dtypes]
    for quality in ways:
        if quality == Quality():
            return quality, None
        whole = see(Quality()) if whole is None else whole
        cosine = float((see(quality) * whole).sum(dim=1).min())
        if cosine >= AGREEMENT or len(ways) == 1:
            return quality, cosine
    return quality, cosine  # a number type that was asked for, at the generator's own resolution


def batch_size_for(resolution: int, device: torch.device | str = "cpu") -> int:
    """How many images of a resolution to draw at once: few where they are large."""
    pixels = _PIXELS * (1 if torch.device(device).type == "cpu" else 8)
    return max(1, min(32, pixels // resolution**2))


def _no_resolution(generator: Generator, resolution: int | None) -> ArgumentError:
    lower = generator.skip_resolutions if isinstance(generator, SkipGenerator) else ()
    known = ", ".join(map(str, (*lower, generator.img_resolution)))
    return ArgumentError(
        f"resolution is {resolution}, expected one that the generator has an image of: {known}"
    )
