from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.tiny import TinyEncoder
from text2face.errors import ArgumentError, CheckpointError
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from text2face.training.pairs import make_pairs, read_pairs, stored_quality, write_pairs
from text2face.training.quality import (
    AtQuality,
    Quality,
    batch_size_for,
    choose_quality,
    draw_for_encoder,
)

BFLOAT16 = torch.bfloat16


def make_generator(architecture: str = "skip", resolution: int = 256) -> StyleGAN2:
    torch.manual_seed(0)
    channels = (4,) * (resolution.bit_length() - 2)
    config = StyleGAN2Config(8, 0, 8, resolution, channels=channels, architecture=architecture)  # type: ignore[arg-type]
    return StyleGAN2(config).eval().requires_grad_(False)


class Averaging(TinyEncoder):
    """Sees a picture's colour at 8 × 8 places, and no more."""

    def encode_image(self, images: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(images, 8).flatten(1)


def test_an_image_so_far_is_that_of_the_pyramid() -> None:
    generator = make_generator()
    w = generator.map(torch.randn(2, 8))
    images = generator.synthesis.pyramid(w)[1]
    assert generator.skip_resolutions == (8, 16, 32, 64, 128)
    for image in images[1:-1]:
        assert torch.equal(generator.synthesize_at(w, image.shape[-1]), image)
    with pytest.raises(ArgumentError, match="resolution is 100, expected one of 8, 16"):
        generator.synthesize_at(w, 100)
    with pytest.raises(ArgumentError, match="bad shape of w"):
        generator.synthesize_at(w[0], 64)
    with pytest.raises(ArgumentError, match="expected one of none"):
        make_generator("resnet").synthesize_at(w, 64)


def test_the_least_resolution_that_agrees_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("text2face.training.quality.computes_in_bfloat16", lambda device: False)
    generator = make_generator()
    for name, tensor in generator.state_dict().items():
        if "blocks.6.to_rgb" in name:  # the last block adds nothing to the image
            tensor.zero_()
    quality, cosine = choose_quality(generator, Averaging())
    assert quality == Quality(resolution=128)
    assert cosine is not None
    assert cosine > 0.99
    generator.synthesis.blocks[6].to_rgb.bias.data += torch.tensor([9.0, -9.0, 9.0])
    assert choose_quality(generator, Averaging()) == (Quality(), None)
    monkeypatch.setattr("text2face.training.quality.computes_in_bfloat16", lambda device: True)
    quality, cosine = choose_quality(generator, Averaging())
    assert quality == Quality(BFLOAT16)
    assert cosine is not None
    assert cosine > 0.99


def test_what_is_asked_for_is_taken_and_measured() -> None:
    generator, encoder = make_generator(), Averaging()
    quality, cosine = choose_quality(generator, encoder, dtype=BFLOAT16, resolution=64)
    assert quality == Quality(BFLOAT16, 64)
    assert cosine is not None
    whole = choose_quality(generator, encoder, dtype=torch.float32, resolution=256)
    assert whole == (Quality(), None)
    for resolution in (3, 100, 512):
        with pytest.raises(ArgumentError, match="expected one that the generator has"):
            choose_quality(generator, encoder, resolution=resolution)


def test_small_images_are_drawn_as_they_are() -> None:
    assert choose_quality(make_generator(resolution=128), TinyEncoder()) == (Quality(), None)


def test_the_quality_of_pairs_stands_in_their_shards(tmp_path: Path) -> None:
    generator, encoder = make_generator(), Averaging()
    quality = Quality(BFLOAT16, 128)
    assert stored_quality(tmp_path) is None
    write_pairs(generator, encoder, tmp_path, 4, batch_size=2, quality=quality)
    assert stored_quality(tmp_path) == quality
    assert read_pairs(tmp_path).series["quality"] == "bfloat16 at 128 px"
    w = generator.map(torch.randn(2, 8))
    expected = draw_for_encoder(generator, w, quality)
    assert expected.shape == (2, 3, 128, 128)
    assert expected.dtype == torch.float32
    for other in (None, Quality(BFLOAT16)):  # neither is taken for the other
        with pytest.raises(CheckpointError, match="another quality"):
            write_pairs(generator, encoder, tmp_path, 4, batch_size=2, quality=other)
    write_pairs(generator, encoder, tmp_path / "whole", 4, batch_size=2, quality=Quality())
    assert "quality" not in read_pairs(tmp_path / "whole").series
    assert stored_quality(tmp_path / "whole") == Quality()
    with pytest.raises(CheckpointError, match="another quality"):
        write_pairs(generator, encoder, tmp_path / "whole", 4, batch_size=2, quality=quality)


def test_autocast_outside_changes_nothing() -> None:
    generator, encoder = make_generator(), Averaging()
    plain = make_pairs(generator, encoder, 5, batch_size=2)
    with torch.autocast("cpu", BFLOAT16):
        inside = make_pairs(generator, encoder, 5, batch_size=2)
    assert torch.equal(plain.embeddings, inside.embeddings)


@pytest.mark.parametrize("quality", [Quality(), Quality(BFLOAT16), Quality(BFLOAT16, 128)])
def test_a_quality_is_read_as_it_is_written(quality: Quality) -> None:
    assert Quality.parse(str(quality)) == quality


@pytest.mark.parametrize("text", ["", "int8", "float32 at px", "float32 at 999999 px", "x at 8 px"])
def test_another_text_is_no_quality(text: str) -> None:
    with pytest.raises(ArgumentError, match="unknown way of drawing"):
        Quality.parse(text)


def test_large_images_come_in_small_batches() -> None:
    sizes = [batch_size_for(side) for side in (128, 256, 512, 1024, 2048)]
    assert sizes == [32, 32, 8, 2, 1]
    assert batch_size_for(1024, "cuda") == 16


def test_a_generator_at_lower_quality_is_one() -> None:
    generator = make_generator()
    low = AtQuality(generator, Quality(resolution=64))
    w = low.map(torch.randn(2, 8))
    assert low.img_resolution == 64
    assert torch.equal(low.mean_latent, generator.mean_latent)
    assert torch.equal(low.synthesize(w), generator.synthesize_at(w, 64).clamp(-1, 1))
