"""A perceptual distance by the encoder's image tower, used where LPIPS is not available."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from text2face.encoders.base import TextImageEncoder
from text2face.errors import ArgumentError

__all__ = ["FeatureDistance"]


class FeatureDistance:
    """How differently an encoder sees two images.

    As in LPIPS (arXiv 1801.03924), activations are scaled to unit length across channels at every
    place, and squared differences are averaged over places; but the network is the encoder, its
    layers count alike, and nothing is fitted to human judgement. The layers are the convolutions
    and the layer norms that an image passes.
    """

    def __init__(self, encoder: TextImageEncoder) -> None:
        """Look for the layers.

        Raises:
            ArgumentError: The encoder has none.
        """
        self._encoder = encoder
        modules = encoder.modules() if isinstance(encoder, nn.Module) else iter(())
        self._layers = [m for m in modules if isinstance(m, nn.Conv2d | nn.LayerNorm)]
        if not self._layers:
            raise ArgumentError(
                f"the encoder {type(encoder).__name__} has no layers to compare images by; give a "
                "feature distance, such as LPIPS"
            )

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Images [N, 3, H, W] in [-1, 1], twice → distances [N]; differentiable in the first."""
        with torch.no_grad():
            wanted = self._look(second)
        terms = []
        for a, b in zip(self._look(first), wanted, strict=True):
            channel = 1 if a.ndim == 4 else -1
            gap = F.normalize(a.float(), dim=channel) - F.normalize(b.float(), dim=channel)
            terms.append(gap.square().sum(dim=channel).flatten(1).mean(dim=1))
        return torch.stack(terms).mean(dim=0)

    def _look(self, images: Tensor) -> list[Tensor]:
        seen: list[Tensor] = []
        handles = [
            layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
            for layer in self._layers
        ]
        try:
            self._encoder.encode_image(images)
        finally:
            for handle in handles:
                handle.remove()
        return [x if x.ndim > 2 else x[:, None] for x in seen if len(x) == len(images)]
