from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from text2face.errors import ArgumentError, CheckpointError
from text2face.samplers.base import LatentSampler
from text2face.samplers.conditions import ConditionBank
from text2face.samplers.fast_text2stylegan import FastText2StyleGANConfig, FastText2StyleGANSampler

SMALL: dict[str, Any] = {"num_ws": 10, "embedding_dim": 12, "code_dim": 6, "image_size": 64}
VARIANTS: list[dict[str, Any]] = [
    {"variant": "w"},
    {"variant": "w+"},
    {"variant": "double-w", "code_dim": 12},
]


def make_sampler(**changes: Any) -> FastText2StyleGANSampler:
    torch.manual_seed(0)
    return FastText2StyleGANSampler(FastText2StyleGANConfig(**{**SMALL, **changes})).eval()


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_draws_latents_of_the_right_shape(variant: dict[str, Any]) -> None:
    sampler = make_sampler(**variant)
    assert isinstance(sampler, LatentSampler)
    w = sampler.sample(torch.randn(5, 12), torch.randn(5, sampler.z_dim))
    assert w.shape == (5, 10, 12)
    groups = w.unique(dim=1).shape[1]
    assert groups == (3 if variant["variant"] == "w+" else 1)
    if groups == 3:
        assert torch.equal(w[:, :1].expand(-1, 4, -1), w[:, :4])
        assert torch.equal(w[:, 4:5].expand(-1, 4, -1), w[:, 4:8])
        assert torch.equal(w[:, 8], w[:, 9])


def test_the_length_of_a_condition_is_that_of_the_encoder() -> None:
    sampler = make_sampler(embedding_norm=7.0)
    condition, z = torch.randn(2, 12), torch.randn(2, 6)
    drawn = sampler.sample(condition, z)
    torch.testing.assert_close(drawn, sampler.sample(3 * condition, z))
    unit = condition / condition.norm(dim=1, keepdim=True)
    torch.testing.assert_close(drawn, sampler.decode(z, 7 * unit))
    assert not torch.allclose(drawn, sampler.decode(z, unit))


@pytest.mark.parametrize("size", [(64, 64), (80, 70)])
def test_pictures_of_any_size_have_a_posterior(size: tuple[int, int]) -> None:
    mean, log_variance = make_sampler().infer(torch.rand(3, 3, *size), torch.randn(3, 12))
    assert mean.shape == log_variance.shape == (3, 6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_survives_the_disk(tmp_path: Path, variant: dict[str, Any]) -> None:
    sampler = make_sampler(**variant, embedding_norm=7.0)
    sampler.latent_mean.normal_()
    sampler.save_pretrained(tmp_path)
    again = FastText2StyleGANSampler.from_pretrained(tmp_path)
    assert again.config == sampler.config
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())
    condition, z = torch.randn(2, 12), torch.randn(2, sampler.z_dim)
    torch.testing.assert_close(
        again.sample(condition, z), sampler.sample(condition, z), rtol=0.02, atol=0.02
    )
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="missing file"):
        FastText2StyleGANSampler.from_pretrained(tmp_path)


def test_it_can_carry_a_bank_for_sampling_by_neighbours(tmp_path: Path) -> None:
    sampler = make_sampler()
    assert sampler.bank is None
    bank = ConditionBank(torch.randn(9, 12), torch.randn(12), torch.randn(12))
    sampler.with_bank(bank).save_pretrained(tmp_path)
    loaded = FastText2StyleGANSampler.from_pretrained(tmp_path)
    assert loaded.bank is not None
    torch.testing.assert_close(loaded.bank.embeddings, bank.embeddings, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": "z"}, "bad variant"),
        ({"num_ws": 0}, "bad sizes"),
        ({"code_dim": 1 << 20}, "bad sizes"),
        ({"image_size": 100}, "bad image_size"),
        ({"bank_size": -1}, "bad bank_size"),
        ({"variant": "w+", "num_ws": 6}, "bad num_ws"),
        ({"variant": "double-w"}, "bad code_dim"),
        ({"embedding_norm": 0.0}, "bad embedding_norm"),
        ({"embedding_norm": float("nan")}, "bad embedding_norm"),
    ],
)
def test_bad_configurations_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make_sampler(**changes)


def test_bad_shapes_are_refused() -> None:
    sampler = make_sampler()
    with pytest.raises(ArgumentError, match=r"expected \[N, 12\] and \[N, 6\]"):
        sampler.sample(torch.randn(2, 12), torch.randn(2, 7))
    with pytest.raises(ArgumentError, match=r"expected \[N, 12\] and N of them"):
        sampler.infer(torch.zeros(2, 3, 64, 64), torch.randn(3, 12))
    with pytest.raises(ArgumentError, match=r"expected \[N, 3, H, W\]"):
        sampler.infer(torch.zeros(2, 1, 64, 64), torch.randn(2, 12))
