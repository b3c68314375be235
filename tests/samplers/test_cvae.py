from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from text2face.errors import ArgumentError, CheckpointError
from text2face.samplers.base import LatentCritic, LatentSampler
from text2face.samplers.conditions import ConditionBank
from text2face.samplers.cvae import CVAESampler, CVAESamplerConfig

SMALL: dict[str, Any] = {"embedding_dim": 8, "w_dim": 12, "num_ws": 4, "code_dim": 6, "width": 16}


def make_sampler(**changes: Any) -> CVAESampler:
    torch.manual_seed(0)
    return CVAESampler(CVAESamplerConfig(**{**SMALL, "depth": 2, **changes})).eval()


@pytest.mark.parametrize("architecture", ["plain", "residual"])
@pytest.mark.parametrize("layer_groups", [(), (1, 3)])
def test_it_draws_latents_of_the_right_shape(
    architecture: str, layer_groups: tuple[int, ...]
) -> None:
    sampler = make_sampler(architecture=architecture, layer_groups=layer_groups)
    assert isinstance(sampler, LatentSampler)
    w = sampler.sample(torch.randn(5, 8), torch.randn(5, sampler.z_dim))
    assert w.shape == (5, 4, 12)
    assert torch.equal(w[:, 1], w[:, 3])
    assert torch.equal(w[:, 0], w[:, 1]) == (not layer_groups)


def test_only_the_direction_of_the_condition_counts() -> None:
    sampler, condition, z = make_sampler(), torch.randn(2, 8), torch.randn(2, 6)
    torch.testing.assert_close(sampler.sample(condition, z), sampler.sample(7 * condition, z))


def test_untrained_it_stays_around_the_mean_latent_at_its_scale() -> None:
    sampler = make_sampler(width=64)
    sampler.latent_mean.fill_(3.0)
    sampler.latent_std.fill_(0.1)
    w = sampler.sample(torch.randn(500, 8), torch.randn(500, 6))
    assert abs(w.mean().item() - 3) < 0.1
    assert 0.02 < w.std().item() < 0.4


@pytest.mark.parametrize("layer_groups", [(), (1, 3)])
def test_standardising_undoes_decoding(layer_groups: tuple[int, ...]) -> None:
    sampler = make_sampler(layer_groups=layer_groups)
    sampler.latent_mean.normal_()
    sampler.latent_std.uniform_(0.5, 2)
    condition, z = torch.randn(3, 8), torch.randn(3, 6)
    w = sampler.sample(condition, z)
    decoded = sampler.decode(z, sampler.prepare_condition(condition))
    torch.testing.assert_close(sampler.standardise(w), decoded)
    mean, log_variance = sampler.infer(w, condition)
    assert mean.shape == log_variance.shape == (3, 6)


def test_it_survives_the_disk(tmp_path: Path) -> None:
    sampler = make_sampler(layer_groups=(1, 3))
    bank = ConditionBank(torch.randn(9, 8), torch.randn(8), torch.randn(8))
    sampler.with_bank(bank).save_pretrained(tmp_path)
    loaded = CVAESampler.from_pretrained(tmp_path)
    assert loaded.config.layer_groups == (1, 3)
    condition, z = torch.randn(2, 8), torch.randn(2, 6)
    expected = sampler.sample(condition, z)
    torch.testing.assert_close(loaded.sample(condition, z), expected, rtol=0.02, atol=0.02)
    looks = sampler.estimate(expected)
    torch.testing.assert_close(loaded.estimate(expected), looks, rtol=0.02, atol=0.02)
    assert loaded.bank is not None
    torch.testing.assert_close(loaded.bank.text_mean, bank.text_mean, rtol=1e-3, atol=1e-3)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_the_look_of_a_latent_is_a_unit_vector() -> None:
    sampler = make_sampler(layer_groups=(1, 3))
    assert isinstance(sampler, LatentCritic)
    looks = sampler.estimate(sampler.sample(torch.randn(5, 8), torch.randn(5, 6)))
    assert looks.shape == (5, 8)
    torch.testing.assert_close(looks.norm(dim=1), torch.ones(5))


def test_no_bank_is_none() -> None:
    assert make_sampler().bank is None


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    sampler = make_sampler()
    with pytest.raises(ArgumentError, match=r"expected \[N, 8\] and \[N, 6\]"):
        sampler.sample(torch.randn(2, 8), torch.randn(2, 7))
    for changes in ({"depth": 0}, {"layer_groups": (1, 2)}, {"architecture": "deep"}):
        with pytest.raises(ArgumentError, match="bad "):
            make_sampler(**changes)
    sampler.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="missing file"):
        CVAESampler.from_pretrained(tmp_path)


def test_a_sampler_that_remembers_draws_the_latents_of_its_bank(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = CVAESamplerConfig(embedding_dim=8, w_dim=6, num_ws=3, width=16, depth=1, code_dim=4)
    images = torch.nn.functional.normalize(torch.randn(5, 8), dim=1)
    bank = ConditionBank(images, images.mean(0), images.mean(0))
    plain = CVAESampler(config).with_bank(bank)
    latents = torch.randn(5, 6)
    sampler = plain.with_latents(latents)
    still = torch.zeros(5, 4)
    for drawn in (sampler.sample(images, still), sampler.sample(3 * images, still)):
        torch.testing.assert_close(drawn, latents[:, None].expand(-1, 3, -1), atol=0.03, rtol=0)
    z = torch.randn(5, 4)
    assert (sampler.sample(images, z) - sampler.sample(images, still)).abs().max() > 1e-4
    text = torch.nn.functional.normalize(images[:1] + 0.1 * torch.randn(1, 8), dim=1)
    moved = sampler.sample(text, still[:1]) - sampler.sample(images[:1], still[:1])
    expected = plain.sample(text, still[:1]) - plain.sample(images[:1], still[:1])
    torch.testing.assert_close(moved, expected)
    sampler.save_pretrained(tmp_path)
    again = CVAESampler.from_pretrained(tmp_path)
    assert torch.equal(again.bank_codes, sampler.bank_codes)
    torch.testing.assert_close(
        again.sample(images, z), sampler.sample(images, z), atol=0.02, rtol=0
    )
    with pytest.raises(ArgumentError, match="one for each image of the bank"):
        plain.with_latents(latents[:3])
