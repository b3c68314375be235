"""What a GPU asks of every part, seen without one.

Tensors of the meta device have no numbers: a part that reads one back (`item`, `cpu`, a branch on a
value), or that mixes in a tensor made on the CPU, fails there; on a GPU it would wait, or fail too.
"""

from __future__ import annotations

from contextlib import nullcontext
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from text2face import TextToFace
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from text2face.generators.stylegan3 import StyleGAN3, StyleGAN3Config

META = torch.device("meta")


def on_meta(part: object) -> nn.Module:
    assert isinstance(part, nn.Module)
    return deepcopy(part).to(META)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without autocast, which the meta device has not got."""
    monkeypatch.setattr(torch, "autocast", lambda *arguments, **named: nullcontext())
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda device: False)


@pytest.mark.usefixtures("plain")
def test_the_generator_is_drawn_where_it_is(bundled: TextToFace) -> None:
    generator = on_meta(bundled.generator)
    assert isinstance(generator, StyleGAN2)
    w = generator.map(torch.randn(2, generator.z_dim, device=META), truncation=0.7)
    assert w.device == META
    for mode in ("const", "none", "random"):
        with torch.no_grad():
            image = generator.synthesize(w, mode)
        assert image.shape == (2, 3, generator.img_resolution, generator.img_resolution)
        assert image.device == META
    assert generator.synthesize_at(w, 64).shape == (2, 3, 64, 64)


@pytest.mark.usefixtures("plain")
@pytest.mark.parametrize("rotation", [False, True])
def test_stylegan3_is_drawn_where_it_is(rotation: bool) -> None:
    config = StyleGAN3Config(
        z_dim=8, w_dim=8, img_resolution=32, channel_base=512, channel_max=16,
        use_radial_filters=rotation,
    )  # fmt: skip
    generator = on_meta(StyleGAN3(config).eval().requires_grad_(False))
    assert isinstance(generator, StyleGAN3)
    w = generator.map(torch.randn(2, 8, device=META))
    assert generator.synthesize(w).shape == (2, 3, 32, 32)


def test_the_encoder_sees_where_it_is(bundled: TextToFace) -> None:
    encoder = on_meta(bundled.encoder)
    images = torch.randn(2, 3, 100, 100, device=META)
    seen = encoder.encode_image(images)  # type: ignore[operator]
    assert isinstance(seen, Tensor)
    assert seen.device == META
    assert seen.shape == (2, bundled.encoder.embedding_dim)


def test_the_sampler_draws_where_it_is(bundled: TextToFace) -> None:
    sampler = on_meta(bundled.sampler)
    text = torch.randn(2, bundled.sampler.embedding_dim, device=META)
    z = torch.randn(2, bundled.sampler.z_dim, device=META)
    latents = sampler.sample(text, z)  # type: ignore[operator]
    assert latents.device == META
    assert latents.shape == (2, bundled.generator.num_ws, bundled.generator.w_dim)


@pytest.mark.slow
def test_the_generator_can_be_exported() -> None:
    config = StyleGAN2Config(8, 0, 8, 16, channels=(4, 4, 4))
    network = StyleGAN2(config).eval().requires_grad_(False).synthesis
    w = torch.randn(2, config.num_ws, 8)
    with torch.no_grad():
        exported = torch.export.export(network, (w,)).module()
        torch.testing.assert_close(exported(w), network(w))
