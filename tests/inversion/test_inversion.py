from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.tiny import TinyEncoder
from text2face.errors import ArgumentError, CheckpointError
from text2face.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from text2face.inversion.base import LatentEncoder
from text2face.inversion.encoder import InversionConfig, InversionEncoder
from text2face.inversion.optimisation import OptimisationConfig, noise_penalty, optimise
from text2face.inversion.training import (
    InversionData,
    InversionTraining,
    draw_data,
    train_inversion,
)

SMALL = InversionConfig(4, 8, 8, 32, (4, 4, 4, 8), 16)


@pytest.fixture(scope="module")
def generator() -> StyleGAN2:
    torch.manual_seed(0)
    config = StyleGAN2Config(8, 0, 8, 8, channel_base=64, channel_max=8, mapping_layers=2,
                             mapping_lr_multiplier=1.0)  # fmt: skip
    made = StyleGAN2(config).eval().requires_grad_(False)
    z = torch.randn(256, 8)
    made.mapping.w_avg.copy_(made.mapping(z).mean(dim=0))
    return made


class Critic:
    def estimate(self, latents: Tensor) -> Tensor:
        return F.normalize(latents[:, 0], dim=1)


def test_an_encoder_starts_at_the_mean_and_survives_its_files(tmp_path: Path) -> None:
    encoder = InversionEncoder(SMALL).eval()
    assert isinstance(encoder, LatentEncoder)
    latents = torch.randn(500, 8) @ torch.randn(8, 8) + 3
    encoder.fit_axes(latents)
    assert torch.allclose(encoder.place(torch.zeros(8)), latents.mean(dim=0), atol=1e-5)
    codes = (latents - latents.mean(dim=0)) @ torch.linalg.pinv(encoder.latent_axes)
    assert torch.allclose(torch.cov(codes.T), torch.eye(8), atol=0.02)
    images = torch.rand(2, 3, 40, 30) * 2 - 1
    encoder.save_pretrained(tmp_path)
    again = InversionEncoder.from_pretrained(tmp_path)
    assert torch.allclose(again.encode(images), encoder.encode(images), atol=2e-2)
    with pytest.raises(ArgumentError, match="images have shape"):
        encoder.encode(images[0])
    with pytest.raises(ArgumentError, match="bad image_size: got 100"):
        InversionConfig(image_size=100)


def test_layers_get_differences_one_after_another() -> None:
    encoder = InversionEncoder(SMALL)
    torch.nn.init.ones_(encoder.differences.weight)
    _, differences = encoder.eval()(torch.rand(1, 3, 32, 32), layers=2)
    used = differences.abs().sum(dim=(0, 2)) > 0
    assert used.tolist() == [False, True, False, False]


def test_training_finds_latents_and_resumes(generator: StyleGAN2, tmp_path: Path) -> None:
    data = draw_data(generator, 64, seed=1, batch_size=16)
    assert data.images.shape == (64, 8, 8, 3)
    errors: list[float] = []
    config = InversionTraining(steps=60, batch_size=32, image_share=0.2, learning_rate=1e-2)
    checkpoint = tmp_path / "checkpoint.pt"

    def stop(report: object) -> None:
        errors.append(report.error)  # type: ignore[attr-defined]
        if len(errors) == 30:
            raise KeyboardInterrupt

    arguments = {"critic": Critic(), "judge": TinyEncoder(), "network": SMALL}
    with pytest.raises(KeyboardInterrupt):
        train_inversion(generator, [data], config, **arguments, checkpoint=checkpoint, on_step=stop)  # type: ignore[arg-type]
    steps: list[int] = []
    made = train_inversion(
        generator, [data], config, **arguments, checkpoint=checkpoint,  # type: ignore[arg-type]
        on_step=lambda report: steps.append(report.step),
    )  # fmt: skip
    assert steps[0] == 31
    assert len(steps) == 30
    images = torch.from_numpy(data.images).permute(0, 3, 1, 2) / 127.5 - 1
    found = made.encode(images)
    spread = data.latents.var(dim=0).sum()
    missed = (found[:, 0] - data.latents).square().sum(dim=1).mean() / spread
    assert float(missed) < 0.7
    assert float((found - found[:, :1]).abs().max()) > 0

    checkpoint.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot resume"):
        train_inversion(generator, [data], config, network=SMALL, checkpoint=checkpoint)


def test_bad_training_data_is_named(generator: StyleGAN2) -> None:
    with pytest.raises(ArgumentError, match="expected at least one"):
        train_inversion(generator, [])
    with pytest.raises(ArgumentError, match=r"\[N, H, W, 3\]"):
        InversionData(np.zeros((2, 8, 8), np.uint8), torch.zeros(2, 8))
    with pytest.raises(ArgumentError, match="bad training"):
        InversionTraining(minutes=0)
    with pytest.raises(ArgumentError, match="at least 1"):
        draw_data(generator, 0)


@pytest.mark.parametrize("space", ["w", "w+"])
def test_optimisation_comes_nearer_and_leaves_the_generator_alone(
    generator: StyleGAN2, space: str
) -> None:
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    wanted = generator.synthesize(generator.map(torch.randn(1, 8)))
    start = generator.mean_latent.expand(1, 4, 8).clone()
    spread = torch.ones(8)
    losses: list[float] = []
    config = OptimisationConfig(space=space, steps=40, noise=10.0, early_stop=False)  # type: ignore[arg-type]
    found = optimise(
        generator, wanted, start, spread, config=config,
        on_step=lambda progress: losses.append(progress.loss),
    )  # fmt: skip
    assert len(losses) == found.steps == 40
    assert found.loss < 0.7 * losses[0]
    assert found.latents.shape == (1, 4, 8)
    assert (found.latents == found.latents[:, :1]).all() == (space == "w")
    assert found.noises
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, before[name])
    again = optimise(generator, wanted, start, spread, config=config)
    assert torch.equal(again.latents, found.latents)


def test_a_search_that_is_there_already_stops_early(generator: StyleGAN2) -> None:
    start = generator.map(torch.randn(1, 8))
    image = generator.synthesize(start)
    config = OptimisationConfig(steps=300, learning_rate=1e-4, jitter=0.0)
    with torch.no_grad():  # of the caller's, which must not stop the search
        found = optimise(
            generator, image, start, torch.ones(8), encoder=TinyEncoder(), config=config
        )
    assert found.steps < 100
    with pytest.raises(ArgumentError, match="the start is"):
        optimise(generator, image, start[0], torch.ones(8))
    with pytest.raises(ArgumentError, match="bad optimisation"):
        OptimisationConfig(steps=0)


def test_the_noise_penalty_is_for_what_is_no_noise() -> None:
    random = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    smooth = torch.linspace(-1.7, 1.7, 64).expand(64, 64)
    assert 10 * float(noise_penalty(random)) < float(noise_penalty(smooth))
