from __future__ import annotations

import pytest
import torch

from tests.tiny import TinyEncoder
from text2face.errors import ArgumentError
from text2face.training.features import FeatureDistance


class Seer(torch.nn.Module):
    """Enough of an encoder to have layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.LayerNorm(4)

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        return self.norm(self.convolution(images).mean(dim=(2, 3)))


def test_equal_images_are_at_no_distance_and_others_are() -> None:
    measure = FeatureDistance(Seer())
    images = torch.rand(3, 3, 8, 8)
    torch.testing.assert_close(measure(images, images), torch.zeros(3))
    near, far = images + 0.01, images.flip(3)
    assert (measure(near, images) < measure(far, images)).all()


def test_a_gradient_leads_to_the_image() -> None:
    measure = FeatureDistance(Seer().requires_grad_(False))
    image, wanted = torch.rand(1, 3, 8, 8, requires_grad=True), torch.rand(1, 3, 8, 8)
    before = measure(image, wanted).sum()
    before.backward()
    assert image.grad is not None
    with torch.no_grad():
        assert measure(image - 0.1 * image.grad / image.grad.norm(), wanted).sum() < before


def test_an_encoder_without_layers_is_refused() -> None:
    with pytest.raises(ArgumentError, match="no layers to compare"):
        FeatureDistance(TinyEncoder())
